"""The log as strangers may see it: no further than the checkpoint file outside the database says.

Rows are committed before that file is written; a tree that is only in the database could still be lost with it, so nothing that
rests on it is shown. Source: EVIDENCE §2.
"""

import sqlite3
from pathlib import Path

from headend.errors import FatalError, StoreUnavailableError
from headend.store.sqlite import log_rows
from headend.store.sqlite.log_rows import StoredNodes
from headend.views.evidence import TreeView
from signing.errors import SigningError
from signing.log.checkpoint import open_checkpoint
from signing.log.merkle import HASH_BYTES
from signing.log.note import VerifierKey
from signing.log.proofs import Paths
from signing.log.tiles import TILE_HEIGHT, TILE_WIDTH, EntryBundle, Tile, render_bundle, render_tile


class PublishedLog:
    """One log of a database, up to its published checkpoint."""

    __slots__ = ("_file", "_key", "log")

    def __init__(self, *, log: int, key: VerifierKey, folder: Path) -> None:
        """`folder` holds the checkpoint file that the logbook writes."""
        self.log = log
        self._key = key
        self._file = folder / f"checkpoint-{log}"

    def tree(self) -> TreeView | None:
        """The published checkpoint, or none before the first.

        Raises:
            StoreUnavailableError: the file cannot be read now.
            FatalError: the file is not this log's checkpoint.
        """
        try:
            note = self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailableError(f"cannot read '{self._file}' ({error.strerror}): check its disk") from error
        if not note:
            return None
        try:
            return TreeView(checkpoint=open_checkpoint(note, self._key).checkpoint, note=note)
        except SigningError as error:
            raise FatalError(f"'{self._file}' is not the log's checkpoint ({error}): correct the log key") from error

    def tile(self, connection: sqlite3.Connection, name: Tile | EntryBundle, size: int) -> bytes | None:
        """A tile or bundle of the tree of `size` leaves, or none where it does not reach so far."""
        level = name.level if isinstance(name, Tile) else 0
        if name.index * TILE_WIDTH + name.width > size >> (TILE_HEIGHT * level):
            return None
        if isinstance(name, Tile):
            return render_tile(name, StoredNodes(connection, self.log))
        hashes = log_rows.tile_hashes(connection, self.log, 0, name.index)[: name.width * HASH_BYTES]
        return render_bundle([hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)])

    def path(self, connection: sqlite3.Connection, index: int, size: int) -> tuple[bytes, ...]:
        """The inclusion path of a leaf in the tree of `size` leaves, of which it MUST be one."""
        return Paths(size, StoredNodes(connection, self.log)).inclusion(index)
