"""Keys in files: PKCS #8 PEM, readable by their owner only.

For demonstrations, tests and head-ends without a security module. The private key is in memory while the program runs.
"""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from signing.errors import KeyUnavailableError
from signing.keys import Algorithm, PublicKey, from_cryptography

_PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
# Deterministic nonces (RFC 6979): a bad random source cannot leak the key, and vectors are reproducible.
_HASH = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class FileSigner:
    """A private key held in memory. `repr` shows the kid only."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: _PrivateKey) -> None:
        self._key = key
        self.public_key: PublicKey = from_cryptography(key.public_key())

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = decode_dss_signature(self._key.sign(message, _HASH))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def __repr__(self) -> str:
        return f"FileSigner(kid={self.public_key.kid.hex()})"


def open_key(path: str) -> FileSigner:
    """The signer of the key file at `path`.

    Raises:
        KeyUnavailableError: with the remedy.
    """
    try:
        if Path(path).stat().st_mode & _OTHERS:
            raise KeyUnavailableError(f"key file '{path}' is open to others: run `chmod 600 {path}`")
        pem = Path(path).read_bytes()
    except OSError as error:
        raise KeyUnavailableError(
            f"cannot read key file '{path}' ({error.strerror}): check the path, or create the key"
        ) from error
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        # The cause is dropped from the text: parsers may quote what they were given.
        raise KeyUnavailableError(f"key file '{path}' is not an unencrypted PKCS #8 PEM key") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return FileSigner(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return FileSigner(key)
    raise KeyUnavailableError(f"key file '{path}' holds neither a P-256 nor an Ed25519 key")


def open_public_key(path: str) -> PublicKey:
    """The public key in a PEM file (SubjectPublicKeyInfo), which anybody may read.

    Raises:
        KeyUnavailableError: with the remedy.
    """
    try:
        pem = Path(path).read_bytes()
    except OSError as error:
        raise KeyUnavailableError(f"cannot read key file '{path}' ({error.strerror}): check the path") from error
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise KeyUnavailableError(
            f"key file '{path}' is no public key in PEM: make it with `openssl pkey -in PRIVATE -pubout -out {path}`"
        ) from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return from_cryptography(key)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return from_cryptography(key)
    raise KeyUnavailableError(f"key file '{path}' holds neither a P-256 nor an Ed25519 key")


def create_key(path: str, algorithm: Algorithm) -> FileSigner:
    """Makes a new key at `path` with mode 600 and gives its signer. An existing file is never overwritten.

    Raises:
        KeyUnavailableError: the file exists or cannot be written.
    """
    key: _PrivateKey
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm is Algorithm.ES256
        else ed25519.Ed25519PrivateKey.generate()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyUnavailableError(
            f"cannot create key file '{path}' ({error.strerror}): it must not exist yet"
        ) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pem)
        stream.flush()
        os.fsync(stream.fileno())
    return FileSigner(key)
