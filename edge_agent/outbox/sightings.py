"""What the agent has seen of the log: verified checkpoints, and the evidence of alarms.

Source: EVIDENCE §3 (a shrinking or forked log is alarmed); `signing.log.seen`.
"""

from typing import cast

from edge_agent.outbox.database import Database
from edge_agent.steps import ROOTS_REMEMBERED, Alarm, Settle
from signing.log.checkpoint import Checkpoint
from signing.log.note import Note

MOST_ALARMS = 100
"""Evidence that is kept: a message is up to 64 KiB, and whoever controls the broker can send many."""

_BRANCHES = 16
"""Roots of one size that are kept: two are proof enough."""


class Sightings:
    """What was seen of the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self) -> Checkpoint | None:
        """The newest verified checkpoint."""
        row = self._database.first("SELECT note FROM checkpoint WHERE linked = 1 ORDER BY key DESC LIMIT 1")
        return None if row is None else Checkpoint.parse(Note.parse(cast("bytes", row[0])).text)

    def roots(self) -> dict[int, bytes]:
        """The roots of the newest verified checkpoints, by size."""
        rows = self._database.all("SELECT size, root FROM checkpoint ORDER BY key DESC LIMIT ?", ROOTS_REMEMBERED)
        return dict(cast("list[tuple[int, bytes]]", rows))

    def remember(self, step: Settle) -> None:
        """Notes a verified checkpoint; the caller owns the transaction."""
        size, root = step.checkpoint.size, step.checkpoint.root
        known = cast(
            "list[tuple[int, bytes]]",
            self._database.all(
                "SELECT key, root FROM checkpoint WHERE key >= ? AND key < ? ORDER BY key",
                size * _BRANCHES,
                (size + 1) * _BRANCHES,
            ),
        )
        same = next((key for key, kept in known if kept == root), None)
        if same is not None:
            self._database.run("UPDATE checkpoint SET linked = 1 WHERE key = ? AND linked < ?", same, int(step.linked))
        elif len(known) < _BRANCHES:
            self._database.run(
                "INSERT INTO checkpoint (key, size, root, linked, note) VALUES (?, ?, ?, ?, ?)",
                size * _BRANCHES + len(known),
                size,
                root,
                int(step.linked),
                step.note,
            )

    def alarm(self, step: Alarm, now_utc: int) -> bool:
        """Keeps the evidence of an alarm; gives whether an operator has not been told of it yet."""
        with self._database.transaction("alarm"):
            if self._database.first(
                "SELECT 1 FROM alarm WHERE kind = ? AND evidence = ?", step.kind.value, step.evidence
            ):
                return False
            self._database.run(
                "INSERT INTO alarm (kind, evidence, message, seen_utc) "
                "SELECT ?, ?, ?, ? WHERE (SELECT count(*) FROM alarm) < ?",
                step.kind.value,
                step.evidence,
                step.message,
                now_utc,
                MOST_ALARMS,
            )
        return True
