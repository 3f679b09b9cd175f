import pytest

from edge_agent.harvest import FRESH_MS, Harvest
from edge_agent.registers import ProfileRow
from signing.interval import Interval

P = 900


def row(start: int) -> ProfileRow:
    return ProfileRow(stamp=None, stamp_utc=start + P, end_utc=start + P, clock_status=None)


def rows(span: Interval) -> list[ProfileRow]:
    return [row(start) for start in range(span.start_utc, span.end_utc, P)]


def missing(harvest: Harvest, wanted: Interval, owner: object = "M1", now_ms: int = 0) -> Interval | None:
    return harvest.missing(wanted, owner=owner, now_ms=now_ms)


@pytest.fixture
def half() -> Harvest:
    """A harvest of the first two of four blocks."""
    harvest = Harvest()
    assert missing(harvest, Interval(0, 4 * P)) == Interval(0, 4 * P)
    harvest.add(Interval(0, 2 * P), rows(Interval(0, 2 * P)))
    return harvest


def test_what_was_read_is_not_missing_and_the_rest_is(half: Harvest) -> None:
    assert missing(half, Interval(0, 4 * P)) == Interval(2 * P, 4 * P)
    half.add(Interval(2 * P, 4 * P), rows(Interval(2 * P, 4 * P)))
    assert missing(half, Interval(0, 4 * P)) is None
    assert half.rows(Interval(P, 3 * P), period_s=P) == (row(P), row(2 * P))


def test_a_span_that_begins_elsewhere_is_read_whole(half: Harvest) -> None:
    assert missing(half, Interval(2 * P, 3 * P)) == Interval(2 * P, 3 * P)
    assert half.rows(Interval(0, 4 * P), period_s=P) == ()


def test_a_span_that_begins_before_is_read_whole() -> None:
    harvest = Harvest()
    missing(harvest, Interval(P, 3 * P))
    harvest.add(Interval(P, 2 * P), rows(Interval(P, 2 * P)))
    assert missing(harvest, Interval(0, 3 * P)) == Interval(0, 3 * P)


def test_rows_of_another_meter_or_other_columns_are_dropped(half: Harvest) -> None:
    assert missing(half, Interval(0, 4 * P), owner="M2") == Interval(0, 4 * P)


@pytest.mark.parametrize(("now_ms", "first"), [(FRESH_MS, 2 * P), (FRESH_MS + 1, 0), (-1, 0)])
def test_old_rows_are_asked_for_again(half: Harvest, now_ms: int, first: int) -> None:
    assert missing(half, Interval(0, 4 * P), now_ms=now_ms) == Interval(first, 4 * P)


def test_rows_with_a_hole_between_them_are_no_harvest(half: Harvest) -> None:
    with pytest.raises(ValueError, match="expected rows from 1800 on, got 2700"):
        half.add(Interval(3 * P, 4 * P), ())


def test_what_is_dropped_is_asked_for_again(half: Harvest) -> None:
    half.drop()
    assert missing(half, Interval(0, 4 * P)) == Interval(0, 4 * P)


def test_what_lies_before_is_dropped(half: Harvest) -> None:
    assert missing(half, Interval(P, 4 * P)) == Interval(2 * P, 4 * P)
    assert half.rows(Interval(0, 4 * P), period_s=P) == (row(P),)
    assert missing(half, Interval(0, 4 * P)) == Interval(0, 4 * P)
