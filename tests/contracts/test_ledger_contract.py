"""The `Ledger` contract: what every implementation must keep, run against each that there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger_client.ledger import (
    Ledger,
    LedgerRefusedError,
    LedgerUnavailableError,
    TradeQuery,
    TradeStatus,
    TradeUnknownError,
)
from ledger_client.sandbox.faults import Fault
from ledger_client.sandbox.rendering import Numbers
from tests.ledger_client.rehearsal import (
    END,
    SELLER_DISCOM,
    SELLER_METER,
    START,
    START_UTC,
    Rehearsal,
    buyer_posting,
    posting,
    running,
)


@pytest.fixture(params=list(Numbers), ids=lambda kind: f"deg-{kind.value}")
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rehearsal]:
    with running(tmp_path, request.param) as found:
        yield found


@pytest.fixture
def ledger(exchange: Rehearsal) -> Iterator[Ledger]:
    with exchange.ledger() as found:
        yield found


def test_a_trade_comes_back_with_the_ledgers_exact_spelling(exchange: Rehearsal, ledger: Ledger) -> None:
    start = "2026-04-26T10:00:00+05:30"
    exchange.put_both(delivery_start=start, seller_id="did:web:Ünïcode:meters:1 ")
    (trade,) = ledger.trades(TradeQuery(discom_id_seller=SELLER_DISCOM))
    assert (trade.delivery_start, trade.delivery_end) == (start, END)
    assert trade.window.start_utc == START_UTC
    assert trade.seller_id == "did:web:Ünïcode:meters:1 "
    assert (trade.quantity_wh, str(trade.price_inr_per_kwh)) == (6000, "5")
    assert (trade.pushed_wh, trade.pulled_wh) == (None, None)


def test_every_page_is_read_and_every_trade_comes_once(exchange: Rehearsal, ledger: Ledger) -> None:
    for number in range(5):
        exchange.put_both(order_item_id=f"it-{number}")
    for page_size in (1, 2, 4, 5, 6):
        trades = ledger.trades(TradeQuery(page_size=page_size))
        assert [trade.order_item_id for trade in trades] == [f"it-{number}" for number in range(5)]


def test_a_query_finds_by_meter_and_by_window(exchange: Rehearsal, ledger: Ledger) -> None:
    exchange.put_both()
    assert ledger.trades(TradeQuery(seller_id=SELLER_METER))
    assert not ledger.trades(TradeQuery(buyer_id=SELLER_METER))
    assert ledger.trades(TradeQuery(delivery_start_from_utc=START_UTC, delivery_start_to_utc=START_UTC))
    assert not ledger.trades(TradeQuery(delivery_start_from_utc=START_UTC + 1))
    assert not ledger.trades(TradeQuery(delivery_start_to_utc=START_UTC - 1))


def test_a_posting_allocates_and_is_read_back(exchange: Rehearsal, ledger: Ledger) -> None:
    exchange.put_both()
    receipt = ledger.post(posting(-4321))
    assert [allocation.allocated_wh for allocation in receipt.allocations] == [4321]
    confirmation = ledger.confirm(posting(-4321), receipt)
    assert confirmation.agrees
    assert [trade.pushed_wh for trade in confirmation.trades] == [4321]
    assert confirmation.trades[0].status_seller_discom is TradeStatus.COMPLETED


def test_the_same_posting_again_is_the_same_post(exchange: Rehearsal, ledger: Ledger) -> None:
    exchange.put_both()
    assert ledger.post(posting(-4000)) == ledger.post(posting(-4000))


def test_a_lost_answer_retried_has_one_effect(exchange: Rehearsal, ledger: Ledger) -> None:
    exchange.put_both()
    exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    with pytest.raises(LedgerUnavailableError):
        ledger.post(posting(-4000))
    (after_loss,) = exchange.settlement()
    assert after_loss["pushedKwh"] == "4.000"
    ledger.post(posting(-4000))
    (after_retry,) = exchange.settlement()
    assert after_retry == after_loss
    assert after_retry["seller"]["revision"] == 1  # type: ignore[index]


def test_another_reference_is_a_revision_and_overwrites(exchange: Rehearsal, ledger: Ledger) -> None:
    exchange.put_both()
    first = posting(-4000, evidence="first")
    ledger.post(first)
    ledger.post(posting(-3000, evidence="second"))
    (trade,) = ledger.trades(TradeQuery())
    assert trade.pushed_wh == 3000
    ledger.post(first)
    assert [trade.pushed_wh for trade in ledger.trades(TradeQuery())] == [3000]


def test_a_window_without_a_trade_is_unknown(ledger: Ledger) -> None:
    with pytest.raises(TradeUnknownError, match="PRC_NOT_FOUND"):
        ledger.post(posting(-4000))


@pytest.mark.parametrize(
    "spelled", ["2026-04-26T04:30:00.000Z", "2026-04-26T10:00:00+05:30", "2026-04-26T04:30:00+00:00"]
)
def test_a_window_spelled_otherwise_is_unknown(exchange: Rehearsal, ledger: Ledger, spelled: str) -> None:
    exchange.put_both()
    with pytest.raises(TradeUnknownError):
        ledger.post(posting(-4000, delivery_start=spelled))
    assert ledger.post(posting(-4000, delivery_start=START)).total_matched == 1


def test_somebody_elses_meter_is_refused(exchange: Rehearsal, ledger: Ledger) -> None:
    exchange.put_both()
    with pytest.raises(LedgerRefusedError, match="AUT_NOT_AUTHORIZED"):
        ledger.post(buyer_posting(5000))


def test_a_ledger_that_is_down_is_unavailable(exchange: Rehearsal, ledger: Ledger) -> None:
    exchange.put_both()
    exchange.faults.switch_on(Fault.DOWN)
    for _ in range(2):
        with pytest.raises(LedgerUnavailableError):
            ledger.post(posting(-4000))
    exchange.faults.switch_off(Fault.DOWN)
    assert ledger.post(posting(-4000)).total_allocated_wh == 4000


def test_a_ledger_that_refuses_is_not_asked_again(exchange: Rehearsal, ledger: Ledger) -> None:
    exchange.faults.switch_on(Fault.REFUSE, 1)
    with pytest.raises(LedgerRefusedError):
        ledger.trades(TradeQuery())


def test_a_ledger_that_is_slow_is_unavailable_and_did_nothing(exchange: Rehearsal) -> None:
    exchange.put_both()
    exchange.faults.switch_on(Fault.SLOW, 1)
    with exchange.ledger(timeout_s=0.3) as hurried, pytest.raises(LedgerUnavailableError):
        hurried.post(posting(-4000))
    assert exchange.settlement()[0]["pushedKwh"] is None
