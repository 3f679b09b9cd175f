"""What the web shows: values read from the store in one piece, and the seam that they are read through.

Nothing here decides anything. Energies are whole Wh, times UTC seconds; rendering them for people is the web's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from headend.readings import Finding, ValidatedInterval, VerifiedBatch
from headend.registry.supply import By, Exchange, StatedChange, Supply
from headend.trading.posting import PostingRecord, PostingState
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery
from signing.interval import Interval
from signing.log.checkpoint import Checkpoint
from signing.log.tiles import EntryBundle, Tile
from signing.statements.meter_record import Fact, MeterRecord, SpeakerState
from signing.statements.reading import Reading
from signing.statements.window_actual import Status, WindowActual


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeView:
    """The log as published: nothing beyond it has left the program."""

    checkpoint: Checkpoint
    note: bytes
    """The signed checkpoint as it stands in the file outside the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkView:
    """Where a chain has two histories."""

    sequence: int
    kind: str
    index: int
    """Log index of the batch that showed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """What one key said about one meter so far."""

    kid: bytes
    gateway: str
    state: SpeakerState | None
    """None when the newest record no longer lists the key."""
    head_sequence: int | None
    """None before the first batch."""
    head_index: int | None
    heard_until_utc: int | None
    """End of the head's span."""
    gaps: tuple[tuple[int, int], ...]
    """Sequences below the head that were never admitted (first, last, both included)."""
    forks: tuple[ForkView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView:
    """A meter as its newest record states it, with its chains."""

    record: MeterRecord
    record_digest: bytes
    record_index: int
    posted_as: tuple[str, ...]
    """The ledgers' names of its connection point."""
    chains: tuple[ChainView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActualView:
    """One logged revision of one window's actual."""

    digest: bytes
    """The evidence digest."""
    index: int
    logged_utc: int
    sign1: bytes
    """As logged."""
    statement: WindowActual
    newest: bool
    """Whether no later revision supersedes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyView:
    """One reading of a block, and the admitted batch that says so."""

    index: int
    """Log index of the batch."""
    sequence: int
    kid: bytes
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """One block of a window as the rules made it of the admitted batches."""

    interval: ValidatedInterval
    copies: tuple[CopyView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartBlocks:
    """The blocks of one part of a window, and what the rules say of its whole context."""

    meter: str
    span: Interval
    context: Interval
    blocks: tuple[BlockView, ...]
    """Every block that the part expects, ascending."""
    findings: tuple[Finding, ...]
    """Those that are about no single block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """An admitted batch with its proof."""

    batch: VerifiedBatch
    index: int
    opening: bytes | None
    """As it came; none once erased."""
    tree: TreeView
    path: tuple[bytes, ...]
    """Inclusion path to the published tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingView:
    """One posting, with its place in the list."""

    posting: int
    """Row id; grows with every posting."""
    record: PostingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingView:
    """One word of a discom that allocates by itself, with its place in the list."""

    recording: int
    """Row id; grows with every word."""
    record: Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedView:
    """A meter and window of ours that a ledger has trades for and that no actual was attested of yet."""

    delivery: Delivery
    connection_point: str | None
    """What the ledger's id names here; none when nobody named it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """One message that intake did not admit, without what it carried."""

    sample: int
    number: int
    """Of the check (docs/wire-format.md §5)."""
    seen_utc: int
    topic: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsView:
    """How much there is of everything that an operator watches."""

    meters: int
    turned_away: Mapping[int, int]
    """Messages not admitted, by check."""
    open_gaps: int
    forks: int
    windows: Mapping[Status, int]
    """Newest actuals by status."""
    postings: Mapping[PostingState, int]
    recordings: Mapping[PostingState, int]
    oldest_open_posting_utc: int | None
    """End of the oldest window whose posting or recording something is still to be done for."""


class BundleKind(Enum):
    """Which bundle is asked for (docs/wire-format.md §7)."""

    ACTUAL = "actual"
    WINDOW = "window"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleView:
    """An evidence bundle, whole."""

    kind: BundleKind
    tree_size: int
    """The checkpoint that it is anchored in."""
    content: bytes
    blocks: Interval | None
    """From the first to the last block whose energies are in it: more than its window, a batch is of a day. None where it holds none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredView:
    """A meter in the registry, as it is at an instant."""

    meter: str
    fact: Fact
    supply: Supply
    """Of its connection point."""
    posted_as: tuple[str, ...]
    """The ids by which ledgers call its connection point then."""
    gateway: str | None
    """By which gateway it is to be read, as planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """Everything that the registry holds of one meter, through time."""

    cells: tuple[Mapping[str, str], ...]
    """The rows of its sheet, by time."""
    exchanges: tuple[Exchange, ...]
    """Of devices at its connection points."""
    changes: tuple[StatedChange, ...]
    """Who changed what, latest first."""


class Reads(Protocol):
    """Every question that the web asks. Safe to call from several threads; each answer is one state of the store.

    Lists are bounded by `limit` and continue behind `after`, the place of the last one seen. Every method raises
    `StoreUnavailableError` when the store cannot be read now.
    """

    def tree(self) -> TreeView | None:
        """The published log, or none before its first leaf."""

    def tile(self, name: Tile | EntryBundle) -> bytes | None:
        """A tile or an entry bundle of the published log, or none where it does not reach so far."""

    def meters(self, *, after: str | None, limit: int) -> tuple[MeterView, ...]:
        """Meters by name."""

    def meter(self, name: str) -> MeterView | None:
        """One meter."""

    def registered(self, search: str, *, at_utc: int, after: str | None, limit: int) -> tuple[RegisteredView, ...]:
        """Meters by name: all, or those to which exactly `search` belongs or belonged."""

    def history(self, meter: str) -> HistoryView | None:
        """Everything that the registry holds of one meter; none for one that has no record."""

    def registry_sheet(self) -> str:
        """The whole registry as a sheet."""

    def points(self, what: By, value: str, at_utc: int) -> tuple[str, ...]:
        """The connection points of a consumer, a feeder or a transformer at an instant, sorted."""

    def windows(
        self, *, statuses: frozenset[Status] | None, span: Interval | None, after: int | None, limit: int
    ) -> tuple[ActualView, ...]:
        """The newest actual of every window, latest logged first: of some statuses, of windows that begin in `span`.

        `after` is a log index.
        """

    def revisions(self, posted_as: str, window: Interval) -> tuple[ActualView, ...]:
        """Every revision for one subject and window, by revision. The subject is compared exactly."""

    def actual(self, digest: bytes) -> ActualView | None:
        """The actual with this evidence digest."""

    def blocks(self, digest: bytes) -> tuple[PartBlocks, ...]:
        """The blocks of the parts of an actual, as it was decided from them; empty when there are none."""

    def bundle(self, digest: bytes, kind: BundleKind) -> BundleView | None:
        """The evidence of the actual with this digest, or none when there is no such actual."""

    def batch(self, index: int) -> BatchView | None:
        """The batch at a log index, or none when another statement stands there."""

    def postings(
        self, *, states: frozenset[PostingState] | None, after: int | None, limit: int
    ) -> tuple[PostingView, ...]:
        """Postings, latest first. `after` is a row id."""

    def postings_of(self, actual: bytes) -> tuple[PostingView, ...]:
        """Where one actual was posted."""

    def recordings(
        self, *, states: frozenset[PostingState] | None, after: int | None, limit: int
    ) -> tuple[RecordingView, ...]:
        """The discom's own allocations, latest first. `after` is a row id."""

    def recordings_of(self, actual: bytes) -> tuple[RecordingView, ...]:
        """What was said of trades on the ground of one actual, in the order said."""

    def awaited(self, discom: str, *, since_utc: int, limit: int) -> tuple[AwaitedView, ...]:
        """Deliveries of trades of `discom`, either side, that begin at or after `since_utc` and have no actual; earliest first."""

    def turned_away(self, *, numbers: frozenset[int] | None, after: int | None, limit: int) -> tuple[TurnedAway, ...]:
        """Samples of what was not admitted, latest first. `after` is a sample's number."""

    def troubled_chains(self, *, limit: int) -> tuple[MeterView, ...]:
        """Meters with a fork or a gap in some chain, by name."""

    def counts(self) -> CountsView:
        """How much there is of everything."""
