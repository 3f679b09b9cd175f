"""Every request of the wrong form is refused with the code and the field, over real HTTP, and has no effect."""

import pytest

from tests.ledger_client.rehearsal import (
    SELLER_PLATFORM,
    START,
    Rehearsal,
)
from tests.ledger_client.sandbox.requests import ALLOCATE, BODIES, PUT, RECORD, SELLER, call, detail, refused


@pytest.mark.parametrize("path", ["put", "get", "allocate", "record"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "SCH_INVALID_JSON"),
        (b"{", "SCH_INVALID_JSON"),
        (b'{"role":"SELLER","role":"BUYER"}', "SCH_INVALID_JSON"),
        (b'{"a":NaN}', "SCH_INVALID_JSON"),
        (b"[]", "SCH_INVALID_FORMAT"),
        (b"null", "SCH_INVALID_FORMAT"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(empty: Rehearsal, path: str, body: bytes, code: str) -> None:
    caller = SELLER_PLATFORM if path == "put" else SELLER
    refused(call(empty, path, body, caller), 400, code)


@pytest.mark.parametrize("path", BODIES)
def test_an_unknown_field_is_refused_by_name(empty: Rehearsal, path: str) -> None:
    caller = SELLER_PLATFORM if path == "put" else SELLER
    refused(call(empty, path, BODIES[path] | {"meter_id": 1}, caller), 400, "SCH_FIELD_NOT_ALLOWED", "'meter_id'")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("put", name) for name in ("role", "transactionId", "orderItemId", "platformIdSeller")),
        *(("allocate", name) for name in ALLOCATE),
        *(("record", name) for name in RECORD),
    ],
)
def test_a_missing_field_is_refused_by_name(empty: Rehearsal, path: str, name: str) -> None:
    caller = SELLER_PLATFORM if path == "put" else SELLER
    body = {key: value for key, value in BODIES[path].items() if key != name}
    refused(call(empty, path, body, caller), 400, "SCH_MISSING_REQUIRED", f"'{name}'")


@pytest.mark.parametrize(
    ("path", "changes", "code", "named"),
    [
        ("put", {"role": "BUYER_DISCOM"}, "SCH_INVALID_ENUM", "role"),
        ("put", {"transactionId": ""}, "SCH_INVALID_FORMAT", "transactionId"),
        ("put", {"transactionId": 5}, "SCH_INVALID_FORMAT", "transactionId"),
        ("put", {"sellerId": "x" * 513}, "SCH_INVALID_FORMAT", "sellerId"),
        ("put", {"sellerId": "\ud800"}, "SCH_INVALID_FORMAT", "sellerId"),
        ("put", {"sellerId": "x\udfff"}, "SCH_INVALID_FORMAT", "sellerId"),
        ("put", {"sellerId": None}, "SCH_INVALID_FORMAT", "sellerId"),
        ("put", {"deliveryStartTime": "2026-04-26 04:30"}, "SCH_INVALID_FORMAT", "deliveryStartTime"),
        ("put", {"deliveryEndTime": START}, "SCH_INVALID_FORMAT", "deliveryEndTime"),
        ("put", {"tradeDetails": []}, "SCH_INVALID_FORMAT", "tradeDetails"),
        ("put", {"tradeDetails": PUT["tradeDetails"] * 2}, "SCH_INVALID_FORMAT", "tradeDetails"),
        ("put", detail(tradeQty="6"), "SCH_INVALID_FORMAT", "tradeQty"),
        ("put", detail(tradeQty=0), "SCH_INVALID_FORMAT", "tradeQty"),
        ("put", detail(tradeQty=-1), "SCH_INVALID_FORMAT", "tradeQty"),
        ("put", detail(tradeQty=0.0001), "SCH_INVALID_FORMAT", "tradeQty"),
        ("put", detail(tradeType="SOLAR"), "SCH_INVALID_ENUM", "tradeType"),
        ("put", detail(tradeUnit="WH"), "SCH_INVALID_ENUM", "tradeUnit"),
        ("put", detail(pricePerUnit="5"), "SCH_INVALID_FORMAT", "pricePerUnit"),
        ("put", detail(pricePerUnit=-1), "SCH_INVALID_FORMAT", "pricePerUnit"),
        ("put", detail(priceCurrency="USD"), "SCH_INVALID_ENUM", "priceCurrency"),
        ("put", detail(colour="green"), "SCH_FIELD_NOT_ALLOWED", "tradeDetails[0].colour"),
        ("allocate", {"actualImported": "-4"}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"actualImported": True}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"actualImported": -4.0001}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"actualImported": -4.0000000001}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"actualImported": 1e15}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"status": "DONE"}, "SCH_INVALID_ENUM", "status"),
        ("allocate", {"deliveryStartTime": "2026-04-26T04:30:00"}, "SCH_INVALID_FORMAT", "deliveryStartTime"),
        ("allocate", {"clientReference": ""}, "SCH_INVALID_FORMAT", "clientReference"),
        ("record", {"role": "SELLER"}, "SCH_INVALID_ENUM", "role"),
        ("record", {"statusBuyerDiscom": "COMPLETED"}, "SCH_FIELD_NOT_ALLOWED", "statusBuyerDiscom"),
        ("record", {"buyerFulfillmentValidationMetrics": []}, "SCH_FIELD_NOT_ALLOWED", "buyerFulfillment"),
        ("record", {"role": "BUYER_DISCOM"}, "SCH_MISSING_REQUIRED", "discomIdBuyer"),
        ("record", {"sellerFulfillmentValidationMetrics": []}, "SCH_INVALID_FORMAT", "sellerFulfillment"),
        (
            "record",
            {
                "sellerFulfillmentValidationMetrics": [
                    {"validationMetricType": "ACTUAL_PULLED", "validationMetricValue": 1}
                ]
            },
            "SCH_MISSING_REQUIRED",
            "ACTUAL_PUSHED",
        ),
        (
            "record",
            {
                "sellerFulfillmentValidationMetrics": [
                    {"validationMetricType": "ACTUAL_PUSHED", "validationMetricValue": "1"}
                ]
            },
            "SCH_INVALID_FORMAT",
            "validationMetricValue",
        ),
        ("get", {"limit": 0}, "SCH_INVALID_FORMAT", "limit"),
        ("get", {"limit": 501}, "SCH_INVALID_FORMAT", "limit"),
        ("get", {"limit": "5"}, "SCH_INVALID_FORMAT", "limit"),
        ("get", {"offset": -1}, "SCH_INVALID_FORMAT", "offset"),
        ("get", {"sort": "price"}, "SCH_INVALID_ENUM", "sort"),
        ("get", {"sortOrder": "up"}, "SCH_INVALID_ENUM", "sortOrder"),
        ("get", {"statusBuyerDiscom": "DONE"}, "SCH_INVALID_ENUM", "statusBuyerDiscom"),
        ("get", {"deliveryStartFrom": "today"}, "SCH_INVALID_FORMAT", "deliveryStartFrom"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_by_name(
    empty: Rehearsal, path: str, changes: dict[str, object], code: str, named: str
) -> None:
    caller = SELLER_PLATFORM if path == "put" else SELLER
    refused(call(empty, path, BODIES[path] | changes, caller), 400, code, named)
    assert empty.settlement() == []
