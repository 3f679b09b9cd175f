"""What a smart meter controls: its relay, its load limit, and how it says that it is well. Here nobody changes any of it.

Source: Blue Book, classes 70 (disconnect control) and 71 (limiter); IS 15959-2 as carried by public Indian object lists.
"""

from firmware_sim.dlms.axdr import (
    array,
    boolean,
    date_time,
    enum,
    integer8,
    octets,
    structure,
    unsigned16,
    unsigned32,
)
from firmware_sim.dlms.objects import CosemObject, constant, logical_name
from firmware_sim.dlms.registers import data

RELAY = logical_name("0.0.96.3.10.255")
LIMITER = logical_name("0.0.17.0.0.255")
SANCTIONED_W = 15_000
"""The load above which the limiter would open the relay: more than any home of these worlds draws."""

_CONNECTED = 1
_REMOTE_OFF_LOCAL_ON = 4
_SCRIPT = structure(octets(logical_name("0.0.10.0.106.255")), unsigned16(1))


def control_objects() -> list[CosemObject]:
    """Relay, limiter and health indicator: connected, far from its limit, well."""
    relay = CosemObject(
        class_id=70,
        name=RELAY,
        attributes={
            2: constant(boolean(value=True)),
            3: constant(enum(_CONNECTED)),
            4: constant(enum(_REMOTE_OFF_LOCAL_ON)),
        },
    )
    return [relay, _limiter(), data("0.0.96.10.1.255", unsigned32(0))]


def _limiter() -> CosemObject:
    monitored = structure(unsigned16(3), octets(logical_name("1.0.1.7.0.255")), integer8(2))
    emergency = structure(unsigned16(0), octets(date_time(0)), unsigned32(0))
    return CosemObject(
        class_id=71,
        name=LIMITER,
        attributes={
            2: constant(monitored),
            3: constant(unsigned32(SANCTIONED_W)),
            4: constant(unsigned32(SANCTIONED_W)),
            5: constant(unsigned32(SANCTIONED_W)),
            6: constant(unsigned32(60)),
            7: constant(unsigned32(60)),
            8: constant(emergency),
            9: constant(array(())),
            10: constant(boolean(value=False)),
            11: constant(structure(_SCRIPT, _SCRIPT)),
        },
    )
