"""COSEM data: what is sent, and what is taken from strangers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.dlms import axdr
from firmware_sim.dlms.axdr import Reader, parse_date_time
from firmware_sim.errors import DecodeError
from firmware_sim.instants import parse_instant


@pytest.mark.parametrize(
    ("count", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (65_535, "82ffff"), (65_536, "83010000")],
)
def test_lengths_are_written_and_read(count: int, encoded: str) -> None:
    assert axdr.length(count).hex() == encoded
    assert Reader(bytes.fromhex(encoded)).length() == count


@pytest.mark.parametrize(
    ("encoded", "text", "value"),
    [
        (axdr.NULL, "00", None),
        (axdr.boolean(value=True), "0301", True),
        (axdr.boolean(value=False), "0300", False),
        (axdr.bits(b"\x00\x52\x1d"), "041800521d", b"\x00\x52\x1d"),
        (axdr.octets(b"ab"), "09026162", b"ab"),
        (axdr.visible("ab"), "0a026162", b"ab"),
        (axdr.integer8(-1), "0fff", -1),
        (axdr.integer16(-330), "10feb6", -330),
        (axdr.integer32(-2), "05fffffffe", -2),
        (axdr.unsigned8(255), "11ff", 255),
        (axdr.unsigned16(65_535), "12ffff", 65_535),
        (axdr.unsigned32(2**32 - 1), "06ffffffff", 2**32 - 1),
        (axdr.energy(2**32 - 1), "06ffffffff", 2**32 - 1),
        (axdr.energy(2**32), "150000000100000000", 2**32),
        (axdr.enum(30), "161e", 30),
        (axdr.array([axdr.NULL, axdr.NULL]), "01020000", [None, None]),
        (axdr.structure(axdr.unsigned8(1), axdr.array([])), "0202" + "1101" + "0100", [1, []]),
    ],
)
def test_every_type_is_written_and_read(encoded: bytes, text: str, value: object) -> None:
    assert encoded.hex() == text
    reader = Reader(encoded)
    assert reader.data() == value
    reader.end()


@pytest.mark.parametrize(
    "encoded", ["17" + "00" * 4, "18" + "00" * 8, "19" + "00" * 12, "1a" + "00" * 5, "1b" + "00" * 4]
)
def test_floats_and_dates_are_taken_as_bytes(encoded: str) -> None:
    assert Reader(bytes.fromhex(encoded)).data() == bytes.fromhex(encoded)[1:]


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "06",
        "06000000",
        "0905616263",
        "0980",
        "0985",
        "0102",
        "010a00",
        "02ff",
        "07",
        "ff",
        "0102" * 9 + "00",
        "0101" * 8 + "0100",
    ],
)
def test_what_is_no_data_is_refused(encoded: str) -> None:
    with pytest.raises(DecodeError):
        Reader(bytes.fromhex(encoded)).data()


def test_nesting_up_to_the_bound_is_read() -> None:
    assert Reader(bytes.fromhex("0101" * 8 + "00")).data() == [[[[[[[[None]]]]]]]]


def test_what_is_left_over_is_refused() -> None:
    with pytest.raises(DecodeError, match="expected the end, got 1 more"):
        Reader(b"\x00").end()


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_reading_data_from_anything_ends_in_data_or_refusal(content: bytes) -> None:
    try:
        Reader(content).data()
    except DecodeError:
        return


def test_a_date_time_is_ist_with_its_deviation() -> None:
    at = parse_instant("2026-03-01T23:59:58+05:30")
    assert axdr.date_time(at).hex() == "07ea0301" + "07" + "173b3a00" + "feb6" + "00"


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_a_date_time_is_read_back(at: int) -> None:
    assert parse_date_time(axdr.date_time(at)) == at


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("07ea0301ff0a000000800000", "2026-03-01T10:00:00+05:30"),
        ("07ea0301ff0a0000000000ff", "2026-03-01T10:00:00Z"),
        ("07ea0301ff0a000000014a00", "2026-03-01T15:30:00Z"),
        ("07ea0301ffffffffff8000ff", "2026-03-01T00:00:00+05:30"),
    ],
)
def test_a_date_time_of_another_clock_is_understood(encoded: str, text: str) -> None:
    assert parse_date_time(bytes.fromhex(encoded)) == parse_instant(text)


@pytest.mark.parametrize(
    "encoded",
    ["07ea0301ff0a00000080", "ffff0301ff0a000000800000", "07eaff01ff0a000000800000", "07ea021eff0a000000800000",
     "07ea0301ff18000000800000", "07ea0301ff003c0000800000", "07ea0301ff00003c00800000"],
)  # fmt: skip
def test_a_date_time_that_is_none_is_refused(encoded: str) -> None:
    with pytest.raises(DecodeError):
        parse_date_time(bytes.fromhex(encoded))
