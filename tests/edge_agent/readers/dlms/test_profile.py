"""Profiles: columns keep their places, null-data its meaning, and units their names."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.readers.dlms import profile
from edge_agent.readers.dlms.codec import NULL, Data, Tag
from edge_agent.readers.dlms.cosem import BLOCK_LOAD, Attribute
from edge_agent.readers.dlms.profile import StampMeans
from edge_agent.registers import EXPORT_BLOCK, IMPORT_BLOCK, ProfileLayout, ProfileRow, watt_hours_exact
from signing.interval import parse_instant
from tests.edge_agent.readers.dlms.wire import (
    DEFAULT_COLUMNS,
    array,
    capture,
    i8,
    name,
    octets,
    scaler,
    stamp,
    structure,
    u16,
    u32,
)

NOON = parse_instant("2026-04-26T12:00:00+05:30", "noon")
HALF = 1800


def layout(
    columns: tuple[tuple[int, str], ...] = DEFAULT_COLUMNS, sort_method: int = 1, power: int = 0
) -> ProfileLayout:
    objects = profile.capture_objects(array(*(capture(*column) for column in columns)), "x")
    scalers = {IMPORT_BLOCK: (power, 30), EXPORT_BLOCK: (power, 30), "1.0.12.27.0.255": (-1, 35)}
    return profile.layout(
        BLOCK_LOAD, objects, scalers, capture_period_s=HALF, sort_method=sort_method, entries_in_use=1, entries=10
    )


def rows(
    *cells: tuple[Data, ...], of: ProfileLayout | None = None, means: StampMeans = StampMeans.END
) -> tuple[ProfileRow, ...]:
    return profile.rows(array(*(structure(*row) for row in cells)), of or layout(), means)


def row(at: Data, volts: int = 2301, imported: int = 5, exported: int = 7) -> tuple[Data, ...]:
    return at, u16(volts), u32(imported), u32(exported)


def test_every_cell_stands_under_its_columns_name() -> None:
    (only,) = rows(row(stamp(26, 12, 30)))
    assert only.values[IMPORT_BLOCK].raw == 5
    assert only.values[EXPORT_BLOCK].raw == 7
    assert (only.values["1.0.12.27.0.255"].raw, only.values["1.0.12.27.0.255"].scaler) == (2301, -1)
    assert only.values[IMPORT_BLOCK].unit == 30


def test_columns_in_another_order_give_the_same_values() -> None:
    shuffled = ((3, EXPORT_BLOCK), (3, IMPORT_BLOCK), (8, "0.0.1.0.0.255"), (3, "1.0.12.27.0.255"))
    (only,) = rows((u32(7), u32(5), stamp(26, 12, 30), u16(2301)), of=layout(shuffled))
    assert only.values == rows(row(stamp(26, 12, 30)))[0].values


def test_an_import_only_meter_has_no_export() -> None:
    columns = tuple(column for column in DEFAULT_COLUMNS if column[1] != EXPORT_BLOCK)
    (only,) = rows((stamp(26, 12, 30), u16(2301), u32(5)), of=layout(columns))
    assert EXPORT_BLOCK not in only.values
    assert not layout(columns).has(EXPORT_BLOCK)
    assert layout().has(EXPORT_BLOCK)


def test_null_data_is_absent_and_moves_nothing() -> None:
    (only,) = rows((stamp(26, 12, 30), NULL, NULL, u32(7)))
    assert only.values[IMPORT_BLOCK].raw is None
    assert watt_hours_exact(only.values[IMPORT_BLOCK]) is None
    assert only.values[EXPORT_BLOCK].raw == 7


def test_a_null_clock_is_one_period_after_the_row_before() -> None:
    found = rows(row(stamp(26, 12, 0)), row(NULL), row(NULL), row(stamp(26, 14, 0)))
    assert [each.stamp_utc for each in found] == [NOON, NOON + HALF, NOON + 2 * HALF, NOON + 4 * HALF]
    assert [each.stamp is None for each in found] == [False, True, True, False]
    assert found[1].clock_status is None


@pytest.mark.parametrize("sort_method", [1, 2])
def test_a_null_clock_that_a_period_of_ages_leads_out_of_time_is_refused(sort_method: int) -> None:
    # Such a time has no name in any message, and would end in an error that no caller expects.
    of = replace(layout(sort_method=sort_method), capture_period_s=2**62)
    with pytest.raises(MeterDecodeError, match="one period from the end of all time in row 2"):
        rows(row(stamp(26, 12, 30)), row(NULL), of=of)


def test_a_null_clock_in_a_newest_first_buffer_is_one_period_before() -> None:
    found = rows(row(stamp(26, 12, 0)), row(NULL), of=layout(sort_method=2))
    assert [each.stamp_utc for each in found] == [NOON, NOON - HALF]


def test_a_first_row_without_a_clock_cannot_be_placed() -> None:
    with pytest.raises(MeterDecodeError, match=r"no row before it in row 1 of 1.0.99.1.0.255"):
        rows(row(NULL))


STAMPS = st.builds(
    lambda date, weekday, time, rest: bytes.fromhex(date) + bytes([weekday]) + bytes(time) + bytes.fromhex(rest),
    st.sampled_from(["07ea041a", "07ea041b", "07ea0000", "07b20101", "083902" + "07"]),
    st.sampled_from([1, 0xFF]),
    st.tuples(st.integers(0, 25), st.integers(0, 61), st.sampled_from([0, 59, 60, 0xFF])),
    st.sampled_from(["00feb600", "ff8000ff", "64feb600", "00000000"]),
)


@given(st.lists(STAMPS, min_size=1, max_size=8))
def test_a_stamp_among_others_of_its_day_is_what_it_is_alone(stamps: list[bytes]) -> None:
    def read(*some: bytes) -> list[ProfileRow] | None:
        try:
            return list(rows(*(row(octets(each)) for each in some)))
        except MeterDecodeError:
            return None

    alone = [read(each) for each in stamps]
    together = None if None in alone else [only for each in alone if each for only in each]
    assert read(*stamps) == together


@pytest.mark.parametrize("time", ["180000", "003c00", "00003c"], ids=["hour", "minute", "second"])
def test_a_time_that_is_none_is_refused_also_on_a_day_that_is_known(time: str) -> None:
    def at(clock: str) -> Data:
        return octets(bytes.fromhex("07ea041aff" + clock + "00feb600"))

    assert len(rows(row(at("0c0000")), row(at("173b3b")))) == 2
    with pytest.raises(MeterDecodeError, match="in row 2 of"):
        rows(row(at("0c0000")), row(at(time)))


def test_an_instant_that_is_none_is_refused_also_on_a_day_that_has_others() -> None:
    def at(clock: str) -> Data:
        return octets(bytes.fromhex("07b20101ff" + clock + "00feb600"))

    assert rows(row(at("060000")))[0].stamp_utc == 1800
    with pytest.raises(MeterDecodeError, match="after 1970"):
        rows(row(at("060000")), row(at("051d00")))


@pytest.mark.parametrize("cell", [Data(Tag.BCD, 5), Data(tag=Tag.BOOLEAN, value=True)], ids=["BCD", "BOOLEAN"])
def test_a_cell_that_only_looks_like_a_number_is_refused(cell: Data) -> None:
    with pytest.raises(MeterDecodeError, match="expected a number"):
        rows((stamp(26, 12, 30), u16(1), cell, u32(7)))


@given(
    st.lists(st.sampled_from([NULL, u16(0), u16(1), u32(1), Data(Tag.INT8, -1), Data(Tag.FLOAT32, 1.0)]), max_size=8)
)
def test_a_value_among_equal_ones_is_what_it_is_alone(cells: list[Data]) -> None:
    found = rows(*((*row(stamp(26, 12, 0))[:2], cell, u32(7)) for cell in cells))
    alone = [rows((*row(stamp(26, 12, 0))[:2], cell, u32(7)))[0] for cell in cells]
    assert list(found) == alone


def test_a_stamp_names_the_end_unless_configured() -> None:
    assert rows(row(stamp(26, 12, 0)))[0].end_utc == NOON
    start_stamped = rows(row(stamp(26, 12, 0)), means=StampMeans.START)[0]
    assert (start_stamped.stamp_utc, start_stamped.end_utc) == (NOON, NOON + HALF)


def test_the_stamp_and_status_stay_as_sent() -> None:
    (only,) = rows(row(stamp(26, 12, 0, "feb6", "02")))
    assert (only.stamp or b"").hex() == "07ea041aff0c0000fffeb602"
    assert only.clock_status == 2


def test_a_compact_array_of_rows_is_read_alike() -> None:
    plain = rows(row(stamp(26, 12, 0)), row(stamp(26, 12, 30)))
    data = Data(Tag.COMPACT_ARRAY, tuple(structure(*row(stamp(26, 12, m))) for m in (0, 30)))
    assert profile.rows(data, layout(), StampMeans.END) == plain


@pytest.mark.parametrize("count", [3, 5])
def test_a_row_with_a_column_too_few_or_too_many_is_refused(count: int) -> None:
    cells = (*row(stamp(26, 12, 0)), u32(9))[:count]
    with pytest.raises(MeterDecodeError, match=f"expected 4 parts, got {count} in row 2 of 1.0.99.1.0.255"):
        rows(row(stamp(26, 12, 0)), cells)


def test_an_energy_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(MeterDecodeError, match=r"expected a number, got OCTET_STRING in '1.0.1.29.0.255' of row 1"):
        rows((stamp(26, 12, 0), u16(1), octets(b"\x05"), u32(7)))


def test_a_clock_that_is_none_is_refused_by_row() -> None:
    with pytest.raises(MeterDecodeError, match="in row 1 of"):
        rows((octets(bytes(12)), u16(1), u32(5), u32(7)))
    with pytest.raises(MeterDecodeError, match="expected a date-time, got UINT32 in row 1"):
        rows((u32(1), u16(1), u32(5), u32(7)))


def test_a_float_energy_is_exact() -> None:
    (only,) = rows((stamp(26, 12, 0), NULL, Data(Tag.FLOAT32, 0.10000000149011612), u32(7)), of=layout(power=3))
    assert watt_hours_exact(only.values[IMPORT_BLOCK]) == Decimal("100.000001490116119384765625")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_float_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(MeterDecodeError, match="finite"):
        rows((stamp(26, 12, 0), NULL, Data(Tag.FLOAT32, value), u32(7)))


def test_a_buffer_that_is_no_list_is_refused() -> None:
    with pytest.raises(MeterDecodeError, match=r"expected a list, got NULL in 1.0.99.1.0.255"):
        profile.rows(NULL, layout(), StampMeans.END)


def test_a_profile_without_a_clock_or_a_period_is_refused() -> None:
    with pytest.raises(MeterRefusedError, match=r"clock column in 1.0.99.1.0.255"):
        layout(((3, IMPORT_BLOCK),))
    with pytest.raises(MeterRefusedError, match="capture period"):
        profile.layout(
            BLOCK_LOAD,
            profile.capture_objects(array(capture(8, "0.0.1.0.0.255")), "x"),
            {},
            capture_period_s=0,
            sort_method=1,
            entries_in_use=0,
            entries=0,
        )


def test_a_column_that_comes_twice_is_refused() -> None:
    with pytest.raises(MeterDecodeError, match="got one twice"):
        profile.capture_objects(array(capture(3, IMPORT_BLOCK), capture(3, IMPORT_BLOCK)), "x")


@pytest.mark.parametrize(
    "entry",
    [
        structure(u16(3), name("1.0.1.29.0.255"), i8(2)),
        structure(u16(3), octets(b"\x01"), i8(2), u16(0)),
        structure(u16(3), u16(3), i8(2), u16(0)),
        structure(octets(b""), name("1.0.1.29.0.255"), i8(2), u16(0)),
        u16(3),
    ],
)
def test_a_capture_object_that_is_none_is_refused(entry: Data) -> None:
    with pytest.raises(MeterDecodeError):
        profile.capture_objects(array(entry), "x")


def test_scalers_of_a_scaler_profile_are_found_by_name() -> None:
    objects = profile.capture_objects(array(capture(3, EXPORT_BLOCK, 3), capture(3, IMPORT_BLOCK, 3)), "x")
    found = profile.scaler_row(objects, array(structure(scaler(1, 30), scaler(-1, 31))), "x")
    assert found == {EXPORT_BLOCK: (1, 30), IMPORT_BLOCK: (-1, 31)}


def test_a_scaler_profile_of_two_rows_or_other_columns_is_refused() -> None:
    objects = profile.capture_objects(array(capture(3, EXPORT_BLOCK, 3)), "x")
    row_ = structure(scaler(0, 30))
    with pytest.raises(MeterDecodeError, match="one row, got 2"):
        profile.scaler_row(objects, array(row_, row_), "x")
    with pytest.raises(MeterDecodeError, match="expected 1 parts, got 2"):
        profile.scaler_row(objects, array(structure(scaler(0, 30), scaler(0, 30))), "x")


def test_a_capture_time_does_not_take_its_registers_scaler() -> None:
    columns = profile.capture_objects(
        array(capture(8, "0.0.1.0.0.255"), capture(4, "1.0.1.6.0.255"), capture(4, "1.0.1.6.0.255", 5)), "x"
    )
    found = profile.layout(
        BLOCK_LOAD,
        columns,
        {"1.0.1.6.0.255": (1, 27)},
        capture_period_s=HALF,
        sort_method=1,
        entries_in_use=0,
        entries=0,
    )
    assert [(c.register, c.scaler, c.unit) for c in found.columns[1:]] == [
        ("1.0.1.6.0.255", 1, 27),
        ("1.0.1.6.0.255/5", 0, None),
    ]
    (only,) = profile.rows(array(structure(stamp(26, 12, 0), u32(4), stamp(26, 11, 0))), found, StampMeans.END)
    assert list(only.values) == ["1.0.1.6.0.255"]


def test_scalers_are_asked_of_registers_only_and_once() -> None:
    columns = profile.capture_objects(
        array(
            capture(8, "0.0.1.0.0.255"),
            capture(4, "1.0.1.6.0.255"),
            capture(4, "1.0.1.6.0.255", 5),
            capture(1, "0.0.96.10.1.255"),
        ),
        "x",
    )
    assert profile.scaled_columns(columns) == (Attribute(class_id=4, obis="1.0.1.6.0.255", attribute=3),)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (octets(b"GX1234\x00\x00"), "GX1234"),
        (Data(Tag.VISIBLE_STRING, " D1 "), "D1"),
        (Data(Tag.UTF8_STRING, "\u092e"), "\u092e"),
        (u32(123456), "123456"),
        (Data(Tag.VISIBLE_STRING, "GX1\xff\xff"), "GX1"),
        (Data(Tag.VISIBLE_STRING, "G\xe9"), "0x47e9"),
        (octets(b"\x01\x02"), "0x0102"),
        (octets(b"G\x80"), "0x4780"),
        (Data(Tag.UTF8_STRING, "\u092e\n"), "0xe0a4ae0a"),
        (octets(b""), ""),
    ],
)
def test_text_comes_as_any_string_or_number(data: Data, text: str) -> None:
    assert profile.text(data, "x") == text


@pytest.mark.parametrize("data", [NULL, array(), Data(Tag.FLOAT32, 1.0), Data(Tag.DATE, bytes(5))])
def test_what_is_no_text_is_refused(data: Data) -> None:
    with pytest.raises(MeterDecodeError, match="text"):
        profile.text(data, "the serial number")
