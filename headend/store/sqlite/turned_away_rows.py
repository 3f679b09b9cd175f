"""The rows of what intake turned away: counted for ever, sampled up to a quota."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SAMPLES_PER_CHECK = 200
SAMPLE_BYTES = 2048


class Sample(NamedTuple):
    """One message that was turned away."""

    number: int
    """Of the check that it failed."""
    topic: str
    reason: str
    payload: bytes
    """Its first bytes."""


def count(connection: sqlite3.Connection, by_check: Mapping[int, int]) -> None:
    """Adds to the totals by check."""
    connection.executemany(
        "INSERT INTO turned_away (number, total) VALUES (?, ?) "
        "ON CONFLICT (number) DO UPDATE SET total = total + excluded.total",
        list(by_check.items()),
    )


def keep(connection: sqlite3.Connection, samples: Iterable[Sample], *, at_utc: int) -> None:
    """Stores samples; the oldest of a check make room, so that nobody fills the disk with garbage."""
    by_check: dict[int, list[Sample]] = {}
    for sample in samples:
        by_check.setdefault(sample.number, []).append(sample)
    for number, some in by_check.items():
        connection.executemany(
            "INSERT INTO samples (number, seen_utc, topic, reason, payload) VALUES (?, ?, ?, ?, ?)",
            [
                (
                    number,
                    at_utc,
                    _storable(sample.topic)[:256],
                    _storable(sample.reason)[:512],
                    sample.payload[:SAMPLE_BYTES],
                )
                for sample in some[-SAMPLES_PER_CHECK:]
            ],
        )
        connection.execute(
            "DELETE FROM samples WHERE number = ?1 AND sample <= "
            "(SELECT sample FROM samples WHERE number = ?1 ORDER BY sample DESC LIMIT 1 OFFSET ?2)",
            (number, SAMPLES_PER_CHECK),
        )


def totals(connection: sqlite3.Connection) -> dict[int, int]:
    """How many messages failed each check, ever."""
    return {int(number): int(total) for number, total in connection.execute("SELECT number, total FROM turned_away")}


def samples(connection: sqlite3.Connection, number: int) -> tuple[Sample, ...]:
    """The kept samples of a check, newest first."""
    rows = connection.execute(
        "SELECT number, topic, reason, payload FROM samples WHERE number = ? ORDER BY sample DESC", (number,)
    )
    return tuple(Sample(*row) for row in rows)


def _storable(text: str) -> str:
    """`text` without what has no UTF-8 form: it quotes foreign bytes."""
    return text.encode("utf-8", "backslashreplace").decode()
