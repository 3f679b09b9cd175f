"""What connections share: who holds the meter, and for how long."""

import pytest

from firmware_sim.dlms.clients import system_title
from firmware_sim.dlms.device import Device, Occupancy
from firmware_sim.errors import SetupError
from tests.firmware_sim.dlms.ciphered_wire import CipheredWire, device, elements
from tests.firmware_sim.dlms.hdlc_wire import DISC, UA, Line
from tests.firmware_sim.dlms.wire import AARQ_READER, CLOCK, RLRQ
from tests.firmware_sim.meters import NOW, now, seller

GET_CLOCK = f"C001C1{CLOCK}0400"


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> int:
        return self.at


def two() -> tuple[Clock, CipheredWire, CipheredWire]:
    """Two connections to a meter that serves one at a time, the first of which has it."""
    clock = Clock()
    shared = device(clock=clock, occupancy=Occupancy(60))
    first, second = CipheredWire(shared), CipheredWire(shared)
    assert first.raw(AARQ_READER)[:1] == b"\x61"
    return clock, first, second


def test_a_second_connection_is_refused_for_now() -> None:
    _, first, second = two()
    told = elements(second.raw(AARQ_READER))
    assert (told[0xA2].hex(), told[0xA3].hex()) == ("020102", "a103020101")
    assert second.raw(GET_CLOCK).hex() == "d80101"
    assert first.raw(GET_CLOCK).hex() == "c401c1001100"


def test_a_release_frees_the_meter() -> None:
    _, first, second = two()
    assert first.raw(RLRQ)[:1] == b"\x63"
    assert elements(second.raw(AARQ_READER))[0xA2].hex() == "020100"


@pytest.mark.parametrize(("quiet_s", "result"), [(59, "020102"), (60, "020100")])
def test_a_connection_that_is_quiet_loses_the_meter(quiet_s: int, result: str) -> None:
    clock, first, second = two()
    clock.at += 30
    assert first.raw(GET_CLOCK).hex() == "c401c1001100"
    clock.at += quiet_s
    assert elements(second.raw(AARQ_READER))[0xA2].hex() == result
    assert first.raw(GET_CLOCK).hex() == ("c401c1001100" if result == "020102" else "d80101")


def test_a_late_connection_is_no_longer_associated_though_nobody_else_came() -> None:
    clock, first, _ = two()
    clock.at += 60
    assert first.raw(GET_CLOCK).hex() == "d80101"
    assert first.raw(AARQ_READER)[:1] == b"\x61"


def test_a_disconnected_line_frees_the_meter() -> None:
    shared = device(occupancy=Occupancy(60))
    line, other = Line(shared), CipheredWire(shared)
    line.connect()
    line.request(AARQ_READER)
    assert elements(other.raw(AARQ_READER))[0xA2].hex() == "020102"
    assert line.ask(DISC)[0] == UA
    assert elements(other.raw(AARQ_READER))[0xA2].hex() == "020100"


def test_a_refused_association_does_not_end_another_connections() -> None:
    _, first, second = two()
    second.raw(RLRQ)
    assert elements(second.raw(AARQ_READER))[0xA2].hex() == "020102"
    assert first.raw(GET_CLOCK).hex() == "c401c1001100"


def test_a_system_title_is_the_makers_letters_and_five_bytes_of_the_serial() -> None:
    assert Device(seller(), now=now).title == system_title("SKS", "10000001")
    assert system_title("SKS", "10000001")[:3] == b"SKS"
    assert system_title("SKS", "1") != system_title("SKS", "2")
    assert len(system_title("SKS", "Z" * 16)) == 8
    with pytest.raises(SetupError, match="system title of 8 bytes, got 3"):
        Device(seller(), now=now, title=b"abc")


def test_challenges_are_unpredictable_by_default() -> None:
    shared = Device(seller(), now=now)
    assert shared.challenge(16) != shared.challenge(16)
