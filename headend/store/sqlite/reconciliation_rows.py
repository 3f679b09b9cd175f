"""Rows of reconciliations. Every function works inside the caller's transaction."""

import sqlite3
from typing import NamedTuple


class Reconciliation(NamedTuple):
    """What one comparison with the ledger found."""

    at_utc: int
    start_utc: int
    """First start of a window that was looked at."""
    deliveries: int
    differing: int


def newest(connection: sqlite3.Connection) -> Reconciliation | None:
    """The last one, or none before the first."""
    row = connection.execute(
        "SELECT at_utc, start_utc, deliveries, differing FROM reconciliations ORDER BY reconciliation DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Reconciliation(*row)


def put(connection: sqlite3.Connection, found: Reconciliation) -> None:
    """Notes one."""
    connection.execute(
        "INSERT INTO reconciliations (at_utc, start_utc, deliveries, differing) VALUES (?, ?, ?, ?)", found
    )
