"""Inclusion and consistency paths: made from complete nodes, checked strictly.

A path is a tuple of 32-byte hashes from the leaves towards the root, exactly as RFC 9162 orders them. A verifier accepts one
length only: a path with a hash too many or too few is refused before anything is hashed.

Source: RFC 9162 §2.1.3 (inclusion), §2.1.4 (consistency).
"""

from collections.abc import Sequence
from typing import TypeAlias

from signing.errors import VerificationError
from signing.log.merkle import EMPTY_ROOT, HASH_BYTES, HashReader, node_hash, require_size

Path: TypeAlias = tuple[bytes, ...]
"""Hashes of a proof, lowest level first."""


class Paths:
    """The paths to one tree's root, made from complete nodes; it remembers every node that it has asked for.

    Neighbouring leaves share all but the lowest part of their paths, so the paths of a batch cost about two reads each. One
    instance serves one tree size and belongs to one caller; it holds a path for every node it has passed, so drop it with
    the batch.
    """

    __slots__ = ("_above", "_edge", "_hash_at", "_size")

    def __init__(self, size: int, hash_at: HashReader) -> None:
        self._size = require_size(size, "size")
        self._hash_at = hash_at
        self._above: list[dict[int, Path]] = [{} for _ in range(size.bit_length() + 1)]
        self._edge = _right_edge(size, hash_at)

    def inclusion(self, index: int) -> Path:
        """The inclusion path of the leaf at `index` (0…size - 1).

        Raises:
            IndexError: there is no such leaf.
        """
        if not 0 <= index < self._size:
            raise IndexError(f"expected a leaf index below the tree size {self._size}, got {index}")
        return self._to_root(0, index)

    def consistency(self, old_size: int) -> Path:
        """The path that shows this tree to extend its first `old_size` leaves; empty for 0 and for the size itself.

        Raises:
            IndexError: `old_size` is larger than this tree.
        """
        if not 0 <= old_size <= self._size:
            raise IndexError(f"expected an old size up to the tree size {self._size}, got {old_size}")
        if old_size in {0, self._size}:
            return ()
        level, index = _last_peak(old_size)
        # RFC 9162 §2.1.4.1: the old tree's last complete subtree is left out when it is the whole old tree, since the verifier
        # knows that hash: it is the old root.
        start = (self._hash_at(level, index),) if index else ()
        return start + self._to_root(level, index)

    def _to_root(self, level: int, index: int) -> Path:
        known = self._above[level]
        path = known.get(index)
        if path is None:
            path = known[index] = self._climb(level, index)
        return path

    def _climb(self, level: int, index: int) -> Path:
        last = (self._size - 1) >> level
        if last == 0:
            return ()
        sibling = index ^ 1
        above = self._to_root(level + 1, index >> 1)
        if sibling > last:
            return above
        complete = sibling < self._size >> level
        return (self._hash_at(level, sibling) if complete else self._edge[level], *above)


def _last_peak(size: int) -> tuple[int, int]:
    """Level and index of the smallest, rightmost subtree of the frontier of a tree of `size` > 0 leaves."""
    level = (size & -size).bit_length() - 1
    return level, (size >> level) - 1


def _right_edge(size: int, hash_at: HashReader) -> dict[int, bytes]:
    """By level: the hash of the last node of a tree of `size` leaves, at the levels where that node is not complete."""
    edge: dict[int, bytes] = {}
    value: bytes | None = None  # over the leaves right of the last complete node of the level, if there are any
    for level in range(size.bit_length()):
        if value is not None:
            edge[level] = value
        if size >> level & 1:
            peak = hash_at(level, (size >> level) - 1)
            value = peak if value is None else node_hash(peak, value)
    return edge


def verify_inclusion(*, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the tree of `size` leaves with `root` holds the leaf hash `leaf` at `index`.

    1. the index is a leaf of the tree: 0 ≤ index < size
    2. the path has exactly the length that index and size determine
    3. the leaf and every element of the path are 32 bytes
    4. the path leads from the leaf to the root

    Raises:
        VerificationError: with the number of the first check that fails.

    Source: RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size:
        raise VerificationError(1, f"expected a leaf index below the tree size {size}, got {index}")
    inner = (index ^ (size - 1)).bit_length()
    _require_length(2, inner + (index >> inner).bit_count(), path)
    _require_hashes(3, (leaf, *path))
    value = leaf
    for level, sibling in enumerate(path):
        # Above `inner` the leaf lies on the right edge, where only left siblings exist.
        right = level < inner and not index >> level & 1
        value = node_hash(value, sibling) if right else node_hash(sibling, value)
    if value != root:
        raise VerificationError(4, f"expected the root {root.hex()}, the inclusion path leads to {value.hex()}")


def verify_consistency(*, old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of `size` leaves with `root` starts with the tree of `old_size` leaves with `old_root`.

    1. 0 ≤ old size ≤ size
    2. the path has exactly the length that the sizes determine: none when the old tree is empty or the sizes are equal
    3. every element of the path is 32 bytes
    4. the path leads to the old root; the root of the empty tree is the one of RFC 9162
    5. the path leads to the root; trees of one size have one root

    Raises:
        VerificationError: with the number of the first check that fails.

    Source: RFC 9162 §2.1.4.2.
    """
    if not 0 <= old_size <= size:
        raise VerificationError(1, f"expected an old size from 0 to {size}, got {old_size}")
    _require_length(2, _consistency_length(old_size, size), path)
    _require_hashes(3, path)
    if old_size == 0:
        if old_root != EMPTY_ROOT:
            raise VerificationError(4, f"expected the empty tree's root {EMPTY_ROOT.hex()}, got {old_root.hex()}")
        return
    if old_size == size:
        if old_root != root:
            raise VerificationError(5, f"two roots for size {size}: {old_root.hex()} and {root.hex()}")
        return
    old_value, value = _both_roots(old_size, size, old_root, path)
    if old_value != old_root:
        raise VerificationError(4, f"expected the old root {old_root.hex()}, the path leads to {old_value.hex()}")
    if value != root:
        raise VerificationError(5, f"expected the root {root.hex()}, the path leads to {value.hex()}")


def _consistency_length(old_size: int, size: int) -> int:
    if old_size in {0, size}:
        return 0
    level, index = _last_peak(old_size)
    inner = (index ^ ((size - 1) >> level)).bit_length()
    return inner + (index >> inner).bit_count() + (1 if index else 0)


def _both_roots(old_size: int, size: int, old_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The two roots that a path of the right length leads to, climbing from the old tree's last complete subtree."""
    level, index = _last_peak(old_size)
    inner = (index ^ ((size - 1) >> level)).bit_length()
    start, siblings = (path[0], path[1:]) if index else (old_root, path)
    old_value = value = start
    for height, sibling in enumerate(siblings):
        if height < inner and not index >> height & 1:
            value = node_hash(value, sibling)  # a right sibling is new: the old tree ends before it
        else:
            old_value = node_hash(sibling, old_value)
            value = node_hash(sibling, value)
    return old_value, value


def _require_length(check: int, expected: int, path: Sequence[bytes]) -> None:
    if len(path) != expected:
        raise VerificationError(check, f"expected a path of {expected} hashes, got {len(path)}")


def _require_hashes(check: int, values: Sequence[bytes]) -> None:
    for place, value in enumerate(values):
        if len(value) != HASH_BYTES:
            raise VerificationError(check, f"expected {HASH_BYTES} bytes a hash, got {len(value)} at place {place}")
