"""What is known of every block, register and boundary: what is signed, and what was witnessed.

Its writes happen inside the caller's transaction, so that a batch and what is known of its blocks are one step.
"""

from collections.abc import Mapping
from typing import TypeAlias, cast

from edge_agent.assemble import Witnessed
from edge_agent.clock import Uptime
from edge_agent.drafts import Draft
from edge_agent.outbox.database import Database
from edge_agent.schedule import Held, Known
from signing.interval import Interval
from signing.statements.reading import Absence, Reading

_SampleRow: TypeAlias = tuple[int, int, int | None, str | None, str | None, int | None, int | None, int, int | None]

_HELD = {Absence.NONE: Held.PRESENT, Absence.NO_EXPORT_REGISTER: Held.PRESENT}


def _columns(reading: Reading) -> tuple[int | None, ...]:
    return (
        reading.import_wh,
        reading.export_wh,
        int(reading.absence),
        reading.flags,
        int(reading.provenance),
    )


def first_key(at_utc: int) -> int:
    """Below the keys of all blocks that start then or later, and above those of all others: key = 4096 * start + meter's number."""
    return at_utc << 12


class Memory:
    """What the agent knows of its meters' blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, meter: str, from_utc: int) -> Mapping[int, Known]:
        """What is signed about the blocks that start at or after `from_utc`, by start."""
        rows = self._database.all(
            "SELECT start_utc, absence, checked_utc FROM block WHERE meter = ? AND key >= ?",
            meter,
            first_key(from_utc),
        )
        return {
            start: Known(held=_HELD.get(Absence(absence), Held.ABSENT), checked_utc=checked)
            for start, absence, checked in cast("list[tuple[int, int, int]]", rows)
        }

    def says_anything_new(self, draft: Draft) -> bool:
        """Whether any block or register of `draft` differs from what is signed about it, or is not signed at all."""
        signed_blocks = {
            row[0]: row[1:]
            for row in self._database.all(
                "SELECT start_utc, period_s, import_wh, export_wh, absence, flags, provenance FROM block "
                "WHERE meter = ? AND key >= ? AND key < ?",
                draft.meter,
                first_key(draft.span.start_utc),
                first_key(draft.span.end_utc),
            )
        }
        starts = range(draft.span.start_utc, draft.span.end_utc, draft.period_s)
        blocks = {
            start: (draft.period_s, *_columns(reading)) for start, reading in zip(starts, draft.readings, strict=True)
        }
        signed_registers = {
            (row[0], row[1], row[2])
            for row in self._database.all(
                "SELECT stamp_utc, import_wh, export_wh FROM register WHERE meter = ? AND stamp_utc BETWEEN ? AND ?",
                draft.meter,
                draft.span.start_utc,
                draft.span.end_utc,
            )
        }
        registers = {(register.stamp_utc, register.import_wh, register.export_wh) for register in draft.registers}
        return blocks != signed_blocks or not registers <= signed_registers

    def checked(self, meter: str, span: Interval, at_utc: int) -> None:
        """Notes that the meter was asked for `span` and said nothing new."""
        self._database.run(
            "UPDATE block SET checked_utc = ? WHERE meter = ? AND key >= ? AND key < ?",
            at_utc,
            meter,
            first_key(span.start_utc),
            first_key(span.end_utc),
        )

    def remember(self, draft: Draft) -> None:
        """Notes what `draft`, now signed, says."""
        number = self._number(draft.meter)
        for place, reading in enumerate(draft.readings):
            self._database.run(
                "INSERT OR REPLACE INTO block (key, meter, start_utc, period_s, import_wh, export_wh, absence, flags, "
                "provenance, checked_utc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                first_key(draft.start_utc + place * draft.period_s) + number,
                draft.meter,
                draft.start_utc + place * draft.period_s,
                draft.period_s,
                *_columns(reading),
                draft.read_at_utc,
            )
        for register in draft.registers:
            self._database.run(
                "INSERT OR REPLACE INTO register (meter, stamp_utc, import_wh, export_wh) VALUES (?, ?, ?, ?)",
                draft.meter,
                register.stamp_utc,
                register.import_wh,
                register.export_wh,
            )

    def horizon_utc(self, meter: str) -> int:
        """Where the meter's memory is known to begin; 0 when that is not known."""
        row = self._database.first("SELECT from_utc FROM horizon WHERE meter = ?", meter)
        return 0 if row is None else cast("int", row[0])

    def empty_before(self, meter: str, at_utc: int) -> bool:
        """Moves the horizon of `meter` to `at_utc`, unless something older is signed; gives whether it did.

        A meter has nothing to say of the time before it was installed, and that is no absence of readings.
        """
        with self._database.transaction("horizon"):
            older = self._database.first(
                "SELECT 1 FROM block WHERE meter = ? AND key < ? LIMIT 1", meter, first_key(at_utc)
            )
            if older is not None:
                return False
            self._database.run("INSERT OR REPLACE INTO horizon (meter, from_utc) VALUES (?, ?)", meter, at_utc)
        return True

    def witness(self, meter: str, at_utc: int, sample: Witnessed) -> None:
        """Notes what `meter` showed at the boundary `at_utc`. The first sample of a boundary stays."""
        with self._database.transaction("witness"):
            self._database.run(
                "INSERT OR IGNORE INTO sample (meter, at_utc, import_wh, export_wh, serial, boot, up_ms, right_ms, "
                "rolled_over, wall_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                meter,
                at_utc,
                sample.import_wh,
                sample.export_wh,
                sample.serial,
                None if sample.uptime is None else sample.uptime.boot,
                None if sample.uptime is None else sample.uptime.ms,
                sample.right_ms,
                int(sample.rolled_over),
                sample.wall_ms,
            )

    def witnessed(self, meter: str, span: Interval) -> Mapping[int, Witnessed]:
        """What `meter` showed at the boundaries in ``[start, end]`` of `span`, and at the nearest ones before and after."""
        rows = self._database.all(
            "SELECT at_utc, import_wh, export_wh, serial, boot, up_ms, right_ms, rolled_over, wall_ms FROM sample "
            "WHERE meter = ?1 AND at_utc BETWEEN coalesce((SELECT max(at_utc) FROM sample WHERE meter = ?1 AND at_utc < ?2), ?2) "
            "AND coalesce((SELECT min(at_utc) FROM sample WHERE meter = ?1 AND at_utc > ?3), ?3)",
            meter,
            span.start_utc,
            span.end_utc,
        )
        return {
            at: Witnessed(
                import_wh=imported,
                export_wh=exported,
                serial=serial,
                uptime=None if boot is None or up_ms is None else Uptime(boot=boot, ms=up_ms),
                right_ms=right_ms,
                rolled_over=bool(rolled_over),
                wall_ms=wall_ms,
            )
            for at, imported, exported, serial, boot, up_ms, right_ms, rolled_over, wall_ms in cast(
                "list[_SampleRow]", rows
            )
        }

    def first_witnessed_utc(self, meter: str) -> int | None:
        """The oldest boundary at which `meter` was ever sampled; None before that. Its blocks begin there."""
        (at,) = self._database.one("SELECT min(at_utc) FROM sample WHERE meter = ?", meter)
        return cast("int | None", at)

    def forget(self, before_utc: int) -> None:
        """Drops what is known of blocks, registers and boundaries before `before_utc`; the caller owns the transaction."""
        self._database.run("DELETE FROM block WHERE key < ?", first_key(before_utc))
        self._database.run("DELETE FROM register WHERE stamp_utc < ?", before_utc)
        # The oldest sample says since when a meter is witnessed at all.
        self._database.run(
            "DELETE FROM sample WHERE at_utc < ? AND at_utc > (SELECT min(at_utc) FROM sample AS old "
            "WHERE old.meter = sample.meter)",
            before_utc,
        )

    def _number(self, meter: str) -> int:
        """The number of a meter, which it gets with its first block."""
        row = self._database.first("SELECT number FROM meter WHERE id = ?", meter)
        if row is None:
            self._database.run("INSERT INTO meter (id) VALUES (?)", meter)
            row = self._database.one("SELECT number FROM meter WHERE id = ?", meter)
        return cast("int", row[0])
