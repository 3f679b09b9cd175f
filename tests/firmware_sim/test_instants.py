"""Instants and the meter's wall clock."""

import pytest

from firmware_sim.errors import SetupError
from firmware_sim.instants import day_of, day_start, local, parse_instant, utc_text


def test_an_instant_is_read_with_either_offset() -> None:
    assert parse_instant("2026-03-01T10:00:00+05:30") == parse_instant("2026-03-01T04:30:00Z") == 1_772_339_400
    assert utc_text(1_772_339_400) == "2026-03-01T04:30:00Z"
    assert local(1_772_339_400).isoformat() == "2026-03-01T10:00:00+05:30"


def test_a_day_begins_at_ist_midnight() -> None:
    midnight = parse_instant("2026-03-01T00:00:00+05:30")
    assert day_start(day_of(midnight)) == midnight
    assert day_of(midnight - 1) == day_of(midnight) - 1
    assert day_of(midnight + 86_399) == day_of(midnight)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "expected a date-time"),
        ("2026-03-01T10:00:00", "add Z or"),
        ("2026-03-01T10:00:00.5Z", "whole second"),
        ("1969-12-31T23:59:59Z", "between 1970 and 2100"),
        ("2100-01-01T00:00:01Z", "between 1970 and 2100"),
    ],
)
def test_what_is_no_definite_instant_is_refused(text: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        parse_instant(text)


def test_the_ends_of_the_range_are_accepted() -> None:
    assert parse_instant("1970-01-01T00:00:00Z") == 0
    assert parse_instant("2100-01-01T00:00:00Z") == 4_102_444_800
