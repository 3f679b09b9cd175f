"""Holding postings back against a real exchange: nothing of what is held goes, and all of it goes once the hold ends."""

from dataclasses import replace

import pytest

from headend.duties.holds import HoldKind, Order
from headend.store.sqlite import hold_rows
from headend.trading.posting import PostingState
from signing.statements.window_actual import Cause
from tests.headend.discom import SUBJECT
from tests.headend.settling import Settling
from tests.ledger_client.rehearsal import NOW

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
