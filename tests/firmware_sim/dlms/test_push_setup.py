"""The objects that say what a meter pushes, and when it does."""

import pytest

from firmware_sim.dlms.axdr import Reader, Value
from firmware_sim.dlms.catalogue import INSTANTANEOUS
from firmware_sim.dlms.clients import Access
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.objects import CosemObject
from firmware_sim.dlms.push_setup import FRESH_S, STATUS_WORD, Push, is_dark, power_changes, status_word
from firmware_sim.faults import Outage
from firmware_sim.instants import parse_instant
from tests.firmware_sim.dlms.wire import PASSWORD
from tests.firmware_sim.meters import NOW, now, seller

DARK = Outage(
    start=parse_instant("2026-11-19T08:00:00+05:30"), end=parse_instant("2026-11-19T09:30:00+05:30"), zero_rows=True
)
DEVICE_ID = [1, bytes.fromhex("0000600102FF"), 2, 0]


def device() -> Device:
    return Device(seller(faults=(DARK,)), now=now, access=Access(password=PASSWORD))


def named(of: Device, name: bytes) -> CosemObject:
    (found,) = (each for each in of.objects if each.name == name)
    return found


def told(found: CosemObject, attribute: int) -> Value:
    cursor = Reader(found.attributes[attribute](NOW))
    value = cursor.data()
    cursor.end()
    return value


def test_both_push_setups_name_what_is_pushed_and_where_to() -> None:
    of = device()
    profile = named(of, INSTANTANEOUS).profile
    assert profile is not None
    captured = [column.reference for column in profile.columns]
    word = [1, STATUS_WORD, 2, 0]
    for push, rest in ((Push.INSTANT, captured), (Push.ALERT, [captured[0], word])):
        setup = named(of, push.value)
        assert setup.class_id == 40
        assert told(setup, 2) == [DEVICE_ID, [40, push.value, 1, 0], *rest]
        assert told(setup, 3) == [0, b"", 0]
    of.push_to = "192.0.2.9:4059"
    assert told(named(of, Push.ALERT.value), 3) == [0, b"192.0.2.9:4059", 0]


@pytest.mark.parametrize(
    ("at", "bit"),
    [
        (DARK.start - 1, None),
        (DARK.start, 85),
        (DARK.end - 1, 85),
        (DARK.end, 86),
        (DARK.end + FRESH_S - 1, 86),
        (DARK.end + FRESH_S, None),
    ],
)
def test_the_event_status_word_tells_of_the_power(at: int, bit: int | None) -> None:
    word = "".join(f"{octet:08b}" for octet in status_word(seller(faults=(DARK,)), at))
    assert len(word) == 128
    assert [place for place in range(128) if word[place] == "1"] == ([] if bit is None else [bit])


def test_the_event_status_word_is_an_object() -> None:
    assert told(named(device(), STATUS_WORD), 2) == status_word(device().meter, NOW)
    assert named(device(), STATUS_WORD).attributes[2](NOW)[:3] == b"\x04\x81\x80"


def test_the_power_changes_at_both_ends_of_an_outage() -> None:
    meter = seller(faults=(DARK,))
    assert power_changes(meter, DARK.start - 1, DARK.end) == [DARK.start, DARK.end]
    assert power_changes(meter, DARK.start, DARK.end - 1) == []
    assert [is_dark(meter, at) for at in (DARK.start - 1, DARK.start, DARK.end - 1, DARK.end)] == [
        False, True, True, False,
    ]  # fmt: skip
