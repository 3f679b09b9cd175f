from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.schedule import Held, Known, Rules, Task, Why, due, next_due_utc
from signing.interval import DAY_S, MAX_INSTANT, Interval, ist_day_start
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S

RULES = Rules(period_s=PERIOD_S, settle_s=30, backfill_s=2 * DAY_S, absent_retry_s=6 * 3600)
PRESENT = Known(held=Held.PRESENT, checked_utc=0)


def all_known(start: int, end: int) -> dict[int, Known]:
    return dict.fromkeys(range(start, end, PERIOD_S), PRESENT)


def test_a_block_is_due_once_it_has_ended_and_settled() -> None:
    known = all_known(MIDNIGHT - 2 * DAY_S, MIDNIGHT)
    end = MIDNIGHT + PERIOD_S
    assert due(now_utc=end + 29, rules=RULES, horizon_utc=0, known=known) == ()
    assert due(now_utc=end + 30, rules=RULES, horizon_utc=0, known=known) == (
        Task(span=Interval(MIDNIGHT, end), why=Why.LIVE),
    )


def test_live_blocks_come_before_the_back_fill_which_is_oldest_first() -> None:
    tasks = due(now_utc=MIDNIGHT + 10 * 3600 + 30, rules=RULES, horizon_utc=0, known={})
    assert [task.why for task in tasks] == [Why.LIVE, Why.BACKFILL, Why.BACKFILL, Why.BACKFILL]
    assert tasks[0].span == Interval(MIDNIGHT + 9 * 3600, MIDNIGHT + 10 * 3600)
    assert [task.span.start_utc for task in tasks[1:]] == [MIDNIGHT - 2 * DAY_S, MIDNIGHT - DAY_S, MIDNIGHT]


def test_nothing_before_the_horizon_is_due() -> None:
    tasks = due(now_utc=MIDNIGHT + 7200 + 30, rules=RULES, horizon_utc=MIDNIGHT + 1800, known={})
    assert min(task.span.start_utc for task in tasks) == MIDNIGHT + 1800


def test_known_blocks_cut_a_span() -> None:
    known = all_known(MIDNIGHT - 2 * DAY_S, MIDNIGHT) | {MIDNIGHT + PERIOD_S: PRESENT}
    tasks = due(now_utc=MIDNIGHT + 3 * PERIOD_S + 30, rules=RULES, horizon_utc=0, known=known)
    assert [task.span for task in tasks] == [
        Interval(MIDNIGHT, MIDNIGHT + PERIOD_S),
        Interval(MIDNIGHT + 2 * PERIOD_S, MIDNIGHT + 3 * PERIOD_S),
    ]


def test_an_absent_block_is_asked_for_again_after_the_retry_time_and_last() -> None:
    now = MIDNIGHT + 10 * 3600
    known = all_known(MIDNIGHT - 2 * DAY_S, now)
    known[MIDNIGHT] = Known(held=Held.ABSENT, checked_utc=now - RULES.absent_retry_s + 1)
    assert due(now_utc=now, rules=RULES, horizon_utc=0, known=known) == ()
    known[MIDNIGHT] = Known(held=Held.ABSENT, checked_utc=now - RULES.absent_retry_s)
    del known[now - 2 * PERIOD_S]
    assert [task.why for task in due(now_utc=now, rules=RULES, horizon_utc=0, known=known)] == [Why.LIVE, Why.RETRY]


def test_an_absence_that_a_clock_ahead_has_checked_is_asked_for_again() -> None:
    now = MIDNIGHT + 10 * 3600
    known = all_known(MIDNIGHT - 2 * DAY_S, now)
    known[MIDNIGHT] = Known(held=Held.ABSENT, checked_utc=now + RULES.absent_retry_s - 1)
    assert due(now_utc=now, rules=RULES, horizon_utc=0, known=known) == ()
    known[MIDNIGHT] = Known(held=Held.ABSENT, checked_utc=now + RULES.absent_retry_s)
    assert len(due(now_utc=now, rules=RULES, horizon_utc=0, known=known)) == 1


def test_a_reread_is_due_whatever_is_known_and_covers_every_block_it_touches() -> None:
    now = MIDNIGHT + 3600 + 30
    known = all_known(MIDNIGHT - 2 * DAY_S, now)
    asked = [Interval(MIDNIGHT - 1000, MIDNIGHT + 10)]
    tasks = due(now_utc=now, rules=RULES, horizon_utc=0, known=known, rereads=asked)
    assert [(task.why, task.span) for task in tasks] == [
        (Why.REREAD, Interval(MIDNIGHT - 2 * PERIOD_S, MIDNIGHT)),
        (Why.REREAD, Interval(MIDNIGHT, MIDNIGHT + PERIOD_S)),
    ]


def test_a_reread_of_the_future_waits() -> None:
    now = MIDNIGHT + 30
    known = all_known(MIDNIGHT - 2 * DAY_S, MIDNIGHT)
    asked = [Interval(MIDNIGHT, MIDNIGHT + PERIOD_S)]
    assert due(now_utc=now, rules=RULES, horizon_utc=0, known=known, rereads=asked) == ()


@pytest.mark.parametrize("period_s", [900, 1800, 3600])
def test_a_reread_of_all_of_time_is_one_of_the_last_hundred_days(period_s: int) -> None:
    now = MIDNIGHT + 2 * 3600 + 30
    rules = replace(RULES, period_s=period_s)
    known = all_known(MIDNIGHT - 2 * DAY_S, now)
    tasks = due(now_utc=now, rules=rules, horizon_utc=0, known=known, rereads=[Interval(0, MAX_INSTANT)])
    spans = [task.span for task in tasks if task.why is Why.REREAD]
    assert spans == [*Interval(MIDNIGHT - 100 * DAY_S, MIDNIGHT + 2 * 3600).ist_days()]
    before = Interval(0, MIDNIGHT - 100 * DAY_S)
    assert due(now_utc=now, rules=rules, horizon_utc=MIDNIGHT, known=known, rereads=[before]) == ()


@pytest.mark.parametrize("period_s", [900, 1800, 3600])
def test_a_reread_in_1970_begins_with_a_whole_block(period_s: int) -> None:
    rules = replace(RULES, period_s=period_s)
    tasks = due(now_utc=7230, rules=rules, horizon_utc=7200, known={}, rereads=[Interval(0, MAX_INSTANT)])
    assert tasks == ()
    (task,) = due(
        now_utc=7230, rules=rules, horizon_utc=1, known=all_known(0, 7200), rereads=[Interval(0, MAX_INSTANT)]
    )
    assert task.span == Interval(0 if period_s < 3600 else 1800, 7200 if period_s < 3600 else 5400)


def test_a_clock_before_1970_makes_nothing_due() -> None:
    assert due(now_utc=0, rules=RULES, horizon_utc=0, known={}) == ()


def test_the_next_block_settles_after_its_end() -> None:
    assert next_due_utc(MIDNIGHT + 29, RULES) == MIDNIGHT + 30
    assert next_due_utc(MIDNIGHT + 30, RULES) == MIDNIGHT + PERIOD_S + 30


@given(
    st.sampled_from([900, 1800, 3600]),
    st.integers(MIDNIGHT, MIDNIGHT + 3 * DAY_S),
    st.sets(st.integers(0, 400)),
    st.integers(0, 3 * DAY_S),
)
def test_every_span_fits_a_batch_and_each_unsigned_block_is_due_once(
    period_s: int, now_utc: int, known_blocks: set[int], backfill_s: int
) -> None:
    rules = Rules(period_s=period_s, settle_s=30, backfill_s=backfill_s, absent_retry_s=3600)
    known = {MIDNIGHT - DAY_S + block * period_s: PRESENT for block in known_blocks}
    starts: list[int] = []
    for task in due(now_utc=now_utc, rules=rules, horizon_utc=0, known=known):
        blocks = list(task.span.block_starts(period_s))
        assert task.span.is_measurable(period_s)
        assert 1 <= len(blocks) <= 96
        assert ist_day_start(task.span.start_utc) == ist_day_start(task.span.end_utc - 1)
        starts += blocks
    assert len(starts) == len(set(starts))
    first = ist_day_start(now_utc - backfill_s)
    expected = {at for at in range(first, now_utc - 30 - period_s + 1, period_s) if at not in known}
    assert set(starts) == expected
