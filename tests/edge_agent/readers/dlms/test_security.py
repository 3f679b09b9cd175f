"""Suite 0 byte for byte: against literals from primitives, and against dlms-cosem's own functions."""

import itertools

import pytest
from dlms_cosem import security as oracle
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError, MeterForgedError
from edge_agent.readers.dlms.hls import HlsAes, HlsGmac, Login
from edge_agent.readers.dlms.security import Cipher, CipherKeys, Policy, Secret, seal, unseal
from tests.edge_agent.readers.dlms.ciphered import (
    AK,
    CLIENT,
    CTOS,
    EK,
    HLS,
    METER,
    STOC,
    Counters,
    client,
    ecb,
    gcm,
    keys,
)

PLAIN = bytes.fromhex("c001c100080000010000ff0200")
NONCE = bytes.fromhex("4d4d4d0000bc614e01234567")
"""The Green Book's example: system title MMM, counter 0x01234567."""


def test_the_green_books_example_of_a_ciphered_get_is_met() -> None:
    # Green Book, "Ciphering": EK 000102..0f, AK d0d1..df, title 4D4D4D0000BC614E, counter 01234567, GET of the clock.
    sealed = seal(Secret(EK), control=0x30, authentication=Secret(AK), nonce=NONCE, plain=PLAIN_OF_THE_BOOK)
    assert sealed.hex() == "411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
    tagged = seal(Secret(EK), control=0x10, authentication=Secret(AK), nonce=NONCE, plain=PLAIN_OF_THE_BOOK)
    assert tagged.hex() == PLAIN_OF_THE_BOOK.hex() + "06725d910f9221d263877516"


PLAIN_OF_THE_BOOK = bytes.fromhex("c0010000080000010000ff0200")


def control_field(control: int) -> oracle.SecurityControlField:
    return oracle.SecurityControlField(security_suite=0, authenticated=True, encrypted=bool(control & 0x20))


@given(st.binary(min_size=1, max_size=300), st.integers(0, 2**32 - 1))
def test_dlms_cosem_seals_and_opens_the_same_octets(plain: bytes, counter: int) -> None:
    nonce = METER + counter.to_bytes(4)
    sealed = seal(Secret(EK), control=0x30, authentication=Secret(AK), nonce=nonce, plain=plain)
    assert sealed == oracle.encrypt(control_field(0x30), METER, counter, EK, plain, AK)
    assert oracle.decrypt(control_field(0x30), METER, counter, EK, sealed, AK) == plain
    assert unseal(Secret(EK), control=0x30, authentication=Secret(AK), nonce=nonce, content=sealed) == plain


@given(st.binary(min_size=16, max_size=64), st.integers(0, 2**32 - 1))
def test_dlms_cosem_makes_the_same_gmac(challenge: bytes, counter: int) -> None:
    proof = client(Counters(own=counter)).gmac(challenge)
    assert proof[:5] == b"\x10" + counter.to_bytes(4)
    assert proof[5:] == oracle.gmac(control_field(0x10), CLIENT, counter, EK, AK, challenge)


@given(st.binary(min_size=1, max_size=64), st.sampled_from([0x10, 0x30]))
def test_the_one_shot_primitive_seals_the_same_octets(plain: bytes, control: int) -> None:
    sealed = seal(Secret(EK), control=control, authentication=Secret(AK), nonce=NONCE, plain=plain)
    assert sealed == gcm(EK, control, AK, NONCE, plain)
    assert unseal(Secret(EK), control=control, authentication=Secret(AK), nonce=NONCE, content=sealed) == plain


@pytest.mark.parametrize("control", [0x10, 0x30])
def test_any_other_octet_key_nonce_or_control_is_refused(control: int) -> None:
    sealed = gcm(EK, control, AK, NONCE, PLAIN)
    for at, bit in itertools.product(range(len(sealed)), range(8)):
        wrong = sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :]
        with pytest.raises(MeterForgedError, match="does not verify"):
            unseal(Secret(EK), control=control, authentication=Secret(AK), nonce=NONCE, content=wrong)
    for ek, ak, nonce, other in (
        (AK, AK, NONCE, control),
        (EK, EK, NONCE, control),
        (EK, AK, NONCE[::-1], control),
        (EK, AK, NONCE, control ^ 0x20),
        (EK, AK, NONCE, control | 0x40),
    ):
        with pytest.raises(MeterForgedError):
            unseal(Secret(ek), control=other, authentication=Secret(ak), nonce=nonce, content=sealed)


@pytest.mark.parametrize("size", range(12))
def test_a_content_shorter_than_its_tag_is_refused(size: int) -> None:
    with pytest.raises(MeterForgedError, match="tag of 12"):
        unseal(Secret(EK), control=0x30, authentication=Secret(AK), nonce=NONCE, content=bytes(size))


def test_a_request_is_byte_for_byte_what_the_primitives_give() -> None:
    counter = (5).to_bytes(4)
    body = b"\x30" + counter + gcm(EK, 0x30, AK, CLIENT + counter, PLAIN)
    assert client(Counters(own=5)).protect(PLAIN) == b"\xc8" + bytes([len(body)]) + body
    general = client(Counters(own=5))
    general.use_general()
    assert general.protect(PLAIN) == b"\xdb\x08" + CLIENT + bytes([len(body)]) + body
    dedicated = b"\x30" + counter + gcm(STOC, 0x30, AK, CLIENT + counter, PLAIN)
    assert client(Counters(own=5), dedicated=STOC).protect(PLAIN) == b"\xd0" + bytes([len(body)]) + dedicated


def answer(counter: int, plain: bytes = b"\xc4\x01\xc1\x00\x00", key: bytes = EK, control: int = 0x30) -> bytes:
    octets = counter.to_bytes(4)
    body = bytes([control]) + octets + gcm(key, control, AK, METER + octets, plain)
    return b"\xcc" + bytes([len(body)]) + body


def met() -> Cipher:
    cipher = client()
    cipher.meet(METER)
    return cipher


def test_answers_come_whole_and_with_nothing_behind() -> None:
    whole = answer(9)
    assert met().open(whole) == b"\xc4\x01\xc1\x00\x00"
    for octets in (*(whole[:cut] for cut in range(1, len(whole))), whole + b"\x00"):
        with pytest.raises(MeterDecodeError):
            met().open(octets)


def test_the_counter_of_the_meter_rises_and_need_not_be_without_gaps() -> None:
    cipher = met()
    for counter in (0, 1, 100, 0xFFFF_FFFF):
        cipher.open(answer(counter))
    with pytest.raises(MeterForgedError, match="above 4294967295"):
        cipher.open(answer(0xFFFF_FFFF))


def test_a_forged_answer_moves_no_counter() -> None:
    cipher = met()
    forged = answer(500, key=AK)
    with pytest.raises(MeterForgedError):
        cipher.open(forged)
    assert cipher.open(answer(1))


def test_what_is_inside_is_what_its_form_names() -> None:
    with pytest.raises(MeterDecodeError, match="got 0xc7"):
        met().open(answer(1, plain=b"\xc7\x01"))


def test_an_answer_before_the_meters_title_is_known_is_refused() -> None:
    with pytest.raises(MeterForgedError, match="system title in its AARE"):
        client().open(answer(1))


@pytest.mark.parametrize("title", [b"", bytes(7), bytes(9), CLIENT])
def test_a_meter_has_a_title_of_its_own(title: bytes) -> None:
    with pytest.raises(MeterForgedError, match="own system title"):
        client().meet(title)


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_keys_have_16_octets_and_are_not_shown_when_they_have_not(size: int) -> None:
    for changed in ("encryption", "authentication"):
        with pytest.raises(ValueError, match=f"^expected an {changed} key of 16 octets$"):
            CipherKeys(**({"encryption": Secret(EK), "authentication": Secret(AK)} | {changed: Secret(b"k" * size)}))


def test_our_own_title_has_8_octets() -> None:
    with pytest.raises(ValueError, match="8 octets, got 7"):
        Cipher(keys=keys(), title=bytes(7), invocations=Counters(), policy=Policy.AUTHENTICATED)


def test_only_an_initiate_request_is_protected_as_one() -> None:
    with pytest.raises(ValueError, match="InitiateRequest"):
        client().protect_initiate(PLAIN)


@given(st.binary(max_size=80))
def test_any_octets_are_refused_as_a_reader_error(garbage: bytes) -> None:
    for form in (b"\xcc", b"\xd4", b"\xdb", b""):
        cipher = met()
        if form == b"\xdb":
            cipher.use_general()
        if form + garbage:
            with pytest.raises(MeterDecodeError):
                cipher.open(form + garbage)


def test_mechanism_2_encrypts_the_padded_challenge_of_the_other_side() -> None:
    hls = HlsAes(Secret(HLS), CTOS)
    assert hls.reply(STOC) == ecb(HLS, STOC)
    assert hls.reply(STOC[:9]) == ecb(HLS, STOC[:9] + bytes(7))
    assert hls.reply(STOC + b"ab") == ecb(HLS, STOC + b"ab" + bytes(14))
    assert hls.is_proven(ecb(HLS, CTOS))
    short = HlsAes(Secret(b"short"), CTOS)
    assert short.reply(STOC) == ecb(b"short" + bytes(11), STOC)
    # FIPS-197, appendix C.1.
    fips = HlsAes(Secret(EK), CTOS[::-1])
    assert fips.reply(CTOS).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"


@pytest.mark.parametrize("key", [b"", bytes(17)])
def test_a_key_of_mechanism_2_fits_one_block(key: bytes) -> None:
    with pytest.raises(ValueError, match="HLS key of 1 to 16"):
        HlsAes(Secret(key), CTOS)


@pytest.mark.parametrize("size", [0, 8, 15, 65])
def test_our_challenge_is_long_enough(size: int) -> None:
    with pytest.raises(ValueError, match="challenge of 16 to 64"):
        HlsAes(Secret(HLS), bytes(size))
    with pytest.raises(ValueError, match="challenge of 16 to 64"):
        HlsGmac(client(), bytes(size))


def test_a_proof_by_gmac_is_the_meters_and_about_our_challenge() -> None:
    def proof(title: bytes, challenge: bytes) -> bytes:
        return b"\x10" + bytes(4) + gcm(EK, 0x10, AK, title + bytes(4), challenge)[-12:]

    cipher = met()
    hls = HlsGmac(cipher, CTOS)
    assert hls.is_proven(proof(METER, CTOS))
    assert not hls.is_proven(proof(CLIENT, CTOS))
    assert not hls.is_proven(proof(METER, STOC))
    assert not hls.is_proven(proof(METER, CTOS)[:-1])
    assert not hls.is_proven(b"\x30" + proof(METER, CTOS)[1:])
    assert not HlsGmac(client(), CTOS).is_proven(proof(METER, CTOS))


def test_a_login_is_of_one_kind() -> None:
    with pytest.raises(ValueError, match="got both"):
        Login(password=Secret(b"pw"), handshake=HlsAes(Secret(HLS), CTOS))
    with pytest.raises(ValueError, match="keys for a ciphered"):
        Login(is_ciphered=True)


def test_a_secret_does_not_leave_its_process() -> None:
    with pytest.raises(TypeError):
        Secret(EK).__reduce__()
