"""Public keys: their one encoding, their thumbprint, and what they verify.

The key fixes the algorithm: P-256 signs ES256, Ed25519 signs EdDSA, and any other pair is refused.
Source: RFC 9052 §7, RFC 9053 §§2.1, 2.2, 7, RFC 9679; docs/wire-format.md §3.
"""

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Protocol, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from signing import fields
from signing.canonical import Item, decode, encode
from signing.errors import DecodeError

_COORDINATE_SIZE = 32
SIGNATURE_SIZE = 64

_KTY, _CRV, _X, _Y = 1, -1, -2, -3
_KTY_OKP, _KTY_EC2 = 1, 2
_CRV_P256, _CRV_ED25519 = 1, 6
_PREHASHED = ec.ECDSA(Prehashed(hashes.SHA256()))


class Algorithm(IntEnum):
    """COSE algorithm numbers, one for each kind of key."""

    ES256 = -7
    EDDSA = -8


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key in its one encoding. Made by `parse_cose_key` or a signer; equal keys have equal `kid`s."""

    algorithm: Algorithm
    cose_key: bytes
    """The canonical COSE_Key."""
    kid: bytes
    """SHA-256 thumbprint of `cose_key` (RFC 9679), 32 bytes."""
    _loaded: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey = field(repr=False, compare=False)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (64 bytes, for ES256 raw r ‖ s) is this key's over `message`."""
        if len(signature) != SIGNATURE_SIZE:
            return False
        try:
            if self.algorithm is Algorithm.ES256:
                # hashlib is quicker at setting up a hash than the library is.
                hashed = hashlib.sha256(message).digest()
                cast("ec.EllipticCurvePublicKey", self._loaded).verify(_der(signature), hashed, _PREHASHED)
            else:
                cast("ed25519.Ed25519PublicKey", self._loaded).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Signer(Protocol):
    """A key pair that signs. Implementations MUST NOT expose the private key in any way."""

    @property
    def public_key(self) -> PublicKey:
        """The public half, which fixes the algorithm."""

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`: raw r ‖ s for P-256 (RFC 6979), RFC 8032 for Ed25519.

        Raises:
            KeyUnavailableError: the key cannot be used now.
        """


def parse_cose_key(encoded: bytes, path: str = "cose_key") -> PublicKey:
    """The key that canonical COSE_Key bytes hold.

    Loading a point costs more than reading it, so the same bytes give the same object.

    Raises:
        DecodeError: naming `path`, for another kind of key, a point off the curve, or other bytes of the same key.
    """
    fields.byte_string(encoded, path, most=128)
    return _load(encoded, path)


@lru_cache(maxsize=200_000)
def _load(encoded: bytes, path: str) -> PublicKey:
    item = decode(encoded, path)
    if type(item) is not dict:
        raise DecodeError(f"expected a COSE_Key map, got {type(item).__name__} in '{path}'")
    # To Python, `true` and 1.0 are 1: the same key under other bytes would have another thumbprint, and pass for another's.
    numbers = [number if type(number) is int else None for number in (item.get(_KTY), item.get(_CRV))]
    kind = (*numbers, tuple(sorted(key for key in item if type(key) is int)), len(item))
    loaded: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    try:
        if kind == (_KTY_EC2, _CRV_P256, (_Y, _X, _CRV, _KTY), 4):
            x = fields.fixed_bytes(item[_X], _COORDINATE_SIZE, f"{path}.x")
            y = fields.fixed_bytes(item[_Y], _COORDINATE_SIZE, f"{path}.y")
            loaded = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)
            algorithm = Algorithm.ES256
        elif kind == (_KTY_OKP, _CRV_ED25519, (_X, _CRV, _KTY), 3):
            x = fields.fixed_bytes(item[_X], _COORDINATE_SIZE, f"{path}.x")
            loaded = ed25519.Ed25519PublicKey.from_public_bytes(x)
            algorithm = Algorithm.EDDSA
        else:
            raise DecodeError(f"expected a P-256 or Ed25519 COSE_Key without other parameters in '{path}'")
    except ValueError as error:
        raise DecodeError(f"expected a point on the curve in '{path}'") from error
    return PublicKey(algorithm, encoded, hashlib.sha256(encoded).digest(), loaded)


def from_cryptography(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> PublicKey:
    """The `PublicKey` of a loaded key.

    Raises:
        DecodeError: when it is on another curve.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        return parse_cose_key(encode({_KTY: _KTY_OKP, _CRV: _CRV_ED25519, _X: key.public_bytes_raw()}))
    if not isinstance(key.curve, ec.SECP256R1):
        raise DecodeError(f"expected a key on P-256, got one on {key.curve.name}")
    numbers = key.public_numbers()
    point = {_X: numbers.x.to_bytes(_COORDINATE_SIZE, "big"), _Y: numbers.y.to_bytes(_COORDINATE_SIZE, "big")}
    return parse_cose_key(encode({_KTY: _KTY_EC2, _CRV: _CRV_P256, **point}))


def ed25519_bytes(key: PublicKey) -> bytes:
    """The 32 raw bytes of an Ed25519 key, as signed notes and Beckn registries hold them.

    Raises:
        DecodeError: it is a key of another kind.
    """
    item = decode(key.cose_key, "cose_key")
    if key.algorithm is not Algorithm.EDDSA or type(item) is not dict:
        raise DecodeError(f"expected an Ed25519 key, got one for {key.algorithm.name}")
    return fields.fixed_bytes(item[_X], _COORDINATE_SIZE, "cose_key.x")


def key_item(key: PublicKey) -> Item:
    """The COSE_Key map of `key`, to stand inside a statement."""
    return decode(key.cose_key, "cose_key")


def key_from_item(item: object, path: str) -> PublicKey:
    """The key that a COSE_Key map inside a statement holds.

    Raises:
        DecodeError: naming `path`.
    """
    if type(item) is not dict:
        raise DecodeError(f"expected a COSE_Key map, got {type(item).__name__} in '{path}'")
    return parse_cose_key(encode(cast("dict[int, Item]", item)), path)


def _der(signature: bytes) -> bytes:
    """The DER form of a raw signature r ‖ s: two integers, shortest, below zero never. Source: RFC 3279 §2.2.3; X.690 §8.3."""
    r, s = _der_integer(signature[:_COORDINATE_SIZE]), _der_integer(signature[_COORDINATE_SIZE:])
    return b"\x30%c%b%b" % (len(r) + len(s), r, s)


def _der_integer(value: bytes) -> bytes:
    digits = value.lstrip(b"\x00")
    # A first bit that is set would make it negative; zero has one digit.
    if not digits or digits[0] & 0x80:
        return b"\x02%c\x00%b" % (len(digits) + 1, digits)
    return b"\x02%c%b" % (len(digits), digits)
