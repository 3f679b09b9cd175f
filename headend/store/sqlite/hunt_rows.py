"""Rows of blocks that are looked for. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from signing.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Hunt:
    """Blocks of a meter that are looked for."""

    meter: str
    span: Interval
    asked: int
    """How often its gateway was asked."""
    due_utc: int | None
    """When it is asked next; none: no more."""


def replace(
    connection: sqlite3.Connection, meter: str, within: Interval, missing: Iterable[tuple[Interval, int | None]]
) -> None:
    """Makes `missing`, each with its first due time, what is looked for of a meter in a span. What is known keeps its count."""
    wanted = dict(missing)
    rows = connection.execute(
        "SELECT start_utc, end_utc FROM hunts WHERE meter = ? AND start_utc >= ? AND end_utc <= ?",
        (meter, within.start_utc, within.end_utc),
    ).fetchall()
    known = {Interval(start, end) for start, end in rows}
    connection.executemany(
        "DELETE FROM hunts WHERE meter = ? AND start_utc = ? AND end_utc = ?",
        [(meter, span.start_utc, span.end_utc) for span in known - wanted.keys()],
    )
    connection.executemany(
        "INSERT INTO hunts (meter, start_utc, end_utc, due_utc) VALUES (?, ?, ?, ?)",
        [(meter, span.start_utc, span.end_utc, wanted[span]) for span in sorted(wanted.keys() - known)],
    )


def put(connection: sqlite3.Connection, meter: str, span: Interval, due_utc: int) -> None:
    """Makes a span of a meter due, also where nothing lacks; one that is looked for already comes no later for it."""
    connection.execute(
        "INSERT INTO hunts (meter, start_utc, end_utc, due_utc) VALUES (?, ?, ?, ?) ON CONFLICT (meter, start_utc, end_utc) "
        "DO UPDATE SET due_utc = min(coalesce(due_utc, excluded.due_utc), excluded.due_utc)",
        (meter, span.start_utc, span.end_utc, due_utc),
    )


def due(connection: sqlite3.Connection, now_utc: int, *, most: int) -> tuple[Hunt, ...]:
    """What is to be asked for now, longest due first."""
    rows = connection.execute(
        "SELECT meter, start_utc, end_utc, asked, due_utc FROM hunts WHERE due_utc <= ? ORDER BY due_utc LIMIT ?",
        (now_utc, most),
    )
    return tuple(
        Hunt(meter=meter, span=Interval(start, end), asked=asked, due_utc=at) for meter, start, end, asked, at in rows
    )


def next_due(connection: sqlite3.Connection, meter: str, span: Interval) -> int | None:
    """When something of a meter that lies in `span` is asked for next, or none."""
    (due_utc,) = connection.execute(
        "SELECT min(due_utc) FROM hunts WHERE meter = ? AND start_utc < ? AND end_utc > ?",
        (meter, span.end_utc, span.start_utc),
    ).fetchone()
    return None if due_utc is None else int(due_utc)


def asked(connection: sqlite3.Connection, hunt: Hunt, due_utc: int | None) -> None:
    """Notes that blocks were asked for once more, and when they are asked for next."""
    connection.execute(
        "UPDATE hunts SET asked = asked + 1, due_utc = ? WHERE meter = ? AND start_utc = ? AND end_utc = ?",
        (due_utc, hunt.meter, hunt.span.start_utc, hunt.span.end_utc),
    )


def hunts(connection: sqlite3.Connection, meter: str) -> tuple[Hunt, ...]:
    """What is looked for of a meter, ascending."""
    rows = connection.execute(
        "SELECT meter, start_utc, end_utc, asked, due_utc FROM hunts WHERE meter = ? ORDER BY start_utc", (meter,)
    )
    return tuple(
        Hunt(meter=name, span=Interval(start, end), asked=count, due_utc=at) for name, start, end, count, at in rows
    )
