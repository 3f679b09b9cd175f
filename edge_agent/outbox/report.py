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
        waiting, parked = self._database.one(
            "SELECT count(*) FILTER (WHERE parked = 0), count(*) FILTER (WHERE parked = 1) FROM waiting WHERE again = 0"
        )
        (receipted,) = self._database.one("SELECT count(*) FROM receipt")
        return Backlog(
            waiting=cast("int", waiting),
            parked=cast("int", parked),
            receipted=cast("int", receipted),
        )

    def unanswered(self) -> list[Entry]:
        """Every unanswered batch, oldest first."""
        rows = self._database.all(
            "SELECT place, meter, sequence, batch.digest, start_utc, end_utc, iif(parked, 'PARKED', 'WAITING'), attempts, "
            "refusal_number, refusal_reason FROM waiting CROSS JOIN batch USING (place) WHERE again = 0 ORDER BY place"
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
        (count,) = self._database.one(
            "SELECT (SELECT coalesce(sum(next_sequence), 0) FROM chain WHERE meter = ?1) - "
            "(SELECT count(*) FROM waiting CROSS JOIN batch USING (place) WHERE meter = ?1 AND again = 0)",
            meter,
        )
        (newest,) = self._database.one(
            "SELECT max(at_utc) FROM batch CROSS JOIN receipt USING (place) CROSS JOIN proof ON proof.number = receipt.proof "
            "WHERE meter = ?",
            meter,
        )
        return Receipted(batches=cast("int", count), newest_utc=cast("int | None", newest))
