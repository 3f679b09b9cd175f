"""Shapes: the world gives exactly what was asked in a span, and every meter follows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.errors import SetupError
from firmware_sim.instants import parse_instant
from firmware_sim.meter import Energies
from firmware_sim.shape import MAX_SHAPED_WH, MAX_SPAN_S, Direction, Shape, Shaped, parse_shape, portions
from tests.firmware_sim.meters import SELLER_HOME, SHOP, seller, solar

TEN = parse_instant("2026-11-18T10:00:00+05:30")
NOON = parse_instant("2026-11-18T12:00:00+05:30")


def shaped(total: int, direction: Direction = Direction.EXPORT, start: int = TEN, end: int = NOON) -> Shaped:
    return Shaped(SELLER_HOME, (Shape(start=start, end=end, direction=direction, total_wh=total),))


@settings(max_examples=40, deadline=None)
@given(st.integers(min_value=0, max_value=50_000), st.integers(min_value=0, max_value=95), st.integers(1, 20))
def test_a_shaped_span_exports_exactly_what_was_asked(total: int, quarter: int, quarters: int) -> None:
    start = parse_instant("2026-11-18T00:00:00+05:30") + quarter * 900
    end = start + quarters * 900
    assert seller(shaped(total, start=start, end=end)).block(start, end - start).energies.exported_wh == total


@settings(max_examples=40, deadline=None)
@given(st.integers(min_value=0, max_value=50_000), st.integers(min_value=0, max_value=95), st.integers(1, 20))
def test_a_shaped_span_imports_exactly_what_was_asked(total: int, quarter: int, quarters: int) -> None:
    start = parse_instant("2026-11-18T00:00:00+05:30") + quarter * 900
    end = start + quarters * 900
    home = shaped(total, Direction.IMPORT, start=start, end=end)
    assert seller(home).block(start, end - start).energies.imported_wh == total


def test_outside_the_span_nothing_changes() -> None:
    plain, forced = seller(), seller(shaped(6400))
    assert forced.block(TEN - 900, 900) == plain.block(TEN - 900, 900)
    assert forced.block(NOON, 900) == plain.block(NOON, 900)
    assert forced.registers(TEN) == plain.registers(TEN)


def test_the_generation_meter_follows_the_shape() -> None:
    home = shaped(6400)
    net = seller(home).block(TEN, NOON - TEN).energies
    made = solar(home).block(TEN, NOON - TEN).energies
    load = sum(SELLER_HOME.day((TEN + 19_800) // 86_400).load_wh[40:48])
    assert net.exported_wh == 6400
    assert made.exported_wh == net.exported_wh + load - net.imported_wh


def test_a_shape_follows_the_worlds_own_shape() -> None:
    blocks = [seller(shaped(6400)).block(TEN + n * 900, 900).energies.exported_wh or 0 for n in range(8)]
    plain = [seller().block(TEN + n * 900, 900).energies.exported_wh or 0 for n in range(8)]
    assert sum(blocks) == 6400
    assert all(abs(got - own * 6400 / sum(plain)) <= 1 for got, own in zip(blocks, plain, strict=True))
    assert max(blocks) - min(blocks) > 50


def test_a_shop_can_be_made_to_draw_more() -> None:
    home = Shaped(SHOP, (Shape(start=TEN, end=NOON, direction=Direction.IMPORT, total_wh=7200),))
    assert seller(home).block(TEN, 7200).energies == Energies(imported_wh=7200, exported_wh=0)


def test_two_shapes_stand_side_by_side_but_not_on_one_another() -> None:
    first = Shape(start=TEN, end=NOON, direction=Direction.EXPORT, total_wh=1)
    touching = Shape(start=NOON, end=NOON + 900, direction=Direction.IMPORT, total_wh=2)
    meter = seller(Shaped(SELLER_HOME, (touching, first)))
    assert meter.block(TEN, 7200).energies.exported_wh == 1
    assert meter.block(NOON, 900).energies.imported_wh == 2
    overlapping = Shape(start=NOON - 900, end=NOON + 900, direction=Direction.EXPORT, total_wh=2)
    with pytest.raises(SetupError, match="do not overlap"):
        Shaped(SELLER_HOME, (overlapping, first))


def test_a_shape_is_written_as_span_direction_and_energy() -> None:
    text = "2026-11-18T10:00:00+05:30/2026-11-18T06:30:00Z:export=6400"
    assert parse_shape(text) == Shape(start=TEN, end=NOON, direction=Direction.EXPORT, total_wh=6400)
    assert parse_shape(text.replace("export", "import")).direction is Direction.IMPORT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected START/END"),
        ("2026-11-18T10:00:00Z:export=1", "expected START/END"),
        ("2026-11-18T10:00:00Z/2026-11-18T12:00:00Z:sideways=1", "expected START/END"),
        ("2026-11-18T10:00:00Z/2026-11-18T12:00:00Z:export=-1", "expected START/END"),
        ("2026-11-18T10:00:00Z/2026-11-18T12:00:00Z:export=1.5", "expected START/END"),
        ("2026-11-18T10:00:00Z/noon:export=1", "date-time"),
        ("2026-11-18T10:00:00Z/2026-11-18T10:00:00Z:export=1", "ends after it starts"),
        ("2026-11-18T10:00:00Z/2026-11-25T10:15:00Z:export=1", "at most seven days"),
        ("2026-11-18T10:00:01Z/2026-11-18T11:00:00Z:export=1", "quarter hours"),
        ("2026-11-18T10:00:00Z/2026-11-18T11:00:01Z:export=1", "quarter hours"),
        (f"2026-11-18T10:00:00Z/2026-11-18T11:00:00Z:export={MAX_SHAPED_WH + 1}", "0 to 10000000 Wh"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        parse_shape(text)


def test_the_longest_span_and_the_largest_energy_are_accepted() -> None:
    shape = Shape(start=TEN, end=TEN + MAX_SPAN_S, direction=Direction.IMPORT, total_wh=MAX_SHAPED_WH)
    assert shape.total_wh == MAX_SHAPED_WH


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**9), st.lists(st.integers(min_value=0, max_value=10**6), min_size=1))
def test_portions_sum_to_the_whole(total: int, weights: list[int]) -> None:
    parts = portions(total, weights)
    assert sum(parts) == total
    assert len(parts) == len(weights)
    assert all(part >= 0 for part in parts)
    if any(weights):
        assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)
