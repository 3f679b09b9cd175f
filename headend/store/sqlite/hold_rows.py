"""Rows of holds and of what operators did by hand. Every function works inside the caller's transaction."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from headend.duties.holds import Hold, HoldKind, Order
from headend.errors import RefusedError
from signing.interval import Interval

_MAX = 2**63 - 1
_HOLD = (
    "SELECT hold, kind, connection_point, start_utc, end_utc, party, reason, opened_by, opened_utc, closed_by, closed_utc, "
    "outcome FROM holds"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that an operator did by hand."""

    verb: str
    about: str
    by: str
    reason: str
    done_utc: int


def open_hold(connection: sqlite3.Connection, order: Order, *, at_utc: int) -> int:
    """Keeps an order, and gives its number."""
    window = order.window
    cursor = connection.execute(
        "INSERT INTO holds (kind, connection_point, start_utc, end_utc, party, reason, opened_by, opened_utc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING hold",
        (
            order.kind.value,
            order.connection_point,
            None if window is None else window.start_utc,
            None if window is None else window.end_utc,
            order.party,
            order.reason,
            order.by,
            at_utc,
        ),
    )
    (number,) = cursor.fetchone()
    return int(number)


def close_hold(connection: sqlite3.Connection, number: int, *, by: str, outcome: str, at_utc: int) -> None:
    """Ends a hold.

    Raises:
        RefusedError: there is none with this number, or it has ended.
    """
    cursor = connection.execute(
        "UPDATE holds SET closed_by = ?, closed_utc = ?, outcome = ? WHERE hold = ? AND closed_utc IS NULL",
        (by, at_utc, outcome, number),
    )
    if not cursor.rowcount:
        raise RefusedError(f"hold {number} does not exist or has ended: see `sakshi-headend hold list`")


def open_holds(connection: sqlite3.Connection) -> tuple[Hold, ...]:
    """The holds that hold now, by number."""
    return tuple(_hold(row) for row in connection.execute(f"{_HOLD} WHERE closed_utc IS NULL ORDER BY hold"))


def holds(connection: sqlite3.Connection, *, limit: int, below: int | None = None) -> tuple[Hold, ...]:
    """Every hold with a number below `below`, latest first."""
    rows = connection.execute(
        f"{_HOLD} WHERE hold < ? ORDER BY hold DESC LIMIT ?", (_MAX if below is None else below, limit)
    )
    return tuple(_hold(row) for row in rows)


def hold(connection: sqlite3.Connection, number: int) -> Hold | None:
    """The hold with this number, or none."""
    row = connection.execute(f"{_HOLD} WHERE hold = ?", (number,)).fetchone()
    return None if row is None else _hold(row)


def put_act(connection: sqlite3.Connection, act: Act) -> None:
    """Notes what an operator did. Nothing is ever taken out again."""
    connection.execute(
        "INSERT INTO acts (verb, about, by, reason, done_utc) VALUES (?, ?, ?, ?, ?)",
        (act.verb, act.about, act.by, act.reason, act.done_utc),
    )


def acts(connection: sqlite3.Connection, *, limit: int) -> tuple[Act, ...]:
    """What operators did, latest first."""
    return tuple(act for _, act in numbered_acts(connection, limit=limit))


def numbered_acts(
    connection: sqlite3.Connection, *, limit: int, below: int | None = None
) -> tuple[tuple[int, Act], ...]:
    """What operators did, each with its number, which is below `below`; latest first."""
    rows = connection.execute(
        "SELECT act, verb, about, by, reason, done_utc FROM acts WHERE act < ? ORDER BY act DESC LIMIT ?",
        (_MAX if below is None else below, limit),
    )
    return tuple(
        (number, Act(verb=verb, about=about, by=by, reason=reason, done_utc=done))
        for number, verb, about, by, reason, done in rows
    )


def _hold(row: tuple[Any, ...]) -> Hold:
    number, kind, point, start, end, party, reason, by, opened, closed_by, closed, outcome = row
    order = Order(
        kind=HoldKind(kind),
        connection_point=point,
        window=None if start is None else Interval(start, end),
        party=party,
        by=by,
        reason=reason,
    )
    return Hold(number=number, order=order, opened_utc=opened, closed_utc=closed, closed_by=closed_by, outcome=outcome)
