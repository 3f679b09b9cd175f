"""Rows of validated days. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from headend.readings import Quality
from headend.series import Day
from headend.vee.declared import Channel
from signing.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDay:
    """A validated day with its version."""

    day: Day
    row: int
    """Grows with every version of any day."""
    revision: int
    decided_utc: int
    profiles: bytes | None
    """Digest of the days of categories that it was decided by; none where they bear on no block of it."""


class Progress(NamedTuple):
    """How far evidence was looked through."""

    batch_leaf: int
    record: int


class Changed(NamedTuple):
    """A batch by what it may change."""

    leaf: int
    meter: str
    start_utc: int
    end_utc: int


_DAY = "SELECT day, meter, start_utc, revision, rule_set, content, decided_utc, profiles FROM days"


def progress(connection: sqlite3.Connection) -> Progress:
    """How far evidence was looked through."""
    return Progress(*connection.execute("SELECT batch_leaf, record FROM series_state").fetchone())


def put_progress(connection: sqlite3.Connection, reached: Progress) -> None:
    """Notes how far evidence was looked through."""
    connection.execute("UPDATE series_state SET batch_leaf = ?, record = ?", reached)


def profiles_looked_through(connection: sqlite3.Connection) -> bytes | None:
    """By which days of categories the validated days were last looked through; none before that was kept."""
    (digest,) = connection.execute("SELECT profiles FROM series_state").fetchone()
    return None if digest is None else bytes(digest)


def put_profiles_looked_through(connection: sqlite3.Connection, digest: bytes) -> None:
    """Notes by which days of categories the validated days were looked through."""
    connection.execute("UPDATE series_state SET profiles = ?", (digest,))


def of_other_profiles(
    connection: sqlite3.Connection, digest: bytes, since_utc: int
) -> tuple[tuple[str, int, bool], ...]:
    """Meter and start of the days since an instant that are not wholly measured and whose newest version was not decided by these days of
    categories, and whether it is known to rest on other ones: of a version from before that was kept nobody knows.
    """
    rows = connection.execute(
        "SELECT meter, start_utc, profiles NOT NULL FROM days WHERE is_newest = 1 AND quality >= ? AND start_utc >= ? "
        "AND profiles IS NOT ? ORDER BY start_utc, meter",
        (int(Quality.ESTIMATED), since_utc, digest),
    )
    return tuple((str(meter), int(start), bool(known)) for meter, start, known in rows)


def batches_after(connection: sqlite3.Connection, leaf: int, *, limit: int) -> tuple[Changed, ...]:
    """Batches behind a leaf, in the order of the log, with their meters and spans."""
    rows = connection.execute(
        "SELECT leaf, name, start_utc, end_utc FROM batches JOIN chains USING (chain) JOIN meters USING (meter) "
        "WHERE leaf > ? ORDER BY leaf LIMIT ?",
        (leaf, limit),
    )
    return tuple(Changed(*row) for row in rows)


def put_due(connection: sqlite3.Connection, days: Iterable[tuple[str, int, int]]) -> None:
    """Makes days (meter, IST midnight, when) due; one that is due already stays as early as it was."""
    connection.executemany(
        "INSERT INTO days_due (meter, start_utc, due_utc) VALUES (?, ?, ?) "
        "ON CONFLICT (meter, start_utc) DO UPDATE SET due_utc = min(due_utc, excluded.due_utc)",
        list(days),
    )


def due(connection: sqlite3.Connection, now_utc: int, *, limit: int) -> tuple[tuple[str, int], ...]:
    """Meter and IST midnight of days that are due, the longest due first."""
    rows = connection.execute(
        "SELECT meter, start_utc FROM days_due WHERE due_utc <= ? ORDER BY due_utc, start_utc, meter LIMIT ?",
        (now_utc, limit),
    )
    return tuple((str(meter), int(start)) for meter, start in rows)


def is_due(connection: sqlite3.Connection, meter: str, start_utc: int) -> bool:
    """Whether a day is yet to be validated, now or later."""
    row = connection.execute("SELECT 1 FROM days_due WHERE meter = ? AND start_utc = ?", (meter, start_utc)).fetchone()
    return row is not None


def put_off(connection: sqlite3.Connection, days: Iterable[tuple[str, int]], until_utc: int) -> None:
    """Makes days that are being validated due at `until_utc`: whatever makes one due meanwhile is seen by its earlier time."""
    connection.executemany(
        "UPDATE days_due SET due_utc = ? WHERE meter = ? AND start_utc = ?",
        [(until_utc, meter, start) for meter, start in days],
    )


def done(connection: sqlite3.Connection, meter: str, start_utc: int, *, before_utc: int) -> None:
    """Takes a day off, unless it was made due before `before_utc` again."""
    connection.execute(
        "DELETE FROM days_due WHERE meter = ? AND start_utc = ? AND due_utc >= ?", (meter, start_utc, before_utc)
    )


def put(connection: sqlite3.Connection, day: Day, *, at_utc: int, profiles: bytes | None = None) -> bool:
    """Stores a day as the newest version, unless the newest says the same; whether it was stored.

    `profiles` is the digest of the days of categories, where they bear on it.
    """
    before = newest(connection, day.meter, day.start_utc)
    if before is not None and before.day == day:
        return False
    connection.execute(
        "UPDATE days SET is_newest = 0 WHERE meter = ? AND start_utc = ? AND is_newest = 1", (day.meter, day.start_utc)
    )
    connection.execute(
        "INSERT INTO days (meter, start_utc, revision, rule_set, quality, import_wh, export_wh, content, decided_utc, "
        "profiles, is_newest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        (
            day.meter,
            day.start_utc,
            0 if before is None else before.revision + 1,
            day.rule_set,
            int(day.quality),
            day.total_wh(Channel.IMPORT),
            day.total_wh(Channel.EXPORT),
            day.content(),
            at_utc,
            profiles,
        ),
    )
    return True


def newest(connection: sqlite3.Connection, meter: str, start_utc: int) -> StoredDay | None:
    """The newest version of a day, or none."""
    row = connection.execute(
        f"{_DAY} WHERE meter = ? AND start_utc = ? AND is_newest = 1", (meter, start_utc)
    ).fetchone()
    return None if row is None else _day(*row)


def newest_in(connection: sqlite3.Connection, meter: str, span: Interval) -> tuple[StoredDay, ...]:
    """The newest versions of the days of a meter that begin in `span`, ascending."""
    rows = connection.execute(
        f"{_DAY} WHERE meter = ? AND start_utc >= ? AND start_utc < ? AND is_newest = 1 ORDER BY start_utc",
        (meter, span.start_utc, span.end_utc),
    )
    return tuple(_day(*row) for row in rows)


def newest_before(connection: sqlite3.Connection, meter: str, before_utc: int, *, limit: int) -> tuple[StoredDay, ...]:
    """The newest versions of the days of a meter that begin before an instant, latest first."""
    rows = connection.execute(
        f"{_DAY} WHERE meter = ? AND start_utc < ? AND is_newest = 1 ORDER BY start_utc DESC LIMIT ?",
        (meter, before_utc, limit),
    )
    return tuple(_day(*row) for row in rows)


def starts_in(connection: sqlite3.Connection, meter: str, span: Interval) -> tuple[int, ...]:
    """The IST midnights of the validated days of a meter that begin in `span`, ascending; cheaper than the days."""
    rows = connection.execute(
        "SELECT start_utc FROM days WHERE meter = ? AND start_utc >= ? AND start_utc < ? AND is_newest = 1 "
        "ORDER BY start_utc",
        (meter, span.start_utc, span.end_utc),
    )
    return tuple(int(start) for (start,) in rows)


def versions(connection: sqlite3.Connection, meter: str, start_utc: int) -> tuple[StoredDay, ...]:
    """Every version of a day, by revision."""
    rows = connection.execute(f"{_DAY} WHERE meter = ? AND start_utc = ? ORDER BY revision", (meter, start_utc))
    return tuple(_day(*row) for row in rows)


def after(connection: sqlite3.Connection, row: int, *, limit: int) -> Iterator[StoredDay]:
    """Versions of any day behind a row, in the order in which they were stored."""
    rows = connection.execute(f"{_DAY} WHERE day > ? ORDER BY day LIMIT ?", (row, limit))
    return (_day(*found) for found in rows)


def _day(  # noqa: PLR0917 - the columns of a row
    row: int,
    meter: str,
    start: int,
    revision: int,
    rule_set: bytes,
    content: bytes,
    decided: int,
    profiles: bytes | None,
) -> StoredDay:
    return StoredDay(
        day=Day.parse(content, meter=meter, start_utc=start, rule_set=rule_set),
        row=row,
        revision=revision,
        decided_utc=decided,
        profiles=profiles,
    )
