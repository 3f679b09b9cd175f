"""The DEG Ledger API as bytes: written strictly, read leniently."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client import deg
from ledger_client.ledger import (
    LedgerError,
    LedgerProtocolError,
    LedgerRefusedError,
    LedgerUnavailableError,
    MetricType,
    Side,
    TradeQuery,
    TradeStatus,
    TradeUnknownError,
)
from tests.ledger_client.rehearsal import END, START, contract, posting

# --- writing


def test_an_allocate_request_is_exact() -> None:
    body = deg.allocate_request(posting(-19200, evidence="x"))
    reference = posting(0, evidence="x").client_reference
    assert body == (
        b'{"meterId":"TEST_METER_SELLER_001","discomId":"TEST_DISCOM_SELLER","deliveryStartTime":"2026-04-26T04:30:00Z",'
        b'"deliveryEndTime":"2026-04-26T06:30:00Z","actualImported":-19.2,"status":"COMPLETED","clientReference":"'
        + reference.encode()
        + b'"}'
    )


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_every_actual_is_written_as_the_exact_number(wh: int) -> None:
    body = deg.allocate_request(posting(wh, status=None))
    found = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    assert found["actualImported"] * 1000 == wh
    assert "status" not in found


def test_a_get_request_pages_by_creation_time_ascending() -> None:
    query = TradeQuery(discom_id_seller="S", delivery_start_from_utc=1_777_177_800, page_size=7)
    assert json.loads(deg.get_request(query, 14)) == {
        "discomIdSeller": "S",
        "deliveryStartFrom": START,
        "limit": 7,
        "offset": 14,
        "sort": "creationTime",
        "sortOrder": "asc",
    }


def test_a_put_request_states_only_what_is_known() -> None:
    partial = contract(Side.SELLER, buyer_id=None, discom_id_buyer=None, quantity_wh=None, platform_id_buyer=None)
    assert json.loads(deg.put_request(partial)) == {
        "role": "SELLER",
        "transactionId": "tx-1",
        "orderItemId": "it-1",
        "platformIdSeller": "platform-s.example.org",
        "discomIdSeller": "TEST_DISCOM_SELLER",
        "sellerId": "TEST_METER_SELLER_001",
        "deliveryStartTime": START,
        "deliveryEndTime": END,
    }


def test_a_put_request_states_quantity_and_price_exactly() -> None:
    body = deg.put_request(contract(quantity_wh=20_500, price_inr_per_kwh=Decimal("12.50")))
    assert (
        b'"tradeDetails":[{"tradeQty":20.5,"tradeType":"ENERGY","tradeUnit":"KWH","pricePerUnit":12.5,'
        b'"priceCurrency":"INR"}]' in body
    )
    assert b"pricePerUnit" not in deg.put_request(contract(price_inr_per_kwh=None))


# --- reading

RECORD: dict[str, Any] = {
    "recordId": "tx-1_it-1",
    "creationTime": "2026-04-25T00:00:00Z",
    "transactionId": "tx-1",
    "orderItemId": "it-1",
    "platformIdBuyer": "pb",
    "platformIdSeller": "ps",
    "discomIdBuyer": "B",
    "discomIdSeller": "S",
    "buyerId": "mb",
    "sellerId": "ms",
    "deliveryStartTime": START,
    "deliveryEndTime": END,
    "tradeDetails": [{"tradeQty": 6.0, "tradeType": "ENERGY", "tradeUnit": "KWH", "pricePerUnit": 5.25}],
}


def page(*records: object) -> bytes:
    return json.dumps({"records": records, "count": len(records)}).encode()


def test_a_minimal_record_is_a_trade() -> None:
    (trade,) = deg.read_page(page(RECORD)).trades
    assert (trade.quantity_wh, trade.price_inr_per_kwh) == (6000, Decimal("5.25"))
    assert (trade.pushed_wh, trade.pulled_wh, trade.status_buyer_discom, trade.row_digest) == (None, None, None, None)


def test_the_live_ledgers_strings_and_extra_fields_are_read() -> None:
    live = RECORD | {
        "tradeDetails": [{"tradeQty": "20.5", "tradeType": "ENERGY", "tradeUnit": "KWH", "pricePerUnit": "12.50"}],
        "sellerFulfillmentValidationMetrics": [
            {"validationMetricType": "SETPOINT_FOLLOWING_ERROR", "validationMetricValue": "x"},
            {"validationMetricType": "ACTUAL_PUSHED", "validationMetricValue": "2.099"},
        ],
        "buyerFulfillmentValidationMetrics": None,
        "buyerDiscomAllocation": "2.099",
        "statusSellerDiscom": "CURTAILED_OUTAGE",
        "statusBuyerDiscom": "",
        "rowDigest": "sha256:00",
        "somethingNew": {"a": [1]},
    }
    (trade,) = deg.read_page(page(live)).trades
    assert (trade.quantity_wh, trade.pushed_wh, trade.pulled_wh) == (20_500, 2099, 2099)
    assert str(trade.price_inr_per_kwh) == "12.50"
    assert trade.status_seller_discom is TradeStatus.CURTAILED_OUTAGE
    assert trade.row_digest == "sha256:00"


def _detail(**changes: object) -> dict[str, object]:
    return {"tradeDetails": [RECORD["tradeDetails"][0] | changes]}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"deliveryStartTime": ""}, "deliveryStartTime"),
        ({"deliveryEndTime": None}, "deliveryEndTime"),
        ({"deliveryStartTime": "2026-04-26T04:30:00"}, "deliveryStartTime"),
        ({"deliveryStartTime": END, "deliveryEndTime": START}, "start before end"),
        ({"deliveryEndTime": "2026-05-27T04:30:01Z"}, "at most 2678400 s"),
        ({"deliveryEndTime": "2106-02-07T06:28:15Z"}, "deliveryEndTime"),
        ({"sellerId": ""}, "sellerId"),
        ({"buyerId": 7}, "buyerId"),
        ({"discomIdBuyer": None}, "discomIdBuyer"),
        ({"tradeDetails": []}, "tradeDetails"),
        ({"tradeDetails": None}, "tradeDetails"),
        ({"tradeDetails": RECORD["tradeDetails"] * 2}, "expected one entry, got 2"),
        (_detail(tradeType="PFR"), "expected ENERGY"),
        (_detail(tradeType="SOLAR"), "tradeType"),
        (_detail(tradeUnit="KW"), "expected KWH"),
        (_detail(tradeQty="0"), "tradeQty"),
        (_detail(tradeQty="6.0005"), "three decimals"),
        (_detail(tradeQty=None), "tradeQty"),
        (_detail(priceCurrency="USD"), "expected INR"),
        (_detail(pricePerUnit="-1"), "pricePerUnit"),
        (_detail(pricePerUnit="five"), "pricePerUnit"),
        ({"statusBuyerDiscom": "DONE"}, "statusBuyerDiscom"),
        ({"sellerFulfillmentValidationMetrics": [7]}, "sellerFulfillmentValidationMetrics"),
        (
            {
                "sellerFulfillmentValidationMetrics": [
                    {"validationMetricType": "ACTUAL_PUSHED", "validationMetricValue": "-0.001"}
                ]
            },
            "at least 0",
        ),
    ],
)
def test_a_record_that_is_no_trade_keeps_its_reason_and_hides_no_other(changes: dict[str, object], named: str) -> None:
    found = deg.read_page(page(RECORD | changes, RECORD))
    assert len(found.trades) == 1
    (unreadable,) = found.unreadable
    assert unreadable.record_id == "tx-1_it-1"
    assert named in unreadable.reason
    assert found.rows == 2


@pytest.mark.parametrize(("stated", "price"), [(0, Decimal(0)), ("0.01", Decimal("0.01")), ("", None), (None, None)])
def test_a_price_may_be_nothing_or_unstated(stated: object, price: Decimal | None) -> None:
    (trade,) = deg.read_page(page(RECORD | _detail(pricePerUnit=stated))).trades
    assert trade.price_inr_per_kwh == price


def test_text_that_no_database_could_keep_is_none_and_hides_no_other() -> None:
    found = deg.read_page(page(RECORD | {"rowDigest": "\ud800"}, RECORD | {"recordId": "\udfff"}))
    assert [trade.row_digest for trade in found.trades] == [None]
    assert [(row.record_id, "surrogate" in row.reason) for row in found.unreadable] == [("", True)]


def test_a_number_of_thousands_of_digits_spoils_its_row_and_no_other() -> None:
    long = "9" * 5000
    body = page(RECORD | _detail(tradeQty="LONG"), RECORD | {"unknown": "LONG"}).replace(b'"LONG"', long.encode())
    found = deg.read_page(body)
    assert (len(found.trades), len(found.unreadable)) == (1, 1)
    assert "tradeQty" in found.unreadable[0].reason


def test_the_longest_delivery_is_still_a_trade() -> None:
    (trade,) = deg.read_page(page(RECORD | {"deliveryEndTime": "2026-05-27T04:30:00Z"})).trades
    assert trade.window.length_s == deg.MAX_DELIVERY_S


def test_a_record_that_is_no_object_is_named_as_such() -> None:
    (unreadable,) = deg.read_page(page("x")).unreadable
    assert unreadable.record_id == ""
    assert "expected an object, got str" in unreadable.reason


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"records":{}}', b'{"records":null}', b"<html>", page(RECORD)[:-1]]
)
def test_what_is_no_page_is_not_understood(body: bytes) -> None:
    with pytest.raises(LedgerProtocolError):
        deg.read_page(body)


@given(
    st.binary(max_size=80) | st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_any_answer_is_read_or_raises_this_packages_error(body: bytes) -> None:
    for read in (deg.read_page, deg.read_receipt, deg.read_write_receipt):
        try:
            read(body)
        except LedgerError:
            continue


ALLOCATED = {
    "recordId": "r",
    "transactionId": "t",
    "orderItemId": "o",
    "tradeQty": 6.0,
    "allocatedQty": "4.8",
    "side": "SELLER",
    "metricType": "ACTUAL_PUSHED",
    "rowDigest": "sha256:00",
}


def test_a_receipt_is_read_and_sums() -> None:
    body = json.dumps(
        {"success": True, "allocations": [ALLOCATED, ALLOCATED | {"allocatedQty": 3.2}], "new": 1}
    ).encode()
    receipt = deg.read_receipt(body)
    assert (receipt.total_matched, receipt.total_allocated_wh) == (2, 8000)
    first = receipt.allocations[0]
    assert (first.allocated_wh, first.side, first.metric) == (4800, Side.SELLER, MetricType.ACTUAL_PUSHED)


def test_a_success_that_matched_nothing_means_wait() -> None:
    with pytest.raises(TradeUnknownError):
        deg.read_receipt(b'{"success":true,"allocations":[],"totalMatched":0,"totalAllocated":0}')


def test_a_success_that_is_none_is_a_refusal() -> None:
    with pytest.raises(LedgerRefusedError, match="NOT_SUCCESSFUL: nope"):
        deg.read_receipt(b'{"success":false,"message":"nope"}')
    with pytest.raises(LedgerRefusedError):
        deg.read_write_receipt(b'{"success":false}')


@pytest.mark.parametrize("change", [{"side": "MIDDLE"}, {"metricType": "X"}, {"allocatedQty": -1}, {"recordId": None}])
def test_a_receipt_that_is_not_understood_says_where(change: dict[str, object]) -> None:
    body = json.dumps({"success": True, "allocations": [ALLOCATED | change]}).encode()
    with pytest.raises(LedgerProtocolError, match=next(iter(change))):
        deg.read_receipt(body)


def test_a_write_receipt_is_read() -> None:
    receipt = deg.read_write_receipt(b'{"success":true,"recordId":"r","creationTime":"x","rowDigest":"sha256:00"}')
    assert (receipt.record_id, receipt.row_digest) == ("r", "sha256:00")


# --- refusals


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, LedgerRefusedError),
        (401, LedgerUnavailableError),
        (403, LedgerRefusedError),
        (404, TradeUnknownError),
        (408, LedgerUnavailableError),
        (409, LedgerRefusedError),
        (425, LedgerUnavailableError),
        (429, LedgerUnavailableError),
        (499, LedgerRefusedError),
        (500, LedgerUnavailableError),
        (503, LedgerUnavailableError),
        (302, LedgerProtocolError),
        (204, LedgerProtocolError),
    ],
)
def test_a_status_is_an_error_by_what_the_caller_does_next(status: int, kind: type[LedgerError]) -> None:
    error = deg.refusal(status, b'{"code":"PRC_X","message":"why","details":{}}')
    assert type(error) is kind
    if isinstance(error, LedgerRefusedError | TradeUnknownError):
        assert (error.code, error.message) == ("PRC_X", "why")


@pytest.mark.parametrize(
    "body", [b"", b"<html>not here</html>", b"[]", b'{"code":""}', b'{"code":5}', b'{"code":"a b"}']
)
def test_without_an_error_object_404_is_no_ledger_and_4xx_is_named_by_its_status(body: bytes) -> None:
    assert type(deg.refusal(404, body)) is LedgerProtocolError
    refused = deg.refusal(403, body)
    assert isinstance(refused, LedgerRefusedError)
    assert refused.code == "HTTP_403"


def test_the_other_spelling_of_an_error_object_is_read() -> None:
    error = deg.refusal(404, b'{"errorCode":"NOT_FOUND","errorMessage":"no"}')
    assert isinstance(error, TradeUnknownError)
    assert (error.code, error.message) == ("NOT_FOUND", "no")
