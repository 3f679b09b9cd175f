"""When blocks that lack are asked for: soon, then daily, while the meter remembers. VEE §B E0."""

import pytest

from headend.duties.hunting import next_utc
from signing.interval import DAY_S, Interval
from tests.headend.premises import DAY

BLOCK = Interval(DAY, DAY + 900)


@pytest.mark.parametrize(("asked", "after_s"), [(0, 300), (1, 1800), (2, 7200)])
def test_the_first_times_are_5_and_30_minutes_and_2_hours_after_the_end_of_the_blocks(asked: int, after_s: int) -> None:
    assert next_utc(BLOCK, asked, 0) == BLOCK.end_utc + after_s


@pytest.mark.parametrize(("asked", "after_s"), [(1, 1500), (2, 5400)])
def test_what_is_missed_long_after_is_asked_for_at_the_same_distances(asked: int, after_s: int) -> None:
    asked_utc = BLOCK.end_utc + DAY_S
    assert next_utc(BLOCK, asked, asked_utc) == asked_utc + after_s


def test_after_that_it_is_once_a_day() -> None:
    asked_utc = BLOCK.end_utc + 7777
    assert next_utc(BLOCK, 3, asked_utc) == asked_utc + DAY_S


def test_what_the_meter_forgot_after_35_days_is_not_asked_for() -> None:
    last = BLOCK.start_utc + 35 * DAY_S
    assert next_utc(BLOCK, 3, last - DAY_S) == last
    assert next_utc(BLOCK, 3, last - DAY_S + 1) is None
