from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from signing.errors import DecodeError, KeyUnavailableError, VerificationError
from signing.log.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    MAX_TIME,
    Note,
    SignatureKind,
    SignatureLine,
    VerifierKey,
    cosign_text,
    known_signatures,
    sign_text,
    verify_note,
)
from tests.signing.log.keys import log_key, private, witness_key

# The key, text and note of golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
GO_NOTE = f"{GO_TEXT}\n{GO_LINE}\n".encode()

# The example of C2SP signed-note: a text with an empty line in it.
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
).encode()

TEXT = "hello\n"


def line(seed: int = 1, text: str = TEXT) -> SignatureLine:
    return sign_text(text, log_key(seed), private(seed))


def note(*lines: SignatureLine) -> Note:
    return Note(text=TEXT, signatures=lines)


def test_the_go_key_is_read_and_written() -> None:
    key = VerifierKey.parse(GO_KEY)
    assert (key.name, key.kind, key.key_id.hex()) == ("PeterNeumann", SignatureKind.ED25519, "c74f20a3")
    assert str(key) == GO_KEY


def test_keys_in_use_elsewhere_are_read() -> None:
    log = VerifierKey.parse("TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6")
    assert log.kind is SignatureKind.ED25519
    witness = VerifierKey.parse("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2")
    assert (witness.name, witness.kind) == ("remora.n621.de", SignatureKind.COSIGNATURE_V1)


def test_a_key_id_is_the_hash_that_the_standard_says() -> None:
    key = witness_key(2, "w.example")
    assert key.key_id == sha256(b"w.example\n\x04" + key.public).digest()[:4]


def test_the_go_note_verifies_and_is_signed_again_byte_for_byte() -> None:
    key = VerifierKey.parse(GO_KEY)
    (signature,) = verify_note(Note.parse(GO_NOTE), [key])
    assert (signature.key, signature.at_utc) == (key, None)
    again = sign_text(GO_TEXT, key, Ed25519PrivateKey.from_private_bytes(GO_SEED))
    assert bytes(Note(text=GO_TEXT, signatures=(again,))) == GO_NOTE


def test_the_text_reaches_to_the_last_empty_line() -> None:
    parsed = Note.parse(POEM)
    assert parsed.text.endswith("sole:\n\ned è subito sera.\n")
    assert [signature.name for signature in parsed.signatures] == ["quasimodo.example/salvatore"]
    assert bytes(parsed) == POEM


def test_every_part_of_the_go_key_is_refused() -> None:
    for start in range(len(GO_KEY)):
        for end in range(start, len(GO_KEY) + 1):
            if end - start != len(GO_KEY):
                with pytest.raises(DecodeError):
                    VerifierKey.parse(GO_KEY[start:end])


def test_every_change_of_the_go_key_is_refused() -> None:
    for place, character in enumerate(GO_KEY):
        with pytest.raises(DecodeError):
            VerifierKey.parse(GO_KEY[:place] + chr(ord(character) + 1) + GO_KEY[place + 1 :])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "type 1 or 4"),
        ("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", "Ed25519 key of 32 bytes"),
        ("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "expected the verifier key"),
        ("PeterNeumann+c74f20a3+", "type 1 or 4"),
        ("PeterNeumann", "type 1 or 4"),
        ("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "key name"),
        ("Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "key name"),
        ("PeterNeumann+c74f20a3+é", "expected base64"),
        ("\ud800+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "UTF-8 form"),
    ],
)
def test_a_key_that_is_not_canonical_is_refused(text: str, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        VerifierKey.parse(text)


@given(st.text(max_size=40))
def test_a_key_is_refused_or_is_the_one_that_is_written(text: str) -> None:
    try:
        key = VerifierKey.parse(text)
    except DecodeError:
        return
    assert str(key) == text


LINE = str(line())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "an empty line and signature lines"),
        (TEXT.encode(), "an empty line and signature lines"),
        (f"{TEXT}\n".encode(), "an empty line and signature lines"),
        (f"{TEXT}\n{LINE}".encode(), "an empty line and signature lines"),
        (f"{TEXT}{LINE}\n".encode(), "an empty line and signature lines"),
        (f"{TEXT}\n{LINE}\n\n".encode(), "an empty line and signature lines"),
        (f"{TEXT}\n\x00{LINE}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE} \n".encode(), "key name"),
        (f"{TEXT}\n {LINE}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE}\r\n".encode(), "expected base64"),
        (f"{TEXT}\n{LINE.replace('— ', '- ')}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE.replace('— ', '')}\n".encode(), "expected a signature line as it is written"),
        (f"{TEXT}\n{LINE.replace('/sakshi', '+sakshi')}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE.replace('/sakshi', chr(0x2003) + 'sakshi')}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE.replace('/sakshi', chr(0x85) + 'sakshi')}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE.replace('/sakshi', chr(1) + 'sakshi')}\n".encode(), "key name"),
        (f"{TEXT}\n{LINE.removesuffix('=')}\n".encode(), "expected base64"),
        (f"{TEXT}\n— a AAAAAA==\n".encode(), "expected a signature, got none"),
        (f"{TEXT}\n— a AAA=\n".encode(), "key id of 4 bytes"),
        (f"{TEXT}\n— a \n".encode(), "key id of 4 bytes"),
        (f"{TEXT}\n— a AAAAAAB=\n".encode(), "expected"),
        (f"{TEXT}\n— a AAAAAAC\n".encode(), "expected base64"),
        (f"a\tb\n\n{LINE}\n".encode(), "control characters"),
        (f"a\rb\n\n{LINE}\n".encode(), "control characters"),
        (f"a\x00b\n\n{LINE}\n".encode(), "control characters"),
        (b"\xff\n\n", "UTF-8, got byte 0"),
        (b"a\xed\xa0\x80\n\n", "UTF-8, got byte 1"),
        (b"a" * (MAX_NOTE_BYTES + 1), f"at most {MAX_NOTE_BYTES} bytes"),
    ],
)
def test_what_is_not_a_note_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        Note.parse(data)


def test_a_note_of_the_largest_size_is_read() -> None:
    tail = f"\n\n{LINE}\n".encode()
    data = b"a" * (MAX_NOTE_BYTES - len(tail)) + tail
    assert bytes(Note.parse(data)) == data


def test_a_line_separator_that_is_not_a_newline_stays_in_the_text() -> None:
    data = f"a\u2028b\n\n{LINE}\n".encode()
    assert Note.parse(data).text == "a\u2028b\n"


def test_base64_that_is_not_canonical_is_refused() -> None:
    good = f"{TEXT}\n— a {b64encode(bytes(5)).decode()}\n".encode()
    assert Note.parse(good).signatures[0].signature == b"\0"
    with pytest.raises(DecodeError, match="expected a signature line as it is written"):
        Note.parse(good.replace(b"AAAAAAA=", b"AAAAAAB="))


def test_a_note_has_1_to_64_signatures() -> None:
    assert len(Note.parse(bytes(note(*[line()] * MAX_SIGNATURES))).signatures) == MAX_SIGNATURES
    for count in (0, MAX_SIGNATURES + 1):
        with pytest.raises(DecodeError, match=f"expected 1 to {MAX_SIGNATURES} signatures, got {count}"):
            note(*[line()] * count)


def test_a_text_ends_in_a_newline_and_can_be_encoded() -> None:
    with pytest.raises(DecodeError, match="ends in a newline"):
        Note(text="hello", signatures=(line(),))
    with pytest.raises(DecodeError, match="UTF-8 form"):
        Note(text="\udc80\n", signatures=(line(),))


def test_a_note_cut_anywhere_or_with_bytes_behind_is_refused() -> None:
    for length in range(len(GO_NOTE)):
        with pytest.raises(DecodeError):
            Note.parse(GO_NOTE[:length])
    with pytest.raises(DecodeError):
        Note.parse(GO_NOTE + b"x")


def test_every_flipped_bit_of_the_go_note_is_refused() -> None:
    key = VerifierKey.parse(GO_KEY)
    for place in range(len(GO_NOTE)):
        for bit in range(8):
            data = bytearray(GO_NOTE)
            data[place] ^= 1 << bit
            with pytest.raises((DecodeError, VerificationError)):
                verify_note(Note.parse(bytes(data)), [key])


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode(errors="replace")))
@example(b"\n\n\n")
@example("\n\n— a AAAAAAA=\n".encode())
def test_bytes_are_refused_or_are_the_note_that_is_written(data: bytes) -> None:
    try:
        parsed = Note.parse(data)
    except DecodeError:
        return
    assert bytes(parsed) == data


@given(st.integers(0, len(GO_NOTE) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_an_edited_note_is_refused(place: int, put: bytes, cut: int) -> None:
    data = GO_NOTE[:place] + put + GO_NOTE[place + cut :]
    if data != GO_NOTE:
        try:
            verified = verify_note(Note.parse(data), [VerifierKey.parse(GO_KEY)])
        except (DecodeError, VerificationError):
            return
        pytest.fail(f"accepted {verified}")


def test_1_refuses_a_known_key_whose_signature_does_not_verify() -> None:
    good = line()
    forged = SignatureLine(name=good.name, key_id=good.key_id, signature=line(2).signature)
    with pytest.raises(VerificationError, match=r"\(1\) expected a valid signature by discom.example/sakshi/0"):
        verify_note(note(forged), [log_key()])
    with pytest.raises(VerificationError, match=r"\(1\)"):
        verify_note(note(line(3), forged), [log_key(), log_key(3)])


@pytest.mark.parametrize("length", [1, 63, 65])
def test_1_refuses_a_signature_of_another_length(length: int) -> None:
    good = line()
    cut = SignatureLine(name=good.name, key_id=good.key_id, signature=(good.signature + b"\0")[:length])
    with pytest.raises(VerificationError, match=r"\(1\)"):
        verify_note(note(cut), [log_key()])


def test_2_refuses_a_second_signature_by_one_key() -> None:
    with pytest.raises(VerificationError, match=r"\(2\) expected one signature by discom.example/sakshi/0"):
        verify_note(note(line(), line()), [log_key()])


def test_3_refuses_a_note_that_no_pinned_key_signed() -> None:
    with pytest.raises(VerificationError, match=r"\(3\) expected a signature by a pinned key"):
        verify_note(note(line(2)), [log_key(1)])
    with pytest.raises(VerificationError, match=r"\(3\)"):
        verify_note(note(line(2)), [])


def test_known_signatures_may_be_none() -> None:
    assert known_signatures(note(line(2)), [log_key(1)]) == ()


def test_lines_that_share_only_the_name_or_only_the_id_with_a_pinned_key_are_ignored() -> None:
    good = line()
    same_name = SignatureLine(name=good.name, key_id=b"\0\0\0\0", signature=b"x")
    same_id = SignatureLine(name="other.example", key_id=good.key_id, signature=b"x")
    (signature,) = verify_note(note(same_name, same_id, good), [log_key()])
    assert signature.key == log_key()


def test_a_cosignature_signs_the_time_and_the_text_as_the_standard_says() -> None:
    key = witness_key(7)
    cosigned = cosign_text(TEXT, key, private(7), at_utc=1_679_315_147)
    assert cosigned.signature[:8] == bytes.fromhex("00000000641850cb")
    private(7).public_key().verify(cosigned.signature[8:], b"cosignature/v1\ntime 1679315147\nhello\n")
    (signature,) = verify_note(note(cosigned), [key])
    assert (signature.key, signature.at_utc) == (key, 1_679_315_147)


def test_a_cosignature_seen_elsewhere_is_taken_apart_at_the_right_bytes() -> None:
    """From transparency-dev/formats: its time is 1727964367."""
    text = "ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJXORmnFBOBA=="
    parsed = SignatureLine.parse(f"— w {text}")
    assert parsed.key_id.hex() == "646846b9"
    assert int.from_bytes(parsed.signature[:8], "big") == 1_727_964_367
    assert len(parsed.signature) == 72


def test_a_cosignature_with_another_time_does_not_verify() -> None:
    key = witness_key(7)
    cosigned = cosign_text(TEXT, key, private(7), at_utc=5)
    later = SignatureLine(name=key.name, key_id=key.key_id, signature=(6).to_bytes(8, "big") + cosigned.signature[8:])
    with pytest.raises(VerificationError, match=r"\(1\) expected a valid signature"):
        verify_note(note(later), [key])


def test_the_time_of_a_cosignature_ends_at_2_to_the_63() -> None:
    key = witness_key(7)
    last = cosign_text(TEXT, key, private(7), at_utc=MAX_TIME)
    assert verify_note(note(last), [key])[0].at_utc == 2**63 - 1
    for at_utc in (-1, MAX_TIME + 1):
        with pytest.raises(ValueError, match="expected UTC seconds from 0"):
            cosign_text(TEXT, key, private(7), at_utc=at_utc)
    beyond = private(7).sign(b"cosignature/v1\ntime 9223372036854775808\nhello\n")
    forged = SignatureLine(name=key.name, key_id=key.key_id, signature=(2**63).to_bytes(8, "big") + beyond)
    with pytest.raises(VerificationError, match=r"\(1\) expected a time up to"):
        verify_note(note(forged), [key])


def test_a_logs_signature_is_not_a_cosignature_nor_the_other_way_round() -> None:
    log, witness = log_key(7, "x.example"), witness_key(7, "x.example")
    assert log.key_id != witness.key_id
    signed = sign_text(TEXT, log, private(7))
    as_witness = SignatureLine(name="x.example", key_id=witness.key_id, signature=bytes(8) + signed.signature)
    with pytest.raises(VerificationError, match=r"\(1\)"):
        verify_note(note(as_witness), [witness])
    cosigned = cosign_text(TEXT, witness, private(7), at_utc=0)
    as_log = SignatureLine(name="x.example", key_id=log.key_id, signature=cosigned.signature[8:])
    with pytest.raises(VerificationError, match=r"\(1\)"):
        verify_note(note(as_log), [log])


def test_a_key_of_the_wrong_kind_does_not_sign() -> None:
    with pytest.raises(ValueError, match="expected a log's key"):
        sign_text(TEXT, witness_key(7), private(7))
    with pytest.raises(ValueError, match="expected a witness's key"):
        cosign_text(TEXT, log_key(7), private(7), at_utc=0)


def test_nothing_leaves_that_the_public_key_would_not_verify() -> None:
    with pytest.raises(KeyUnavailableError, match=r"private key is not that of discom\.example/sakshi/0"):
        sign_text(TEXT, log_key(1), private(2))
    with pytest.raises(KeyUnavailableError, match="correct the configured key"):
        cosign_text(TEXT, witness_key(1), private(2), at_utc=0)


def test_a_signer_that_gives_nothing_is_refused() -> None:
    class Silent:
        def sign(self, message: bytes, /) -> bytes:
            return b""

    with pytest.raises(KeyUnavailableError):
        sign_text(TEXT, log_key(1), Silent())


def test_an_error_shows_80_characters_of_what_it_got() -> None:
    for shown, got in [("+" * 80, "+" * 80), ("+" * 80 + "…", "+" * 81), ("+" * 80 + "…", "+" * 100_000)]:
        with pytest.raises(DecodeError) as refused:
            SignatureLine(name=got, key_id=bytes(4), signature=b"x")
        assert str(refused.value) == f"expected a key name without spaces and plus, got '{shown}'"
