"""Readings as IES MeterData: blocks, registers at either end of their day, and what is left out."""

import json
from typing import Any

import pytest

from headend.imports import meter_data
from headend.imports.file import ImportRefusedError
from headend.imports.meter_data import parse_meter_data
from signing.interval import DAY_S, parse_instant
from signing.statements.meter_record import Stamps
from tests.headend.ies.schemas import EXAMPLES, example

DAY_0 = parse_instant("2026-05-04T00:00:00+05:30", "day")


def content(name: str) -> bytes:
    return (EXAMPLES / f"{name}.json").read_bytes()


def changed(name: str, change: Any) -> bytes:
    found = example(name)
    change(found)
    return json.dumps(found).encode()


@pytest.mark.parametrize("name", ["IntervalProfile", "IntervalProfile_Elaborated"])
def test_an_interval_profile_is_blocks(name: str) -> None:
    found = parse_meter_data(content(name))
    start = DAY_0 + 9 * 3600
    assert [(one.start_utc, one.period_s, one.import_wh, one.export_wh) for one in found.blocks] == [
        (start, 1800, 4620, 0),
        (start + 1800, 1800, 4850, 0),
        (start + 3600, 1800, 5210, 120),
        (start + 5400, 1800, 5040, 0),
    ]
    assert found.faults == ()
    assert (found.rows, found.registers) == (4, ())


def test_what_the_other_system_estimated_is_not_measured() -> None:
    assert [one.is_measured for one in parse_meter_data(content("IntervalProfile")).blocks] == [True, True, False, True]


@pytest.mark.parametrize("name", ["DailyProfile_ReadingMode", "DailyProfile_ReadingMode_Elaborated"])
@pytest.mark.parametrize(("stamps", "later_s"), [(Stamps.END, DAY_S), (Stamps.START, 0)])
def test_a_daily_reading_is_a_register_at_the_end_of_its_day_unless_it_is_said_otherwise(
    name: str, stamps: Stamps, later_s: int
) -> None:
    found = parse_meter_data(content(name), stamps)
    assert [(one.stamp_utc, one.import_wh, one.export_wh) for one in found.registers][:2] == [
        (DAY_0 + later_s, 1_000_000, None),
        (DAY_0 + DAY_S + later_s, 1_005_500, None),
    ]
    assert found.blocks == ()


def test_a_daily_usage_is_the_registers_at_its_edges_and_nothing_without_them() -> None:
    def with_edges(document: Any) -> None:
        document[0]["payloadDescriptorSets"][0]["payloadDescriptors"][0]["reportedMode"] = "USAGE"
        for row in document[1]["intervals"]:
            row["readings"] = [{"readingType": "kWh imp", "value": 1.5}]
        document[1]["intervals"][0]["readings"] = [
            {"readingType": "kWh imp", "value": 1.5, "openingValue": 10, "closingValue": 11.5}
        ]

    found = parse_meter_data(changed("DailyProfile_ReadingMode_Elaborated", with_edges))
    assert [(one.stamp_utc, one.import_wh) for one in found.registers] == [(DAY_0, 10_000), (DAY_0 + DAY_S, 11_500)]


def test_an_estimated_register_says_nothing_of_the_meter() -> None:
    def estimated(document: Any) -> None:
        document[1]["intervals"][0]["readings"][0]["validationStatus"] = "ESTIMATED"

    assert len(parse_meter_data(changed("DailyProfile_ReadingMode_Elaborated", estimated)).registers) == 3


def test_a_rejected_block_is_left_out() -> None:
    def rejected(document: Any) -> None:
        document[1]["intervals"][2]["overrides"][0]["validationStatus"] = "REJECTED"

    assert len(parse_meter_data(changed("IntervalProfile", rejected)).blocks) == 3


def test_an_energy_finer_than_a_wh_is_a_fault_and_a_register_is_cut() -> None:
    def finer(document: Any) -> None:
        document[1]["intervals"][0]["payloads"][0] = 0.8125

    (fault,) = parse_meter_data(changed("IntervalProfile", finer)).faults
    assert (fault.line, fault.got) == (2, "0.8125 kWh")

    def cut(document: Any) -> None:
        document[1]["intervals"][0]["payloads"][0] = 999.9999

    assert parse_meter_data(changed("DailyProfile_ReadingMode", cut)).registers[0].import_wh == 999_999


@pytest.mark.parametrize("text", ["1e29", "123456789012345678901234567", "1" + "0" * 2000])
@pytest.mark.parametrize(("name", "row"), [("DailyProfile_ReadingMode", 3), ("IntervalProfile", 0)])
def test_a_number_beyond_any_meter_is_a_fault_and_never_a_crash(name: str, row: int, text: str) -> None:
    def beyond(document: Any) -> None:
        document[1]["intervals"][row]["payloads"][0] = 424242

    faults = parse_meter_data(changed(name, beyond).replace(b"424242", text.encode())).faults
    assert [one.line for one in faults] == [2]


def test_a_number_is_not_rounded_into_whole_wh() -> None:
    def barely(document: Any) -> None:
        document[1]["intervals"][0]["payloads"][0] = 424242

    for text in ("1.0000000000000000000000000001", "1.00000000000000000000000000000000001"):
        found = parse_meter_data(changed("IntervalProfile", barely).replace(b"424242", text.encode()))
        assert (len(found.blocks), len(found.faults)) == (3, 1)


def test_a_fault_of_the_document_is_a_fault_of_the_file() -> None:
    def naive(document: Any) -> None:
        document[1]["intervalPeriod"]["start"] = "2026-05-04T09:00:00"

    (fault,) = parse_meter_data(changed("IntervalProfile", naive)).faults
    assert (fault.line, fault.column) == (2, "$[1].intervalPeriod.start")
    with pytest.raises(ImportRefusedError, match="send MeterData"):
        parse_meter_data(b"{")


def test_a_file_has_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_data, "MAX_ROWS", 4)
    parse_meter_data(content("IntervalProfile"))
    monkeypatch.setattr(meter_data, "MAX_ROWS", 3)
    with pytest.raises(ImportRefusedError, match="at most 3 intervals"):
        parse_meter_data(content("IntervalProfile"))
