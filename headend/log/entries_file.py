"""The entries of a log in a file beside the database: what a lost database's leaves are rebuilt from.

32 bytes an entry, in the order of the leaves, nothing else. It is appended to after the transaction that stored the leaves and before
the checkpoint that covers them is published, so that no receipt rests on a leaf that only the database knows. Source: EVIDENCE §2.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from headend.errors import FatalError
from signing.log.merkle import HASH_BYTES

_AT_ONCE = 8192
"""Entries that are copied at once."""


class EntriesFile:
    """One log's file. Programs that share it take turns: whoever writes holds the lock of the checkpoint."""

    __slots__ = ("path",)

    def __init__(self, folder: Path, log: int) -> None:
        self.path = folder / f"entries-{log}"

    def size(self) -> int:
        """How many whole entries there are; a torn one at the end, left by a crash, does not count."""
        return self.path.stat().st_size // HASH_BYTES if self.path.exists() else 0

    def read(self, first: int, end: int) -> Iterator[bytes]:
        """The entries `first` to `end`, exclusive.

        Raises:
            FatalError: the file ends before.
        """
        with self.path.open("rb") as stream:
            stream.seek(first * HASH_BYTES)
            for _ in range(first, end):
                entry = stream.read(HASH_BYTES)
                if len(entry) != HASH_BYTES:
                    raise FatalError(f"'{self.path}' ends before entry {end - 1}: take it from another copy")
                yield entry

    def extend(self, size: int, entries: Callable[[int, int], bytes]) -> None:
        """Brings the file to `size` entries, durably; `entries` gives those from an index to another, exclusive.

        Raises:
            FatalError: what the file says last is not what the log says there.
            OSError: it cannot be written.
        """
        had = self.size()
        if had >= size:
            return
        # The last entry that is there is compared on the way.
        known = max(0, had - 1)
        if known < had and next(self.read(known, had)) != entries(known, had):
            raise FatalError(f"'{self.path}' is of another history of the log: restore the database that belongs to it")
        is_new = not self.path.exists()
        with self.path.open("xb" if is_new else "r+b") as stream:
            # Whatever a crash tore is written over.
            stream.truncate(had * HASH_BYTES)
            stream.seek(had * HASH_BYTES)
            for first in range(had, size, _AT_ONCE):
                stream.write(entries(first, min(size, first + _AT_ONCE)))
            stream.flush()
            os.fsync(stream.fileno())
        if is_new:
            _sync_folder(self.path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
