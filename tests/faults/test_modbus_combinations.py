"""Faults of a Modbus meter's registers, together and with boundaries that were missed: never a wrong number."""

import asyncio
import math
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_agent.clock import Uptime
from edge_agent.errors import ReaderError
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import SampledReader
from edge_agent.sampled import SampledMeter
from edge_agent.site import IdentityError
from firmware_sim.faults import parse_fault
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.modbus.command import faulty
from firmware_sim.modbus.server import MAPS, serve
from firmware_sim.modbus.shown import REGISTER_FAULTS, parse_register_fault
from firmware_sim.world import Home
from signing.interval import Interval
from signing.statements.reading import Absence, Reading
from signing.statements.reading_batch import Opening, ReadingBatch
from tests.edge_agent.gateway import MIDNIGHT, Gateway, to_send
from tests.edge_agent.site import settings as meter_settings
from tests.edge_agent.site import site
from tests.faults.test_modbus_matrix import STEP_WH

NINE = MIDNIGHT + 9 * 3600
PERIOD_S = 900
BLOCKS = 6
MOMENTS = ("2026-04-26T09:20:00+05:30", "2026-04-26T09:31:00+05:30", "2026-04-26T10:00:00+05:30")
_STEPS = re.compile(r"its registers step by ([0-9.]+) Wh")
OUTAGE = "outage=2026-04-26T09:15:00+05:30/2026-04-26T09:45:00+05:30"


@dataclass(frozen=True)
class Case:
    """A meter that shows itself as `personality`, its faults, and the boundaries that the agent is there for."""

    personality: str
    faults: tuple[str, ...]
    missed: frozenset[int] = frozenset()
    is_dark: bool = False

    def names(self) -> set[str]:
        return {fault.partition("=")[0] for fault in self.faults}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = draw(st.lists(st.sampled_from(sorted(REGISTER_FAULTS)), min_size=1, max_size=3, unique=True))
    if {"reset", "roll-over"} <= set(names):
        # Registers that begin again twice, and gained more since the second time than before it, never fell: nobody can tell.
        names.remove("reset")
    faults = tuple(f"{name}={draw(st.sampled_from(MOMENTS))}" if REGISTER_FAULTS[name] else name for name in names)
    missed = draw(st.frozensets(st.integers(1, BLOCKS), max_size=2))
    return Case(draw(st.sampled_from(sorted(MAPS))), faults, missed, draw(st.booleans()))


def metered(case: Case) -> Meter:
    base = Energies(imported_wh=5_000_000, exported_wh=3_000_000)
    world = (parse_fault(OUTAGE),) if case.is_dark else ()
    return Meter(MeterSpec(serial="12345678", base=base), Home(seed=7, array_w=5000), world)


async def signed(case: Case, gateway: Gateway) -> tuple[dict[int, Reading], list[str]]:
    """What was signed by block, and what an operator was told."""
    clock, told = [NINE], []
    registers = faulty(case.personality, metered(case), 1, [parse_register_fault(each) for each in case.faults])
    name = "sunspec" if case.personality.startswith("sunspec") else case.personality
    found: dict[int, Reading] = {}
    with gateway.open() as outbox:
        shared = site(
            gateway, outbox, lambda: clock[0] * 1000, lambda: Uptime(boot="boot", ms=(clock[0] - NINE + 60) * 1000)
        )
        sampled = SampledMeter(shared, meter_settings(serial="12345678"))
        async with serve(registers, now=lambda: clock[0]) as port:
            for place in range(BLOCKS + 2):
                clock[0] = NINE + place * PERIOD_S
                boundary = sampled.boundary_to_witness()
                if boundary is not None and place not in case.missed:
                    try:
                        async with open_reader(f"modbus+tcp://127.0.0.1:{port}?map={name}&timeout=1") as reader:
                            assert isinstance(reader, SampledReader)
                            await sampled.sample(reader, boundary)
                    except (ReaderError, IdentityError) as error:
                        told.append(str(error))
                told += sampled.sign_due().faults
        for pending in to_send(outbox, limit=100):
            batch = ReadingBatch.parse(pending.envelope.payload)
            starts = Interval(batch.start_utc, batch.end_utc).block_starts(batch.period_s)
            found |= dict(zip(starts, Opening.parse(pending.opening, batch.count).readings, strict=True))
    return found, told


def tolerance_wh(case: Case, told: list[str]) -> int:
    """The register's own step; a float that is nearly full has a coarse one, which an operator is told."""
    steps = [math.ceil(float(each.group(1))) for each in map(_STEPS.search, told) if each is not None]
    return max(STEP_WH.get(case.personality, 1), *steps, 0)


@settings(max_examples=50, deadline=None)
@given(cases())
@example(Case("sdm630", ("word-order", "swapped-ct")))
@example(Case("sunspec211", ("roll-over=" + MOMENTS[0],)))
@example(Case("dtsu666", ("reset=" + MOMENTS[0], "word-order")))
@example(Case("adl400", ("roll-over=" + MOMENTS[1], "swapped-ct"), frozenset({3})))
def test_no_combination_of_register_faults_makes_a_wrong_number(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found, told = asyncio.run(signed(case, Gateway(Path(folder))))
    meter = metered(case)
    for start, reading in found.items():
        if reading.absence not in (Absence.NONE, Absence.NO_EXPORT_REGISTER):
            continue
        truth = meter.block(start, PERIOD_S).energies
        flowed = (truth.imported_wh, truth.exported_wh or 0)
        expected = flowed[::-1] if "swapped-ct" in case.names() else flowed
        pairs = [(reading.import_wh, expected[0])]
        pairs += [(reading.export_wh, expected[1])] if reading.export_wh is not None else []
        for read, wanted in pairs:
            assert read is not None
            if "word-order" in case.names() and any("word order" in each or "word_order" in each for each in told):
                continue  # a map that was never compared with a meter: its operator is told
            assert abs(read - wanted) <= tolerance_wh(case, told), (case, start, reading, expected, told)
    if {"reset", "roll-over"} & case.names():
        # The block in which the registers began again is lost, and so is nothing else that was witnessed.
        assert told or case.missed
