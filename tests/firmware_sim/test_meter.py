"""A meter: registers are the truth, blocks their differences, memory first in first out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.errors import SetupError
from firmware_sim.faults import MissingBlock
from firmware_sim.instants import day_of, day_start, parse_instant
from firmware_sim.meter import MAX_DAYS, ORIGIN_DAY, Energies, Meter, MeterSpec, Tap, base_registers
from firmware_sim.world import DayEnergy, Home
from tests.firmware_sim.meters import NOW, SELLER_HOME, import_only, seller, solar

PERIODS = st.sampled_from((900, 1800, 3600))
INSTANTS = st.integers(min_value=day_start(ORIGIN_DAY) - 30 * 86_400, max_value=day_start(ORIGIN_DAY) + 60 * 86_400)


def exported(energies: Energies) -> int:
    assert energies.exported_wh is not None
    return energies.exported_wh


@settings(max_examples=40, deadline=None)
@given(PERIODS, st.integers(min_value=0, max_value=3000), st.integers(min_value=1, max_value=400))
def test_blocks_sum_to_the_difference_of_the_registers(period_s: int, first: int, count: int) -> None:
    meter = seller(period_s=period_s)
    start = day_start(ORIGIN_DAY) + first * period_s
    blocks = [meter.block(start + n * period_s, period_s).energies for n in range(count)]
    before, after = meter.registers(start), meter.registers(start + count * period_s)
    assert sum(block.imported_wh for block in blocks) == after.imported_wh - before.imported_wh
    assert sum(exported(block) for block in blocks) == exported(after) - exported(before)
    assert all(block.imported_wh >= 0 and exported(block) >= 0 for block in blocks)


@settings(max_examples=30, deadline=None)
@given(INSTANTS)
def test_registers_at_an_instant_do_not_depend_on_what_was_asked_before(at: int) -> None:
    fresh = seller().registers(at)
    used = seller()
    for other in (at + 86_400 * 70, at - 86_400 * 3):
        used.registers(other)
    assert used.registers(at) == fresh


@settings(max_examples=50, deadline=None)
@given(INSTANTS, st.integers(min_value=1, max_value=4000))
def test_registers_never_run_backwards(at: int, later: int) -> None:
    meter = seller()
    assert meter.registers(at + later).imported_wh >= meter.registers(at).imported_wh
    assert exported(meter.registers(at + later)) >= exported(meter.registers(at))


@settings(max_examples=40, deadline=None)
@given(st.integers(min_value=0, max_value=2**31), st.integers(min_value=-30, max_value=60))
def test_net_and_generation_meter_of_one_home_agree(seed: int, offset: int) -> None:
    home = Home(seed=seed, array_w=6000)
    start = day_start(ORIGIN_DAY + offset)
    net = seller(home).block(start, 86_400).energies
    made = solar(home).block(start, 86_400).energies
    day: DayEnergy = home.day(ORIGIN_DAY + offset)
    assert net.imported_wh - exported(net) == sum(day.load_wh) - exported(made)
    assert made.imported_wh == 0


def test_registers_between_boundaries_grow_with_time() -> None:
    meter = seller()
    noon = parse_instant("2026-11-18T11:45:00+05:30")
    whole = exported(meter.block(noon, 900).energies)
    assert exported(meter.block(noon, 450).energies) == pytest.approx(whole / 2, abs=1)
    assert meter.power_w(noon + 450) == -4 * whole


def test_power_is_positive_when_the_home_draws() -> None:
    midnight = day_start(day_of(NOW))
    meter = seller()
    assert meter.power_w(midnight) == 4 * meter.block(midnight, 900).energies.imported_wh > 0


def test_only_completed_blocks_are_in_memory() -> None:
    meter = seller()
    stamps = meter.block_stamps(NOW)
    assert stamps[-1] == parse_instant("2026-11-19T12:00:00+05:30")
    assert meter.block_stamps(stamps[-1] + 899)[-1] == stamps[-1]
    assert meter.block_stamps(stamps[-1] - 1)[-1] == stamps[-1] - 900
    assert meter.block_stamps(stamps[-1])[-1] == stamps[-1]


@pytest.mark.parametrize("period_s", [900, 1800, 3600])
def test_memory_holds_its_days_and_drops_the_oldest(period_s: int) -> None:
    meter = seller(period_s=period_s, days=35)
    stamps = meter.block_stamps(NOW)
    assert len(stamps) == meter.block_capacity == 35 * 86_400 // period_s
    assert stamps == sorted(stamps)
    assert meter.block_stamps(NOW + period_s) == [*stamps[1:], stamps[-1] + period_s]
    assert all((stamp + 19_800) % period_s == 0 for stamp in stamps)


def test_daily_rows_are_stamped_at_midnight_of_the_next_day() -> None:
    stamps = seller(days=35).daily_stamps(NOW)
    assert len(stamps) == 35
    assert stamps[-1] == parse_instant("2026-11-19T00:00:00+05:30")
    assert stamps[0] == stamps[-1] - 34 * 86_400


def test_days_far_apart_are_remembered_within_bounds() -> None:
    meter = seller()
    for day in range(ORIGIN_DAY, ORIGIN_DAY + 300):
        meter.registers(day_start(day) + 1)
    assert len(meter._sums) <= 64


def test_before_the_origin_the_registers_count_down_from_their_base() -> None:
    spec = MeterSpec(serial="1", base=Energies(imported_wh=10**6, exported_wh=10**6))
    meter = Meter(spec, SELLER_HOME)
    assert meter.registers(day_start(ORIGIN_DAY)) == spec.base
    assert meter.registers(day_start(ORIGIN_DAY) - 1).imported_wh < 10**6
    assert meter.oldest(day_start(ORIGIN_DAY)).imported_wh < meter.registers(day_start(ORIGIN_DAY - 40)).imported_wh


def test_an_import_only_meter_has_no_export() -> None:
    meter = import_only()
    assert meter.registers(NOW).exported_wh is None
    assert meter.block(NOW - 900, 900).energies.exported_wh is None


def test_a_lost_row_leaves_registers_and_other_rows_alone() -> None:
    lost = parse_instant("2026-11-18T10:30:00+05:30")
    whole, holed = seller(), seller(faults=(MissingBlock(at=lost),))
    assert set(whole.block_stamps(NOW)) - set(holed.block_stamps(NOW)) == {lost + 900}
    assert whole.registers(NOW) == holed.registers(NOW)


def test_voltage_is_what_the_grid_gives() -> None:
    values = {seller().voltage_dv(NOW + n * 900) for n in range(200)}
    assert 2250 <= min(values) < max(values) <= 2400


def test_base_registers_of_an_array_leave_a_float_its_watt_hours() -> None:
    base = base_registers(5, 4, Tap.SOLAR)
    # Not 0, which SunSpec calls not accumulated.
    assert 2_000 <= base.imported_wh < 4_000
    assert 2_000_000 <= exported(base) < 4_000_000
    assert base_registers(5, 1, Tap.GRID).imported_wh >= 40_000_000


@pytest.mark.parametrize(
    ("plate", "message"),
    [
        ({"period_s": 600}, "900, 1800 or 3600"),
        ({"days": 0}, "1 to 400 days"),
        ({"days": MAX_DAYS + 1}, "1 to 400 days"),
        ({"serial": ""}, "letters and digits"),
        ({"serial": "x" * 17}, "letters and digits"),
        ({"serial": "a-b"}, "letters and digits"),
        ({"serial": "é"}, "letters and digits"),
    ],
)
def test_a_plate_that_cannot_be_is_refused(plate: dict[str, object], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        MeterSpec(**{"serial": "1", **plate})  # type: ignore[arg-type]


def test_the_longest_serial_and_memory_are_accepted() -> None:
    assert MeterSpec(serial="x" * 16, days=MAX_DAYS).days == MAX_DAYS
