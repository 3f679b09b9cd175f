"""What the ledger says beside what was posted."""

from dataclasses import replace

import pytest

from headend.trading.posting import PostingRecord, PostingState
from headend.trading.reconciliation import reconciled, reconciled_words
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery
from ledger_client.ledger import Side, Trade, TradeStatus
from tests.headend.trading.test_posting import TRADE

DISCOM = TRADE.discom_id_seller


def delivery_of(found: Trade) -> Delivery:
    return Delivery(
        posted_as=found.seller_id,
        delivery_start=found.delivery_start,
        delivery_end=found.delivery_end,
        window=found.window,
    )


def record(**changes: object) -> PostingRecord:
    made = PostingRecord(
        delivery=delivery_of(TRADE),
        actual=bytes(32),
        revision=0,
        net_wh=-6400,
        state=PostingState.CONFIRMED,
        attempts=1,
        next_try_utc=0,
        note="read back",
        allocated_wh=6000,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


AGREED = replace(TRADE, pushed_wh=6000)


def test_what_the_ledger_confirmed_and_still_shows_agrees() -> None:
    (line,) = reconciled([AGREED], [record()], DISCOM)
    assert line.differences == ()
    assert (line.posted_wh, line.allocated_wh, line.ledger_wh) == (-6400, 6000, 6000)


@pytest.mark.parametrize(
    ("rows", "records", "words"),
    [
        ([AGREED], [], "1 trade(s) of the ledger await a figure and none was posted"),
        ([], [record()], "revision 0 was posted and the ledger shows no trade"),
        ([replace(AGREED, pushed_wh=5999)], [record()], "the receipt allocated 6.000 kWh, the ledger shows 5.999 kWh"),
        ([replace(AGREED, pushed_wh=None)], [record()], "1 of 1 trade(s) have no allocation"),
        ([AGREED], [record(state=PostingState.REFUSED, note="AUT: no")], "revision 0 is REFUSED: AUT: no"),
        ([AGREED], [record(state=PostingState.DUE, note="")], "revision 0 is DUE: not tried yet"),
    ],
)
def test_a_difference_is_said_in_words(rows: list[Trade], records: list[PostingRecord], words: str) -> None:
    (line,) = reconciled(rows, records, DISCOM)
    assert words in line.differences


def test_the_newest_figure_that_still_holds_is_compared() -> None:
    old = record(state=PostingState.SUPERSEDED, allocated_wh=1)
    (line,) = reconciled([AGREED], [record(revision=1, actual=b"\1" * 32), old], DISCOM)
    assert (line.actual, line.differences) == (b"\1" * 32, ())


def test_a_superseded_figure_alone_is_no_figure() -> None:
    (line,) = reconciled([AGREED], [record(state=PostingState.SUPERSEDED)], DISCOM)
    assert line.posted_wh is None
    assert "none was posted" in line.differences[0]


WORD = Recording(
    record_id=TRADE.record_id,
    transaction_id=TRADE.transaction_id,
    order_item_id=TRADE.order_item_id,
    side=Side.SELLER,
    round=1,
    delivery=delivery_of(TRADE),
    actual=bytes(32),
    allocated_wh=6000,
    status=TradeStatus.COMPLETED,
    state=PostingState.CONFIRMED,
    attempts=1,
    next_try_utc=0,
    note="read back",
)


def compared(found: Trade, *words: Recording) -> tuple[str, ...]:
    (line,) = reconciled_words([found], lambda _, side: [one for one in words if one.side is side], DISCOM)
    return line.differences


def test_a_discom_that_allocates_by_itself_is_compared_by_its_last_word() -> None:
    last = replace(WORD, round=3, allocated_wh=5000)
    assert compared(AGREED, WORD) == ()
    assert compared(replace(AGREED, pushed_wh=5000), WORD, last) == ()
    assert compared(AGREED, WORD, replace(last, state=PostingState.SUPERSEDED)) == ()
    about = f"trade {TRADE.record_id}"
    assert compared(AGREED) == (f"{about} awaits this discom's word and none was said",)
    assert compared(AGREED, replace(WORD, side=Side.BUYER)) == compared(AGREED)
    assert compared(AGREED, WORD, last) == (f"{about}, round 3 said 5.000 kWh, the ledger shows 6.000 kWh",)
    assert compared(replace(AGREED, pushed_wh=None), WORD) == (
        f"{about}, round 1 was confirmed and the ledger shows no allocation",
    )
    assert compared(AGREED, replace(WORD, state=PostingState.DUE, note="")) == (
        f"{about}, round 1 is DUE: not tried yet",
    )
