"""The rows of one span, gathered piece by piece, over several connections where it must be. Pure."""

from collections.abc import Iterable
from typing import Final

from edge_agent.registers import ProfileRow
from signing.interval import Interval

FRESH_MS: Final = 3_600_000
"""Rows that were gathered longer ago are asked for again: a meter may have written them anew."""


class Harvest:
    """Rows without holes in between: what was read of a span whose rows belong together.

    `owner` is the meter and the columns that the rows are of; those of another are dropped.
    """

    def __init__(self) -> None:
        self._owner: object = None
        self._covered: Interval | None = None
        self._rows: list[ProfileRow] = []
        self._since_ms = 0

    def missing(self, wanted: Interval, *, owner: object, now_ms: int) -> Interval | None:
        """What of `wanted` is still to be read; None when nothing is. What lies before `wanted` is dropped.

        Blocks are meant: a row belongs to `wanted` when its block starts in there.
        """
        covered = self._covered
        is_of_use = (
            covered is not None
            and owner == self._owner
            and 0 <= now_ms - self._since_ms <= FRESH_MS
            and covered.start_utc <= wanted.start_utc < covered.end_utc
        )
        if covered is None or not is_of_use:
            self.drop()
            self._owner, self._since_ms = owner, now_ms
            return wanted
        self._covered = Interval(wanted.start_utc, covered.end_utc)
        self._rows = [row for row in self._rows if row.end_utc > wanted.start_utc]
        if covered.end_utc >= wanted.end_utc:
            return None
        return Interval(covered.end_utc, wanted.end_utc)

    def add(self, piece: Interval, rows: Iterable[ProfileRow]) -> None:
        """Takes in the rows of `piece`, which begins where the others end."""
        covered = self._covered
        if covered is not None and covered.end_utc != piece.start_utc:
            raise ValueError(f"expected rows from {covered.end_utc} on, got {piece.start_utc}")
        self._covered = piece if covered is None else Interval(covered.start_utc, piece.end_utc)
        self._rows += rows

    def rows(self, wanted: Interval, *, period_s: int) -> tuple[ProfileRow, ...]:
        """The rows whose blocks start in `wanted`, in the order in which they came."""
        return tuple(row for row in self._rows if wanted.start_utc <= row.end_utc - period_s < wanted.end_utc)

    def drop(self) -> None:
        """Forgets everything."""
        self._covered, self._rows = None, []
