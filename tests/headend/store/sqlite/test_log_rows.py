from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headend.errors import FatalError
from headend.store.sqlite import log_rows
from headend.store.sqlite.database import Database, create_database, open_database
from headend.store.sqlite.log_rows import StoredNodes, leaf_place, leaf_row
from signing.log.merkle import Frontier, leaf_hash, root
from signing.log.tiles import TileReader, changed_tiles, render_tile


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    create_database(tmp_path / "one.db")
    one = open_database(tmp_path / "one.db")
    log_rows.add_log(one.connection, 0, "key 0")
    log_rows.add_log(one.connection, 3, "key 3")
    yield one
    one.close()


def entries(first: int, count: int) -> list[bytes]:
    return [sha256(b"%d" % number).digest() for number in range(first, first + count)]


def grown(database: Database, log: int, frontier: Frontier, some: list[bytes]) -> Frontier:
    growth = frontier.extended(map(leaf_hash, some))
    log_rows.put_growth(database.connection, log, growth, some)
    return growth.after


@pytest.mark.parametrize(("log", "index"), [(0, 0), (0, 2**40 - 1), (1, 0), (log_rows.MAX_LOG, 2**40 - 1)])
def test_a_leaf_row_names_its_place(log: int, index: int) -> None:
    assert leaf_place(leaf_row(log, index)) == (log, index)
    assert leaf_row(log, index) < 2**63


@pytest.mark.parametrize("sizes", [[1], [255, 1, 1], [256], [257], [100, 156, 300], [1000, 1, 500], [70_000, 10]])
def test_stored_nodes_are_those_of_the_tree(database: Database, sizes: list[int]) -> None:
    frontier, size = Frontier.empty(), 0
    nodes = StoredNodes(database.connection, 3)
    for count in sizes:
        frontier = grown(database, 3, frontier, entries(size, count))
        size += count
        assert Frontier.read(size, nodes) == frontier
    leaves = [leaf_hash(entry) for entry in entries(0, size)]
    assert frontier.root() == root(leaves)
    assert log_rows.entry(database.connection, 3, size - 1) == entries(size - 1, 1)[0]
    with pytest.raises(LookupError):
        log_rows.entry(database.connection, 3, size)
    with pytest.raises(LookupError):
        nodes(0, size)
    for level in range(size.bit_length()):
        index = (size >> level) - 1
        assert nodes(level, index) == root(leaves[index << level : (index + 1) << level])


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_tiles_are_rendered_from_rows(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    path = tmp_path_factory.mktemp("rows") / "one.db"
    create_database(path)
    database = open_database(path)
    frontier, size = Frontier.empty(), 0
    for count in sizes:
        frontier = grown(database, 0, frontier, entries(size, count))
        size += count
    nodes = StoredNodes(database.connection, 0)
    published = {tile: render_tile(tile, nodes) for tile in changed_tiles(0, size)}
    assert Frontier.read(size, TileReader(size, published.__getitem__)) == frontier
    database.close()


def test_logs_are_apart(database: Database) -> None:
    grown(database, 0, Frontier.empty(), entries(0, 3))
    grown(database, 3, Frontier.empty(), entries(5, 2))
    assert log_rows.entry(database.connection, 0, 0) != log_rows.entry(database.connection, 3, 0)
    assert log_rows.logs(database.connection) == {0: "key 0", 3: "key 3"}


def test_the_tip_is_the_newest_checkpoint(database: Database) -> None:
    assert log_rows.tip(database.connection, 0) == (0, None)
    log_rows.put_tip(database.connection, 0, 5, b"note")
    assert log_rows.tip(database.connection, 0) == (5, b"note")
    with pytest.raises(FatalError, match="no log 9"):
        log_rows.tip(database.connection, 9)


def test_many_tiles_do_not_stay_in_memory(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_rows, "_CACHED_TILES", 2)
    grown(database, 0, Frontier.empty(), entries(0, 2000))
    nodes = StoredNodes(database.connection, 0)
    for index in (0, 300, 600, 0, 1999):
        assert nodes(0, index) == leaf_hash(entries(index, 1)[0])
    assert len(nodes._tiles) == 2
    nodes.forget()
    assert len(nodes._tiles) == 0
