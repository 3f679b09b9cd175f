"""The seam of the store: what intake and the web ask of whatever engine holds the batches.

An engine is thin: decisions are made in `headend.intake` from what it gives back. Writing happens inside the transaction that
also holds the leaves. A second engine must pass the same contract suite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from headend.readings import VerifiedBatch
from signing.interval import Interval


class Put(Enum):
    """What storing a batch comes to, by what stands at its place in the chain already."""

    NEW = "new"
    """Nothing: it is the first."""
    SAME = "same"
    """Itself: nothing changes, and it is answered with the same leaf."""
    CONFLICT = "conflict"
    """Another digest: it is stored beside it, and the chain has a fork."""
    REFUSED = "refused"
    """Two other digests: nothing is stored."""


class ForkKind(Enum):
    """How a chain shows two histories."""

    TWO_DIGESTS = 0
    """Two batches have this sequence."""
    PREVIOUS = 1
    """The batch after this sequence names another digest than the one that is here."""
    REACH = 2
    """This batch's reach is not what its predecessor says."""
    ENROLMENT = 3
    """Sequence 0 does not name the enrolment of its key."""


class Link(NamedTuple):
    """An admitted batch as its neighbours in the chain see it."""

    sequence: int
    digest: bytes
    previous: bytes
    reach_utc: int
    end_utc: int
    leaf: int

    @property
    def next_reach_utc(self) -> int:
        """The reach that the batch after it must state."""
        return max(self.reach_utc, self.end_utc)


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequences `first` to `last`, both included, that a chain lacks below its head."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Fork:
    """A place where a chain has two histories. Which places there are does not depend on the order of arrival.

    How one showed first, and by which batch, does: `kind` and `leaf` are for people.
    """

    sequence: int
    kind: ForkKind
    leaf: int


class NewBatch(NamedTuple):
    """A row to be stored: an admitted batch with its leaf."""

    leaf: int
    chain: int
    sequence: int
    branch: int
    """0, or 1 for the second digest of a sequence."""
    digest: bytes
    start_utc: int
    end_utc: int
    reach_utc: int
    sign1: bytes
    opening: bytes


class BatchStore(Protocol):
    """Batches, chains and what is wrong with them. Chains are row ids that the registry knows."""

    def head(self, chain: int) -> tuple[Link, ...]:
        """The batches with the chain's greatest sequence: none, one, or both branches."""

    def links(self, chain: int, first: int, last: int) -> tuple[Link, ...]:
        """The batches with sequences `first` to `last`, by sequence and branch."""

    def put(self, batches: Sequence[NewBatch]) -> None:
        """Stores batches.

        Raises:
            FatalError: one of them is stored already; two programs take in one chain.
        """

    def gaps(self, chain: int) -> tuple[Gap, ...]:
        """The open gaps of a chain, ascending."""

    def replace_gaps(self, chain: int, gaps: Sequence[Gap], *, at_utc: int) -> None:
        """Makes these the open gaps of a chain; those that were open keep when they opened and were asked for."""

    def forks(self, chain: int) -> tuple[Fork, ...]:
        """Where the chain has two histories, by sequence."""

    def put_fork(self, chain: int, fork: Fork, *, at_utc: int) -> None:
        """Stores a fork; one that is known already stays as it is."""

    def places(self, meter: str, span: Interval) -> tuple[tuple[int, int, Interval], ...]:
        """Leaf, sequence and span of every admitted batch of a meter whose span overlaps `span`, by span and leaf."""

    def at_leaf(self, leaf: int) -> VerifiedBatch | None:
        """The batch behind a leaf, or none when another statement stands there."""
