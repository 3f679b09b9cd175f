"""The `Ledger` contract: what every implementation must keep, run against each that there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger_client.ledger import (
    LedgerRefusedError,
    LedgerUnavailableError,
    Side,
    TradeQuery,
    TradeStatus,
    TradeUnknownError,
)
from ledger_client.recording import OUTAGE_STATUSES, RecordingLedger
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
    record_posting,
    running,
)


@pytest.fixture(params=list(Numbers), ids=lambda kind: f"deg-{kind.value}")
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rehearsal]:
    with running(tmp_path, request.param) as found:
        yield found


@pytest.fixture
def ledger(exchange: Rehearsal) -> Iterator[RecordingLedger]:
    with exchange.ledger() as found:
        yield found


def test_a_trade_comes_back_with_the_ledgers_exact_spelling(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    start = "2026-04-26T10:00:00+05:30"
    exchange.put_both(delivery_start=start, seller_id="did:web:Ünïcode:meters:1 ")
    (trade,) = ledger.trades(TradeQuery(discom_id_seller=SELLER_DISCOM))
    assert (trade.delivery_start, trade.delivery_end) == (start, END)
    assert trade.window.start_utc == START_UTC
    assert trade.seller_id == "did:web:Ünïcode:meters:1 "
    assert (trade.quantity_wh, str(trade.price_inr_per_kwh)) == (6000, "5")
    assert (trade.pushed_wh, trade.pulled_wh) == (None, None)


def test_every_page_is_read_and_every_trade_comes_once(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    for number in range(5):
        exchange.put_both(order_item_id=f"it-{number}")
    for page_size in (1, 2, 4, 5, 6):
        trades = ledger.trades(TradeQuery(page_size=page_size))
        assert [trade.order_item_id for trade in trades] == [f"it-{number}" for number in range(5)]


def test_a_query_finds_by_meter_and_by_window(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    assert ledger.trades(TradeQuery(seller_id=SELLER_METER))
    assert not ledger.trades(TradeQuery(buyer_id=SELLER_METER))
    assert ledger.trades(TradeQuery(delivery_start_from_utc=START_UTC, delivery_start_to_utc=START_UTC))
    assert not ledger.trades(TradeQuery(delivery_start_from_utc=START_UTC + 1))
    assert not ledger.trades(TradeQuery(delivery_start_to_utc=START_UTC - 1))


def test_a_posting_allocates_and_is_read_back(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    receipt = ledger.post(posting(-4321))
    assert [allocation.allocated_wh for allocation in receipt.allocations] == [4321]
    confirmation = ledger.confirm(posting(-4321), receipt)
    assert confirmation.agrees
    assert [trade.pushed_wh for trade in confirmation.trades] == [4321]
    assert confirmation.trades[0].status_seller_discom is TradeStatus.COMPLETED


def test_the_same_posting_again_is_the_same_post(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    assert ledger.post(posting(-4000)) == ledger.post(posting(-4000))


def test_a_lost_answer_retried_has_one_effect(exchange: Rehearsal, ledger: RecordingLedger) -> None:
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


def test_another_reference_is_a_revision_and_overwrites(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    first = posting(-4000, evidence="first")
    ledger.post(first)
    ledger.post(posting(-3000, evidence="second"))
    (trade,) = ledger.trades(TradeQuery())
    assert trade.pushed_wh == 3000
    ledger.post(first)
    assert [trade.pushed_wh for trade in ledger.trades(TradeQuery())] == [3000]


def test_a_window_without_a_trade_is_unknown(ledger: RecordingLedger) -> None:
    with pytest.raises(TradeUnknownError, match="PRC_NOT_FOUND"):
        ledger.post(posting(-4000))


@pytest.mark.parametrize(
    "spelled", ["2026-04-26T04:30:00.000Z", "2026-04-26T10:00:00+05:30", "2026-04-26T04:30:00+00:00"]
)
def test_a_window_spelled_otherwise_is_unknown(exchange: Rehearsal, ledger: RecordingLedger, spelled: str) -> None:
    exchange.put_both()
    with pytest.raises(TradeUnknownError):
        ledger.post(posting(-4000, delivery_start=spelled))
    assert ledger.post(posting(-4000, delivery_start=START)).total_matched == 1


def test_somebody_elses_meter_is_refused(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    with pytest.raises(LedgerRefusedError, match="AUT_NOT_AUTHORIZED"):
        ledger.post(buyer_posting(5000))


def test_a_ledger_that_is_down_is_unavailable(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    exchange.faults.switch_on(Fault.DOWN)
    for _ in range(2):
        with pytest.raises(LedgerUnavailableError):
            ledger.post(posting(-4000))
    exchange.faults.switch_off(Fault.DOWN)
    assert ledger.post(posting(-4000)).total_allocated_wh == 4000


def test_a_ledger_that_refuses_is_not_asked_again(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.faults.switch_on(Fault.REFUSE, 1)
    with pytest.raises(LedgerRefusedError):
        ledger.trades(TradeQuery())


def test_a_ledger_that_is_slow_is_unavailable_and_did_nothing(exchange: Rehearsal) -> None:
    exchange.put_both()
    exchange.faults.switch_on(Fault.SLOW, 1)
    with exchange.ledger(timeout_s=0.3) as hurried, pytest.raises(LedgerUnavailableError):
        hurried.post(posting(-4000))
    assert exchange.settlement()[0]["pushedKwh"] is None


def test_a_record_is_written_and_read_back(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    said = record_posting(4321)
    receipt = ledger.record(said)
    assert receipt.record_id == "tx-1_it-1"
    confirmation = ledger.confirm_record(said)
    assert confirmation.agrees
    assert confirmation.trade is not None
    assert (confirmation.trade.pushed_wh, confirmation.trade.row_digest) == (4321, receipt.row_digest)
    assert confirmation.trade.status_seller_discom is TradeStatus.COMPLETED


def test_three_rounds_settle_at_what_the_buyer_took(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    with exchange.ledger("discom-b.example.org") as buyer:
        first = record_posting(6000, round_number=1, status=TradeStatus.PENDING)
        ledger.record(first)
        assert buyer.trades(TradeQuery())[0].pushed_wh == 6000
        buyer.record(record_posting(5000, Side.BUYER, round_number=2))
        assert exchange.settlement()[0]["status"] == "AWAITING_ROUND"
        last = record_posting(5000, round_number=3)
        ledger.record(last)
        assert ledger.confirm_record(last).agrees
    (trade,) = exchange.settlement()
    assert (trade["status"], trade["settledKwh"]) == ("SETTLED", "5.000")


def test_the_first_round_sent_again_after_the_last_changes_nothing(
    exchange: Rehearsal, ledger: RecordingLedger
) -> None:
    exchange.put_both()
    first = record_posting(6000, round_number=1, status=TradeStatus.PENDING)
    ledger.record(first)
    ledger.record(record_posting(5000, round_number=3))
    ledger.record(first)
    (trade,) = ledger.trades(TradeQuery())
    assert (trade.pushed_wh, trade.status_seller_discom) == (5000, TradeStatus.COMPLETED)


def test_two_rounds_under_one_reference_are_refused(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    ledger.record(record_posting(6000, status=TradeStatus.PENDING))
    for other in (record_posting(6000), record_posting(5000, status=TradeStatus.PENDING)):
        with pytest.raises(LedgerRefusedError, match="PRC_CONFLICT"):
            ledger.record(other)


def test_the_same_record_again_is_the_same_write(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    assert ledger.record(record_posting(4000)) == ledger.record(record_posting(4000))


def test_a_lost_record_written_again_has_one_effect(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    with pytest.raises(LedgerUnavailableError):
        ledger.record(record_posting(4000))
    before = exchange.settlement()
    ledger.record(record_posting(4000))
    assert exchange.settlement() == before


@pytest.mark.parametrize("status", [status for status in TradeStatus if status in OUTAGE_STATUSES])
def test_an_outage_is_written_with_its_metric(
    exchange: Rehearsal, ledger: RecordingLedger, status: TradeStatus
) -> None:
    exchange.put_both()
    said = record_posting(0, status=status, note="feeder out from 04:40Z")
    ledger.record(said)
    confirmation = ledger.confirm_record(said)
    assert confirmation.agrees
    assert confirmation.trade is not None
    assert (confirmation.trade.pushed_wh, confirmation.trade.status_seller_discom) == (0, status)


def test_a_record_of_a_trade_nobody_put_is_unknown(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    with pytest.raises(TradeUnknownError):
        ledger.record(record_posting(4000))
    assert ledger.confirm_record(record_posting(4000)).differences == ("the ledger shows no such trade",)


def test_a_record_on_the_others_side_is_refused(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    for said in (record_posting(1, Side.BUYER), record_posting(1, Side.BUYER, discom_id=SELLER_DISCOM)):
        with pytest.raises(LedgerRefusedError, match="AUT_NOT_AUTHORIZED"):
            ledger.record(said)


def test_what_the_ledger_shows_otherwise_is_said_in_words(exchange: Rehearsal, ledger: RecordingLedger) -> None:
    exchange.put_both()
    ledger.record(record_posting(3000, status=TradeStatus.PENDING))
    said = ledger.confirm_record(record_posting(4000))
    assert said.differences == (
        "tx-1_it-1: expected ACTUAL_PUSHED 4.000 kWh, the ledger shows 3.000 kWh",
        "tx-1_it-1: expected status COMPLETED, the ledger shows PENDING",
    )
