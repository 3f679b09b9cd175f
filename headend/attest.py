"""Attestation: the discom's word on a window, decided, signed and logged in one transaction.

Everything that a decision rests on is read inside the transaction that logs it, so that what stands before the actual in the log is
exactly what it was decided from. Nothing leaves this module for a ledger before its inclusion proof exists (P18).
Source: EVIDENCE §4; docs/wire-format.md §9 (7).
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from headend.duties.doubts import Doubt, stated_in
from headend.errors import FatalError
from headend.log.logbook import Logbook, LogTransaction
from headend.onboarding.known import Registry
from headend.revision import Decision, build, decide, withdraw
from headend.store.sqlite import actuals, doubt_rows, lost_rows
from headend.store.sqlite.actuals import StoredActual
from headend.store.sqlite.database import Database
from headend.store.sqlite.window_cases import stored_part, stored_records
from headend.windows import is_erased, settling_spans
from signing.canonical import SALT_SIZE
from signing.envelope import Signed, sign
from signing.errors import SigningError
from signing.evidence import PartCase, WindowCase
from signing.interval import Interval
from signing.keys import Signer
from signing.log.checkpoint import open_checkpoint
from signing.log.merkle import leaf_hash
from signing.log.note import VerifierKey
from signing.log.proofs import Paths, verify_inclusion
from signing.statements.window_actual import Basis, Cause, Status, WindowActual

Salts = Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Subject:
    """What an actual is of: a connection point under one of its ledger names, and a window."""

    connection_point: str
    posted_as: str
    window: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An actual with the proof that the published log holds it. Made by `Attestor.ready` only; what is posted is one of these."""

    actual: Signed[WindowActual]
    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    """The signed checkpoint that the path leads to."""


class Attestor:
    """Decides, signs and logs actuals. Owned by the thread that owns the database and the logbook."""

    __slots__ = ("_basis", "_book", "_database", "_log_keys", "_registry", "_salts", "_signer")

    def __init__(
        self,
        *,
        database: Database,
        book: Logbook,
        log_keys: dict[int, VerifierKey],
        registry: Registry,
        signer: Signer,
        basis: Basis = Basis.NET,
        salts: Salts | None = None,
    ) -> None:
        """`signer` is the discom's statement key; `log_keys` are the public keys of the logs."""
        self._database = database
        self._book = book
        self._log_keys = log_keys
        self._registry = registry
        self._signer = signer
        self._basis = basis
        self._salts = salts or _salt

    def attest(
        self,
        subjects: Iterable[Subject],
        *,
        at_utc: int,
        cause: Cause | None = None,
        unsaid: frozenset[Subject] = frozenset(),
    ) -> tuple[Signed[WindowActual], ...]:
        """The new revisions of `subjects`, logged together; none for those of which there is nothing new to say.

        Of those in `unsaid`, whose blocks may still be on their way, a first PENDING is not said. Intake waits meanwhile: give a few
        dozen at a time.

        Raises:
            FatalError: a log holds no rule set that this program can read.
            RuleSetError: this program cannot judge by the newest rule set.
            StoreUnavailableError: nothing was logged; try again later.
        """
        with self._book.transaction() as transaction:
            self._registry.reload()
            found = [
                self._attest(transaction, subject, at_utc, cause, may_wait=subject in unsaid)
                for subject in sorted(set(subjects))
            ]
        return tuple(signed for signed in found if signed is not None)

    def withdraw(self, subject: Subject, reason: str, *, at_utc: int) -> Signed[WindowActual] | None:
        """The revision by which an operator takes the newest figure back, logged; none when there is none to take back.

        Raises:
            DecodeError: the reason is not 1 to 128 printable characters.
            StoreUnavailableError: nothing was logged; try again later.
        """
        with self._book.transaction() as transaction:
            previous = self._newest(transaction.connection, subject)
            if previous is None:
                return None
            self._registry.reload()
            decision = self._decision(transaction.connection, subject)
            actual = withdraw(decision, previous.signed, reason, self._salts())
            return self._log(transaction, actual, previous.log, at_utc)

    def ready(self, posted_as: str, window: Interval) -> Ready | None:
        """The newest actual for a ledger's meter and window with its inclusion proof, or none while there is none.

        Raises:
            FatalError: the log does not hold what the database says it holds.
        """
        key = self._signer.public_key
        stored = actuals.newest(self._database.connection, key, posted_as, window)
        return None if stored is None else self._proven(stored)

    def preview(self, subject: Subject, cause: Cause | None = None) -> WindowActual | None:
        """What `attest` would say of a subject now; nothing is signed or logged.

        Raises:
            FatalError, RuleSetError: as `attest`.
        """
        connection = self._database.connection
        previous = self._newest(connection, subject)
        decision = self._decision(connection, subject)
        if previous is not None and is_erased(decision.case):
            return None
        settled = self._settled(connection, decision, previous)
        return build(decision, None if previous is None else previous.signed, bytes(SALT_SIZE), cause, settled=settled)

    def case(self, subject: Subject) -> WindowCase:
        """A subject's newest evidence, to be judged: nothing is decided here.

        Raises:
            FatalError: as `attest`.
        """
        case, _ = self._case(self._database.connection, subject)
        return case

    def _attest(
        self, transaction: LogTransaction, subject: Subject, at_utc: int, cause: Cause | None, *, may_wait: bool
    ) -> Signed[WindowActual] | None:
        decision = self._decision(transaction.connection, subject)
        previous = self._newest(transaction.connection, subject)
        if may_wait and previous is None and decision.judgement.status is Status.PENDING:
            return None
        if previous is not None and is_erased(decision.case):
            # What was said rests on readings that are gone: whatever is decided without them would say less, of the same evidence.
            return None
        before = None if previous is None else previous.signed
        salt, settled = self._salts(), self._settled(transaction.connection, decision, previous)
        actual = build(decision, before, salt, cause, settled=settled)
        if actual is not None and cause is None and self._is_lost(transaction.connection, subject, previous):
            actual = build(decision, before, salt, Cause.LOST, settled=settled)
        return None if actual is None else self._log(transaction, actual, _log_of(decision.case.parts), at_utc)

    def _settled(
        self, connection: sqlite3.Connection, decision: Decision, previous: StoredActual | None
    ) -> WindowActual | None:
        """The newest figure that was final, where there is one to be compared with."""
        if previous is None or decision.judgement.status is not Status.FINAL:
            return None
        said = previous.signed.statement
        found = actuals.newest_settled(connection, self._signer.public_key, said.posted_as, said.window)
        return None if found is None else found.signed.statement

    def _is_lost(self, connection: sqlite3.Connection, subject: Subject, previous: StoredActual | None) -> bool:
        """Whether a later revision than `previous` may have been lost by a restore: it stands in the log, and nobody here knows it."""
        loss = lost_rows.newest_loss(connection)
        if loss is None or subject.window.start_utc >= loss.restored_utc:
            return False
        return previous is None or previous.index < loss.to_size

    def _decision(self, connection: sqlite3.Connection, subject: Subject) -> Decision:
        return decide(*self._case(connection, subject))

    def _case(self, connection: sqlite3.Connection, subject: Subject) -> tuple[WindowCase, bytes]:
        """The case with the digest under which its rule set is logged."""
        parts = self._parts(connection, subject)
        log = _log_of(parts)
        rules = actuals.newest_rule_set(connection, self._signer.public_key, log)
        if rules is None:
            raise FatalError(f"log {log} holds no rule set: run `sakshi-headend init`, which logs one")
        case = WindowCase(
            connection_point=subject.connection_point,
            posted_as=subject.posted_as,
            window=subject.window,
            rule_set=rules.signed.statement,
            basis=self._basis,
            parts=parts,
            stated=stated_in(_doubts(connection, parts), parts, rules.signed.statement),
        )
        return case, rules.signed.digest

    def _parts(self, connection: sqlite3.Connection, subject: Subject) -> tuple[PartCase, ...]:
        names = [meter.record.meter for meter in self._registry.meters_at(subject.connection_point)]
        found = {name: stored_records(connection, name) for name in names}
        known = {name: records for name, records in found.items() if records is not None}
        newest = [records.records[-1] for records in known.values()]
        spans = settling_spans(subject.connection_point, subject.window, newest)
        return tuple(stored_part(connection, known[record.meter], span).case for record, span in spans)

    def _newest(self, connection: sqlite3.Connection, subject: Subject) -> StoredActual | None:
        return actuals.newest(connection, self._signer.public_key, subject.posted_as, subject.window)

    def _log(self, transaction: LogTransaction, actual: WindowActual, log: int, at_utc: int) -> Signed[WindowActual]:
        signed = sign(actual, self._signer)
        leaf = transaction.append(log, [signed.digest])
        actuals.put(transaction.connection, leaf, signed, at_utc=at_utc)
        return signed

    def _proven(self, stored: StoredActual) -> Ready | None:
        """P18: the proof is made from the published tree and checked like anybody else would check it."""
        tip = self._book.tip(stored.log)
        if stored.index >= tip.size:
            return None
        try:
            tree = open_checkpoint(tip.checkpoint, self._log_keys[stored.log]).checkpoint
            path = Paths(tip.size, self._book.nodes(stored.log)).inclusion(stored.index)
            leaf = leaf_hash(stored.signed.digest)
            verify_inclusion(leaf=leaf, index=stored.index, size=tree.size, path=path, root=tree.root)
        except (SigningError, LookupError) as error:
            raise FatalError(
                f"log {stored.log} does not prove leaf {stored.index} ({error}): run `sakshi-headend fsck`"
            ) from error
        return Ready(actual=stored.signed, index=stored.index, path=path, checkpoint=tip.checkpoint)


def _log_of(parts: Sequence[PartCase]) -> int:
    """The log of a case: its meters', since only order within one log is a clock. 0 when no meter is known."""
    logs = {part.record.log for part in parts}
    if len(logs) > 1:
        raise FatalError(f"the meters of one connection point are in logs {sorted(logs)}: enrol them in one log")
    return logs.pop() if logs else 0


def _doubts(connection: sqlite3.Connection, parts: Sequence[PartCase]) -> dict[str, tuple[Doubt, ...]]:
    return {part.record.meter: doubt_rows.of(connection, part.record.meter) for part in parts}


def _salt() -> bytes:
    return secrets.token_bytes(SALT_SIZE)
