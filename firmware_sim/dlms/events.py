"""Event logs: what happened to a meter and when, by compartment.

The power compartment holds what the meter's outages did; the others hold what its faults name, and are else empty.
Source: IS 15959-1, Annex E (event codes): 101 power failure, occurrence; 102 power failure, restoration. Codes are given in
fifties: 1 to 50 voltage, 51 to 100 current, and so on to 301 and up, control.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from firmware_sim.dlms.axdr import unsigned16
from firmware_sim.dlms.objects import Column, CosemObject, Profile, logical_name
from firmware_sim.dlms.registers import column
from firmware_sim.meter import Meter

POWER_FAILED, POWER_RESTORED = 101, 102
POWER = 2
COMPARTMENTS = range(7)
"""Voltage, current, power, transaction, other, non-rollover, control: the last digit of 0.0.99.98.n.255."""
WITH_ENERGY = frozenset({0, 1, 4})
"""Compartments whose rows tell the imported energy too."""
CAPACITY = 100
CODES_A_LOG = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLogs:
    """The logs of one meter with the objects they capture."""

    objects: list[CosemObject]
    with_energy: Profile
    """The log whose registers the scaler profile of the events names."""


def _events(compartment: int, meter: Meter) -> dict[int, int]:
    """Codes by instant (UTC seconds); of two at one instant the log keeps the later one."""
    found = [(at, code) for at, code in meter.logged if (code - 1) // CODES_A_LOG == compartment]
    if compartment == POWER:
        for start, end in meter.outages:
            found += [(start, POWER_FAILED), (end, POWER_RESTORED)]
    return dict(sorted(found))


def _log(compartment: int, meter: Meter, columns: Sequence[Column], code: CosemObject) -> Profile:
    events = _events(compartment, meter)
    clock, *others = columns
    return Profile(
        columns=(clock, column(code, cell=lambda at: unsigned16(events[at])), *others),
        stamps=lambda now: [at for at in events if at <= now][-CAPACITY:],
        period_s=0,
        capacity=CAPACITY,
    )


def event_logs(meter: Meter, clock: Column, imported: CosemObject) -> EventLogs:
    """Every compartment's log, event code (0.0.96.11.n.255) and sequence number (0.0.96.15.n.255)."""
    objects: list[CosemObject] = []
    profiles = []
    for number in COMPARTMENTS:
        events = _events(number, meter)
        code = _last(f"0.0.96.11.{number}.255", events)
        energy = [column(imported)] if number in WITH_ENERGY else []
        profile = _log(number, meter, [clock, *energy], code)
        profiles.append(profile)
        log = CosemObject(class_id=7, version=1, name=logical_name(f"0.0.99.98.{number}.255"), profile=profile)
        objects += [code, _count(f"0.0.96.15.{number}.255", events), log]
    return EventLogs(objects=objects, with_energy=profiles[min(WITH_ENERGY)])


def _last(name: str, events: dict[int, int]) -> CosemObject:
    """The code of the last event, 0 before the first."""
    return CosemObject(
        class_id=1,
        name=logical_name(name),
        attributes={2: lambda now: unsigned16(([0] + [code for at, code in events.items() if at <= now])[-1])},
    )


def _count(name: str, events: dict[int, int]) -> CosemObject:
    """How many events there were."""
    return CosemObject(
        class_id=1, name=logical_name(name), attributes={2: lambda now: unsigned16(sum(at <= now for at in events))}
    )
