"""Meters of known homes, for the tests of this package."""

from firmware_sim.faults import Fault
from firmware_sim.instants import parse_instant
from firmware_sim.meter import Category, Meter, MeterSpec, Tap, base_registers
from firmware_sim.world import Dwelling, Home, Premises

NOW = parse_instant("2026-11-19T12:07:30+05:30")
"""In the middle of a block, in the middle of a day."""

SELLER_HOME = Home(seed=1, array_w=6000)
SHOP = Home(seed=1, dwelling=Dwelling.SHOP, name=1)


def seller(
    premises: Premises = SELLER_HOME, *, period_s: int = 900, days: int = 40, faults: tuple[Fault, ...] = ()
) -> Meter:
    """A net meter at the seller's connection."""
    spec = MeterSpec(serial="10000001", period_s=period_s, days=days, base=base_registers(1, 1, Tap.GRID))
    return Meter(spec, premises, faults)


def solar(premises: Premises = SELLER_HOME) -> Meter:
    """The generation meter of the same home."""
    return Meter(MeterSpec(serial="40000001", tap=Tap.SOLAR, base=base_registers(1, 4, Tap.SOLAR)), premises)


def import_only() -> Meter:
    """A meter without export registers."""
    spec = MeterSpec(serial="30000001", category=Category.IMPORT_ONLY, base=base_registers(1, 3, Tap.GRID))
    return Meter(spec, Home(seed=1, name=2))


def now() -> int:
    """The meters' clock, standing still."""
    return NOW
