"""Beckn HTTP signatures: the published vectors to the byte, and every refusal."""

import base64
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.signature import (
    HttpSigner,
    KeyId,
    ReplayCache,
    SignatureError,
    digest,
    digest_header,
    parse_header,
    public_key,
    signing_string,
    verify,
)

BODY = (
    b'{"meterId":"TEST_METER_SELLER_001","discomId":"TEST_DISCOM_SELLER","deliveryStartTime":"2026-04-26T04:30:00Z",'
    b'"deliveryEndTime":"2026-04-26T05:30:00Z","actualImported":-19.2,"status":"COMPLETED",'
    b'"clientReference":"alloc-TEST_METER_SELLER_001-20260426T043000Z-r1"}'
)
DIGEST = "OCdjeEzVWWQYLFHi7cyyKKRzO6o2QvEv0fMFiQgyNYQCzT9+lEsQDiYA3usT5xQr6zEXyab6310P/8ZMlfOV6w=="
SIGNATURE = "QdoknuooemPh2yiDb+sHkNOwVofkRFtisKgMz5syQ0HMRdffwC1oTsYaxA9fwIPGL7V1GLRYE4YF67jYfUM4Ag=="
CREATED, EXPIRES = 1777183200, 1777183500
HEADER = (
    'Signature keyId="discom.example.org|k1|ed25519",algorithm="ed25519",created="1777183200",expires="1777183500",'
    f'headers="(created) (expires) digest",signature="{SIGNATURE}"'
)
ACK_BODY = b'{"message":{"status":"ACK","messageId":"5a2d6940-71cc-44c7-b27b-d38c06ab929b"}}'
ACK_HEADER = (
    'Signature keyId="ledger.example.org|k1|ed25519",algorithm="ed25519",created="1777183201",expires="1777183501",'
    'headers="(created) (expires) digest request-signature",'
    'signature="FhKNepmovihXdKz9Z22+pfimfNWlM6QQQMofZUWLydS+DVHb01adrNFYGjEVD1+VOsvDL9kvu8uW53OTOFutBg=="'
)


def signer(subscriber: str, first_byte: int = 0) -> HttpSigner:
    seed = bytes(range(first_byte, first_byte + 32))
    return HttpSigner(KeyId(subscriber_id=subscriber, unique_key_id="k1"), Ed25519PrivateKey.from_private_bytes(seed))


DISCOM = signer("discom.example.org")
LEDGER = signer("ledger.example.org", 0x20)


def keys(key_id: KeyId) -> Ed25519PublicKey | None:
    known = {str(one.key_id): one.public_key_text for one in (DISCOM, LEDGER)}
    text = known.get(str(key_id))
    return public_key(text) if text else None


def test_the_vectors_keys_and_digests() -> None:
    assert len(BODY) == 263
    assert DISCOM.public_key_text == "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    assert LEDGER.public_key_text == "Kay64UG8yvCyLhqU000LxzYeUm0L/hLIl5S8kyKWbdc="
    assert digest(BODY) == DIGEST
    assert digest_header(BODY) == f"BLAKE-512={DIGEST}"
    assert (
        digest(ACK_BODY) == "dqLbYR6gg5PkCu8pPzmXAkjdFwSvVzeSFIwLsrM0IgLHWNHof4L4HaV5PD9VSK1z5kD6oLgRMjNM5x0JJjXzmA=="
    )


def test_the_request_vector_is_signed_to_the_byte() -> None:
    assert DISCOM.sign(BODY, created=CREATED, expires=EXPIRES) == HEADER


def test_the_answer_vector_signs_the_requests_signature_in_a_fourth_line() -> None:
    made = LEDGER.sign(ACK_BODY, created=CREATED + 1, expires=EXPIRES + 1, request_signature=SIGNATURE)
    assert made == ACK_HEADER


def test_the_request_vector_verifies() -> None:
    verified = verify(HEADER, BODY, now=CREATED, keys=keys)
    assert verified.key_id == DISCOM.key_id
    assert verified.signature_text == SIGNATURE
    assert not verified.names_request


def test_the_answer_vector_verifies_with_the_requests_signature() -> None:
    assert verify(ACK_HEADER, ACK_BODY, now=CREATED, keys=keys, request_signature=SIGNATURE).names_request


def test_an_answer_is_refused_when_its_request_is_not_known() -> None:
    with pytest.raises(SignatureError, match="request is not known"):
        verify(ACK_HEADER, ACK_BODY, now=CREATED, keys=keys)


def test_an_answer_to_another_request_is_refused() -> None:
    with pytest.raises(SignatureError, match="does not fit"):
        verify(ACK_HEADER, ACK_BODY, now=CREATED, keys=keys, request_signature=SIGNATURE[:-3] + "A==")


def test_three_lines_verify_where_the_request_is_known_too() -> None:
    assert verify(HEADER, BODY, now=CREATED, keys=keys, request_signature="AAAA").key_id == DISCOM.key_id


def test_the_documents_own_signature_verifies_over_its_printed_digest() -> None:
    printed = "b6lf6lRgOweajukcvcLsagQ2T60+85kRh/Rd2bdS+TG/5ALebOEgDJfyCrre/1+BMu5nA94o4DT3pTFXuUg7sw=="
    made = "cjbhP0PFyrlSCNszJM1F/YmHDVAWsZqJUPzojnE/7TJU3fJ/rmIlgaUHEr5E0/2PIyf0tpSnWtT6cyNNlpmoAQ=="
    key = public_key("awGPjRK6i/Vg/lWr+0xObclVxlwZXvTjWYtlu6NeOHk=")
    key.verify(base64.b64decode(made), signing_string(printed, 1641287875, 1641291475))


def test_the_signing_string_has_no_last_line_feed() -> None:
    assert signing_string("D", 1, 2) == b"(created): 1\n(expires): 2\ndigest: BLAKE-512=D"
    assert signing_string("D", 1, 2, "S") == b"(created): 1\n(expires): 2\ndigest: BLAKE-512=D\nrequest-signature: S"


def _signed_over(text: bytes) -> str:
    seed = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return HEADER.replace(SIGNATURE, base64.b64encode(seed.sign(text)).decode())


def _text(kind: str) -> bytes:
    import hashlib

    raw = {
        "sha512": hashlib.sha512(BODY).digest(),
        "sha256": hashlib.sha256(BODY).digest(),
        "blake2s": hashlib.blake2s(BODY).digest(),
        "blake2b-256": hashlib.blake2b(BODY, digest_size=32).digest(),
    }[kind]
    return signing_string(base64.b64encode(raw).decode(), CREATED, EXPIRES)


def test_a_signature_over_a_last_line_feed_is_refused() -> None:
    with pytest.raises(SignatureError, match="does not fit"):
        verify(_signed_over(signing_string(DIGEST, CREATED, EXPIRES) + b"\n"), BODY, now=CREATED, keys=keys)


@pytest.mark.parametrize("kind", ["sha512", "sha256", "blake2s", "blake2b-256"])
def test_another_digest_than_blake2b_512_is_refused(kind: str) -> None:
    with pytest.raises(SignatureError, match="does not fit"):
        verify(_signed_over(_text(kind)), BODY, now=CREATED, keys=keys)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'":', b'": '),
        lambda body: body + b"\n",
        lambda body: body[:-1],
        lambda body: body.replace(b"-19.2", b"-19.20"),
    ],
)
def test_a_body_that_was_serialised_again_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(SignatureError, match="AUT_SIGNATURE_INVALID"):
        verify(HEADER, change(BODY), now=CREATED, keys=keys)


@pytest.mark.parametrize("now", [CREATED - 5, EXPIRES])
def test_five_seconds_of_skew_and_the_second_of_expiry_pass(now: int) -> None:
    assert verify(HEADER, BODY, now=now, keys=keys).key_id == DISCOM.key_id


@pytest.mark.parametrize("now", [CREATED - 6, EXPIRES + 1])
def test_six_seconds_of_skew_and_the_second_after_expiry_are_refused(now: int) -> None:
    with pytest.raises(SignatureError, match="check the clock") as caught:
        verify(HEADER, BODY, now=now, keys=keys)
    assert caught.value.code == "AUT_SIGNATURE_INVALID"


@pytest.mark.parametrize("header", [None, ""])
def test_a_missing_header_has_its_own_code(header: str | None) -> None:
    with pytest.raises(SignatureError) as caught:
        verify(header, BODY, now=CREATED, keys=keys)
    assert caught.value.code == "AUT_SIGNATURE_MISSING"


def test_an_unregistered_key_has_its_own_code() -> None:
    stranger = signer("stranger.example.org").sign(BODY, created=CREATED, expires=EXPIRES)
    with pytest.raises(SignatureError) as caught:
        verify(stranger, BODY, now=CREATED, keys=keys)
    assert caught.value.code == "AUT_KEY_NOT_FOUND"


def test_the_same_signature_twice_is_a_replay_until_it_expires() -> None:
    replays = ReplayCache()
    verify(HEADER, BODY, now=CREATED, keys=keys, replays=replays)
    for now in (CREATED, EXPIRES):
        with pytest.raises(SignatureError) as caught:
            verify(HEADER, BODY, now=now, keys=keys, replays=replays)
        assert caught.value.code == "AUT_REPLAY_DETECTED"


def test_another_spelling_of_the_same_signature_is_a_replay() -> None:
    replays = ReplayCache()
    verify(HEADER, BODY, now=CREATED, keys=keys, replays=replays)
    with pytest.raises(SignatureError, match="AUT_REPLAY_DETECTED"):
        verify(HEADER.replace('",', '", '), BODY, now=CREATED, keys=keys, replays=replays)


def test_a_refused_signature_is_not_remembered() -> None:
    replays = ReplayCache()
    with pytest.raises(SignatureError):
        verify(HEADER, BODY + b" ", now=CREATED, keys=keys, replays=replays)
    assert len(replays) == 0
    verify(HEADER, BODY, now=CREATED, keys=keys, replays=replays)
    assert len(replays) == 1


def test_the_replay_cache_forgets_what_has_expired() -> None:
    replays = ReplayCache()
    verify(HEADER, BODY, now=CREATED, keys=keys, replays=replays)
    later = DISCOM.sign(BODY, created=EXPIRES, expires=EXPIRES + 300)
    verify(later, BODY, now=EXPIRES, keys=keys, replays=replays)
    assert len(replays) == 2
    last = DISCOM.sign(BODY, created=EXPIRES + 1, expires=EXPIRES + 301)
    verify(last, BODY, now=EXPIRES + 1, keys=keys, replays=replays)
    assert len(replays) == 2


def test_spaces_after_commas_are_tolerated() -> None:
    assert verify(HEADER.replace('",', '" , '), BODY, now=CREATED, keys=keys).created == CREATED


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("Signature ", "Bearer ", "six attributes"),
        ('algorithm="ed25519",', "", "six attributes"),
        ('algorithm="ed25519",', 'algorithm="ed25519",algorithm="ed25519",', "six attributes"),
        ('algorithm="ed25519",', 'algorithm="ed25519",digest="x",', "six attributes"),
        ('created="1777183200"', "created=1777183200", "six attributes"),
        ('algorithm="ed25519"', 'algorithm="ED25519"', "algorithm"),
        ('algorithm="ed25519"', 'algorithm="hs2019"', "algorithm"),
        ("(created) (expires) digest", "(expires) (created) digest", "headers"),
        ("(created) (expires) digest", "(created) digest", "headers"),
        ('created="1777183200"', 'created="01777183200"', "created"),
        ('created="1777183200"', 'created="-1"', "created"),
        ('created="1777183200"', 'created="\uff11777183200"', "created"),
        ('expires="1777183500"', 'expires=""', "expires"),
        ('expires="1777183500"', 'expires="1777183500.0"', "expires"),
        ("|k1|ed25519", "|k1", "keyId"),
        ("|k1|ed25519", "|k1|x|ed25519", "keyId"),
        ("|k1|ed25519", "|k1|rsa", "keyId"),
        ("|k1|ed25519", "||ed25519", "unique_key_id"),
        ("discom.example.org|", "|", "subscriber_id"),
        (SIGNATURE, "AAAA", "64 bytes"),
        (SIGNATURE, SIGNATURE.replace("+", "-"), "base64"),
        (SIGNATURE, SIGNATURE[:-1], "base64"),
        (SIGNATURE, "", "64 bytes"),
    ],
)
def test_a_header_that_is_not_well_formed_names_the_attribute(old: str, new: str, named: str) -> None:
    assert old in HEADER
    with pytest.raises(SignatureError, match=named) as caught:
        parse_header(HEADER.replace(old, new))
    assert caught.value.code == "AUT_SIGNATURE_INVALID"


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused_with_the_one_error(text: str) -> None:
    with contextlib.suppress(SignatureError):
        parse_header(text)


@given(st.integers(0, len(HEADER) - 1), st.characters(codec="ascii"))
def test_no_change_of_one_character_says_something_else_and_verifies(place: int, letter: str) -> None:
    changed = HEADER[:place] + letter + HEADER[place + 1 :]
    try:
        verified = verify(changed, BODY, now=CREATED, keys=keys)
    except SignatureError:
        return
    assert verified == parse_header(HEADER)


@given(st.binary(max_size=200), st.integers(0, 2**32), st.integers(0, 10_000))
def test_what_is_signed_verifies(body: bytes, created: int, lifetime: int) -> None:
    header = DISCOM.sign(body, created=created, expires=created + lifetime)
    assert verify(header, body, now=created, keys=keys).created == created


def test_a_signer_never_shows_its_key() -> None:
    seed = bytes(range(32))
    for text in (repr(DISCOM), str(DISCOM)):
        assert text == "HttpSigner('discom.example.org|k1|ed25519')"
        assert base64.b64encode(seed).decode() not in text


def test_a_pem_key_signs_as_the_seed_does() -> None:
    pem = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    assert HttpSigner.from_pem(DISCOM.key_id, pem).sign(BODY, created=CREATED, expires=EXPIRES) == HEADER


def test_a_pem_of_another_kind_is_refused_without_its_content() -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for pem, said in ((other, "expected an Ed25519 key"), (b"secret-text", "expected an unencrypted PKCS #8 PEM")):
        with pytest.raises(SignatureError, match=said) as caught:
            HttpSigner.from_pem(DISCOM.key_id, pem)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "AAAA", "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", "x" * 44])
def test_a_public_key_that_is_not_32_bytes_of_base64_is_refused(text: str) -> None:
    with pytest.raises(SignatureError, match="32-byte"):
        public_key(text)


def test_a_memory_that_is_full_refuses_rather_than_forgets() -> None:
    replays = ReplayCache(2)
    headers = [parse_header(DISCOM.sign(BODY, created=CREATED, expires=EXPIRES + number)) for number in range(3)]
    assert replays.admit(headers[0], now=CREATED)
    assert replays.admit(headers[1], now=CREATED)
    with pytest.raises(SignatureError, match="NET_DOWNSTREAM_UNAVAILABLE"):
        replays.admit(headers[2], now=CREATED)
    assert not replays.admit(headers[0], now=CREATED)
    assert replays.admit(headers[2], now=EXPIRES + 1)
    assert not replays.admit(headers[1], now=EXPIRES + 1)


def test_one_of_many_threads_is_let_in() -> None:
    replays, header = ReplayCache(), parse_header(HEADER)
    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(lambda _: replays.admit(header, now=CREATED), range(200)))
    assert admitted.count(True) == 1
