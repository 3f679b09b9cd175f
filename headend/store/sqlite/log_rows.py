"""The rows of the logs: entries, tree nodes by tile, the newest signed checkpoint.

A row holds what one tile of C2SP tlog-tiles holds, so tiles are rendered by reading rows. Leaf hashes are not stored: they are
the hashes of the entries.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256

from headend.errors import FatalError
from signing.log.merkle import HASH_BYTES, Growth
from signing.log.tiles import TILE_HEIGHT, TILE_WIDTH

MAX_LOG = 2**22 - 1
_INDEX_BITS = 40
_PLACE_BITS = 34
_CACHED_TILES = 2048


def leaf_row(log: int, index: int) -> int:
    """The row id of a leaf."""
    return log << _INDEX_BITS | index


def leaf_place(leaf: int) -> tuple[int, int]:
    """Log and index of a leaf's row id."""
    return leaf >> _INDEX_BITS, leaf & (1 << _INDEX_BITS) - 1


def add_log(connection: sqlite3.Connection, log: int, verifier_key: str) -> None:
    """Declares a log with the C2SP verifier key that signs it."""
    connection.execute("INSERT INTO logs (log, verifier_key) VALUES (?, ?)", (log, verifier_key))


def logs(connection: sqlite3.Connection) -> dict[int, str]:
    """Verifier key by log."""
    return {int(log): str(key) for log, key in connection.execute("SELECT log, verifier_key FROM logs ORDER BY log")}


def tip(connection: sqlite3.Connection, log: int) -> tuple[int, bytes | None]:
    """Size and note of the newest signed checkpoint; size 0 and none before the first.

    Raises:
        FatalError: the database does not have this log.
    """
    row = connection.execute("SELECT size, checkpoint FROM logs WHERE log = ?", (log,)).fetchone()
    if row is None:
        raise FatalError(f"the database has no log {log}: correct the configuration, logs are fixed at `init`")
    return row[0], row[1]


def put_tip(connection: sqlite3.Connection, log: int, size: int, checkpoint: bytes) -> None:
    """Replaces the newest signed checkpoint."""
    connection.execute("UPDATE logs SET size = ?, checkpoint = ? WHERE log = ?", (size, checkpoint, log))


def put_growth(connection: sqlite3.Connection, log: int, growth: Growth, entries: Sequence[bytes]) -> None:
    """Stores the entries that an append added and the nodes that it completed."""
    _append(connection, log, 0, growth.before.size, entries)
    for level in range(1, len(growth.rows) // TILE_HEIGHT + 1):
        height = TILE_HEIGHT * level
        old_count, count = growth.before.size >> height, growth.after.size >> height
        if count > old_count:
            row = growth.rows[height]
            _append(connection, log, level, old_count, row.hashes[old_count - row.first : count - row.first])


def tile_hashes(connection: sqlite3.Connection, log: int, level: int, place: int) -> bytes:
    """The values of one tile row as stored, 0 to 256 of them: entries at level 0, tree nodes of level 8n at level n."""
    row = connection.execute("SELECT hashes FROM tiles WHERE tile = ?", (_tile_row(log, level, place),)).fetchone()
    return b"" if row is None else bytes(row[0])


def entry(connection: sqlite3.Connection, log: int, index: int) -> bytes:
    """The entry of a leaf.

    Raises:
        LookupError: there is no such leaf.
    """
    place, offset = divmod(index, TILE_WIDTH)
    hashes = tile_hashes(connection, log, 0, place)
    value = hashes[offset * HASH_BYTES : (offset + 1) * HASH_BYTES]
    if len(value) != HASH_BYTES:
        raise LookupError(f"log {log} has no leaf {index}")
    return value


def entries(connection: sqlite3.Connection, log: int, first: int, end: int) -> bytes:
    """The entries of the leaves `first` to `end`, exclusive, one behind the other; fewer where the rows end before."""
    tiles = range(first // TILE_WIDTH, -(-end // TILE_WIDTH))
    found = b"".join(tile_hashes(connection, log, 0, place) for place in tiles)
    begin = tiles.start * TILE_WIDTH
    return found[(first - begin) * HASH_BYTES : (end - begin) * HASH_BYTES]


class StoredNodes:
    """A HashReader over the rows of one log. It keeps the tiles it used last, every node in them worked out.

    Complete nodes never change, so nothing here goes stale but the length of a tile at the right edge, which is read again
    when a node beyond it is asked for. `forget` after a transaction that was rolled back.
    """

    __slots__ = ("_connection", "_log", "_tiles")

    def __init__(self, connection: sqlite3.Connection, log: int) -> None:
        self._connection = connection
        self._log = log
        self._tiles: OrderedDict[tuple[int, int], list[list[bytes]]] = OrderedDict()

    def __call__(self, level: int, index: int, /) -> bytes:
        """The hash of the complete node `(level, index)`.

        Raises:
            LookupError: the rows do not have it.
        """
        tile_level, height = divmod(level, TILE_HEIGHT)
        place, offset = divmod(index << height, TILE_WIDTH)
        rows = self._tiles.get((tile_level, place))
        if rows is None or len(rows[height]) <= offset >> height:
            rows = self._load(tile_level, place)
        else:
            self._tiles.move_to_end((tile_level, place))
        if len(rows[height]) <= offset >> height:
            raise LookupError(f"log {self._log} has no complete node ({level}, {index})")
        return rows[height][offset >> height]

    def forget(self) -> None:
        """Drops what was read."""
        self._tiles.clear()

    def _load(self, level: int, place: int) -> list[list[bytes]]:
        hashes = tile_hashes(self._connection, self._log, level, place)
        row = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
        if level == 0:
            row = [sha256(b"\x00" + value).digest() for value in row]
        rows = [row]
        for _ in range(TILE_HEIGHT - 1):
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
            rows.append(row)
        self._tiles[level, place] = rows
        if len(self._tiles) > _CACHED_TILES:
            self._tiles.popitem(last=False)
        return rows


def _tile_row(log: int, level: int, place: int) -> int:
    return log << _INDEX_BITS | level << _PLACE_BITS | place


def _append(connection: sqlite3.Connection, log: int, level: int, first: int, values: Sequence[bytes]) -> None:
    """Puts `values` behind the `first` values that this level has."""
    done = 0
    while done < len(values):
        place, offset = divmod(first + done, TILE_WIDTH)
        some = b"".join(values[done : done + TILE_WIDTH - offset])
        if offset:
            some = tile_hashes(connection, log, level, place)[: offset * HASH_BYTES] + some
        connection.execute(
            "INSERT INTO tiles (tile, hashes) VALUES (?, ?) ON CONFLICT (tile) DO UPDATE SET hashes = excluded.hashes",
            (_tile_row(log, level, place), some),
        )
        done += TILE_WIDTH - offset
