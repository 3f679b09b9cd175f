"""Rows of logged edits. Writing happens inside the caller's log transaction."""

import sqlite3
from dataclasses import dataclass

from headend.store.sqlite import registry_rows
from signing.envelope import Envelope, Signed, parse
from signing.interval import Interval
from signing.statements.edit import Edit

NOW = 2**63 - 1
"""Above every leaf: as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEdit:
    """A logged edit and its leaf."""

    leaf: int
    envelope: Envelope
    edit: Edit


def put(connection: sqlite3.Connection, leaf: int, signed: Signed[Edit], *, at_utc: int) -> None:
    """Stores an edit behind its leaf; it is the newest of its meter from now on."""
    proposal = signed.statement.proposal
    registry_rows.put_statement(connection, leaf, signed.envelope, at_utc=at_utc)
    connection.execute(
        "INSERT INTO edits (leaf, meter, number, digest, start_utc, end_utc) VALUES (?, ?, ?, ?, ?, ?)",
        (leaf, proposal.meter, proposal.number, signed.digest, proposal.span.start_utc, proposal.span.end_utc),
    )


def of_meter(connection: sqlite3.Connection, meter: str, *, before: int = NOW) -> tuple[StoredEdit, ...]:
    """The edits of a meter that stand before a leaf, by number."""
    rows = connection.execute(
        "SELECT leaf, sign1 FROM edits JOIN statements USING (leaf) WHERE meter = ? AND leaf < ? ORDER BY number",
        (meter, before),
    )
    return tuple(_stored(*row) for row in rows)


def at(connection: sqlite3.Connection, leaf: int) -> StoredEdit | None:
    """The edit behind a leaf, or none."""
    row = connection.execute(
        "SELECT leaf, sign1 FROM edits JOIN statements USING (leaf) WHERE leaf = ?", (leaf,)
    ).fetchone()
    return None if row is None else _stored(*row)


def newest(connection: sqlite3.Connection, *, limit: int) -> tuple[StoredEdit, ...]:
    """The edits of all meters, the latest logged first."""
    rows = connection.execute(
        "SELECT leaf, sign1 FROM edits JOIN statements USING (leaf) ORDER BY leaf DESC LIMIT ?", (limit,)
    )
    return tuple(_stored(*row) for row in rows)


def after(connection: sqlite3.Connection, leaf: int) -> tuple[tuple[int, str, Interval], ...]:
    """Leaf, meter and span of the edits logged behind a leaf, by any program, in the order of the log."""
    rows = connection.execute("SELECT leaf, meter, start_utc, end_utc FROM edits WHERE leaf > ? ORDER BY leaf", (leaf,))
    return tuple((int(at), str(meter), Interval(start, end)) for at, meter, start, end in rows)


def last(connection: sqlite3.Connection) -> int:
    """Leaf of the newest edit; -1 before the first."""
    (leaf,) = connection.execute("SELECT max(leaf) FROM edits").fetchone()
    return -1 if leaf is None else int(leaf)


def looked_through(connection: sqlite3.Connection) -> int:
    """Up to which leaf edits were looked through for days that they change; -1 before the first."""
    (leaf,) = connection.execute("SELECT edit_leaf FROM series_state").fetchone()
    return int(leaf)


def put_looked_through(connection: sqlite3.Connection, leaf: int) -> None:
    """Notes up to which leaf edits were looked through."""
    connection.execute("UPDATE series_state SET edit_leaf = ?", (leaf,))


def _stored(leaf: int, sign1: bytes) -> StoredEdit:
    envelope = parse(sign1, "edit")
    return StoredEdit(leaf=leaf, envelope=envelope, edit=Edit.parse(envelope.payload))
