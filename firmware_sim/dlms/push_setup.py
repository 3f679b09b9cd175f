"""What a meter sends by itself, when, and the objects that say so: two push setups and the event status word.

Source: Blue Book, class 40 (push setup). Setups, the body of an alert (device id, setup, clock, status word) and the bits of the
status word: public code of Indian head-ends and meters.
"""

from collections.abc import Callable, Sequence
from enum import Enum

from firmware_sim.dlms.axdr import array, bits, enum, octets, structure, unsigned8, unsigned16
from firmware_sim.dlms.catalogue import CLOCK, INSTANTANEOUS
from firmware_sim.dlms.objects import Column, CosemObject, constant, logical_name
from firmware_sim.dlms.registers import column, data
from firmware_sim.meter import Meter

STATUS_WORD = logical_name("0.0.94.91.18.255")
STATUS_BITS = 128
LAST_GASP, FIRST_BREATH = 85, 86
"""Bits of the status word, 0 first: the power went, the power came."""
FRESH_S = 900
"""How long the power counts as having come."""
_DEVICE_ID = logical_name("0.0.96.1.2.255")


class Push(Enum):
    """A push by the setup that sends it."""

    INSTANT = logical_name("0.0.25.9.0.255")
    """The instantaneous profile."""
    ALERT = logical_name("0.4.25.9.0.255")
    """The event status word, when it changes."""


def status_word(meter: Meter, at: int) -> bytes:
    """The event status word at `at`, 16 bytes."""
    word = bytearray(STATUS_BITS // 8)
    for start, end in meter.outages:
        if start <= at < end:
            _set(word, LAST_GASP)
        elif end <= at < end + FRESH_S:
            _set(word, FIRST_BREATH)
    return bytes(word)


def _set(word: bytearray, bit: int) -> None:
    word[bit // 8] |= 0x80 >> bit % 8


def power_changes(meter: Meter, after: int, until: int) -> list[int]:
    """The instants in (`after`, `until`] at which the power went or came."""
    return sorted(at for outage in meter.outages for at in outage if after < at <= until)


def is_dark(meter: Meter, at: int) -> bool:
    """Whether the meter has no power at `at`."""
    return any(start <= at < end for start, end in meter.outages)


def columns_of(push: Push, objects: Sequence[CosemObject]) -> tuple[Column, ...]:
    """What `push` sends of a meter that has `objects`, in its order: the meter, the setup, the time, and the rest."""
    known = {each.name: each for each in objects}
    profile = known[INSTANTANEOUS].profile
    assert profile is not None
    setup = Column(class_id=40, name=push.value, attribute=1, cell=constant(octets(push.value)))
    clock = next(each for each in profile.columns if each.name == CLOCK)
    told = profile.columns if push is Push.INSTANT else (clock, column(known[STATUS_WORD]))
    return (column(known[_DEVICE_ID]), setup, *told)


def push_objects(meter: Meter, objects: Sequence[CosemObject], destination: Callable[[], bytes]) -> list[CosemObject]:
    """The status word, its filter that lets everything pass, and both setups of a meter that has `objects` besides.

    `destination` is where it pushes to, as text; empty for nowhere.
    """
    word = CosemObject(class_id=1, name=STATUS_WORD, attributes={2: lambda now: bits(status_word(meter, now))})
    mask = data("0.0.94.91.26.255", bits(b"\xff" * (STATUS_BITS // 8)))
    everything = [*objects, word]
    return [word, mask, *(_setup(push, everything, destination) for push in Push)]


def _setup(push: Push, objects: Sequence[CosemObject], destination: Callable[[], bytes]) -> CosemObject:
    listed = array(each.definition for each in columns_of(push, objects))
    return CosemObject(
        class_id=40,
        name=push.value,
        attributes={
            2: constant(listed),
            3: lambda _: structure(enum(0), octets(destination()), enum(0)),  # TCP; A-XDR encoded xDLMS APDUs
            4: constant(array(())),
            5: constant(unsigned16(0)),
            6: constant(unsigned8(0)),
            7: constant(unsigned16(0)),
        },
    )
