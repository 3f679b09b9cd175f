"""A dispute ends by a revision, or by what two persons sign."""

from dataclasses import replace

import pytest

from headend.duties.holds import HoldKind, Order
from headend.duties.operators import Refusal
from headend.editing.disputes import Refusing, end_revised
from headend.editing.editing import Hand
from headend.errors import RefusedError
from headend.rereading import look_again
from headend.store.sqlite import hold_rows, hunt_rows, operator_rows, refusal_rows
from signing.interval import DAY_S, Interval
from signing.statements.window_actual import Cause
from tests.headend.discom import LATER, METER, SUBJECT, attestor, stated
from tests.headend.premises import DAY, Gateway, Headend, p256
from tests.headend.two_persons import RAO, SEN, edited, register

TEN = DAY + 36_000
HOUR = (100, 110, 90, 100)
OPENED = LATER + 10


@pytest.fixture
def premises(headend: Headend, premises: Gateway) -> Gateway:
    """With two operators and an attested window."""
    register(headend)
    headend.take_in(stated(premises, 10, HOUR * 2))
    attestor(headend).attest([SUBJECT], at_utc=LATER)
    return premises


def opened(headend: Headend, *, window: Interval = SUBJECT.window, kind: HoldKind = HoldKind.DISPUTE) -> int:
    order = Order(
        kind=kind,
        connection_point=SUBJECT.connection_point,
        window=window,
        party="TPDDL, mail 7" if kind is HoldKind.DISPUTE else None,
        by="asha",
        reason="they measured less",
    )
    with headend.database.transaction() as connection:
        return hold_rows.open_hold(connection, order, at_utc=OPENED)


def refuse(headend: Headend, number: int, hand: Hand, reason: str = "the meter was tested") -> Refusal:
    return Refusing(headend.database, lambda: bytes(16)).sign(number, hand, reason=reason, now_utc=OPENED + 60)


def ended(headend: Headend) -> list[str | None]:
    return [hold.outcome for hold in hold_rows.holds(headend.database.connection, limit=9)]


def revise(headend: Headend, at_utc: int) -> bytes:
    edited(headend, {TEN: (1, 1)})
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=at_utc)
    return signed.digest


def test_a_revision_since_it_was_opened_ends_a_dispute(headend: Headend, premises: Gateway) -> None:
    number = opened(headend)
    digest = revise(headend, OPENED + 1)
    assert end_revised(headend.database, number, by="asha", reason="edited", now_utc=OPENED + 2) == digest
    assert ended(headend) == [f"revised, {digest.hex()[:16]}: edited"]


def test_an_older_revision_or_a_first_one_ends_none(headend: Headend, premises: Gateway) -> None:
    revise(headend, OPENED)
    elsewhere = Interval(DAY + 16 * 3600, DAY + 17 * 3600)
    for window in (SUBJECT.window, elsewhere):
        number = opened(headend, window=window)
        attestor(headend).attest([replace(SUBJECT, window=elsewhere)], at_utc=OPENED + 5)
        with pytest.raises(RefusedError, match=r"no revision of the window was said since dispute"):
            end_revised(headend.database, number, by="asha", reason="edited", now_utc=OPENED + 9)
    assert ended(headend) == [None, None]


def test_the_same_figure_said_again_ends_none_so_one_person_alone_cannot(headend: Headend, premises: Gateway) -> None:
    number = opened(headend)
    attestor(headend).attest([SUBJECT], at_utc=OPENED + 1, cause=Cause.OPERATOR)
    attestor(headend).withdraw(SUBJECT, "looked at", at_utc=OPENED + 2)
    with pytest.raises(RefusedError, match="states another figure"):
        end_revised(headend.database, number, by="asha", reason="said again", now_utc=OPENED + 3)
    attestor(headend).attest([SUBJECT], at_utc=OPENED + 4, cause=Cause.OPERATOR)
    with pytest.raises(RefusedError, match="states another figure"):
        end_revised(headend.database, number, by="asha", reason="said again", now_utc=OPENED + 5)
    assert ended(headend) == [None]


def test_two_persons_refuse_a_dispute(headend: Headend, premises: Gateway) -> None:
    number = opened(headend)
    first = refuse(headend, number, RAO)
    assert first.approver is None
    assert ended(headend) == [None]
    second = refuse(headend, number, SEN, reason="")
    assert second.approver is not None
    second.refusal.require_two_persons(second.author, second.approver)
    assert (second.refusal.party, second.refusal.reason) == ("TPDDL, mail 7", "the meter was tested")
    ready = attestor(headend).ready(SUBJECT.posted_as, SUBJECT.window)
    assert ready is not None
    assert second.refusal.evidence == ready.actual.digest
    assert ended(headend) == ["refused: the meter was tested"]
    (hold,) = hold_rows.holds(headend.database.connection, limit=9)
    assert hold.closed_by == "A. Rao and B. Sen"
    assert refusal_rows.of_dispute(headend.database.connection, number) == second


def test_one_person_may_only_change_what_they_proposed(headend: Headend, premises: Gateway) -> None:
    number = opened(headend)
    refuse(headend, number, RAO)
    again = refuse(headend, number, RAO, reason="the meter is right")
    assert (again.refusal.reason, again.approver) == ("the meter is right", None)
    assert ended(headend) == [None]
    assert refuse(headend, number, SEN).refusal.reason == "the meter is right"


def test_only_operators_refuse_and_only_with_a_reason(headend: Headend, premises: Gateway) -> None:
    number = opened(headend)
    with pytest.raises(RefusedError, match=r"no operator is called 'Eve' now"):
        refuse(headend, number, Hand(name="Eve", signer=p256(9)))
    with pytest.raises(RefusedError, match=r"'reason'"):
        refuse(headend, number, RAO, reason="")
    refuse(headend, number, RAO)
    with headend.database.transaction() as connection:
        operator_rows.remove_operator(connection, "A. Rao", at_utc=LATER)
    with pytest.raises(RefusedError, match=r"no operator is called 'A. Rao' now"):
        refuse(headend, number, SEN)


def test_a_figure_that_is_revised_between_two_signatures_is_refused_by_neither(
    headend: Headend, premises: Gateway
) -> None:
    number = opened(headend)
    refuse(headend, number, RAO)
    digest = revise(headend, OPENED + 1)
    with pytest.raises(RefusedError, match=r"said anew since 'A. Rao' signed"):
        refuse(headend, number, SEN)
    assert ended(headend) == [None]
    assert refuse(headend, number, RAO).refusal.evidence == digest
    assert refuse(headend, number, SEN).approver is not None


def test_a_refusal_that_somebody_changed_is_not_approved(headend: Headend, premises: Gateway) -> None:
    number = opened(headend)
    refuse(headend, number, RAO)
    with headend.database.transaction() as connection:
        connection.execute("UPDATE dispute_refusals SET author_signature = zeroblob(64)")
    with pytest.raises(RefusedError, match=r"'A. Rao' did not sign"):
        refuse(headend, number, SEN)
    assert ended(headend) == [None]


def test_a_hold_is_no_dispute_and_an_ended_one_is_over(headend: Headend, premises: Gateway) -> None:
    hold, number = opened(headend, kind=HoldKind.HOLD), opened(headend)
    refuse(headend, number, RAO)
    refuse(headend, number, SEN)
    for one in (hold, number, 99):
        with pytest.raises(RefusedError, match=rf"no dispute is open under number {one}"):
            refuse(headend, one, RAO)


def test_a_window_in_dispute_is_due_to_be_read_again_whatever_is_known(headend: Headend, premises: Gateway) -> None:
    long = Interval(DAY + 20 * 3600, DAY + 26 * 3600)
    assert look_again(headend.database, headend.registry, SUBJECT.connection_point, long, now_utc=DAY + 21 * 3600) == 2
    assert [(hunt.meter, hunt.span, hunt.due_utc) for hunt in hunt_rows.hunts(headend.database.connection, METER)] == [
        (METER, Interval(long.start_utc, DAY + DAY_S), DAY + DAY_S),
        (METER, Interval(DAY + DAY_S, long.end_utc), long.end_utc),
    ]
    look_again(headend.database, headend.registry, SUBJECT.connection_point, long, now_utc=LATER)
    assert [hunt.due_utc for hunt in hunt_rows.hunts(headend.database.connection, METER)] == [DAY + DAY_S, long.end_utc]
    assert look_again(headend.database, headend.registry, "ELSEWHERE", long, now_utc=LATER) == 0
