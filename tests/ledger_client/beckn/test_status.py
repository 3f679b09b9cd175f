"""Questions: every shape and spelling that is in use is read, and everything else refused with its code and place."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.beckn import series as series_module
from ledger_client.beckn import status as status_module
from ledger_client.beckn.context import Identifiers
from ledger_client.beckn.fields import MAX_BODY_BYTES, MAX_TEXT
from ledger_client.beckn.refusal import Code, RefusedError
from ledger_client.beckn.series import MAX_SLOTS
from ledger_client.beckn.status import Shape, StatusRequest, read_status
from ledger_client.signature import digest
from signing.interval import Interval
from tests.ledger_client.beckn.messages import (
    COMMITMENT,
    HOUR,
    ITEM,
    METER,
    RESOURCE,
    SERIES,
    START_UTC,
    STATUS,
    Missing,
    Path,
    attributes,
    changed,
    dotted,
    series,
)


def windows(request: StatusRequest) -> list[tuple[int, int]]:
    """What is asked, in hours after the start."""
    return [
        ((one.window.start_utc - START_UTC) // HOUR, (one.window.end_utc - START_UTC) // HOUR) for one in request.wanted
    ]


def refusal(body: bytes) -> tuple[Code, str]:
    with pytest.raises(RefusedError) as caught:
        read_status(body)
    return caught.value.refusal.code, caught.value.refusal.path


# --- what is read


def test_the_devkits_question_is_read() -> None:
    body = json.dumps(STATUS).encode()
    request = read_status(body)
    assert (request.context.message_id, request.contract_id) == (
        "5a2d6940-71cc-44c7-b27b-d38c06ab929b", "0d8f3a52-3a2b-4c55-8a35-7f7f1d1d2e01",
    )  # fmt: skip
    assert request.context.caller_id == "ledger.example.org"
    assert request.context.callback_url == "https://ledger.example.org/bap/receiver/on_status"
    assert request.body_digest == digest(body)
    (item,) = request.items
    assert (item.shape, item.is_array, item.resource_id, item.coverage) == (
        Shape.DATASET, True, "ds-req-1", "2026-04-26T04:30:00Z/2026-04-26T06:30:00Z",
    )  # fmt: skip
    (one,) = item.series
    assert (one.meter_id, one.client_name, one.payload_type) == (METER, "TEST_DISCOM_SELLER", "ENERGY_CONSUMPTION")
    assert windows(request) == [(0, 1), (1, 2)]


def test_a_payload_that_is_one_object_is_read() -> None:
    (item,) = read_status(changed(((*ITEM, "dataPayload"), series()))).items
    assert (item.is_array, len(item.series)) == (False, 1)


def test_the_guides_shape_is_read() -> None:
    request = read_status(attributes())
    assert [item.shape for item in request.items] == [Shape.ATTRIBUTES]
    assert windows(request) == [(0, 1), (1, 2)]


def test_a_question_without_resources_is_read_in_the_guides_shape() -> None:
    body = changed(((*COMMITMENT, "resources"), Missing), ((*COMMITMENT, "commitmentAttributes"), series()))
    assert windows(read_status(body)) == [(0, 1), (1, 2)]


def test_several_meters_and_items_are_read_in_order() -> None:
    whole = json.loads(changed(((*ITEM, "dataPayload"), [series(), series(resourceName="M2")])))
    (commitment,) = whole["message"]["contract"]["commitments"]
    whole["message"]["contract"]["commitments"] = [commitment, commitment]
    commitment["resources"] = commitment["resources"] * 2
    request = read_status(json.dumps(whole).encode())
    assert [item.commitment for item in request.items] == [0, 0, 1, 1]
    assert [one.meter_id for one in request.series] == [METER, "M2"] * 4
    assert len(request.wanted) == 4


@pytest.mark.parametrize("name", ["meterId", "dataset:resourceName", "dataset:meterId"])
def test_a_meter_under_an_older_name_is_read(name: str) -> None:
    body = changed((SERIES, series(resourceName=Missing, **{name: "did:web:x:meters:1"})))
    assert read_status(body).series[0].meter_id == "did:web:x:meters:1"


@pytest.mark.parametrize("name", ["discomId", "utilityId", "dataset:clientName"])
def test_a_discom_under_an_older_name_is_read(name: str) -> None:
    body = changed((SERIES, series(clientName=Missing, **{name: "PVVNL-DL"})))
    assert read_status(body).series[0].client_name == "PVVNL-DL"
    assert read_status(changed(((*SERIES, "clientName"), Missing))).series[0].client_name is None


def test_the_older_word_for_energy_is_kept_for_the_answer() -> None:
    body = changed(((*SERIES, "payloadDescriptors", 0, "payloadType"), "ACTUAL_PULLED"))
    assert read_status(body).series[0].payload_type == "ACTUAL_PULLED"


def test_other_columns_beside_the_energy_are_passed_over() -> None:
    other = {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "PRICE_PER_KWH", "currency": "INR"}
    energy = series()["payloadDescriptors"][0]
    assert read_status(changed(((*SERIES, "payloadDescriptors"), [other, energy]))).series


@pytest.mark.parametrize(
    ("context", "kept"),
    [
        ("https://schema.nfh.global/DatasetItem/1.1/context.jsonld", None),
        (Missing, "https://schema.nfh.global/DatasetItem/v1.1/context.jsonld"),
    ],
)
def test_both_spellings_of_the_datasets_context_are_kept(context: Any, kept: str | None) -> None:
    assert read_status(changed(((*ITEM, "@context"), context))).items[0].dataset_context == (kept or context)


def test_ids_may_be_texts_and_values_may_be_filled() -> None:
    intervals = [{"id": "0", "payloads": [{"type": "ENERGY_CONSUMPTION", "values": [7]}]}, {"id": "1"}]
    assert windows(read_status(changed(((*SERIES, "intervals"), intervals)))) == [(0, 1), (1, 2)]


def test_unknown_fields_are_passed_over() -> None:
    body = changed((("context", "ttl"), "PT30S"), (("more",), 1), ((*SERIES, "more"), {}), ((*RESOURCE, "more"), 1))
    assert read_status(body).wanted


@pytest.mark.parametrize("at", ["2026-04-27T03:35:00.123Z", "2026-04-27T09:05:00+05:30"])
def test_a_message_is_written_at_any_instant(at: str) -> None:
    assert read_status(changed((("context", "timestamp"), at))).wanted


def test_ids_that_are_no_uuids_are_taken_unless_they_are_to_be() -> None:
    body = changed((("context", "messageId"), "sdiscom-allocate-001"))
    assert read_status(body).context.message_id == "sdiscom-allocate-001"
    with pytest.raises(RefusedError, match=r"expected a UUID in 'context\.messageId'"):
        read_status(body, Identifiers.UUID)
    assert read_status(changed(), Identifiers.UUID).wanted
    with pytest.raises(RefusedError, match="transactionId"):
        read_status(changed((("context", "transactionId"), "x")), Identifiers.UUID)


# --- which intervals are asked


def test_a_question_that_lists_fewer_than_it_covers_asks_for_all() -> None:
    covers = ((*ITEM, "schema:temporalCoverage"), "2026-04-26T04:30:00Z/2026-04-26T08:30:00Z")
    first = ((*SERIES, "intervals"), [{"id": 0}])
    request = read_status(changed(covers, first))
    assert windows(request) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert [slot.id for slot in request.series[0].slots] == [0, 1, 2, 3]


def test_a_coverage_that_begins_before_the_period_is_covered_from_its_start() -> None:
    covers = ((*ITEM, "schema:temporalCoverage"), "2026-04-26T02:30:00Z/2026-04-26T06:30:00Z")
    request = read_status(changed(covers))
    assert windows(request) == [(-2, -1), (-1, 0), (0, 1), (1, 2)]
    slots = request.series[0].slots
    assert len({slot.id for slot in slots}) == 4
    assert [request.series[0].is_regular(slot) for slot in slots] == [False, False, True, True]


def test_a_part_of_an_interval_at_the_edge_of_a_coverage_is_not_asked() -> None:
    covers = ((*ITEM, "schema:temporalCoverage"), "2026-04-26T04:00:00Z/2026-04-26T07:00:00Z")
    assert windows(read_status(changed(covers))) == [(0, 1), (1, 2)]


def test_what_is_listed_outside_of_the_coverage_is_asked_too() -> None:
    listed = ((*SERIES, "intervals"), [{"id": 0}, {"id": 5}])
    request = read_status(changed(listed))
    assert windows(request) == [(0, 1), (1, 2), (5, 6)]
    assert [slot.id for slot in request.series[0].slots] == [0, 1, 5]


def test_an_interval_before_the_listed_ones_has_the_id_of_its_place() -> None:
    request = read_status(changed(((*SERIES, "intervals"), [{"id": 1}])))
    assert [slot.id for slot in request.series[0].slots] == [0, 1]


def test_names_that_are_missing_have_names_of_their_own() -> None:
    (item,) = read_status(
        changed(((*RESOURCE, "id"), Missing), ((*ITEM, "schema:name"), Missing), ((*COMMITMENT, "offer"), Missing))
    ).items
    assert (item.resource_id, item.name, item.offer_id, item.commitment_id) == (
        "ds-req-1", "Meter actuals", "offer-meter-actuals", None,
    )  # fmt: skip
    bare = changed(((*RESOURCE, "id"), Missing), ((*ITEM, "schema:identifier"), Missing))
    assert read_status(bare).items[0].resource_id == "meter-actuals"
    whole = json.loads(attributes())
    (commitment,) = whole["message"]["contract"]["commitments"]
    assert read_status(json.dumps(whole).encode()).items[0].resource_id == "ds-req-1"
    del commitment["resources"][0]["id"]
    assert read_status(json.dumps(whole).encode()).items[0].resource_id == "meter-actuals"


def test_names_that_are_there_are_kept() -> None:
    body = changed(
        ((*RESOURCE, "id"), "r"),
        ((*ITEM, "schema:name"), "n"),
        ((*COMMITMENT, "offer", "id"), "o"),
        ((*COMMITMENT, "id"), "c"),
    )
    (item,) = read_status(body).items
    assert (item.resource_id, item.name, item.offer_id, item.commitment_id) == ("r", "n", "o", "c")
    older = changed(((*ITEM, "schema:name"), Missing), ((*ITEM, "dataset:name"), "n"))
    assert read_status(older).items[0].name == "n"


def test_without_a_coverage_only_what_is_listed_is_asked() -> None:
    body = changed(((*ITEM, "schema:temporalCoverage"), Missing), ((*SERIES, "intervals"), [{"id": 1}]))
    assert windows(read_status(body)) == [(1, 2)]


def test_an_interval_that_says_where_it_is_is_there() -> None:
    own = {"start": "2026-04-26T10:30:00Z", "duration": "PT2H"}
    listed = ((*SERIES, "intervals"), [{"id": 0}, {"id": 7, "intervalPeriod": own}])
    request = read_status(changed(listed))
    assert windows(request) == [(0, 1), (1, 2), (6, 8)]
    without = ((*SERIES, "intervals"), [{"id": 7, "intervalPeriod": {"start": "2026-04-26T10:30:00Z"}}])
    assert (6, 7) in windows(read_status(changed(without)))


def test_an_id_that_is_taken_is_given_to_no_other_interval() -> None:
    own = {"start": "2026-04-26T04:30:00Z", "duration": "PT1H"}
    request = read_status(changed(((*SERIES, "intervals"), [{"id": 1, "intervalPeriod": own}])))
    assert windows(request) == [(0, 1), (1, 2)]
    assert len({slot.id for slot in request.series[0].slots}) == 2


@pytest.mark.parametrize("duration", ["PT15M", "PT900S", "PT0H15M", "P0DT15M"])
def test_one_length_has_several_spellings(duration: str) -> None:
    request = read_status(changed(((*SERIES, "intervalPeriod", "duration"), duration)))
    assert len(request.wanted) == 8
    assert request.series[0].duration == duration


def test_a_coverage_may_end_with_a_duration() -> None:
    covers = ((*ITEM, "schema:temporalCoverage"), "2026-04-26T10:00:00+05:30/PT3H")
    assert windows(read_status(changed(covers))) == [(0, 1), (1, 2), (2, 3)]


# --- what is refused

REQUIRED: list[Path] = [
    ("context",),
    *(
        ("context", name)
        for name in (
            "networkId", "version", "action", "bapId", "bapUri", "bppId", "bppUri", "transactionId", "messageId", "timestamp",
        )
    ),
    ("message",),
    ("message", "contract"),
    ("message", "contract", "id"),
    ("message", "contract", "commitments"),
    ITEM,
    (*ITEM, "dataPayload"),
    (*SERIES, "resourceName"),
    (*SERIES, "intervalPeriod"),
    (*SERIES, "intervalPeriod", "start"),
    (*SERIES, "intervalPeriod", "duration"),
    (*SERIES, "payloadDescriptors"),
    (*SERIES, "intervals"),
    (*SERIES, "intervals", 0, "id"),
]  # fmt: skip


@pytest.mark.parametrize("path", REQUIRED, ids=dotted)
def test_a_field_that_is_missing_is_named(path: Path) -> None:
    assert refusal(changed((path, Missing))) == (Code.REQUIRED_FIELD_MISSING, dotted(path))
    assert refusal(changed((path, None)))[0] is Code.REQUIRED_FIELD_MISSING


ELSEWHERE = {
    dotted((*SERIES, "payloadDescriptors", 0, "payloadType")): dotted((*SERIES, "payloadDescriptors")),
    dotted((*SERIES, "intervals", 0, "intervalPeriod")): dotted((*SERIES, "intervals", 0, "intervalPeriod", "start")),
}
"""Refusals that name the whole, or the part that is missing."""

WRONG: list[tuple[Path, object, Code]] = [
    (("context",), [], Code.INVALID_FORMAT),
    (("context", "version"), "1.1.0", Code.INVALID_ENUM),
    (("context", "action"), "on_status", Code.INVALID_ENUM),
    (("context", "bapId"), 7, Code.INVALID_FORMAT),
    (("context", "bapId"), "", Code.INVALID_FORMAT),
    (("context", "bapId"), "a\nb", Code.INVALID_FORMAT),
    (("context", "bapId"), "\ud800", Code.INVALID_FORMAT),
    (("context", "bapId"), "x" * (MAX_TEXT + 1), Code.INVALID_FORMAT),
    (("context", "bapUri"), "http://ledger.example.org/bap/receiver", Code.INVALID_FORMAT),
    (("context", "bapUri"), "ledger.example.org", Code.INVALID_FORMAT),
    (("context", "bapUri"), "https://user:pass@ledger.example.org", Code.INVALID_FORMAT),
    (("context", "bapUri"), "https://ledger.example.org/?a=b", Code.INVALID_FORMAT),
    (("context", "bapUri"), "https://ledger.example.org:x/", Code.INVALID_FORMAT),
    (("context", "bapUri"), "https:///bap", Code.INVALID_FORMAT),
    (("context", "bppUri"), "file:///etc/passwd", Code.INVALID_FORMAT),
    (("context", "timestamp"), "2026-04-27T03:35:00", Code.INVALID_FORMAT),
    (("context", "timestamp"), "yesterday", Code.INVALID_FORMAT),
    (("message", "contract", "commitments"), [], Code.SCHEMA_VALIDATION_FAILED),
    (("message", "contract", "commitments"), {}, Code.INVALID_FORMAT),
    (COMMITMENT, "x", Code.INVALID_FORMAT),
    ((*COMMITMENT, "offer"), "x", Code.INVALID_FORMAT),
    (RESOURCE, 1, Code.INVALID_FORMAT),
    ((*ITEM, "@type"), "MeterData", Code.TYPE_NOT_SUPPORTED),
    ((*ITEM, "schema:temporalCoverage"), "2026-04-26T04:30:00Z", Code.INVALID_FORMAT),
    ((*ITEM, "schema:temporalCoverage"), "2026-04-26T06:30:00Z/2026-04-26T04:30:00Z", Code.INVALID_FORMAT),
    ((*ITEM, "schema:temporalCoverage"), "2026-04-26T04:30:00Z/2026-05-27T04:30:01Z", Code.INVALID_FORMAT),
    ((*ITEM, "dataPayload"), [], Code.SCHEMA_VALIDATION_FAILED),
    ((*ITEM, "dataPayload"), 7, Code.INVALID_FORMAT),
    (SERIES, [], Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "start"), "2026-04-26T04:30:00", Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "start"), "2026-04-26T04:30:00.5Z", Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "start"), "1969-12-31T23:59:59Z", Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "duration"), "1H", Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "duration"), "PT0S", Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "duration"), "PT", Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "duration"), "P", Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "duration"), "P1M", Code.INVALID_FORMAT),
    ((*SERIES, "intervalPeriod", "duration"), "P32D", Code.INVALID_FORMAT),
    ((*SERIES, "payloadDescriptors"), [], Code.SCHEMA_VALIDATION_FAILED),
    ((*SERIES, "payloadDescriptors", 0, "payloadType"), "REQUESTED_QTY", Code.TYPE_NOT_SUPPORTED),
    ((*SERIES, "payloadDescriptors", 0, "units"), "KW", Code.INVALID_ENUM),
    ((*SERIES, "intervals"), [], Code.SCHEMA_VALIDATION_FAILED),
    ((*SERIES, "intervals", 0), 7, Code.INVALID_FORMAT),
    ((*SERIES, "intervals", 0, "id"), -1, Code.INVALID_FORMAT),
    ((*SERIES, "intervals", 0, "id"), True, Code.INVALID_FORMAT),
    ((*SERIES, "intervals", 0, "id"), 10**9, Code.INVALID_FORMAT),
    ((*SERIES, "intervals", 0, "id"), "x", Code.INVALID_FORMAT),
    ((*SERIES, "intervals", 1, "id"), 0, Code.INVALID_FORMAT),
    ((*SERIES, "intervals", 1), {"id": 999_999_999}, Code.INVALID_FORMAT),
    ((*SERIES, "intervals", 0, "intervalPeriod"), {}, Code.REQUIRED_FIELD_MISSING),
]


@pytest.mark.parametrize(
    ("path", "value", "code"), WRONG, ids=[f"{dotted(path)}={value!r:.30}" for path, value, _ in WRONG]
)
def test_a_value_that_cannot_be_is_refused_with_its_place(path: Path, value: object, code: Code) -> None:
    got, place = refusal(changed((path, value)))
    assert got is code
    assert place == ELSEWHERE.get(dotted(path), dotted(path))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.INVALID_JSON),
        (b"\xff", Code.INVALID_JSON),
        (b"[]", Code.INVALID_FORMAT),
        (b"null", Code.INVALID_FORMAT),
        (b'{"context":{},"context":{}}', Code.INVALID_JSON),
        (b"[" * 100_000, Code.INVALID_JSON),
        (b" " * (MAX_BODY_BYTES + 1), Code.INVALID_FORMAT),
    ],
    ids=["empty", "no UTF-8", "array", "null", "a key twice", "deep", "long"],
)
def test_a_body_that_is_no_message_is_refused(body: bytes, code: Code) -> None:
    assert refusal(body)[0] is code


def test_a_body_on_the_bound_is_looked_at_and_a_span_without_an_end_is_named() -> None:
    assert refusal(b" " * MAX_BODY_BYTES)[0] is Code.INVALID_JSON
    with pytest.raises(RefusedError, match="expected start/end"):
        read_status(changed(((*ITEM, "schema:temporalCoverage"), "2026-04-26T04:30:00Z")))


def test_a_question_cut_off_anywhere_is_refused() -> None:
    body = changed()
    for length in range(0, len(body), 7):
        assert refusal(body[:length])[0] is Code.INVALID_JSON
    assert refusal(body + b"x")[0] is Code.INVALID_JSON


def test_a_month_of_quarter_hours_is_the_most_that_one_series_asks() -> None:
    quarter = ((*SERIES, "intervalPeriod", "duration"), "PT15M")
    first = ((*SERIES, "intervals"), [{"id": 0}])
    month = ((*ITEM, "schema:temporalCoverage"), "2026-04-26T04:30:00Z/2026-05-27T04:30:00Z")
    assert len(read_status(changed(quarter, first, month)).wanted) == MAX_SLOTS == 2976
    finer = ((*SERIES, "intervalPeriod", "duration"), "PT14M")
    assert refusal(changed(finer, first, month)) == (Code.SCHEMA_VALIDATION_FAILED, dotted(SERIES))
    listed = [{"id": number} for number in range(MAX_SLOTS + 1)]
    assert refusal(changed(((*SERIES, "intervals"), listed)))[0] is Code.SCHEMA_VALIDATION_FAILED
    assert len(read_status(changed(quarter, ((*SERIES, "intervals"), listed[:-1]))).wanted) == MAX_SLOTS


@pytest.mark.parametrize("name", ["\u0663", "1" * 10, "1" * 5000, "", "-1", "1.0", " 1"])
def test_an_id_that_is_a_text_and_no_number_is_refused(name: str) -> None:
    code, path = refusal(changed(((*SERIES, "intervals", 0, "id"), name)))
    assert (code, path) == (Code.INVALID_FORMAT, dotted((*SERIES, "intervals", 0, "id")))


@pytest.mark.parametrize("name", ["999999999", 999_999_999])
def test_an_id_on_the_bound_is_taken(name: object) -> None:
    own = {"start": "2026-04-26T04:30:00Z", "duration": "PT1H"}
    (first, _) = read_status(changed(((*SERIES, "intervals"), [{"id": name, "intervalPeriod": own}]))).series[0].slots
    assert first.id == 999_999_999


def test_a_question_has_a_budget_over_all_its_series(monkeypatch: pytest.MonkeyPatch) -> None:
    two = changed(((*ITEM, "dataPayload"), [series(), series(resourceName="M2")]))
    for name, most in (("MAX_SERIES", 2), ("MAX_SLOTS_OF_A_QUESTION", 4)):
        budget = status_module._Budget
        kept = {"series": 9, "slots": 9} | {"series" if name == "MAX_SERIES" else "slots": most}
        monkeypatch.setattr(status_module, "_Budget", lambda kept=kept, budget=budget: budget(**kept))
        assert read_status(two).wanted
        kept |= {key: value - 1 for key, value in kept.items() if value == most}
        assert refusal(two) == (Code.SCHEMA_VALIDATION_FAILED, dotted((*ITEM, "dataPayload", 1)))
        monkeypatch.setattr(status_module, "_Budget", budget)


def test_an_attribute_that_is_no_energy_is_refused() -> None:
    descriptors = [{"payloadType": "FINAL_ALLOC", "units": "KWH"}]
    code, path = refusal(attributes(series(payloadDescriptors=descriptors)))
    assert code is Code.TYPE_NOT_SUPPORTED
    assert path == dotted((*COMMITMENT, "commitmentAttributes", "payloadDescriptors"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PATHS = sorted({*REQUIRED, *(path for path, _, _ in WRONG)}, key=dotted)


@given(st.lists(st.tuples(st.sampled_from(PATHS), json_values), min_size=1, max_size=3))
def test_whatever_stands_anywhere_is_read_or_refused(changes: list[tuple[Path, object]]) -> None:
    try:
        body = changed(*changes)
    except (KeyError, TypeError, IndexError):
        return
    with contextlib.suppress(RefusedError):
        assert read_status(body).wanted


@given(st.binary(max_size=60))
def test_whatever_bytes_come_are_refused(body: bytes) -> None:
    assert refusal(body)[0] in (Code.INVALID_JSON, Code.INVALID_FORMAT, Code.REQUIRED_FIELD_MISSING)


def test_ids_of_a_series_are_unique() -> None:
    slot = series_module.Slot(id=1, window=Interval(START_UTC, START_UTC + HOUR))
    one = read_status(changed()).series[0]
    with pytest.raises(ValueError, match="every id once"):
        series_module.SeriesRequest(
            meter_id="m", client_name=None, payload_type="ENERGY_CONSUMPTION", start=one.start, duration=one.duration,
            period=one.period, slots=(slot, slot),
        )  # fmt: skip
