"""Pushes at work: listened for, judged, told to an operator, and announced to the task of their meter."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from edge_agent.journal import fields
from edge_agent.push_desk import Heard, PushDesk, PushRefusedError, PushVault, Refusal, Sender
from edge_agent.push_listener import PushListener
from edge_agent.push_settings import PushSettings
from edge_agent.readers.dlms.push import EventBit

LOG = logging.getLogger("sakshi.agent.push")

BIND_AGAIN_S: Final = 60.0
TELL_AGAIN_S: Final = 300.0
"""Least time between two lines about one reason: whoever can reach the port does not write the log."""
_ALARMING: Final = frozenset({Refusal.FORGED, Refusal.REPLAYED})


class Tally:
    """How often something was refused, by reason, and whether it is time to say so."""

    def __init__(self) -> None:
        self.counts: Counter[Refusal] = Counter()
        self._told_s: dict[Refusal, float] = {}

    def count(self, refusal: Refusal, now_s: float) -> bool:
        """Counts one more; gives whether a line is due about it."""
        self.counts[refusal] += 1
        last_s = self._told_s.get(refusal)
        if last_s is not None and now_s - last_s < TELL_AGAIN_S:
            return False
        self._told_s[refusal] = now_s
        return True


class PushIntake:
    """One gateway's intake of pushes. `announce` hears every push that is an occasion to read its meter now."""

    def __init__(
        self,
        settings: PushSettings,
        senders: Sequence[Sender],
        vault: PushVault | None,
        *,
        now_s: Callable[[], float],
        announce: Callable[[Heard], None],
    ) -> None:
        self._settings = settings
        self._desk = PushDesk(settings, senders, vault, now_s)
        self._announce = announce
        self._tally = Tally()
        self._listener: PushListener | None = None

    @property
    def refusals(self) -> Counter[Refusal]:
        """How often something was refused since the start, by reason."""
        return self._tally.counts

    async def step(self) -> None:
        """Handles the next push; binds first where that is not done yet, and again later where it cannot be done.

        Raises:
            StateError: a counter cannot be noted.
        """
        listener = await self.open()
        if listener is None:
            await asyncio.sleep(BIND_AGAIN_S)
            return
        arrived = await listener.arrived()
        try:
            heard = self._desk.take(arrived.apdu)
        except PushRefusedError as error:
            self._refuse(error.refusal, str(error), arrived.peer, error.meter)
            return
        self._tell(heard)
        if heard.is_occasion:
            self._announce(heard)

    async def open(self) -> PushListener | None:
        """Listens, if it does not yet; None where that cannot be."""
        if self._listener is not None:
            return self._listener
        listener = PushListener(self._settings, self._refuse)
        try:
            self._listener = await listener.__aenter__()
        except OSError as error:
            reason = f"{error}: correct 'tcp' and 'udp' of [push]"
            LOG.log(logging.ERROR, "pushes not heard", extra=fields(reason=reason))
            return None
        at = {name: str(where) for name in ("tcp", "udp") if (where := getattr(self._settings, name)) is not None}
        LOG.info("listening for pushes", extra=fields(**at))
        return self._listener

    async def close(self) -> None:
        """Hears nothing more. Idempotent."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()

    def _refuse(self, refusal: Refusal, text: str, peer: str, meter: str | None = None) -> None:
        """Counts a refusal, and says so where that was not done lately."""
        if self._tally.count(refusal, asyncio.get_running_loop().time()):
            level = logging.ERROR if refusal in _ALARMING else logging.WARNING
            line = fields(meter=meter, peer=peer, refusal=refusal.value, count=self._tally.counts[refusal], reason=text)
            LOG.log(level, "push refused", extra=line)

    def _tell(self, heard: Heard) -> None:
        line = fields(
            meter=heard.meter,
            push=heard.kind.name.lower(),
            verified="yes" if heard.is_authentic else "no",
            events=", ".join(_event(bit) for bit in sorted(heard.events)) or None,
        )
        # Nobody can have a plain alert believed, or the log filled with them.
        if heard.is_authentic and heard.events:
            LOG.warning("meter alert", extra=line)
        elif heard.is_occasion:
            LOG.info("meter pushed", extra=line)


def _event(bit: int) -> str:
    known = {int(each): each.name.lower().replace("_", " ") for each in EventBit}
    return known.get(bit, f"status bit {bit}")
