"""Every map, wire, period and home of Modbus meters: what the agent signs is what flowed, to the register's own step."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from enum import Enum
from pathlib import Path

import pytest

from edge_agent.clock import Uptime
from edge_agent.readers.open import known_maps, open_reader
from edge_agent.readers.reader import SampledReader
from edge_agent.sampled import SampledMeter
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.modbus.rtu import Slaves
from firmware_sim.modbus.serial import serve_pty
from firmware_sim.modbus.server import MAPS, serve
from signing.interval import Interval
from signing.statements.reading import Absence, Reading
from signing.statements.reading_batch import Opening, Origin, ReadingBatch
from tests.edge_agent.gateway import MIDNIGHT, Gateway, to_send
from tests.edge_agent.site import settings, site
from tests.faults.test_meter_matrix import HOMES

PERIODS = (900, 1800, 3600)
BLOCKS = 3
NINE = MIDNIGHT + 9 * 3600
STEP_WH = {"adl400": 100, "sunspec201": 10, "sunspec202": 10, "sunspec203": 10, "sunspec204": 10}
"""The step of a personality's registers where it is not 1 Wh."""


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


class Wire(Enum):
    """What lies between the agent and a Modbus meter."""

    TCP = "modbus+tcp"
    RTU = "modbus+rtu"


@contextlib.asynccontextmanager
async def wired(meter: Meter, personality: str, wire: Wire, clock: list[int]) -> AsyncIterator[str]:
    """The URL of `meter`, which shows itself as `personality`."""
    name = "sunspec" if personality.startswith("sunspec") else personality
    registers = MAPS[personality](meter, 7)
    if wire is Wire.TCP:
        async with serve(registers, now=lambda: clock[0], unit=7) as port:
            yield f"modbus+tcp://127.0.0.1:{port}?unit=7&map={name}"
    else:
        async with serve_pty(Slaves({7: registers}, now=lambda: clock[0])) as path:
            yield f"modbus+rtu:{path}?unit=7&map={name}"


@pytest.mark.parametrize(
    ("personality", "wire", "period_s", "home"), list(itertools.product(sorted(MAPS), Wire, PERIODS, HOMES))
)
async def test_what_is_signed_is_what_flowed_to_the_registers_step(
    gateway: Gateway, personality: str, wire: Wire, period_s: int, home: str
) -> None:
    base = Energies(imported_wh=5_000_000, exported_wh=3_000_000)
    meter = Meter(MeterSpec(serial="12345678", base=base), HOMES[home])
    clock = [NINE]
    with gateway.open() as outbox:
        shared = site(
            gateway,
            outbox,
            lambda: clock[0] * 1000,
            lambda: Uptime(boot="boot", ms=(clock[0] - NINE + 60) * 1000),
        )
        sampled = SampledMeter(shared, settings(serial="12345678", period_s=period_s))
        async with wired(meter, personality, wire, clock) as url:
            for place in range(BLOCKS + 1):
                clock[0] = NINE + place * period_s
                boundary = sampled.boundary_to_witness()
                assert boundary == clock[0]
                async with open_reader(url) as reader:
                    assert isinstance(reader, SampledReader)
                    assert await sampled.sample(reader, boundary)
                sampled.sign_due()
        told: dict[int, Reading] = {}
        for pending in to_send(outbox, limit=100):
            batch = ReadingBatch.parse(pending.envelope.payload)
            assert batch.origin is Origin.MODBUS
            starts = Interval(batch.start_utc, batch.end_utc).block_starts(batch.period_s)
            told |= dict(zip(starts, Opening.parse(pending.opening, batch.count).readings, strict=True))
    assert list(told) == [NINE + place * period_s for place in range(BLOCKS)]
    for start, reading in told.items():
        truth = meter.block(start, period_s).energies
        assert (reading.absence, reading.flags) == (Absence.NONE, 0)
        assert truth.exported_wh is not None
        for read, flowed in ((reading.import_wh, truth.imported_wh), (reading.export_wh, truth.exported_wh)):
            assert read is not None
            # Each end is known to a step.
            assert abs(read - flowed) <= STEP_WH.get(personality, 1)
    assert any(each.export_wh != each.import_wh for each in told.values())


def test_every_map_that_ships_has_a_meter_in_the_matrix() -> None:
    assert set(known_maps()) == {name for name in MAPS if not name.startswith("sunspec")}
