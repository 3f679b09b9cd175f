"""GET requests byte for byte, and what may answer them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms import apdu
from edge_agent.readers.dlms.apdu import AccessResult, Block, ExceptionAnswer, Listed, Normal
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.cosem import BLOCK_LOAD, CLOCK, SERIAL
from edge_agent.readers.dlms.profile import by_entry, by_range
from signing.interval import parse_instant

NOON = parse_instant("2026-04-26T12:00:00+05:30", "noon")


def test_a_get_of_the_clock_is_byte_for_byte_the_green_books() -> None:
    assert apdu.get_normal(1, CLOCK).hex() == "c001c1" + "0008" + "0000010000ff" + "02" + "00"


def test_a_get_by_range_is_byte_for_byte_the_green_books() -> None:
    access = by_range(NOON, NOON + 3600, deviation_min=None)
    assert (
        apdu.get_normal(2, BLOCK_LOAD, access).hex()
        == (
            "c001c2" + "0007" + "0100630100ff" + "02" + "01"  # attribute, with selective access
            "01" + "0204"  # selector 1: a structure of four
            "0204" + "120008" + "09060000010000ff" + "0f02" + "120000"  # restricted by the clock
            "090c07ea041aff0c000000800000" + "090c07ea041aff0d000000800000" + "0100"  # from, to, all columns
        )
    )


def test_a_get_by_entry_is_byte_for_byte_the_green_books() -> None:
    assert by_entry(1, 96).hex() == "02" + "0204" + "0600000001" + "0600000060" + "120001" + "120000"


def test_a_get_next_names_the_block_received() -> None:
    assert apdu.get_next(3, 7).hex() == "c002c3" + "00000007"


def test_a_get_with_list_names_each() -> None:
    assert apdu.get_with_list(4, (CLOCK, SERIAL)).hex() == (
        "c003c4" + "02" + "00080000010000ff0200" + "00010000600100ff0200"
    )


@given(st.integers(0, 255))
def test_the_invoke_id_keeps_to_its_four_bits(invoke: int) -> None:
    assert apdu.get_next(invoke, 1)[2] == 0xC0 | invoke & 0x0F


@pytest.mark.parametrize(
    ("hexed", "answer"),
    [
        ("c401c1001105", Normal(1, Data(Tag.UINT8, 5))),
        ("c401c10103", Normal(1, AccessResult.READ_WRITE_DENIED)),
        ("c401c101f9", Normal(1, AccessResult.OTHER_REASON)),
        ("c402c100000000010003aabbcc", Block(1, last=False, number=1, part=b"\xaa\xbb\xcc", result=None)),
        ("c402c1ff00000002010f", Block(1, last=True, number=2, part=None, result=AccessResult.LONG_GET_ABORTED)),
        ("c403c1020011050104", Listed(1, (Data(Tag.UINT8, 5), AccessResult.OBJECT_UNDEFINED))),
        ("d80102", ExceptionAnswer(1, 2)),
        ("d8010600000009", ExceptionAnswer(1, 6)),
    ],
)
def test_every_answer_is_read(hexed: str, answer: apdu.Answer) -> None:
    assert apdu.parse(bytes.fromhex(hexed)) == answer


@pytest.mark.parametrize(
    "hexed",
    [
        "",
        "c4",
        "c501c100",
        "c404c100",
        "c401c1",
        "c401c102",
        "c401c100110500",
        "c402c10000000001020100",
        "c402c100000000010003aabb",
        "c403c1820100",
        "0e010203",
        "d801",
    ],
)
def test_what_is_no_answer_is_refused(hexed: str) -> None:
    with pytest.raises(MeterDecodeError, match="expected"):
        apdu.parse(bytes.fromhex(hexed))


@pytest.mark.parametrize("tag", ["c5", "c7", "cc", "00"])
def test_another_services_response_is_no_answer_whatever_its_body(tag: str) -> None:
    with pytest.raises(MeterDecodeError, match=rf"expected a GET-Response \(0xc4\), got 0x{tag}"):
        apdu.parse(bytes.fromhex(tag + "01c1001105"))


def test_a_service_error_is_called_one() -> None:
    with pytest.raises(MeterDecodeError, match="confirmed service error 0e010203"):
        apdu.parse(bytes.fromhex("0e010203"))


@given(st.binary(max_size=60))
def test_any_bytes_behind_a_get_response_are_an_answer_or_refused(raw: bytes) -> None:
    with contextlib.suppress(MeterDecodeError):
        apdu.parse(b"\xc4" + raw)


def test_an_exception_says_what_it_means() -> None:
    assert str(ExceptionAnswer(1, 2)) == "service not allowed, service not supported"
    assert str(ExceptionAnswer(9, 9)) == "9, 9"


def test_joined_blocks_of_a_list_are_read() -> None:
    assert apdu.parse_results(bytes.fromhex("0100110a")) == (Data(Tag.UINT8, 10),)
    with pytest.raises(MeterDecodeError, match="trailing"):
        apdu.parse_results(bytes.fromhex("0100110a00"))
