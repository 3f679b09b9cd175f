"""`Reads` over the SQLite store: every question of the web, each answered from one state of the database.

The published checkpoint is read first and the database after it, so the database holds at least what was published.
"""

from headend.export import Anchoring, bundle
from headend.log.logbook import Tip
from headend.onboarding.sheet_export import exported, meter_cells
from headend.registry.supply import By
from headend.store.sqlite import (
    actual_views,
    meter_views,
    operation_views,
    recording_views,
    registry_views,
    supply_rows,
)
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.log_rows import StoredNodes, leaf_row
from headend.store.sqlite.published_log import PublishedLog
from headend.store.sqlite.read_pool import ReadPool
from headend.store.sqlite.window_cases import batch_bytes
from headend.trading.posting import PostingState
from headend.views.evidence import (
    ActualView,
    AwaitedView,
    BatchView,
    BundleKind,
    BundleView,
    CountsView,
    HistoryView,
    MeterView,
    PartBlocks,
    PostingView,
    RecordingView,
    RegisteredView,
    TreeView,
    TurnedAway,
)
from signing.bundle import Bundle, Kind
from signing.interval import Interval
from signing.keys import PublicKey
from signing.log.merkle import Frontier
from signing.log.tiles import EntryBundle, Tile
from signing.statements.edit import Edit
from signing.statements.reading_batch import ReadingBatch
from signing.statements.window_actual import Status

_KINDS = {BundleKind.ACTUAL: Kind.ACTUAL, BundleKind.WINDOW: Kind.WINDOW}

_SHOWN_CHANGES = 50


class StoredReads:
    """What the web reads, from a pool of read-only connections. Safe to call from several threads."""

    __slots__ = ("_key", "_log", "_pool")

    def __init__(self, *, pool: ReadPool, log: PublishedLog, key: PublicKey) -> None:
        """`key` is the discom's statement key: what it did not sign is not shown as its word."""
        self._pool = pool
        self._log = log
        self._key = key

    def tree(self) -> TreeView | None:
        """The published log, or none before its first leaf."""
        return self._log.tree()

    def tile(self, name: Tile | EntryBundle) -> bytes | None:
        """A tile or an entry bundle of the published log, or none where it does not reach so far."""
        size = self._published()
        with self._pool.borrowed() as connection:
            return self._log.tile(connection, name, size)

    def meters(self, *, after: str | None, limit: int) -> tuple[MeterView, ...]:
        """Meters by name."""
        with self._pool.borrowed() as connection:
            return meter_views.by_name(connection, after=after, limit=limit)

    def meter(self, name: str) -> MeterView | None:
        """One meter."""
        with self._pool.borrowed() as connection:
            return meter_views.named(connection, name)

    def registered(self, search: str, *, at_utc: int, after: str | None, limit: int) -> tuple[RegisteredView, ...]:
        """Meters by name: all, or those to which exactly `search` belongs or belonged."""
        with self._pool.borrowed() as connection:
            return registry_views.found(connection, search, at_utc=at_utc, after=after, limit=limit)

    def history(self, meter: str) -> HistoryView | None:
        """Everything that the registry holds of one meter; none for one that has no record."""
        with self._pool.borrowed() as connection:
            facts = registry_views.facts(connection, meter)
            points = sorted({fact.connection_point for fact in facts})
            view = HistoryView(
                cells=tuple(meter_cells(connection, meter)),
                exchanges=tuple(one for point in points for one in supply_rows.exchanges(connection, point)),
                changes=supply_rows.changes(connection, meter, _SHOWN_CHANGES),
            )
        return view if facts else None

    def registry_sheet(self) -> str:
        """The whole registry as a sheet."""
        with self._pool.borrowed() as connection:
            return exported(connection)

    def points(self, what: By, value: str, at_utc: int) -> tuple[str, ...]:
        """The connection points of a consumer, a feeder or a transformer at an instant, sorted."""
        with self._pool.borrowed() as connection:
            return supply_rows.points_by(connection, what, value, at_utc)

    def windows(
        self, *, statuses: frozenset[Status] | None, span: Interval | None, after: int | None, limit: int
    ) -> tuple[ActualView, ...]:
        """The newest actual of every window, latest logged first: of some statuses, of windows that begin in `span`."""
        size = self._published()
        below = self._leaf(size if after is None else min(after, size))
        with self._pool.borrowed() as connection:
            return actual_views.newest(connection, statuses=statuses, span=span, below=below, limit=limit)

    def revisions(self, posted_as: str, window: Interval) -> tuple[ActualView, ...]:
        """Every revision for one subject and window, by revision."""
        below = self._leaf(self._published())
        with self._pool.borrowed() as connection:
            return actual_views.revisions(connection, posted_as, window, below=below)

    def actual(self, digest: bytes) -> ActualView | None:
        """The actual with this evidence digest."""
        below = self._leaf(self._published())
        with self._pool.borrowed() as connection:
            return actual_views.by_digest(connection, digest, below=below)

    def blocks(self, digest: bytes) -> tuple[PartBlocks, ...]:
        """The blocks of the parts of an actual, as it was decided from them."""
        with self._pool.borrowed() as connection:
            return actual_views.blocks(connection, self._key, digest)

    def bundle(self, digest: bytes, kind: BundleKind) -> BundleView | None:
        """The evidence of the actual with this digest, anchored in the published checkpoint."""
        tree = self._log.tree()
        if tree is None:
            return None
        size = tree.checkpoint.size
        with self._pool.borrowed() as connection:
            if actual_views.by_digest(connection, digest, below=self._leaf(size)) is None:
                return None
            nodes = StoredNodes(connection, self._log.log)
            tip = Tip(log=self._log.log, frontier=Frontier.read(size, nodes), checkpoint=tree.note)
            content = bundle(connection, self._key, Anchoring(tip=tip, nodes=nodes), digest, _KINDS[kind])
        if content is None:
            return None
        return BundleView(kind=kind, tree_size=size, content=content, blocks=_blocks_of(Bundle.parse(content)))

    def batch(self, index: int) -> BatchView | None:
        """The batch at a published log index, or none when another statement stands there."""
        tree = self._log.tree()
        if tree is None or index >= tree.checkpoint.size:
            return None
        leaf = self._leaf(index)
        with self._pool.borrowed() as connection:
            found = SqliteBatches(connection).at_leaf(leaf)
            if found is None:
                return None
            return BatchView(
                batch=found,
                index=index,
                opening=batch_bytes(connection, leaf)[1],
                tree=tree,
                path=self._log.path(connection, index, tree.checkpoint.size),
            )

    def postings(
        self, *, states: frozenset[PostingState] | None, after: int | None, limit: int
    ) -> tuple[PostingView, ...]:
        """Postings, latest first."""
        with self._pool.borrowed() as connection:
            return operation_views.postings(connection, states=states, after=after, limit=limit)

    def postings_of(self, actual: bytes) -> tuple[PostingView, ...]:
        """Where one actual was posted."""
        with self._pool.borrowed() as connection:
            return operation_views.postings_of(connection, actual)

    def recordings(
        self, *, states: frozenset[PostingState] | None, after: int | None, limit: int
    ) -> tuple[RecordingView, ...]:
        """The discom's own allocations, latest first."""
        with self._pool.borrowed() as connection:
            return recording_views.recordings(connection, states=states, after=after, limit=limit)

    def recordings_of(self, actual: bytes) -> tuple[RecordingView, ...]:
        """What was said of trades on the ground of one actual, in the order said."""
        with self._pool.borrowed() as connection:
            return recording_views.recordings_of(connection, actual)

    def awaited(self, discom: str, *, since_utc: int, limit: int) -> tuple[AwaitedView, ...]:
        """Deliveries of trades of `discom`, either side, that have no actual yet; earliest first."""
        with self._pool.borrowed() as connection:
            return operation_views.awaited(connection, discom, since_utc=since_utc, limit=limit)

    def turned_away(self, *, numbers: frozenset[int] | None, after: int | None, limit: int) -> tuple[TurnedAway, ...]:
        """Samples of what was not admitted, latest first."""
        with self._pool.borrowed() as connection:
            return operation_views.turned_away(connection, numbers=numbers, after=after, limit=limit)

    def troubled_chains(self, *, limit: int) -> tuple[MeterView, ...]:
        """Meters with a fork or a gap in some chain, by name."""
        with self._pool.borrowed() as connection:
            return meter_views.troubled(connection, limit=limit)

    def counts(self) -> CountsView:
        """How much there is of everything."""
        with self._pool.borrowed() as connection:
            return operation_views.counts(connection, actual_views.counted(connection))

    def _published(self) -> int:
        tree = self._log.tree()
        return 0 if tree is None else tree.checkpoint.size

    def _leaf(self, index: int) -> int:
        return leaf_row(self._log.log, index)


def _blocks_of(found: Bundle) -> Interval | None:
    """From the first to the last block whose energies stand in a bundle, opened or edited."""
    headers = [ReadingBatch.parse(batch.envelope.payload) for batch in found.batches if batch.opening]
    edits = [Edit.parse(entry.envelope.payload).proposal.span for entry in found.edits]
    starts = [header.start_utc for header in headers] + [span.start_utc for span in edits]
    ends = [header.end_utc for header in headers] + [span.end_utc for span in edits]
    return Interval(min(starts), max(ends)) if starts else None
