"""What is to be sent: batches without an answer, and answered ones that a command asked for again.

Its writes happen inside the caller's transaction.
"""

from collections.abc import Collection
from typing import TypeAlias, cast

from edge_agent.outbox.database import Database
from edge_agent.steps import Delay, Park
from signing.statements.answers import Command

DAMAGED = "damaged on disk"
_PRUNED_AT_ONCE = 500
Row: TypeAlias = tuple[bytes, bytes, bytes, int]
"""Digest, envelope, opening, attempts."""


class Queue:
    """Batches that wait."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, place: int, digest: bytes) -> None:
        """Queues a new batch."""
        self._database.run("INSERT INTO waiting (place, digest) VALUES (?, ?)", place, digest)

    def unanswered(self) -> int:
        """How many batches have no receipt."""
        return cast("int", self._database.one("SELECT count(*) FROM waiting WHERE again = 0")[0])

    def due(self, *, now_utc: int, limit: int, excluding: Collection[bytes], longest_delay_s: int) -> list[Row]:
        """The oldest that may be sent now, at most `limit`, without the digests `excluding`."""
        rows = self._database.all(
            "SELECT waiting.digest, envelope, content, attempts FROM waiting CROSS JOIN batch USING (place) "
            "CROSS JOIN opening USING (place) WHERE parked = 0 AND (not_before_utc <= ? OR not_before_utc > ?) "
            "ORDER BY waiting.place LIMIT ?",
            now_utc,
            now_utc + longest_delay_s,
            limit + len(excluding),
        )
        return [row for row in cast("list[Row]", rows) if row[0] not in excluding][:limit]

    def answered(self, digest: bytes) -> tuple[int, bool] | None:
        """Takes a batch out: gives its place, and whether it had no receipt until now; None where it does not wait."""
        row = self._database.first("SELECT place, again FROM waiting WHERE digest = ?", digest)
        if row is None:
            return None
        place, again = cast("tuple[int, int]", row)
        self._database.run("DELETE FROM waiting WHERE place = ?", place)
        return place, not again

    def delay(self, step: Delay) -> None:
        """Notes that a batch is not to be sent before a time."""
        refusal = step.refusal
        self._database.run(
            "UPDATE waiting SET attempts = ?, not_before_utc = ?, refusal_number = coalesce(?, refusal_number), "
            "refusal_reason = coalesce(?, refusal_reason) WHERE digest = ?",
            step.attempts,
            step.not_before_utc,
            None if refusal is None else refusal.number,
            None if refusal is None else refusal.reason,
            step.digest,
        )

    def park(self, step: Park) -> None:
        """Sets a refused batch aside; one that has its receipt is just not sent again."""
        self._set_aside(step.digest, step.refusal.number, step.refusal.reason)

    def park_damaged(self, digest: bytes) -> None:
        """Sets a batch aside that the disk has damaged."""
        self._set_aside(digest, None, DAMAGED)

    def release(self, place: int | None) -> int:
        """Sends a parked batch again, or all of them; gives how many there were."""
        return self._database.run(
            "UPDATE waiting SET parked = 0, attempts = 0, not_before_utc = 0 WHERE parked = 1 AND (? IS NULL OR place = ?)",
            place,
            place,
        )

    def resend(self, command: Command) -> int:
        """Queues again what `command` names of a chain and still has its opening, but for what is parked; gives how many that are.

        A chain is walked back from its newest batch.
        """
        return self._database.run(
            "INSERT INTO waiting (place, digest, again) WITH RECURSIVE back (place, sequence, before) AS ("
            "SELECT place, sequence, before FROM batch WHERE place = (SELECT last FROM chain WHERE meter = ?1 AND kid = ?2) "
            "UNION ALL SELECT batch.place, batch.sequence, batch.before FROM back JOIN batch ON batch.place = back.before "
            "WHERE back.sequence > ?3) "
            "SELECT place, digest, 1 FROM back JOIN opening USING (place) "
            "JOIN batch USING (place) WHERE back.sequence BETWEEN ?3 AND ?4 "
            "ON CONFLICT (place) DO UPDATE SET attempts = 0, not_before_utc = 0 WHERE parked = 0",
            command.meter,
            command.kid,
            command.first,
            command.last,
        )

    def prune(self, before_utc: int) -> int:
        """Drops the openings of batches whose receipts were noted before `before_utc`; gives how many."""
        dropped, after = 0, 0
        while True:
            rows = self._database.all(
                "SELECT place, at_utc FROM opening JOIN receipt USING (place) JOIN proof ON proof.number = receipt.proof "
                "WHERE place > ? AND place NOT IN (SELECT place FROM waiting) ORDER BY place LIMIT ?",
                after,
                _PRUNED_AT_ONCE,
            )
            old = [place for place, at_utc in cast("list[tuple[int, int]]", rows) if at_utc < before_utc]
            for place in old:
                self._database.run("DELETE FROM opening WHERE place = ?", place)
            dropped += len(old)
            # Batches are answered about as they were signed: behind one that is too young, none is looked for.
            if not old or len(old) < len(rows):
                return dropped
            after = old[-1]

    def _set_aside(self, digest: bytes, number: int | None, reason: str) -> None:
        self._database.run("DELETE FROM waiting WHERE digest = ? AND again = 1", digest)
        self._database.run(
            "UPDATE waiting SET parked = 1, refusal_number = ?, refusal_reason = ? WHERE digest = ?",
            number,
            reason,
            digest,
        )
