import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.errors import DecodeError
from signing.log.merkle import MAX_SIZE, Frontier
from signing.log.proofs import Paths
from signing.log.tiles import (
    EntryBundle,
    Tile,
    TileReader,
    changed_bundles,
    changed_tiles,
    parse_bundle,
    parse_path,
    parse_tile,
    render_bundle,
    render_tile,
)
from tests.signing.log import reference

SIZE = 70_000
LEAVES = [reference.leaf(number) for number in range(SIZE)]
WHOLE = Frontier.empty().extended(LEAVES)


@pytest.mark.parametrize(
    ("named", "path"),
    [
        (Tile(level=0, index=1_234_067, width=256), "tile/0/x001/x234/067"),
        (Tile(level=0, index=0, width=256), "tile/0/000"),
        (Tile(level=1, index=999, width=255), "tile/1/999.p/255"),
        (Tile(level=63, index=1000, width=1), "tile/63/x001/000.p/1"),
        (EntryBundle(index=1_234_067, width=17), "tile/entries/x001/x234/067.p/17"),
        (EntryBundle(index=0, width=256), "tile/entries/000"),
        (EntryBundle(index=MAX_SIZE // 256, width=256), "tile/entries/x036/x028/x797/x018/x963/967"),
    ],
)
def test_a_path_is_written_and_read_as_the_standard_says(named: Tile | EntryBundle, path: str) -> None:
    assert named.path() == path
    assert parse_path(path) == named


@given(st.integers(0, 63), st.integers(0, MAX_SIZE // 256), st.integers(1, 256))
def test_every_tile_is_read_back_from_its_path(level: int, index: int, width: int) -> None:
    tile, bundle = Tile(level=level, index=index, width=width), EntryBundle(index=index, width=width)
    assert parse_path(tile.path()) == tile
    assert parse_path(bundle.path()) == bundle


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/067",
        "tile/0/001/067",
        "tile/0/x001/x067",
        "tile/0/X001/067",
        "tile/00/067",
        "tile/01/067",
        "tile/64/067",
        "tile/-1/067",
        "tile/0/067.p/0",
        "tile/0/067.p/256",
        "tile/0/067.p/01",
        "tile/0/067.p/",
        "tile/0/067.p",
        "tile/0/067/",
        "/tile/0/067",
        "tile/0/067\n",
        "tile/0/٠٦٧",
        "tile/entry/067",
        "tile/entries/067.p/300",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/../067",
    ],
)
def test_a_path_that_is_not_canonical_is_refused(path: str) -> None:
    with pytest.raises(DecodeError):
        parse_path(path)


@given(st.text(max_size=30) | st.from_regex(r"tile/(entries|\d+)/[x0-9/]*(\.p/\d*)?"))
def test_a_path_is_refused_or_is_the_one_that_is_written(path: str) -> None:
    try:
        named = parse_path(path)
    except DecodeError:
        return
    assert named.path() == path


@pytest.mark.parametrize(
    ("level", "index", "width", "says"),
    [
        (-1, 0, 1, "tile level"),
        (64, 0, 1, "tile level"),
        (0, -1, 1, "tile index"),
        (0, MAX_SIZE // 256 + 1, 1, "tile index"),
        (0, 0, 0, "tile width"),
        (0, 0, 257, "tile width"),
    ],
)
def test_a_tile_that_cannot_be_is_refused(level: int, index: int, width: int, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        Tile(level=level, index=index, width=width)


def test_a_bundle_that_cannot_be_is_refused() -> None:
    with pytest.raises(DecodeError, match="tile width"):
        EntryBundle(index=0, width=257)


def test_70_000_leaves_have_the_tiles_that_the_standard_lists() -> None:
    """The standard's example: 273 full and one of 112 at level 0, one full and one of 17 at level 1, one of 1 at level 2."""
    tiles = list(changed_tiles(0, 70_000))
    assert [tile for tile in tiles if tile.width < 256] == [
        Tile(level=0, index=273, width=112),
        Tile(level=1, index=1, width=17),
        Tile(level=2, index=0, width=1),
    ]
    assert [sum(tile.level == level and tile.width == 256 for tile in tiles) for level in (0, 1, 2)] == [273, 1, 0]
    assert len(tiles) == 277


def test_256_leaves_have_a_full_tile_and_one_of_width_1_above() -> None:
    assert list(changed_tiles(0, 256)) == [Tile(level=0, index=0, width=256), Tile(level=1, index=0, width=1)]


@pytest.mark.parametrize(
    ("old_size", "size", "paths"),
    [
        (0, 0, []),
        (5, 5, []),
        (6, 5, []),
        (0, 1, ["tile/0/000.p/1"]),
        (1, 255, ["tile/0/000.p/255"]),
        (255, 256, ["tile/0/000", "tile/1/000.p/1"]),
        (256, 257, ["tile/0/001.p/1"]),
        (257, 600, ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]),
        (65_535, 65_536, ["tile/0/255", "tile/1/000", "tile/2/000.p/1"]),
    ],
)
def test_only_tiles_that_changed_are_published(old_size: int, size: int, paths: list[str]) -> None:
    assert [tile.path() for tile in changed_tiles(old_size, size)] == paths
    level_0 = [path.replace("tile/0", "tile/entries") for path in paths if path.startswith("tile/0")]
    assert [bundle.path() for bundle in changed_bundles(old_size, size)] == level_0


@given(st.integers(0, 2**40), st.integers(0, 3000))
def test_changed_tiles_are_those_of_the_new_tree_that_the_old_one_lacks(old_size: int, more: int) -> None:
    def rightmost(size: int) -> set[Tile]:
        tiles = set()
        for level in range(7):
            count = size >> 8 * level
            for index in range(max(0, count // 256 - 20), -(-count // 256)):
                tiles.add(Tile(level=level, index=index, width=min(256, count - 256 * index)))
        return tiles

    assert set(changed_tiles(old_size, old_size + more)) == rightmost(old_size + more) - rightmost(old_size)


def test_a_tile_holds_the_hashes_of_the_standards_definition() -> None:
    tile = Tile(level=1, index=1, width=17)
    data = render_tile(tile, WHOLE.hash_at)
    start = 256 * 256
    expected = [reference.tree(LEAVES[start + 256 * place : start + 256 * place + 256]) for place in range(17)]
    assert list(parse_tile(tile, data)) == expected


def test_a_tile_of_another_length_is_refused() -> None:
    tile = Tile(level=0, index=0, width=2)
    data = render_tile(tile, WHOLE.hash_at)
    assert parse_tile(tile, data) == tuple(LEAVES[:2])
    for length in range(len(data)):
        with pytest.raises(DecodeError, match=r"expected 64 bytes, got \d+ in 'tile/0/000.p/2'"):
            parse_tile(tile, data[:length])
    with pytest.raises(DecodeError, match="expected 64 bytes, got 65"):
        parse_tile(tile, data + b"\0")


def test_a_bundle_is_its_entries_with_their_lengths_before() -> None:
    entries = [bytes([number]) * 32 for number in (1, 2)]
    data = render_bundle(entries)
    assert data == b"\x00\x20" + b"\x01" * 32 + b"\x00\x20" + b"\x02" * 32
    assert list(parse_bundle(EntryBundle(index=0, width=2), data)) == entries


def test_a_bundle_of_another_length_or_with_other_prefixes_is_refused() -> None:
    bundle = EntryBundle(index=3, width=2)
    data = render_bundle([bytes(32), bytes(32)])
    for length in range(len(data)):
        with pytest.raises(DecodeError, match="expected 68 bytes"):
            parse_bundle(bundle, data[:length])
    with pytest.raises(DecodeError, match="expected 68 bytes, got 69"):
        parse_bundle(bundle, data + b"\0")
    with pytest.raises(DecodeError, match=r"entries of 32 bytes, got 33 in 'tile/entries/003.p/2' at byte 34"):
        parse_bundle(bundle, data[:34] + b"\x00\x21" + data[36:])
    with pytest.raises(DecodeError, match="got 288"):
        parse_bundle(bundle, b"\x01\x20" + data[2:])


def test_a_bundle_has_1_to_256_entries_of_32_bytes() -> None:
    for count in (1, 256):
        assert len(render_bundle([bytes(32)] * count)) == count * 34
    for count in (0, 257):
        with pytest.raises(DecodeError, match=f"expected 1 to 256 entries, got {count}"):
            render_bundle([bytes(32)] * count)
    with pytest.raises(DecodeError, match=r"expected 32 bytes, got 31 in 'entries\[1\]'"):
        render_bundle([bytes(32), bytes(31)])


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 65_536, 69_999, SIZE])
def test_roots_and_paths_are_read_out_of_tiles(size: int) -> None:
    tree = Frontier.empty().extended(LEAVES[:size])
    files = {tile.path(): render_tile(tile, tree.hash_at) for tile in changed_tiles(0, size)}
    reader = TileReader(size, lambda tile: files[tile.path()])
    assert Frontier.read(size, reader) == tree.after
    from_tiles, from_rows = Paths(size, reader), Paths(size, tree.hash_at)
    for index in {0, size // 3, size // 2, size - 1}:
        assert from_tiles.inclusion(index) == from_rows.inclusion(index)
        assert from_tiles.consistency(index) == from_rows.consistency(index)


def test_every_complete_node_is_read_out_of_tiles_and_each_tile_is_fetched_once() -> None:
    fetched: list[Tile] = []

    def fetch(tile: Tile) -> bytes:
        fetched.append(tile)
        return render_tile(tile, WHOLE.hash_at)

    reader = TileReader(700, fetch)
    for level in range(10):
        for index in range(700 >> level):
            assert reader(level, index) == WHOLE.hash_at(level, index)
        with pytest.raises(LookupError, match=f"node \\({level}, {700 >> level}\\) is not complete in a tree of 700"):
            reader(level, 700 >> level)
    assert sorted(fetched, key=Tile.path) == sorted(changed_tiles(0, 700), key=Tile.path)


def test_a_node_left_of_the_tree_does_not_exist() -> None:
    with pytest.raises(LookupError):
        TileReader(700, lambda tile: b"")(0, -1)


def test_a_fetched_tile_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(DecodeError, match="expected 32 bytes, got 0"):
        TileReader(1, lambda tile: b"")(0, 0)
