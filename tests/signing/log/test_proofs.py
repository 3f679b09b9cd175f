from collections.abc import Iterator

import pytest

from signing.errors import VerificationError
from signing.log.merkle import EMPTY_ROOT, Frontier, leaf_hash
from signing.log.proofs import Paths, verify_consistency, verify_inclusion
from tests.signing.log import reference

SIZES = 131
LEAVES = [reference.leaf(number) for number in range(SIZES)]
ROOTS = [reference.tree(LEAVES[:size]) for size in range(SIZES)]
WHOLE = Frontier.empty().extended(LEAVES)

CT_LEAVES = [
    leaf_hash(bytes.fromhex(entry))
    for entry in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
]
CT_ROOT_8 = bytes.fromhex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")
CT_ROOT_6 = bytes.fromhex("76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef")


def mutations(path: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    """Every single-bit flip of `path`, every hash dropped, a hash added at either end, and any two neighbours exchanged."""
    for place, value in enumerate(path):
        for bit in range(256):
            flipped = (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(32, "big")
            yield (*path[:place], flipped, *path[place + 1 :])
        yield path[:place] + path[place + 1 :]
        yield (*path[:place], value[:-1], *path[place + 1 :])
    yield (bytes(32), *path)
    yield (*path, bytes(32))
    yield path + path[-1:] if path else (EMPTY_ROOT,)
    for place in range(len(path) - 1):
        yield (*path[:place], path[place + 1], path[place], *path[place + 2 :])


def test_every_inclusion_path_is_the_recursive_one_and_verifies() -> None:
    for size in range(1, SIZES):
        paths = Paths(size, WHOLE.hash_at)
        for index in range(size):
            path = paths.inclusion(index)
            assert list(path) == reference.path(index, LEAVES[:size])
            verify_inclusion(leaf=LEAVES[index], index=index, size=size, path=path, root=ROOTS[size])


def test_every_consistency_path_is_the_recursive_one_and_verifies() -> None:
    for size in range(SIZES):
        paths = Paths(size, WHOLE.hash_at)
        for old_size in range(size + 1):
            path = paths.consistency(old_size)
            assert list(path) == reference.proof(old_size, LEAVES[:size])
            verify_consistency(old_size=old_size, old_root=ROOTS[old_size], size=size, root=ROOTS[size], path=path)


@pytest.mark.parametrize("old", [0, 1, 2, 3, 31, 32, 33, 64, 100, 127, 128, 129])
def test_one_append_holds_every_node_that_its_own_paths_need(old: int) -> None:
    before = Frontier.empty().extended(LEAVES[:old]).after
    for size in range(old, SIZES):
        growth = before.extended(LEAVES[old:size])
        paths = Paths(size, growth.hash_at)
        assert list(paths.consistency(old)) == reference.proof(old, LEAVES[:size])
        for index in range(old, size):
            assert list(paths.inclusion(index)) == reference.path(index, LEAVES[:size])


def test_a_batch_of_paths_reads_each_node_once() -> None:
    asked: list[tuple[int, int]] = []

    def hash_at(level: int, index: int, /) -> bytes:
        asked.append((level, index))
        return WHOLE.hash_at(level, index)

    paths = Paths(128, hash_at)
    for index in range(128):
        paths.inclusion(index)
    assert len(asked) == len(set(asked)) == 255


@pytest.mark.parametrize("index", [-1, 7])
def test_there_is_no_path_for_a_leaf_outside_the_tree(index: int) -> None:
    with pytest.raises(IndexError, match="below the tree size 7"):
        Paths(7, WHOLE.hash_at).inclusion(index)


@pytest.mark.parametrize("old_size", [-1, 8])
def test_there_is_no_path_from_a_larger_tree(old_size: int) -> None:
    with pytest.raises(IndexError, match="up to the tree size 7"):
        Paths(7, WHOLE.hash_at).consistency(old_size)


def test_the_inclusion_paths_are_those_of_the_certificate_transparency_vectors() -> None:
    path = tuple(
        bytes.fromhex(value)
        for value in (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        )
    )
    assert Paths(8, Frontier.empty().extended(CT_LEAVES).hash_at).inclusion(5) == path
    verify_inclusion(leaf=CT_LEAVES[5], index=5, size=8, path=path, root=CT_ROOT_8)


def test_the_consistency_paths_are_those_of_the_certificate_transparency_vectors() -> None:
    path = tuple(
        bytes.fromhex(value)
        for value in (
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        )
    )
    assert Paths(8, Frontier.empty().extended(CT_LEAVES).hash_at).consistency(6) == path
    verify_consistency(old_size=6, old_root=CT_ROOT_6, size=8, root=CT_ROOT_8, path=path)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (5, 7), (6, 7), (4, 8), (12, 13), (64, 65), (3, 100)])
def test_any_change_of_an_inclusion_path_is_refused(index: int, size: int) -> None:
    path = Paths(size, WHOLE.hash_at).inclusion(index)
    for changed in mutations(path):
        if changed != path:
            with pytest.raises(VerificationError):
                verify_inclusion(leaf=LEAVES[index], index=index, size=size, path=changed, root=ROOTS[size])


@pytest.mark.parametrize(("old_size", "size"), [(0, 5), (5, 5), (1, 2), (4, 7), (6, 7), (6, 8), (8, 13), (33, 100)])
def test_any_change_of_a_consistency_path_is_refused(old_size: int, size: int) -> None:
    path = Paths(size, WHOLE.hash_at).consistency(old_size)
    for changed in mutations(path):
        if changed != path:
            with pytest.raises(VerificationError):
                verify_consistency(
                    old_size=old_size, old_root=ROOTS[old_size], size=size, root=ROOTS[size], path=changed
                )


def test_1_refuses_an_index_outside_the_tree() -> None:
    for index, size in [(-1, 3), (3, 3), (0, 0)]:
        with pytest.raises(VerificationError, match=r"\(1\) expected a leaf index below the tree size"):
            verify_inclusion(leaf=LEAVES[0], index=index, size=size, path=(), root=ROOTS[1])


def test_2_refuses_an_inclusion_path_of_another_length() -> None:
    path = Paths(5, WHOLE.hash_at).inclusion(4)
    with pytest.raises(VerificationError, match=r"\(2\) expected a path of 1 hashes, got 2"):
        verify_inclusion(leaf=LEAVES[4], index=4, size=5, path=(*path, bytes(32)), root=ROOTS[5])


def test_3_refuses_hashes_of_another_length_even_where_the_concatenation_is_the_same() -> None:
    (sibling,) = Paths(2, WHOLE.hash_at).inclusion(0)
    with pytest.raises(VerificationError, match=r"\(3\) expected 32 bytes a hash, got 33 at place 0"):
        verify_inclusion(leaf=LEAVES[0] + sibling[:1], index=0, size=2, path=(sibling[1:],), root=ROOTS[2])
    with pytest.raises(VerificationError, match=r"\(3\) expected 32 bytes a hash, got 31 at place 1"):
        verify_inclusion(leaf=LEAVES[0], index=0, size=2, path=(sibling[1:],), root=ROOTS[2])


def test_4_refuses_a_leaf_that_is_not_at_the_index() -> None:
    path = Paths(7, WHOLE.hash_at).inclusion(2)
    with pytest.raises(VerificationError, match=r"\(4\) expected the root"):
        verify_inclusion(leaf=LEAVES[3], index=2, size=7, path=path, root=ROOTS[7])
    with pytest.raises(VerificationError, match=r"\(4\) expected the root"):
        verify_inclusion(leaf=LEAVES[2], index=3, size=7, path=path, root=ROOTS[7])


def test_consistency_1_refuses_an_old_size_outside_the_tree() -> None:
    for old_size in (-1, 4):
        with pytest.raises(VerificationError, match=r"\(1\) expected an old size from 0 to 3"):
            verify_consistency(old_size=old_size, old_root=ROOTS[3], size=3, root=ROOTS[3], path=())


def test_consistency_2_refuses_a_path_of_another_length() -> None:
    for old_size, size in [(0, 3), (3, 3), (2, 3)]:
        path = Paths(size, WHOLE.hash_at).consistency(old_size)
        with pytest.raises(VerificationError, match=r"\(2\) expected a path of"):
            verify_consistency(
                old_size=old_size, old_root=ROOTS[old_size], size=size, root=ROOTS[size], path=(*path, bytes(32))
            )


def test_consistency_3_refuses_hashes_of_another_length() -> None:
    with pytest.raises(VerificationError, match=r"\(3\) expected 32 bytes a hash, got 31"):
        verify_consistency(old_size=1, old_root=ROOTS[1], size=2, root=ROOTS[2], path=(LEAVES[1][:31],))


def test_consistency_4_refuses_another_old_root() -> None:
    with pytest.raises(VerificationError, match=r"\(4\) expected the empty tree's root"):
        verify_consistency(old_size=0, old_root=ROOTS[1], size=2, root=ROOTS[2], path=())
    path = Paths(7, WHOLE.hash_at).consistency(5)
    with pytest.raises(VerificationError, match=r"\(4\) expected the old root"):
        verify_consistency(old_size=5, old_root=ROOTS[4], size=7, root=ROOTS[7], path=path)


def test_consistency_5_refuses_another_new_root() -> None:
    with pytest.raises(VerificationError, match=r"\(5\) two roots for size 2"):
        verify_consistency(old_size=2, old_root=ROOTS[2], size=2, root=ROOTS[3], path=())
    path = Paths(7, WHOLE.hash_at).consistency(4)
    with pytest.raises(VerificationError, match=r"\(5\) expected the root"):
        verify_consistency(old_size=4, old_root=ROOTS[4], size=7, root=ROOTS[6], path=path)


@pytest.mark.parametrize("old_size", range(1, 24))
def test_p15_a_rewritten_reordered_or_truncated_log_does_not_extend_the_old_one(old_size: int) -> None:
    """P15: whatever path the log's own tree gives, the verifier's old root is not reached."""
    size = 29
    rewritten = [bytes(32), *LEAVES[1:size]]
    reordered = [LEAVES[1], LEAVES[0], *LEAVES[2:size]]
    truncated = LEAVES[1 : size + 1]
    for leaves in (rewritten, truncated, *([reordered] if old_size > 1 else [])):
        growth = Frontier.empty().extended(leaves)
        for path in (
            Paths(size, growth.hash_at).consistency(old_size),
            Paths(size, WHOLE.hash_at).consistency(old_size),
        ):
            with pytest.raises(VerificationError):
                verify_consistency(
                    old_size=old_size, old_root=ROOTS[old_size], size=size, root=growth.after.root(), path=path
                )
