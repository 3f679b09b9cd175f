"""The ledger provider's reader: strict to the last field, so that an answer that it takes is one that others take."""

import pytest

from ledger_client.sandbox.actuals import read_on_status
from ledger_client.sandbox.refusal import RequestRefusedError
from tests.ledger_client.beckn.messages import (
    COMMITMENT,
    HOUR,
    ITEM,
    METER,
    RESOURCE,
    START_UTC,
    Missing,
    Path,
    altered,
    dotted,
)
from tests.ledger_client.beckn.test_on_status import ANSWER

SERIES: Path = (*ITEM, "dataPayload")
PAYLOADS: Path = (*SERIES, "intervals", 0, "payloads")
DESCRIPTOR = {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": "SELLER_DISCOM_EVIDENCE", "units": "STRING"}
EVIDENCE = {"type": "SELLER_DISCOM_EVIDENCE", "values": ["sk1:" + "0" * 64]}


def answer(*changes: tuple[Path, object]) -> bytes:
    return altered(ANSWER, *changes)


def test_the_devkits_answer_is_read() -> None:
    found = read_on_status(answer())
    assert (found.bpp_id, found.request_digest) == ("discom.example.org", None)
    assert [(one.meter_id, one.start_utc, one.end_utc, one.net_wh, one.evidence) for one in found.actuals] == [
        (METER, START_UTC, START_UTC + HOUR, -19_200, None),
        (METER, START_UTC + HOUR, START_UTC + 2 * HOUR, -19_500, None),
    ]


def test_evidence_is_read_beside_its_energy() -> None:
    descriptors = [*ANSWER["message"]["contract"]["commitments"][0]["resources"][0]["resourceAttributes"]["dataPayload"]["payloadDescriptors"], DESCRIPTOR]  # fmt: skip
    energy = {"type": "ENERGY_CONSUMPTION", "values": [1]}
    body = answer(((*SERIES, "payloadDescriptors"), descriptors), (PAYLOADS, [energy, EVIDENCE]))
    assert read_on_status(body).actuals[0].evidence == EVIDENCE["values"][0]


ENERGY = {"type": "ENERGY_CONSUMPTION", "values": [1]}
WRONG: list[tuple[Path, object, str]] = [
    (("context", "version"), "1.0", "SCH_INVALID_ENUM"),
    (("context", "action"), "status", "SCH_INVALID_ENUM"),
    (("context", "messageId"), "m-1", "SCH_INVALID_FORMAT"),
    (("context", "transactionId"), "t-1", "SCH_INVALID_FORMAT"),
    (("context", "timestamp"), "2026-04-27T03:35:00", "SCH_INVALID_FORMAT"),
    (("context", "requestDigest"), "x", "SCH_INVALID_FORMAT"),
    (("context", "requestDigest"), {}, "SCH_MISSING_REQUIRED"),
    (("context", "more"), 1, "SCH_FIELD_NOT_ALLOWED"),
    (("more",), 1, "SCH_FIELD_NOT_ALLOWED"),
    (("message", "more"), 1, "SCH_FIELD_NOT_ALLOWED"),
    (("message", "contract", "more"), 1, "SCH_FIELD_NOT_ALLOWED"),
    (("message", "contract", "commitments"), [], "SCH_INVALID_FORMAT"),
    ((*COMMITMENT, "more"), 1, "SCH_FIELD_NOT_ALLOWED"),
    ((*COMMITMENT, "status"), Missing, "SCH_MISSING_REQUIRED"),
    ((*COMMITMENT, "status", "descriptor", "code"), "x", "SCH_INVALID_ENUM"),
    ((*COMMITMENT, "offer"), Missing, "SCH_MISSING_REQUIRED"),
    ((*RESOURCE, "more"), 1, "SCH_FIELD_NOT_ALLOWED"),
    ((*RESOURCE, "quantity"), Missing, "SCH_MISSING_REQUIRED"),
    (ITEM, Missing, "SCH_MISSING_REQUIRED"),
    ((*ITEM, "@type"), "MeterData", "SCH_INVALID_ENUM"),
    ((*ITEM, "schema:name"), Missing, "SCH_MISSING_REQUIRED"),
    ((*ITEM, "more"), 1, "SCH_FIELD_NOT_ALLOWED"),
    (SERIES, [], "SCH_INVALID_FORMAT"),
    ((*SERIES, "more"), 1, "SCH_FIELD_NOT_ALLOWED"),
    ((*SERIES, "resourceName"), Missing, "SCH_MISSING_REQUIRED"),
    ((*SERIES, "payloadDescriptors"), [], "SCH_INVALID_FORMAT"),
    ((*SERIES, "payloadDescriptors", 0, "units"), "STRING", "SCH_INVALID_ENUM"),
    ((*SERIES, "payloadDescriptors", 0, "payloadType"), "FINAL_ALLOC", "SCH_INVALID_ENUM"),
    ((*SERIES, "intervals"), [], "SCH_INVALID_FORMAT"),
    ((*SERIES, "intervals", 1, "id"), 0, "SCH_INVALID_FORMAT"),
    ((*SERIES, "intervals", 1, "id"), 2, "SCH_MISSING_REQUIRED"),
    ((*SERIES, "intervals", 0, "id"), "0", "SCH_INVALID_FORMAT"),
    ((*SERIES, "intervalPeriod", "duration"), "1H", "SCH_INVALID_FORMAT"),
    ((*SERIES, "intervalPeriod", "duration"), "P", "SCH_INVALID_FORMAT"),
    (PAYLOADS, [], "SCH_INVALID_FORMAT"),
    (PAYLOADS, [ENERGY, ENERGY], "SCH_MISSING_REQUIRED"),
    (PAYLOADS, [EVIDENCE], "SCH_INVALID_ENUM"),
    (PAYLOADS, [ENERGY, EVIDENCE], "SCH_INVALID_ENUM"),
    ((*PAYLOADS, 0, "values"), [], "SCH_INVALID_FORMAT"),
    ((*PAYLOADS, 0, "values"), [1, 2], "SCH_INVALID_FORMAT"),
    ((*PAYLOADS, 0, "values"), ["1"], "SCH_INVALID_FORMAT"),
    ((*PAYLOADS, 0, "values"), [None], "SCH_INVALID_FORMAT"),
    ((*PAYLOADS, 0, "values"), [0.0001], "SCH_INVALID_FORMAT"),
]


@pytest.mark.parametrize(
    ("path", "value", "code"), WRONG, ids=[f"{dotted(path)}={value!r:.30}" for path, value, _ in WRONG]
)
def test_an_answer_that_others_may_refuse_is_refused(path: Path, value: object, code: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        read_on_status(answer((path, value)))
    assert caught.value.code == code


@pytest.mark.parametrize("reference", ["sk1:0", "x", 7, "SK1:" + "0" * 64])
def test_evidence_that_is_no_reference_is_refused(reference: object) -> None:
    descriptors = [
        {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": "ENERGY_CONSUMPTION", "units": "KWH"},
        DESCRIPTOR,
    ]
    evidence = {"type": "SELLER_DISCOM_EVIDENCE", "values": [reference]}
    with pytest.raises(RequestRefusedError, match="SCH_INVALID_FORMAT"):
        read_on_status(answer(((*SERIES, "payloadDescriptors"), descriptors), (PAYLOADS, [ENERGY, evidence])))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}"])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefusedError):
        read_on_status(body)


def test_an_array_of_series_is_read() -> None:
    item = ANSWER["message"]["contract"]["commitments"][0]["resources"][0]["resourceAttributes"]["dataPayload"]
    found = read_on_status(answer((SERIES, [item, item | {"resourceName": "M2"}])))
    assert [one.meter_id for one in found.actuals] == [METER, METER, "M2", "M2"]


def test_an_interval_beside_a_gap_is_where_it_says() -> None:
    own = {"start": "2026-04-26T10:30:00Z", "duration": "PT30M"}
    intervals = [{"id": 4, "intervalPeriod": own, "payloads": [ENERGY]}]
    (found,) = read_on_status(answer(((*SERIES, "intervals"), intervals))).actuals
    assert (found.start_utc, found.end_utc) == (START_UTC + 6 * HOUR, START_UTC + 6 * HOUR + 1800)


def test_two_pieces_of_evidence_for_one_figure_are_refused() -> None:
    other = DESCRIPTOR | {"payloadType": "ENERGY_EVIDENCE"}
    energy = {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": "ENERGY_CONSUMPTION", "units": "KWH"}
    payloads = [ENERGY, EVIDENCE, EVIDENCE | {"type": "ENERGY_EVIDENCE"}]
    body = answer(((*SERIES, "payloadDescriptors"), [energy, DESCRIPTOR, other]), (PAYLOADS, payloads))
    with pytest.raises(RequestRefusedError, match="at most one evidence"):
        read_on_status(body)
