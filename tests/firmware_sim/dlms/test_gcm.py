"""Security suite 0 against the Green Book's examples and against the primitives."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.dlms.gcm import Keys, TagError, encrypt_challenge, gmac, seal, unseal
from firmware_sim.errors import SetupError
from tests.firmware_sim.dlms.ciphered_wire import AK, CLIENT, EK, KEYS, METER

GET_CLOCK = bytes.fromhex("C0010000080000010000FF0200")
CIPHERED = "411312FF935A47566827C467BC"


@pytest.mark.parametrize(
    ("control", "content"),
    [
        (0x10, "C0010000080000010000FF0200" + "06725D910F9221D263877516"),
        (0x20, CIPHERED),
        (0x30, CIPHERED + "7D825C3BE4A77C3FCC056B6B"),
    ],
    ids=["authenticated", "encrypted", "both"],
)
def test_the_green_books_request_is_protected_as_printed(control: int, content: str) -> None:
    assert seal(KEYS, control, METER, 0x01234567, GET_CLOCK).hex().upper() == content
    assert unseal(KEYS, control, METER, 0x01234567, bytes.fromhex(content)) == GET_CLOCK


def test_the_green_books_challenges_are_answered_as_printed() -> None:
    assert gmac(KEYS, CLIENT, 1, b"P6wRJ21F").hex().upper() == "1A52FE7DD3E72748973C1E28"
    assert gmac(KEYS, METER, 0x01234567, b"K56iVagY").hex().upper() == "FE1466AFB3DBCD4F9389E2B7"


@given(st.binary(max_size=80), st.integers(0, 2**32 - 1))
def test_what_is_sealed_is_gcm_and_opens(plain: bytes, counter: int) -> None:
    whole = AESGCM(EK).encrypt(METER + counter.to_bytes(4, "big"), plain, b"\x30" + AK)
    sealed = seal(KEYS, 0x30, METER, counter, plain)
    assert sealed == whole[:-4]
    assert unseal(KEYS, 0x30, METER, counter, sealed) == plain


@pytest.mark.parametrize("control", [0x10, 0x30])
def test_every_flipped_bit_is_noticed(control: int) -> None:
    sealed = seal(KEYS, control, METER, 7, GET_CLOCK)
    for place in range(len(sealed)):
        bent = bytearray(sealed)
        bent[place] ^= 1
        with pytest.raises(TagError):
            unseal(KEYS, control, METER, 7, bytes(bent))


@pytest.mark.parametrize(
    ("keys", "title", "counter"),
    [
        (Keys(encryption=AK, authentication=AK), METER, 7),
        (Keys(encryption=EK, authentication=EK), METER, 7),
        (KEYS, CLIENT, 7),
        (KEYS, METER, 8),
    ],
    ids=["encryption key", "authentication key", "title", "counter"],
)
def test_another_key_title_or_counter_does_not_open(keys: Keys, title: bytes, counter: int) -> None:
    with pytest.raises(TagError):
        unseal(keys, 0x30, title, counter, seal(KEYS, 0x30, METER, 7, GET_CLOCK))


def test_what_is_shorter_than_a_tag_does_not_open() -> None:
    with pytest.raises(TagError, match="a tag of 12 bytes, got 11"):
        unseal(KEYS, 0x30, METER, 7, bytes(11))


def test_a_challenge_is_encrypted_in_whole_blocks() -> None:
    # FIPS-197, appendix C.1.
    key = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert encrypt_challenge(key, block).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    assert encrypt_challenge(key, block[:9]) == encrypt_challenge(key, block[:9] + bytes(7))


def test_keys_have_sixteen_bytes_and_are_not_shown() -> None:
    with pytest.raises(SetupError, match="got 15 in 'authentication key'"):
        Keys(encryption=EK, authentication=AK[1:])
    assert repr(KEYS) == "Keys()"
