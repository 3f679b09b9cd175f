"""Sealed meter keys: for one gateway, one meter, one role, and unchanged; and never plain where anybody looks."""

import stat
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterKeyError
from edge_agent.meter_keys import (
    FileWrappingKey,
    Role,
    WrappingKey,
    create_wrapping_key,
    open_wrapping_key,
    parse,
    parse_public_pem,
    public_pem,
    recipient,
    seal,
    unseal,
)
from edge_agent.readers.dlms.security import Secret

EK, AK, PASSWORD = bytes(range(16)), bytes(range(16, 32)), b"hunter2-hunter2"
GATEWAY = FileWrappingKey(ec.derive_private_key(7, ec.SECP256R1()))
SECRETS = {Role.ENCRYPTION: Secret(EK), Role.AUTHENTICATION: Secret(AK), Role.LLS: Secret(PASSWORD)}
SEALED = seal("M1", SECRETS, GATEWAY.public)


def opened(octets: bytes, wrapping: WrappingKey = GATEWAY) -> list[bytes | None]:
    keys = unseal(parse(octets, "file"), wrapping)
    return [None if key is None else key.reveal() for key in (keys.encryption, keys.authentication, keys.hls, keys.lls)]


def test_what_is_sealed_is_opened_by_its_gateway() -> None:
    assert opened(SEALED) == [EK, AK, None, PASSWORD]


def test_a_sealed_file_can_be_opened_from_its_description_alone() -> None:
    item = cbor2.loads(SEALED)
    private = ec.derive_private_key(7, ec.SECP256R1())
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), item[4]))
    context = ["sakshi meter keys", 1, "M1", "encryption", item[3]]
    info = cbor2.dumps([*context, item[4]], canonical=True)
    derived = HKDF(hashes.SHA256(), 44, salt=None, info=info).derive(shared)
    associated = cbor2.dumps(context, canonical=True)
    assert AESGCM(derived[:32]).decrypt(derived[32:], item[5]["encryption"], associated) == EK


def test_no_key_is_plain_in_a_sealed_file_and_no_two_files_are_alike() -> None:
    for key in (EK, AK, PASSWORD):
        assert key not in SEALED
    assert seal("M1", SECRETS, GATEWAY.public) != SEALED
    ciphertexts = parse(SEALED, "file").ciphertexts
    assert len({ciphertext[:8] for ciphertext in ciphertexts.values()}) == 3


def test_another_gateway_is_told_whose_it_is() -> None:
    other = FileWrappingKey(ec.derive_private_key(8, ec.SECP256R1()))
    with pytest.raises(MeterKeyError, match=f"wrapped for {recipient(GATEWAY.public).hex()[:16]}.*keys public"):
        opened(SEALED, other)


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_changed_octet_is_refused(at: int, bits: int) -> None:
    with pytest.raises(MeterKeyError) as caught:
        opened(SEALED[:at] + bytes([SEALED[at] ^ bits]) + SEALED[at + 1 :])
    assert caught.value.__cause__ is None


@given(st.binary(max_size=200))
def test_anything_else_is_refused(octets: bytes) -> None:
    with pytest.raises(MeterKeyError):
        parse(octets, "file")


@given(st.integers(0, len(SEALED) - 1))
def test_a_cut_file_and_one_with_more_behind_are_refused(cut: int) -> None:
    for octets in (SEALED[:cut], SEALED + b"\x00"):
        with pytest.raises(MeterKeyError):
            parse(octets, "file")


def changed(**changes: object) -> bytes:
    names = {"version": 1, "meter": 2, "recipient": 3, "point": 4, "ciphertexts": 5}
    item = cbor2.loads(SEALED) | {names[name]: value for name, value in changes.items()}
    return cbor2.dumps(item, canonical=True)


def test_keys_of_one_meter_or_role_are_worth_nothing_as_anothers() -> None:
    with pytest.raises(MeterKeyError, match="M2 were changed"):
        opened(changed(meter="M2"))
    texts = cbor2.loads(SEALED)[5]
    swapped = {"encryption": texts["authentication"], "authentication": texts["encryption"]}
    with pytest.raises(MeterKeyError, match="were changed"):
        opened(changed(ciphertexts=swapped))


@pytest.mark.parametrize(
    "octets",
    [
        changed(version=2),
        changed(meter="M/1"),
        changed(recipient=bytes(31)),
        changed(point=bytes(64)),
        changed(point="p"),
        changed(ciphertexts={}),
        changed(ciphertexts={"master": bytes(32)}),
        changed(ciphertexts={"lls": "text"}),
        cbor2.dumps([1], canonical=True),
    ],
)
def test_a_file_of_another_shape_is_refused(octets: bytes) -> None:
    with pytest.raises(MeterKeyError, match="keys wrap"):
        parse(octets, "file")


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    with pytest.raises(MeterKeyError, match="were changed"):
        opened(changed(point=b"\x04" + bytes(64)))


@pytest.mark.parametrize(
    ("role", "good", "bad"),
    [
        (Role.ENCRYPTION, (16,), (0, 15, 17)),
        (Role.AUTHENTICATION, (16,), (15, 17)),
        (Role.HLS, (1, 16), (0, 17)),
        (Role.LLS, (1, 64), (0, 65)),
    ],
)
def test_a_key_has_a_size_that_its_role_can_have(role: Role, good: tuple[int, ...], bad: tuple[int, ...]) -> None:
    for size in good:
        seal("M1", {role: Secret(bytes(size))}, GATEWAY.public)
    for size in bad:
        with pytest.raises(MeterKeyError, match=f"role '{role.value}'"):
            seal("M1", {role: Secret(bytes(size))}, GATEWAY.public)


def test_nothing_to_wrap_is_refused() -> None:
    with pytest.raises(MeterKeyError, match="at least one"):
        seal("M1", {}, GATEWAY.public)


def test_a_wrapping_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "wrapping.key"
    made = create_wrapping_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_wrapping_key(f"file:{path}").public == made.public
    with pytest.raises(MeterKeyError, match="must not exist"):
        create_wrapping_key(path)
    path.chmod(0o640)
    with pytest.raises(MeterKeyError, match="chmod 600"):
        open_wrapping_key(f"file:{path}")


def test_a_wrapping_key_that_is_none_is_refused_unquoted(tmp_path: Path) -> None:
    path = tmp_path / "wrapping.key"
    with pytest.raises(MeterKeyError, match="keys create"):
        open_wrapping_key(f"file:{path}")
    path.touch(mode=0o600)
    path.write_text("hunter2")
    with pytest.raises(MeterKeyError, match="PKCS #8") as caught:
        open_wrapping_key(f"file:{path}")
    assert "hunter2" not in repr(caught.value) + repr(caught.value.__cause__)
    other = ec.generate_private_key(ec.SECP384R1())
    path.write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(MeterKeyError, match="P-256"):
        open_wrapping_key(f"file:{path}")
    with pytest.raises(MeterKeyError, match="expected a key URI with one of the schemes file, got 'tpm2:…'"):
        open_wrapping_key("tpm2:0x81000001")


def test_the_public_half_travels_as_pem() -> None:
    pem = public_pem(GATEWAY)
    assert parse_public_pem(pem.encode(), "file") == GATEWAY.public
    with pytest.raises(MeterKeyError, match="keys public"):
        parse_public_pem(b"hunter2", "file")
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    text = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(MeterKeyError, match="P-256"):
        parse_public_pem(text, "file")


def test_nothing_shows_a_key() -> None:
    sealed = parse(SEALED, "file")
    shown = repr(GATEWAY) + repr(unseal(sealed, GATEWAY)) + repr(SECRETS)
    for key in (EK, AK, PASSWORD):
        assert key.hex() not in shown
        assert repr(key)[2:-1] not in shown
