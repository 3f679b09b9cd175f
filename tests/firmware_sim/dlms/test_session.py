"""The wrapper: framing in any portions, and whatever strangers send."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.dlms.session import ServerSession
from tests.firmware_sim.dlms.wire import AARQ_READER, BLOCK_LOAD, CLOCK, PASSWORD, RLRQ, frame, reader
from tests.firmware_sim.meters import now, seller

METER = seller()
RANGE = (
    f"C001C1{BLOCK_LOAD}02 01 01 0204 0204 120008 09060000010000FF 0F02 120000"
    "090C07EA0B12FF0A000000800000 090C07EA0B12FF0B000000800000 0100"
)
TALK = b"".join(
    frame(apdu)
    for apdu in (
        AARQ_READER,
        bytes.fromhex(f"C001C1{CLOCK}0200"),
        bytes.fromhex(f"C001C1{BLOCK_LOAD}0300"),
        bytes.fromhex("C002C100000001"),
        RLRQ,
    )
)


def session() -> ServerSession:
    return ServerSession(METER, now=now, password=PASSWORD)


def test_a_talk_is_answered_the_same_whole_and_byte_by_byte() -> None:
    whole = session().receive(TALK)
    slow = session()
    assert b"".join(slow.receive(TALK[at : at + 1]) for at in range(len(TALK))) == whole
    assert whole.count(b"\x00\x01\x00\x01\x00\x20") == 5


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=len(TALK))))
def test_portions_do_not_matter(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(TALK)]
    parts = session()
    answers = b"".join(parts.receive(TALK[a:b]) for a, b in itertools.pairwise(ends))
    assert answers == session().receive(TALK)


def test_an_incomplete_frame_waits() -> None:
    waiting = session()
    assert waiting.receive(frame(AARQ_READER)[:-1]) == b""
    assert not waiting.closed
    assert waiting.receive(AARQ_READER[-1:]) != b""


def test_another_version_closes_the_connection() -> None:
    closing = session()
    answered = closing.receive(frame(AARQ_READER) + b"\x00\x02" + bytes(6) + frame(RLRQ))
    assert len(answered) == 8 + 43
    assert closing.closed
    assert closing.receive(frame(AARQ_READER)) == b""


def test_another_logical_device_does_not_answer() -> None:
    silent = session()
    assert silent.receive(frame(AARQ_READER, destination=2)) == b""
    assert not silent.closed
    assert silent.receive(frame(b"")) == b""


def test_the_longest_frame_is_refused_not_kept() -> None:
    big = session()
    assert big.receive(frame(bytes(65_535)))[8:].hex() == "d80104"
    assert big._buffer == b""


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_never_raises(garbage: bytes) -> None:
    session().receive(garbage)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_a_garbage_apdu_is_answered_and_the_meter_goes_on(garbage: bytes) -> None:
    wire = reader(METER)
    answer = wire.session.receive(frame(garbage))
    assert len(answer) <= 8 + 1024
    assert answer or not garbage
    assert wire.session.receive(frame(AARQ_READER))[8:9] == b"\x61"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_bent_request_is_answered_and_the_meter_goes_on(data: st.DataObject) -> None:
    good = data.draw(
        st.sampled_from(
            [
                AARQ_READER.hex(),
                f"C001C1{BLOCK_LOAD}02 01 02 0204 0600000001 0600000005 120001 120003",
                RANGE,
                f"C003C1 02 {CLOCK}0200 {CLOCK}0300",
            ]
        )
    )
    bent = bytearray.fromhex(good)
    for _ in range(data.draw(st.integers(min_value=1, max_value=3))):
        bent[data.draw(st.integers(min_value=0, max_value=len(bent) - 1))] = data.draw(st.integers(0, 255))
    wire = reader(METER)
    answer = wire.session.receive(frame(bytes(bent)))
    assert 8 < len(answer) <= 8 + 1024
    assert wire.session.receive(frame(AARQ_READER))[8:9] == b"\x61"
