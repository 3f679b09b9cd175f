"""The energies and demands of one meter, as registers and as columns of profiles."""

from collections.abc import Callable
from functools import lru_cache

from firmware_sim.dlms.axdr import date_time, energy, enum, integer8, octets, structure, unsigned32
from firmware_sim.dlms.objects import Column, CosemObject, Plain, constant, logical_name
from firmware_sim.instants import month_start
from firmware_sim.meter import Category, Energies, Meter

WH, VAH, VOLT, AMPERE, HERTZ, WATT, VA, MINUTE, NO_UNIT = 30, 31, 35, 33, 44, 27, 28, 6, 255
"""Units of COSEM. Source: IEC 62056-6-2, 4.3.2, table of enumerated units."""

DEMAND_S = 1800
"""The demand integration period: half an hour."""
POWER_FACTOR_PERCENT = 97
"""Of every load in this world."""


def scaler_unit(scaler: int, unit: int) -> bytes:
    """Attribute 3 of a register: the power of ten and the unit."""
    return structure(integer8(scaler), enum(unit))


def register(name: str, value: Plain, unit: int, scaler: int = 0) -> CosemObject:
    """A register (class 3)."""
    return CosemObject(
        class_id=3, name=logical_name(name), attributes={2: value, 3: constant(scaler_unit(scaler, unit))}
    )


def data(name: str, encoded: bytes, *, public: bool = False) -> CosemObject:
    """A Data object (class 1) that never changes."""
    return CosemObject(class_id=1, name=logical_name(name), attributes={2: constant(encoded)}, public=public)


def column(captured: CosemObject, attribute: int = 2, cell: Plain | None = None) -> Column:
    """A column of `captured`: its cells as given, or what the object tells at the stamp."""
    return Column(
        class_id=captured.class_id,
        name=captured.name,
        attribute=attribute,
        cell=captured.attributes[attribute] if cell is None else cell,
    )


def _exported(energies: Energies) -> int:
    assert energies.exported_wh is not None
    return energies.exported_wh


def apparent(wh: int) -> int:
    """The VAh (or VA) to so many Wh (or W)."""
    # Scaled while cumulative and differenced after, so that VAh blocks balance as Wh blocks do.
    return wh * 100 // POWER_FACTOR_PERCENT


Kind = tuple[int, Callable[[Energies], int], int]
"""The C of an energy's OBIS code, the energy, its unit."""


class Registers:
    """The energies of one meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        imported: list[Kind] = [(1, lambda e: e.imported_wh, WH), (9, lambda e: apparent(e.imported_wh), VAH)]
        exported: list[Kind] = [(2, _exported, WH), (10, lambda e: apparent(_exported(e)), VAH)]
        self._net = meter.spec.category is Category.NET
        self._kinds = imported + exported if self._net else imported

    def cumulative(self) -> list[CosemObject]:
        """Cumulative registers, time integral 1."""
        return [register(f"1.0.{c}.8.0.255", self._total(value), unit) for c, value, unit in self._kinds]

    def blocks(self) -> list[CosemObject]:
        """Block registers, time integral 5: the energy of the last completed block."""
        return [register(f"1.0.{c}.29.0.255", self._last(self._gain(value)), unit) for c, value, unit in self._kinds]

    def block_columns(self) -> list[Column]:
        """One cell a block and register, for the block that ends at the stamp."""
        return [
            Column(class_id=3, name=logical_name(f"1.0.{c}.29.0.255"), attribute=2, cell=self._gain(value))
            for c, value, _ in self._kinds
        ]

    def daily_columns(self) -> list[Column]:
        """Cumulative active energies at the stamp; kVAh gives way to kWh export where the meter registers both ways."""
        shown = {1, 2} if self._net else {1, 9}
        return [
            Column(class_id=3, name=logical_name(f"1.0.{c}.8.0.255"), attribute=2, cell=self._total(value))
            for c, value, _ in self._kinds
            if c in shown
        ]

    def average_va(self, end: int) -> int:
        """The apparent power drawn or given, averaged over the block that ends at `end`."""
        period = self._meter.spec.period_s
        energies = self._meter.block(end - period, period).energies
        return apparent((energies.imported_wh + (energies.exported_wh or 0)) * 3600 // period)

    def _total(self, value: Callable[[Energies], int]) -> Plain:
        return lambda at: energy(value(self._meter.registers(at)))

    def _gain(self, value: Callable[[Energies], int]) -> Plain:
        meter, period = self._meter, self._meter.spec.period_s
        return lambda at: unsigned32(value(meter.registers(at)) - value(meter.registers(at - period)))

    def _last(self, cell: Plain) -> Plain:
        return lambda now: cell(self._meter.boundary(now))


class Demands:
    """The maximum import demand of a month, and when it ended; kept, because a month has 1,488 half-hours."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._of_span = lru_cache(maxsize=64)(self._highest)

    def registers(self) -> list[CosemObject]:
        """Extended registers (class 4) of active and apparent demand in the month so far."""
        return [self._register(1, WATT), self._register(9, VA)]

    def _register(self, c: int, unit: int) -> CosemObject:
        attributes: dict[int, Plain] = {
            2: lambda now: unsigned32(self._told(c, now)[0]),
            3: constant(scaler_unit(0, unit)),
            4: constant(b"\x00"),
            5: lambda now: octets(date_time(self._told(c, now)[1])),
        }
        return CosemObject(class_id=4, name=logical_name(f"1.0.{c}.6.0.255"), attributes=attributes)

    def _told(self, c: int, at: int) -> tuple[int, int]:
        # At midnight of the first, when a bill is kept, the month is the one that just ended.
        highest, ended = self._of_span(month_start(at - 1), at - (at - month_start(at - 1)) % DEMAND_S)
        return (highest if c == 1 else apparent(highest)), ended

    def _highest(self, start: int, end: int) -> tuple[int, int]:
        best, ended = 0, start
        before = self._meter.registers(start).imported_wh
        for at in range(start + DEMAND_S, end + 1, DEMAND_S):
            after = self._meter.registers(at).imported_wh
            demand = (after - before) * 3600 // DEMAND_S
            if demand > best:
                best, ended = demand, at
            before = after
        return best, ended
