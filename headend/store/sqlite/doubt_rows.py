"""Rows of doubts about meters, and how far comparisons came. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headend.duties.doubts import Doubt
from signing.statements.window_actual import Verdict

_COLUMNS = "meter, rule, version, from_utc, until_utc, verdict, because"


class Compared(NamedTuple):
    """How far batches, imports and records were looked through, and by which rules."""

    batch_leaf: int
    import_leaf: int
    record: int
    rule_set: bytes


def compared(connection: sqlite3.Connection) -> Compared:
    """How far it came."""
    row = connection.execute("SELECT batch_leaf, import_leaf, record, rule_set FROM comparison_state").fetchone()
    return Compared(row[0], row[1], row[2], bytes(row[3]))


def put_compared(connection: sqlite3.Connection, reached: Compared) -> None:
    """Notes how far it came."""
    connection.execute("UPDATE comparison_state SET batch_leaf = ?, import_leaf = ?, record = ?, rule_set = ?", reached)


def of(connection: sqlite3.Connection, meter: str, rule: str | None = None) -> tuple[Doubt, ...]:
    """The doubts about a meter, those of one rule if that is given, ascending."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM doubts WHERE meter = ? AND rule = coalesce(?, rule) ORDER BY rule, from_utc",  # noqa: S608 - constants
        (meter, rule),
    )
    return tuple(_doubt(row) for row in rows)


def all_doubts(connection: sqlite3.Connection) -> Mapping[str, tuple[Doubt, ...]]:
    """Every doubt, by meter."""
    found: dict[str, tuple[Doubt, ...]] = {}
    for row in connection.execute(f"SELECT {_COLUMNS} FROM doubts ORDER BY meter, rule, from_utc"):  # noqa: S608 - constants
        found[row[0]] = (*found.get(row[0], ()), _doubt(row))
    return found


def replace(connection: sqlite3.Connection, meter: str, rule: str, doubts: Sequence[Doubt], *, at_utc: int) -> bool:
    """Makes these the doubts of one rule about a meter; whether anything changed."""
    if of(connection, meter, rule) == tuple(doubts):
        return False
    connection.execute("DELETE FROM doubts WHERE meter = ? AND rule = ?", (meter, rule))
    connection.executemany(
        f"INSERT INTO doubts ({_COLUMNS}, found_utc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        [
            (meter, one.rule, one.version, one.from_utc, one.until_utc, int(one.verdict), one.because, at_utc)
            for one in doubts
        ],
    )
    connection.execute("INSERT INTO doubt_changes (meter) VALUES (?)", (meter,))
    return True


def last_change(connection: sqlite3.Connection) -> int:
    """The row of the newest change; 0 before the first."""
    (row,) = connection.execute("SELECT coalesce(max(change), 0) FROM doubt_changes").fetchone()
    return int(row)


def changed_after(connection: sqlite3.Connection, change: int) -> Mapping[str, int]:
    """The meters about which doubts changed after a row, with the row of their newest change."""
    rows = connection.execute("SELECT meter, max(change) FROM doubt_changes WHERE change > ? GROUP BY meter", (change,))
    return {str(meter): int(row) for meter, row in rows}


def _doubt(row: Sequence[object]) -> Doubt:
    _, rule, version, start, end, verdict, because = row
    assert isinstance(rule, str)
    assert isinstance(version, int)
    assert isinstance(start, int)
    assert end is None or isinstance(end, int)
    assert isinstance(verdict, int)
    assert isinstance(because, str)
    return Doubt(rule=rule, version=version, from_utc=start, until_utc=end, verdict=Verdict(verdict), because=because)
