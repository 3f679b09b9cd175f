"""A meter as all its connections share it: objects, clients, counters, and who holds it now."""

import secrets
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from firmware_sim.dlms.catalogue import FLAG_ID, Model, objects_of
from firmware_sim.dlms.ciphering import Counters
from firmware_sim.dlms.clients import ORDER, Access, system_title
from firmware_sim.dlms.gcm import TITLE_SIZE
from firmware_sim.dlms.push_setup import push_objects
from firmware_sim.dlms.security_setup import security_setups
from firmware_sim.errors import SetupError
from firmware_sim.meter import Meter

DEFAULT_MAX_PDU = 1024
CHALLENGE_SIZE = 16
"""Bytes of this meter's challenges: a whole AES block."""


class Stale(Enum):
    """What a stale invocation counter draws; field meters do each of these."""

    EXCEPTION = "exception"
    """An exception-response that carries the expected counter."""
    REJECT = "reject"
    """A refused association; an exception without the counter inside one."""
    SILENCE = "silence"
    """The connection ends without an answer."""


Spoiler = Callable[[bytes], bytes | None]
"""What becomes of an answer before it goes into frames, in one connection; None ends the connection without a word."""

Pusher = Callable[[bytes], tuple[bytes, ...]]
"""What becomes of a frame that a meter sends by itself: what is sent for it, each on a connection of its own."""


class Line(Protocol):
    """Bytes in, bytes out, of one connection."""

    @property
    def closed(self) -> bool:
        """Whether nothing more is to be said."""
        ...

    def receive(self, data: bytes) -> bytes:
        """What to send for what came."""
        ...

    def quiet(self) -> None:
        """The line was quiet longer than a sender may pause within a frame."""
        ...


class Occupancy:
    """Who holds a meter that serves one connection at a time, until it is quiet for `inactivity_s`."""

    def __init__(self, inactivity_s: int) -> None:
        self._inactivity_s = inactivity_s
        self._owner: object | None = None
        self._last = 0

    def take(self, owner: object, at: int) -> bool:
        """Whether `owner` has the meter from now on: it was free, or its own, or its holder was quiet too long."""
        if self._owner not in (None, owner) and at - self._last < self._inactivity_s:
            return False
        self._owner, self._last = owner, at
        return True

    def keep(self, owner: object, at: int) -> bool:
        """Whether `owner` still has the meter; its time begins anew."""
        if self._owner is not owner or at - self._last >= self._inactivity_s:
            return False
        self._last = at
        return True

    def free(self, owner: object) -> None:
        """Give the meter back, if it is held by `owner`."""
        if self._owner is owner:
            self._owner = None


class Device:
    """One logical device. Owns the counters: every connection of one meter MUST share one device.

    `now` is the meter's clock in UTC seconds; `challenge` gives that many unpredictable bytes.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        now: Callable[[], int],
        access: Access | None = None,
        model: Model = Model.D1,
        title: bytes | None = None,
        counters: Counters | None = None,
        max_pdu: int = DEFAULT_MAX_PDU,
        stale: Stale = Stale.EXCEPTION,
        occupancy: Occupancy | None = None,
        challenge: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.title = system_title(FLAG_ID, meter.spec.serial) if title is None else title
        if len(self.title) != TITLE_SIZE:
            raise SetupError(f"expected a system title of 8 bytes, got {len(self.title)}")
        self.meter = meter
        self.now = now
        self.access = access or Access()
        self.clients = {client.sap: client for client in self.access.clients()}
        self.declared = self.access.declared()
        self.counters = counters or Counters()
        self.max_pdu = max_pdu
        self.stale = stale
        self.occupancy = occupancy
        self.challenge = challenge
        accepted = {number: self._counter(sap) for number, sap in enumerate(ORDER, start=1)}
        objects = [*objects_of(meter, model, accepted), *security_setups(self.declared, self.title)]
        self.push_to = ""
        """Where this meter pushes to, ``HOST:PORT``; empty for nowhere."""
        self.objects = [*objects, *push_objects(meter, objects, self._destination)]
        self.withheld = 0
        """Conformance bits that this meter never agrees to."""
        self.spoilers: list[Callable[[], Spoiler]] = []
        """What goes wrong with the answers of every connection, made anew for each."""
        self.lines: list[Callable[[Line], Line]] = []
        """What goes wrong with the bytes of every connection."""
        self.pushes: list[Pusher] = []
        """What goes wrong with what the meter sends by itself."""
        self.bps: int | None = None
        """How slow the meter's line is, in bits a second."""

    def _destination(self) -> bytes:
        return self.push_to.encode()

    def _counter(self, sap: int) -> Callable[[], int]:
        return lambda: self.counters.accepted(sap)
