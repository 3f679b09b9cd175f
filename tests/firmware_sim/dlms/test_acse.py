"""Association requests from strangers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.dlms.acse import Mechanism, parse_aarq, parse_initiate
from firmware_sim.errors import DecodeError
from tests.firmware_sim.dlms.wire import AARQ_PUBLIC, AARQ_READER

INITIATE = bytes.fromhex("01000000065F1F0400007E1F04B0")


def test_the_fields_of_a_request_are_read() -> None:
    request = parse_aarq(AARQ_READER)
    assert request.mechanism is Mechanism.LLS
    assert request.password == b"12345678"
    assert request.initiate == INITIATE
    assert parse_aarq(AARQ_PUBLIC).mechanism is Mechanism.NONE


def test_an_initiate_is_read_with_and_without_its_options() -> None:
    plain = parse_initiate(INITIATE)
    assert (plain.version, plain.conformance, plain.max_pdu, plain.response_allowed) == (6, 0x7E1F, 0x4B0, True)
    full = parse_initiate(bytes.fromhex("01" + "0104AABBCCDD" + "0100" + "0105" + "06" + "5F0400007E1F" + "04B0"))
    assert (full.version, full.conformance, full.max_pdu, full.response_allowed) == (6, 0x7E1F, 0x4B0, False)


@pytest.mark.parametrize("size", range(len(INITIATE)))
def test_a_truncated_initiate_is_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        parse_initiate(INITIATE[:size])


@pytest.mark.parametrize(
    "initiate",
    [INITIATE + b"\x00", b"\x02" + INITIATE[1:], INITIATE.replace(b"\x5f\x1f", b"\x5e\x1f"),
     INITIATE.replace(b"\x1f\x04\x00", b"\x1f\x03\x00"), INITIATE.replace(b"\x1f\x04\x00", b"\x1f\x04\x01")],
)  # fmt: skip
def test_an_initiate_that_is_none_is_refused(initiate: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_initiate(initiate)


@pytest.mark.parametrize("size", range(len(AARQ_READER)))
def test_a_truncated_request_is_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        parse_aarq(AARQ_READER[:size])


@pytest.mark.parametrize(
    "request_hex",
    [AARQ_PUBLIC.hex() + "00",
     "6015a109060760857405080101a109060760857405080101"[:4] + "a109060760857405080101" * 2,
     "600ba109060760857405080101", "6012be10040e01000000065f1f0400007e1f04b0"],
    ids=["trailing", "field twice", "no user-information", "no context"],
)  # fmt: skip
def test_a_request_that_is_none_is_refused(request_hex: str) -> None:
    with pytest.raises(DecodeError):
        parse_aarq(bytes.fromhex(request_hex))


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_anything_is_a_request_or_a_refusal(content: bytes) -> None:
    for parse in (parse_aarq, parse_initiate):
        try:
            parse(b"\x60" + content)
        except DecodeError:
            continue
