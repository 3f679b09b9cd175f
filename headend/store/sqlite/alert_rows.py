"""Rows of alerts, and what they are found from. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from headend.duties.alerts import Alert, AlertKind, Changes, Trouble

_MAX = 2**63 - 1
_ALERT = "SELECT alert, kind, about, text, opened_utc, closed_utc FROM alerts"
_HEARD = """
    SELECT meters.name, kid, (
        SELECT max(end_utc, reach_utc) FROM batches WHERE batches.chain = chains.chain ORDER BY sequence DESC, branch LIMIT 1
    ) FROM chains JOIN keys USING (key) JOIN meters USING (meter)
"""


def open_alerts(connection: sqlite3.Connection) -> tuple[Alert, ...]:
    """Those that are not over, by number."""
    return tuple(_alert(row) for row in connection.execute(f"{_ALERT} WHERE closed_utc IS NULL ORDER BY alert"))


def latest(connection: sqlite3.Connection, *, limit: int, below: int | None = None) -> tuple[Alert, ...]:
    """Alerts with a number below `below`, latest first."""
    return tuple(
        _alert(row)
        for row in connection.execute(
            f"{_ALERT} WHERE alert < ? ORDER BY alert DESC LIMIT ?", (_MAX if below is None else below, limit)
        )
    )


def apply(connection: sqlite3.Connection, changes: Changes, *, at_utc: int) -> None:
    """Opens what began and closes what is over."""
    connection.executemany(
        "INSERT INTO alerts (kind, about, text, opened_utc) VALUES (?, ?, ?, ?)",
        [(trouble.kind.value, trouble.about, trouble.text, at_utc) for trouble in changes.begun],
    )
    connection.executemany(
        "UPDATE alerts SET closed_utc = ? WHERE alert = ?", [(at_utc, number) for number in changes.ended]
    )


def untold(connection: sqlite3.Connection, *, limit: int) -> tuple[Alert, ...]:
    """Alerts whose beginning, or whose end, nobody was told of yet, by number."""
    rows = connection.execute(
        f"{_ALERT} WHERE told_open = 0 OR (closed_utc NOT NULL AND told_closed = 0) ORDER BY alert LIMIT ?", (limit,)
    )
    return tuple(_alert(row) for row in rows)


def told(connection: sqlite3.Connection, alerts: Iterable[Alert]) -> None:
    """Notes what people were told of, as it was then: what ended since is still to be told."""
    connection.executemany(
        "UPDATE alerts SET told_open = 1, told_closed = max(told_closed, ?) WHERE alert = ?",
        [(alert.closed_utc is not None, alert.number) for alert in alerts],
    )


def heard(connection: sqlite3.Connection) -> dict[tuple[str, bytes], int | None]:
    """How far each key has stated the blocks of each meter, by meter and kid; none before its first batch."""
    return {(str(meter), bytes(kid)): reach for meter, kid, reach in connection.execute(_HEARD)}


def _alert(row: tuple[Any, ...]) -> Alert:
    number, kind, about, text, opened, closed = row
    trouble = Trouble(kind=AlertKind(kind), about=about, text=text)
    return Alert(number=number, trouble=trouble, opened_utc=opened, closed_utc=closed)
