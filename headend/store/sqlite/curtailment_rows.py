"""Rows of curtailments. Every function works inside the caller's transaction."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from headend.duties.outage import Curtailment, CurtailmentKind
from headend.errors import RefusedError
from signing.interval import Interval

_SELECT = (
    "SELECT curtailment, kind, connection_point, feeder, start_utc, end_utc, by, reason, entered_utc, withdrawn_by, "
    "withdrawn_utc FROM curtailments"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCurtailment:
    """A curtailment as it is kept."""

    number: int
    curtailment: Curtailment
    entered_utc: int
    withdrawn_by: str | None
    withdrawn_utc: int | None


def put(connection: sqlite3.Connection, curtailment: Curtailment, *, at_utc: int) -> int:
    """Keeps a curtailment, and gives its number."""
    (number,) = connection.execute(
        "INSERT INTO curtailments (kind, connection_point, feeder, start_utc, end_utc, by, reason, entered_utc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING curtailment",
        (
            curtailment.kind.value,
            curtailment.connection_point,
            curtailment.feeder,
            curtailment.span.start_utc,
            curtailment.span.end_utc,
            curtailment.by,
            curtailment.reason,
            at_utc,
        ),
    ).fetchone()
    return int(number)


def withdraw(connection: sqlite3.Connection, number: int, *, by: str, at_utc: int) -> None:
    """Takes a curtailment back.

    Raises:
        RefusedError: there is none with this number, or it was taken back.
    """
    cursor = connection.execute(
        "UPDATE curtailments SET withdrawn_by = ?, withdrawn_utc = ? WHERE curtailment = ? AND withdrawn_utc IS NULL",
        (by, at_utc, number),
    )
    if not cursor.rowcount:
        raise _none(number)


def standing(connection: sqlite3.Connection, number: int) -> Curtailment:
    """What stands under a number.

    Raises:
        RefusedError: there is none with this number, or it was taken back.
    """
    row = connection.execute(f"{_SELECT} WHERE curtailment = ? AND withdrawn_utc IS NULL", (number,)).fetchone()
    if row is None:
        raise _none(number)
    return _stored(row).curtailment


def _none(number: int) -> RefusedError:
    return RefusedError(f"curtailment {number} does not exist or was taken back: see `sakshi-headend curtail list`")


def overlapping(connection: sqlite3.Connection, window: Interval) -> tuple[Curtailment, ...]:
    """Those that stand and share an instant with a window, by number."""
    rows = connection.execute(
        f"{_SELECT} WHERE withdrawn_utc IS NULL AND start_utc < ? AND end_utc > ? ORDER BY curtailment",
        (window.end_utc, window.start_utc),
    )
    return tuple(_stored(row).curtailment for row in rows)


def latest(connection: sqlite3.Connection, *, limit: int) -> tuple[StoredCurtailment, ...]:
    """Curtailments, latest first."""
    return tuple(_stored(row) for row in connection.execute(f"{_SELECT} ORDER BY curtailment DESC LIMIT ?", (limit,)))


def _stored(row: tuple[Any, ...]) -> StoredCurtailment:
    number, kind, point, feeder, start, end, by, reason, entered, withdrawn_by, withdrawn = row
    return StoredCurtailment(
        number=number,
        curtailment=Curtailment(
            kind=CurtailmentKind(kind),
            connection_point=point,
            feeder=feeder,
            span=Interval(start, end),
            by=by,
            reason=reason,
        ),
        entered_utc=entered,
        withdrawn_by=withdrawn_by,
        withdrawn_utc=withdrawn,
    )
