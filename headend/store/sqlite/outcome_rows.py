"""Rows of what came of trades, of feeds and of notices. Every function works inside the caller's transaction."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from headend.errors import FatalError
from headend.store.sqlite import registry_rows
from headend.trading.outcomes import Notice, NoticeKind
from signing.envelope import Signed, parse, unseal
from signing.errors import SigningError
from signing.keys import PublicKey
from signing.statements.trade_outcome import TradeOutcome

_MAX = 2**63 - 1
_NOTICE = "SELECT notice, kind, reference, sender, record_id, posted_as, text, received_utc FROM notices"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcome:
    """A logged outcome and its leaf."""

    leaf: int
    signed: Signed[TradeOutcome]


def put(connection: sqlite3.Connection, leaf: int, signed: Signed[TradeOutcome], *, at_utc: int) -> None:
    """Stores an outcome behind its leaf; it is the newest of its trade and side from now on."""
    outcome = signed.statement
    registry_rows.put_statement(connection, leaf, signed.envelope, at_utc=at_utc)
    connection.execute(
        "UPDATE outcomes SET is_newest = 0 WHERE record_id = ? AND side = ? AND is_newest = 1",
        (outcome.record, outcome.side.name),
    )
    connection.execute(
        "INSERT INTO outcomes (leaf, record_id, side, revision, digest, is_newest) VALUES (?, ?, ?, ?, ?, 1)",
        (leaf, outcome.record, outcome.side.name, outcome.revision, signed.digest),
    )


def newest(connection: sqlite3.Connection, key: PublicKey, record_id: str, side: str) -> StoredOutcome | None:
    """The newest outcome of one side of a trade, or none."""
    row = connection.execute(
        "SELECT leaf, sign1 FROM outcomes JOIN statements USING (leaf) "
        "WHERE record_id = ? AND side = ? AND is_newest = 1",
        (record_id, side),
    ).fetchone()
    return None if row is None else _stored(key, *row)


def after(connection: sqlite3.Connection, key: PublicKey, leaf: int, *, limit: int) -> tuple[StoredOutcome, ...]:
    """Outcomes logged behind a leaf, in the order of the log."""
    rows = connection.execute(
        "SELECT leaf, sign1 FROM outcomes JOIN statements USING (leaf) WHERE leaf > ? ORDER BY leaf LIMIT ?",
        (leaf, limit),
    )
    return tuple(_stored(key, *row) for row in rows)


def latest(connection: sqlite3.Connection, key: PublicKey, *, below: int, limit: int) -> tuple[StoredOutcome, ...]:
    """Outcomes that stand before leaf `below`, latest logged first."""
    rows = connection.execute(
        "SELECT leaf, sign1 FROM outcomes JOIN statements USING (leaf) WHERE leaf < ? ORDER BY leaf DESC LIMIT ?",
        (below, limit),
    )
    return tuple(_stored(key, *row) for row in rows)


def at_leaf(connection: sqlite3.Connection, key: PublicKey, leaf: int) -> StoredOutcome | None:
    """The outcome behind a leaf, or none when another statement stands there."""
    row = connection.execute(
        "SELECT leaf, sign1 FROM outcomes JOIN statements USING (leaf) WHERE leaf = ?", (leaf,)
    ).fetchone()
    return None if row is None else _stored(key, *row)


def told(connection: sqlite3.Connection, feed: str) -> int:
    """Up to which leaf a feed was told; -1 before the first."""
    row = connection.execute("SELECT told_leaf FROM feeds WHERE feed = ?", (feed,)).fetchone()
    return -1 if row is None else int(row[0])


def put_told(connection: sqlite3.Connection, feed: str, leaf: int) -> None:
    """Notes up to which leaf a feed was told."""
    connection.execute(
        "INSERT INTO feeds (feed, told_leaf) VALUES (?, ?) ON CONFLICT (feed) DO UPDATE SET told_leaf = excluded.told_leaf",
        (feed, leaf),
    )


def put_notice(connection: sqlite3.Connection, notice: Notice) -> bool:
    """Keeps a notice, once for each sender and reference; whether it was new."""
    cursor = connection.execute(
        "INSERT INTO notices (kind, reference, sender, record_id, posted_as, text, received_utc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sender, reference) DO NOTHING",
        (
            notice.kind.value,
            notice.reference,
            notice.sender,
            notice.record_id,
            notice.posted_as,
            notice.text,
            notice.received_utc,
        ),
    )
    return bool(cursor.rowcount)


def notices(connection: sqlite3.Connection, *, limit: int, below: int | None = None) -> tuple[tuple[int, Notice], ...]:
    """Notices, each with its number, which is below `below`; latest first."""
    rows = connection.execute(
        f"{_NOTICE} WHERE notice < ? ORDER BY notice DESC LIMIT ?", (_MAX if below is None else below, limit)
    )
    return tuple(_notice(row) for row in rows)


def notice(connection: sqlite3.Connection, sender: str, reference: str) -> tuple[int, Notice] | None:
    """The notice that a sender calls so, with its number, or none."""
    row = connection.execute(f"{_NOTICE} WHERE sender = ? AND reference = ?", (sender, reference)).fetchone()
    return None if row is None else _notice(row)


def _notice(row: tuple[Any, ...]) -> tuple[int, Notice]:
    number, kind, reference, sender, record, posted_as, text, received = row
    return number, Notice(
        kind=NoticeKind(kind),
        reference=reference,
        sender=sender,
        record_id=record,
        posted_as=posted_as,
        text=text,
        received_utc=received,
    )


def counted_notices(connection: sqlite3.Connection) -> int:
    """How many notices there are."""
    (number,) = connection.execute("SELECT count(*) FROM notices").fetchone()
    return int(number)


def _stored(key: PublicKey, leaf: int, sign1: bytes) -> StoredOutcome:
    try:
        return StoredOutcome(leaf=leaf, signed=unseal(parse(sign1), TradeOutcome, key))
    except SigningError as error:
        raise FatalError(
            f"a stored TradeOutcome is not this discom's ({error}): run `sakshi-headend fsck`, then restore"
        ) from error
