"""The values of the seam: what a constructor refuses, and how a confirmation compares."""

from dataclasses import replace

import pytest

from ledger_client.ledger import (
    Allocation,
    Confirmation,
    LedgerProtocolError,
    MetricType,
    Receipt,
    Side,
    Trade,
    TradeQuery,
    client_reference,
)
from signing.interval import Interval
from tests.ledger_client.rehearsal import BUYER_METER, END, SELLER_METER, START, START_UTC, posting

TRADE = Trade(
    transaction_id="tx-1",
    order_item_id="it-1",
    record_id="tx-1_it-1",
    platform_id_buyer="pb",
    platform_id_seller="ps",
    discom_id_buyer="B",
    discom_id_seller="S",
    buyer_id=BUYER_METER,
    seller_id=SELLER_METER,
    delivery_start=START,
    delivery_end=END,
    window=Interval(START_UTC, START_UTC + 7200),
    quantity_wh=6000,
    pushed_wh=4000,
)
ALLOCATION = Allocation(
    record_id="tx-1_it-1",
    transaction_id="tx-1",
    order_item_id="it-1",
    quantity_wh=6000,
    allocated_wh=4000,
    side=Side.SELLER,
    metric=MetricType.ACTUAL_PUSHED,
    row_digest=None,
)
RECEIPT = Receipt(allocations=(ALLOCATION,))


def test_a_reference_is_derived_from_the_evidence_digest() -> None:
    assert client_reference(bytes(31) + b"\xab") == "sk1:" + "00" * 31 + "ab"
    for size in (31, 33):
        with pytest.raises(LedgerProtocolError, match="32 bytes"):
            client_reference(bytes(size))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("meter_id", ""),
        ("discom_id", ""),
        ("actual_imported_wh", 1.5),
        ("actual_imported_wh", True),
        ("actual_imported_wh", 2**53),
        ("client_reference", "sk1:00"),
        ("client_reference", "sk1:" + "G" * 64),
        ("client_reference", "sk1:" + "0" * 64 + "\n"),
        ("client_reference", "alloc-1"),
        ("delivery_start", "2026-04-26T04:30:00"),
        ("delivery_start", END),
        ("delivery_end", ""),
    ],
)
def test_a_posting_that_cannot_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(LedgerProtocolError):
        replace(posting(-1), **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("wh", [2**53 - 1, -(2**53) + 1, 0])
def test_the_largest_actuals_either_way_are_taken(wh: int) -> None:
    assert posting(wh).actual_imported_wh == wh


def test_the_least_trade_and_no_allocation_are_taken() -> None:
    least = replace(TRADE, quantity_wh=1, pushed_wh=0, pulled_wh=2**53 - 1)
    assert (least.quantity_wh, least.pushed_wh) == (1, 0)


def test_a_postings_window_is_its_spelling_parsed() -> None:
    assert posting(0).window == Interval(START_UTC, START_UTC + 7200)


@pytest.mark.parametrize(
    ("field", "value"), [("quantity_wh", 0), ("quantity_wh", 2**53), ("pushed_wh", -1), ("pulled_wh", -1)]
)
def test_a_trade_that_cannot_be_is_refused(field: str, value: int) -> None:
    with pytest.raises(LedgerProtocolError, match=field):
        replace(TRADE, **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 501])
def test_a_page_is_1_to_500_rows(size: int) -> None:
    assert (TradeQuery(page_size=1).page_size, TradeQuery(page_size=500).page_size) == (1, 500)
    with pytest.raises(LedgerProtocolError, match="page_size"):
        TradeQuery(page_size=size)


def test_a_meter_stands_on_its_side_and_may_stand_on_both() -> None:
    assert TRADE.sides_of(SELLER_METER) == (Side.SELLER,)
    assert TRADE.sides_of(BUYER_METER) == (Side.BUYER,)
    assert TRADE.sides_of(SELLER_METER.lower()) == ()
    assert replace(TRADE, buyer_id=SELLER_METER).sides_of(SELLER_METER) == (Side.BUYER, Side.SELLER)


def test_rows_that_say_what_the_receipt_said_agree() -> None:
    confirmation = Confirmation.compared(posting(-4000), RECEIPT, [TRADE])
    assert confirmation.agrees
    assert confirmation.trades == (TRADE,)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no longer shows it"),
        ([replace(TRADE, pushed_wh=3999)], "expected ACTUAL_PUSHED 4.000 kWh, the ledger shows 3.999 kWh"),
        ([replace(TRADE, pushed_wh=None)], "the ledger shows none"),
        ([replace(TRADE, delivery_start="2026-04-26T04:30:00.000Z")], "no longer shows it"),
        ([TRADE, replace(TRADE, order_item_id="it-2", record_id="r2")], "r2: the receipt names no allocation"),
    ],
)
def test_every_difference_is_said_in_words(rows: list[Trade], said: str) -> None:
    confirmation = Confirmation.compared(posting(-4000), RECEIPT, rows)
    assert not confirmation.agrees
    (line,) = confirmation.differences
    assert said in line


def test_rows_of_other_meters_and_windows_are_left_out() -> None:
    others = [
        replace(TRADE, seller_id="other", order_item_id="it-9"),
        replace(TRADE, delivery_end="x", order_item_id="it-8"),
    ]
    assert Confirmation.compared(posting(-4000), RECEIPT, [TRADE, *others]).trades == (TRADE,)
