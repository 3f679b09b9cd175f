"""Answers: signed net energies of every interval that is known, in the words and the shape of the question."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.beckn.context import Action, Context
from ledger_client.beckn.on_status import AnswerForm, EvidenceColumn, Figure, on_status
from ledger_client.beckn.status import Shape, StatusRequest, Wanted, read_status, unsolicited
from ledger_client.ledger import LedgerProtocolError, Side
from ledger_client.sandbox.actuals import read_on_status
from signing.energy import MAX_WH
from signing.interval import Interval
from tests.ledger_client.beckn.messages import (
    COMMITMENT,
    HOUR,
    ITEM,
    METER,
    NOW,
    SERIES,
    START_UTC,
    attributes,
    changed,
    series,
)

URI = "https://discom.example.org/registered/receiver"
FORM = AnswerForm(receiver_uri=URI, evidence=EvidenceColumn.NONE, has_request_digest=False)
ANSWER: dict[str, Any] = {
    "context": {
        "networkId": "indiaenergystack.in/test-ies-p2p-trading-network",
        "version": "2.0.0",
        "action": "on_status",
        "bapId": "ledger.example.org",
        "bapUri": "https://ledger.example.org/bap/receiver",
        "bppId": "discom.example.org",
        "bppUri": URI,
        "transactionId": "6f1c1c7e-0d0a-4a53-9a53-0c6d9b7f5c01",
        "messageId": "5a2d6940-71cc-44c7-b27b-d38c06ab929b",
        "timestamp": "2026-04-27T03:35:00Z",
    },
    "message": {
        "contract": {
            "id": "0d8f3a52-3a2b-4c55-8a35-7f7f1d1d2e01",
            "commitments": [
                {
                    "status": {"descriptor": {"code": "ACTIVE"}},
                    "resources": [
                        {
                            "id": "ds-req-1",
                            "quantity": {"unitCode": "EA", "value": "1"},
                            "resourceAttributes": {
                                "@context": "https://schema.nfh.global/DatasetItem/v1.1/context.jsonld",
                                "@type": "DatasetItem",
                                "schema:identifier": "ds-req-1",
                                "schema:name": "Meter actuals",
                                "schema:temporalCoverage": "2026-04-26T04:30:00Z/2026-04-26T06:30:00Z",
                                "dataPayload": {
                                    "@context": "https://schema.nfh.global/BecknTimeSeries/v1.0/context.jsonld",
                                    "@type": "TimeSeries",
                                    "resourceName": "TEST_METER_SELLER_001",
                                    "clientName": "TEST_DISCOM_SELLER",
                                    "intervalPeriod": {"start": "2026-04-26T04:30:00Z", "duration": "PT1H"},
                                    "payloadDescriptors": [
                                        {
                                            "objectType": "REPORT_PAYLOAD_DESCRIPTOR",
                                            "payloadType": "ENERGY_CONSUMPTION",
                                            "units": "KWH",
                                        }
                                    ],
                                    "intervals": [
                                        {"id": 0, "payloads": [{"type": "ENERGY_CONSUMPTION", "values": [-19.2]}]},
                                        {"id": 1, "payloads": [{"type": "ENERGY_CONSUMPTION", "values": [-19.5]}]},
                                    ],
                                },
                            },
                        }
                    ],
                    "offer": {"id": "offer-meter-actuals", "resourceIds": ["ds-req-1"]},
                }
            ],
        }
    },
}


def hour(number: int, meter: str = METER) -> Wanted:
    return Wanted(meter_id=meter, window=Interval(START_UTC + HOUR * number, START_UTC + HOUR * (number + 1)))


def answered(request: StatusRequest, figures: dict[Wanted, Figure], form: AnswerForm = FORM) -> dict[str, Any]:
    body = on_status(request, figures, form=form, now=NOW)
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found


def commitments(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer["message"]["contract"]["commitments"]
    return found


def payload(answer: dict[str, Any]) -> Any:
    return commitments(answer)[0]["resources"][0]["resourceAttributes"]["dataPayload"]


TWO = {hour(0): Figure(net_wh=-19_200), hour(1): Figure(net_wh=-19_500)}
OBJECT = changed(((*ITEM, "dataPayload"), series()))


def test_the_answer_is_exactly_the_devkits() -> None:
    assert answered(read_status(OBJECT), TWO) == ANSWER


def test_an_array_is_answered_with_an_array_and_an_object_with_an_object() -> None:
    assert isinstance(payload(answered(read_status(changed()), TWO)), list)
    assert isinstance(payload(answered(read_status(OBJECT), TWO)), dict)


def test_numbers_are_exact() -> None:
    body = on_status(
        read_status(changed()), {hour(0): Figure(net_wh=-1), hour(1): Figure(net_wh=2_000)}, form=FORM, now=NOW
    )
    assert body is not None
    assert b'"values":[-0.001]' in body
    assert b'"values":[2]' in body


def test_what_is_not_known_is_left_out_and_never_zero() -> None:
    answer = payload(answered(read_status(changed()), {hour(0): Figure(net_wh=0)}))
    assert [one["id"] for one in answer[0]["intervals"]] == [0]
    assert answer[0]["intervals"][0]["payloads"][0]["values"] == [0]


def test_beside_a_gap_every_interval_says_where_it_is() -> None:
    covers = ((*ITEM, "schema:temporalCoverage"), "2026-04-26T04:30:00Z/2026-04-26T07:30:00Z")
    figures = {hour(0): Figure(net_wh=1), hour(2): Figure(net_wh=2)}
    (one,) = payload(answered(read_status(changed(covers)), figures))
    assert [(each["id"], each["intervalPeriod"]) for each in one["intervals"]] == [
        (0, {"start": "2026-04-26T04:30:00Z", "duration": "PT1H"}),
        (2, {"start": "2026-04-26T06:30:00Z", "duration": "PT1H"}),
    ]


def test_a_run_from_the_start_says_it_once() -> None:
    (one,) = payload(answered(read_status(changed()), TWO))
    assert all("intervalPeriod" not in each for each in one["intervals"])


def test_an_interval_of_another_length_says_its_own() -> None:
    own = {"start": "2026-04-26T05:30:00Z", "duration": "PT30M"}
    request = read_status(attributes(series(intervals=[{"id": 0}, {"id": 1, "intervalPeriod": own}])))
    half = Wanted(meter_id=METER, window=Interval(START_UTC + HOUR, START_UTC + HOUR + 1800))
    (one,) = commitments(answered(request, {hour(0): Figure(net_wh=1), half: Figure(net_wh=2)}))
    assert [each["intervalPeriod"]["duration"] for each in one["commitmentAttributes"]["intervals"]] == [
        "PT1H",
        "PT30M",
    ]


def test_times_are_repeated_as_they_are_spelled() -> None:
    coverage = "2026-04-26T10:00:00+05:30/2026-04-26T12:00:00+05:30"
    period = {"start": "2026-04-26T10:00:00+05:30", "duration": "PT3600S"}
    body = changed(((*ITEM, "schema:temporalCoverage"), coverage), ((*SERIES, "intervalPeriod"), period))
    answer = answered(read_status(body), {hour(1): Figure(net_wh=1)})
    item = commitments(answer)[0]["resources"][0]["resourceAttributes"]
    assert item["schema:temporalCoverage"] == coverage
    assert item["dataPayload"][0]["intervalPeriod"] == period
    assert item["dataPayload"][0]["intervals"][0]["intervalPeriod"] == {
        "start": "2026-04-26T05:30:00Z",
        "duration": "PT3600S",
    }


def test_outside_of_an_array_there_is_one_series() -> None:
    (item,) = read_status(changed()).items
    with pytest.raises(ValueError, match="expected one series"):
        replace(item, is_array=False, series=item.series * 2)


def test_a_series_of_which_nothing_is_known_is_left_out() -> None:
    body = changed(((*ITEM, "dataPayload"), [series(), series(resourceName="M2")]))
    (one,) = payload(answered(read_status(body), {hour(1, "M2"): Figure(net_wh=5)}))
    assert one["resourceName"] == "M2"


def test_where_nothing_is_known_there_is_no_answer() -> None:
    for body in (changed(), OBJECT, attributes()):
        assert on_status(read_status(body), {hour(7): Figure(net_wh=1)}, form=FORM, now=NOW) is None


def test_the_older_word_for_energy_is_answered_with_it() -> None:
    body = changed(((*SERIES, "payloadDescriptors", 0, "payloadType"), "ACTUAL_PULLED"))
    (one,) = payload(answered(read_status(body), TWO))
    assert one["payloadDescriptors"][0]["payloadType"] == "ACTUAL_PULLED"
    assert one["intervals"][0]["payloads"][0]["type"] == "ACTUAL_PULLED"


def test_a_series_without_a_discom_is_answered_without_one() -> None:
    (one,) = payload(answered(read_status(changed((SERIES, series(clientName=None)))), TWO))
    assert "clientName" not in one


# --- shapes


def test_the_guides_shape_is_answered_in_it() -> None:
    (one,) = commitments(answered(read_status(attributes()), TWO))
    assert one["commitmentAttributes"]["resourceName"] == METER
    assert one["resources"] == [{"id": "ds-req-1", "quantity": {"unitCode": "EA", "value": "1"}}]


def test_the_shape_may_be_configured() -> None:
    form = AnswerForm(receiver_uri=URI, evidence=EvidenceColumn.NONE, shape=Shape.ATTRIBUTES)
    body = changed(
        ((*ITEM, "dataPayload"), [series(), series(resourceName="M2"), series(resourceName="M3")]),
        ((*COMMITMENT, "id"), "c"),
    )
    figures = {hour(0, meter): Figure(net_wh=1) for meter in (METER, "M2", "M3")}
    found = commitments(answered(read_status(body), figures, form))
    assert [one["commitmentAttributes"]["resourceName"] for one in found] == [METER, "M2", "M3"]
    assert [one["id"] for one in found] == ["c", "c-1", "c-2"]
    back = AnswerForm(receiver_uri=URI, evidence=EvidenceColumn.NONE, shape=Shape.DATASET)
    item = commitments(answered(read_status(attributes()), TWO, back))[0]["resources"][0]["resourceAttributes"]
    assert item["dataPayload"]["resourceName"] == METER
    assert item["schema:temporalCoverage"] == "2026-04-26T04:30:00Z/2026-04-26T06:30:00Z"


def test_resources_of_one_commitment_are_answered_in_one() -> None:
    whole = json.loads(changed())
    (commitment,) = whole["message"]["contract"]["commitments"]
    other = json.loads(json.dumps(commitment["resources"][0]))
    other["id"], other["resourceAttributes"]["dataPayload"] = "r2", [series(resourceName="M2")]
    commitment["resources"].append(other)
    request = read_status(json.dumps(whole).encode())
    (one,) = commitments(answered(request, TWO | {hour(0, "M2"): Figure(net_wh=1)}))
    assert [each["id"] for each in one["resources"]] == ["ds-req-1", "r2"]
    assert one["offer"]["resourceIds"] == ["ds-req-1", "r2"]
    (alone,) = commitments(answered(request, {hour(0, "M2"): Figure(net_wh=1)}))
    assert alone["offer"]["resourceIds"] == ["r2"]


# --- evidence

EVIDENCE = bytes(range(32))
REFERENCE = f"sk1:{EVIDENCE.hex()}"


@pytest.mark.parametrize(
    ("column", "figure", "name", "party"),
    [
        (EvidenceColumn.BY_SIDE, Figure(net_wh=-1, evidence=EVIDENCE), "SELLER_DISCOM_EVIDENCE", "sellerDiscom"),
        (EvidenceColumn.BY_SIDE, Figure(net_wh=0, evidence=EVIDENCE), "BUYER_DISCOM_EVIDENCE", "buyerDiscom"),
        (EvidenceColumn.BY_SIDE, Figure(net_wh=1, evidence=EVIDENCE, side=Side.SELLER), "SELLER_DISCOM_EVIDENCE", "sellerDiscom"),
        (EvidenceColumn.BY_SIDE, Figure(net_wh=-1, evidence=EVIDENCE, side=Side.BUYER), "BUYER_DISCOM_EVIDENCE", "buyerDiscom"),
        (EvidenceColumn.BESIDE, Figure(net_wh=-1, evidence=EVIDENCE), "ENERGY_EVIDENCE", None),
    ],
)  # fmt: skip
def test_evidence_stands_in_a_declared_column_of_text(
    column: EvidenceColumn, figure: Figure, name: str, party: str | None
) -> None:
    form = AnswerForm(receiver_uri=URI, evidence=column)
    (one,) = payload(answered(read_status(changed()), {hour(0): figure}, form))
    declared = {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": name, "units": "STRING"}
    assert one["payloadDescriptors"][1:] == [declared | ({"insertedBy": party} if party else {})]
    assert one["intervals"][0]["payloads"][1] == {"type": name, "values": [REFERENCE]}


def test_both_columns_are_declared_where_both_are_used() -> None:
    figures = {hour(0): Figure(net_wh=-1, evidence=EVIDENCE), hour(1): Figure(net_wh=1, evidence=EVIDENCE)}
    (one,) = payload(answered(read_status(changed()), figures, AnswerForm(receiver_uri=URI)))
    names = [each["payloadType"] for each in one["payloadDescriptors"]]
    assert names == ["ENERGY_CONSUMPTION", "BUYER_DISCOM_EVIDENCE", "SELLER_DISCOM_EVIDENCE"]


@pytest.mark.parametrize(
    ("column", "evidence"),
    [(EvidenceColumn.NONE, EVIDENCE), (EvidenceColumn.BY_SIDE, None), (EvidenceColumn.BESIDE, None)],
)
def test_no_column_is_declared_that_is_not_used(column: EvidenceColumn, evidence: bytes | None) -> None:
    form = AnswerForm(receiver_uri=URI, evidence=column)
    (one,) = payload(answered(read_status(changed()), {hour(0): Figure(net_wh=-1, evidence=evidence)}, form))
    assert len(one["payloadDescriptors"]) == len(one["intervals"][0]["payloads"]) == 1


# --- context


def test_the_context_names_the_digest_of_the_question() -> None:
    request = read_status(changed())
    context = answered(request, TWO, AnswerForm(receiver_uri=URI))["context"]
    assert context["requestDigest"] == {"digest": f"BLAKE-512={request.body_digest}"}
    assert "requestDigest" not in answered(request, TWO)["context"]


def test_every_round_answers_the_same_message() -> None:
    request = read_status(changed())
    first, second = (answered(request, {hour(0): Figure(net_wh=wh)}) for wh in (1, 2))
    assert first["context"] == second["context"]


CONTRACT_ID = "0d8f3a52-3a2b-4c55-8a35-7f7f1d1d2e01"
PUSH = Context(
    action=Action.ON_STATUS, network_id="n", bap_id="ledger.example.org", bap_uri="https://ledger.example.org",
    bpp_id="discom.example.org", bpp_uri=URI, transaction_id="6f1c1c7e-0d0a-4a53-9a53-0c6d9b7f5c01",
    message_id="5a2d6940-71cc-44c7-b27b-d38c06ab929b",
)  # fmt: skip


@pytest.mark.parametrize("name", ["transaction_id", "message_id", "contract_id"])
def test_a_push_has_uuids_only(name: str) -> None:
    context = PUSH if name == "contract_id" else replace(PUSH, **{name: "push-1"})  # type: ignore[arg-type]
    contract_id = "push-1" if name == "contract_id" else CONTRACT_ID
    with pytest.raises(LedgerProtocolError, match=name):
        unsolicited(context=context, contract_id=contract_id, meters=[(METER, "D", [hour(0).window])])


def test_a_push_of_nothing_is_none() -> None:
    with pytest.raises(LedgerProtocolError, match="at least one meter"):
        unsolicited(context=PUSH, contract_id=CONTRACT_ID, meters=[])
    with pytest.raises(LedgerProtocolError, match="at least one meter"):
        unsolicited(context=PUSH, contract_id=CONTRACT_ID, meters=[(METER, "D", [])])


def test_a_push_of_one_meter_is_one_object() -> None:
    request = unsolicited(
        context=PUSH, contract_id=CONTRACT_ID, meters=[(METER, "D", [hour(0).window]), ("M2", "D", [])]
    )
    answer = answered(request, {hour(0): Figure(net_wh=1)})
    assert payload(answer)["intervals"][0]["id"] == 0


def test_a_push_that_nobody_asked_for() -> None:
    windows = [hour(3).window, hour(0).window, hour(1).window]
    request = unsolicited(
        context=PUSH, contract_id=CONTRACT_ID, meters=[(METER, "TEST_DISCOM_SELLER", windows), ("M2", "D", windows[:1])]
    )
    assert request.wanted == tuple(sorted([hour(0), hour(1), hour(3), hour(3, "M2")]))
    figures = {wanted: Figure(net_wh=number) for number, wanted in enumerate(request.wanted)}
    body = on_status(request, figures, form=AnswerForm(receiver_uri=URI), now=NOW)
    assert body is not None
    assert b"requestDigest" not in body
    said = read_on_status(body)
    assert {(one.meter_id, one.start_utc): one.net_wh for one in said.actuals} == {
        (one.meter_id, one.window.start_utc): number for number, one in enumerate(request.wanted)
    }


# --- laws


@given(
    st.sets(st.integers(0, 5)),
    st.integers(-MAX_WH, MAX_WH),
    st.sampled_from([changed(), OBJECT, attributes()]),
    st.builds(
        AnswerForm,
        receiver_uri=st.just(URI),
        shape=st.sampled_from([None, *Shape]),
        evidence=st.sampled_from(EvidenceColumn),
    ),
    st.sampled_from([None, EVIDENCE]),
)
def test_a_strict_reader_finds_every_figure_where_it_belongs(
    known: set[int], net_wh: int, body: bytes, form: AnswerForm, evidence: bytes | None
) -> None:
    intervals = [{"id": number} for number in range(6)]
    message = json.loads(body)
    (commitment,) = message["message"]["contract"]["commitments"]
    holder = commitment.get("commitmentAttributes") or commitment["resources"][0]["resourceAttributes"]["dataPayload"]
    (holder[0] if isinstance(holder, list) else holder)["intervals"] = intervals
    request = read_status(json.dumps(message).encode())
    figures = {hour(number): Figure(net_wh=net_wh, evidence=evidence) for number in known}
    answer = on_status(request, figures, form=form, now=NOW)
    assert (answer is None) == (not known)
    if answer is not None:
        said = read_on_status(answer)
        found = {Wanted(meter_id=one.meter_id, window=Interval(one.start_utc, one.end_utc)) for one in said.actuals}
        assert found == set(figures)
        expected = REFERENCE if evidence and form.evidence is not EvidenceColumn.NONE else None
        assert {(one.net_wh, one.evidence) for one in said.actuals} == {(net_wh, expected)}


@pytest.mark.parametrize("wrong", [MAX_WH + 1, -MAX_WH - 1, 1.0, True])
def test_a_figure_that_is_no_energy_is_none(wrong: Any) -> None:
    with pytest.raises(LedgerProtocolError, match="net_wh"):
        Figure(net_wh=wrong)
    Figure(net_wh=-MAX_WH, evidence=bytes(32))
    with pytest.raises(LedgerProtocolError, match="evidence"):
        Figure(net_wh=0, evidence=bytes(31))
