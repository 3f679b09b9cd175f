"""Rows of legal holds, and erasing. Every function works inside the caller's transaction.

An erased opening leaves its batch: header, signature, place in the log. A verifier says ERASED, and never INVALID.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

from headend.errors import RefusedError
from signing.interval import Interval

_SPARED = (
    "EXISTS (SELECT 1 FROM legal_holds JOIN meters ON meters.name = legal_holds.meter JOIN chains ON chains.meter = meters.meter "
    "WHERE chains.chain = batches.chain AND released_utc IS NULL "
    "AND legal_holds.start_utc <= batches.end_utc AND legal_holds.end_utc >= batches.start_utc)"
)
_HOLD = "SELECT hold, meter, start_utc, end_utc, by, reason, placed_utc, released_by, released_utc FROM legal_holds"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """Blocks of a meter that must be kept."""

    number: int
    meter: str
    span: Interval
    by: str
    reason: str
    placed_utc: int
    released_by: str | None
    released_utc: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """Openings of a meter in a span."""

    kept: int
    """Not erased."""
    due: int
    """Of those: not to be kept any longer, and held by nobody."""


def place(connection: sqlite3.Connection, meter: str, span: Interval, *, by: str, reason: str, at_utc: int) -> int:
    """Keeps a meter's blocks of a time, and gives the hold's number."""
    (number,) = connection.execute(
        "INSERT INTO legal_holds (meter, start_utc, end_utc, by, reason, placed_utc) VALUES (?, ?, ?, ?, ?, ?) RETURNING hold",
        (meter, span.start_utc, span.end_utc, by, reason, at_utc),
    ).fetchone()
    return int(number)


def release(connection: sqlite3.Connection, number: int, *, by: str, at_utc: int) -> LegalHold:
    """Lets a hold's blocks be erased when their time has come; the hold.

    Raises:
        RefusedError: there is none with this number, or it was released.
    """
    cursor = connection.execute(
        "UPDATE legal_holds SET released_by = ?, released_utc = ? WHERE hold = ? AND released_utc IS NULL",
        (by, at_utc, number),
    )
    if not cursor.rowcount:
        raise RefusedError(f"legal hold {number} does not exist or was released: see `sakshi-headend retention list`")
    # What it held back lies below the mark.
    connection.execute("UPDATE retention_state SET batch_leaf = -1")
    return _hold(connection.execute(f"{_HOLD} WHERE hold = ?", (number,)).fetchone())


def openings(connection: sqlite3.Connection, meter: str, span: Interval, before_utc: int | None) -> Openings:
    """What is kept of a meter's openings in a span; those that end before `before_utc` and that nobody holds are due, none without it."""
    kept, due = connection.execute(
        f"SELECT count(*), coalesce(sum(end_utc < ? AND NOT {_SPARED}), 0) FROM batches "  # noqa: S608 - a constant
        "JOIN chains USING (chain) JOIN meters USING (meter) WHERE name = ? AND opening NOT NULL AND start_utc <= ? AND end_utc >= ?",
        (before_utc, meter, span.end_utc, span.start_utc),
    ).fetchone()
    return Openings(kept=int(kept), due=int(due))


def holds(connection: sqlite3.Connection, *, limit: int) -> tuple[LegalHold, ...]:
    """Legal holds, latest first."""
    return tuple(_hold(row) for row in connection.execute(f"{_HOLD} ORDER BY hold DESC LIMIT ?", (limit,)))


def _hold(row: tuple[Any, ...]) -> LegalHold:
    number, meter, start, end, by, reason, placed, released_by, released = row
    return LegalHold(
        number=number,
        meter=meter,
        span=Interval(start, end),
        by=by,
        reason=reason,
        placed_utc=placed,
        released_by=released_by,
        released_utc=released,
    )


def erasable(connection: sqlite3.Connection, before_utc: int) -> int:
    """How many openings end before an instant, are kept still, and are held by nobody."""
    (number,) = connection.execute(
        f"SELECT count(*) FROM batches WHERE opening NOT NULL AND end_utc < ? AND NOT {_SPARED}",  # noqa: S608 - a constant
        (before_utc,),
    ).fetchone()
    return int(number)


def erase_openings(connection: sqlite3.Connection, before_utc: int, *, now_utc: int, most: int) -> tuple[int, bool]:
    """Erases openings that end before an instant, looking at `most` batches in the order of the log; how many, and whether more may follow.

    It stops at the first younger batch: what was logged behind it is younger too, or waits a little longer. One that states a time to come
    says nothing of its age: it goes with what was logged behind it, or a single wrong clock would keep everybody's readings.
    """
    (mark,) = connection.execute("SELECT batch_leaf FROM retention_state").fetchone()
    rows = connection.execute(
        "SELECT leaf, end_utc FROM batches WHERE leaf > ? AND end_utc <= ? ORDER BY leaf LIMIT ?", (mark, now_utc, most)
    ).fetchall()
    old = []
    for leaf, end_utc in rows:
        if end_utc >= before_utc:
            break
        old.append(leaf)
    if not old:
        return 0, False
    cursor = connection.execute(
        f"UPDATE batches SET opening = NULL WHERE leaf > ? AND leaf <= ? AND opening NOT NULL AND NOT {_SPARED}",  # noqa: S608 - a constant
        (mark, old[-1]),
    )
    connection.execute("UPDATE retention_state SET batch_leaf = ?", (old[-1],))
    return cursor.rowcount, len(old) == most


def erase_days(connection: sqlite3.Connection, before_utc: int, *, most: int) -> int:
    """Erases superseded versions of validated days that began before an instant, `most` of them; how many."""
    cursor = connection.execute(
        "DELETE FROM days WHERE day IN (SELECT day FROM days WHERE is_newest = 0 AND start_utc < ? AND NOT EXISTS ("
        "SELECT 1 FROM legal_holds WHERE legal_holds.meter = days.meter AND released_utc IS NULL "
        "AND legal_holds.start_utc < days.start_utc + 86400 AND legal_holds.end_utc > days.start_utc) LIMIT ?)",
        (before_utc, most),
    )
    return cursor.rowcount
