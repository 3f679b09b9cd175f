"""What any object says: lists with odd access rights, values of every type, rows that keep their columns' places."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms import objects
from edge_agent.readers.dlms.codec import NULL, Data, Tag
from edge_agent.registers import ProfileColumn
from tests.edge_agent.readers.dlms.wire import array, i8, name, octets, scaler, stamp, structure, u16, u32


def enum(value: int) -> Data:
    return Data(Tag.ENUM, value)


def column(obis: str, scaler: int = 0, unit: int | None = None, class_id: int = 3, attribute: int = 2) -> ProfileColumn:
    return ProfileColumn(class_id=class_id, obis=obis, attribute=attribute, data_index=0, scaler=scaler, unit=unit)


CLOCK = column("0.0.1.0.0.255", class_id=8)
ENERGY = column("1.0.1.8.0.255", scaler=-1, unit=30)


def listed(*rights: Data) -> Data:
    return array(structure(u16(7), Data(Tag.UINT8, 1), name("1.0.99.1.0.255"), structure(*rights)))


def right(number: int, mode: Data) -> Data:
    return structure(i8(number), mode, NULL)


def test_an_object_is_listed_with_what_may_be_done_with_it() -> None:
    modes = array(right(1, enum(1)), right(2, enum(1)), right(3, enum(0)), right(4, enum(9)))
    (found,) = objects.object_list(
        listed(modes, array(right(1, Data(Tag.BOOLEAN, value=False)), right(2, enum(1)))), "list"
    )
    assert (found.class_id, found.version, found.obis, found.methods) == (7, 1, "1.0.99.1.0.255", 1)
    assert found.access() == {"read": [1, 2], "none": [3], "9": [4]}


def test_a_list_without_methods_is_a_list() -> None:
    (found,) = objects.object_list(listed(array(right(1, enum(1)))), "list")
    assert found.methods == 0


@pytest.mark.parametrize(
    "wrong",
    [
        u32(1),
        array(u32(1)),
        array(structure(u16(7), u16(0), name("1.0.99.1.0.255"))),
        array(structure(u16(7), u16(0), u16(0), structure(array(), array()))),
        array(structure(u16(7), u16(0), name("1.0.99.1.0.255"), structure(u16(0)))),
        array(structure(u16(7), u16(0), octets(b"\x01"), structure(array(), array()))),
        array(structure(NULL, u16(0), name("1.0.99.1.0.255"), structure(array(), array()))),
        array(structure(u16(7), u16(0), name("1.0.99.1.0.255"), structure())),
        listed(array(structure())),
    ],
)
def test_a_list_of_another_shape_is_wrong_by_name(wrong: Data) -> None:
    with pytest.raises(MeterDecodeError):
        objects.object_list(wrong, "the list")


@pytest.mark.parametrize(
    ("data", "of", "shown"),
    [
        (u32(12345), ENERGY, "1234.5"),
        (u32(12345), column("0.0.96.11.0.255", class_id=1), 12345),
        (u32(7), None, 7),
        (NULL, ENERGY, None),
        (enum(3), None, 3),
        (Data(Tag.BOOLEAN, value=True), None, True),
        (Data(Tag.FLOAT32, 0.5), ENERGY, "0.05"),
        (Data(Tag.FLOAT64, float("nan")), ENERGY, "nan"),
        (octets(b"SIM-1.0"), None, "SIM-1.0"),
        (octets(b"\x01\x02"), None, "0x0102"),
        (octets(b"twelve bytes"), None, "twelve bytes"),
        (Data(Tag.VISIBLE_STRING, "D1 "), None, "D1"),
        (Data(Tag.BIT_STRING, "0101"), None, "0101"),
        (Data(Tag.DATE, bytes(5)), None, "0x0000000000"),
        (stamp(26, 12, 30), None, "2026-04-26T07:00:00Z"),
        (octets(bytes.fromhex("ffffffffffffffffff8000ff")), None, "0xffffffffffffffffff8000ff"),
        (scaler(-1, 35), None, [-1, 35]),
    ],
)
def test_a_value_is_shown_exactly_and_nothing_is_guessed(data: Data, of: ProfileColumn | None, shown: object) -> None:
    assert objects.shown(data, of) == shown


def test_the_time_of_a_row_is_the_clocks_or_the_billing_dates() -> None:
    billing = column(objects.BILLING_DATE)
    assert objects.clock_place([ENERGY, CLOCK]) == 1
    assert objects.clock_place([billing, ENERGY]) == 0
    assert objects.clock_place([billing, CLOCK]) == 1
    assert objects.clock_place([column("0.0.1.0.0.255", class_id=8, attribute=3), ENERGY]) is None


def test_rows_keep_null_data_in_its_place() -> None:
    rows = objects.generic_rows(
        array(structure(stamp(26, 0, 15), NULL, u32(5))), "1.0.98.1.0.255", [CLOCK, ENERGY, ENERGY]
    )
    assert rows[0].cells[1:] == (NULL, u32(5))
    assert rows[0].clock is not None


@pytest.mark.parametrize("cell", [NULL, octets(bytes.fromhex("ffffffffffffffffff8000ff"))])
def test_a_row_whose_time_is_unspecified_has_none(cell: Data) -> None:
    (row,) = objects.generic_rows(array(structure(cell, u32(1))), "1.0.98.1.0.255", [CLOCK, ENERGY])
    assert row.clock is None


@pytest.mark.parametrize("wrong", [u32(1), array(u32(1)), array(structure(u32(1))), array(structure(u32(1), u32(1)))])
def test_rows_of_another_shape_are_wrong_by_profile_and_row(wrong: Data) -> None:
    with pytest.raises(MeterDecodeError, match=r"1\.0\.98\.1\.0\.255"):
        objects.generic_rows(wrong, "1.0.98.1.0.255", [CLOCK, ENERGY])


scalars = st.one_of(
    st.integers(0, 2**32 - 1).map(u32),
    st.integers(-128, 127).map(i8),
    st.binary(max_size=14).map(octets),
    st.text(max_size=6).map(lambda text: Data(Tag.UTF8_STRING, text)),
    st.floats().map(lambda number: Data(Tag.FLOAT64, number)),
    st.booleans().map(lambda value: Data(Tag.BOOLEAN, value)),
    st.sampled_from([NULL, Data(Tag.DONT_CARE, None), Data(Tag.BIT_STRING, "101"), Data(Tag.TIME, bytes(4))]),
)
trees = st.recursive(
    scalars,
    lambda parts: st.lists(parts, max_size=5).map(lambda items: Data(Tag.STRUCTURE, tuple(items))),
    max_leaves=25,
)


@given(trees)
def test_no_value_of_any_shape_is_more_than_wrong(data: Data) -> None:
    objects.shown(data)
    objects.shown(data, ENERGY)
    for read in (
        lambda: objects.object_list(data, "list"),
        lambda: objects.generic_rows(data, "1.0.98.1.0.255", [CLOCK, ENERGY]),
    ):
        with contextlib.suppress(MeterDecodeError):
            read()


@given(st.integers(0, 2**32 - 1), st.integers(-128, 127))
def test_a_number_of_a_register_is_shown_exactly(raw: int, power: int) -> None:
    text = objects.shown(u32(raw), column("1.0.1.8.0.255", scaler=power, unit=30))
    assert isinstance(text, str)
    assert Fraction(text) == Fraction(raw) * Fraction(10) ** power
