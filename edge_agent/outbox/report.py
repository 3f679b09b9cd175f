"""What an operator is shown of the outbox. Read only."""

from dataclasses import dataclass
from typing import cast

from edge_agent.outbox.database import Database
from signing.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One unanswered batch, for an operator."""

    place: int
    """Names the batch in `release`."""
    meter: str
    sequence: int
    digest: bytes
    span: Interval
    state: str
    attempts: int
    refusal: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much waits."""

    waiting: int
    parked: int
    receipted: int
    oldest_utc: int | None
    """Start of the oldest unanswered span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """What the head-end has proved to have of one meter."""

    batches: int
    newest_utc: int | None
    """When the newest receipt was noted."""


class Report:
    """What waits, and why."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def backlog(self) -> Backlog:
        """How much waits."""
        counts = dict(cast("list[tuple[str, int]]", self._database.all("SELECT state, count(*) FROM batch GROUP BY 1")))
        (oldest,) = self._database.one("SELECT min(start_utc) FROM batch WHERE state <> 'RECEIPTED'")
        return Backlog(
            waiting=counts.get("WAITING", 0),
            parked=counts.get("PARKED", 0),
            receipted=counts.get("RECEIPTED", 0),
            oldest_utc=cast("int | None", oldest),
        )

    def unanswered(self) -> list[Entry]:
        """Every unanswered batch, oldest first."""
        rows = self._database.all(
            "SELECT place, meter, sequence, digest, start_utc, end_utc, state, attempts, refusal_number, refusal_reason "
            "FROM batch WHERE state <> 'RECEIPTED' ORDER BY place"
        )
        found = cast("list[tuple[int, str, int, bytes, int, int, str, int, int | None, str | None]]", rows)
        return [
            Entry(
                place=place,
                meter=meter,
                sequence=sequence,
                digest=digest,
                span=Interval(start, end),
                state=state,
                attempts=attempts,
                refusal=reason if number is None else f"({number}) {reason}",
            )
            for place, meter, sequence, digest, start, end, state, attempts, number, reason in found
        ]

    def receipted(self, meter: str) -> Receipted:
        """What of `meter` is receipted."""
        count, newest = self._database.one(
            "SELECT count(*), max(answered_utc) FROM batch WHERE meter = ? AND state = 'RECEIPTED'", meter
        )
        return Receipted(batches=cast("int", count), newest_utc=cast("int | None", newest))
