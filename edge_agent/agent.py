"""The running agent: one task a meter, one for the uplink, and the only clock.

No error of one meter delays another's. What ends the process is only what a restart or an operator must mend: a state that is
gone or another's, a key that cannot be used.
"""

import asyncio
import ctypes
import fcntl
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeAlias

from edge_agent import clock
from edge_agent.clock import Uptime
from edge_agent.config import Config, MeterSettings
from edge_agent.errors import CounterBackError, CounterJumpError, MeterUnavailableError, ReaderError
from edge_agent.forward import Forwarder
from edge_agent.journal import fields
from edge_agent.lines import Line, line_of
from edge_agent.outbox.errors import AnotherRunsError, OutboxFullError, StateError
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import MemoryMeter
from edge_agent.push_desk import Heard, PushVault, Sender
from edge_agent.push_intake import PushIntake
from edge_agent.readers.dlms.push import EventBit
from edge_agent.readers.open import LINE_WAIT_S
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.sampled import SampledMeter
from edge_agent.site import IdentityError, Outcome, Site
from edge_agent.steps import Tick
from edge_agent.together import Together
from signing.canonical import SALT_SIZE
from signing.errors import KeyUnavailableError
from signing.keys import Signer
from signing.statements.reading_batch import ClockSource

LOG = logging.getLogger("sakshi.agent")

LEAST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 3600.0
"""A clock that was set back keeps no meter waiting for longer."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

OpenReader: TypeAlias = Callable[[str], Reader | SampledReader]
FATAL = (StateError, KeyUnavailableError)


class Agent:
    """One gateway's agent. `now_s` is the clock, `uptime` the one that nobody sets; `open_reader` gives an unconnected reader for a URL.
    What meters push is listened for where the configuration says so and `push_vault` is given.
    """

    def __init__(
        self,
        settings: Config,
        outbox: Outbox,
        signer: Signer,
        open_reader: OpenReader,
        now_s: Callable[[], float] = time.time,
        *,
        uptime: Callable[[], Uptime] | None = None,
        push_vault: PushVault | None = None,
    ) -> None:
        self._config = settings
        self._outbox = outbox
        self._open_reader = open_reader
        self._now_s = now_s
        self._together = Together(outbox.put_all)
        self._site = Site(
            poll=settings.poll,
            outbox=outbox,
            signer=signer,
            software=software_digest(),
            now_ms=lambda: int(now_s() * 1000),
            reference=clock_reference,
            uptime=uptime or uptime_clock(),
            salt=fresh_salt,
            together=self._together,
        )
        self._forwarder = Forwarder(settings, outbox, now_s, self._wake_up)
        self._wake = {meter.id: asyncio.Event() for meter in settings.meters}
        self._lines: dict[str, Line] = {}
        self._memories: dict[str, MemoryMeter] = {}
        self._held_until_s: dict[str, float] = {}
        """Until when a meter that did not let go of us is left alone."""
        self._pushes: PushIntake | None = None
        if settings.push is not None and push_vault is not None:
            senders = [Sender(meter=each.id, serial=each.serial, push=each.push) for each in settings.meters]
            self._pushes = PushIntake(settings.push, senders, push_vault, now_s=now_s, announce=self._announced)

    async def run(self) -> None:
        """Runs until cancelled.

        Raises:
            ExceptionGroup: of `StateError` or `KeyUnavailableError`, when a restart or an operator is needed.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                for meter in self._config.meters:
                    tasks.create_task(self._supervise(meter.id, self._meter_step(meter)), name=f"meter {meter.id}")
                tasks.create_task(self._supervise("uplink", self._forwarder.step), name="uplink")
                if self._pushes is not None:
                    tasks.create_task(self._supervise("pushes", self._pushes.step), name="pushes")
        finally:
            if self._pushes is not None:
                await self._pushes.close()
            await self._forwarder.close()

    async def _supervise(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """The one supervising loop: a fault of one step is recorded against its name, and the loop lives."""
        while True:
            try:
                await step()
            except FATAL:
                raise
            except Exception:
                LOG.exception("unexpected fault", extra=fields(task=name))
                await asyncio.sleep(self._config.poll.interval_s)

    # Meters

    def _meter_step(self, settings: MeterSettings) -> Callable[[], Awaitable[None]]:
        """What one meter's task does again and again: wait, look, sign."""
        memory, sampled = MemoryMeter(self._site, settings), SampledMeter(self._site, settings)
        self._memories[settings.id] = memory

        async def step() -> None:
            pause_s: float = self._config.poll.interval_s
            reader: Reader | SampledReader | None = None
            try:
                reader = self._open_reader(settings.url)
                if isinstance(reader, Reader):
                    pause_s = await self._look(memory, settings, reader)
                else:
                    pause_s = await self._sample(sampled, settings, reader)
            except (OutboxFullError, IdentityError, ReaderError) as error:
                least_s = _held_s(error, settings)
                self._held_until_s[settings.id] = self._now_s() + least_s
                pause_s = max(pause_s, least_s)
                _tell(settings.id, error)
            if not isinstance(reader, Reader):
                # Whatever happened, the next boundary is there to be witnessed once.
                pause_s = min(pause_s, sampled.next_boundary_utc() - self._now_s())
            await self._pause(settings.id, pause_s)

        return step

    async def _look(self, meter: MemoryMeter, settings: MeterSettings, reader: Reader) -> float:
        self._require_room()
        # A line of its own is never waited for.
        line = self._lines.setdefault(line_of(settings.url) or f"meter {settings.id}", Line())
        try:
            async with line.turn(meter.is_live_due, within_s=LINE_WAIT_S):
                with self._together.looking():
                    async with reader:
                        outcome = await meter.look(reader, line.is_wanted)
        finally:
            # Also when the meter went away: what was signed by then is to be sent, what was found to be told.
            self._report(settings, meter.take_outcome())
        return max(LEAST_PAUSE_S, outcome.next_utc - self._now_s())

    async def _sample(self, meter: SampledMeter, settings: MeterSettings, reader: SampledReader) -> float:
        boundary = meter.boundary_to_witness()
        if boundary is not None:
            try:
                async with reader:
                    await meter.sample(reader, boundary)
            except ReaderError as error:
                _tell(settings.id, error)
                if meter.boundary_to_witness() == boundary:
                    return LEAST_PAUSE_S  # the boundary can still be witnessed
        outcome = meter.sign_due()
        self._report(settings, outcome)
        return max(0.0, outcome.next_utc - self._now_s())

    def _report(self, settings: MeterSettings, outcome: Outcome) -> None:
        for fault in outcome.faults:
            LOG.warning("meter at fault", extra=fields(meter=settings.id, reason=fault))
        if outcome.plan is not None:
            LOG.info("back-fill begins", extra=fields(meter=settings.id, plan=outcome.plan))
        if outcome.batches:
            LOG.info("signed", extra=fields(meter=settings.id, batches=outcome.batches, blocks=outcome.blocks))
            self._forwarder.hear(Tick())

    def _require_room(self) -> None:
        if not self._outbox.has_room():
            raise OutboxFullError(f"{self._config.capacity} batches are unanswered; see `sakshi-agent outbox`")

    def _wake_up(self, meter: str) -> None:
        """Brings the next look at a meter forward, but not into the time in which it must be left alone."""
        is_held = 0 < self._held_until_s.get(meter, 0.0) - self._now_s() <= LONGEST_PAUSE_S
        if meter in self._wake and not is_held:
            self._wake[meter].set()

    def _announced(self, heard: Heard) -> None:
        """Has a meter read that pushed. One that has just got its power back holds on to nobody."""
        if heard.is_authentic and heard.meter in self._memories:
            self._memories[heard.meter].announce()
        if heard.is_authentic and EventBit.FIRST_BREATH in heard.events:
            self._held_until_s.pop(heard.meter, None)
        self._wake_up(heard.meter)

    async def _pause(self, meter: str, pause_s: float) -> None:
        """Waits, but not longer than until something is asked of the meter; a wrong clock never stops it for good."""
        wake = self._wake[meter]
        try:
            async with asyncio.timeout(min(pause_s, LONGEST_PAUSE_S)):
                await wake.wait()
        except TimeoutError:
            pass
        wake.clear()


def _held_s(error: Exception, settings: MeterSettings) -> int:
    """How long the meter is left alone after `error`: longer than it holds on to a client that did not release it."""
    asked_s: int = getattr(error, "retry_after_s", None) or 0
    return max(asked_s, (settings.inactivity_s or 0) + 1) if asked_s else 0


def _tell(meter: str, error: Exception) -> None:
    """One line about why a meter gave nothing: an operator is needed for another meter, and soon for a full outbox."""
    match error:
        case IdentityError():
            level, event = logging.ERROR, "another meter answers"
        case CounterBackError() | CounterJumpError():
            level, event = logging.ERROR, "the meter's invocation counter is not what it can be"
        case OutboxFullError():
            level, event = logging.WARNING, "reading stopped"
        case MeterUnavailableError():
            level, event = logging.INFO, "meter not read"
        case _:
            level, event = logging.WARNING, "meter not read"
    LOG.log(level, event, extra=fields(meter=meter, reason=str(error)))


@contextmanager
def only_one(settings: Config) -> Iterator[None]:
    """Holds the state for this process.

    Raises:
        AnotherRunsError: another agent runs on it; two would only hinder one another.
        StateError: there is no such state.
    """
    try:
        descriptor = os.open(settings.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateError(
            f"cannot open '{settings.lock_file}' ({error.strerror}): correct 'state', or run `sakshi-agent init`"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AnotherRunsError(f"another agent runs on '{settings.state}': stop it first") from error
        # Outside: a socket that would block, in whoever holds the state, is not another agent.
        yield
    finally:
        os.close(descriptor)


def now_ms() -> int:
    """The gateway's clock, UTC milliseconds: for commands that ask a meter once."""
    return int(time.time() * 1000)


def uptime_clock(boot_id: Path = BOOT_ID) -> Callable[[], Uptime]:
    """The gateway's clock that nobody sets: the time since this boot, suspended time too.

    Where no kernel names the boot in `boot_id`, this process counts as one: samples of two processes then make no pair.
    Source: random(4), boot_id; clock_gettime(2), CLOCK_BOOTTIME.
    """
    try:
        boot = boot_id.read_text("ascii").strip()
    except (OSError, ValueError):
        boot = ""
    named = boot or secrets.token_hex(16)
    source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return lambda: Uptime(boot=named, ms=time.clock_gettime_ns(source) // 1_000_000)


def fresh_salt() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(SALT_SIZE)


def software_digest() -> bytes:
    """SHA-256 over the agent's own source files, by name: which program signed."""
    hashed = hashlib.sha256()
    for name, entry in sorted(_sources(resources.files("edge_agent"), "edge_agent")):
        content = hashlib.sha256(entry.read_bytes()).digest()
        hashed.update(name.encode() + b"\x00" + content)
    return hashed.digest()


def clock_reference() -> ClockSource:
    """What the gateway's clock is worth now, as its kernel says; without such a kernel, no more than itself."""
    try:
        # modes = 0: reads only. The structure is 208 bytes on 64-bit Linux; the kernel fills what it knows.
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return ClockSource.GATEWAY
    return clock.reference_of(state)


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        path = f"{name}/{entry.name}"
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _sources(entry, path)
        elif entry.name.endswith((".py", ".sql", ".toml")):
            yield path, entry
