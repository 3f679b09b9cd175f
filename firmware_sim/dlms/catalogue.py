"""The objects of a whole-current single-phase meter, category D1 of IS 15959-2.

Source: IS 15959-2:2016 tables as carried by public Indian object lists; columns and depth as seen in Indian firmware.
"""

from collections.abc import Callable, Mapping
from enum import Enum

from firmware_sim.dlms.axdr import (
    boolean,
    date_time,
    energy,
    enum,
    integer8,
    integer16,
    integer32,
    octets,
    structure,
    unsigned8,
    unsigned16,
    unsigned32,
    visible,
)
from firmware_sim.dlms.objects import Column, CosemObject, Plain, Profile, constant, logical_name
from firmware_sim.meter import Category, Energies, Meter

FLAG_ID = "SKS"
"""The three letters of a maker that does not exist."""

CLOCK = logical_name("0.0.1.0.0.255")
BLOCK_LOAD = logical_name("1.0.99.1.0.255")
DAILY_LOAD = logical_name("1.0.99.2.0.255")
ASSOCIATION = logical_name("0.0.40.0.0.255")

_WH, _VAH, _VOLT, _HERTZ, _WATT = 30, 31, 35, 44, 27


class Model(Enum):
    """The category of IS 15959-2 whose objects a meter has."""

    D1 = "d1"
    """Single-phase, whole current."""
    D2 = "d2"
    """Three-phase, whole current."""


_METER_TYPES = {Model.D1: 6, Model.D2: 1}
"""6 = single phase, two wires; 1 = three phases, four wires."""

Counter = Callable[[], int]
"""The last invocation counter accepted of one client."""


def device_name(meter: Meter) -> bytes:
    """The COSEM logical device name: the maker's letters and the end of the serial number, at most 16 bytes."""
    return (FLAG_ID + meter.spec.serial[-13:]).encode("ascii")


def _exported(energies: Energies) -> int:
    assert energies.exported_wh is not None
    return energies.exported_wh


def _apparent(wh: int) -> int:
    # A power factor of 0.97. Scaled while cumulative and differenced after, so that VAh blocks balance as Wh blocks do.
    return wh * 100 // 97


class _Registers:
    """The energies of one meter as columns and registers."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        import_registers: list[tuple[int, Callable[[Energies], int], int]] = [
            (1, lambda e: e.imported_wh, _WH),
            (9, lambda e: _apparent(e.imported_wh), _VAH),
        ]
        export_registers: list[tuple[int, Callable[[Energies], int], int]] = [
            (2, _exported, _WH),
            (10, lambda e: _apparent(_exported(e)), _VAH),
        ]
        self._kinds = import_registers
        if meter.spec.category is Category.NET:
            self._kinds = import_registers + export_registers

    def cumulative(self) -> list[CosemObject]:
        """Cumulative registers, time integral 1."""
        return [_register(f"1.0.{c}.8.0.255", self._total(value), unit) for c, value, unit in self._kinds]

    def blocks(self) -> list[CosemObject]:
        """Block registers, time integral 5: the energy of the last completed block."""
        return [_register(f"1.0.{c}.29.0.255", self._last(self._gain(value)), unit) for c, value, unit in self._kinds]

    def block_columns(self) -> list[Column]:
        """One cell a block and register, for the block that ends at the stamp."""
        return [
            Column(class_id=3, name=logical_name(f"1.0.{c}.29.0.255"), attribute=2, cell=self._gain(value))
            for c, value, _ in self._kinds
        ]

    def daily_columns(self) -> list[Column]:
        """Cumulative active energies at the stamp; kVAh gives way to kWh export where the meter registers both ways."""
        shown = {1, 2} if self._meter.spec.category is Category.NET else {1, 9}
        return [
            Column(class_id=3, name=logical_name(f"1.0.{c}.8.0.255"), attribute=2, cell=self._total(value))
            for c, value, _ in self._kinds
            if c in shown
        ]

    def _total(self, value: Callable[[Energies], int]) -> Plain:
        return lambda at: energy(value(self._meter.registers(at)))

    def _gain(self, value: Callable[[Energies], int]) -> Plain:
        meter, period = self._meter, self._meter.spec.period_s
        return lambda at: unsigned32(value(meter.registers(at)) - value(meter.registers(at - period)))

    def _last(self, cell: Plain) -> Plain:
        return lambda now: cell(self._meter.boundary(now))


def _scaler_unit(scaler: int, unit: int) -> bytes:
    return structure(integer8(scaler), enum(unit))


def _register(name: str, value: Plain, unit: int, scaler: int = 0) -> CosemObject:
    return CosemObject(
        class_id=3, name=logical_name(name), attributes={2: value, 3: constant(_scaler_unit(scaler, unit))}
    )


def _data(name: str, encoded: bytes, *, public: bool = False) -> CosemObject:
    return CosemObject(class_id=1, name=logical_name(name), attributes={2: constant(encoded)}, public=public)


def _clock() -> CosemObject:
    never = octets(bytes.fromhex("ffff ff ff ff ff ff ff ff 8000 ff"))
    attributes: dict[int, Plain] = {
        2: lambda now: octets(date_time(now)),
        3: constant(integer16(-330)),
        4: constant(unsigned8(0)),
        5: constant(never),
        6: constant(never),
        7: constant(integer8(0)),
        8: constant(boolean(value=False)),
        9: constant(enum(1)),
    }
    return CosemObject(class_id=8, name=CLOCK, attributes=attributes, public=True)


def _identity(meter: Meter, model: Model) -> list[CosemObject]:
    device = device_name(meter)
    return [
        _data("0.0.42.0.0.255", octets(device), public=True),
        CosemObject(
            class_id=17,
            name=logical_name("0.0.41.0.0.255"),
            attributes={2: constant(b"\x01\x01" + structure(unsigned16(1), octets(device)))},
            public=True,
        ),
        _data("0.0.96.1.0.255", visible(meter.spec.serial), public=True),
        _data("0.0.96.1.1.255", visible("SAKSHI SIMULATED METERS"), public=True),
        _data("0.0.96.1.2.255", visible(device.decode("ascii")), public=True),
        _data("1.0.0.2.0.255", visible("SIM-1.0"), public=True),
        _data("0.0.94.91.9.255", unsigned8(_METER_TYPES[model]), public=True),
        _data("0.0.94.91.11.255", visible(model.value.upper()), public=True),
        _data("0.0.94.91.12.255", visible("10-60A"), public=True),
        _data("0.0.96.1.4.255", unsigned16(2026), public=True),
    ]


def _clock_column() -> Column:
    return Column(class_id=8, name=CLOCK, attribute=2, cell=lambda at: octets(date_time(at)))


def _profile(name: bytes, profile: Profile) -> CosemObject:
    return CosemObject(class_id=7, version=1, name=name, profile=profile)


def _scaler_profile(name: str, main: Profile, objects: dict[bytes, CosemObject]) -> CosemObject:
    # The scaler profile captures attribute 3 of the registers of the main profile, in its order, without the clock.
    columns = tuple(
        Column(class_id=column.class_id, name=column.name, attribute=3, cell=objects[column.name].attributes[3])
        for column in main.columns
        if column.class_id == 3
    )
    return _profile(logical_name(name), Profile(columns=columns, stamps=lambda _: (0,), period_s=0, capacity=1))


def _counters(accepted: Mapping[int, Counter]) -> list[CosemObject]:
    def told(counter: Counter) -> Plain:
        return lambda _: unsigned32(counter())

    return [
        CosemObject(class_id=1, name=logical_name(f"0.0.43.1.{n}.255"), attributes={2: told(counter)}, public=True)
        for n, counter in sorted(accepted.items())
    ]


def objects_of(meter: Meter, model: Model, accepted: Mapping[int, Counter]) -> list[CosemObject]:
    """Every object of `meter` but its associations, in the order of their listing."""
    registers = _Registers(meter)
    voltage: Plain = lambda at: unsigned16(meter.voltage_dv(at))  # noqa: E731 - a cell, named once for three uses
    average = _register("1.0.12.27.0.255", voltage, _VOLT, scaler=-1)
    instantaneous = [
        _register("1.0.12.7.0.255", voltage, _VOLT, scaler=-1),
        _register("1.0.14.7.0.255", constant(unsigned16(4998)), _HERTZ, scaler=-2),
        _register("1.0.1.7.0.255", lambda now: integer32(meter.power_w(now)), _WATT),
    ]
    load = Profile(
        columns=(
            _clock_column(),
            Column(class_id=3, name=average.name, attribute=2, cell=lambda at: voltage(at - meter.spec.period_s)),
            *registers.block_columns(),
        ),
        stamps=meter.block_stamps,
        period_s=meter.spec.period_s,
        capacity=meter.block_capacity,
    )
    daily = Profile(
        columns=(_clock_column(), *registers.daily_columns()),
        stamps=meter.daily_stamps,
        period_s=86_400,
        capacity=meter.spec.days,
    )
    plain = [*registers.cumulative(), *registers.blocks(), average, *instantaneous]
    by_name = {each.name: each for each in plain}
    return [
        _clock(),
        *_identity(meter, model),
        *_counters(accepted),
        _data("1.0.0.8.0.255", unsigned16(1800)),
        _data("1.0.0.8.4.255", unsigned16(meter.spec.period_s)),
        *plain,
        _profile(BLOCK_LOAD, load),
        _profile(DAILY_LOAD, daily),
        _scaler_profile("1.0.94.91.4.255", load, by_name),
        _scaler_profile("1.0.94.91.5.255", daily, by_name),
    ]
