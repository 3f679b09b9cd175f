"""One look of the agent at a simulated meter over any wire, and what was signed held against what flowed."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from edge_agent.errors import ReaderError
from edge_agent.poll import MemoryMeter
from edge_agent.readers.access import Vault
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.site import Outcome
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.hdlc import Sizes
from firmware_sim.dlms.serial import serve_pty
from firmware_sim.dlms.server import Framing, serve_device, session_of
from firmware_sim.meter import Meter
from signing.interval import DAY_S, Interval, floor_to_block, ist_day_start, parse_instant
from signing.statements.reading import Absence, Flag, Reading
from signing.statements.reading_batch import Opening, Origin, ReadingBatch, Register
from tests.edge_agent.gateway import Gateway, to_send
from tests.edge_agent.site import settings, site

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
TODAY = ist_day_start(NOW)
YESTERDAY = Interval(TODAY - DAY_S, TODAY)
SERIAL = "12345678"
HAS_FIGURE = frozenset({Absence.NONE, Absence.NO_EXPORT_REGISTER})


class Wire(Enum):
    """What lies between the agent and a DLMS meter."""

    TCP = "dlms+tcp"
    HDLC_TCP = "dlms+hdlc+tcp"
    SERIAL = "dlms+serial"


@contextlib.asynccontextmanager
async def wired(device: Device, wire: Wire, sizes: Sizes | None = None) -> AsyncIterator[str]:
    """`device` at the end of `wire`; gives the URL up to its keys."""
    if wire is Wire.SERIAL:
        async with serve_pty(session_of(device, Framing.HDLC, sizes=sizes), bps=device.bps) as path:
            yield f"dlms+serial:{path}?"
    elif wire is Wire.HDLC_TCP:
        async with serve_device(device, framing=Framing.HDLC, sizes=sizes) as port:
            yield f"dlms+hdlc+tcp://127.0.0.1:{port}?physical=17&"
    else:
        async with serve_device(device) as port:
            yield f"dlms+tcp://127.0.0.1:{port}?"


@dataclass
class Signed:
    """What became of one meter: its outcome or error, and what was signed of it."""

    meter: Meter
    outcome: Outcome | None = None
    error: ReaderError | None = None
    blocks: dict[int, Reading] = field(default_factory=dict)
    registers: list[Register] = field(default_factory=list)
    origins: set[Origin] = field(default_factory=set)
    offsets_ms: set[int | None] = field(default_factory=set)

    @property
    def period_s(self) -> int:
        return self.meter.spec.period_s

    def take(self, payload: bytes, revealed: bytes) -> None:
        """One batch more."""
        batch = ReadingBatch.parse(payload)
        opening = Opening.parse(revealed, batch.count)
        starts = Interval(batch.start_utc, batch.end_utc).block_starts(batch.period_s)
        self.blocks |= dict(zip(starts, opening.readings, strict=True))
        self.registers += opening.registers
        self.origins.add(batch.origin)
        self.offsets_ms.add(batch.clock_offset_ms)

    def figures(self) -> dict[int, tuple[int | None, int | None]]:
        """Import and export of every block that has a figure, by start."""
        return {
            start: (reading.import_wh, reading.export_wh)
            for start, reading in self.blocks.items()
            if reading.absence in HAS_FIGURE
        }

    def truth(self, start: int) -> tuple[int | None, int | None]:
        """What flowed in the block that begins at `start`."""
        energies = self.meter.block(start, self.period_s).energies
        return energies.imported_wh, energies.exported_wh

    def wrong(self) -> dict[int, tuple[int | None, int | None]]:
        """Signed figures that are not what flowed, by start."""
        return {start: told for start, told in self.figures().items() if told != self.truth(start)}

    def absent(self) -> dict[int, Absence]:
        """Blocks that are signed without a figure, by start, and why."""
        return {start: each.absence for start, each in self.blocks.items() if each.absence not in HAS_FIGURE}

    def flagged(self, flag: Flag) -> set[int]:
        """Blocks that carry `flag`, by start."""
        return {start for start, reading in self.blocks.items() if reading.flags & flag}

    def words(self) -> list[str]:
        """Everything that an operator is told."""
        return [
            *([] if self.outcome is None else self.outcome.faults),
            *([] if self.error is None else [str(self.error)]),
        ]

    def is_whole(self) -> bool:
        """Whether every block of yesterday and today is signed with what flowed, and nothing is wrong in words."""
        span = Interval(YESTERDAY.start_utc, floor_to_block(NOW, self.period_s))
        return set(self.figures()) == set(span.block_starts(self.period_s)) and not (self.wrong() or self.words())

    def is_balanced(self) -> bool:
        """Whether the registers at both ends of yesterday are signed as they stood."""
        told = {each.stamp_utc: (each.import_wh, each.export_wh) for each in self.registers}
        truth = {at: self.meter.registers(at) for at in (YESTERDAY.start_utc, YESTERDAY.end_utc)}
        return told == {at: (each.imported_wh, each.exported_wh) for at, each in truth.items()}


async def looked(
    gateway: Gateway, device: Device, url: str, *, vault: Vault | None = None, looks: int = 1, days: int = 1
) -> Signed:
    """What `looks` looks of the agent at `url` bring, which leads to `device`, so many days back; none after an error."""
    seen = Signed(device.meter)
    with gateway.open() as outbox:
        meter = MemoryMeter(site(gateway, outbox, lambda: NOW * 1000), settings(serial=SERIAL, backfill_days=days))
        try:
            for _ in range(looks):
                async with open_reader(url, vault) as reader:
                    assert isinstance(reader, Reader)
                    seen.outcome = await meter.look(reader)
        except ReaderError as error:
            seen.error = error
        for pending in to_send(outbox, limit=1000):
            seen.take(pending.envelope.payload, pending.opening)
    return seen


def keyed(url: str, keys: Sequence[str]) -> str:
    """`url` with `keys`."""
    return url + "&".join(keys)
