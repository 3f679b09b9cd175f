"""Rows of what transformers and feeders gave beyond what their meters took. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from headend.registry.supply import By
from signing.interval import Interval


class Line(NamedTuple):
    """A transformer or a feeder by its name."""

    what: By
    """`By.DT` or `By.FEEDER`."""
    name: str


class Moved(NamedTuple):
    """One entry of the registry's journal that moves a meter, or its connection point, along the network."""

    change: int
    meter: str
    from_utc: int
    is_of_point: bool
    """Whether the meter moved to another connection point; else its own hangs on another line."""
    names: tuple[str, ...]
    """The connection points, or the transformers or feeders, before and after."""


def put_due(connection: sqlite3.Connection, days: Iterable[tuple[Line, int, int]]) -> None:
    """Makes days (line, IST midnight, when) due; one that is due already stays as early as it was."""
    connection.executemany(
        "INSERT INTO balances_due (what, name, start_utc, due_utc) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (what, name, start_utc) DO UPDATE SET due_utc = min(due_utc, excluded.due_utc)",
        [(line.what.value, line.name, start, due) for line, start, due in days],
    )


def due(connection: sqlite3.Connection, now_utc: int, *, limit: int) -> tuple[tuple[Line, int], ...]:
    """Line and IST midnight of days that are due, earliest days first: a later one has them in its history."""
    rows = connection.execute(
        "SELECT what, name, start_utc FROM balances_due WHERE due_utc <= ? ORDER BY start_utc, what, name LIMIT ?",
        (now_utc, limit),
    )
    return tuple((Line(By(what), name), start) for what, name, start in rows)


def done(connection: sqlite3.Connection, line: Line, start_utc: int) -> None:
    """Takes a day off."""
    connection.execute(
        "DELETE FROM balances_due WHERE what = ? AND name = ? AND start_utc = ?",
        (line.what.value, line.name, start_utc),
    )


def put(connection: sqlite3.Connection, line: Line, start_utc: int, difference_wh: int | None) -> None:
    """Stores what a line gave beyond what its meters took in a day; none where that cannot be said."""
    if difference_wh is None:
        connection.execute(
            "DELETE FROM balances WHERE what = ? AND name = ? AND start_utc = ?",
            (line.what.value, line.name, start_utc),
        )
        return
    connection.execute(
        "INSERT OR REPLACE INTO balances (what, name, start_utc, difference_wh) VALUES (?, ?, ?, ?)",
        (line.what.value, line.name, start_utc, difference_wh),
    )


def differences(connection: sqlite3.Connection, line: Line, span: Interval) -> Mapping[int, int]:
    """The differences of a line in Wh by IST midnight, of days that begin in `span`, ascending."""
    rows = connection.execute(
        "SELECT start_utc, difference_wh FROM balances WHERE what = ? AND name = ? AND start_utc >= ? AND start_utc < ? "
        "ORDER BY start_utc",
        (line.what.value, line.name, span.start_utc, span.end_utc),
    )
    return {int(start): int(wh) for start, wh in rows}


def looked_through(connection: sqlite3.Connection) -> int:
    """How far the registry's journal was looked through."""
    (change,) = connection.execute("SELECT registry_change FROM series_state").fetchone()
    return int(change)


def put_looked_through(connection: sqlite3.Connection, change: int) -> None:
    """Notes how far the registry's journal was looked through."""
    connection.execute("UPDATE series_state SET registry_change = ?", (change,))


def moved_after(connection: sqlite3.Connection, change: int, *, limit: int) -> tuple[Moved, ...]:
    """The entries of the registry's journal behind one that move a meter to another place in the network, in order."""
    rows = connection.execute(
        "SELECT change, meter, from_utc, field, before, after FROM registry_changes WHERE change > ? "
        "AND field IN ('connection_point', 'dt', 'feeder') ORDER BY change LIMIT ?",
        (change, limit),
    )
    return tuple(
        Moved(change, meter, since, field == "connection_point", tuple(name for name in (before, after) if name))
        for change, meter, since, field, before, after in rows
    )
