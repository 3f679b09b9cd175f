"""What every answer does to a posting, and which sides of a trade are ours."""

from dataclasses import replace
from decimal import Decimal

import pytest

from headend.trading.posting import (
    MAX_BACKOFF_S,
    Policy,
    PostingRecord,
    PostingState,
    Trouble,
    due,
    read_back,
    troubled,
)
from headend.trading.trades import Delivery, deliveries, own_sides
from ledger_client.ledger import Confirmation, MetricType, Trade, TradeType
from signing.interval import Interval
from signing.statements.window_actual import Status

POLICY = Policy(statuses=frozenset({Status.FINAL}), retry_s=30, give_up_s=3600)
WINDOW = Interval(1_777_177_800, 1_777_185_000)
DELIVERY = Delivery(posted_as="M", delivery_start="2026-04-26T04:30:00Z", delivery_end="x", window=WINDOW)
RECORD = PostingRecord(
    delivery=DELIVERY,
    actual=bytes(32),
    revision=0,
    net_wh=-6400,
    state=PostingState.DUE,
    attempts=0,
    next_try_utc=0,
    note="",
    allocated_wh=None,
)
TRADE = Trade(
    transaction_id="t",
    order_item_id="i",
    record_id="t_i",
    platform_id_buyer="pb",
    platform_id_seller="ps",
    discom_id_buyer="TPDDL",
    discom_id_seller="PaVVNL",
    buyer_id="B",
    seller_id="S",
    delivery_start="2026-04-26T04:30:00Z",
    delivery_end="2026-04-26T06:30:00Z",
    window=WINDOW,
    quantity_wh=6000,
    price_inr_per_kwh=Decimal(5),
)


def test_waits_double_up_to_an_hour() -> None:
    waits = []
    record = RECORD
    for _ in range(20):
        record = troubled(record, Trouble.NO_ANSWER, "silent", POLICY, 1000)
        waits.append(record.next_try_utc - 1000)
    assert waits[:4] == [30, 60, 120, 240]
    assert max(waits) == waits[-1] == MAX_BACKOFF_S


@pytest.mark.parametrize(
    ("now", "state"),
    [(WINDOW.end_utc + 3599, PostingState.WAITING), (WINDOW.end_utc + 3600, PostingState.EXPIRED)],
)
def test_an_unknown_trade_is_waited_for_until_the_deadline(now: int, state: PostingState) -> None:
    assert troubled(RECORD, Trouble.TRADE_UNKNOWN, "404", POLICY, now).state is state


def test_what_was_posted_stays_posted_when_only_its_reading_back_failed() -> None:
    posted = replace(RECORD, state=PostingState.POSTED)
    assert troubled(posted, Trouble.NO_ANSWER, "silent", POLICY, 0).state is PostingState.POSTED


def test_rows_that_contradict_the_receipt_are_shown() -> None:
    after = read_back(RECORD, Confirmation(trades=(), differences=("t_i: expected 6.000 kWh",)))
    assert (after.state, after.note) == (PostingState.DIFFERS, "t_i: expected 6.000 kWh")


def test_only_what_is_open_and_due_is_done_oldest_window_first() -> None:
    later = replace(RECORD, delivery=replace(DELIVERY, window=Interval(WINDOW.end_utc, WINDOW.end_utc + 900)))
    future = replace(RECORD, next_try_utc=11)
    closed = replace(RECORD, state=PostingState.REFUSED)
    assert due([later, future, closed, RECORD], 10) == (RECORD, later)


def test_a_trade_within_one_discom_has_two_sides_of_ours() -> None:
    sides = own_sides([replace(TRADE, discom_id_buyer="PaVVNL")], "PaVVNL")
    assert [(own.delivery.posted_as, own.metric) for own in sides] == [
        ("B", MetricType.ACTUAL_PULLED),
        ("S", MetricType.ACTUAL_PUSHED),
    ]


def test_other_discoms_and_other_trade_types_are_not_ours() -> None:
    assert own_sides([TRADE], "BRPL") == ()
    assert own_sides([TRADE], "pavvnl") == ()
    assert own_sides([replace(TRADE, trade_type=TradeType.PFR)], "PaVVNL") == ()


def test_trades_that_share_meter_and_window_await_one_actual() -> None:
    second = replace(TRADE, record_id="t_j", order_item_id="j", buyer_id="B2")
    assert len(deliveries(own_sides([TRADE, second], "PaVVNL"))) == 1


def test_another_spelling_of_the_same_window_is_another_delivery() -> None:
    second = replace(TRADE, record_id="t_j", delivery_start="2026-04-26T10:00:00+05:30")
    assert len(deliveries(own_sides([TRADE, second], "PaVVNL"))) == 2
