"""Meters of one fleet: few homes, and every meter its own plate and registers."""

import pytest

from firmware_sim.meter import Category, Meter, MeterSpec
from firmware_sim.sibling import WORLDS, Family, Sibling, serial_of
from tests.firmware_sim.meters import NOW, SELLER_HOME, seller


def test_a_meter_is_the_same_whenever_it_is_made() -> None:
    first, again = (Family(seed=1, period_s=900, days=3).meter(40) for _ in range(2))
    assert first.registers(NOW) == again.registers(NOW)
    assert first.spec == again.spec
    assert first.spec.serial == serial_of(40) == "50000040"


def test_siblings_count_the_same_from_other_registers() -> None:
    family = Family(seed=1, period_s=900, days=3)
    elder, younger, neighbour = (family.meter(number) for number in (1, 1 + WORLDS, 2))
    assert elder.block(NOW - 900, 900) == younger.block(NOW - 900, 900)
    assert elder.power_w(NOW) == younger.power_w(NOW)
    assert elder.block(NOW - 900, 900) != neighbour.block(NOW - 900, 900)
    rise = elder.registers(NOW).imported_wh - elder.spec.base.imported_wh
    assert younger.registers(NOW).imported_wh - younger.spec.base.imported_wh == rise
    assert younger.registers(NOW) != elder.registers(NOW)


@pytest.mark.parametrize("at", [NOW, NOW - 86_400 * 2 + 451])
def test_a_sibling_counts_as_a_meter_of_its_own_would(at: int) -> None:
    own = MeterSpec(serial="50000007", base=seller().spec.base)
    assert Sibling(own, seller(), SELLER_HOME).registers(at) == Meter(own, SELLER_HOME).registers(at)


def test_a_sibling_of_an_import_only_meter_has_no_export() -> None:
    spec = MeterSpec(serial="50000007", category=Category.IMPORT_ONLY)
    assert Sibling(spec, Meter(spec, SELLER_HOME), SELLER_HOME).registers(NOW).exported_wh is None
