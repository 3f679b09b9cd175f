"""What became of each trade: settled energy, rupees, evidence, and what is left to the retailer."""

from pathlib import Path

from ledger_client.sandbox.rendering import Numbers
from tests.ledger_client.rehearsal import (
    SELLER_DISCOM,
    SELLER_METER,
    SELLER_PLATFORM,
    Rehearsal,
    buyer_posting,
    posting,
    running,
)
from tests.ledger_client.sandbox.requests import ALLOCATE, BUYER, PUT, SELLER, call


def test_the_demonstrations_trade_settles_with_its_evidence_and_what_is_left(exchange: Rehearsal) -> None:
    exchange.put_both()
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-8250))
        (half,) = exchange.settlement()
        assert (half["status"], half["settledKwh"], half["amountInr"]) == ("AWAITING_METERS", None, None)
        assert half["seller"]["residualKwh"] is None  # type: ignore[index]
        buyer.post(buyer_posting(7100))
    (trade,) = exchange.settlement()
    assert trade["status"] == "SETTLED"
    assert (trade["contractedKwh"], trade["pushedKwh"], trade["pulledKwh"]) == ("6.000", "6.000", "6.000")
    assert (trade["settledKwh"], trade["amountInr"]) == ("6.000", "30.00")
    assert trade["seller"] == {
        "meterId": SELLER_METER,
        "discomId": SELLER_DISCOM,
        "actualImportedKwh": "-8.250",
        "clientReference": posting(0).client_reference,
        "revision": 1,
        "residualKwh": "2.250",
    }
    assert trade["buyer"]["residualKwh"] == "1.100"  # type: ignore[index]
    assert trade["buyer"]["clientReference"] == buyer_posting(0).client_reference  # type: ignore[index]


def test_the_lower_side_prevails(exchange: Rehearsal) -> None:
    exchange.put_both()
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-4321))
        buyer.post(buyer_posting(5000))
    (trade,) = exchange.settlement()
    assert (trade["settledKwh"], trade["amountInr"]) == ("4.321", "21.605")
    assert trade["buyer"]["residualKwh"] == "0.679"  # type: ignore[index]


def test_what_is_left_counts_all_trades_of_the_meter(exchange: Rehearsal) -> None:
    for item in ("it-1", "it-2"):
        exchange.put_both(order_item_id=item)
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-13_000))
        buyer.post(buyer_posting(12_000))
    assert [trade["seller"]["residualKwh"] for trade in exchange.settlement()] == ["1.000"] * 2  # type: ignore[index]


def test_a_trade_that_one_platform_put_does_not_settle(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-6000))
        buyer.post(buyer_posting(6000))
    (trade,) = exchange.settlement()
    assert (trade["status"], trade["settledKwh"]) == ("AWAITING_PLATFORM", None)


def test_a_trade_without_a_price_settles_without_an_amount(exchange: Rehearsal) -> None:
    exchange.put_both(price_inr_per_kwh=None)
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-6000))
        buyer.post(buyer_posting(6000))
    (trade,) = exchange.settlement()
    assert (trade["settledKwh"], trade["amountInr"]) == ("6.000", None)


def test_numbers_as_text_and_flat_allocations_on_request(tmp_path: Path) -> None:
    with running(tmp_path, Numbers.TEXT) as exchange:
        exchange.put_both()
        assert call(exchange, "allocate", ALLOCATE).json()["allocations"][0]["allocatedQty"] == "4.000"
        (record,) = call(exchange, "get", {}).json()["records"]
        assert record["tradeDetails"][0]["tradeQty"] == "6.000"
        assert record["sellerFulfillmentValidationMetrics"][0]["validationMetricValue"] == "4.000"
        assert record["sellerDiscomAllocation"] == "4.000"
        with exchange.ledger(BUYER) as buyer:
            buyer.post(buyer_posting(6000))
        assert call(exchange, "get", {}).json()["records"][0]["finalAllocation"] == "4.000"


def test_an_incomplete_trade_shows_what_is_known(exchange: Rehearsal) -> None:
    part = {"role": "SELLER", "transactionId": "tx-1", "orderItemId": "it-1", "platformIdSeller": SELLER_PLATFORM}
    call(exchange, "put", part, SELLER_PLATFORM)
    (trade,) = exchange.settlement()
    assert (trade["status"], trade["contractedKwh"]) == ("AWAITING_PLATFORM", None)
    assert trade["seller"]["meterId"] is None  # type: ignore[index]


def test_what_is_left_waits_for_all_trades_of_the_meter(exchange: Rehearsal) -> None:
    exchange.put_both()
    call(exchange, "put", PUT | {"orderItemId": "it-2"}, SELLER_PLATFORM)
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-13_000))
        buyer.post(buyer_posting(12_000))
    settled, waiting = exchange.settlement()
    assert (settled["settledKwh"], waiting["settledKwh"]) == ("6.000", None)
    assert settled["seller"]["residualKwh"] is None  # type: ignore[index]


def test_another_window_of_the_meter_leaves_what_is_left_alone(exchange: Rehearsal) -> None:
    exchange.put_both()
    exchange.put_both(order_item_id="it-2", delivery_end="2026-04-26T05:30:00Z")
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-7000))
        buyer.post(buyer_posting(6000))
    assert exchange.settlement()[0]["seller"]["residualKwh"] == "1.000"  # type: ignore[index]
