"""Holding postings back against a real exchange: nothing of what is held goes, and all of it goes once the hold ends."""

from contextlib import closing
from dataclasses import replace

import pytest

from headend.config import Channel
from headend.duties.holds import HoldKind, Order
from headend.store.sqlite import hold_rows, postings, recording_rows
from headend.store.sqlite.database import open_database
from headend.trading.posting import PostingState
from ledger_client.ledger import Confirmation, Posting, Receipt
from ledger_client.recording import RecordConfirmation, RecordPosting
from signing.interval import utc_text
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
