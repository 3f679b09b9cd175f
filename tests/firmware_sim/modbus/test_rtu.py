"""Slaves on one line: a frame in, a frame out, or silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.modbus.rtu import Slaves, crc
from firmware_sim.modbus.table import HOLDING, Table, fixed

LINE = Slaves({1: Table(values={HOLDING: {0: fixed(b"\x12\x34")}}), 9: Table(values={HOLDING: {}})}, now=lambda: 0)


def frame(content: str) -> bytes:
    octets = bytes.fromhex(content)
    return octets + crc(octets)


def test_the_check_is_that_of_the_standard() -> None:
    # A well-known frame: unit 1, holding register 0, one word.
    assert crc(bytes.fromhex("010300000001")).hex() == "840a"


def test_every_unit_answers_for_itself() -> None:
    assert LINE.hear(frame("01 03 0000 0001")) == frame("01 03 02 1234")
    assert LINE.hear(frame("09 03 0000 0001")) == frame("09 83 02")
    assert LINE.hear(frame("01 06 0000 0001")) == frame("01 86 01")


@pytest.mark.parametrize(
    "heard",
    [
        frame("02 03 0000 0001"),
        frame("00 03 0000 0001"),
        frame("01 03 0000 0001")[:-1] + b"\x00",
        frame("01 03 0000 0001") + b"\x01",
        b"\x00" + frame("01 03 0000 0001"),
        frame("01"),
        b"",
    ],
)
def test_others_broadcasts_and_broken_frames_meet_silence(heard: bytes) -> None:
    assert LINE.hear(heard) == b""


def test_the_shortest_and_the_longest_frame_are_answered() -> None:
    assert LINE.hear(frame("01 07")) == frame("01 87 01")
    assert LINE.hear(frame("01 10" + "00" * 252)) == frame("01 90 01")
    assert LINE.hear(frame("01 10" + "00" * 253)) == b""


@given(st.binary(max_size=300))
def test_noise_never_raises(noise: bytes) -> None:
    LINE.hear(noise)
    LINE.hear(b"\x01" + noise + crc(b"\x01" + noise))
