"""A discom's own allocation: what no write may be, and its bytes, rendered strictly."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ledger_client import deg
from ledger_client.ledger import LedgerProtocolError, Side, Trade, TradeStatus
from ledger_client.recording import MAX_NOTE, OUTAGE_STATUSES, RecordConfirmation, record_reference
from signing.energy import MAX_WH
from tests.ledger_client.rehearsal import record_posting
from tests.ledger_client.test_deg import RECORD, page

SELLER_REQUEST = {
    "role": "SELLER_DISCOM",
    "transactionId": "tx-1",
    "orderItemId": "it-1",
    "discomIdSeller": "TEST_DISCOM_SELLER",
    "sellerFulfillmentValidationMetrics": [
        {"validationMetricType": "ACTUAL_PUSHED", "validationMetricValue": 19.2},
    ],
}
BUYER_REQUEST = {
    "role": "BUYER_DISCOM",
    "transactionId": "tx-1",
    "orderItemId": "it-1",
    "discomIdBuyer": "TEST_DISCOM_BUYER",
    "buyerFulfillmentValidationMetrics": [
        {"validationMetricType": "ACTUAL_PULLED", "validationMetricValue": 18.5},
    ],
}


@pytest.mark.parametrize(
    ("side", "wh", "expected"), [(Side.SELLER, 19_200, SELLER_REQUEST), (Side.BUYER, 18_500, BUYER_REQUEST)]
)
def test_a_record_names_its_own_side_only(side: Side, wh: int, expected: dict[str, Any]) -> None:
    written = json.loads(deg.record_request(record_posting(wh, side, status=None)))
    assert written.pop("clientReference").startswith("sk1:")
    assert written == expected


def test_status_note_and_record_id_are_written_where_they_are_given() -> None:
    said = record_posting(0, status=TradeStatus.CURTAILED_OUTAGE, note="feeder out", record_id="r")
    written = json.loads(deg.record_request(said))
    assert (written["statusSellerDiscom"], written["note"], written["recordId"]) == (
        "CURTAILED_OUTAGE", "feeder out", "r",
    )  # fmt: skip
    assert written["sellerFulfillmentValidationMetrics"][0]["validationMetricValue"] == 0


def test_an_energy_is_an_exact_number() -> None:
    assert b'"validationMetricValue":0.001}' in deg.record_request(record_posting(1))


def test_two_rounds_over_one_evidence_have_two_references() -> None:
    assert record_reference(bytes(32), 1) == "sk1:" + "00" * 32 + ":r1"
    assert len({record_reference(bytes(32), number) for number in range(1, 10)}) == 9
    for number in (0, 10):
        with pytest.raises(LedgerProtocolError, match="round from 1 to 9"):
            record_reference(bytes(32), number)
    with pytest.raises(LedgerProtocolError, match="32 bytes"):
        record_reference(bytes(31), 1)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"transaction_id": ""}, "transaction_id"),
        ({"order_item_id": ""}, "order_item_id"),
        ({"discom_id": ""}, "discom_id"),
        ({"allocated_wh": -1}, "allocated_wh"),
        ({"allocated_wh": MAX_WH + 1}, "allocated_wh"),
        ({"allocated_wh": True}, "allocated_wh"),
        ({"allocated_wh": 1.0}, "allocated_wh"),
        ({"client_reference": "sk1:" + "0" * 63}, "client_reference"),
        ({"client_reference": "sk1:" + "0" * 64 + ":r0"}, "client_reference"),
        ({"client_reference": "uuid"}, "client_reference"),
        ({"note": ""}, "note"),
        ({"note": "x" * (MAX_NOTE + 1)}, "note"),
        ({"status": TradeStatus.CANCELLED_OUTAGE}, "allocated_wh"),
        ({"status": TradeStatus.CANCELLED_POL_VIOLATION}, "allocated_wh"),
    ],
)
def test_a_write_that_no_ledger_takes_is_not_made(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(LedgerProtocolError, match=named):
        record_posting(1, **changes) if "allocated_wh" not in changes else record_posting(**changes)


def test_values_on_the_bound_are_taken() -> None:
    record_posting(MAX_WH, note="x" * MAX_NOTE)
    record_posting(0, status=TradeStatus.CANCELLED_OUTAGE, client_reference="sk1:" + "f" * 64)
    record_posting(1, status=TradeStatus.CURTAILED_OUTAGE)
    assert TradeStatus.COMPLETED not in OUTAGE_STATUSES


@pytest.mark.parametrize("value", ["2.099", 2.099])
def test_an_allocation_that_stands_in_the_flat_field_only_is_read(value: object) -> None:
    record = RECORD | {
        "sellerFulfillmentValidationMetrics": [],
        "buyerFulfillmentValidationMetrics": [],
        "sellerDiscomAllocation": value,
        "buyerDiscomAllocation": value,
    }
    (trade,) = deg.read_page(page(record)).trades
    assert (trade.pushed_wh, trade.pulled_wh) == (2099, 2099)


def test_the_metric_counts_where_the_flat_field_says_otherwise() -> None:
    metric = {"validationMetricType": "ACTUAL_PUSHED", "validationMetricValue": "1.5"}
    record = RECORD | {"sellerFulfillmentValidationMetrics": [metric], "sellerDiscomAllocation": "9"}
    assert deg.read_page(page(record)).trades[0].pushed_wh == 1500


@pytest.mark.parametrize("value", ["-1", "x", [], 1.0001])
def test_a_flat_field_that_is_no_energy_is_not_guessed_at(value: object) -> None:
    record = RECORD | {"sellerFulfillmentValidationMetrics": [], "sellerDiscomAllocation": value}
    (unreadable,) = deg.read_page(page(record)).unreadable
    assert "sellerDiscomAllocation" in unreadable.reason


def test_an_empty_flat_field_is_none() -> None:
    for empty in ("", None):
        record = RECORD | {"sellerFulfillmentValidationMetrics": [], "sellerDiscomAllocation": empty}
        assert deg.read_page(page(record)).trades[0].pushed_wh is None


def test_the_row_of_another_trade_confirms_nothing() -> None:
    (trade,) = deg.read_page(page(RECORD)).trades
    said = record_posting(4000, transaction_id="another")
    assert not RecordConfirmation.compared(said, [trade]).agrees


def test_a_record_without_a_status_is_not_compared_by_one() -> None:
    record = RECORD | {"sellerFulfillmentValidationMetrics": [], "sellerDiscomAllocation": "4"}
    (trade,) = deg.read_page(page(record)).trades
    said = record_posting(4000, transaction_id=trade.transaction_id, order_item_id=trade.order_item_id, status=None)
    assert RecordConfirmation.compared(said, [trade]).agrees


def shown(**changes: object) -> Trade:
    """A row that says nothing yet of either side, changed."""
    (trade,) = deg.read_page(page(RECORD)).trades
    return replace(trade, transaction_id="tx-1", order_item_id="it-1", record_id="r", **changes)  # type: ignore[arg-type]


DONE, PENDING = TradeStatus.COMPLETED, TradeStatus.PENDING


@pytest.mark.parametrize(
    ("side", "row", "said"),
    [
        (Side.SELLER, shown(pushed_wh=4000, status_seller_discom=DONE, status_buyer_discom=PENDING), ()),
        (Side.BUYER, shown(pulled_wh=4000, status_buyer_discom=DONE, status_seller_discom=PENDING), ()),
        (
            Side.SELLER,
            shown(pulled_wh=4000, status_buyer_discom=DONE),
            (
                "r: expected ACTUAL_PUSHED 4.000 kWh, the ledger shows none",
                "r: expected status COMPLETED, the ledger shows none",
            ),
        ),
        (
            Side.BUYER,
            shown(pulled_wh=4001, status_buyer_discom=PENDING),
            (
                "r: expected ACTUAL_PULLED 4.000 kWh, the ledger shows 4.001 kWh",
                "r: expected status COMPLETED, the ledger shows PENDING",
            ),
        ),
    ],
)
def test_a_row_is_compared_on_the_side_that_spoke(side: Side, row: Trade, said: tuple[str, ...]) -> None:
    assert RecordConfirmation.compared(record_posting(4000, side), [row]).differences == said


def test_a_status_that_was_not_said_may_be_any() -> None:
    row = shown(pushed_wh=4000, status_seller_discom=PENDING)
    assert RecordConfirmation.compared(record_posting(4000, status=None), [row]).agrees
