"""The HDLC link joined in memory with an independent meter's: whole, cut, noisy, damaged at every octet, and with frames lost."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from edge_agent.errors import MeterUnavailableError
from edge_agent.readers.dlms import apdu, association
from edge_agent.readers.dlms.cosem import BLOCK_LOAD, CLOCK
from edge_agent.readers.dlms.hdlc import HdlcLimits, HdlcLink
from edge_agent.readers.dlms.hdlc_frame import Deframer, Frame, client_address, server_address
from edge_agent.readers.dlms.profile import by_entry
from edge_agent.readers.dlms.security import Secret
from firmware_sim.dlms.application import Application
from firmware_sim.dlms.clients import DEFAULT_PASSWORD
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.hdlc import HdlcServerSession, Sizes
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
METER = Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000))
SERVER = server_address(1)
QUESTIONS = (
    association.aarq(Secret(DEFAULT_PASSWORD)),
    apdu.get_normal(1, CLOCK),
    apdu.get_normal(2, BLOCK_LOAD.sibling(3)),
    apdu.get_normal(3, BLOCK_LOAD, by_entry(1, 9)),
    association.rlrq(),
)


def meter(frame: int = 128) -> HdlcServerSession:
    device = Device(METER, now=lambda: NOW)
    return HdlcServerSession(Application(device), sizes=Sizes(transmit=frame, receive=frame))


def link(server: bytes = SERVER, frame: int = 128) -> HdlcLink:
    return HdlcLink(client=32, server=server, limits=HdlcLimits(information=frame))


@dataclass
class Line:
    """What lies between the two, and what it did to the octets."""

    to_meter: Callable[[bytes], bytes] = bytes
    to_client: Callable[[bytes], bytes] = bytes
    sent: list[bytes] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)


def converse(client: HdlcLink, peer: HdlcServerSession, line: Line, chunk: int = 1 << 16) -> list[bytes]:
    """The answers to `QUESTIONS`; after silence the client asks again, once.

    Raises:
        ReaderError: as the link does, and when that is of no use.
    """
    answers: list[bytes] = []
    for question in QUESTIONS:
        data, before = client.send(question), len(answers)
        while len(answers) == before:
            if not data and not (data := client.ask_again()):
                raise MeterUnavailableError("silence")
            line.sent.append(data)
            heard = peer.receive(line.to_meter(data))
            line.received.append(heard)
            spoiled = line.to_client(heard)
            data = b""
            for at in range(0, len(spoiled), chunk):
                received = client.receive(spoiled[at : at + chunk])
                answers += received.apdus
                data += received.reply
    return answers


TRUTH_LINE = Line()
TRUTH = converse(link(), meter(), TRUTH_LINE)


def test_the_answers_are_those_of_the_application() -> None:
    device = Device(METER, now=lambda: NOW)
    application = Application(device)
    assert [application.answer(32, question) for question in QUESTIONS] == TRUTH
    assert max(map(len, TRUTH)) > 2 * 128


@pytest.mark.parametrize("chunk", [1, 3, 50])
@pytest.mark.parametrize("frame", [32, 64, 128, 512, 2030])
@pytest.mark.parametrize(
    "server", [server_address(1), server_address(1, 17), server_address(1, 17, 4)], ids=["1", "2", "4"]
)
def test_answers_are_the_same_whatever_the_frames_addresses_and_cuts(server: bytes, frame: int, chunk: int) -> None:
    assert converse(link(server, frame), meter(frame), Line(), chunk) == TRUTH


@pytest.mark.parametrize("theirs", [32, 64, 2030])
def test_the_smaller_limit_holds_both_ways(theirs: int) -> None:
    line = Line()
    assert converse(link(frame=256), meter(theirs), line) == TRUTH
    frames = [
        frame for data in line.sent for frame in Deframer(destination=SERVER, source=client_address(32)).feed(data)
    ]
    assert max(len(frame.information) for frame in frames[1:]) <= min(theirs, 256)


def test_nothing_is_acknowledged_that_the_next_question_acknowledges() -> None:
    sent = [
        frame
        for data in TRUTH_LINE.sent
        for frame in Deframer(destination=SERVER, source=client_address(32)).feed(data)
    ]
    segments = sum(-(-(len(answer) + 3) // 128) for answer in TRUTH)
    ready = [frame for frame in sent if frame.control & 0x0F == 1]
    assert len(sent) == 1 + len(QUESTIONS) + len(ready)
    assert len(ready) == segments - len(TRUTH)


@pytest.mark.parametrize(
    "noise", [b"\x00", b"\xff\xff", b"\x7e", b"\x7e\x7e", b"\x7e\xa0", b"U" * 50, b"~\xa0\x0a\x41~"]
)
def test_noise_around_every_frame_changes_nothing(noise: bytes) -> None:
    def spoil(data: bytes) -> bytes:
        return noise + data + noise

    assert converse(link(), meter(), Line(to_client=spoil)) == TRUTH


def _nth(place: int, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """`change` applied to the `place`-th message only."""
    count = iter(range(1 << 30))
    return lambda data: change(data) if next(count) == place else data


@pytest.mark.parametrize("place", range(len(TRUTH_LINE.received)))
def test_any_one_lost_frame_of_the_meter_is_recovered(place: int) -> None:
    assert converse(link(), meter(), Line(to_client=_nth(place, lambda _: b""))) == TRUTH


@pytest.mark.parametrize("place", range(len(TRUTH_LINE.sent)))
def test_any_one_lost_frame_of_the_client_is_recovered(place: int) -> None:
    assert converse(link(), meter(), Line(to_meter=_nth(place, lambda _: b""))) == TRUTH


@pytest.mark.parametrize("place", range(len(TRUTH_LINE.received)))
def test_any_one_frame_of_the_meter_that_comes_twice_is_taken_once(place: int) -> None:
    assert converse(link(), meter(), Line(to_client=_nth(place, lambda data: data * 2))) == TRUTH


@pytest.mark.parametrize("place", range(len(TRUTH_LINE.sent)))
def test_a_meter_that_is_asked_again_too_early_does_not_say_everything_twice(place: int) -> None:
    client, peer, line, heard = link(), meter(), Line(), [b""]

    def slow(data: bytes) -> bytes:
        # It hears the frame and that it is asked again, and answers both.
        heard[0] = peer.receive(client.ask_again()) if len(line.sent) == place + 1 else b""
        return data

    line.to_client = lambda data: slow(data) + heard[0]
    assert converse(client, peer, line) == TRUTH
    assert sum(map(len, line.sent)) == sum(map(len, TRUTH_LINE.sent))


@pytest.mark.parametrize("value", [0x10, 0xFF])
@pytest.mark.parametrize("place", range(len(TRUTH_LINE.received)))
def test_a_damaged_octet_never_makes_another_answer(place: int, value: int) -> None:
    for at in range(len(TRUTH_LINE.received[place])):

        def spoil(data: bytes, at: int = at) -> bytes:
            return data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]

        # Recovered, too: the meter is asked for the frame again.
        assert converse(link(), meter(), Line(to_client=_nth(place, spoil))) == TRUTH, at


def test_a_meter_is_free_after_the_link_is_taken_down() -> None:
    peer = meter()
    for _ in range(2):
        client = link()
        converse(client, peer, Line())
        assert client.receive(peer.receive(client.disconnect())).apdus == ()
        assert client.is_gone
    assert Frame(0x1F) in Deframer(destination=client_address(32), source=SERVER).feed(
        peer.receive(bytes.fromhex("7ea00703415356a27e"))
    )
