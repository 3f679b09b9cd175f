"""Keys: one encoding, one thumbprint, one algorithm each."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st

from signing import keys
from signing.backends.file import FileSigner
from signing.errors import DecodeError
from signing.keys import Algorithm, ed25519_bytes, from_cryptography, key_from_item, key_item, parse_cose_key
from tests.vectors.world import EdKey, Key, dumps


@pytest.mark.parametrize(("key", "algorithm"), [(Key(1), Algorithm.ES256), (EdKey(1), Algorithm.EDDSA)])
def test_a_key_verifies_its_own_signatures_and_no_others(key: Key | EdKey, algorithm: Algorithm) -> None:
    public = parse_cose_key(dumps(key.cose))
    assert (public.algorithm, public.kid) == (algorithm, key.kid)
    signature = key.sign(b"message")
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"massage")
    for at in (0, 31, 32, 63):
        assert not public.verifies(signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :], b"message")
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(64), b"\xff" * 64):
        assert not public.verifies(wrong, b"message")


@pytest.mark.parametrize("key", [Key(1), EdKey(1)])
def test_a_key_stands_inside_a_statement_and_is_read_back(key: Key | EdKey) -> None:
    public = parse_cose_key(dumps(key.cose))
    assert key_item(public) == key.cose
    assert key_from_item(key_item(public), "key") == public


def test_a_thumbprint_is_that_of_rfc_9679() -> None:
    # RFC 9679 §5.1: SHA-256 over the deterministic encoding of the required parameters only, here P-256 with y as bytes.
    x = bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d")
    y = bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c")
    key = parse_cose_key(dumps({1: 2, -1: 1, -2: x, -3: y}))
    assert key.kid.hex() == "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"


GOOD: dict[Any, Any] = {**Key(1).cose}


@pytest.mark.parametrize(
    "item",
    [
        [],
        1,
        {},
        {**GOOD, 2: b"kid"},
        {**GOOD, "use": "sig"},
        {key: value for key, value in GOOD.items() if key != -3},
        {**GOOD, 1: 1},
        {**GOOD, -1: 2},
        {**GOOD, -2: b"short"},
        {**GOOD, -2: GOOD[-3]},
        {**GOOD, -3: True},
        # What Python takes for the same number: one key under two thumbprints would pass for two persons'.
        {**GOOD, 1: 2.0},
        {**GOOD, -1: True},
        {**GOOD, -1: 1.0},
        {1: True, -1: 6, -2: EdKey(1).public},
        {1: 1, -1: 6.0, -2: EdKey(1).public},
        {1: 1, -1: 6, -2: bytes(31)},
        {1: 1, -1: 6, -2: "x" * 32},
        {1: 1, -1: 7, -2: bytes(32)},
        {1: 1, -1: 6, -2: bytes(32), 3: -8},
    ],
)
def test_another_kind_of_key_is_refused(item: object) -> None:
    with pytest.raises(DecodeError, match="'key"):
        parse_cose_key(dumps(item), "key")
    with pytest.raises(DecodeError, match="'key"):
        key_from_item(item, "key")


def test_too_many_bytes_and_no_bytes_are_refused() -> None:
    for data in (b"", bytes(129), dumps(GOOD) + b"\0", b"\xa4"):
        with pytest.raises(DecodeError):
            parse_cose_key(data)


def test_a_key_on_another_curve_is_refused() -> None:
    with pytest.raises(DecodeError, match="secp384r1"):
        from_cryptography(ec.generate_private_key(ec.SECP384R1()).public_key())


def test_nothing_shows_a_private_key() -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    signer = FileSigner(private)
    shown = repr(signer) + repr(signer.public_key)
    assert signer.public_key.kid.hex() in repr(signer)
    assert "EllipticCurve" not in shown


def test_the_raw_bytes_of_an_ed25519_key_are_those_of_notes() -> None:
    assert ed25519_bytes(parse_cose_key(dumps(EdKey(1).cose))) == EdKey(1).public
    with pytest.raises(DecodeError, match="expected an Ed25519 key, got one for ES256"):
        ed25519_bytes(parse_cose_key(dumps(Key(1).cose)))


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
@example(0, 0)
@example(2**255, 2**255 - 1)
@example(127, 128)
@example(255, 256)
def test_a_raw_signature_has_the_der_form_that_the_library_gives_it(r: int, s: int) -> None:
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert keys._der(raw) == encode_dss_signature(r, s)
