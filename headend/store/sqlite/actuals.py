"""Rows of attested actuals and of the rule sets they name. Writing happens inside the caller's log transaction.

What is read is unsealed again with the discom's key: a row that somebody changed is never taken for the discom's word.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from headend.errors import FatalError
from headend.store.sqlite import registry_rows
from headend.store.sqlite.log_rows import leaf_place, leaf_row
from signing.envelope import S, Signed, parse, unseal
from signing.errors import SigningError
from signing.interval import Interval
from signing.keys import PublicKey
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import Status, Totals, WindowActual, actual_kind, parse_actual

_SELECT = "SELECT leaf, sign1 FROM actuals JOIN statements USING (leaf) "


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredActual:
    """A logged actual and its leaf."""

    leaf: int
    """Row id of its leaf."""
    signed: Signed[WindowActual]

    @property
    def log(self) -> int:
        """The log that holds it."""
        return leaf_place(self.leaf)[0]

    @property
    def index(self) -> int:
        """Its leaf's index in that log."""
        return leaf_place(self.leaf)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRuleSet:
    """A logged rule set and its leaf."""

    leaf: int
    signed: Signed[RuleSet]


def put(connection: sqlite3.Connection, leaf: int, signed: Signed[WindowActual], *, at_utc: int) -> None:
    """Stores an actual behind its leaf; it is the newest of its subject and window from now on."""
    actual = signed.statement
    registry_rows.put_statement(connection, leaf, signed.envelope, at_utc=at_utc)
    connection.execute(
        "UPDATE actuals SET is_newest = 0 WHERE posted_as = ? AND start_utc = ? AND end_utc = ? AND is_newest = 1",
        (actual.posted_as, actual.window.start_utc, actual.window.end_utc),
    )
    connection.execute(
        "INSERT INTO actuals (leaf, connection_point, posted_as, start_utc, end_utc, revision, digest, status, is_newest) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
        (
            leaf,
            actual.connection_point,
            actual.posted_as,
            actual.window.start_utc,
            actual.window.end_utc,
            actual.revision,
            signed.digest,
            int(actual.status),
        ),
    )


def newest(connection: sqlite3.Connection, key: PublicKey, posted_as: str, window: Interval) -> StoredActual | None:
    """The newest revision for a subject and window, or none."""
    row = connection.execute(
        _SELECT + "WHERE posted_as = ? AND start_utc = ? AND end_utc = ? AND is_newest = 1",
        (posted_as, window.start_utc, window.end_utc),
    ).fetchone()
    return None if row is None else _stored(key, *row)


def newest_status(connection: sqlite3.Connection, posted_as: str, window: Interval) -> Status | None:
    """The status of the newest revision for a subject and window; none before the first."""
    row = connection.execute(
        "SELECT status FROM actuals WHERE posted_as = ? AND start_utc = ? AND end_utc = ? AND is_newest = 1",
        (posted_as, window.start_utc, window.end_utc),
    ).fetchone()
    return None if row is None else Status(row[0])


def newest_settled(
    connection: sqlite3.Connection, key: PublicKey, posted_as: str, window: Interval
) -> StoredActual | None:
    """The newest revision for a subject and window that was FINAL or TRUE_UP, or none."""
    row = connection.execute(
        _SELECT
        + "WHERE posted_as = ? AND start_utc = ? AND end_utc = ? AND status IN (?, ?) ORDER BY revision DESC LIMIT 1",
        (posted_as, window.start_utc, window.end_utc, int(Status.FINAL), int(Status.TRUE_UP)),
    ).fetchone()
    return None if row is None else _stored(key, *row)


def by_digest(connection: sqlite3.Connection, key: PublicKey, digest: bytes) -> StoredActual | None:
    """The actual with this evidence digest, or none."""
    row = connection.execute(_SELECT + "WHERE actuals.digest = ?", (digest,)).fetchone()
    return None if row is None else _stored(key, *row)


def revisions(
    connection: sqlite3.Connection, key: PublicKey, posted_as: str, window: Interval
) -> tuple[StoredActual, ...]:
    """Every revision for a subject and window, the newest first."""
    rows = connection.execute(
        _SELECT + "WHERE posted_as = ? AND start_utc = ? AND end_utc = ? ORDER BY revision DESC",
        (posted_as, window.start_utc, window.end_utc),
    )
    return tuple(_stored(key, *row) for row in rows)


def after(connection: sqlite3.Connection, key: PublicKey, leaf: int, *, limit: int) -> Iterator[StoredActual]:
    """Actuals logged behind a leaf, in the order of the log."""
    rows = connection.execute(_SELECT + "WHERE leaf > ? ORDER BY leaf LIMIT ?", (leaf, limit))
    return (_stored(key, *row) for row in rows)


def said_after(connection: sqlite3.Connection, leaf: int) -> tuple[tuple[int, str, Interval], ...]:
    """Leaf, ledger's name and window of the actuals logged behind a leaf, by any program, in the order of the log."""
    rows = connection.execute(
        "SELECT leaf, posted_as, start_utc, end_utc FROM actuals WHERE leaf > ? ORDER BY leaf", (leaf,)
    )
    return tuple((leaf, posted_as, Interval(start, end)) for leaf, posted_as, start, end in rows)


def subjects(
    connection: sqlite3.Connection, span: Interval, posted_as: str | None = None
) -> tuple[tuple[str, str, Interval], ...]:
    """Connection point, ledger's name and window of everything that was attested of windows that begin in `span`."""
    rows = connection.execute(
        "SELECT connection_point, posted_as, start_utc, end_utc FROM actuals WHERE is_newest = 1 "
        "AND start_utc >= ? AND start_utc < ? AND (? IS NULL OR posted_as = ?) ORDER BY start_utc, posted_as",
        (span.start_utc, span.end_utc, posted_as, posted_as),
    )
    return tuple((point, name, Interval(start, end)) for point, name, start, end in rows)


def revised_since(
    connection: sqlite3.Connection, connection_point: str, window: Interval, since_utc: int
) -> bytes | None:
    """Digest of a newest revision that states another figure than what stood at a time, of a window of a connection point that shares an instant
    with `window`; none where nobody said another figure since.

    The same figure said again is no revision of it, whoever said it and on whatever evidence.
    """
    rows = connection.execute(
        "SELECT posted_as, start_utc, end_utc, actuals.digest, content_type, sign1, logged_utc FROM actuals "
        "JOIN statements USING (leaf) WHERE connection_point = ? AND start_utc < ? AND end_utc > ? ORDER BY leaf",
        (connection_point, window.end_utc, window.start_utc),
    )
    stood: dict[tuple[str, int, int], Totals | None] = {}
    newest: dict[tuple[str, int, int], tuple[bytes, Totals | None, int]] = {}
    for posted_as, start, end, digest, content_type, sign1, logged_utc in rows:
        totals = parse_actual(content_type, parse(sign1).payload).totals
        subject = (posted_as, start, end)
        # What was said first stood then, even when it was said later: there was nothing to contest before.
        if logged_utc <= since_utc or subject not in stood:
            stood[subject] = totals
        newest[subject] = (bytes(digest), totals, logged_utc)
    found = [
        digest
        for subject, (digest, totals, logged_utc) in newest.items()
        if logged_utc > since_utc and totals is not None and totals != stood[subject]
    ]
    return found[-1] if found else None


def newest_digest(connection: sqlite3.Connection, connection_point: str, window: Interval) -> bytes | None:
    """Digest of the newest actual of a connection point and exactly this window, whatever ledger's name it has; or none."""
    row = connection.execute(
        "SELECT digest FROM actuals WHERE connection_point = ? AND start_utc = ? AND end_utc = ? AND is_newest = 1 "
        "ORDER BY leaf DESC LIMIT 1",
        (connection_point, window.start_utc, window.end_utc),
    ).fetchone()
    return None if row is None else bytes(row[0])


def last_said(connection: sqlite3.Connection) -> int:
    """Leaf of the newest actual; -1 before the first."""
    (leaf,) = connection.execute("SELECT max(leaf) FROM actuals").fetchone()
    return -1 if leaf is None else int(leaf)


def newest_rule_set(connection: sqlite3.Connection, key: PublicKey, log: int) -> StoredRuleSet | None:
    """The rule set that a log holds last, or none: the rules that judge now."""
    row = connection.execute(
        "SELECT leaf, sign1 FROM statements WHERE content_type = ? AND leaf BETWEEN ? AND ? ORDER BY leaf DESC LIMIT 1",
        (RuleSet.CONTENT_TYPE, leaf_row(log, 0), leaf_row(log + 1, 0) - 1),
    ).fetchone()
    return None if row is None else StoredRuleSet(leaf=row[0], signed=_unsealed(key, RuleSet, row[1]))


def rule_set(connection: sqlite3.Connection, key: PublicKey, digest: bytes) -> StoredRuleSet | None:
    """The logged rule set with this digest, or none."""
    row = connection.execute(
        "SELECT leaf, sign1 FROM statements WHERE digest = ? AND content_type = ?", (digest, RuleSet.CONTENT_TYPE)
    ).fetchone()
    return None if row is None else StoredRuleSet(leaf=row[0], signed=_unsealed(key, RuleSet, row[1]))


def _stored(key: PublicKey, leaf: int, sign1: bytes) -> StoredActual:
    try:
        kind = actual_kind(parse(sign1).content_type)
    except SigningError:
        kind = WindowActual
    return StoredActual(leaf=leaf, signed=_unsealed(key, kind, sign1))


def _unsealed(key: PublicKey, kind: type[S], sign1: bytes) -> Signed[S]:
    try:
        return unseal(parse(sign1), kind, key)
    except SigningError as error:
        raise FatalError(
            f"a stored {kind.__name__} is not this discom's ({error}): run `sakshi-headend fsck`, then restore"
        ) from error
