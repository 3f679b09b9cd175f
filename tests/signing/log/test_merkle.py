import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.errors import DecodeError
from signing.log.merkle import EMPTY_ROOT, MAX_SIZE, Frontier, leaf_hash, node_hash, require_hash, require_size, root
from tests.signing.log import reference

CT_ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [reference.leaf(number) for number in range(131)]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_the_certificate_transparency_vectors(size: int) -> None:
    assert root(leaf_hash(bytes.fromhex(entry)) for entry in CT_ENTRIES[:size]).hex() == CT_ROOTS[size]


def test_the_node_hashes_are_those_of_the_certificate_transparency_vectors() -> None:
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in CT_ENTRIES]
    assert leaves[1].hex() == "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
    assert node_hash(leaves[2], leaves[3]).hex() == "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
    assert node_hash(leaves[4], leaves[5]).hex() == "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"


def test_the_root_of_every_size_is_the_recursive_one() -> None:
    for size in range(131):
        assert root(LEAVES[:size]) == reference.tree(LEAVES[:size])


@pytest.mark.parametrize("old", [0, 1, 2, 3, 7, 8, 63, 64, 65, 100, 130])
def test_a_tree_extended_in_two_batches_is_the_tree_of_all_leaves(old: int) -> None:
    for size in range(old, 131):
        growth = Frontier.empty().extended(LEAVES[:old]).after.extended(LEAVES[old:size])
        assert growth.before == Frontier.empty().extended(LEAVES[:old]).after
        assert growth.after == Frontier.empty().extended(LEAVES[:size]).after
        assert growth.after.size == size


@given(st.lists(st.integers(0, 40), max_size=6))
def test_the_frontier_does_not_depend_on_how_the_leaves_were_batched(batches: list[int]) -> None:
    frontier, done = Frontier.empty(), 0
    leaves = [reference.leaf(number) for number in range(sum(batches))]
    for count in batches:
        frontier = frontier.extended(leaves[done : done + count]).after
        done += count
    assert frontier == Frontier.empty().extended(leaves).after


def test_extending_leaves_the_value_as_it_was() -> None:
    frontier = Frontier.empty().extended(LEAVES[:5]).after
    again = Frontier(size=frontier.size, hashes=frontier.hashes)
    frontier.extended(LEAVES[5:])
    assert frontier == again


def test_a_frontier_is_read_back_from_complete_nodes() -> None:
    for size in range(131):
        growth = Frontier.empty().extended(LEAVES[:size])
        assert Frontier.read(size, growth.hash_at) == growth.after


def test_the_empty_frontier_has_the_empty_root() -> None:
    assert Frontier.empty().root() == EMPTY_ROOT


def test_a_growth_knows_the_old_frontier_and_what_it_completed_and_nothing_else() -> None:
    growth = Frontier.empty().extended(LEAVES[:5]).after.extended(LEAVES[5:7])
    assert growth.hash_at(2, 0) == reference.tree(LEAVES[:4])
    assert growth.hash_at(0, 4) == LEAVES[4]
    assert growth.hash_at(1, 2) == reference.tree(LEAVES[4:6])
    for level, index in [(0, 3), (0, 7), (1, 1), (1, 3), (2, 1), (3, 0), (60, 0)]:
        with pytest.raises(LookupError, match=rf"node \({level}, {index}\)"):
            growth.hash_at(level, index)


def test_a_growth_backed_by_an_older_reader_knows_every_node() -> None:
    whole = Frontier.empty().extended(LEAVES[:100])
    for old in (0, 1, 37, 64, 99, 100):
        first = Frontier.empty().extended(LEAVES[:old])
        hash_at = first.after.extended(LEAVES[old:100]).backed_by(first.hash_at)
        for level in range(7):
            for index in range(100 >> level):
                assert hash_at(level, index) == whole.hash_at(level, index)
        with pytest.raises(LookupError):
            hash_at(0, 100)
        with pytest.raises(LookupError):
            hash_at(7, 0)


@pytest.mark.parametrize(
    ("size", "hashes", "says"),
    [
        (-1, (), "tree size from 0"),
        (MAX_SIZE + 1, (bytes(32),), "tree size from 0"),
        (True, (bytes(32),), "as an integer"),
        (3, (bytes(32),), "expected 2 hashes for size 3, got 1"),
        (1, (bytes(32), bytes(32)), "expected 1 hashes for size 1, got 2"),
        (1, (bytes(31),), r"expected 32 bytes, got 31 in 'hashes\[0\]'"),
    ],
)
def test_a_frontier_that_cannot_be_is_refused(size: int, hashes: tuple[bytes, ...], says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        Frontier(size=size, hashes=hashes)


def test_the_largest_frontier_does_not_grow_past_the_largest_size() -> None:
    frontier = Frontier(size=MAX_SIZE, hashes=(bytes(32),) * 63)
    with pytest.raises(DecodeError, match="tree size from 0"):
        frontier.extended([bytes(32)])


def test_a_hash_is_32_bytes() -> None:
    assert require_hash(bytes(32), "root") == bytes(32)
    with pytest.raises(DecodeError, match="expected 32 bytes, got 33 in 'root'"):
        require_hash(bytes(33), "root")
    with pytest.raises(DecodeError, match="expected 32 bytes, got str in 'root'"):
        require_hash("x" * 32, "root")


def test_a_size_is_an_integer_in_range() -> None:
    assert require_size(MAX_SIZE, "size") == MAX_SIZE
    assert require_size(0, "size") == 0
    for value in (-1, MAX_SIZE + 1, 1.0, "1", None, False):
        with pytest.raises(DecodeError, match="in 'size'"):
            require_size(value, "size")
