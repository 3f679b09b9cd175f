"""How a dispute ends: the window was revised since it was opened, or two persons sign that the figure stays.

Until then its window is held, and its gateways are asked to read it again. Source: issue of the head-end, "Hold and dispute"; EVIDENCE §4.
"""

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from headend.duties.holds import Hold, HoldKind, said
from headend.duties.operators import Refusal, acting
from headend.editing.editing import Hand
from headend.errors import RefusedError
from headend.store.sqlite import actuals, hold_rows, operator_rows, refusal_rows
from headend.store.sqlite.database import Database
from signing.canonical import SALT_SIZE
from signing.errors import SigningError
from signing.interval import Interval
from signing.statements.dispute_refusal import DisputeRefusal
from signing.statements.persons import signed_as


def dispute(connection: sqlite3.Connection, number: int) -> Hold:
    """The dispute that is open under a number.

    Raises:
        RefusedError: there is none, it has ended, or it is a hold of another kind.
    """
    found = next((hold for hold in hold_rows.open_holds(connection) if hold.number == number), None)
    if found is None or found.order.kind is not HoldKind.DISPUTE:
        raise RefusedError(f"no dispute is open under number {number}: see `sakshi-headend hold list`")
    return found


def end_revised(database: Database, number: int, *, by: str, reason: str, now_utc: int) -> bytes:
    """Ends a dispute because another figure was said of its window since it was opened; the digest of that revision.

    Raises:
        RefusedError: it was not, or no such dispute is open.
    """
    by, reason = said(by, "by"), said(reason, "reason")
    with database.transaction() as connection:
        found = dispute(connection, number)
        point, window = _about(found)
        revision = actuals.revised_since(connection, point, window, found.opened_utc)
        if revision is None:
            raise RefusedError(
                f"no revision of the window was said since dispute {number} was opened that states another figure: revise it (`edit`, "
                "`revalidate`), or have two persons end it by `--refused`"
            )
        outcome = f"revised, {revision.hex()[:16]}: {reason}"
        hold_rows.close_hold(connection, number, by=by, outcome=outcome, at_utc=now_utc)
    return revision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A dispute, and what another person signed of its refusal."""

    dispute: Hold
    known: Refusal | None
    """None: whoever signs now is its author."""


class Refusing:
    """Refuses disputes: one person signs, then another. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_salts")

    def __init__(self, database: Database, salts: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_SIZE)) -> None:
        self._database = database
        self._salts = salts

    def sign(self, number: int, hand: Hand, *, reason: str, now_utc: int) -> Refusal:
        """What the refusal of a dispute is after this person signed: the first proposes its reason, another ends the dispute by it.

        Whoever proposed may do so again with another reason, until somebody else signed.

        Raises:
            RefusedError: the person is not an operator who holds this key, the author is one no more, a reason lacks, or no such
                dispute is open.
            KeyUnavailableError: the key cannot be used now.
        """
        with self._database.transaction() as connection:
            turn = self._turn(connection, number, hand)
            if turn.known is None:
                refusal = self._refusal(connection, turn.dispute, reason)
                refusal_rows.put(connection, refusal, signed_as(refusal, hand.signer, hand.name))
            else:
                self._end(connection, turn.known, hand, now_utc)
            after = refusal_rows.of_dispute(connection, number)
        assert after is not None
        return after

    def would(self, number: int, hand: Hand, *, reason: str) -> str:
        """What `sign` would do, in words. Nothing is signed.

        Raises:
            RefusedError, KeyUnavailableError: as `sign`.
        """
        turn = self._turn(self._database.connection, number, hand)
        if turn.known is None:
            return f"{hand.name} would refuse it: {said(reason, 'reason')}; another person has to sign it too"
        return f"{hand.name} would end it, as the other person: {turn.known.refusal.reason}"

    @staticmethod
    def _turn(connection: sqlite3.Connection, number: int, hand: Hand) -> "_Turn":
        """Whether a person is the first one to sign, or the other."""
        found = dispute(connection, number)
        operators = operator_rows.operators(connection)
        acting(operators, hand.name, hand.signer.public_key)
        known = refusal_rows.of_dispute(connection, number)
        if known is None or known.author.name == hand.name:
            return _Turn(dispute=found, known=None)
        acting(operators, known.author.name, known.author.key)
        return _Turn(dispute=found, known=known)

    def _refusal(self, connection: sqlite3.Connection, found: Hold, reason: str) -> DisputeRefusal:
        point, window = _about(found)
        return DisputeRefusal(
            dispute=found.number,
            connection_point=point,
            window=window,
            party=found.order.party or "",
            reason=said(reason, "reason"),
            evidence=actuals.newest_digest(connection, point, window),
            salt=self._salts(),
        )

    def _end(self, connection: sqlite3.Connection, known: Refusal, hand: Hand, now_utc: int) -> None:
        refusal, author = known.refusal, known.author
        if refusal.evidence != actuals.newest_digest(connection, refusal.connection_point, refusal.window):
            raise RefusedError(
                f"the window was said anew since {author.name!r} signed that its figure stays: end the dispute by `--revised`, or have its "
                "author sign again"
            )
        approver = signed_as(refusal, hand.signer, hand.name)
        try:
            refusal.require_two_persons(author, approver)
        except SigningError as error:
            raise RefusedError(f"{error}: its author has to sign again") from error
        refusal_rows.approve(connection, refusal.dispute, approver)
        outcome = f"refused: {refusal.reason}"
        hold_rows.close_hold(
            connection, refusal.dispute, by=f"{author.name} and {hand.name}", outcome=outcome, at_utc=now_utc
        )


def _about(found: Hold) -> tuple[str, Interval]:
    point, window = found.order.connection_point, found.order.window
    # An order of a dispute cannot be made without.
    assert point is not None
    assert window is not None
    return point, window
