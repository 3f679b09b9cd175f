"""Three rounds at the sandbox: real attestation, real writes over HTTP, the other discom by hand, hand-set time."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from headend.attest import Attestor, Subject
from headend.duties.holds import Hold, HoldKind, Order
from headend.exchange import legs
from headend.exchange.recording_leg import RecordingLeg
from headend.store.sqlite import recording_rows
from headend.trading import recordings
from headend.trading.gates import DEFAULT_GATES
from headend.trading.posting import Policy, PostingState
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery
from ledger_client.ledger import LedgerRefusedError, LedgerUnavailableError, Side, TradeStatus
from ledger_client.recording import RecordPosting
from signing.statements.window_actual import Cause, Status, WindowActual
from tests.headend.discom import SUBJECT, attestor, log_rules, stated
from tests.headend.premises import Gateway, Headend, gateway
from tests.headend.settling import FULL, NAME, REGISTERS
from tests.ledger_client.rehearsal import (
    BUYER_DISCOM,
    END,
    NOW,
    SELLER_DISCOM,
    START,
    Rehearsal,
    record_posting,
)

FIRST, SECOND, THIRD = DEFAULT_GATES.rounds_utc(SUBJECT.window)
DELIVERY = Delivery(posted_as=NAME, delivery_start=START, delivery_end=END, window=SUBJECT.window)
POLICY = Policy(statuses=frozenset({Status.FINAL, Status.TRUE_UP}), retry_s=30, give_up_s=86_400)


class Recorder:
    """A discom that allocates by itself: `discom` is its short code, and it sells, buys, or both."""

    def __init__(self, headend: Headend, exchange: Rehearsal, discom: str = SELLER_DISCOM) -> None:
        self.headend = headend
        self.exchange = exchange
        self.discom = discom
        self.status: TradeStatus | None = TradeStatus.COMPLETED
        self.gateway: Gateway = gateway()
        log_rules(headend)
        headend.enrol(self.gateway)
        self.attestor: Attestor = attestor(headend)
        self.ledger = exchange.ledger("discom-s.example.org" if discom == SELLER_DISCOM else "discom-b.example.org")
        self.other = exchange.ledger("discom-b.example.org" if discom == SELLER_DISCOM else "discom-s.example.org")
        self.leg = RecordingLeg(
            database=headend.database, ledger=self.ledger, discom=discom, policy=POLICY, status=self._status
        )

    def _status(self, connection: object, delivery: Delivery, actual: WindowActual) -> TradeStatus | None:
        return self.status if actual.status is Status.FINAL else None

    def close(self) -> None:
        self.ledger.close()
        self.other.close()

    def day(self, export_wh: int = 1000) -> None:
        """8 x `export_wh` out in the window, 0.8 kWh in; the sun shines from 8 to 16."""
        sun = [export_wh + (1, -1)[at % 2] if 32 <= at < 64 and export_wh else 0 for at in range(96)]
        self.headend.take_in(stated(self.gateway, 0, FULL, registers=REGISTERS, exports=sun))

    def attest(self, *subjects: Subject, cause: Cause | None = None) -> bytes:
        (signed, *_) = self.attestor.attest(subjects or [SUBJECT], at_utc=NOW, cause=cause)
        return signed.digest

    def step(self, now: int, *deliveries: Delivery) -> tuple[Recording, ...]:
        """Trades are read, words are said and written."""
        self.exchange.clock[0] = now
        legs.pull(self.headend.database, self.ledger, self.discom, look_back_days=7, now_utc=now)
        self.leg.plan(deliveries or [DELIVERY], self._ready, now)
        return self.leg.write(now).moved

    def _ready(self, delivery: Delivery) -> Any:
        ready = self.attestor.ready(delivery.posted_as, delivery.window)
        return None if ready is None else ready.actual

    def row(self) -> tuple[object, object, object, object]:
        """What the ledger has: pushed, the seller's discom's status, pulled, the buyer's."""
        (trade,) = self.exchange.settlement()
        return tuple(trade[name] for name in ("pushedKwh", "statusSellerDiscom", "pulledKwh", "statusBuyerDiscom"))  # type: ignore[return-value]

    def words(self, side: Side = Side.SELLER, record_id: str = "tx-1_it-1") -> list[tuple[int, int, str, str]]:
        rows = recording_rows.of_side(self.headend.database.connection, record_id, side)
        return [(one.round, one.allocated_wh, one.status.value, one.state.value) for one in rows]


@pytest.fixture
def seller(headend: Headend, exchange: Rehearsal) -> Iterator[Recorder]:
    found = Recorder(headend, exchange)
    exchange.put_both(seller_id=NAME)
    yield found
    found.close()


def test_three_rounds_settle_a_trade(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    seller.step(NOW)
    assert seller.words() == [(1, 6000, "PENDING", "CONFIRMED")]
    seller.step(NOW + 300)
    assert len(seller.words()) == 1
    seller.other.record(record_posting(4000, Side.BUYER, round_number=2))
    seller.step(NOW + 600)
    assert seller.words() == [(1, 6000, "PENDING", "CONFIRMED"), (3, 4000, "COMPLETED", "CONFIRMED")]
    (trade,) = seller.exchange.settlement()
    assert (trade["status"], trade["settledKwh"]) == ("SETTLED", "4.000")
    assert seller.step(NOW + 900) == ()


def test_a_counterpart_that_misses_its_gate_leaves_the_sellers_own_word_the_last(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    seller.step(SECOND - 1)
    seller.step(SECOND)
    assert seller.words() == [(1, 6000, "PENDING", "CONFIRMED"), (3, 6000, "COMPLETED", "CONFIRMED")]


def test_a_buyer_waits_for_the_seller_and_caps_its_word(headend: Headend, exchange: Rehearsal) -> None:
    buyer = Recorder(headend, exchange, BUYER_DISCOM)
    exchange.put_both(buyer_id=NAME)
    buyer.day(0)
    buyer.attest()
    assert buyer.step(NOW) == ()
    buyer.other.record(record_posting(500, Side.SELLER, status=TradeStatus.PENDING))
    buyer.step(NOW + 300)
    assert buyer.words(Side.BUYER) == [(2, 500, "COMPLETED", "CONFIRMED")]
    buyer.close()


def test_a_buyer_speaks_for_itself_once_the_sellers_gate_has_passed(headend: Headend, exchange: Rehearsal) -> None:
    buyer = Recorder(headend, exchange, BUYER_DISCOM)
    exchange.put_both(buyer_id=NAME)
    buyer.day(0)
    buyer.attest()
    assert buyer.step(FIRST - 1) == ()
    buyer.step(FIRST)
    assert buyer.words(Side.BUYER) == [(2, 800, "COMPLETED", "CONFIRMED")]
    buyer.close()


def test_what_one_meter_gave_is_spread_over_its_trades(seller: Recorder) -> None:
    seller.exchange.put_both(seller_id=NAME, order_item_id="it-2")
    seller.day()
    seller.attest()
    seller.step(SECOND)
    shares = [seller.words(record_id=f"tx-1_it-{number}")[-1][1] for number in (1, 2)]
    assert shares == [3600, 3600]


def test_a_trade_within_one_discom_goes_through_all_rounds_by_itself(headend: Headend, exchange: Rehearsal) -> None:
    both = Recorder(headend, exchange)
    exchange.put_both(seller_id=NAME, buyer_id=NAME, discom_id_buyer=SELLER_DISCOM)
    both.day()
    both.attest()
    for at in (NOW, NOW + 300, NOW + 600):
        both.step(at)
    assert both.words() == [(1, 6000, "PENDING", "CONFIRMED"), (3, 0, "COMPLETED", "CONFIRMED")]
    assert both.words(Side.BUYER) == [(2, 0, "COMPLETED", "CONFIRMED")]
    both.close()


def test_a_revision_that_changes_the_figure_is_said_under_its_own_evidence(seller: Recorder) -> None:
    seller.day(500)
    seller.attest()
    seller.step(SECOND)
    assert seller.words()[-1][:3] == (3, 3200, "COMPLETED")
    digest = seller.attest(cause=Cause.OPERATOR)
    assert seller.step(SECOND + 300) == ()
    del digest
    seller.other.record(record_posting(1000, Side.BUYER, round_number=2))
    seller.step(SECOND + 600)
    assert [word[:3] for word in seller.words()] == [(3, 3200, "COMPLETED"), (3, 1000, "COMPLETED")]


def test_a_figure_that_is_taken_back_is_not_written_any_more(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    legs.pull(seller.headend.database, seller.ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW)
    seller.leg.plan([DELIVERY], seller._ready, NOW)
    assert seller.words() == [(1, 6000, "PENDING", "DUE")]
    seller.attestor.withdraw(SUBJECT, "wrong meter", at_utc=NOW)
    seller.leg.plan([DELIVERY], seller._ready, NOW)
    assert seller.words() == [(1, 6000, "PENDING", "SUPERSEDED")]
    assert seller.leg.write(NOW).moved == ()


def test_a_status_that_is_not_final_and_an_outage_are_said_as_they_are(seller: Recorder) -> None:
    seller.day(0)
    seller.attest()
    seller.status = TradeStatus.CURTAILED_OUTAGE
    seller.step(SECOND)
    assert seller.words() == [(3, 0, "CURTAILED_OUTAGE", "CONFIRMED")]


def test_a_lost_answer_repeats_the_same_write_and_a_crash_after_it_reads_back(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    sent: list[RecordPosting] = []
    record = seller.ledger.record

    def lost(posting: RecordPosting) -> Any:
        sent.append(posting)
        record(posting)
        raise LedgerUnavailableError("lost")

    seller.ledger.record = lost  # type: ignore[method-assign]
    (first,) = seller.step(NOW)
    assert (first.state, first.attempts) == (PostingState.DUE, 1)
    seller.ledger.record = record  # type: ignore[method-assign]
    seller.step(first.next_try_utc)
    assert seller.words() == [(1, 6000, "PENDING", "CONFIRMED")]
    assert len(sent) == 1


def test_a_row_that_changes_after_it_was_read_back_differs(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    seller.step(NOW)
    seller.ledger.record(record_posting(10, Side.SELLER, round_number=9))
    seller.step(NOW + 300)
    assert seller.words() == [(1, 6000, "PENDING", "DIFFERS")]


def test_a_word_that_the_ledger_refused_is_said_again_once_an_operator_attests_anew(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    legs.pull(seller.headend.database, seller.ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW)
    seller.leg.plan([DELIVERY], seller._ready, NOW)
    record = seller.ledger.record

    def refused(posting: RecordPosting) -> Any:
        raise LedgerRefusedError("AUT_NOT_AUTHORIZED", "not yours")

    seller.ledger.record = refused  # type: ignore[method-assign]
    seller.leg.write(NOW)
    seller.ledger.record = record  # type: ignore[method-assign]
    assert seller.words() == [(1, 6000, "PENDING", "REFUSED")]
    seller.step(NOW + 300)
    assert len(seller.words()) == 1
    seller.attest(cause=Cause.OPERATOR)
    seller.step(NOW + 600)
    assert seller.words()[-1] == (1, 6000, "PENDING", "CONFIRMED")
    seller.step(NOW + 900)
    assert len(seller.words()) == 2


def test_a_refused_word_that_is_tried_again_is_written_under_its_own_reference_and_said_once(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    seller.step(NOW)
    (one,) = recording_rows.of_side(seller.headend.database.connection, "tx-1_it-1", Side.SELLER)
    with seller.headend.database.transaction() as connection:
        recording_rows.put(connection, replace(one, state=PostingState.REFUSED, note="not yours"))
        recording_rows.put(connection, recordings.retried(replace(one, state=PostingState.REFUSED), NOW + 300, "asha"))
    seller.step(NOW + 300)
    assert seller.words() == [(1, 6000, "PENDING", "CONFIRMED")]


def test_what_an_operator_holds_is_not_written_until_it_is_let_go(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    order = Order(
        kind=HoldKind.STAND_DOWN, connection_point=None, window=None, party=None, by="asha", reason="looked into"
    )
    hold = Hold(number=1, order=order, opened_utc=NOW, closed_utc=None, closed_by=None, outcome=None)
    legs.pull(seller.headend.database, seller.ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW)
    seller.leg.plan([DELIVERY], seller._ready, NOW)
    assert seller.leg.write(NOW, over=lambda _: hold).moved == ()
    seller.leg.hold(lambda _: hold, NOW)
    assert seller.leg.write(NOW).moved == ()
    assert seller.words() == [(1, 6000, "PENDING", "HELD")]
    seller.leg.hold(None, NOW)
    seller.leg.write(NOW)
    assert seller.words() == [(1, 6000, "PENDING", "CONFIRMED")]


def test_nothing_is_said_after_the_true_up_or_of_a_figure_that_may_not_go(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    over = DEFAULT_GATES.true_up_ends_utc(SUBJECT.window)
    seller.exchange.clock[0] = NOW
    legs.pull(seller.headend.database, seller.ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW)
    seller.leg.plan([DELIVERY], seller._ready, over)
    assert seller.words() == []
    seller.leg._policy = replace(POLICY, statuses=frozenset())
    seller.leg.plan([DELIVERY], seller._ready, over - 1)
    assert seller.words() == []


def test_a_figure_whose_references_are_used_up_is_told_to_an_operator(seller: Recorder) -> None:
    seller.day()
    seller.attest()
    for number, pulled in enumerate((5000, 4000, 3000, 2000, 1000)):
        seller.step(NOW + number * 300)
        seller.other.record(record_posting(pulled, Side.BUYER, round_number=number + 2))
    legs.pull(seller.headend.database, seller.ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW + 3000)
    (alarm,) = seller.leg.plan([DELIVERY], seller._ready, NOW + 3000)
    assert "attest it anew" in alarm
    assert [word[0] for word in seller.words()] == [1, 3, 5, 7, 9]
