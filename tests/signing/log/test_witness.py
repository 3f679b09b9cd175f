from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.errors import DecodeError, KeyUnavailableError, VerificationError
from signing.log.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from signing.log.merkle import MAX_SIZE, Frontier
from signing.log.note import Note, SignatureLine, VerifierKey, cosign_text, sign_text, verify_note
from signing.log.proofs import Paths
from signing.log.witness import AddCheckpoint, Cosigned, Refusal, Refused, Witness, WitnessPolicy
from tests.signing.log.keys import LEAVES, ORIGIN, checkpoint, consistency, log_key, private, witness_key

WITNESS = Witness(key=witness_key(9), logs=(log_key(), log_key(3, "other.example")))


def signed(value: Checkpoint, key: VerifierKey | None = None, seed: int = 1) -> SignedCheckpoint:
    return sign_checkpoint(value, key or log_key(seed), private(seed))


def request(old_size: int, size: int) -> AddCheckpoint:
    return AddCheckpoint(old_size=old_size, path=consistency(old_size, size), note=signed(checkpoint(size)).note)


def decide(asked: AddCheckpoint, newest: dict[str, Checkpoint], at_utc: int = 100) -> Cosigned | Refused:
    return WITNESS.cosign(asked, newest, private(9), at_utc=at_utc)


def refused(asked: AddCheckpoint, newest: dict[str, Checkpoint]) -> tuple[Refusal, int]:
    decision = decide(asked, newest)
    assert isinstance(decision, Refused)
    assert decision.reason
    return decision.refusal, decision.known_size


# The example request of C2SP tlog-witness, as it stands there.
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()


def test_the_standards_request_is_read_and_written() -> None:
    asked = AddCheckpoint.parse(EXAMPLE)
    assert (asked.old_size, len(asked.path)) == (20_852_014, 4)
    assert Checkpoint.parse(asked.note.text).size == 20_852_163
    assert bytes(asked) == EXAMPLE


def test_a_request_without_a_path_is_read_and_written() -> None:
    asked = request(0, 5)
    assert bytes(asked).startswith(b"old 0\n\ndiscom.example/sakshi/0\n5\n")
    assert AddCheckpoint.parse(bytes(asked)) == asked


@pytest.mark.parametrize(
    ("found", "put", "says"),
    [
        (b"old 20852014", b"old 020852014", "expected 'old' and a tree size"),
        (b"old 20852014", b"old -1", "expected 'old' and a tree size"),
        (b"old 20852014", b"old  20852014", "expected 'old' and a tree size"),
        (b"old 20852014", b"old 20852014 ", "expected 'old' and a tree size"),
        (b"old 20852014", b"new 20852014", "expected 'old' and a tree size"),
        (b"old 20852014", b"old 9223372036854775808", "tree size from 0"),
        (b"old 20852014\n", b"", "expected 'old' and a tree size"),
        (b"old 20852014", "old \u0662".encode(), "expected ASCII"),
        (b"PlRN", b"PlR", "expected base64"),
        (b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", b"PlRN", r"expected 32 bytes, got 3 in 'path\[0\]'"),
        (b"DDpkaw=", b"DDpkax=", "canonical base64"),
        (b"\n\nexample", b"\nexample", "expected base64"),
        (b"20852163\n", b"20852163\n\x00", "control characters"),
    ],
)
def test_a_request_that_is_not_canonical_is_refused(found: bytes, put: bytes, says: str) -> None:
    assert EXAMPLE.count(found) == 1 or found == b"\n\nexample"
    with pytest.raises(DecodeError, match=says):
        AddCheckpoint.parse(EXAMPLE.replace(found, put, 1))


def test_a_request_has_at_most_63_hashes() -> None:
    asked = replace(request(0, 5), path=(bytes(32),) * 63)
    assert AddCheckpoint.parse(bytes(asked)) == asked
    with pytest.raises(DecodeError, match="expected at most 63 hashes, got 64"):
        replace(asked, path=(bytes(32),) * 64)
    with pytest.raises(DecodeError, match="tree size from 0"):
        replace(asked, old_size=MAX_SIZE + 1)


def test_a_request_cut_anywhere_is_refused_or_has_a_signature_line_less() -> None:
    last = EXAMPLE.rindex("—".encode())
    for length in range(len(EXAMPLE)):
        if length != last:
            with pytest.raises(DecodeError):
                AddCheckpoint.parse(EXAMPLE[:length])
    assert len(AddCheckpoint.parse(EXAMPLE[:last]).note.signatures) == 1


@given(st.binary(max_size=100) | st.text(max_size=60).map(lambda text: b"old 5\n" + text.encode()))
def test_bytes_are_refused_or_are_the_request_that_is_written(data: bytes) -> None:
    try:
        asked = AddCheckpoint.parse(data)
    except DecodeError:
        return
    assert bytes(asked) == data


def test_a_witness_follows_a_growing_log() -> None:
    newest: dict[str, Checkpoint] = {}
    old_size = 0
    for size in (0, 3, 3, 8, 64):
        decision = decide(request(old_size, size), newest, at_utc=100 + size)
        assert isinstance(decision, Cosigned)
        assert decision.previous == newest.get(ORIGIN)
        assert decision.checkpoint == checkpoint(size)
        cosigned = signed(checkpoint(size)).with_lines([decision.line])
        assert [(s.key, s.at_utc) for s in verify_note(cosigned.note, [WITNESS.key])] == [(WITNESS.key, 100 + size)]
        newest[ORIGIN], old_size = decision.checkpoint, size


def test_a_cosignature_covers_extension_lines() -> None:
    text = checkpoint(4).text() + "extension\n"
    note = Note(text=text, signatures=(sign_text(text, log_key(), private(1)),))
    decision = decide(AddCheckpoint(old_size=0, path=(), note=note), {})
    assert isinstance(decision, Cosigned)
    assert decision.line == cosign_text(text, WITNESS.key, private(9), at_utc=100)


def test_a_log_may_have_a_second_key_for_its_origin() -> None:
    witness = Witness(key=WITNESS.key, logs=(log_key(2), log_key(1)))
    assert isinstance(witness.cosign(request(0, 4), {}, private(9), at_utc=1), Cosigned)


def test_logs_are_followed_apart() -> None:
    other = checkpoint(4, origin="other.example")
    asked = AddCheckpoint(old_size=0, path=(), note=signed(other, log_key(3, "other.example"), 3).note)
    decision = decide(asked, {ORIGIN: checkpoint(9)})
    assert isinstance(decision, Cosigned)
    assert decision.previous is None


def test_p16_a_second_view_of_the_same_size_is_refused() -> None:
    """P16: two views, both signed by the log; the witness refuses the second."""
    first = decide(request(0, 7), {})
    assert isinstance(first, Cosigned)
    other = Checkpoint(origin=ORIGIN, size=7, root=bytes(32))
    asked = AddCheckpoint(old_size=7, path=(), note=signed(other).note)
    assert refused(asked, {ORIGIN: first.checkpoint}) == (Refusal.FORK, 7)


@pytest.mark.parametrize("size", [8, 13, 40])
def test_p16_a_second_view_of_a_larger_size_is_refused(size: int) -> None:
    growth = Frontier.empty().extended([bytes(32), *LEAVES[1:size]])
    forged = Checkpoint(origin=ORIGIN, size=size, root=growth.after.root())
    for path in (Paths(size, growth.hash_at).consistency(7), consistency(7, size)):
        asked = AddCheckpoint(old_size=7, path=path, note=signed(forged).note)
        assert refused(asked, {ORIGIN: checkpoint(7)}) == (Refusal.INCONSISTENT, 7)


def test_p16_a_smaller_view_is_refused_whatever_old_size_it_claims() -> None:
    newest = {ORIGIN: checkpoint(7)}
    assert refused(request(0, 6), newest) == (Refusal.STALE, 7)
    assert refused(request(6, 6), newest) == (Refusal.STALE, 7)
    assert refused(replace(request(0, 6), old_size=7), newest) == (Refusal.MALFORMED, 7)


def test_an_old_size_of_zero_is_told_the_newest_size() -> None:
    assert refused(request(0, 9), {ORIGIN: checkpoint(7)}) == (Refusal.STALE, 7)
    assert refused(request(7, 9), {}) == (Refusal.STALE, 0)


def test_a_path_that_is_not_the_one_is_inconsistent_even_for_an_honest_log() -> None:
    newest = {ORIGIN: checkpoint(7)}
    assert refused(replace(request(7, 9), path=()), newest) == (Refusal.INCONSISTENT, 7)
    assert refused(replace(request(7, 7), path=(bytes(32),)), newest) == (Refusal.INCONSISTENT, 7)
    assert refused(replace(request(0, 9), path=(bytes(32),)), {}) == (Refusal.INCONSISTENT, 0)


def test_an_unknown_log_is_not_cosigned() -> None:
    value = checkpoint(3, origin="unknown.example")
    asked = AddCheckpoint(old_size=0, path=(), note=signed(value, log_key(1, "unknown.example")).note)
    assert refused(asked, {}) == (Refusal.UNKNOWN_LOG, 0)


def test_a_checkpoint_without_the_logs_signature_is_not_cosigned() -> None:
    asked = AddCheckpoint(old_size=0, path=(), note=signed(checkpoint(3), log_key(2), 2).note)
    assert refused(asked, {ORIGIN: checkpoint(1)}) == (Refusal.UNSIGNED, 1)


def test_a_text_that_is_no_checkpoint_is_not_cosigned() -> None:
    note = Note(text="hello\n", signatures=(sign_text("hello\n", log_key(), private(1)),))
    assert refused(AddCheckpoint(old_size=0, path=(), note=note), {}) == (Refusal.MALFORMED, 0)


def test_a_witness_with_the_wrong_private_key_signs_nothing() -> None:
    with pytest.raises(KeyUnavailableError):
        WITNESS.cosign(request(0, 3), {}, private(1), at_utc=1)


def test_refusals_carry_the_statuses_of_the_standard() -> None:
    assert {refusal.name: refusal.http_status for refusal in Refusal} == {
        "MALFORMED": 400,
        "UNKNOWN_LOG": 404,
        "UNSIGNED": 403,
        "STALE": 409,
        "FORK": 409,
        "INCONSISTENT": 422,
    }


def cosigned_by(*seeds: int) -> SignedCheckpoint:
    base = signed(checkpoint(5))
    return base.with_lines(cosign_text(base.note.text, witness_key(seed), private(seed), at_utc=seed) for seed in seeds)


POLICY = WitnessPolicy(required=2, witnesses=(witness_key(11), witness_key(12), witness_key(13)))


def test_a_policy_counts_its_own_witnesses() -> None:
    assert [s.at_utc for s in POLICY.verify(cosigned_by(13, 20, 11))] == [13, 11]
    assert len(POLICY.verify(cosigned_by(11, 12, 13))) == 3


def test_policy_1_refuses_a_cosignature_that_does_not_verify() -> None:
    good = cosigned_by(11, 12)
    last = good.note.signatures[-1]
    forged = SignatureLine(name=last.name, key_id=witness_key(13).key_id, signature=last.signature)
    with pytest.raises(VerificationError, match=r"^\(1\)"):
        POLICY.verify(good.with_lines([replace(forged, name=witness_key(13).name)]))


def test_policy_2_refuses_a_witness_that_counts_twice() -> None:
    with pytest.raises(VerificationError, match=r"^\(2\)"):
        POLICY.verify(cosigned_by(11, 11))


def test_policy_3_refuses_too_few_witnesses() -> None:
    with pytest.raises(VerificationError, match=r"^\(3\) expected cosignatures of 2 witnesses, got 1"):
        POLICY.verify(cosigned_by(11, 20, 21))


def test_a_policy_of_nobody_is_always_met() -> None:
    assert WitnessPolicy(required=0, witnesses=()).verify(cosigned_by()) == ()


def test_a_policy_that_cannot_be_is_refused() -> None:
    for required in (-1, 2):
        with pytest.raises(DecodeError, match=f"expected 0 to 1 witnesses, got {required}"):
            WitnessPolicy(required=required, witnesses=(witness_key(1),))
    with pytest.raises(DecodeError, match="got a log key"):
        WitnessPolicy(required=0, witnesses=(log_key(1),))
    with pytest.raises(DecodeError, match="another public key for each witness"):
        WitnessPolicy(required=1, witnesses=(witness_key(1, "a"), witness_key(1, "b")))
