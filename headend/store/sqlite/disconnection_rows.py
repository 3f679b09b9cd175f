"""Rows of disconnections. Every function works inside the caller's transaction."""

import sqlite3
from dataclasses import dataclass, replace
from typing import Any

from headend.duties.disconnection import OpenConnection
from headend.errors import RefusedError

_SELECT = (
    "SELECT disconnection, connection_point, since_utc, until_utc, reference, by, reason, entered_utc, withdrawn_by, "
    "withdrawn_utc FROM disconnections"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDisconnection:
    """A disconnection as it is kept."""

    number: int
    entry: OpenConnection
    entered_utc: int
    withdrawn_by: str | None
    withdrawn_utc: int | None


def put(connection: sqlite3.Connection, entry: OpenConnection, *, at_utc: int) -> int:
    """Keeps a disconnection, and gives its number."""
    (number,) = connection.execute(
        "INSERT INTO disconnections (connection_point, since_utc, until_utc, reference, by, reason, entered_utc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING disconnection",
        (
            entry.connection_point,
            entry.since_utc,
            entry.until_utc,
            entry.reference,
            entry.by,
            entry.reason,
            at_utc,
        ),
    ).fetchone()
    return int(number)


def withdraw(connection: sqlite3.Connection, number: int, *, by: str, at_utc: int) -> OpenConnection:
    """Takes a disconnection back, and gives what it said.

    Raises:
        RefusedError: there is none with this number, or it was taken back.
    """
    cursor = connection.execute(
        "UPDATE disconnections SET withdrawn_by = ?, withdrawn_utc = ? "
        "WHERE disconnection = ? AND withdrawn_utc IS NULL",
        (by, at_utc, number),
    )
    if not cursor.rowcount:
        raise RefusedError(
            f"disconnection {number} does not exist or was taken back: see `sakshi-headend disconnection list`"
        )
    return _stored(connection.execute(f"{_SELECT} WHERE disconnection = ?", (number,)).fetchone()).entry


def close(connection: sqlite3.Connection, number: int, *, until_utc: int) -> OpenConnection:
    """Says until when an open disconnection lasted, and gives what it says now.

    Raises:
        RefusedError: there is none with this number, it was taken back or has an end, or the end is not after its beginning.
    """
    row = connection.execute(
        f"{_SELECT} WHERE disconnection = ? AND withdrawn_utc IS NULL AND until_utc IS NULL", (number,)
    ).fetchone()
    if row is None:
        raise RefusedError(
            f"disconnection {number} is not open: see `sakshi-headend disconnection list`; one with an end is taken back and entered again"
        )
    entry = replace(_stored(row).entry, until_utc=until_utc)
    connection.execute("UPDATE disconnections SET until_utc = ? WHERE disconnection = ?", (until_utc, number))
    return entry


def standing(connection: sqlite3.Connection, connection_point: str) -> tuple[OpenConnection, ...]:
    """Those of a connection point that were not taken back, by number."""
    rows = connection.execute(
        f"{_SELECT} WHERE connection_point = ? AND withdrawn_utc IS NULL ORDER BY disconnection", (connection_point,)
    )
    return tuple(_stored(row).entry for row in rows)


def latest(connection: sqlite3.Connection, *, limit: int) -> tuple[StoredDisconnection, ...]:
    """Disconnections, latest first."""
    rows = connection.execute(f"{_SELECT} ORDER BY disconnection DESC LIMIT ?", (limit,))
    return tuple(_stored(row) for row in rows)


def _stored(row: tuple[Any, ...]) -> StoredDisconnection:
    number, point, since, until, reference, by, reason, entered, withdrawn_by, withdrawn = row
    return StoredDisconnection(
        number=number,
        entry=OpenConnection(
            connection_point=point, since_utc=since, until_utc=until, reference=reference, by=by, reason=reason
        ),
        entered_utc=entered,
        withdrawn_by=withdrawn_by,
        withdrawn_utc=withdrawn,
    )
