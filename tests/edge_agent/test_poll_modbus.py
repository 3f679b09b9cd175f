"""Blocks of a simulated Modbus meter, on a real wire: signed at pairs of boundaries, and never a wrong number."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest

from edge_agent.errors import MeterDecodeError
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import IdentityError, SampledMeter
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import SampledReader
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.modbus.command import faulty
from firmware_sim.modbus.rtu import Slaves
from firmware_sim.modbus.serial import serve_pty
from firmware_sim.modbus.server import MAPS, serve
from firmware_sim.modbus.shown import parse_register_fault
from firmware_sim.modbus.table import HOLDING, Registers, Table, Value, fixed
from firmware_sim.world import Home
from signing.statements.reading import Absence
from signing.statements.reading_batch import Opening, ReadingBatch
from signing.statements.reading_batch import Origin as WireOrigin
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S, Gateway, to_send
from tests.edge_agent.test_poll import POLL, settings, site

TEN = MIDNIGHT + 10 * 3600
HOME = Home(seed=7, array_w=5000)
Line = Callable[[Registers, "Clock", str], AbstractAsyncContextManager[str]]


@dataclass
class Clock:
    """The one time of gateway and meter."""

    utc: int = TEN

    def now(self) -> int:
        return self.utc


def simulated(serial: str = "12345678", imported_wh: int = 5_000_000, exported_wh: int = 3_000_000) -> Meter:
    return Meter(MeterSpec(serial=serial, base=Energies(imported_wh=imported_wh, exported_wh=exported_wh)), HOME)


@contextlib.asynccontextmanager
async def over_tcp(registers: Registers, clock: Clock, name: str) -> AsyncIterator[str]:
    async with serve(registers, now=clock.now) as port:
        yield f"modbus+tcp://127.0.0.1:{port}?map={name}"


@contextlib.asynccontextmanager
async def over_serial(registers: Registers, clock: Clock, name: str) -> AsyncIterator[str]:
    async with serve_pty(Slaves({1: registers}, now=clock.now)) as path:
        yield f"modbus+rtu:{path}?map={name}"


@dataclass
class Case:
    """The agent's side of a meter: it connects for every boundary, as the agent does."""

    gateway: Gateway
    outbox: Outbox
    clock: Clock = field(default_factory=Clock)
    url: str = ""
    max_block_wh: int | None = None
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The agent begins again; its outbox stays."""
        chosen = settings(serial="12345678", max_block_wh=self.max_block_wh)
        self.meter = SampledMeter(site(self.gateway, self.outbox, lambda: self.clock.utc * 1000), chosen)

    async def at(self, utc: int) -> None:
        """Lets it be `utc`; samples if a boundary is to be witnessed, and signs."""
        self.clock.utc = utc
        boundary = self.meter.boundary_to_witness()
        if boundary is not None:
            reader = open_reader(self.url)
            assert isinstance(reader, SampledReader)
            async with reader:
                await self.meter.sample(reader, boundary)
        self.faults += self.meter.sign_due().faults

    def batches(self) -> list[tuple[ReadingBatch, Opening]]:
        pending = to_send(self.outbox, limit=100)
        batches = [(ReadingBatch.parse(each.envelope.payload), each.opening) for each in pending]
        return [(batch, Opening.parse(opening, batch.count)) for batch, opening in batches]

    def readings(self) -> dict[int, tuple[Absence, int | None, int | None]]:
        return {
            batch.start_utc + place * PERIOD_S: (reading.absence, reading.import_wh, reading.export_wh)
            for batch, opening in self.batches()
            for place, reading in enumerate(opening.readings)
        }


@pytest.fixture
def case(gateway: Gateway, outbox: Outbox) -> Case:
    return Case(gateway, outbox)


@pytest.mark.parametrize("line", [over_tcp, over_serial])
@pytest.mark.parametrize(("personality", "name"), [("iem3155", "iem3155"), ("sunspec201", "sunspec")])
async def test_a_block_is_signed_at_its_pair_of_boundaries(personality: str, name: str, line: Line, case: Case) -> None:
    meter = simulated()
    async with line(MAPS[personality](meter, 1), case.clock, name) as case.url:
        for late_s in (0, 3, POLL.witness_s, 1):
            await case.at(case.clock.utc // PERIOD_S * PERIOD_S + late_s)
            case.clock.utc += PERIOD_S
    readings = case.readings()
    assert list(readings) == [TEN, TEN + PERIOD_S, TEN + 2 * PERIOD_S]
    for start, (absence, imported, exported) in readings.items():
        truth = meter.block(start, PERIOD_S).energies
        assert absence is Absence.NONE
        assert imported is not None
        assert exported is not None
        # The samples were taken up to ten seconds after their boundaries, and SunSpec counts tens of Wh.
        assert abs(imported - truth.imported_wh) <= 40
        assert abs(exported - (truth.exported_wh or 0)) <= 40
    batch, opening = case.batches()[0]
    assert batch.origin is WireOrigin.MODBUS
    assert opening.identity == "12345678"
    assert [entry.stamp_utc for entry in opening.registers] == [TEN, TEN + PERIOD_S]
    assert case.faults == []


@pytest.mark.parametrize("line", [over_tcp, over_serial])
async def test_blocks_add_up_to_what_the_register_gained(line: Line, case: Case) -> None:
    meter = simulated()
    async with line(MAPS["sdm630"](meter, 1), case.clock, "sdm630") as case.url:
        for block in range(9):
            await case.at(TEN + block * PERIOD_S)
    exports = [exported for _, _, exported in case.readings().values()]
    before, after = meter.registers(TEN).exported_wh, meter.registers(TEN + 8 * PERIOD_S).exported_wh
    assert before is not None
    assert after is not None
    assert len(exports) == 8
    assert abs(sum(each or 0 for each in exports) - (after - before)) <= 1


async def test_a_boundary_that_was_not_witnessed_is_no_number(case: Case) -> None:
    async with over_tcp(MAPS["pm2xxx"](simulated(), 1), case.clock, "pm2xxx") as case.url:
        for at in (TEN, TEN + PERIOD_S, TEN + 2 * PERIOD_S + POLL.witness_s + 1, TEN + 3 * PERIOD_S):
            await case.at(at)
    assert [absence for absence, _, _ in case.readings().values()] == [
        Absence.NONE, Absence.NOT_WITNESSED, Absence.NOT_WITNESSED,
    ]  # fmt: skip


def counting(words: int, values: dict[int, int], scale: int = 1, *, is_swapped: bool = False) -> Registers:
    """An ADL400 whose import shows `values` by block since ten, and whose export stands still."""

    def octets(now: int) -> bytes:
        count: int = values[(now - TEN) // PERIOD_S] // scale % (1 << 16 * words)
        shown = count.to_bytes(2 * words, "big")
        return shown[2:] + shown[:2] if is_swapped else shown

    export = bytes(4)
    return Table(
        values={HOLDING: {0x084C: Value(words=words, octets=octets), 0x0856: fixed(export)}},
        spans={HOLDING: (range(0x0800, 0x0880),)},
    )


async def shown(case: Case, registers: Registers, blocks: int, name: str = "adl400") -> None:
    async with over_tcp(registers, case.clock, name) as case.url:
        for block in range(blocks):
            await case.at(TEN + block * PERIOD_S)


async def test_a_counter_that_rolls_over_is_no_number_and_named(case: Case) -> None:
    end = 2**32 * 100
    await shown(case, counting(2, {0: end - 500, 1: end + 300, 2: end + 900}, scale=100), 3)
    assert [reading[:2] for reading in case.readings().values()] == [
        (Absence.REGISTER_FELL, None), (Absence.NONE, 600),
    ]  # fmt: skip
    assert any("register 'imported' rolled over" in fault for fault in case.faults)


async def test_a_reset_is_no_number_and_named(case: Case) -> None:
    await shown(case, counting(2, {0: 5_000_000, 1: 200, 2: 700}, scale=100), 3)
    assert [reading[:2] for reading in case.readings().values()] == [
        (Absence.REGISTER_FELL, None), (Absence.NONE, 500),
    ]  # fmt: skip
    assert any("register 'imported' was reset" in fault for fault in case.faults)


async def test_a_wrong_word_order_is_no_number_and_named(case: Case) -> None:
    wrong = counting(2, {block: 30_000_000 + block * 500 for block in range(4)}, scale=100, is_swapped=True)
    await shown(case, wrong, 4)
    absences = {reading[0] for reading in case.readings().values()}
    assert absences <= {Absence.IMPLAUSIBLE, Absence.REGISTER_FELL}
    assert [reading[1] for reading in case.readings().values()] == [None] * 3
    assert sum("correct 'word_order'" in fault for fault in case.faults) == 3


async def test_a_wrong_word_order_of_a_float_is_an_error_or_no_number(case: Case) -> None:
    # Its serial number, in the same order, is configured as what it reads as.
    meter = simulated(serial="1632501948")
    registers = faulty("sdm630", meter, 1, (parse_register_fault("word-order"),))
    async with over_tcp(registers, case.clock, "sdm630") as case.url:
        for block in range(8):
            with contextlib.suppress(MeterDecodeError):
                await case.at(TEN + block * PERIOD_S)
    case.meter.sign_due()
    assert {exported for _, _, exported in case.readings().values()} == {None}


@pytest.mark.parametrize(
    ("model", "text", "told"),
    [
        ("adl400", "roll-over=2026-04-26T10:20:00+05:30", "rolled over"),
        ("iem3155", "reset=2026-04-26T10:20:00+05:30", "was reset"),
        ("sdm630", "reset=2026-04-26T10:20:00+05:30", "was reset"),
    ],
)
async def test_a_simulated_fault_costs_its_block_and_is_named(model: str, text: str, told: str, case: Case) -> None:
    meter = simulated()
    registers = faulty(model, meter, 1, (parse_register_fault(text),))
    async with over_tcp(registers, case.clock, model) as case.url:
        for block in range(5):
            await case.at(TEN + block * PERIOD_S)
    readings = list(case.readings().values())
    assert [absence is Absence.NONE for absence, _, _ in readings] == [True, False, True, True]
    assert readings[1][0] is Absence.REGISTER_FELL
    assert sum(told in fault for fault in case.faults) == 1
    truth = meter.block(TEN + 2 * PERIOD_S, PERIOD_S).energies
    assert abs((readings[2][2] or 0) - (truth.exported_wh or 0)) <= 100


async def test_transformers_the_wrong_way_round_show_as_export_where_import_was(case: Case) -> None:
    meter = simulated()
    registers = faulty("iem3155", meter, 1, (parse_register_fault("swapped-ct"),))
    await shown(case, registers, 2, "iem3155")
    truth = meter.block(TEN, PERIOD_S).energies
    # Nothing in one meter tells this: the head-end compares it with what its premises should do.
    assert case.readings() == {TEN: (Absence.NONE, truth.exported_wh, truth.imported_wh)}


async def test_another_meter_on_the_wire_is_never_signed(case: Case) -> None:
    async with over_tcp(MAPS["iem3155"](simulated(), 1), case.clock, "iem3155") as case.url:
        await case.at(TEN)
    async with over_tcp(MAPS["iem3155"](simulated("87654321"), 1), case.clock, "iem3155") as case.url:
        with pytest.raises(IdentityError, match="the meter on the wire says 87654321"):
            await case.at(TEN + PERIOD_S)
    assert case.readings() == {}


async def test_a_coarse_register_is_told_once(case: Case) -> None:
    meter = simulated(imported_wh=200_000_000)
    async with over_tcp(MAPS["sdm630"](meter, 1), case.clock, "sdm630") as case.url:
        for block in range(3):
            await case.at(TEN + block * PERIOD_S)
    assert [fault for fault in case.faults if "step by" in fault] == [
        "its registers step by 15.625 Wh: blocks are known no better; read whole-number registers where the meter has them"
    ]


async def test_more_than_a_premises_draws_is_no_number_over_a_restart_too(case: Case) -> None:
    registers = counting(2, {0: 1000, 1: 5_001_000, 2: 10_001_100}, scale=100)
    async with over_tcp(registers, case.clock, "adl400") as case.url:
        for block in range(3):
            case.restart()
            await case.at(TEN + block * PERIOD_S)
    assert [reading[:2] for reading in case.readings().values()] == [
        (Absence.NONE, 5_000_000), (Absence.IMPLAUSIBLE, None),
    ]  # fmt: skip
