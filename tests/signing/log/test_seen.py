import pytest

from signing.errors import DecodeError, VerificationError
from signing.log.checkpoint import Checkpoint, sign_checkpoint
from signing.log.merkle import Frontier
from signing.log.note import Note, sign_text
from signing.log.proofs import Paths
from signing.log.seen import advance, extend, require_extension
from tests.signing.log.keys import LEAVES, ORIGIN, checkpoint, consistency, log_key, private


def signed(value: Checkpoint) -> bytes:
    return bytes(sign_checkpoint(value, log_key(), private(1)))


def test_a_growing_log_is_followed() -> None:
    seen = None
    for size in (0, 0, 1, 2, 2, 7, 8, 33, 64):
        seen = advance(seen, signed(checkpoint(size)), consistency(0 if seen is None else seen.size, size), log_key())
        assert seen == checkpoint(size)


def test_the_first_checkpoint_is_taken_at_any_size_without_a_path() -> None:
    assert advance(None, signed(checkpoint(33)), (), log_key()) == checkpoint(33)
    with pytest.raises(VerificationError, match=r"\(5\).*expected a path of 0 hashes, got 1"):
        advance(None, signed(checkpoint(33)), (bytes(32),), log_key())


def test_what_is_no_note_is_refused_as_such() -> None:
    with pytest.raises(DecodeError):
        advance(None, b"hello", (), log_key())


def test_1_refuses_a_bad_signature() -> None:
    data = signed(checkpoint(7)).replace(b"\n7\n", b"\n8\n")
    with pytest.raises(VerificationError, match=r"^\(1\)"):
        advance(checkpoint(3), data, consistency(3, 7), log_key())


def test_2_refuses_another_origin_in_the_note() -> None:
    text = checkpoint(7, origin="o.example").text()
    data = bytes(Note(text=text, signatures=(sign_text(text, log_key(), private(1)),)))
    with pytest.raises(VerificationError, match=r"^\(2\)"):
        advance(checkpoint(3), data, consistency(3, 7), log_key())


def test_2_refuses_another_log_than_the_one_that_was_seen() -> None:
    with pytest.raises(VerificationError, match=rf"^\(2\) expected the origin 'o.example', got '{ORIGIN}'"):
        advance(checkpoint(3, origin="o.example"), signed(checkpoint(7)), consistency(3, 7), log_key())


def test_3_refuses_a_tree_that_shrank() -> None:
    with pytest.raises(VerificationError, match=r"^\(3\) the log shrank: seen at size 7, now 6"):
        advance(checkpoint(7), signed(checkpoint(6)), (), log_key())


def test_4_refuses_another_tree_of_the_same_size() -> None:
    other = Checkpoint(origin=ORIGIN, size=7, root=bytes(32))
    with pytest.raises(VerificationError, match=r"^\(4\) two trees of 7"):
        advance(checkpoint(7), signed(other), (), log_key())


def test_5_refuses_a_tree_that_does_not_extend_the_seen_one() -> None:
    with pytest.raises(VerificationError, match=r"^\(5\) size 8 does not extend the seen 7: \(2\)"):
        advance(checkpoint(7), signed(checkpoint(8)), (), log_key())
    with pytest.raises(VerificationError, match=r"^\(5\)"):
        advance(checkpoint(7), signed(checkpoint(8)), consistency(6, 8), log_key())
    with pytest.raises(VerificationError, match=r"^\(5\)"):
        advance(checkpoint(7), signed(checkpoint(7)), (bytes(32),), log_key())


@pytest.mark.parametrize("size", [5, 6, 8, 20, 40])
def test_p15_a_log_that_truncates_reorders_or_rewrites_is_found_out(size: int) -> None:
    """P15: the log signs its changed history and gives its own true path; who saw the old one refuses."""
    seen = checkpoint(6)
    rewritten = [bytes(32), *LEAVES[1:size]]
    reordered = [LEAVES[1], LEAVES[0], *LEAVES[2:size]]
    truncated = [*LEAVES[:4], *(bytes([number]) * 32 for number in range(size - 4))]
    for leaves in (rewritten, reordered, truncated):
        growth = Frontier.empty().extended(leaves)
        forged = signed(Checkpoint(origin=ORIGIN, size=size, root=growth.after.root()))
        path = Paths(size, growth.hash_at).consistency(seen.size) if size > seen.size else ()
        with pytest.raises(VerificationError) as refused:
            advance(seen, forged, path, log_key())
        assert refused.value.check == {5: 3, 6: 4}.get(size, 5)


def test_a_log_checks_its_next_checkpoint_by_the_same_rules_before_it_signs() -> None:
    require_extension(checkpoint(6), checkpoint(9), consistency(6, 9))
    with pytest.raises(VerificationError, match=r"^\(5\)"):
        require_extension(checkpoint(6), checkpoint(9), consistency(5, 9))
    newer = sign_checkpoint(checkpoint(9), log_key(), private(1))
    assert extend(checkpoint(6), newer, consistency(6, 9)) == checkpoint(9)
