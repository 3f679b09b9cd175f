"""The rows of one meter, read in pieces that a line and a link bear. Time comes from the `Site`; nothing here sleeps.

What was read before a link was lost is kept for the next connection, so that a meter whose links never last is read all the same.
"""

from collections.abc import Sequence

from edge_agent.assemble import require_period, span_to_prove, span_to_read
from edge_agent.backfill import Pace, plan_text
from edge_agent.config import MeterSettings
from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.harvest import Harvest
from edge_agent.lines import wire_of
from edge_agent.readers.reader import Counting, Reader, Selecting
from edge_agent.registers import Origin, ProfileLayout, ProfileRow
from edge_agent.schedule import LIVE_S, Task, Why
from edge_agent.site import Site
from signing.interval import DAY_S, Interval, floor_to_block, ist_day_start

_ANEW = frozenset({Why.LIVE, Why.RETRY})
"""Rows of these may not have been there when they were asked for: never taken from an earlier answer."""


class Gatherer:
    """How one meter's rows are had, between looks."""

    def __init__(self, site: Site, settings: MeterSettings) -> None:
        self._site = site
        self._wire = wire_of(settings.url, settings.line_bps)
        self._pace = Pace(self._wire, hold_s=site.poll.hold_s)
        self._harvests = {why: Harvest() for why in Why}
        self._proved: tuple[int, int] | None = None
        """The capture period that rows have shown, and the day on which they did."""

    def piece_blocks(self, reader: Reader, layout: ProfileLayout, spent_ms: int) -> int:
        """Blocks that are read next at most; `spent_ms` of this turn at the line are over."""
        if not _gives_parts(reader):
            return DAY_S // layout.capture_period_s
        return self._pace.piece_blocks(layout, is_ciphered=reader.origin is Origin.GMAC, spent_ms=spent_ms)

    def plan(self, reader: Reader, layout: ProfileLayout, blocks: int) -> str:
        """What so many blocks cost and how they are read, for people."""
        if not _gives_parts(reader):
            blocks = max(blocks, layout.entries_in_use)
        estimate = self._pace.estimate(blocks, layout, is_ciphered=reader.origin is Origin.GMAC)
        most = min(blocks, self.piece_blocks(reader, layout, 0)) if _gives_parts(reader) else blocks
        return plan_text(blocks, estimate, self._wire, period_s=layout.capture_period_s, piece_blocks=most)

    async def rows(
        self, reader: Reader, layout: ProfileLayout, task: Task, *, serial: str | None, blocks: int
    ) -> Sequence[ProfileRow] | None:
        """The rows needed for the span of `task`, after reading at most so many blocks; None while some are still to be read.

        They are of a profile that was seen today to capture as often as it says.

        Raises:
            ReaderError: as the reader; after `MeterUnavailableError` the next piece is smaller.
        """
        harvest, period_s = self._harvests[task.why], layout.capture_period_s
        wanted = span_to_read(task.span, layout)
        proof = (period_s, ist_day_start(self._site.now_utc()))
        if self._proved != proof:
            wanted = span_to_prove(wanted)
        try:
            owner = (serial, layout.columns, period_s)
            missing = harvest.missing(wanted, owner=owner, now_ms=self._site.up_ms())
            if missing is not None:
                piece = Interval(missing.start_utc, min(missing.end_utc, missing.start_utc + blocks * period_s))
                if not _gives_parts(reader) and task.why not in _ANEW:
                    # All that it reads is kept, so that it is read once and not once a day of its memory.
                    piece = Interval(missing.start_utc, max(missing.end_utc, self._settled_utc(period_s)))
                harvest.add(piece, await self._read(reader, piece, period_s))
                if piece.end_utc < missing.end_utc:
                    return None
            rows = harvest.rows(wanted, period_s=period_s)
            if require_period(rows, layout):
                self._proved = proof
        except (MeterDecodeError, MeterRefusedError):
            harvest.drop()
            raise
        if task.why in _ANEW:
            harvest.drop()
        return rows

    def forget(self, why: Why) -> None:
        """Asks anew for everything that is due for this reason."""
        self._harvests[why].drop()

    async def _read(self, reader: Reader, piece: Interval, period_s: int) -> Sequence[ProfileRow]:
        """The rows of `piece`, and what they taught about the line."""
        blocks = -(-piece.length_s // period_s)
        began_ms, before = self._site.up_ms(), _octets(reader)
        try:
            rows = await reader.block_rows(piece)
        except MeterUnavailableError:
            if _gives_parts(reader):
                self._pace.lost(blocks)
            raise
        elapsed_ms = self._site.up_ms() - began_ms
        if _gives_parts(reader):
            self._pace.survived(blocks, rows=len(rows), octets=_octets(reader) - before, elapsed_ms=elapsed_ms)
        return rows

    def _settled_utc(self, period_s: int) -> int:
        """The end of the newest block that is no longer live: its row is there, if it ever will be."""
        return floor_to_block(max(0, self._site.now_utc() - self._site.poll.settle_s - LIVE_S), period_s)


def _gives_parts(reader: Reader) -> bool:
    return reader.gives_parts if isinstance(reader, Selecting) else True


def _octets(reader: Reader) -> int:
    return reader.octets if isinstance(reader, Counting) else 0
