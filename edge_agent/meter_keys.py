"""Meters' keys: wrapped to the gateway from the discom's desk to the moment an association opens, and never plain on disk.

A sealed file is canonical CBOR: version, meter, recipient, an ephemeral public key, and one ciphertext for each role. Every
ciphertext has a key and nonce of its own: ECDH of the ephemeral key (P-256) with the gateway's wrapping key, HKDF-SHA-256 over
meter and role, AES-256-GCM with meter and role as associated data. A ciphertext of one meter or role is worth nothing as another's.
Sealing says for whom, not from whom: an import is an operator's act, under a name, in the audit trail.

Source: NIST SP 800-56A (one-pass Diffie-Hellman), RFC 5869 (HKDF), SP 800-38D (GCM).
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge_agent.errors import MeterKeyError
from edge_agent.readers.access import MeterKeys
from edge_agent.readers.dlms.security import KEY_OCTETS, Secret
from signing import canonical, fields
from signing.errors import DecodeError

VERSION: Final = 1
_CURVE: Final = ec.SECP256R1()
_KEY_SIZE, _NONCE_SIZE, _POINT_SIZE = 32, 12, 65
_PURPOSE: Final = "sakshi meter keys"
_FIELDS: Final = (1, 2, 3, 4, 5)


class Role(Enum):
    """What a secret is for."""

    ENCRYPTION = "encryption"
    """Global unicast encryption key, 16 octets."""
    AUTHENTICATION = "authentication"
    """Global authentication key, 16 octets."""
    HLS = "hls"
    """The shared key of HLS mechanism 2, 1 to 16 octets."""
    LLS = "lls"
    """A password, 1 to 64 octets."""


_SIZES: Final = {
    Role.ENCRYPTION: range(KEY_OCTETS, KEY_OCTETS + 1),
    Role.AUTHENTICATION: range(KEY_OCTETS, KEY_OCTETS + 1),
    Role.HLS: range(1, KEY_OCTETS + 1),
    Role.LLS: range(1, 65),
}


class WrappingKey(Protocol):
    """A gateway's private key for agreeing on keys; the backends keep it where it is."""

    @property
    def public(self) -> bytes:
        """Its public point, uncompressed."""

    def agree(self, ephemeral: bytes) -> bytes:
        """The secret shared with the holder of `ephemeral`, a public point.

        Raises:
            ValueError: when that is no point of the curve.
        """


class FileWrappingKey:
    """A wrapping key held in memory. `repr` shows nothing of it."""

    __slots__ = ("_key", "public")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = _point(key.public_key())

    def agree(self, ephemeral: bytes) -> bytes:
        """See `WrappingKey.agree`."""
        return self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, ephemeral))

    def __repr__(self) -> str:
        return f"FileWrappingKey({recipient(self.public).hex()[:16]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed file that is well formed; whether it opens only the gateway's key can tell."""

    octets: bytes
    meter: str
    recipient: bytes
    ephemeral: bytes
    ciphertexts: Mapping[Role, bytes]

    @property
    def fingerprint(self) -> bytes:
        """Names the file, for people: of the sealed octets, so that it tells nothing of a password in them."""
        return hashlib.sha256(self.octets).digest()[:8]


def recipient(public: bytes) -> bytes:
    """The digest that names a wrapping key."""
    return hashlib.sha256(public).digest()


def seal(meter: str, secrets: Mapping[Role, Secret], public: bytes) -> bytes:
    """The sealed file of a meter's `secrets` for the gateway whose wrapping key is `public`.

    Raises:
        MeterKeyError: naming the role, when a secret has a size that it cannot have, or there is none.
    """
    if not secrets:
        raise MeterKeyError("expected at least one key to wrap, got none")
    for role, secret in secrets.items():
        _require_size(role, secret.reveal())
    ephemeral = ec.generate_private_key(_CURVE)
    point = _point(ephemeral.public_key())
    shared = ephemeral.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public))
    to = recipient(public)
    ciphertexts = {}
    for role, secret in secrets.items():
        key, nonce = _derived(shared, meter, role, to, point)
        ciphertexts[role.value] = AESGCM(key).encrypt(nonce, secret.reveal(), _context(meter, role, to))
    return canonical.encode({1: VERSION, 2: meter, 3: to, 4: point, 5: ciphertexts})


def parse(octets: bytes, path: str) -> Sealed:
    """The sealed file in `octets`.

    Raises:
        MeterKeyError: naming `path`, when it is none.
    """
    try:
        return _checked(octets, canonical.decode(octets, path), path)
    except (DecodeError, ValueError) as error:
        raise MeterKeyError(f"{error}: have it made by `sakshi-agent keys wrap`") from None


def _checked(octets: bytes, item: canonical.Item, path: str) -> Sealed:
    if not isinstance(item, dict) or tuple(item) != _FIELDS or item[1] != VERSION:
        raise DecodeError(f"expected sealed meter keys of version {VERSION} in '{path}'")
    to, point, ciphertexts = item[3], item[4], item[5]
    if not isinstance(to, bytes) or not isinstance(point, bytes) or not isinstance(ciphertexts, dict):
        raise DecodeError(f"expected digest, point and ciphertexts in '{path}'")
    roles = {role: text for role in Role if isinstance(text := ciphertexts.get(role.value), bytes)}
    if len(to) != canonical.DIGEST_SIZE or len(point) != _POINT_SIZE or len(roles) != len(ciphertexts) or not roles:
        raise DecodeError(f"expected a digest of 32 octets, a point of {_POINT_SIZE}, and ciphertexts in '{path}'")
    meter = fields.identifier(item[2], f"{path}: meter")
    return Sealed(octets=octets, meter=meter, recipient=to, ephemeral=point, ciphertexts=roles)


def unseal(sealed: Sealed, wrapping: WrappingKey) -> MeterKeys:
    """The keys in `sealed`.

    Raises:
        MeterKeyError: when it is for another gateway, or was changed; with the remedy.
    """
    to = recipient(wrapping.public)
    if sealed.recipient != to:
        raise MeterKeyError(
            f"the keys of meter {sealed.meter} are wrapped for {sealed.recipient.hex()[:16]}, this gateway is "
            f"{to.hex()[:16]}: have them wrapped for `sakshi-agent keys public`"
        )
    try:
        shared = wrapping.agree(sealed.ephemeral)
        found = {
            role: AESGCM(key).decrypt(nonce, ciphertext, _context(sealed.meter, role, to))
            for role, ciphertext in sealed.ciphertexts.items()
            for key, nonce in [_derived(shared, sealed.meter, role, to, sealed.ephemeral)]
        }
    except (InvalidTag, ValueError):
        raise MeterKeyError(f"the sealed keys of meter {sealed.meter} were changed: have them wrapped again") from None
    for role, octets in found.items():
        _require_size(role, octets)
    return MeterKeys(**{role.value: Secret(octets) for role, octets in found.items()})


def _require_size(role: Role, octets: bytes) -> None:
    allowed = _SIZES[role]
    if len(octets) not in allowed:
        sizes = f"{allowed[0]}" if len(allowed) == 1 else f"{allowed[0]} to {allowed[-1]}"
        raise MeterKeyError(f"expected {sizes} octets in the key of role '{role.value}', got another number")


def _derived(shared: bytes, meter: str, role: Role, to: bytes, ephemeral: bytes) -> tuple[bytes, bytes]:
    info = canonical.encode([_PURPOSE, VERSION, meter, role.value, to, ephemeral])
    octets = HKDF(hashes.SHA256(), _KEY_SIZE + _NONCE_SIZE, salt=None, info=info).derive(shared)
    return octets[:_KEY_SIZE], octets[_KEY_SIZE:]


def _context(meter: str, role: Role, to: bytes) -> bytes:
    return canonical.encode([_PURPOSE, VERSION, meter, role.value, to])


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def open_wrapping_key(uri: str) -> WrappingKey:
    """The wrapping key that `uri` names.

    Raises:
        MeterKeyError: with the remedy.
    """
    scheme, _, rest = uri.partition(":")
    if scheme not in WRAPPING_KEYS:
        raise MeterKeyError(f"expected a key URI with one of the schemes {', '.join(WRAPPING_KEYS)}, got '{scheme}:…'")
    return WRAPPING_KEYS[scheme](rest)


def _open_file(path: str) -> WrappingKey:
    try:
        if Path(path).stat().st_mode & 0o077:
            raise MeterKeyError(f"wrapping key '{path}' is open to others: run `chmod 600 {path}`")
        key = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
    except OSError as error:
        raise MeterKeyError(
            f"cannot read wrapping key '{path}' ({error.strerror}): run `sakshi-agent keys create`"
        ) from None
    except (ValueError, TypeError):
        # Without its cause: parsers may quote what they were given.
        raise MeterKeyError(f"wrapping key '{path}' is not an unencrypted PKCS #8 PEM key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MeterKeyError(f"wrapping key '{path}' is not a P-256 key")
    return FileWrappingKey(key)


WRAPPING_KEYS: dict[str, Callable[[str], WrappingKey]] = {"file": _open_file}
"""Schemes of a wrapping key's URI. `file:PATH` is a PKCS #8 PEM file that only its owner can read."""


def create_wrapping_key(path: Path) -> WrappingKey:
    """Makes a new wrapping key at `path` with mode 600. An existing file is never overwritten.

    Raises:
        MeterKeyError: the file exists or cannot be written.
    """
    key = ec.generate_private_key(_CURVE)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise MeterKeyError(f"cannot create wrapping key '{path}' ({error.strerror}): it must not exist yet") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pem)
        stream.flush()
        os.fsync(stream.fileno())
    return FileWrappingKey(key)


def public_pem(wrapping: WrappingKey) -> str:
    """The public half, for the discom: SubjectPublicKeyInfo in PEM."""
    key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, wrapping.public)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def parse_public_pem(text: bytes, path: str) -> bytes:
    """The public point in a PEM file.

    Raises:
        MeterKeyError: naming `path`, when it is none of P-256.
    """
    try:
        key = serialization.load_pem_public_key(text)
    except ValueError:
        raise MeterKeyError(
            f"expected a public key in PEM in '{path}', as `sakshi-agent keys public` prints it"
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MeterKeyError(f"expected a P-256 public key in '{path}'")
    return _point(key)
