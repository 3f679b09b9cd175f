"""Rows of changed terms. Every function works inside the caller's transaction."""

import sqlite3
from dataclasses import dataclass

from headend.trading.amendments import Amending, Amendment


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAmendment:
    """An amendment, and when it was seen first."""

    amendment: Amendment
    seen_utc: int


def put_amendment(connection: sqlite3.Connection, amendment: Amendment, seen_utc: int) -> bool:
    """Keeps an amendment; whether it is new. What is shown again stays as it was seen first."""
    cursor = connection.execute(
        "INSERT INTO amendments (record_id, amending, changes, seen_utc) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (amendment.record_id, amendment.amending.value, amendment.changes, seen_utc),
    )
    return cursor.rowcount == 1


def of_record(connection: sqlite3.Connection, record_id: str) -> tuple[SeenAmendment, ...]:
    """The amendments of one trade, in the order seen."""
    rows = connection.execute(
        "SELECT record_id, amending, changes, seen_utc FROM amendments WHERE record_id = ? ORDER BY amendment",
        (record_id,),
    )
    return tuple(_amendment(*row) for row in rows)


def late(connection: sqlite3.Connection, since_utc: int) -> tuple[SeenAmendment, ...]:
    """The late amendments seen at or after a time, in the order seen."""
    rows = connection.execute(
        "SELECT record_id, amending, changes, seen_utc FROM amendments WHERE amending = 'LATE' AND seen_utc >= ? "
        "ORDER BY amendment",
        (since_utc,),
    )
    return tuple(_amendment(*row) for row in rows)


def _amendment(record_id: str, amending: str, changes: str, seen_utc: int) -> SeenAmendment:
    return SeenAmendment(
        amendment=Amendment(record_id=record_id, amending=Amending(amending), changes=changes), seen_utc=seen_utc
    )
