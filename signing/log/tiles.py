"""Tiles: the static files that a log is served as, and that its hashes are read back from.

A hash tile `(level, index)` of width w holds the w consecutive nodes ``256 * index …`` of tree level ``8 * level``; an entry
bundle holds the entries behind one tile of level 0. Both are full (256) or partial (1 to 255). ::

    tile/0/000            256 leaf hashes                  tile/entries/000
    tile/0/x001/234.p/17  17 leaf hashes                   tile/entries/x001/234.p/17
    tile/1/000.p/4        4 hashes, each over a full tile of level 0

Source: C2SP tlog-tiles, "Merkle Tree", "Partial Tiles" and "Log entries".
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from signing.errors import DecodeError
from signing.log.merkle import HASH_BYTES, MAX_SIZE, HashReader, require_hash, require_size, root

TILE_HEIGHT = 8
"""Tree levels that one tile spans."""

TILE_WIDTH = 256
"""Hashes in a full tile, and entries in a full bundle."""

MAX_LEVEL = 63
"""Highest tile level that a path may name."""

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")
_ENTRY_PREFIX = HASH_BYTES.to_bytes(2, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The name of a hash tile."""

    level: int
    """Tile level, 0…63: its hashes are nodes of tree level ``8 * level``."""

    index: int
    """Place of the tile within its level."""

    width: int
    """Number of hashes, 1…256."""

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL:
            raise DecodeError(f"expected a tile level from 0 to {MAX_LEVEL}, got {self.level}")
        _require_place(self.index, self.width)

    def path(self) -> str:
        """The tile's path below the log's prefix, such as ``tile/0/x001/234.p/17``."""
        return f"tile/{self.level}/{_place_path(self.index, self.width)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryBundle:
    """The name of an entry bundle."""

    index: int
    """Place of the bundle: its first entry has index ``256 * index``."""

    width: int
    """Number of entries, 1…256."""

    def __post_init__(self) -> None:
        _require_place(self.index, self.width)

    def path(self) -> str:
        """The bundle's path below the log's prefix, such as ``tile/entries/x001/234``."""
        return f"tile/entries/{_place_path(self.index, self.width)}"


TileFetch: TypeAlias = Callable[[Tile], bytes]
"""Gives the bytes of a tile, or raises LookupError or an error of its own storage."""


def parse_path(path: str) -> Tile | EntryBundle:
    """The tile or bundle that `path` names.

    Raises:
        DecodeError: the path is not one that this module would write.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise DecodeError(f"expected a tile path, got {path!r}")
    kind, place, width_text = found.groups()
    index = int(place.replace("/", "").replace("x", ""))
    width = TILE_WIDTH if width_text is None else int(width_text)
    named = (
        EntryBundle(index=index, width=width) if kind == "entries" else Tile(level=int(kind), index=index, width=width)
    )
    if named.path() != path:
        raise DecodeError(f"expected the tile path {named.path()!r}, got {path!r}")
    return named


def changed_tiles(old_size: int, size: int) -> Iterator[Tile]:
    """The hash tiles of the tree of `size` leaves that the tree of `old_size` leaves does not have, lowest level first.

    A log publishes these before the checkpoint of `size`. Tiles that were partial at `old_size` come again, wider.
    """
    old_count, count = require_size(old_size, "old_size"), require_size(size, "size")
    level = 0
    while count:
        for index, width in _changed_places(old_count, count):
            yield Tile(level=level, index=index, width=width)
        level, old_count, count = level + 1, old_count >> TILE_HEIGHT, count >> TILE_HEIGHT


def changed_bundles(old_size: int, size: int) -> Iterator[EntryBundle]:
    """The entry bundles of the log of `size` entries that the log of `old_size` entries does not have, in order."""
    for index, width in _changed_places(require_size(old_size, "old_size"), require_size(size, "size")):
        yield EntryBundle(index=index, width=width)


def render_tile(tile: Tile, hash_at: HashReader) -> bytes:
    """The bytes of `tile`, its nodes given by `hash_at`."""
    first = tile.index * TILE_WIDTH
    return b"".join(hash_at(TILE_HEIGHT * tile.level, first + place) for place in range(tile.width))


def parse_tile(tile: Tile, data: bytes) -> tuple[bytes, ...]:
    """The hashes of `tile` from its bytes.

    Raises:
        DecodeError: the length is not that of the tile's width.
    """
    if len(data) != tile.width * HASH_BYTES:
        raise DecodeError(f"expected {tile.width * HASH_BYTES} bytes, got {len(data)} in '{tile.path()}'")
    return tuple(data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES))


def render_bundle(entries: Sequence[bytes]) -> bytes:
    """The bytes of the bundle with these 1…256 entries of 32 bytes, in order.

    Raises:
        DecodeError: there are too few or too many, or an entry has another length.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise DecodeError(f"expected 1 to {TILE_WIDTH} entries, got {len(entries)}")
    return b"".join(_ENTRY_PREFIX + require_hash(entry, f"entries[{place}]") for place, entry in enumerate(entries))


def parse_bundle(bundle: EntryBundle, data: bytes) -> tuple[bytes, ...]:
    """The entries of `bundle` from its bytes.

    Raises:
        DecodeError: the number of entries is not the bundle's width, or an entry is not 32 bytes long.
    """
    stride = len(_ENTRY_PREFIX) + HASH_BYTES
    if len(data) != bundle.width * stride:
        raise DecodeError(f"expected {bundle.width * stride} bytes, got {len(data)} in '{bundle.path()}'")
    for start in range(0, len(data), stride):
        prefix = data[start : start + len(_ENTRY_PREFIX)]
        if prefix != _ENTRY_PREFIX:
            got = int.from_bytes(prefix, "big")
            raise DecodeError(f"expected entries of {HASH_BYTES} bytes, got {got} in '{bundle.path()}' at byte {start}")
    return tuple(data[start + len(_ENTRY_PREFIX) : start + stride] for start in range(0, len(data), stride))


class TileReader:
    """A HashReader over the tiles of one tree; it remembers the tiles that it has fetched.

    What it gives is as good as what it fetches: nothing here is trusted until a root computed from it equals a signed one.
    """

    __slots__ = ("_fetch", "_size", "_tiles")

    def __init__(self, size: int, fetch: TileFetch) -> None:
        self._size = require_size(size, "size")
        self._fetch = fetch
        self._tiles: dict[tuple[int, int], tuple[bytes, ...]] = {}

    def __call__(self, level: int, index: int, /) -> bytes:
        """The hash of the complete node `(level, index)`.

        Raises:
            LookupError: the tree has no such complete node.
            DecodeError: a fetched tile has the wrong length.
        """
        if not 0 <= index < self._size >> level:
            raise LookupError(f"node ({level}, {index}) is not complete in a tree of {self._size} leaves")
        tile_level, height = divmod(level, TILE_HEIGHT)
        place, offset = divmod(index << height, TILE_WIDTH)
        return root(self._tile(tile_level, place)[offset : offset + (1 << height)])

    def _tile(self, level: int, place: int) -> tuple[bytes, ...]:
        hashes = self._tiles.get((level, place))
        if hashes is None:
            width = min(TILE_WIDTH, (self._size >> TILE_HEIGHT * level) - place * TILE_WIDTH)
            tile = Tile(level=level, index=place, width=width)
            hashes = self._tiles[level, place] = parse_tile(tile, self._fetch(tile))
        return hashes


def _changed_places(old_count: int, count: int) -> Iterator[tuple[int, int]]:
    """Index and width of each row of 256 that `count` items fill and `old_count` items do not fill as far."""
    if count > old_count:
        for index in range(old_count // TILE_WIDTH, -(-count // TILE_WIDTH)):
            yield index, min(TILE_WIDTH, count - index * TILE_WIDTH)


def _require_place(index: int, width: int) -> None:
    if not 0 <= index <= MAX_SIZE // TILE_WIDTH:
        raise DecodeError(f"expected a tile index from 0 to {MAX_SIZE // TILE_WIDTH}, got {index}")
    if not 1 <= width <= TILE_WIDTH:
        raise DecodeError(f"expected a tile width from 1 to {TILE_WIDTH}, got {width}")


def _place_path(index: int, width: int) -> str:
    """`index` in groups of three digits, all but the last with an ``x`` before, and the width of a partial tile.

    "All but the last path element MUST begin with an x": a file never has the name of a directory.
    """
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups)) + ("" if width == TILE_WIDTH else f".p/{width}")
