"""Editing: one person proposes what blocks of a meter are worth, another approves, and the discom signs and logs both as an `Edit`.

Nothing of it changes a reading. Windows and days on which the edit bears are decided again by whoever decides them. Source:
docs/wire-format.md §4.9; EVIDENCE §1; VEE §B E7.
"""

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from headend.duties.operators import Pending, acting, require_other
from headend.errors import RefusedError
from headend.log.logbook import Logbook
from headend.onboarding.known import Registry
from headend.store.sqlite import edit_rows, operator_rows
from headend.store.sqlite.database import Database
from signing.canonical import SALT_SIZE
from signing.envelope import Signed, sign
from signing.errors import SigningError
from signing.interval import ist_text
from signing.keys import Signer
from signing.statements.edit import Edit, EditedBlock, EditProposal
from signing.statements.persons import Person, require_signed, signed_as


class EditRefusedError(RefusedError):
    """An edit that cannot be. The message carries the number of the check and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one person wants blocks of a meter to be worth."""

    meter: str
    blocks: tuple[EditedBlock, ...]
    """Ascending, of one IST day."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """A person and the key that they hold."""

    name: str
    signer: Signer

    def signs(self, proposal: EditProposal) -> Person:
        """The person who signed a proposal. Raises `KeyUnavailableError`."""
        return signed_as(proposal, self.signer, self.name)


class Editing:
    """Proposes and approves. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_registry", "_salts")

    def __init__(
        self,
        *,
        database: Database,
        registry: Registry,
        salts: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_SIZE),
    ) -> None:
        self._database = database
        self._registry = registry
        self._salts = salts

    def proposal(self, wish: Wish, *, now_utc: int) -> EditProposal:
        """The next edit of the meter, as it would be signed now.

        1. the meter has a record
        2. the blocks are of one IST day, on the grid of the block length that the record gives all of them
        3. every block has ended
        4. no other proposal of the meter waits

        Raises:
            EditRefusedError: with the number of the check and the remedy.
        """
        found = self._next(wish, self._salts(), now_utc)
        waiting = operator_rows.waiting(self._database.connection, wish.meter)
        if waiting is not None:
            raise EditRefusedError(
                f"(4) proposal {waiting.number} of meter {wish.meter} waits: `edit approve` or `edit drop` it first"
            )
        return found

    def _next(self, wish: Wish, salt: bytes, now_utc: int) -> EditProposal:
        self._registry.reload()
        known = self._registry.meter(wish.meter)
        if known is None:
            raise EditRefusedError(f"(1) meter '{wish.meter}' has no record: see `sakshi-headend registry`")
        facts = [known.record.fact(block.start_utc) for block in wish.blocks]
        periods = {None if fact is None else fact.period_s for fact in facts}
        period_s = periods.pop() if len(periods) == 1 else None
        if period_s is None:
            raise EditRefusedError(
                f"(2) meter {wish.meter} is not recorded with one block length for all of these blocks: edit them apart"
            )
        edits = edit_rows.of_meter(self._database.connection, wish.meter)
        try:
            found = EditProposal(
                meter=wish.meter,
                number=len(edits),
                previous=edits[-1].envelope.digest if edits else None,
                period_s=period_s,
                blocks=wish.blocks,
                reason=wish.reason,
                salt=salt,
            )
            # Read back: the constructor does not look at every field, and what nobody can read MUST NOT be signed.
            EditProposal.parse(found.payload())
        except SigningError as error:
            raise EditRefusedError(f"(2) {error}") from error
        if found.span.end_utc > now_utc:
            raise EditRefusedError(
                f"(3) the block before {ist_text(found.span.end_utc)} has not ended: wait until then"
            )
        return found

    def propose(self, proposal: EditProposal, author: Person, *, now_utc: int) -> Pending:
        """Keeps a proposal that its author signed, here or elsewhere.

        1. to 4. as `proposal`: what was signed elsewhere is looked at again
        5. it is the meter's next edit, with the block length of its record
        6. the signature is the author's over it

        Raises:
            RefusedError: the author is not an operator who holds this key; or with the number of the check and the remedy.
            StoreUnavailableError: nothing was kept.
        """
        with self._database.transaction() as connection:
            acting(operator_rows.operators(connection), author.name, author.key)
            try:
                require_signed(proposal, author)
            except SigningError as error:
                raise EditRefusedError(f"(6) {error}: sign the draft again") from error
            if operator_rows.waiting(connection, proposal.meter) is not None:
                raise EditRefusedError(f"(4) another proposal of meter {proposal.meter} came between: see `edit list`")
            wish = Wish(meter=proposal.meter, blocks=proposal.blocks, reason=proposal.reason)
            following = self._next(wish, proposal.salt, now_utc)
            if following != proposal:
                raise EditRefusedError(
                    f"(5) the next edit of meter {proposal.meter} is number {following.number} with blocks of "
                    f"{following.period_s} s, got number {proposal.number} with {proposal.period_s} s: draft it anew"
                )
            number = operator_rows.put_proposal(connection, proposal, author, at_utc=now_utc)
            return operator_rows.proposal(connection, number)

    def approve(self, number: int, approver: Person, *, book: Logbook, signer: Signer, now_utc: int) -> Signed[Edit]:
        """Makes an edit of a proposal: signed by another person, then by the discom with `signer`, and logged.

        1. the approver is an operator who holds this key, and so is the author still
        2. the approver is not the author
        3. the proposal follows the meter's newest edit
        4. both signatures verify

        Raises:
            RefusedError: with the remedy; nothing changed.
            KeyUnavailableError: the discom's key cannot be used now.
            StoreUnavailableError: nothing was logged; try again later.
        """
        with book.transaction() as transaction:
            self._registry.reload()
            connection = transaction.connection
            pending = operator_rows.proposal(connection, number)
            edit = self._approved(connection, pending, approver)
            known = self._registry.meter(pending.proposal.meter)
            if known is None:
                raise EditRefusedError(f"meter {pending.proposal.meter} has no record any more")
            signed = sign(edit, signer)
            leaf = transaction.append(known.record.log, [signed.digest])
            edit_rows.put(connection, leaf, signed, at_utc=now_utc)
            operator_rows.close(connection, number, outcome=f"approved by {approver.name}", at_utc=now_utc, leaf=leaf)
        return signed

    def _approved(self, connection: sqlite3.Connection, pending: Pending, approver: Person) -> Edit:
        operators = operator_rows.operators(connection)
        acting(operators, pending.author.name, pending.author.key)
        require_other(pending.author, acting(operators, approver.name, approver.key))
        edits = edit_rows.of_meter(connection, pending.proposal.meter)
        follows = (len(edits), edits[-1].envelope.digest if edits else None)
        if (pending.proposal.number, pending.proposal.previous) != follows:
            raise EditRefusedError(
                f"(3) meter {pending.proposal.meter} was edited since: `edit drop {pending.number}` and propose again"
            )
        edit = Edit(proposal=pending.proposal, author=pending.author, approver=approver)
        try:
            edit.require_two_persons()
        except SigningError as error:
            raise EditRefusedError(f"(4) {error}: `edit drop {pending.number}` and propose again") from error
        return edit
