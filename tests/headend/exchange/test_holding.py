"""Holding postings back against a real exchange: nothing of what is held goes, and all of it goes once the hold ends."""

from contextlib import closing
from dataclasses import replace

import pytest

from headend.config import Channel
from headend.duties.holds import Hold, HoldKind, Order
from headend.exchange import legs
from headend.exchange.holding import Bearing, bearing
from headend.store.sqlite import hold_rows, postings, recording_rows
from headend.store.sqlite.database import open_database
from headend.trading.posting import PostingState
from ledger_client.ledger import Confirmation, Posting, Receipt
from ledger_client.recording import RecordConfirmation, RecordPosting
from signing.interval import Interval, utc_text
from signing.statements.window_actual import Cause
from tests.headend.discom import SUBJECT
from tests.headend.settling import Settling
from tests.ledger_client.rehearsal import NOW, START_UTC

ORDER = Order(
    kind=HoldKind.HOLD,
    connection_point=SUBJECT.connection_point,
    window=SUBJECT.window,
    party=None,
    by="asha",
    reason="the seal is broken",
)
ALL = replace(ORDER, kind=HoldKind.STAND_DOWN, connection_point=None, window=None)


def place(settling: Settling, order: Order) -> int:
    with settling.headend.database.transaction() as connection:
        return hold_rows.open_hold(connection, order, at_utc=NOW)


def release(settling: Settling, number: int) -> None:
    with settling.headend.database.transaction() as connection:
        hold_rows.close_hold(connection, number, by="bela", outcome="sealed again", at_utc=NOW)


@pytest.mark.parametrize("order", [ORDER, ALL, replace(ORDER, window=None)])
def test_what_is_held_is_not_posted_until_the_hold_ends(settling: Settling, order: Order) -> None:
    settling.trade()
    settling.whole_day()
    number = place(settling, order)
    settling.step()
    (held,) = settling.postings()
    assert (held.state, held.attempts) == (PostingState.HELD, 0)
    assert "asha: the seal is broken" in held.note
    release(settling, number)
    settling.step(NOW + 60)
    (after,) = settling.postings()
    assert (after.state, after.attempts) == (PostingState.CONFIRMED, 1)


def test_another_connection_points_hold_changes_nothing(settling: Settling) -> None:
    settling.trade()
    settling.whole_day()
    place(settling, replace(ORDER, connection_point="CP-OTHER"))
    settling.step()
    (record,) = settling.postings()
    assert record.state is PostingState.CONFIRMED


def test_what_an_operator_attests_beside_the_service_is_posted(settling: Settling) -> None:
    settling.trade()
    settling.whole_day()
    settling.step()
    (again,) = settling.attestor.attest([SUBJECT], at_utc=NOW + 60, cause=Cause.OPERATOR)
    settling.step(NOW + 120)
    *_, newest = settling.postings()
    assert (newest.actual, newest.state) == (again.digest, PostingState.CONFIRMED)


class Stopping:
    """The ledger, at whose first word an operator has everything stand down."""

    def __init__(self, settling: Settling) -> None:
        self._settling, self._ledger = settling, settling.ledger
        self.placed = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def confirm(self, wanted: Posting, receipt: Receipt) -> Confirmation:
        """As the ledger, which reads a posting back in another thread: the database is another program's."""
        self._stop()
        return self._ledger.confirm(wanted, receipt)

    def confirm_record(self, wanted: RecordPosting) -> RecordConfirmation:
        """As the ledger."""
        self._stop()
        return self._ledger.confirm_record(wanted)

    def _stop(self) -> None:
        folder = self._settling.headend.folder
        if not self.placed:
            with closing(open_database(folder / "headend.db")) as other, other.transaction() as connection:
                self.placed = hold_rows.open_hold(connection, ALL, at_utc=NOW)


@pytest.mark.parametrize("channel", [Channel.ALLOCATE, Channel.RECORD])
def test_a_stand_down_stops_a_round_that_has_begun(settling: Settling, channel: Channel) -> None:
    settling.whole_day()
    for number in range(3):
        start = START_UTC + 7200 * number
        window = {"delivery_start": utc_text(start), "delivery_end": utc_text(start + 3600)}
        settling.trade(transaction_id=f"tx-{number}", **window)
    settling.config = replace(settling.config, ledger=replace(settling.config.ledger, channel=channel))
    settling.ledger = Stopping(settling)  # type: ignore[assignment]  # the same words
    settling.restart()
    settling.step()
    assert told(settling) == ["CONFIRMED", "DUE", "DUE"]
    settling.step(NOW + 60)
    assert told(settling) == ["CONFIRMED", "HELD", "HELD"]


def told(settling: Settling) -> list[str]:
    connection, states = settling.headend.database.connection, frozenset(PostingState)
    posted, recorded = postings.postings_in(connection, states), recording_rows.in_states(connection, states)
    return sorted([*(one.state.value for one in posted), *(one.state.value for one in recorded)])


def asked(settling: Settling, order: Order, *others: Hold) -> Bearing:
    """What is said of an order before it is placed or ended."""
    headend = settling.headend
    followed = legs.followed(headend.database, settling.config.discom, look_back_days=9, now_utc=settling.now)
    return bearing(headend.database, headend.registry, order, others, followed)


def counted(found: Bearing) -> tuple[int, int, int, int]:
    return len(found.alone), len(found.shared), found.confirmed, len(found.awaited)


def hold_of(settling: Settling, number: int) -> Hold:
    found = hold_rows.hold(settling.headend.database.connection, number)
    assert found is not None
    return found


@pytest.mark.parametrize("order", [ORDER, ALL, replace(ORDER, window=None)])
def test_what_an_order_bears_on_is_what_settlement_then_holds_and_lets_go(settling: Settling, order: Order) -> None:
    settling.trade()
    settling.whole_day()
    # A trade that nothing was decided of yet.
    settling.step(SUBJECT.window.start_utc)
    assert counted(asked(settling, order)) == (0, 0, 0, 1)
    number = place(settling, order)
    settling.step(NOW)
    (held,) = settling.postings()
    assert held.state is PostingState.HELD
    found = asked(settling, order)
    assert (found.alone, counted(found)) == ((held,), (1, 0, 0, 0))
    release(settling, number)
    settling.step(NOW + 60)
    (after,) = settling.postings()
    assert after.state is PostingState.CONFIRMED
    assert counted(asked(settling, order)) == (0, 0, 1, 0)


def test_what_others_hold_too_neither_stops_nor_goes(settling: Settling) -> None:
    settling.trade()
    settling.whole_day()
    other = place(settling, ALL)
    settling.step()
    assert counted(asked(settling, ORDER, hold_of(settling, other))) == (0, 1, 0, 0)
    elsewhere = replace(hold_of(settling, other), order=replace(ORDER, connection_point="CP-OTHER"))
    assert counted(asked(settling, ORDER, elsewhere)) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, connection_point="CP-OTHER"),
        replace(ORDER, window=Interval(SUBJECT.window.end_utc, SUBJECT.window.end_utc + 900)),
    ],
)
def test_an_order_of_another_place_or_window_bears_on_nothing(settling: Settling, order: Order) -> None:
    settling.trade()
    settling.whole_day()
    settling.step(SUBJECT.window.start_utc)
    assert counted(asked(settling, order)) == (0, 0, 0, 0)
    settling.step(NOW)
    assert counted(asked(settling, order)) == (0, 0, 0, 0)
