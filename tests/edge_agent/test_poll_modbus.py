"""Blocks of a simulated Modbus meter, on a real wire: signed at pairs of boundaries, and never a wrong number."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

import pytest

from edge_agent.clock import Uptime
from edge_agent.errors import MeterDecodeError
from edge_agent.outbox.outbox import Outbox
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import SampledReader
from edge_agent.sampled import SampledMeter
from edge_agent.site import IdentityError
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.modbus.command import faulty
from firmware_sim.modbus.rtu import Slaves
from firmware_sim.modbus.serial import serve_pty
from firmware_sim.modbus.server import MAPS, serve
from firmware_sim.modbus.shown import parse_register_fault
from firmware_sim.modbus.table import HOLDING, Registers, Table, Value, fixed
from firmware_sim.world import Home
from signing.statements.reading import Absence, Flag
from signing.statements.reading_batch import ClockSource, Opening, ReadingBatch
from signing.statements.reading_batch import Origin as WireOrigin
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S, Gateway, to_send
from tests.edge_agent.site import POLL, settings, site

TEN = MIDNIGHT + 10 * 3600
HOME = Home(seed=7, array_w=5000)
Line = Callable[[Registers, "Clock", str], AbstractAsyncContextManager[str]]


@dataclass
class Clock:
    """The true time, which the meter lives in, and what the gateway knows of it."""

    utc: int = TEN
    wrong_s: int = 0
    """The gateway's wall clock minus the true time."""
    source: ClockSource = ClockSource.NTP
    """What the gateway's kernel says that its wall clock is worth."""
    boot: str = "first"
    booted_utc: int = TEN - 5000

    def now(self) -> int:
        return self.utc

    def wall_ms(self) -> int:
        return (self.utc + self.wrong_s) * 1000

    def uptime(self) -> Uptime:
        return Uptime(boot=self.boot, ms=(self.utc - self.booted_utc) * 1000)

    def reboot(self, utc: int, wrong_s: int) -> None:
        """The gateway begins again at `utc`, with a clock that is `wrong_s` off."""
        self.boot, self.booted_utc, self.wrong_s = f"boot at {utc}", utc, wrong_s


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
        shared = site(self.gateway, self.outbox, self.clock.wall_ms, self.clock.uptime)
        self.meter = SampledMeter(replace(shared, reference=lambda: self.clock.source), chosen)

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

    def flags(self) -> dict[int, int]:
        """The flags of blocks that have some, by start."""
        return {
            batch.start_utc + place * PERIOD_S: reading.flags
            for batch, opening in self.batches()
            for place, reading in enumerate(opening.readings)
            if reading.flags
        }

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
    assert {exported for _, _, exported in case.readings().values()} <= {None}


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
    # Rule V24 lets a register fall that the agent saw to be full, and no other.
    assert case.flags() == ({TEN + PERIOD_S: Flag.ROLLED_OVER} if told == "rolled over" else {})
    assert sum(told in fault for fault in case.faults) == 1
    truth = meter.block(TEN + 2 * PERIOD_S, PERIOD_S).energies
    assert abs((readings[2][2] or 0) - (truth.exported_wh or 0)) <= 100


async def witnessed_where_it_can_be(case: Case, registers: Registers, name: str, blocks: int) -> None:
    """Boundary by boundary; an answer that is no reading is an error, and the next boundary is there again."""
    async with over_tcp(registers, case.clock, name) as case.url:
        for block in range(blocks):
            with contextlib.suppress(MeterDecodeError):
                await case.at(TEN + block * PERIOD_S)
        case.faults += case.meter.sign_due().faults


@pytest.mark.parametrize("model", ["sdm120", "sdm630", "dtsu666"])
async def test_a_float_at_the_end_of_its_display_is_no_number_until_it_goes_on(model: str, case: Case) -> None:
    # As float32, the last tenth of a display is the first number past it.
    meter = simulated()
    registers = faulty(model, meter, 1, (parse_register_fault("roll-over=2026-04-26T10:20:00+05:30"),))
    await witnessed_where_it_can_be(case, registers, model, 6)
    readings = {(start - TEN) // PERIOD_S: reading for start, reading in case.readings().items()}
    for block, (absence, _, exported) in readings.items():
        truth = meter.block(TEN + block * PERIOD_S, PERIOD_S).energies.exported_wh or 0
        assert absence is Absence.NOT_WITNESSED or abs((exported or 0) - truth) <= 1
    assert [readings[block][0] for block in (2, 3, 4)] == [Absence.NONE] * 3


def accumulating(values: dict[int, int]) -> Registers:
    """SunSpec model 201 with a serial number, whose import counts `values` tens of Wh by block since ten in 32 bits."""
    plate = [1, 66, *[0] * 48, *(0x3132, 0x3334, 0x3536, 0x3738), *[0] * 14]
    chain = [0x5375, 0x6E53, *plate, 201, 105]
    words = {40_000 + place: fixed(word.to_bytes(2, "big")) for place, word in enumerate(chain)}

    def counter(now: int) -> bytes:
        return (values[(now - TEN) // PERIOD_S] % 2**32).to_bytes(4, "big")

    at = 40_000 + len(chain) - 2
    return Table(
        values={
            HOLDING: {
                **words,
                at + 46: Value(words=2, octets=counter),
                at + 54: fixed((1).to_bytes(2, "big")),
            }
        },
        spans={HOLDING: (range(40_000, 40_200),)},
    )


async def test_a_sunspec_counter_wraps_at_its_32_bits_and_is_named(case: Case) -> None:
    full = {0: 2**32 - 90, 1: 2**32 - 40, 2: 2**32 + 10, 3: 2**32 + 60}
    await witnessed_where_it_can_be(case, accumulating(full), "sunspec", 4)
    assert [reading[:2] for reading in case.readings().values()] == [
        (Absence.NO_EXPORT_REGISTER, 500), (Absence.REGISTER_FELL, None), (Absence.NO_EXPORT_REGISTER, 500),
    ]  # fmt: skip
    assert case.flags() == {TEN + PERIOD_S: Flag.ROLLED_OVER}
    assert any("register 'TotWhImp' rolled over" in fault for fault in case.faults)


async def test_a_sunspec_counter_that_shows_0_as_it_wraps_is_not_accumulated_and_no_number(case: Case) -> None:
    full = {0: 2**32 - 50, 1: 2**32, 2: 2**32 + 50, 3: 2**32 + 100}
    await witnessed_where_it_can_be(case, accumulating(full), "sunspec", 4)
    assert [reading[:2] for reading in case.readings().values()] == [
        NOT_WITNESSED, NOT_WITNESSED, (Absence.NO_EXPORT_REGISTER, 500),
    ]  # fmt: skip


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


# Clocks that are wrong


@pytest.fixture
async def steady(case: Case) -> AsyncIterator[Case]:
    """A meter whose import gains 1 Wh every 9 s, so that a block of it is 100 Wh and nothing else."""

    def octets(now: int) -> bytes:
        return ((now - MIDNIGHT) // 9).to_bytes(8, "big")

    table = Table(
        values={HOLDING: {3203: Value(words=4, octets=octets), 3207: fixed(bytes(8))}},
        spans={HOLDING: (range(3200, 3220),)},
    )
    async with over_tcp(table, case.clock, "pm2xxx") as case.url:
        yield case


HOURS_2 = 7200
NOT_WITNESSED = (Absence.NOT_WITNESSED, None)


def imports(case: Case) -> dict[int, tuple[Absence, int | None]]:
    return {(start - TEN) // PERIOD_S: reading[:2] for start, reading in case.readings().items()}


def stamps(case: Case) -> set[int]:
    """Blocks at whose start a register is signed."""
    return {(each.stamp_utc - TEN) // PERIOD_S for _, opening in case.batches() for each in opening.registers}


async def test_two_hours_without_power_and_a_saved_time_make_no_block_of_two_hours(steady: Case) -> None:
    await steady.at(TEN)
    back = TEN + PERIOD_S + HOURS_2
    steady.clock.reboot(back - 60, wrong_s=-HOURS_2)
    steady.restart()
    await steady.at(back)
    assert imports(steady) == {0: NOT_WITNESSED}
    assert stamps(steady) == set()
    # NTP finds the clock two hours behind: nothing is known of the time up to the next boundary, and then all is well.
    steady.clock.wrong_s = 0
    for block in (10, 11):
        await steady.at(TEN + block * PERIOD_S)
    assert imports(steady) == dict.fromkeys(range(10), NOT_WITNESSED) | {10: (Absence.NONE, 100)}
    assert steady.flags() == {TEN + block * PERIOD_S: Flag.CLOCK_STEP for block in range(1, 10)}
    assert stamps(steady) == {10, 11}


async def test_a_clock_set_forward_between_two_samples_makes_no_block(steady: Case) -> None:
    for block in (0, 1):
        await steady.at(TEN + block * PERIOD_S)
    # The true 10:20 is the gateway's 10:30; its next boundary is the true 10:35.
    steady.clock.wrong_s = 600
    for block in (2, 3):
        await steady.at(TEN + block * PERIOD_S - 600)
    assert imports(steady) == {0: (Absence.NONE, 100), 1: NOT_WITNESSED, 2: (Absence.NONE, 100)}
    assert steady.flags() == {TEN + PERIOD_S: Flag.CLOCK_STEP}


@pytest.mark.parametrize("back_s", [300, PERIOD_S, HOURS_2])
async def test_a_clock_set_back_between_two_samples_makes_no_block_and_no_second_one(steady: Case, back_s: int) -> None:
    for block in range(-8, 2):
        await steady.at(TEN + block * PERIOD_S)
    steady.clock.wrong_s = -back_s
    true = TEN + PERIOD_S + 60
    while true <= TEN + 3 * PERIOD_S + back_s:
        await steady.at(true)
        true += 60
    even = dict.fromkeys((*range(-8, 1), 2), (Absence.NONE, 100))
    assert imports(steady) == even | {1: NOT_WITNESSED}
    assert steady.flags() == {TEN + PERIOD_S: Flag.CLOCK_STEP}


@pytest.mark.parametrize(
    ("set_s", "absence", "flags"),
    [
        (2, Absence.NONE, 0),
        (3, Absence.NONE, Flag.CLOCK_STEP),
        (-3, Absence.NONE, Flag.CLOCK_STEP),
        (11, Absence.NONE, Flag.CLOCK_STEP),
        (12, Absence.NOT_WITNESSED, Flag.CLOCK_STEP),
    ],
)
async def test_a_clock_set_by_no_more_than_a_sample_may_be_late_keeps_the_number_and_flags_it(
    steady: Case, set_s: int, absence: Absence, flags: int
) -> None:
    assert POLL.witness_s == 10
    await steady.at(TEN)
    steady.clock.wrong_s = set_s
    await steady.at(TEN + PERIOD_S - set_s)
    assert imports(steady)[0][0] is absence
    assert steady.flags() == ({TEN: flags} if flags else {})


async def test_a_sample_that_comes_late_is_no_clock_that_was_set(steady: Case) -> None:
    await steady.at(TEN)
    await steady.at(TEN + PERIOD_S + POLL.witness_s)
    assert imports(steady)[0][0] is Absence.NONE
    assert steady.flags() == {}


async def test_a_step_off_the_grid_is_flagged_before_the_next_boundary_is_witnessed(steady: Case) -> None:
    await steady.at(TEN)
    steady.clock.wrong_s = 3 * PERIOD_S
    await steady.at(TEN + 500)
    assert imports(steady) == dict.fromkeys(range(3), NOT_WITNESSED)
    assert set(steady.flags().values()) == {Flag.CLOCK_STEP}
    assert len(steady.flags()) == 3


async def test_a_restart_of_the_agent_keeps_the_pair(steady: Case) -> None:
    for block in range(3):
        steady.restart()
        await steady.at(TEN + block * PERIOD_S)
    assert imports(steady) == dict.fromkeys(range(2), (Absence.NONE, 100))
    assert steady.flags() == {}


async def test_a_reboot_costs_one_block_and_says_so_even_when_the_clock_is_right(steady: Case) -> None:
    for block in range(5):
        if block == 2:
            steady.clock.reboot(TEN + 2 * PERIOD_S - 300, wrong_s=0)
            steady.restart()
        await steady.at(TEN + block * PERIOD_S)
    assert imports(steady) == {
        0: (Absence.NONE, 100), 1: NOT_WITNESSED, 2: (Absence.NONE, 100), 3: (Absence.NONE, 100),
    }  # fmt: skip
    assert steady.flags() == {}


async def test_a_full_counter_is_known_over_a_restart_of_the_agent(case: Case) -> None:
    end = 2**32 * 100
    registers = counting(2, {0: end - 500, 1: end + 300, 2: end + 900}, scale=100)
    async with over_tcp(registers, case.clock, "adl400") as case.url:
        for block in range(3):
            case.restart()
            await case.at(TEN + block * PERIOD_S)
    assert [reading[:2] for reading in case.readings().values()] == [
        (Absence.REGISTER_FELL, None), (Absence.NONE, 600),
    ]  # fmt: skip
    assert case.flags() == {TEN: Flag.ROLLED_OVER}


# Clocks that nobody vouches for


def sources(case: Case) -> list[ClockSource]:
    return [batch.clock_source for batch, _ in case.batches()]


async def test_a_gateway_whose_clock_is_steadily_wrong_signs_doubtful_blocks_and_says_so_once(steady: Case) -> None:
    steady.clock.source = ClockSource.GATEWAY
    steady.clock.reboot(TEN - 60, wrong_s=-HOURS_2)
    for block in range(4):
        await steady.at(TEN + block * PERIOD_S)
    # Each is as long as it should be, and none is the energy of the quarter hour under which it stands.
    assert imports(steady) == dict.fromkeys(range(-8, -5), (Absence.NONE, 100))
    assert set(steady.flags().values()) == {Flag.CLOCK_DOUBTFUL}
    assert len(steady.flags()) == 3
    assert set(sources(steady)) == {ClockSource.GATEWAY}
    assert [fault for fault in steady.faults if "was not synchronised since it started" in fault] == steady.faults
    assert len(steady.faults) == 1


async def test_a_clock_that_is_set_right_at_last_is_told_and_its_blocks_are_no_longer_doubtful(steady: Case) -> None:
    steady.clock.source = ClockSource.GATEWAY
    steady.clock.reboot(TEN - 60, wrong_s=-HOURS_2)
    for block in range(2):
        await steady.at(TEN + block * PERIOD_S)
    steady.clock.source, steady.clock.wrong_s = ClockSource.NTP, 0
    steady.faults.clear()
    for block in range(2, 5):
        await steady.at(TEN + block * PERIOD_S)
    assert steady.flags()[TEN - HOURS_2] == Flag.CLOCK_DOUBTFUL
    assert {block: steady.flags().get(TEN + block * PERIOD_S, 0) for block in (1, 2, 3)} == {
        1: Flag.CLOCK_STEP, 2: 0, 3: 0,
    }  # fmt: skip
    assert imports(steady)[2] == imports(steady)[3] == (Absence.NONE, 100)
    (step,) = steady.faults
    assert step.startswith("the gateway's clock was set between 2026-04-26 08:15:00 IST and 2026-04-26 10:30:00 IST")


async def test_a_time_service_that_goes_away_leaves_a_clock_that_keeps_time_over_restarts_of_the_agent(
    steady: Case,
) -> None:
    await steady.at(TEN)
    steady.clock.source = ClockSource.GATEWAY
    for block in range(1, 4):
        steady.restart()
        await steady.at(TEN + block * PERIOD_S)
    assert steady.flags() == {}
    assert set(sources(steady)) == {ClockSource.NTP}
    # Set by hand meanwhile: nobody knows to what.
    steady.clock.wrong_s = 300
    for block in range(4, 7):
        await steady.at(TEN + block * PERIOD_S - 300)
    assert {block: steady.flags().get(TEN + block * PERIOD_S, 0) for block in range(2, 6)} == {
        2: 0, 3: Flag.CLOCK_STEP, 4: Flag.CLOCK_DOUBTFUL, 5: Flag.CLOCK_DOUBTFUL,
    }  # fmt: skip


async def test_a_reboot_without_a_time_service_makes_every_block_doubtful(steady: Case) -> None:
    await steady.at(TEN)
    steady.clock.source = ClockSource.GATEWAY
    steady.clock.reboot(TEN + 300, wrong_s=0)
    for block in range(1, 4):
        await steady.at(TEN + block * PERIOD_S)
    assert steady.flags() == dict.fromkeys((TEN + PERIOD_S, TEN + 2 * PERIOD_S), Flag.CLOCK_DOUBTFUL)
