import pytest

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError, ReaderError
from edge_agent.outbox.errors import OutboxFullError
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import MemoryMeter
from edge_agent.readers.reader import Glance, Learned, Reader, SampledReader
from edge_agent.registers import EXPORT_BLOCK, IMPORT_BLOCK, Origin, ProfileColumn, ProfileLayout, ProfileRow
from edge_agent.site import IdentityError, Outcome
from signing.interval import DAY_S, Interval
from signing.statements.answers import Command, CommandKind
from signing.statements.reading import Absence
from signing.statements.reading_batch import ClockSource, Opening, ReadingBatch
from signing.statements.reading_batch import Origin as WireOrigin
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S, SOFTWARE, Gateway, to_send
from tests.edge_agent.meters import MemoryBench, SampledBench
from tests.edge_agent.site import POLL, settings, site

TEN = MIDNIGHT + 10 * 3600


class Case:
    """A meter with memory, and the agent's side of it."""

    def __init__(self, gateway: Gateway, outbox: Outbox, **changes: object) -> None:
        self.bench = MemoryBench()
        self.outbox = outbox
        self.site = site(gateway, outbox, lambda: self.bench.now_ms)
        self.meter = MemoryMeter(self.site, settings(**changes))

    async def look(self, now_utc: int) -> Outcome:
        self.bench.now_ms = now_utc * 1000
        async with self.bench:
            return await self.meter.look(self.bench)

    def batches(self) -> list[tuple[ReadingBatch, Opening]]:
        found = []
        for pending in to_send(self.outbox, limit=1000):
            batch = ReadingBatch.parse(pending.envelope.payload)
            found.append((batch, Opening.parse(pending.opening, batch.count)))
        return found


@pytest.fixture
def case(gateway: Gateway, outbox: Outbox) -> Case:
    return Case(gateway, outbox)


def test_the_meters_of_these_tests_keep_the_real_protocols() -> None:
    assert isinstance(MemoryBench(), Reader)
    assert isinstance(SampledBench(), SampledReader)


async def test_a_first_look_signs_the_last_hour_then_every_day_and_each_block_once(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    outcome = await case.look(TEN + 30)
    assert (outcome.batches, outcome.blocks) == (3, 96 + 40)
    spans = [batch.span for batch, _ in case.batches()]
    assert spans == [
        Interval(TEN - 3600, TEN),
        Interval(MIDNIGHT - DAY_S, MIDNIGHT),
        Interval(MIDNIGHT, TEN - 3600),
    ]
    assert (await case.look(TEN + 60)).batches == 0
    assert outcome.next_utc == TEN + PERIOD_S + 30


async def test_rows_prove_the_period_of_a_meter_once_a_day(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    await case.look(TEN + 30)
    assert case.bench.asked[0] == Interval(TEN - 5 * 3600, TEN)
    assert Interval(MIDNIGHT, TEN - 3600) in case.bench.asked
    case.bench.fill(TEN, TEN + DAY_S)
    await case.look(TEN + PERIOD_S + 30)
    assert case.bench.asked[-1] == Interval(TEN, TEN + PERIOD_S)
    before = len(case.bench.asked)
    await case.look(TEN + DAY_S + 30)
    assert case.bench.asked[before] == Interval(TEN + DAY_S - 5 * 3600, TEN + DAY_S)


async def test_a_meter_whose_rows_refute_its_period_is_told_and_not_signed(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.rows = {start: energies for start, energies in case.bench.rows.items() if start % 1800 == 0}
    outcome = await case.look(TEN + 30)
    assert outcome.batches == 0
    assert "expected a row every 900 s in profile 1.0.99.1.0.255" in outcome.faults[0]


async def test_a_batch_says_who_when_and_how(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.offset_ms = -1200
    await case.look(TEN + 30)
    batch, opening = case.batches()[0]
    assert (batch.meter, batch.read_at_utc, batch.origin) == ("M1", TEN + 30, WireOrigin.LLS)
    assert (batch.clock_offset_ms, batch.clock_source) == (-1200, ClockSource.NTP)
    assert (batch.software, opening.identity) == (SOFTWARE, "SERIAL1")


@pytest.mark.parametrize("origin", Origin)
def test_every_origin_has_its_number_on_the_wire(origin: Origin) -> None:
    assert WireOrigin[origin.name].name == origin.name


async def test_the_registers_of_midnight_travel_with_both_days_and_are_asked_for_only_there(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.midnights = {MIDNIGHT - DAY_S: 1000, MIDNIGHT: 10_600}
    await case.look(TEN + 30)
    stamps = [[register.stamp_utc for register in opening.registers] for _, opening in case.batches()]
    assert stamps == [[], [MIDNIGHT - DAY_S, MIDNIGHT], [MIDNIGHT]]
    assert len(case.bench.asked_registers) == 2


async def test_v06_another_meter_is_never_signed(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.serial = "SERIAL2"
    with pytest.raises(IdentityError, match="expected serial number SERIAL1, the meter on the wire says SERIAL2"):
        await case.look(TEN + 30)
    assert case.batches() == []
    assert case.bench.asked == []


async def test_a_meter_that_gives_no_serial_number_is_signed_as_such(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.serial = None
    await case.look(TEN + 30)
    assert case.batches()[0][1].identity is None


async def test_a_period_other_than_configured_is_refused(gateway: Gateway, outbox: Outbox) -> None:
    case = Case(gateway, outbox, period_s=1800)
    with pytest.raises(MeterRefusedError, match="expected blocks of 1800 s"):
        await case.look(TEN)
    odd = Case(gateway, outbox)
    odd.bench.period_s = 600
    with pytest.raises(MeterRefusedError, match="expected blocks of 900, 1800 or 3600 s"):
        await odd.look(TEN)


async def test_a_late_row_is_waited_for_and_then_signed_as_absent_and_asked_for_again(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN - PERIOD_S)
    outcome = await case.look(TEN + 30)
    assert case.batches()[0][0].end_utc == TEN - PERIOD_S
    assert outcome.next_utc == TEN + 30 + POLL.interval_s
    before = len(case.batches())
    await case.look(TEN + 60)
    assert len(case.batches()) == before
    case.bench.fill(TEN, TEN + 1800)
    await case.look(TEN + 1830)
    batch, opening = case.batches()[-1]
    assert (batch.start_utc, [reading.absence for reading in opening.readings]) == (
        TEN - PERIOD_S,
        [Absence.NO_ROW, Absence.NONE, Absence.NONE],
    )
    before = len(case.batches())
    case.bench.fill(TEN + 1800, TEN + POLL.absent_retry_s + 2700)
    await case.look(TEN + POLL.absent_retry_s + 1830)
    # The absent block was asked for again and said nothing new.
    assert Interval(TEN - PERIOD_S, TEN) in case.bench.asked
    case.bench.fill(TEN - PERIOD_S, TEN)
    await case.look(TEN + 2 * POLL.absent_retry_s + 3000)
    assert any(
        batch.span == Interval(TEN - PERIOD_S, TEN) and opening.readings[0].import_wh == 100
        for batch, opening in case.batches()[before:]
    )


async def test_the_time_before_the_meter_was_installed_is_no_absence(gateway: Gateway, outbox: Outbox) -> None:
    case = Case(gateway, outbox, backfill_days=5)
    case.bench.fill(MIDNIGHT + 3600, TEN)
    await case.look(TEN + 30)
    starts = sorted(batch.start_utc for batch, _ in case.batches())
    assert starts[0] == MIDNIGHT
    asked = len(case.bench.asked)
    await case.look(TEN + 60)
    assert len(case.bench.asked) == asked


async def test_a_last_hour_without_rows_says_nothing_about_the_meters_memory(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN - 3600)
    await case.look(TEN + 30)
    assert min(batch.start_utc for batch, _ in case.batches()) == MIDNIGHT - DAY_S


async def test_a_reread_of_what_is_not_over_yet_waits(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    command = Command(
        kind=CommandKind.REREAD,
        number=1,
        gateway="gw1",
        meter="M1",
        kid=case.outbox.kid,
        first=TEN - PERIOD_S,
        last=TEN + PERIOD_S,
    )
    case.outbox.obey(command)
    await case.look(TEN + PERIOD_S + 29)
    assert list(case.outbox.rereads("M1")) == [1]
    await case.look(TEN + PERIOD_S + 30)
    assert case.outbox.rereads("M1") == {}


async def test_a_day_without_power_between_signed_days_is_signed_as_absent(gateway: Gateway, outbox: Outbox) -> None:
    case = Case(gateway, outbox, backfill_days=2)
    case.bench.fill(MIDNIGHT - 2 * DAY_S, MIDNIGHT - DAY_S)
    case.bench.fill(MIDNIGHT, TEN)
    await case.look(TEN + 30)
    absent = next(opening for batch, opening in case.batches() if batch.start_utc == MIDNIGHT - DAY_S)
    assert {reading.absence for reading in absent.readings} == {Absence.NO_ROW}


async def test_a_row_that_a_reread_finds_changes_no_figure_of_the_blocks_behind_it(case: Case) -> None:
    case.bench.scaler = -1
    case.bench.fill(MIDNIGHT - DAY_S, TEN, wh=1003)
    lost = case.bench.rows.pop(MIDNIGHT + PERIOD_S)
    await case.look(TEN + 30)
    first = {batch.start_utc: opening for batch, opening in case.batches()}[MIDNIGHT]
    case.bench.rows[MIDNIGHT + PERIOD_S] = lost
    asked = {"kind": CommandKind.REREAD, "number": 1, "gateway": "gw1", "meter": "M1", "kid": case.outbox.kid}
    case.outbox.obey(Command(**asked, first=MIDNIGHT, last=TEN))  # type: ignore[arg-type]
    await case.look(TEN + 60)
    again = case.batches()[-1][1]
    assert first.columns.import_wh[1] is None
    assert again.columns.import_wh[1] in {100, 101}
    signed = [
        (was, now)
        for was, now in zip(first.columns.import_wh, again.columns.import_wh, strict=False)
        if was is not None
    ]
    assert len(signed) > 30
    assert all(was == now for was, now in signed)


@pytest.mark.parametrize("days", [1, 36, 100])
async def test_a_first_reading_goes_as_far_back_as_configured(gateway: Gateway, outbox: Outbox, days: int) -> None:
    case = Case(gateway, outbox, backfill_days=days)
    case.bench.period_s = 3600
    case.bench.fill(MIDNIGHT - 110 * DAY_S, TEN)
    while (await case.look(TEN + 30)).batches:
        pass
    assert min(batch.start_utc for batch, _ in case.batches()) == MIDNIGHT - days * DAY_S


async def test_the_last_block_of_a_day_is_signed_after_midnight(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    await case.look(MIDNIGHT + 29)
    await case.look(MIDNIGHT + 30)
    assert max(batch.end_utc for batch, _ in case.batches()) == MIDNIGHT


async def test_a_reread_of_all_of_time_stops_no_look(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    await case.look(TEN + 30)
    asked = {"kind": CommandKind.REREAD, "number": 1, "gateway": "gw1", "meter": "M1", "kid": case.outbox.kid}
    case.outbox.obey(Command(**asked, first=0, last=2**32 - 1))  # type: ignore[arg-type]
    assert not case.meter.is_live_due()
    case.bench.fill(TEN, TEN + PERIOD_S)
    outcome = await case.look(TEN + PERIOD_S + 30)
    assert (outcome.faults, max(batch.end_utc for batch, _ in case.batches())) == ([], TEN + PERIOD_S)


async def test_a_span_that_the_meter_refuses_does_not_cost_the_others(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    yesterday = Interval(MIDNIGHT - DAY_S, MIDNIGHT)
    case.bench.refuses[yesterday] = MeterRefusedError("object unavailable")
    outcome = await case.look(TEN + 30)
    assert outcome.batches == 2
    assert "object unavailable" in outcome.faults[0]
    asked = case.bench.asked.count(yesterday)
    await case.look(TEN + 30 + POLL.interval_s - 1)
    assert case.bench.asked.count(yesterday) == asked
    await case.look(TEN + 30 + POLL.interval_s)  # refused again: the pause doubles
    await case.look(TEN + 30 + 3 * POLL.interval_s - 1)
    assert case.bench.asked.count(yesterday) == asked + 1
    del case.bench.refuses[yesterday]
    await case.look(TEN + 30 + 3 * POLL.interval_s)
    assert yesterday in {batch.span for batch, _ in case.batches()}


async def test_a_gateway_whose_clock_runs_ahead_signs_nothing_that_is_not_over_by_the_meters(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    await case.look(TEN + 30)
    before = len(case.batches())
    ahead_s = 10 * 365 * DAY_S
    case.bench.fill(TEN, TEN + PERIOD_S)
    case.bench.offset_ms = -ahead_s * 1000
    outcome = await case.look(TEN + PERIOD_S + 30 + ahead_s)
    (batch, _) = case.batches()[before:][0]
    assert (len(case.batches()), batch.span) == (before + 1, Interval(TEN, TEN + PERIOD_S))
    assert batch.clock_offset_ms == -ahead_s * 1000
    assert outcome.next_utc == TEN + 2 * PERIOD_S + 30 + ahead_s


async def test_a_meter_whose_clock_runs_behind_is_asked_when_its_block_is_over(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.offset_ms = -300_000
    outcome = await case.look(TEN + 30 + 299)
    assert max(batch.end_utc for batch, _ in case.batches()) == TEN - PERIOD_S
    assert outcome.next_utc == TEN + 30 + 300
    await case.look(TEN + 30 + 300)
    assert max(batch.end_utc for batch, _ in case.batches()) == TEN


@pytest.mark.parametrize(("offset_ms", "faults"), [(180_000, 0), (180_010, 1), (-180_010, 1)])
async def test_clocks_that_are_far_apart_are_told(case: Case, offset_ms: int, faults: int) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.offset_ms = offset_ms
    assert len((await case.look(TEN + 30)).faults) == faults


async def test_a_clock_that_was_set_back_puts_nothing_off_for_good(case: Case) -> None:
    case.bench.fill(MIDNIGHT - 3 * DAY_S, TEN)
    yesterday = Interval(MIDNIGHT - DAY_S, MIDNIGHT)
    case.bench.refuses[yesterday] = MeterRefusedError("object unavailable")
    await case.look(TEN + 30)
    del case.bench.refuses[yesterday]
    await case.look(TEN - 2 * 3600 - POLL.absent_retry_s)
    assert yesterday in {batch.span for batch, _ in case.batches()}


async def test_bytes_that_are_wrong_end_the_look_and_the_next_one_goes_on(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.refuses[Interval(MIDNIGHT - DAY_S, MIDNIGHT)] = MeterDecodeError("unexpected octet")
    outcome = await case.look(TEN + 30)
    assert (outcome.batches, outcome.next_utc) == (1, TEN + 30 + POLL.interval_s)
    assert (await case.look(TEN + 90)).batches == 1


async def test_a_line_that_breaks_keeps_what_was_signed(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    case.bench.refuses[Interval(MIDNIGHT - DAY_S, MIDNIGHT)] = MeterUnavailableError("gone")
    with pytest.raises(MeterUnavailableError):
        await case.look(TEN + 30)
    assert len(case.batches()) == 1
    assert not case.bench.is_open


async def test_a_reread_is_done_once_and_signs_only_what_is_new(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    await case.look(TEN + 30)
    before = len(case.batches())

    def reread(number: int) -> Command:
        return Command(
            kind=CommandKind.REREAD,
            number=number,
            gateway="gw1",
            meter="M1",
            kid=case.outbox.kid,
            first=MIDNIGHT,
            last=MIDNIGHT + PERIOD_S,
        )

    case.outbox.obey(reread(1))
    await case.look(TEN + 60)
    assert case.bench.asked[-1] == Interval(MIDNIGHT, MIDNIGHT + PERIOD_S)
    assert (len(case.batches()), case.outbox.rereads("M1")) == (before, {})
    case.bench.fill(MIDNIGHT, MIDNIGHT + PERIOD_S, wh=101)
    case.outbox.obey(reread(2))
    await case.look(TEN + 90)
    assert len(case.batches()) == before + 1


async def test_a_full_outbox_stops_the_look(case: Case, gateway: Gateway, outbox: Outbox) -> None:
    outbox._capacity = 1
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    with pytest.raises(OutboxFullError):
        await case.look(TEN + 30)
    assert len(case.batches()) == 1


class RecallingBench(MemoryBench):
    """A meter whose reader may begin with what an earlier one learned."""

    def __init__(self) -> None:
        super().__init__()
        self.layouts_read = 0
        self.glances = 0

    async def layout(self) -> ProfileLayout:
        self.layouts_read += 1
        return await super().layout()

    async def glance(self) -> Glance:
        self.glances += 1
        clock = await self.clock()
        return Glance(serial=self.serial, clock=clock, capture_period_s=self.period_s, entries_in_use=len(self.rows))

    def learned(self) -> Learned:
        layout = ProfileLayout(
            obis="1.0.99.1.0.255",
            columns=tuple(
                ProfileColumn(class_id=3, obis=obis, attribute=2, data_index=0, scaler=0, unit=30)
                for obis in (IMPORT_BLOCK, EXPORT_BLOCK)
            ),
            capture_period_s=self.period_s,
            entries=3360,
            entries_in_use=len(self.rows),
            newest_first=False,
        )
        return Learned(load=layout, layouts={layout.obis: layout}, refused_ways={})

    def recall(self, learned: Learned) -> None:
        pass


@pytest.fixture
def recalling(case: Case) -> RecallingBench:
    bench = RecallingBench()
    case.bench = bench
    bench.fill(MIDNIGHT - DAY_S, TEN)
    return bench


async def test_a_later_look_takes_the_columns_as_they_were_and_signs_as_much(
    case: Case, recalling: RecallingBench
) -> None:
    await case.look(TEN + 30)
    recalling.fill(TEN, TEN + PERIOD_S)
    recalling.offset_ms = -1200
    outcome = await case.look(TEN + PERIOD_S + 32)
    assert (outcome.batches, recalling.layouts_read, recalling.glances) == (1, 1, 1)
    batch, opening = case.batches()[-1]
    assert (batch.clock_offset_ms, opening.identity) == (-1200, "SERIAL1")


async def test_clocks_that_are_apart_do_not_make_every_look_a_long_one(case: Case, recalling: RecallingBench) -> None:
    recalling.offset_ms = -200_000
    await case.look(TEN + 230)
    assert "apart" in (await case.look(TEN + 290)).faults[0]
    assert recalling.layouts_read == 1


async def test_v06_a_meter_swapped_between_two_looks_is_not_signed_from_memory(
    case: Case, recalling: RecallingBench
) -> None:
    await case.look(TEN + 30)
    before = len(case.batches())
    recalling.serial = "SERIAL2"
    recalling.fill(TEN, TEN + PERIOD_S)
    with pytest.raises(IdentityError, match="the meter on the wire says SERIAL2"):
        await case.look(TEN + PERIOD_S + 30)
    assert len(case.batches()) == before


@pytest.mark.parametrize("error", [MeterDecodeError("expected 4 parts, got 5"), MeterRefusedError("scope violated")])
async def test_what_the_meter_would_not_give_makes_it_be_read_anew(
    case: Case, recalling: RecallingBench, error: ReaderError
) -> None:
    await case.look(TEN + 30)
    live = Interval(TEN, TEN + PERIOD_S)
    recalling.fill(TEN, TEN + PERIOD_S)
    recalling.refuses[live] = error
    await case.look(TEN + PERIOD_S + 30)
    assert recalling.layouts_read == 1
    recalling.refuses.clear()
    await case.look(TEN + PERIOD_S + 100)
    assert recalling.layouts_read == 2
    assert case.batches()[-1][0].span == live


async def test_rows_of_zeros_that_nothing_tells_from_filler_are_told_once(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN, wh=0)
    first, second = await case.look(TEN + 30), await case.look(TEN + 60)
    assert [fault for fault in first.faults if "may be no load, no power or filler" in fault]
    assert second.faults == []


async def test_a_meter_that_announced_a_block_is_asked_for_it_at_once_and_then_by_the_schedule(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    await case.look(TEN - PERIOD_S + 60)
    assert (await case.look(TEN + 1)).batches == 0
    case.meter.announce()
    assert case.meter.is_live_due()
    outcome = await case.look(TEN + 1)
    assert (outcome.batches, outcome.blocks, outcome.next_utc) == (1, 1, TEN + 30)
    assert (await case.look(TEN + 30)).batches == 0
    case.bench.fill(TEN, TEN + PERIOD_S)
    assert (await case.look(TEN + PERIOD_S + 29)).batches == 0


async def test_a_block_that_was_announced_and_is_not_there_is_waited_for(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN - PERIOD_S)
    await case.look(TEN - PERIOD_S + 60)
    case.meter.announce()
    outcome = await case.look(TEN + 1)
    assert (outcome.batches, outcome.next_utc) == (0, TEN + 30)
    case.bench.fill(TEN - PERIOD_S, TEN)
    assert (await case.look(TEN + 30)).blocks == 1


async def test_what_is_announced_during_a_look_is_for_the_next(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    await case.look(TEN - PERIOD_S + 60)

    def announces() -> bool:
        case.meter.announce()
        return False

    case.bench.now_ms = (TEN - 1) * 1000
    async with case.bench:
        await case.meter.look(case.bench, announces)
    case.meter.announce()
    assert (await case.look(TEN + 1)).blocks == 1


async def test_a_reread_that_the_meter_would_not_give_is_asked_for_again_and_then_done(case: Case) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    await case.look(TEN + 30)
    asked = {"kind": CommandKind.REREAD, "number": 1, "gateway": "gw1", "meter": "M1", "kid": case.outbox.kid}
    case.outbox.obey(Command(**asked, first=MIDNIGHT - 2 * PERIOD_S, last=MIDNIGHT + PERIOD_S))  # type: ignore[arg-type]
    today = Interval(MIDNIGHT, MIDNIGHT + PERIOD_S)
    case.bench.refuses[today] = MeterRefusedError("object unavailable")
    case.bench.rows[MIDNIGHT] = (250, 0)
    before = len(case.bench.asked)
    await case.look(TEN + 60)
    assert case.bench.asked[before:] == [Interval(MIDNIGHT - 2 * PERIOD_S, MIDNIGHT), today]
    assert list(case.outbox.rereads("M1")) == [1]
    # Left alone for now, it is still to be done.
    await case.look(TEN + 60 + POLL.interval_s - 1)
    assert list(case.outbox.rereads("M1")) == [1]
    del case.bench.refuses[today]
    await case.look(TEN + 60 + POLL.interval_s)
    assert case.bench.asked[-1] == today
    assert case.outbox.rereads("M1") == {}
    assert case.batches()[-1][1].columns.import_wh == (250,)


async def test_a_span_that_a_slow_meter_refuses_is_asked_for_once_a_look(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.bench.fill(MIDNIGHT - DAY_S, TEN)
    live, last = {Interval(TEN - back_s, TEN) for back_s in (3600, 5 * 3600)}, Interval(MIDNIGHT, TEN - 3600)
    for span in live:
        case.bench.refuses[span] = MeterRefusedError("object unavailable")
    answered = case.bench.block_rows

    async def slowly(span: Interval) -> tuple[ProfileRow, ...]:
        # Longer than a first refusal is left alone for.
        case.bench.now_ms += 2 * POLL.interval_s * 1000 if span == last else 0
        return await answered(span)

    monkeypatch.setattr(case.bench, "block_rows", slowly)
    await case.look(TEN + 30)
    assert last in case.bench.asked
    assert sum(span in live for span in case.bench.asked) == 1
