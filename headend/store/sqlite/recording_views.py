"""A discom's own allocations, read for the web. Every function works inside the caller's transaction."""

import sqlite3

from headend.store.sqlite import recording_rows
from headend.trading.posting import OPEN, PostingState
from headend.views.evidence import RecordingView


def recordings(
    connection: sqlite3.Connection, *, states: frozenset[PostingState] | None, after: int | None, limit: int
) -> tuple[RecordingView, ...]:
    """Recordings of some states below row `after`, latest first."""
    # Each state has its own index range; none of them is longer than the page.
    found = [
        RecordingView(recording=row, record=one)
        for state in ((None,) if states is None else states)
        for row, one in recording_rows.latest(connection, state, below=after, limit=limit)
    ]
    return tuple(sorted(found, key=lambda view: view.recording, reverse=True)[:limit])


def recordings_of(connection: sqlite3.Connection, actual: bytes) -> tuple[RecordingView, ...]:
    """What was said of trades on the ground of one actual, in the order said."""
    return tuple(RecordingView(recording=row, record=one) for row, one in recording_rows.of_actual(connection, actual))


def counted(connection: sqlite3.Connection) -> dict[PostingState, int]:
    """How many recordings stand in each state."""
    return {
        PostingState(state): number
        for state, number in connection.execute("SELECT state, count(*) FROM recordings GROUP BY state")
    }


def oldest_open_utc(connection: sqlite3.Connection) -> int | None:
    """End of the oldest window that something is still to be recorded of."""
    marks = ", ".join("?" for _ in OPEN)
    (oldest,) = connection.execute(
        f"SELECT min(end_utc) FROM recordings WHERE state IN ({marks})",  # noqa: S608 - marks
        sorted(state.value for state in OPEN),
    ).fetchone()
    return None if oldest is None else int(oldest)
