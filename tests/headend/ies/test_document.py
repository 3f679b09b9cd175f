"""Reading MeterData: the published examples, and every fault that must be found, also those that the published validator lets through."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.ies.document import MeterRef, read
from headend.ies.nodes import MAX_FAULTS
from ledger_client.exact_json import loads_strict
from tests.headend.ies.schemas import EXAMPLES

INTERVAL = loads_strict((EXAMPLES / "IntervalProfile.json").read_bytes())
ELABORATED = loads_strict((EXAMPLES / "IntervalProfile_Elaborated.json").read_bytes())
DAILY = loads_strict((EXAMPLES / "DailyProfile_ReadingMode.json").read_bytes())

Place = tuple[Any, ...]


def changed(document: Any, place: Place, value: Any) -> Any:
    """A copy with another value at a place; `...` takes the key away."""
    found = copy.deepcopy(document)
    row = found
    for step in place[:-1]:
        row = row[step]
    if value is ...:
        del row[place[-1]]
    else:
        row[place[-1]] = value
    return found


@pytest.mark.parametrize("name", sorted(file.stem for file in EXAMPLES.glob("*Profile*.json")))
def test_the_published_examples_are_read_without_a_fault(name: str) -> None:
    found = read(loads_strict((EXAMPLES / f"{name}.json").read_bytes()))
    assert found.faults == ()
    assert len(found.profiles) == 1


def test_both_forms_of_one_profile_say_the_same() -> None:
    compact, elaborated = (read(one).profiles[0] for one in (INTERVAL, ELABORATED))
    assert [(row.start_utc, {name: cell.value for name, cell in row.cells.items()}) for row in compact.rows] == [
        (row.start_utc, {name: cell.value for name, cell in row.cells.items()}) for row in elaborated.rows
    ]


def test_a_profile_names_its_meter() -> None:
    (profile,) = read(INTERVAL).profiles
    value = "did:web:discom.example:assets:meter:DISCOM-SM-2025-654321"
    assert profile.meter == (MeterRef(scheme="DID", value=value),)


def test_an_override_marks_its_own_cell_alone() -> None:
    third = read(INTERVAL).profiles[0].rows[2]
    assert [(cell.status, cell.source) for cell in third.cells.values()] == [
        ("ESTIMATED", "ESTIMATED"),
        ("VALID", None),
    ]


def test_profiles_of_other_kinds_are_passed_over() -> None:
    found = read(loads_strict((EXAMPLES / "MultiMeterBulkDatasetShortCodes.json").read_bytes()))
    assert (len(found.profiles), found.passed_over) == (4, 8)


PERIOD = (1, "intervalPeriod")
ROW = (1, "intervals", 0)
OVERRIDE = (1, "intervals", 2, "overrides", 0)
DESCRIPTOR = (0, "payloadDescriptorSets", 0, "payloadDescriptors", 0)
ITEM = (0, "payloadDescriptorSets", 0, "compactSequences", 0, "sequenceItems", 0)

FAULTS: list[tuple[Place, Any, str]] = [
    # What the published validator lets through.
    ((*ROW, "payloads", 0), -1, "no negative 'kWh imp block'"),
    ((*PERIOD, "duration"), "PT7M", "900 or 1800 or 3600 s for INTERVAL"),
    ((*PERIOD, "duration"), "P1D", "900 or 1800 or 3600 s for INTERVAL"),
    ((*PERIOD, "start"), "2026-05-04T09:00:00", "a date-time in whole seconds with its zone"),
    ((*PERIOD, "start"), "2026-05-04T09:00:01+05:30", "an edge of 1800 s from IST midnight"),
    ((*DESCRIPTOR, "reportedMode"), "READING", "a mode of 'kWh imp block'"),
    ((*OVERRIDE, "descriptorIndex"), 2, "a whole number from 0 to 1"),
    ((*OVERRIDE, "validationStatus"), "GOOD", "one of VALID, ESTIMATED"),
    ((*OVERRIDE, "source"), "AIR", "one of METER, HES"),
    ((*OVERRIDE, "zone"), 9, "a whole number from 1 to 8"),
    ((*OVERRIDE, "sorce"), "METER", "no such property"),
    ((*ROW, "note"), "x", "no such property"),
    ((1, "customerName"), "x", "no such property"),
    ((0, "extra"), 1, "no such property"),
    ((*DESCRIPTOR, "extra"), 1, "no such property"),
    ((*PERIOD, "end"), "x", "no such property"),
    ((*ITEM, "extra"), 1, "no such property"),
    ((*ITEM[:-2], "extra"), 1, "no such property"),
    ((0, "payloadDescriptorSets", 0, "extra"), 1, "no such property"),
    ((1, "meterRefs", 0, "extra"), 1, "no such property"),
    # What it finds too.
    ((*ROW, "payloads", 0), None, "a number"),
    ((*ROW, "payloads", 0), "4.62", "a number"),
    ((*ROW, "payloads", 0), True, "a number"),
    ((*ROW, "payloads"), [1], "2 cells"),
    ((*ROW, "payloads"), ..., "a list of at least 1"),
    ((*ROW, "id"), -1, "a whole number from 0"),
    ((1, "intervals", 1, "id"), 0, "a number above 0"),
    ((1, "payloadDescriptorSetRef"), "DESC-INTERVALPROFILE", "the name of a set of this document"),
    ((1, "payloadDescriptorSetRef"), ..., "a text"),
    ((1, "compactSequenceRef"), "Other", "a sequence of set"),
    ((1, "compactSequenceRef"), ..., "a compactSequenceRef in the profile"),
    ((1, "meterRefs"), [], "a list of at least 1"),
    ((1, "meterRefs", 0, "scheme"), "SERIAL", "one of METER_SERIAL"),
    ((1, "intervalPeriod"), ..., "an object"),
    ((1, "profileType"), "HOURLY", "one of INTERVAL"),
    ((1, "profileType"), "DAILY", "86400 s for DAILY"),
    ((*DESCRIPTOR, "readingType"), "kWh imp", "a quantity of this set"),
    ((*DESCRIPTOR, "readingType"), "kWh sideways", "a label or code of the IES list"),
    ((*DESCRIPTOR, "name"), "kWh", "'Active energy import - block incremental"),
    ((*DESCRIPTOR, "obis"), "1.0.2.29.0.255", "'1.0.1.29.0.255' as the IES list has it"),
    ((*DESCRIPTOR, "unit"), "Wh", "one of kWh"),
    ((*DESCRIPTOR, "flowDirection"), "EXPORT", "'IMPORT' as the IES list has it"),
    ((*DESCRIPTOR, "multiplier"), 0, "a factor above 0"),
    ((*ITEM, "readingType"), "kVAh imp block", "a quantity of this set"),
    ((*ITEM, "attribute"), "total", "one of value"),
    ((0, "payloadDescriptorSets", 0, "compactSequences", 0, "name"), 5, "a text"),
    ((0, "id"), ..., "a text"),
    ((*ROW, "readings"), [], "payloads alone in a compact profile"),
    ((1, "intervals", 2, "overrides"), [5], "an object"),
    ((1, "intervals", 2, "overrides"), [{"descriptorIndex": 0}, {"descriptorIndex": 0}], "each cell once"),
    ((1, "intervals", 0), 5, "an object"),
    (
        (0, "payloadDescriptorSets", 0, "payloadDescriptors", 1, "readingType"),
        "kWh imp block",
        "each quantity once in a set",
    ),
    ((*DESCRIPTOR, "readingType"), ..., "a text"),
    ((*ITEM, "readingType"), ..., "a text"),
    ((*DESCRIPTOR, "accuracy"), "fine", "a number"),
    ((*ITEM, "attribute"), "occurredAt", "a date-time with its zone"),
    ((*ITEM, "attribute"), "validationStatus", "one of VALID"),
    ((*ITEM, "attribute"), "openingValue", "a value of 'kWh imp block'"),
    ((0, "payloadDescriptorSets", 0, "name"), ..., "a text"),
    ((1, "intervalPeriod", "duration"), ..., "a text"),
]


@pytest.mark.parametrize(("place", "value", "message"), FAULTS)
def test_a_fault_is_named_with_its_place(place: Place, value: Any, message: str) -> None:
    words = [fault.words for fault in read(changed(INTERVAL, place, value)).faults]
    assert any(message in line for line in words), words


READING = (1, "intervals", 0, "readings", 0)
OF_READINGS: list[tuple[Place, Any, str]] = [
    ((*READING, "value"), -5, "no negative 'kWh imp block'"),
    ((*READING, "value"), None, "a number"),
    ((*READING, "value"), ..., "a number"),
    ((*READING, "readingType"), "kVAh imp block", "a quantity of set"),
    ((*READING, "readingType"), "kWh exp block", "each quantity once in an interval"),
    ((*READING, "validationStatus"), "OK", "one of VALID"),
    ((*READING, "reportedMode"), "USAGE", "no such property"),
    ((*READING, "occurredAt"), "2026-05-04T09:00:00", "with its zone"),
    ((1, "intervals", 0, "readings"), [], "a list of at least 1"),
    ((*READING, "readingType"), ..., "a text"),
]


@pytest.mark.parametrize(("place", "value", "message"), OF_READINGS)
def test_a_fault_of_a_reading_is_named_with_its_place(place: Place, value: Any, message: str) -> None:
    words = [fault.words for fault in read(changed(ELABORATED, place, value)).faults]
    assert any(message in line for line in words), words


def test_opening_and_closing_values_make_up_a_usage_also_of_blocks() -> None:
    good = changed(
        changed(ELABORATED, (*READING, "openingValue"), 10), (*READING, "closingValue"), loads_strict(b"14.62")
    )
    assert read(good).faults == ()
    assert "equal to closing minus opening" in read(changed(good, (*READING, "closingValue"), 15)).faults[0].words


def test_a_register_never_falls_and_has_no_opening() -> None:
    assert read(DAILY).faults == ()
    fallen = changed(DAILY, (1, "intervals", 1, "payloads", 0), 999)
    assert "no less of 'kWh imp' than before" in read(fallen).faults[0].words
    opened = loads_strict((EXAMPLES / "DailyProfile_ReadingMode_Elaborated.json").read_bytes())
    words = [fault.words for fault in read(changed(opened, (*READING, "openingValue"), 1)).faults]
    assert any("reportedMode USAGE beside it" in line for line in words)


def test_a_sequence_may_say_the_status_of_a_cell() -> None:
    found = changed(INTERVAL, ITEM, {"readingType": "kWh exp block", "attribute": "validationStatus"})
    for row in found[1]["intervals"]:
        row["payloads"][0] = "ESTIMATED"
        row.pop("overrides", None)
    profile = read(found).profiles[0]
    assert read(found).faults == ()
    assert {cell.status for row in profile.rows for cell in row.cells.values()} == {"ESTIMATED"}


def test_an_override_of_a_cell_that_is_no_value_changes_nothing_else() -> None:
    found = changed(INTERVAL, (1, "intervals", 2, "payloads", 0), "x")
    words = [fault.words for fault in read(found).faults]
    assert words == ["expected a number, got x in '$[1].intervals[2].payloads[0]'"]


def test_two_sets_and_two_sequences_of_one_name_are_faults() -> None:
    twice: Any = copy.deepcopy(INTERVAL)
    one = twice[0]["payloadDescriptorSets"][0]
    one["compactSequences"] *= 2
    twice[0]["payloadDescriptorSets"] *= 2
    words = [fault.words for fault in read(twice).faults]
    assert any("each sequence once" in line for line in words)
    assert any("each set once" in line for line in words)


def test_an_opening_value_needs_a_usage_also_in_a_sequence() -> None:
    item = {"readingType": "kWh imp", "attribute": "openingValue"}
    found = changed(DAILY, (0, "payloadDescriptorSets", 0, "compactSequences", 0, "sequenceItems", 0), item)
    assert any("with reportedMode USAGE only" in fault.words for fault in read(found).faults)


def test_of_a_hopeless_document_only_the_first_faults_are_listed() -> None:
    found = changed(INTERVAL, (1, "intervals"), [{"id": place, "payloads": ["x", "y"]} for place in range(300)])
    assert len(read(found).faults) == MAX_FAULTS


def test_a_block_code_is_no_quantity_of_a_day() -> None:
    found = changed(
        changed(INTERVAL, (1, "profileType"), "DAILY"),
        (1, "intervalPeriod"),
        {"start": "2026-05-04T00:00:00+05:30", "duration": "P1D"},
    )
    assert any("a quantity of DAILY" in fault.words for fault in read(found).faults)


def test_data_need_a_descriptor_beside_them() -> None:
    assert any("a DESCRIPTOR profile beside the data" in fault.words for fault in read(INTERVAL[1:]).faults)  # type: ignore[index]  # a list
    assert read([]).faults
    assert read(None).faults


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["profileType", "meterRefs", "intervals", "id", "payloads", "intervalPeriod", "start"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_no_document_breaks_the_reader(document: object) -> None:
    found = read(document)
    assert found.faults or found.profiles or found.passed_over
