"""A-XDR: every type both ways, every cut refused, nothing crashes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms import codec
from edge_agent.readers.dlms.codec import DONT_CARE, NULL, Data, Tag, decode, encode
from tests.edge_agent.readers.dlms.wire import wire


def _ints(tag: Tag, low: int, high: int) -> st.SearchStrategy[Data]:
    return st.integers(low, high).map(lambda value: Data(tag, value))


SIMPLE = st.one_of(
    st.just(NULL),
    st.just(DONT_CARE),
    st.booleans().map(lambda value: Data(Tag.BOOLEAN, value)),
    st.text("01", max_size=200).map(lambda value: Data(Tag.BIT_STRING, value)),
    _ints(Tag.INT8, -(2**7), 2**7 - 1),
    _ints(Tag.BCD, -(2**7), 2**7 - 1),
    _ints(Tag.INT16, -(2**15), 2**15 - 1),
    _ints(Tag.INT32, -(2**31), 2**31 - 1),
    _ints(Tag.INT64, -(2**63), 2**63 - 1),
    _ints(Tag.UINT8, 0, 2**8 - 1),
    _ints(Tag.ENUM, 0, 2**8 - 1),
    _ints(Tag.UINT16, 0, 2**16 - 1),
    _ints(Tag.UINT32, 0, 2**32 - 1),
    _ints(Tag.UINT64, 0, 2**64 - 1),
    st.floats(width=32, allow_nan=False).map(lambda value: Data(Tag.FLOAT32, value)),
    st.floats(allow_nan=False).map(lambda value: Data(Tag.FLOAT64, value)),
    st.binary(max_size=300).map(lambda value: Data(Tag.OCTET_STRING, value)),
    st.text(max_size=80).map(lambda value: Data(Tag.UTF8_STRING, value)),
    st.text(st.characters(max_codepoint=255), max_size=80).map(lambda value: Data(Tag.VISIBLE_STRING, value)),
    st.binary(min_size=12, max_size=12).map(lambda value: Data(Tag.DATE_TIME, value)),
    st.binary(min_size=5, max_size=5).map(lambda value: Data(Tag.DATE, value)),
    st.binary(min_size=4, max_size=4).map(lambda value: Data(Tag.TIME, value)),
)
VALUES = st.recursive(
    SIMPLE,
    lambda inner: st.builds(
        lambda tag, parts: Data(tag, tuple(parts)),
        st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]),
        st.lists(inner, max_size=6),
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("count", [1, 5, 200])
def test_the_length_of_an_array_is_foreseen_from_its_first_element(count: int) -> None:
    whole = encode(codec.array(*[codec.structure(codec.octets(bytes(12)), Data(Tag.UINT32, 1))] * count))
    assert codec.foreseen(whole) == codec.foreseen(whole[:30]) == len(whole)


@pytest.mark.parametrize("beginning", ["", "0102", "010209", "02021100", "1105", "0102ee", "0100"])
def test_the_length_of_what_begins_otherwise_is_not_foreseen(beginning: str) -> None:
    assert codec.foreseen(bytes.fromhex(beginning)) == 0


LITERALS = [
    ("00", NULL),
    ("ff", DONT_CARE),
    ("0301", Data(tag=Tag.BOOLEAN, value=True)),
    ("040aad40", Data(Tag.BIT_STRING, "1010110101")),
    ("05ffffff38", Data(Tag.INT32, -200)),
    ("0600010203", Data(Tag.UINT32, 66051)),
    ("0903010203", Data(Tag.OCTET_STRING, b"\x01\x02\x03")),
    ("0a024731", Data(Tag.VISIBLE_STRING, "G1")),
    ("0c03e0a4b8", Data(Tag.UTF8_STRING, "\u0938")),
    ("0d42", Data(Tag.BCD, 0x42)),
    ("0fff", Data(Tag.INT8, -1)),
    ("10feb6", Data(Tag.INT16, -330)),
    ("111e", Data(Tag.UINT8, 30)),
    ("120708", Data(Tag.UINT16, 1800)),
    ("14ffffffffffffffff", Data(Tag.INT64, -1)),
    ("150000000100000000", Data(Tag.UINT64, 2**32)),
    ("161e", Data(Tag.ENUM, 30)),
    ("173fc00000", Data(Tag.FLOAT32, 1.5)),
    ("183ff8000000000000", Data(Tag.FLOAT64, 1.5)),
    ("1907ea041aff0c0700ff8000ff", Data(Tag.DATE_TIME, bytes.fromhex("07ea041aff0c0700ff8000ff"))),
    ("1a07ea041a07", Data(Tag.DATE, bytes.fromhex("07ea041a07"))),
    ("1b0c0700ff", Data(Tag.TIME, bytes.fromhex("0c0700ff"))),
    ("0102110111ff", Data(Tag.ARRAY, (Data(Tag.UINT8, 1), Data(Tag.UINT8, 255)))),
    ("02020f00161e", Data(Tag.STRUCTURE, (Data(Tag.INT8, 0), Data(Tag.ENUM, 30)))),
    ("1312040001ffff", Data(Tag.COMPACT_ARRAY, (Data(Tag.UINT16, 1), Data(Tag.UINT16, 65535)))),
    (
        "130202110f06020105ff06"[:10] + "04" + "01050206",
        Data(
            Tag.COMPACT_ARRAY,
            (
                Data(Tag.STRUCTURE, (Data(Tag.UINT8, 1), Data(Tag.INT8, 5))),
                Data(Tag.STRUCTURE, (Data(Tag.UINT8, 2), Data(Tag.INT8, 6))),
            ),
        ),
    ),
    (
        "130100021104" + "01020304",
        Data(
            Tag.COMPACT_ARRAY,
            tuple(Data(Tag.ARRAY, (Data(Tag.UINT8, n), Data(Tag.UINT8, n + 1))) for n in (1, 3)),
        ),
    ),
]


@pytest.mark.parametrize(("hexed", "data"), LITERALS, ids=[f"{d.tag.name}-{h[:8]}" for h, d in LITERALS])
def test_every_type_has_its_bytes(hexed: str, data: Data) -> None:
    assert decode(bytes.fromhex(hexed)) == data
    assert encode(data) == bytes.fromhex(hexed)


@given(VALUES)
def test_a_value_survives_both_ways_and_agrees_with_a_second_encoder(data: Data) -> None:
    assert encode(data) == wire(data)
    assert decode(wire(data)) == data


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=9)), min_size=1, max_size=9))
def test_a_compact_array_survives_both_ways(rows: list[tuple[int, bytes]]) -> None:
    elements = tuple(
        Data(Tag.STRUCTURE, (Data(Tag.UINT8, number), Data(Tag.OCTET_STRING, octets))) for number, octets in rows
    )
    data = Data(Tag.COMPACT_ARRAY, elements)
    assert decode(encode(data)) == data


@given(VALUES, st.data())
def test_a_cut_value_is_refused(data: Data, draw: st.DataObject) -> None:
    whole = wire(data)
    cut = draw.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(MeterDecodeError, match="at offset"):
        decode(whole[:cut])


@given(VALUES, st.binary(min_size=1, max_size=4))
def test_trailing_octets_are_refused(data: Data, more: bytes) -> None:
    with pytest.raises(MeterDecodeError, match="trailing octets at offset"):
        decode(wire(data) + more)


def _tried(raw: bytes) -> bool:
    try:
        decode(raw)
    except MeterDecodeError as error:
        return "at offset" in str(error)
    return True


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(raw: bytes) -> None:
    assert _tried(raw)


@given(st.binary(max_size=60))
def test_any_compact_array_is_a_value_or_refused(raw: bytes) -> None:
    assert _tried(b"\x13" + raw)


def test_nan_is_decoded_as_sent() -> None:
    value = decode(bytes.fromhex("177fc00000")).value
    assert isinstance(value, float)
    assert math.isnan(value)


def test_sixteen_levels_pass_and_seventeen_do_not() -> None:
    assert decode(b"\x01\x01" * codec.MAX_DEPTH + b"\x00").tag is Tag.ARRAY
    with pytest.raises(MeterDecodeError, match="at most 16 levels"):
        decode(b"\x01\x01" * (codec.MAX_DEPTH + 1) + b"\x00")


def test_a_count_larger_than_what_is_left_is_refused_before_any_work() -> None:
    with pytest.raises(MeterDecodeError, match="expected at most 0 elements in what is left, got 4294967295"):
        decode(bytes.fromhex("0184ffffffff"))


def test_a_compact_array_cannot_multiply_nothing_into_everything() -> None:
    # Three nested arrays of 65535 nulls in twelve octets.
    bomb = bytes.fromhex("13" + "01ffff" * 3 + "00" + "0100")
    with pytest.raises(MeterDecodeError, match=f"at most {codec.MAX_ELEMENTS_AN_OCTET * len(bomb)} values"):
        decode(bomb)


def test_elements_without_octets_cannot_fill_a_compact_array() -> None:
    with pytest.raises(MeterDecodeError, match="elements that occupy octets"):
        decode(bytes.fromhex("13000100"))


def test_an_element_cannot_reach_beyond_its_compact_array() -> None:
    with pytest.raises(MeterDecodeError, match="expected 2 more octets, got 1"):
        decode(bytes.fromhex("1312030001ff") + b"\xff\xff\xff")


@pytest.mark.parametrize(
    ("hexed", "message"),
    [
        ("07", "expected a data type, got 0x07"),
        ("0980", "length of at most four octets, got 0x80"),
        ("09850000000001", "length of at most four octets, got 0x85"),
        ("0c01ff", "expected UTF-8 text"),
        ("131300", "another compact-array"),
        ("", "expected one more octet"),
    ],
)
def test_what_is_no_data_is_refused(hexed: str, message: str) -> None:
    with pytest.raises(MeterDecodeError, match=message):
        decode(bytes.fromhex(hexed))


@pytest.mark.parametrize(
    "data",
    [
        Data(Tag.UINT8, 256),
        Data(Tag.UINT8, None),
        Data(Tag.NULL, 0),
        Data(Tag.BOOLEAN, 1),
        Data(Tag.DATE_TIME, b"\x00"),
        Data(Tag.BIT_STRING, "2"),
        Data(Tag.VISIBLE_STRING, "\u092e"),
        Data(Tag.ARRAY, 1),
        Data(Tag.COMPACT_ARRAY, (Data(Tag.UINT8, 1), Data(Tag.UINT16, 1))),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_not_encoded(data: Data) -> None:
    with pytest.raises(ValueError, match="expected"):
        encode(data)


@pytest.mark.parametrize(("count", "hexed"), [(0, "00"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100")])
def test_lengths_take_the_fewest_octets(count: int, hexed: str) -> None:
    assert codec.encode_length(count).hex() == hexed
