"""Many meters of few homes: each counts what its elder counts, from registers of its own.

A year of one home costs a tenth of a second; a fleet of thousands shares a few, each built when it is first asked for.
"""

from functools import lru_cache

from firmware_sim.meter import Energies, Meter, MeterSpec, Tap, base_registers
from firmware_sim.world import Home

WORLDS = 32
"""Homes of one fleet."""
ARRAY_W = 6000


class Sibling(Meter):
    """A meter of the same home, period and days as `elder`, with its own plate and base registers."""

    def __init__(self, spec: MeterSpec, elder: Meter, home: Home) -> None:
        super().__init__(spec, home)
        self._elder = elder

    def registers(self, at: int) -> Energies:
        """See `Meter.registers`."""
        told, own, other = self._elder.registers(at), self.spec.base, self._elder.spec.base
        exported = None
        if told.exported_wh is not None:
            exported = told.exported_wh + (own.exported_wh or 0) - (other.exported_wh or 0)
        return Energies(imported_wh=told.imported_wh + own.imported_wh - other.imported_wh, exported_wh=exported)

    def power_w(self, at: int) -> int:
        """See `Meter.power_w`."""
        return self._elder.power_w(at)


class Family:
    """The meters of one fleet by number; every one of them is the same whenever it is made."""

    def __init__(self, *, seed: int, period_s: int, days: int) -> None:
        self._seed = seed
        self._period_s = period_s
        self._days = days
        self._elder = lru_cache(maxsize=WORLDS)(self._new_elder)

    def meter(self, number: int) -> Meter:
        """Meter `number`, from 0 to 9,999,999."""
        world = number % WORLDS
        return Sibling(self._spec(number), self._elder(world), self._home(world))

    def _new_elder(self, world: int) -> Meter:
        return Meter(self._spec(world), self._home(world))

    def _home(self, world: int) -> Home:
        return Home(seed=self._seed, array_w=ARRAY_W, name=world)

    def _spec(self, number: int) -> MeterSpec:
        return MeterSpec(
            serial=serial_of(number),
            period_s=self._period_s,
            days=self._days,
            base=base_registers(self._seed, number, Tap.GRID),
        )


def serial_of(number: int) -> str:
    """The serial number of meter `number` of a fleet."""
    return f"5{number:07d}"
