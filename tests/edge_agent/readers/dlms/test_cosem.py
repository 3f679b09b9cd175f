"""Date-times as Indian meters send them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms.cosem import Attribute, date_time_octets, meter_clock, obis_octets, obis_text
from signing.interval import MAX_INSTANT, parse_instant

NOON = parse_instant("2026-04-26T12:07:31+05:30", "noon")


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize("deviation", ["8000", "feb6", "014a"])
def test_unspecified_right_and_wrong_deviation_all_mean_ist(deviation: str) -> None:
    assert meter_clock(octets("07ea041a070c071f00" + deviation + "00")).utc_s == NOON


def test_the_deviation_stays_as_sent() -> None:
    sent = [meter_clock(octets("07ea041a070c071f00" + each + "00")).deviation_min for each in ("8000", "feb6", "014a")]
    assert sent == [None, -330, 330]


@pytest.mark.parametrize("deviation", ["0000", "feb5", "feb7", "0149", "014b", "7fff"])
def test_a_deviation_that_cannot_be_india_is_refused(deviation: str) -> None:
    with pytest.raises(MeterDecodeError, match="in 'deviation' of date-time"):
        meter_clock(octets("07ea041a070c071f00" + deviation + "00"))


def test_an_unspecified_status_is_unknown_and_a_specified_one_is_kept() -> None:
    assert meter_clock(octets("07ea041a070c071f008000ff")).status is None
    assert meter_clock(octets("07ea041a070c071f00800081")).status == 0x81


def test_hundredths_are_kept_and_may_be_unspecified() -> None:
    with_them = meter_clock(octets("07ea041a070c071f63800000"))
    without = meter_clock(octets("07ea041a070c071fff800000"))
    assert (with_them.hundredths, with_them.utc_ms) == (99, NOON * 1000 + 990)
    assert (without.hundredths, without.utc_ms) == (None, NOON * 1000)


def test_the_day_of_week_says_nothing() -> None:
    assert meter_clock(octets("07ea041aff0c071f008000ff")).utc_s == NOON


@pytest.mark.parametrize(
    ("hexed", "field"),
    [
        ("ffff041a070c071f00800000", "year"),
        ("07eaff1a070c071f00800000", "month"),
        ("07ea0d1a070c071f00800000", "month"),
        ("07ea001a070c071f00800000", "month"),
        ("07ea04fe070c071f00800000", "day of month"),
        ("07ea0200070c071f00800000", "day of month"),
        ("07ea021d070c071f00800000", "day of month"),
        ("07ea041a0718071f00800000", "hour"),
        ("07ea041a07ff071f00800000", "hour"),
        ("07ea041a070c3c1f00800000", "minute"),
        ("07ea041a070cff1f00800000", "minute"),
        ("07ea041a070c073c00800000", "second"),
        ("07ea041a070c07ff00800000", "second"),
        ("07ea041a070c071f64800000", "hundredths"),
        ("07b20101070000000080 0000".replace(" ", ""), "year"),
    ],
)
def test_wildcards_and_parts_out_of_range_are_refused_by_name(hexed: str, field: str) -> None:
    with pytest.raises(MeterDecodeError, match=f"in '{field}' of date-time"):
        meter_clock(octets(hexed))


def test_a_wildcard_is_called_one() -> None:
    with pytest.raises(MeterDecodeError, match=r"got 255 .a wildcard: not specified. in 'hour'"):
        meter_clock(octets("07ea041a07ff071f00800000"))


def test_the_29th_of_february_is_there_in_leap_years() -> None:
    assert meter_clock(octets("07e8021d070c071f00800000")).utc_s == parse_instant("2024-02-29T12:07:31+05:30", "leap")


@pytest.mark.parametrize("count", [0, 5, 11, 13])
def test_a_date_time_has_twelve_octets(count: int) -> None:
    with pytest.raises(MeterDecodeError, match="12 octets"):
        meter_clock(bytes(count))


@given(st.integers(0, MAX_INSTANT - 40 * 86_400), st.sampled_from([None, -330]))
def test_an_instant_survives_both_ways(at: int, deviation: int | None) -> None:
    clock = meter_clock(date_time_octets(at, deviation))
    assert (clock.utc_s, clock.deviation_min) == (at, deviation)


def test_the_octets_of_an_instant_are_ist_wall_clock() -> None:
    assert date_time_octets(NOON, None).hex() == "07ea041aff0c071f00800000"
    assert date_time_octets(NOON, -330).hex() == "07ea041aff0c071f00feb600"


@given(st.binary(min_size=12, max_size=12))
def test_any_twelve_octets_are_an_instant_or_refused(raw: bytes) -> None:
    with contextlib.suppress(MeterDecodeError):
        assert meter_clock(raw).raw == raw


@given(st.binary(min_size=6, max_size=6))
def test_an_obis_code_survives_both_ways(raw: bytes) -> None:
    assert obis_octets(obis_text(raw)) == raw


@pytest.mark.parametrize("code", ["1.0.99.1.0", "1.0.99.1.0.256", "1-0:99.1.0.255", "", "1.0.99.1.0.255.1"])
def test_what_is_no_obis_code_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="expected an OBIS code"):
        Attribute(class_id=7, obis=code)


def test_a_logical_name_has_six_octets() -> None:
    with pytest.raises(MeterDecodeError, match="6 octets, got 5"):
        obis_text(bytes(5))


def test_an_attribute_names_itself() -> None:
    profile = Attribute(class_id=7, obis="1.0.99.1.0.255")
    assert str(profile.sibling(3)) == "1.0.99.1.0.255 (class 7) attribute 3"
    assert profile.octets().hex() == "00070100630100ff02"
