from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.errors import DecodeError, KeyUnavailableError, VerificationError
from signing.log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from signing.log.merkle import EMPTY_ROOT, MAX_SIZE
from signing.log.note import Note, cosign_text, sign_text
from tests.signing.log.keys import ORIGIN, checkpoint, log_key, private, witness_key

# The example of C2SP tlog-cosignature.
ROOT_TEXT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
SOFA = (
    f"example.com/behind-the-sofa\n20852163\n{ROOT_TEXT}\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()


def signed_text(text: str, seed: int = 1) -> bytes:
    return bytes(Note(text=text, signatures=(sign_text(text, log_key(seed), private(seed)),)))


def test_the_standards_checkpoint_is_read_and_written() -> None:
    note = Note.parse(SOFA)
    read = Checkpoint.parse(note.text)
    assert (read.origin, read.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert read.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert read.text() == note.text
    assert bytes(note) == SOFA
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1_679_315_147


def test_extension_lines_are_kept_and_not_read() -> None:
    text = checkpoint(5).text() + "extension 1\n— looks like a signature\n"
    opened = open_checkpoint(signed_text(text), log_key())
    assert opened.checkpoint == checkpoint(5)
    assert opened.note.text == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "three or more"),
        ("\n", "three or more"),
        ("a\n1\n", "three or more"),
        (f"\n1\n{ROOT_TEXT}\n", "three or more"),
        (f"a\n\n{ROOT_TEXT}\n", "three or more"),
        (f"a\n1\n{ROOT_TEXT}\n\n", "three or more"),
        (f"a\n1\n{ROOT_TEXT}\nx\n\ny\n", "three or more"),
        (f"a\n01\n{ROOT_TEXT}\n", "canonical form"),
        (f"a\n00\n{b64encode(EMPTY_ROOT).decode()}\n", "canonical form"),
        (f"a\n+1\n{ROOT_TEXT}\n", "in decimal"),
        (f"a\n-1\n{ROOT_TEXT}\n", "in decimal"),
        (f"a\n 1\n{ROOT_TEXT}\n", "in decimal"),
        (f"a\n1_0\n{ROOT_TEXT}\n", "in decimal"),
        (f"a\n\u0661\n{ROOT_TEXT}\n", "in decimal"),
        (f"a\n0x1\n{ROOT_TEXT}\n", "in decimal"),
        (f"a\n{'9' * 5000}\n{ROOT_TEXT}\n", "in decimal"),
        (f"a\n{MAX_SIZE + 1}\n{ROOT_TEXT}\n", "tree size from 0"),
        ("a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n", "canonical form"),
        ("a\n1\nCsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=\n", "expected base64"),
        ("a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n", "expected base64"),
        ("a\n1\nAAAA\n", "expected 32 bytes, got 3 in 'root'"),
        (f"a\n0\n{ROOT_TEXT}\n", "empty tree's root"),
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        Checkpoint.parse(text)


def test_an_error_does_not_repeat_a_size_of_any_length() -> None:
    with pytest.raises(DecodeError) as refused:
        Checkpoint.parse(f"a\n{'9' * 5000}\n{ROOT_TEXT}\n")
    assert len(str(refused.value)) < 200


@given(
    st.text(st.characters(exclude_categories=["Cs"], min_codepoint=32), min_size=1),
    st.integers(1, MAX_SIZE),
    st.binary(min_size=32, max_size=32),
)
def test_every_checkpoint_is_read_back_from_its_text(origin: str, size: int, root: bytes) -> None:
    value = Checkpoint(origin=origin, size=size, root=root)
    assert Checkpoint.parse(value.text()) == value


@given(st.text(max_size=60) | st.from_regex(r"\w{1,3}\n\d{1,3}\n[A-Za-z0-9+/]{43}=\n(\w*\n)?", fullmatch=True))
def test_a_text_is_refused_or_starts_with_the_one_that_is_written(text: str) -> None:
    try:
        value = Checkpoint.parse(text)
    except DecodeError:
        return
    assert (text + "\n").startswith(value.text())


@pytest.mark.parametrize(
    ("origin", "says"), [("", "one line"), ("a\nb", "one line"), ("a\tb", "one line"), ("\ud800", "UTF-8 form")]
)
def test_an_origin_is_one_line(origin: str, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        Checkpoint(origin=origin, size=0, root=EMPTY_ROOT)


def test_a_signed_checkpoint_is_opened_again() -> None:
    for size in (0, 1, 64):
        signed = sign_checkpoint(checkpoint(size), log_key(), private(1))
        assert open_checkpoint(bytes(signed), log_key()) == signed
        assert signed.checkpoint == checkpoint(size)


def test_cosignatures_stand_behind_the_logs_signature() -> None:
    signed = sign_checkpoint(checkpoint(3), log_key(), private(1))
    line = cosign_text(signed.note.text, witness_key(8), private(8), at_utc=9)
    cosigned = signed.with_lines([line])
    assert bytes(cosigned) == bytes(signed) + f"{line}\n".encode()
    assert open_checkpoint(bytes(cosigned), log_key()) == cosigned


def test_a_log_signs_only_under_its_own_origin_and_with_its_own_key() -> None:
    with pytest.raises(ValueError, match=r"the log key of 'other\.example', got that of 'discom\.example"):
        sign_checkpoint(checkpoint(3, origin="other.example"), log_key(), private(1))
    with pytest.raises(ValueError, match="expected a log's key"):
        sign_checkpoint(checkpoint(3), witness_key(1, ORIGIN), private(1))
    with pytest.raises(KeyUnavailableError):
        sign_checkpoint(checkpoint(3), log_key(1), private(2))


def test_1_refuses_a_checkpoint_that_the_log_did_not_sign() -> None:
    data = bytes(sign_checkpoint(checkpoint(3), log_key(2), private(2)))
    with pytest.raises(VerificationError, match=r"\(1\) the checkpoint is not the log's") as refused:
        open_checkpoint(data, log_key(1))
    assert refused.value.check == 1


def test_1_refuses_before_the_text_is_looked_at() -> None:
    with pytest.raises(VerificationError, match=r"\(1\)"):
        open_checkpoint(signed_text("no checkpoint\n", seed=2), log_key(1))
    with pytest.raises(DecodeError, match="three or more"):
        open_checkpoint(signed_text("no checkpoint\n"), log_key(1))


def test_2_refuses_another_logs_checkpoint_under_this_logs_key() -> None:
    with pytest.raises(
        VerificationError, match=r"\(2\) expected the origin 'discom.example/sakshi/0', got 'o.example'"
    ):
        open_checkpoint(signed_text(checkpoint(3, origin="o.example").text()), log_key())


def test_every_flipped_bit_of_a_signed_checkpoint_is_refused() -> None:
    good = bytes(sign_checkpoint(checkpoint(3), log_key(), private(1)))
    for place in range(len(good)):
        for bit in range(8):
            data = bytearray(good)
            data[place] ^= 1 << bit
            with pytest.raises((DecodeError, VerificationError)):
                open_checkpoint(bytes(data), log_key())
