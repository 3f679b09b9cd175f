"""A recorded home: what was recorded, to the Wh, on every day of the calendar."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.errors import SetupError
from firmware_sim.instants import day_of, day_start, parse_instant
from firmware_sim.replay import MAX_HALF_HOUR_WH, parse_record
from tests.firmware_sim.meters import NOW, seller

ENERGIES = st.tuples(st.integers(min_value=0, max_value=5000), st.integers(min_value=0, max_value=3000))
DAY = st.lists(ENERGIES, min_size=48, max_size=48)


def record(halves: list[tuple[int, int]], first: str = "2011-07-01T00:00:00") -> list[str]:
    at = datetime.fromisoformat(first).replace(tzinfo=UTC)
    lines = ["block,local_start,load_wh,solar_wh"]
    for number, (load, made) in enumerate(halves):
        lines.append(f"{number},{at + timedelta(minutes=30 * number):%Y-%m-%d %H:%M:%S},{load},{made}")
    return lines


TWO_DAYS = record([(10 + n, max(0, 40 - 2 * abs(n - 24))) for n in range(48)] + [(5, 0)] * 48)


@settings(max_examples=30, deadline=None)
@given(DAY)
def test_a_half_hour_nets_as_its_two_quarters_do(halves: list[tuple[int, int]]) -> None:
    home = parse_record(record(halves), Fraction(1))
    meter = seller(home)
    start = day_start(day_of(NOW))
    for number, (load, made) in enumerate(halves):
        block = meter.block(start + number * 1800, 1800).energies
        assert (block.imported_wh, block.exported_wh) == (max(0, load - made), max(0, made - load))
        quarters = [meter.block(start + number * 1800 + n * 900, 900).energies for n in (0, 1)]
        assert sum(each.imported_wh for each in quarters) == block.imported_wh
        assert abs(quarters[0].imported_wh - quarters[1].imported_wh) <= 1


@settings(max_examples=30, deadline=None)
@given(DAY, st.fractions(min_value=0, max_value=10, max_denominator=100))
def test_scaled_solar_adds_up_over_the_day(halves: list[tuple[int, int]], scale: Fraction) -> None:
    day = parse_record(record(halves), scale).day(0)
    assert sum(day.solar_wh) == int(sum(made for _, made in halves) * scale)
    assert sum(day.load_wh) == sum(load for load, _ in halves)


def test_recorded_days_repeat_over_the_calendar_from_their_own_dates() -> None:
    home = parse_record(TWO_DAYS, Fraction(1))
    recorded = day_of(parse_instant("2011-07-01T00:00:00+05:30"))
    today = day_of(NOW)
    assert home.day(recorded).load_wh[:3] == (5, 5, 5)
    assert home.day(recorded + 1).load_wh[:3] == (2, 3, 2)
    assert home.day(today) == home.day(today + 2) == home.day(today - 4)
    assert home.day(today) != home.day(today + 1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "expected the header"),
        (["a,b,c,d", *TWO_DAYS[1:]], "expected the header"),
        (TWO_DAYS[:1], "whole days"),
        (TWO_DAYS[:-1], "whole days"),
        (record([(1, 1)] * 48, "2011-07-01T00:30:00"), "whole days"),
        ([*TWO_DAYS[:5], *TWO_DAYS[6:]], "without a hole.*line 6"),
        ([TWO_DAYS[0], "x" * 200_000], "expected CSV"),
        ([TWO_DAYS[0], "0,2011-07-01 00:00:00,1"], "expected 4 columns, got 3 in line 2"),
        ([TWO_DAYS[0], "0,2011-07-01,1,1"], "expected YYYY.*line 2"),
        ([TWO_DAYS[0], "0,2011-07-01 00:10:00,1,1"], "expected a half-hour.*line 2"),
        ([TWO_DAYS[0], "0,2011-07-01 00:00:00,1.5,1"], "'load_wh' of line 2"),
        ([TWO_DAYS[0], "0,2011-07-01 00:00:00,1,-1"], "'solar_wh' of line 2"),
        ([TWO_DAYS[0], f"0,2011-07-01 00:00:00,{MAX_HALF_HOUR_WH + 1},1"], "0 to 50000"),
    ],
)
def test_a_record_with_a_fault_is_refused_by_its_line(lines: list[str], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        parse_record(lines, Fraction(1))


def test_the_largest_half_hour_is_accepted() -> None:
    day = parse_record(record([(MAX_HALF_HOUR_WH, MAX_HALF_HOUR_WH)] * 48), Fraction(1)).day(0)
    assert sum(day.load_wh) == 48 * MAX_HALF_HOUR_WH
