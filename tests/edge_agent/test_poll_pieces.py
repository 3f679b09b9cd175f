"""A meter that is read in pieces: over several looks, with rows that belong together, and with what it refuses or has not yet."""

from collections.abc import Callable, Iterator

import pytest

from edge_agent.errors import CounterRefusedError, MeterRefusedError, MeterUnavailableError
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import MemoryMeter
from edge_agent.refusals import Refusals
from edge_agent.registers import (
    EXPORT_BLOCK,
    IMPORT_BLOCK,
    CumulativeRegisters,
    ProfileColumn,
    ProfileLayout,
    ProfileRow,
    RegisterValue,
)
from edge_agent.site import Outcome
from signing.interval import DAY_S, Interval
from signing.statements.answers import Command, CommandKind
from signing.statements.reading_batch import Opening, ReadingBatch
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S, Gateway, to_send
from tests.edge_agent.meters import MemoryBench
from tests.edge_agent.site import POLL, settings, site

TEN = MIDNIGHT + 10 * 3600
ROW_MS = 1000
"""What a row of these meters takes: twenty are the most that fit into the hold."""


class SlowBench(MemoryBench):
    """A meter whose rows take time, and whose energies may be finer than a watt hour."""

    def __init__(self, scaler: int = 0) -> None:
        super().__init__()
        self.scaler = scaler
        self.gives_parts = True
        self.layout_ms = 0
        self.row_ms = ROW_MS
        self.breaks: Callable[[Interval], bool] = lambda _: False
        self.no_registers: MeterRefusedError | None = None

    async def layout(self) -> ProfileLayout:
        known = await super().layout()
        self.now_ms += self.layout_ms
        columns = tuple(
            ProfileColumn(class_id=3, obis=obis, attribute=2, data_index=0, scaler=self.scaler, unit=30)
            for obis in (IMPORT_BLOCK, EXPORT_BLOCK)
        )
        return ProfileLayout(
            obis=known.obis,
            columns=columns,
            capture_period_s=self.period_s,
            entries=known.entries,
            entries_in_use=known.entries_in_use,
            newest_first=False,
        )

    async def block_rows(self, span: Interval) -> tuple[ProfileRow, ...]:
        if self.breaks(span):
            self.asked.append(span)
            raise MeterUnavailableError("the link broke")
        rows = await super().block_rows(span)
        self.now_ms += self.row_ms * len(rows)
        return tuple(
            ProfileRow(
                stamp=row.stamp,
                stamp_utc=row.stamp_utc,
                end_utc=row.end_utc,
                clock_status=None,
                values={
                    name: RegisterValue(register=name, raw=value.raw, scaler=self.scaler, unit=30)
                    for name, value in row.values.items()
                },
            )
            for row in rows
        )

    async def daily_registers(self, span: Interval) -> tuple[CumulativeRegisters, ...]:
        if self.no_registers is not None:
            raise self.no_registers
        return await super().daily_registers(span)


class Case:
    """A slow meter, and the agent's side of it."""

    def __init__(self, gateway: Gateway, outbox: Outbox, scaler: int = 0, days: int = 2) -> None:
        self.bench = SlowBench(scaler)
        self.bench.fill(MIDNIGHT - days * DAY_S, TEN + 4 * DAY_S)
        self.outbox = outbox
        shared = site(gateway, outbox, lambda: self.bench.now_ms)
        self.meter = MemoryMeter(shared, settings(backfill_days=days))
        self.outcomes: list[Outcome] = []

    def now_utc(self) -> int:
        return self.bench.now_ms // 1000

    async def look(self, now_utc: int, *, is_wanted: bool = False) -> Outcome:
        """One look, not before `now_utc`: rows take time."""
        self.bench.now_ms = max(self.bench.now_ms, now_utc * 1000)
        async with self.bench:
            self.outcomes.append(await self.meter.look(self.bench, lambda: is_wanted))
        return self.outcomes[-1]

    async def until_whole(self, now_utc: int) -> int:
        """Looks until nothing is left; gives how many it took."""
        looks = 1
        while (await self.look(now_utc)).next_utc <= self.now_utc():
            looks += 1
        return looks

    def spans(self) -> list[Interval]:
        return [batch.span for batch, _ in self._batches()]

    def imports(self) -> dict[int, int | None]:
        return {
            start: reading.import_wh
            for batch, opening in self._batches()
            for start, reading in zip(batch.span.block_starts(PERIOD_S), opening.readings, strict=True)
        }

    def stamps(self) -> list[int]:
        return [register.stamp_utc for _, opening in self._batches() for register in opening.registers]

    def reread(self, number: int, span: Interval) -> None:
        self.outbox.obey(
            Command(
                kind=CommandKind.REREAD,
                number=number,
                gateway="gw1",
                meter="M1",
                kid=self.outbox.kid,
                first=span.start_utc,
                last=span.end_utc,
            )
        )

    def _batches(self) -> Iterator[tuple[ReadingBatch, Opening]]:
        for pending in to_send(self.outbox, limit=1000):
            batch = ReadingBatch.parse(pending.envelope.payload)
            yield batch, Opening.parse(pending.opening, batch.count)


@pytest.fixture
def case(gateway: Gateway, outbox: Outbox) -> Case:
    return Case(gateway, outbox)


async def test_a_look_at_the_past_ends_after_a_while_and_goes_on_at_once(case: Case) -> None:
    first = await case.look(TEN + 30)
    assert first.next_utc == case.now_utc()
    assert POLL.interval_s <= case.now_utc() - TEN - 30 <= POLL.interval_s + POLL.hold_s
    assert await case.until_whole(TEN + 30) > 1
    assert case.outcomes[-1].next_utc == TEN + PERIOD_S + 30
    assert sorted(case.imports()) == list(range(MIDNIGHT - 2 * DAY_S, TEN, PERIOD_S))
    assert max(span.length_s for span in case.spans()) <= POLL.hold_s * PERIOD_S
    assert sum(span.length_s for span in case.spans()) == 2 * DAY_S + 10 * 3600


async def test_the_past_waits_for_whoever_has_something_due_but_never_for_ever(case: Case) -> None:
    assert (await case.look(TEN + 30, is_wanted=True)).next_utc == case.now_utc()
    assert case.spans() == [Interval(TEN - 3600, TEN)]
    asked = len(case.bench.asked)
    await case.look(TEN + 30, is_wanted=True)
    assert len(case.bench.asked) == asked + 1
    assert len(case.spans()) == 2


async def test_live_blocks_wait_for_nobody(gateway: Gateway, outbox: Outbox) -> None:
    case = Case(gateway, outbox, scaler=-1)
    case.bench.breaks = lambda span: span.length_s > 12 * PERIOD_S
    for _ in range(3):
        with pytest.raises(MeterUnavailableError):
            await case.look(TEN + 30)
    # From midnight, for finer energies: 40 rows in pieces of 7, and the proof of the period before them.
    await case.look(TEN + 30, is_wanted=True)
    assert len(case.bench.asked) > 3 + 5
    assert case.spans() == [Interval(TEN - 3600, TEN)]


async def test_what_a_look_spent_before_its_first_piece_is_no_time_for_rows(case: Case) -> None:
    await case.look(TEN + 30, is_wanted=True)
    await case.look(TEN + 30, is_wanted=True)
    case.bench.layout_ms = 15_000
    before = case.now_utc()
    await case.look(TEN + 30, is_wanted=True)
    assert case.bench.asked[-1].length_s == 5 * PERIOD_S
    assert case.now_utc() - before == POLL.hold_s


async def test_a_meter_that_turns_out_to_give_no_parts_is_signed_by_the_day(case: Case) -> None:
    await case.look(TEN + 30, is_wanted=True)
    case.bench.gives_parts = False
    case.bench.asked.clear()
    await case.until_whole(TEN + 30)
    assert case.bench.asked == [Interval(MIDNIGHT - 2 * DAY_S, TEN - 3600)]
    assert max(span.length_s for span in case.spans()) == DAY_S


async def test_rows_that_refute_the_period_are_asked_for_again_and_not_remembered(case: Case) -> None:
    rows = dict(case.bench.rows)
    case.bench.rows = {start: energies for start, energies in rows.items() if start % 1800 == 0}
    await case.look(TEN + 30)
    assert case.spans() == []
    case.bench.rows = rows
    await case.until_whole(TEN + 600)
    assert sorted(case.imports()) == list(range(MIDNIGHT - 2 * DAY_S, TEN, PERIOD_S))


async def test_live_is_due_until_it_is_read(case: Case) -> None:
    case.bench.now_ms = (TEN + 30) * 1000
    assert case.meter.is_live_due()
    await case.look(TEN + 30, is_wanted=True)
    assert not case.meter.is_live_due()
    case.bench.now_ms = (TEN + PERIOD_S + 30) * 1000
    assert case.meter.is_live_due()


async def test_a_refused_last_hour_makes_nobody_wait(case: Case) -> None:
    case.bench.refuses[Interval(TEN - 5 * 3600, TEN)] = MeterRefusedError("object unavailable")
    await case.look(TEN + 30, is_wanted=True)
    assert case.spans()[:1] != [Interval(TEN - 3600, TEN)]
    assert not case.meter.is_live_due()


async def test_an_outcome_is_taken_once_also_after_an_error(case: Case) -> None:
    case.bench.breaks = lambda span: span.end_utc <= MIDNIGHT
    with pytest.raises(MeterUnavailableError):
        await case.look(TEN + 30)
    assert (case.meter.take_outcome().batches, case.meter.take_outcome().batches) == (1, 0)


async def test_energies_finer_than_a_watt_hour_sum_to_their_day_over_pieces_looks_and_lost_links(
    gateway: Gateway, outbox: Outbox
) -> None:
    case = Case(gateway, outbox, scaler=-1)
    for start in case.bench.rows:
        case.bench.rows[start] = (1004, 0)  # 100.4 Wh
    breaking = iter(range(1000))
    case.bench.breaks = lambda _: next(breaking) % 5 == 4
    for _ in range(60):
        try:
            if (await case.look(TEN + 30)).next_utc > case.now_utc():
                break
        except MeterUnavailableError:
            continue
    imports = case.imports()
    assert sorted(imports) == list(range(MIDNIGHT - 2 * DAY_S, TEN, PERIOD_S))
    for day in (MIDNIGHT - 2 * DAY_S, MIDNIGHT - DAY_S):
        assert (
            sum(imports[start] or 0 for start in range(day, day + DAY_S, PERIOD_S)) == 9638
        )  # 96 times 100.4, rounded once
    # The rows before a piece are not read again for it.
    assert max(span.length_s for span in case.bench.asked[5:]) <= POLL.hold_s * PERIOD_S


async def test_a_reread_that_takes_several_looks_ends_and_reads_every_block_anew(case: Case) -> None:
    await case.until_whole(TEN + 30)
    for start in range(MIDNIGHT - 2 * DAY_S, MIDNIGHT, PERIOD_S):
        case.bench.rows[start] = (101, 0)
    case.bench.asked.clear()
    case.reread(1, Interval(MIDNIGHT - 2 * DAY_S, MIDNIGHT))
    assert await case.until_whole(TEN + 40) > 2
    assert case.outbox.rereads("M1") == {}
    assert {case.imports()[start] for start in range(MIDNIGHT - 2 * DAY_S, MIDNIGHT, PERIOD_S)} == {101}
    assert sum(span.length_s for span in case.bench.asked) == 2 * DAY_S


async def test_a_command_amid_a_reread_has_everything_read_anew(case: Case) -> None:
    await case.until_whole(TEN + 30)
    case.reread(1, Interval(MIDNIGHT - 2 * DAY_S, MIDNIGHT))
    await case.look(TEN + 40)
    for start in case.bench.rows:
        case.bench.rows[start] = (101, 0)
    case.reread(2, Interval(MIDNIGHT - 2 * DAY_S, MIDNIGHT))
    await case.until_whole(TEN + 40)
    assert {case.imports()[start] for start in range(MIDNIGHT - 2 * DAY_S, MIDNIGHT, PERIOD_S)} == {101}


async def test_a_meter_that_refuses_its_daily_registers_is_signed_without_and_told(case: Case) -> None:
    case.bench.no_registers = MeterRefusedError("the meter refuses 1.0.99.2.0.255")
    await case.until_whole(TEN + 30)
    assert sorted(case.imports()) == list(range(MIDNIGHT - 2 * DAY_S, TEN, PERIOD_S))
    assert case.stamps() == []
    told = {fault for outcome in case.outcomes for fault in outcome.faults}
    assert told == {"no registers of midnight, so that no day can be balanced: the meter refuses 1.0.99.2.0.255"}
    case.bench.asked.clear()
    await case.until_whole(TEN + 2 * POLL.absent_retry_s)
    assert min(span.start_utc for span in case.bench.asked) == TEN


async def test_a_counter_that_is_refused_is_no_refusal_of_the_daily_registers(case: Case) -> None:
    case.bench.no_registers = CounterRefusedError("service not allowed, invocation counter error")
    case.bench.midnights = {MIDNIGHT: 1_000_000}
    await case.look(TEN + 30)
    case.bench.no_registers = None
    await case.until_whole(TEN + POLL.absent_retry_s)
    assert case.stamps() == [MIDNIGHT] * 2
    assert not any("no day can be balanced" in fault for outcome in case.outcomes for fault in outcome.faults)


async def test_registers_that_come_late_are_asked_for_again_and_travel(case: Case) -> None:
    await case.until_whole(TEN + 30)
    assert case.stamps() == []
    case.bench.midnights = {MIDNIGHT: 1_000_000}
    await case.until_whole(TEN + 30 + POLL.absent_retry_s - 1)
    assert case.stamps() == []
    await case.until_whole(TEN + 600 + POLL.absent_retry_s)
    assert case.stamps() == [MIDNIGHT]
    assert case.spans()[-1] == Interval(MIDNIGHT - PERIOD_S, MIDNIGHT)
    case.bench.asked.clear()
    await case.until_whole(TEN + 1200 + 2 * POLL.absent_retry_s)
    assert Interval(MIDNIGHT - PERIOD_S, MIDNIGHT) not in case.bench.asked


async def test_registers_of_old_midnights_are_not_asked_for_for_ever(gateway: Gateway, outbox: Outbox) -> None:
    case = Case(gateway, outbox, days=8)
    case.bench.row_ms = 0
    await case.until_whole(TEN + 30)
    case.bench.asked.clear()
    await case.until_whole(TEN + 30 + 3 * DAY_S)
    assert not [span for span in case.bench.asked if span.end_utc <= MIDNIGHT]


async def test_a_link_that_is_lost_makes_the_next_piece_smaller_and_costs_no_live_block(case: Case) -> None:
    case.bench.breaks = lambda span: span.length_s > 6 * PERIOD_S and span.end_utc <= MIDNIGHT
    lost = 0
    for _ in range(60):
        try:
            if (await case.look(TEN + 30)).next_utc > case.now_utc():
                break
        except MeterUnavailableError:
            lost += 1
    assert 0 < lost < 8
    assert sorted(case.imports()) == list(range(MIDNIGHT - 2 * DAY_S, TEN, PERIOD_S))
    assert case.spans()[0] == Interval(TEN - 3600, TEN)
    assert len(case.spans()) == len(set(case.spans()))


def test_a_part_of_what_was_refused_is_left_alone_and_doubles_the_pause() -> None:
    refusals = Refusals(POLL)
    refusals.put_off(Interval(0, 9600), 100)
    assert refusals.left_alone(100 + POLL.interval_s - 1) == (Interval(0, 9600),)
    assert refusals.left_alone(100 + POLL.interval_s) == ()
    assert Interval(9000, 9900) in refusals
    assert Interval(9600, 9900) not in refusals
    refusals.put_off(Interval(0, 4800), 1000)
    assert refusals.left_alone(1000 + 2 * POLL.interval_s - 1) == (Interval(0, 4800),)
    assert refusals.left_alone(1000 + 2 * POLL.interval_s) == ()
