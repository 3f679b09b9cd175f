"""What is signed of a meter's days: the figures of its blocks and its cumulative registers, for the balance."""

from collections.abc import Mapping
from typing import cast

from edge_agent.outbox.database import Database
from edge_agent.outbox.memory import first_key
from edge_agent.registers import Energies
from signing.interval import Interval
from signing.statements.reading_batch import Register


class Days:
    """What the agent signed of its meters' days, newest reading of each block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def energies(self, meter: str, span: Interval, period_s: int) -> Mapping[int, Energies]:
        """What is signed of the blocks of so many seconds that start in `span`, by start."""
        rows = self._database.all(
            "SELECT start_utc, import_wh, export_wh FROM block WHERE meter = ? AND key >= ? AND key < ? AND period_s = ?",
            meter,
            first_key(span.start_utc),
            first_key(span.end_utc),
            period_s,
        )
        return {
            start: Energies(imported, exported)
            for start, imported, exported in cast("list[tuple[int, int | None, int | None]]", rows)
        }

    def registers(self, meter: str, span: Interval) -> Mapping[int, Register]:
        """The cumulative registers that are signed for the stamps in ``[start, end]`` of `span`, by stamp."""
        rows = self._database.all(
            "SELECT stamp_utc, import_wh, export_wh FROM register WHERE meter = ? AND stamp_utc BETWEEN ? AND ?",
            meter,
            span.start_utc,
            span.end_utc,
        )
        return {
            stamp: Register(stamp_utc=stamp, import_wh=imported, export_wh=exported)
            for stamp, imported, exported in cast("list[tuple[int, int | None, int | None]]", rows)
        }
