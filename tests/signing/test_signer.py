"""Signers opened by URI: file keys that only their owner can read."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from signing.backends.file import create_key
from signing.errors import KeyUnavailableError
from signing.keys import Algorithm
from signing.signer import open_signer


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_created_key_is_opened_and_signs(tmp_path: Path, algorithm: Algorithm) -> None:
    path = tmp_path / "gateway.pem"
    created = create_key(str(path), algorithm)
    assert path.stat().st_mode & 0o777 == 0o600
    opened = open_signer(f"file:{path}")
    assert opened.public_key == created.public_key
    assert opened.public_key.algorithm is algorithm
    assert opened.public_key.verifies(opened.sign(b"m"), b"m")
    # Deterministic: RFC 6979 for P-256, RFC 8032 for Ed25519.
    assert opened.sign(b"m") == created.sign(b"m")


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "gateway.pem"
    create_key(str(path), Algorithm.ES256)
    before = path.read_bytes()
    with pytest.raises(KeyUnavailableError, match="must not exist yet"):
        create_key(str(path), Algorithm.ES256)
    assert path.read_bytes() == before


def _pem(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> Path:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    path.chmod(0o600)
    return path


def test_a_key_that_cannot_be_used_is_refused_with_the_remedy(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"-----BEGIN PRIVATE KEY-----\nsecret\n")
    garbage.chmod(0o600)
    curve = ec.generate_private_key(ec.SECP384R1())
    opened_to_all = _pem(tmp_path / "open.pem", ec.generate_private_key(ec.SECP256R1()))
    opened_to_all.chmod(0o644)
    for path, message in (
        (tmp_path / "none.pem", "none.pem"),
        (opened_to_all, "chmod 600"),
        (garbage, "not an unencrypted PKCS #8 PEM key"),
        (_pem(tmp_path / "p384.pem", curve), "neither a P-256 nor an Ed25519 key"),
        (_pem(tmp_path / "rsa.pem", rsa.generate_private_key(65_537, 2048)), "neither a P-256 nor an Ed25519 key"),
        (_pem(tmp_path / "locked.pem", curve, b"password"), "not an unencrypted PKCS #8 PEM key"),
    ):
        with pytest.raises(KeyUnavailableError, match=message) as caught:
            open_signer(f"file:{path}")
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["", "gateway.pem", "pkcs12:key", ":x"])
def test_an_unknown_scheme_is_refused_and_its_rest_not_shown(uri: str) -> None:
    with pytest.raises(KeyUnavailableError, match="file:"):
        open_signer(uri)
    with pytest.raises(KeyUnavailableError) as caught:
        open_signer("pin:1234")
    assert "1234" not in str(caught.value)
