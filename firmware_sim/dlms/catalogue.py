"""The objects of a whole-current meter: D1, single-phase, or D2, three-phase, of IS 15959-2.

Source: IS 15959-2:2016 tables as carried by public Indian object lists; columns and depth as seen in Indian firmware.
"""

from collections.abc import Callable, Mapping
from enum import Enum

from firmware_sim.dlms.axdr import (
    boolean,
    date_time,
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
from firmware_sim.dlms.control import control_objects
from firmware_sim.dlms.events import event_logs
from firmware_sim.dlms.objects import Column, CosemObject, Plain, Profile, constant, logical_name
from firmware_sim.dlms.phases import Phases
from firmware_sim.dlms.registers import HERTZ, MINUTE, VA, WATT, Demands, Registers, apparent, column, data, register
from firmware_sim.dlms.zones import Zones
from firmware_sim.instants import month_start
from firmware_sim.meter import Meter

FLAG_ID = "SKS"
"""The three letters of a maker that does not exist."""

CLOCK = logical_name("0.0.1.0.0.255")
BLOCK_LOAD = logical_name("1.0.99.1.0.255")
DAILY_LOAD = logical_name("1.0.99.2.0.255")
BILLING = logical_name("1.0.98.1.0.255")
INSTANTANEOUS = logical_name("1.0.94.91.0.255")
NAMEPLATE = logical_name("0.0.94.91.10.255")
ASSOCIATION = logical_name("0.0.40.0.0.255")

BILLS = 12
"""Months of memory for bills."""


class Model(Enum):
    """The category of IS 15959-2 whose objects a meter has."""

    D1 = "d1"
    """Single-phase, whole current."""
    D2 = "d2"
    """Three-phase, whole current."""


_METER_TYPES = {Model.D1: 6, Model.D2: 1}
"""6 = single phase, two wires; 1 = three phases, four wires."""

_PHASES = {Model.D1: 1, Model.D2: 3}
_DEVICE_NAME = logical_name("0.0.42.0.0.255")

Counter = Callable[[], int]
"""The last invocation counter accepted of one client."""


def device_name(meter: Meter) -> bytes:
    """The COSEM logical device name: the maker's letters and the end of the serial number, at most 16 bytes."""
    return (FLAG_ID + meter.spec.serial[-13:]).encode("ascii")


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
        data("0.0.42.0.0.255", octets(device), public=True),
        CosemObject(
            class_id=17,
            name=logical_name("0.0.41.0.0.255"),
            attributes={2: constant(b"\x01\x01" + structure(unsigned16(1), octets(device)))},
            public=True,
        ),
        data("0.0.96.1.0.255", visible(meter.spec.serial), public=True),
        data("0.0.96.1.1.255", visible("SAKSHI SIMULATED METERS"), public=True),
        data("0.0.96.1.2.255", visible(device.decode("ascii")), public=True),
        data("1.0.0.2.0.255", visible("SIM-1.0"), public=True),
        data("0.0.94.91.9.255", unsigned8(_METER_TYPES[model]), public=True),
        data("0.0.94.91.11.255", visible(model.value.upper()), public=True),
        data("0.0.94.91.12.255", visible("10-60A"), public=True),
        data("0.0.96.1.4.255", unsigned16(2026), public=True),
    ]


def _clock_column() -> Column:
    return Column(class_id=8, name=CLOCK, attribute=2, cell=lambda at: octets(date_time(at)))


def _profile(name: bytes, profile: Profile) -> CosemObject:
    return CosemObject(class_id=7, version=1, name=name, profile=profile)


def _row(columns: tuple[Column, ...], *, now: bool) -> Profile:
    """A profile of one row: as it is when asked, or for ever the same."""
    return Profile(columns=columns, stamps=lambda at: (at if now else 0,), period_s=0, capacity=1)


def _scaler_profile(number: int, main: Profile, objects: Mapping[bytes, CosemObject]) -> CosemObject:
    # The scaler profile captures attribute 3 of the registers of the main profile, in its order, without the clock.
    columns = tuple(
        column(objects[each.name], attribute=3)
        for each in main.columns
        if each.class_id in (3, 4) and each.attribute == 2
    )
    return _profile(logical_name(f"1.0.94.91.{number}.255"), _row(columns, now=False))


def _counters(accepted: Mapping[int, Counter]) -> list[CosemObject]:
    def told(counter: Counter) -> Plain:
        return lambda _: unsigned32(counter())

    return [
        CosemObject(class_id=1, name=logical_name(f"0.0.43.1.{n}.255"), attributes={2: told(counter)}, public=True)
        for n, counter in sorted(accepted.items())
    ]


class _Quantities:
    """Everything a meter measures, as objects."""

    def __init__(self, meter: Meter, model: Model) -> None:
        self.meter = meter
        self.registers = Registers(meter)
        self.phases = Phases(meter, self.registers, _PHASES[model])
        self.cumulative = self.registers.cumulative()
        self.zones = Zones(meter).registers()
        self.demands = Demands(meter).registers()
        self.now = [
            *self.phases.instantaneous(),
            register("1.0.14.7.0.255", constant(unsigned16(4998)), HERTZ, scaler=-2),
            register("1.0.1.7.0.255", lambda at: integer32(meter.power_w(at)), WATT),
            register("1.0.9.7.0.255", lambda at: unsigned32(apparent(abs(meter.power_w(at)))), VA),
        ]
        self.minutes = [
            register("0.0.94.91.14.255", lambda at: unsigned32(meter.minutes_on(at)), MINUTE),
            register("0.0.94.91.8.255", lambda at: unsigned32(meter.minutes_off(at)), MINUTE),
        ]
        self.bill_factor = register("1.0.13.0.0.255", constant(integer16(97)), 255, scaler=-2)

    def all(self) -> list[CosemObject]:
        """In the order of their listing."""
        return [
            *self.cumulative,
            *self.zones,
            *self.registers.blocks(),
            *self.phases.averages(),
            *self.now,
            *self.demands,
            *self.minutes,
            self.bill_factor,
        ]

    def load(self) -> Profile:
        """The block load survey."""
        meter = self.meter
        return Profile(
            columns=(_clock_column(), *self.phases.block_columns(), *self.registers.block_columns()),
            stamps=meter.block_stamps,
            period_s=meter.spec.period_s,
            capacity=meter.block_capacity,
        )

    def daily(self) -> Profile:
        """The registers at every midnight."""
        meter = self.meter
        columns = (_clock_column(), *self.registers.daily_columns())
        return Profile(columns=columns, stamps=meter.daily_stamps, period_s=86_400, capacity=meter.spec.days)

    def instantaneous(self) -> Profile:
        """One row: what is now."""
        shown = (*self.now, *self.cumulative)
        return _row(
            (_clock_column(), *(column(each) for each in shown), *self._demand_columns(), *map(column, self.minutes)),
            now=True,
        )

    def billing(self) -> Profile:
        """The registers at the first of every month, as far back as they were."""
        energies = map(column, (self.bill_factor, *self.cumulative, *self.zones))
        columns = (_clock_column(), *energies, *self._demand_columns())
        return Profile(columns=columns, stamps=self._bills, period_s=0, capacity=BILLS)

    def _demand_columns(self) -> list[Column]:
        return [column(each, attribute) for each in self.demands for attribute in (2, 5)]

    def _bills(self, now: int) -> list[int]:
        stamps: list[int] = []
        at = month_start(now)
        while len(stamps) < BILLS and self._least(at) >= 0:
            stamps.append(at)
            at = month_start(at - 1)
        return stamps[::-1]

    def _least(self, at: int) -> int:
        energies = self.meter.registers(at)
        return min(energies.imported_wh, energies.exported_wh or 0)


def objects_of(meter: Meter, model: Model, accepted: Mapping[int, Counter]) -> list[CosemObject]:
    """Every object of `meter` but its associations, in the order of their listing."""
    quantities = _Quantities(meter, model)
    identity = _identity(meter, model)
    plain = quantities.all()
    load, daily = quantities.load(), quantities.daily()
    now, bills = quantities.instantaneous(), quantities.billing()
    logs = event_logs(meter, _clock_column(), quantities.cumulative[0])
    by_name = {each.name: each for each in plain}
    plate = [each for each in identity if each.class_id == 1 and each.name != _DEVICE_NAME]
    return [
        _clock(),
        *identity,
        *_counters(accepted),
        data("1.0.0.8.0.255", unsigned16(1800)),
        data("1.0.0.8.4.255", unsigned16(meter.spec.period_s)),
        *plain,
        *control_objects(),
        _profile(BLOCK_LOAD, load),
        _profile(DAILY_LOAD, daily),
        _profile(BILLING, bills),
        _profile(INSTANTANEOUS, now),
        _profile(NAMEPLATE, _row(tuple(map(column, plate)), now=False)),
        *(
            _scaler_profile(number, each, by_name)
            for number, each in ((3, now), (4, load), (5, daily), (6, bills), (7, logs.with_energy))
        ),
        *logs.objects,
    ]
