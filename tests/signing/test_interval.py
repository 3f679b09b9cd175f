"""The grid of blocks, and instants in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.errors import DecodeError
from signing.interval import (
    DAY_S,
    MAX_INSTANT,
    PERIODS_S,
    Interval,
    floor_to_block,
    instant,
    is_aligned,
    ist_day_start,
    ist_text,
    parse_instant,
    period,
    utc_text,
)

TEN = 1_777_177_800


def test_an_instant_is_whole_seconds_in_range() -> None:
    assert (instant(0, "t"), instant(MAX_INSTANT, "t")) == (0, MAX_INSTANT)
    for bad in (-1, MAX_INSTANT + 1, 1.0, True, None):
        with pytest.raises(DecodeError, match="'t'"):
            instant(bad, "t")


def test_a_period_is_one_of_three() -> None:
    assert [period(value, "p") for value in PERIODS_S] == list(PERIODS_S)
    for bad in (0, 899, 60, True, 900.0, None):
        with pytest.raises(DecodeError, match="'p'"):
            period(bad, "p")


@given(st.integers(DAY_S, MAX_INSTANT), st.sampled_from(PERIODS_S))
def test_blocks_lie_on_the_grid_of_ist_midnight(at: int, period_s: int) -> None:
    start = floor_to_block(at, period_s)
    assert start <= at < start + period_s
    assert is_aligned(start, period_s)
    assert (start - ist_day_start(at)) % period_s == 0


@given(st.integers(DAY_S, 2 * DAY_S), st.integers(1, 2 * DAY_S), st.sampled_from(PERIODS_S))
def test_block_starts_are_the_blocks_that_lie_wholly_inside(start: int, length: int, period_s: int) -> None:
    span = Interval(start, start + length)
    starts = list(span.block_starts(period_s))
    assert starts == [t for t in range(start, span.end_utc) if is_aligned(t, period_s) and t + period_s <= span.end_utc]
    assert span.is_measurable(period_s) == (sum(period_s for _ in starts) == length and is_aligned(start, period_s))


def test_an_interval_is_half_open_and_never_empty() -> None:
    span = Interval(TEN, TEN + 3600)
    assert span.length_s == 3600
    assert span.contains(Interval(TEN, TEN + 3600))
    assert not span.contains(Interval(TEN - 1, TEN + 3600))
    assert span.overlaps(Interval(TEN + 3599, TEN + 9999))
    assert not span.overlaps(Interval(TEN + 3600, TEN + 9999))
    for start, end in ((5, 5), (6, 5), (-1, 5), (0, MAX_INSTANT + 1)):
        with pytest.raises(DecodeError):
            Interval(start, end)


def test_an_interval_is_cut_at_every_ist_midnight() -> None:
    midnight = ist_day_start(TEN)
    days = list(Interval(TEN, TEN + 2 * DAY_S).ist_days())
    assert days == [
        Interval(TEN, midnight + DAY_S),
        Interval(midnight + DAY_S, midnight + 2 * DAY_S),
        Interval(midnight + 2 * DAY_S, TEN + 2 * DAY_S),
    ]


def test_instants_in_words() -> None:
    assert utc_text(TEN) == "2026-04-26T04:30:00Z"
    assert ist_text(TEN) == "2026-04-26 10:00:00 IST"


@pytest.mark.parametrize("text", ["2026-04-26T04:30:00Z", "2026-04-26T10:00:00+05:30", "2026-04-26T10:00:00.000+05:30"])
def test_text_with_an_offset_is_an_instant(text: str) -> None:
    assert parse_instant(text, "t") == TEN


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-04-26T10:00:00", "2026-04-26", "2026-04-26T10:00:00.5Z", "1960-01-01T00:00:00Z", None],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="'t'"):
        parse_instant(text, "t")


def test_the_edges_of_the_calendar_are_refused_in_words() -> None:
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        with pytest.raises(DecodeError, match="'t'"):
            parse_instant(text, "t")
