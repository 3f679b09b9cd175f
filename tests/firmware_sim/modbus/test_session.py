"""Modbus TCP frames: in any portions, and whatever strangers send."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.modbus.sdm630 import Sdm630
from firmware_sim.modbus.session import Others, ServerSession
from tests.firmware_sim.meters import NOW, now, solar

REGISTERS = Sdm630(solar(), 1)


def session(others: Others = Others.GATEWAY) -> ServerSession:
    return ServerSession({1: REGISTERS}, now=now, others=others)


def ask(pdu: str, unit: int = 1, others: Others = Others.GATEWAY) -> str:
    content = bytes.fromhex(pdu)
    head = b"\x12\x34\x00\x00" + (len(content) + 1).to_bytes(2, "big") + bytes([unit])
    answer = session(others).receive(head + content)
    if not answer:
        return ""
    assert answer[:4] == b"\x12\x34\x00\x00"
    assert int.from_bytes(answer[4:6], "big") == len(answer) - 6
    assert answer[6] == unit
    return answer[7:].hex()


def test_input_registers_are_answered_with_their_count() -> None:
    assert ask("04 0048 0004") == "0408" + REGISTERS.inputs(0x48, 4, NOW).hex()


def test_holding_registers_are_answered_with_their_count() -> None:
    assert ask("03 FC00 0002") == "0304" + "02625a01"


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ("04 0182 0002", "8402"),
        ("03 0100 0002", "8302"),
        ("04 0048 0000", "8403"),
        ("04 0048 0052", "8403"),
        ("04 0048 00", "8403"),
        ("04 0048 0002 00", "8403"),
        ("01 0000 0001", "8101"),
        ("06 0014 0001", "8601"),
        ("10 0014 0002 04 00000000", "9001"),
        ("FF", "ff01"),
        ("2B 0E 01 00", "ab01"),
    ],
)
def test_what_cannot_be_answered_is_an_exception(pdu: str, answer: str) -> None:
    assert ask(pdu) == answer


def test_eighty_registers_are_the_most() -> None:
    assert ask("04 0000 0050")[:4] == "04a0"


def test_other_units_get_an_exception_or_silence() -> None:
    assert ask("04 0048 0002", unit=2) == "840b"
    assert ask("04 0048 0002", unit=2, others=Others.SILENT) == ""
    assert ask("04 0048 0002", unit=0) == ""
    assert ask("04 0048 0002", unit=1, others=Others.SILENT) != ""


TALK = bytes.fromhex("000100000006010400480004" + "00020000000601030000" + "0002" + "000300000006020400000002")


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=len(TALK))))
def test_portions_do_not_matter(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(TALK)]
    parts = session()
    answers = b"".join(parts.receive(TALK[a:b]) for a, b in itertools.pairwise(ends))
    assert answers == session().receive(TALK)
    assert answers[:2] + answers[17:19] + answers[26:28] == bytes.fromhex("000100020003")


@pytest.mark.parametrize(
    "head", ["0001 0001 0006 01 04", "0001 0000 0001 01 04", "0001 0000 00FF 01 04", "0001 0000 0000 01 04"]
)
def test_a_stream_out_of_step_is_closed(head: str) -> None:
    closing = session()
    assert closing.receive(bytes.fromhex(head)) == b""
    assert closing.closed
    assert closing.receive(TALK) == b""


@pytest.mark.parametrize("length", [2, 254])
def test_the_shortest_and_the_longest_frame_are_answered(length: int) -> None:
    frame = bytes.fromhex("00010000") + length.to_bytes(2, "big") + b"\x01\x07" + bytes(length - 2)
    assert session().receive(frame).hex() == "000100000003018701"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_never_raises(garbage: bytes) -> None:
    session().receive(garbage)


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=253))
def test_a_garbage_request_is_answered_and_the_meter_goes_on(pdu: bytes) -> None:
    one = session()
    answer = one.receive(bytes.fromhex("00010000") + (len(pdu) + 1).to_bytes(2, "big") + b"\x01" + pdu)
    assert 9 <= len(answer) <= 7 + 253
    assert one.receive(TALK)
