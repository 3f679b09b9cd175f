"""Both ends of an HDLC link with every window and frame size that either may ask for, whole and with frames lost."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.readers.dlms.hdlc import HdlcLimits, HdlcLink
from edge_agent.readers.dlms.hdlc_frame import Deframer, Frame, client_address, encode
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from firmware_sim.dlms.application import Application
from firmware_sim.dlms.clients import DEFAULT_PASSWORD
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.hdlc import HdlcServerSession, Sizes
from firmware_sim.dlms.server import Framing, serve_device
from tests.edge_agent.readers.dlms.test_hdlc_peer import METER, NOW, SERVER, TRUTH, Line, converse

SIZES = (32, 64, 128, 250, 256, 2030)


def meter(sizes: Sizes) -> HdlcServerSession:
    return HdlcServerSession(Application(Device(METER, now=lambda: NOW)), sizes=sizes)


def link(information: int = 128, window: int = 1) -> HdlcLink:
    return HdlcLink(client=32, server=SERVER, limits=HdlcLimits(information=information, window=window))


def frames(messages: list[bytes], *, from_meter: bool) -> list[list[Frame]]:
    """The frames of every message of one side."""
    here, there = client_address(32), SERVER
    found = []
    for message in messages:
        ends = (here, there) if from_meter else (there, here)
        found.append(list(Deframer(destination=ends[0], source=ends[1]).feed(message)))
    return found


@pytest.mark.parametrize(("ours", "theirs"), list(itertools.product((1, 2, 7), (1, 3, 7))))
def test_answers_are_the_same_in_every_window_and_no_turn_is_longer_than_both_allow(ours: int, theirs: int) -> None:
    line = Line()
    assert converse(link(32, ours), meter(Sizes(transmit=32, receive=32, window=theirs)), line) == TRUTH
    turns = [len(each) for each in frames(line.received, from_meter=True)]
    assert max(turns) == min(ours, theirs)


@pytest.mark.parametrize(("ours", "transmit", "receive"), list(itertools.product(SIZES, SIZES, (32, 128, 2030))))
def test_no_frame_is_longer_than_either_end_takes(ours: int, transmit: int, receive: int) -> None:
    line = Line()
    assert converse(link(ours), meter(Sizes(transmit=transmit, receive=receive)), line) == TRUTH
    # Where nothing is proposed the standard's 128 hold, and a meter that takes less grants less.
    told = [len(each.information) for turn in frames(line.received, from_meter=True)[1:] for each in turn]
    asked = [len(each.information) for turn in frames(line.sent, from_meter=False)[1:] for each in turn]
    assert max(told) <= min(ours, transmit)
    assert max(asked) <= min(ours, receive)


def _without(message: bytes, lost: int) -> bytes:
    """A turn of the meter without its frame number `lost`."""
    (turn,) = frames([message], from_meter=True)
    kept = [each for place, each in enumerate(turn) if place != lost]
    return b"".join(_encoded(each) for each in kept)


def _encoded(frame: Frame) -> bytes:
    return encode(frame, destination=client_address(32), source=SERVER)


CLEAN = Line()
assert converse(link(32, 5), meter(Sizes(transmit=32, receive=32, window=5)), CLEAN) == TRUTH


@pytest.mark.parametrize("lost", range(5))
@pytest.mark.parametrize("place", range(len(CLEAN.received)))
def test_any_frame_of_any_turn_may_be_lost(place: int, lost: int) -> None:
    count = iter(range(1 << 30))

    def spoil(message: bytes) -> bytes:
        return _without(message, lost) if next(count) == place else message

    peer = meter(Sizes(transmit=32, receive=32, window=5))
    assert converse(link(32, 5), peer, Line(to_client=spoil)) == TRUTH


@given(st.integers(1, 7), st.sampled_from(SIZES), st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_answers_are_the_same_however_the_octets_are_cut(window: int, size: int, cuts: list[int]) -> None:
    peer = meter(Sizes(transmit=size, receive=size, window=window))
    assert converse(link(size, window), peer, Line(), cuts[0]) == TRUTH


@pytest.mark.parametrize("query", ["window=7", "window=7&frame=64", "frame=2030", "window=3&frame=512&pdu=200"])
async def test_a_url_names_window_and_frame_and_a_meter_grants_what_it_can(query: str, tmp_path: Path) -> None:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    device = Device(METER, now=lambda: NOW)
    for sizes in (Sizes(), Sizes(transmit=1024, receive=64, window=4)):
        async with serve_device(device, framing=Framing.HDLC, sizes=sizes) as port:
            url = f"dlms+hdlc+tcp://127.0.0.1:{port}?client=32&physical=17&password=file:{tmp_path}/lls&{query}"
            async with open_reader(url) as reader:
                assert isinstance(reader, Reader)
                assert (await reader.identity()).serial == "12345678"
                assert (await reader.registers()).imported_wh == METER.registers(NOW).imported_wh
