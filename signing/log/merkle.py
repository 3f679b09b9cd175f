"""The Merkle tree over log entries: hashes, and the compact frontier that a growing log is extended from.

A node is named by `(level, index)`: level 0 holds the leaf hashes, and node `(level, index)` is complete once the tree holds
the leaves ``[index << level, (index + 1) << level)``. A complete node never changes again; everything else is derived.

::

    level 2            (2,0)                      size 7 = 0b111: the frontier is
    level 1      (1,0)       (1,1)      (1,2)     (2,0) (1,2) (0,6), the largest complete
    level 0    0     1     2     3     4     5  6 subtrees from left to right

Source: RFC 9162 §2.1.1 (the same hashes as RFC 6962 §2.1) with SHA-256.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from signing.errors import DecodeError

HASH_BYTES = 32
"""Length of every hash and of every entry of this project's logs."""

MAX_SIZE = 2**63 - 1
"""Largest tree size accepted anywhere."""

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


class HashReader(Protocol):
    """Where the hashes of complete nodes come from: rows, tiles, or a batch that was just appended.

    It MUST give the 32-byte hash of the complete node `(level, index)`, and raises LookupError (or an error of its own
    storage) when it hasn't got it. It is never asked for an incomplete node.
    """

    def __call__(self, level: int, index: int, /) -> bytes:
        """The hash of the complete node `(level, index)`."""
        ...


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf whose content is `entry`; in this project's logs that is a statement's 32-byte digest."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node above `left` and `right`."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root of the tree with exactly these leaves, in order."""
    return Frontier.empty().extended(leaf_hashes).after.root()


def require_hash(value: object, path: str) -> bytes:
    """`value` as a hash.

    Raises:
        DecodeError: naming `path`, when it is not 32 bytes.
    """
    if not isinstance(value, bytes):
        raise DecodeError(f"expected {HASH_BYTES} bytes, got {type(value).__name__} in '{path}'")
    if len(value) != HASH_BYTES:
        raise DecodeError(f"expected {HASH_BYTES} bytes, got {len(value)} in '{path}'")
    return value


def require_size(value: object, path: str) -> int:
    """`value` as a tree size, 0…`MAX_SIZE`.

    Raises:
        DecodeError: naming `path`, when it is not an integer or out of range.
    """
    if type(value) is not int:
        raise DecodeError(f"expected a tree size as an integer, got {value!r} in '{path}'")
    if not 0 <= value <= MAX_SIZE:
        raise DecodeError(f"expected a tree size from 0 to {MAX_SIZE}, got {value} in '{path}'")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """All that a log needs to remember of a tree of `size` leaves in order to extend it and to state its root."""

    size: int
    """Number of leaves."""

    hashes: tuple[bytes, ...]
    """Hashes of the largest complete subtrees from left to right: one for each set bit of `size`, highest first."""

    def __post_init__(self) -> None:
        require_size(self.size, "size")
        if len(self.hashes) != self.size.bit_count():
            raise DecodeError(
                f"expected {self.size.bit_count()} hashes for size {self.size}, got {len(self.hashes)} in 'hashes'"
            )
        for place, value in enumerate(self.hashes):
            require_hash(value, f"hashes[{place}]")

    @classmethod
    def empty(cls) -> Self:
        """The frontier of the tree without leaves."""
        return cls(size=0, hashes=())

    @classmethod
    def read(cls, size: int, hash_at: HashReader) -> Self:
        """The frontier of the tree of `size` leaves whose complete nodes `hash_at` gives."""
        levels = reversed(range(require_size(size, "size").bit_length()))
        return cls(
            size=size, hashes=tuple(hash_at(level, (size >> level) - 1) for level in levels if size >> level & 1)
        )

    def root(self) -> bytes:
        """The root of this tree."""
        if not self.hashes:
            return EMPTY_ROOT
        value = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            value = node_hash(left, value)
        return value

    def extended(self, leaf_hashes: Iterable[bytes]) -> "Growth":
        """This tree after `leaf_hashes` are appended in order; this value itself stays as it is.

        The cost is about one hash a leaf: rows are built level by level, not leaf by leaf.
        """
        row = list(leaf_hashes)
        size = require_size(self.size + len(row), "size")
        left_over = list(self.hashes)  # the next peak to be joined is the last one: peaks rise from right to left
        rows: list[Row] = []
        peaks: list[bytes] = []
        for level in range(size.bit_length()):
            first = self.size >> level
            if first & 1:
                row.insert(0, left_over.pop())
                first -= 1
            rows.append(Row(first=first, hashes=row))
            if len(row) & 1:
                peaks.append(row[-1])
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
        return Growth(before=self, after=Frontier(size=size, hashes=tuple(reversed(peaks))), rows=tuple(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Consecutive complete nodes of one level."""

    first: int
    """Index of the first node within its level."""

    hashes: Sequence[bytes]
    """The nodes' hashes, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What one append did to a tree.

    It holds every node that the append completed and the old frontier. That is enough, without any storage, for the inclusion
    path of each new leaf and for the consistency path from `before`: a sibling on the way up that lies wholly among the old
    leaves has a parent that was not complete, so it is one of the old frontier's nodes.
    """

    before: Frontier
    """The tree that was extended."""

    after: Frontier
    """The tree as it is now."""

    rows: tuple[Row, ...]
    """By level from 0: the old frontier's node, where there is one, and the newly completed nodes right of it."""

    def hash_at(self, level: int, index: int, /) -> bytes:
        """The hash of a node of the old frontier or of one that this append completed (a HashReader).

        Raises:
            LookupError: for any other node.
        """
        if level < len(self.rows):
            row = self.rows[level]
            if 0 <= index - row.first < len(row.hashes):
                return row.hashes[index - row.first]
        raise LookupError(f"node ({level}, {index}) is not among those that the append touched")

    def backed_by(self, older: HashReader) -> HashReader:
        """A reader of this growth's nodes that asks `older` for all others."""

        def hash_at(level: int, index: int, /) -> bytes:
            row = self.rows[level]
            return row.hashes[index - row.first] if index >= row.first else older(level, index)

        return hash_at
