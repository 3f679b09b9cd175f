"""COSE_Sign1 envelopes: sign, parse, unseal.

A `Signed[S]` is proof that somebody checked: only the functions of this module make one. Parsing proves nothing yet; it keeps
the signed bytes as they came, so that what is verified is what was sent. Source: RFC 9052 §4; docs/wire-format.md §3.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, Self, TypeVar

import cbor2

from signing import fields
from signing.canonical import Item, decode, encode
from signing.errors import DecodeError, VerificationError
from signing.keys import SIGNATURE_SIZE, Algorithm, PublicKey, Signer

COSE_SIGN1_TAG = 18
_ALG, _CONTENT_TYPE, _KID = 1, 3, 4
_HEADER_KEYS = {_ALG, _CONTENT_TYPE, _KID}


class Statement(Protocol):
    """What can be signed: a value with one canonical payload."""

    CONTENT_TYPE: ClassVar[str]

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The statement that `payload` holds. Raises `DecodeError` naming the field."""


S = TypeVar("S", bound=Statement)
S_co = TypeVar("S_co", bound=Statement, covariant=True)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A well-formed COSE_Sign1 whose signature nobody has checked. Made by `parse`, `sign` and `rejoined`."""

    protected: bytes
    payload: bytes
    signature: bytes
    algorithm: int
    content_type: str
    kid: bytes
    to_be_signed: bytes
    """The encoded Sig_structure."""
    digest: bytes
    """SHA-256 of `to_be_signed`: the statement's identity, whatever the signature."""

    def item(self) -> Item:
        """The tagged array, to stand inside a message."""
        return cbor2.CBORTag(COSE_SIGN1_TAG, [self.protected, {}, self.payload, self.signature])

    def encoded(self) -> bytes:
        """The canonical bytes of the COSE_Sign1."""
        return encode(self.item())


@dataclass(frozen=True, slots=True)
class Signed(Generic[S_co]):
    """A statement with proof of who said it. Only `sign` and `unseal` make one."""

    statement: S_co
    envelope: Envelope

    @property
    def digest(self) -> bytes:
        """The statement's identity."""
        return self.envelope.digest

    @property
    def kid(self) -> bytes:
        """Thumbprint of the key that speaks."""
        return self.envelope.kid


def from_item(item: object, path: str = "sign1") -> Envelope:
    """The envelope in a decoded item.

    Raises:
        DecodeError: naming the part that is not as docs/wire-format.md §3 says.
    """
    if type(item) is not cbor2.CBORTag or item.tag != COSE_SIGN1_TAG:
        raise DecodeError(f"expected a COSE_Sign1 with tag {COSE_SIGN1_TAG} in '{path}'")
    # The library gives what stands under a tag as immutable containers: tuple and frozendict.
    content = list(item.value) if type(item.value) is tuple else item.value
    protected, unprotected, payload, signature = fields.array(content, 4, path)
    protected = fields.byte_string(protected, f"{path}.protected", most=256)
    if not isinstance(unprotected, Mapping) or unprotected:
        raise DecodeError(f"expected an empty unprotected header in '{path}'")
    payload = fields.byte_string(payload, f"{path}.payload", most=2**24)
    signature = fields.fixed_bytes(signature, SIGNATURE_SIZE, f"{path}.signature")
    algorithm, content_type, kid = headers_of(protected, path)
    return _envelope(protected, payload, signature, algorithm, content_type, kid)


def parse(encoded: bytes, path: str = "sign1") -> Envelope:
    """The envelope in canonical COSE_Sign1 bytes.

    Raises:
        DecodeError: naming the part.
    """
    return from_item(decode(encoded, path), path)


def sign(statement: S, signer: Signer) -> Signed[S]:
    """`statement` in an envelope signed by `signer`.

    Raises:
        KeyUnavailableError: the key cannot be used now.
    """
    key = signer.public_key
    protected = encode({_ALG: int(key.algorithm), _CONTENT_TYPE: statement.CONTENT_TYPE, _KID: key.kid})
    payload = statement.payload()
    to_be_signed = _to_be_signed(protected, payload)
    signature = signer.sign(to_be_signed)
    return Signed(
        statement, _envelope(protected, payload, signature, int(key.algorithm), statement.CONTENT_TYPE, key.kid)
    )


def rejoined(statement: Statement, key: PublicKey, signature: bytes) -> Envelope:
    """The envelope of a statement of which only the key and the signature were kept; nobody has checked it."""
    protected = encode({_ALG: int(key.algorithm), _CONTENT_TYPE: statement.CONTENT_TYPE, _KID: key.kid})
    return _envelope(protected, statement.payload(), signature, int(key.algorithm), statement.CONTENT_TYPE, key.kid)


def unseal(envelope: Envelope, kind: type[S], key: PublicKey) -> Signed[S]:
    """The statement of type `kind` that `key` signed in `envelope`.

    (1) the envelope names `key` (2) the algorithm is the key's (3) the content type is `kind`'s (4) the signature verifies.

    Raises:
        VerificationError: with the number of the check that fails.
        DecodeError: the payload is not a statement of this type.
    """
    # (1) - (3): which key, which algorithm and which type are under the signature, so a swap is visible here.
    _expect(envelope, kind, key)
    # (4): over the bytes as they came; nothing is re-serialised.
    if not key.verifies(envelope.signature, envelope.to_be_signed):
        raise VerificationError(4, f"the signature is not that of key {key.kid.hex()[:16]} over this statement")
    return Signed(kind.parse(envelope.payload), envelope)


def _expect(envelope: Envelope, kind: type[S], key: PublicKey) -> None:
    if envelope.kid != key.kid:
        raise VerificationError(1, f"expected key {key.kid.hex()[:16]}, got {envelope.kid.hex()[:16]}")
    if envelope.algorithm != key.algorithm:
        raise VerificationError(2, f"expected algorithm {int(key.algorithm)} for this key, got {envelope.algorithm}")
    if envelope.content_type != kind.CONTENT_TYPE:
        raise VerificationError(3, f"expected {kind.CONTENT_TYPE}, got {envelope.content_type}")


def headers_of(protected: bytes, path: str = "sign1") -> tuple[int, str, bytes]:
    """Algorithm, content type and kid of an encoded protected header.

    Raises:
        DecodeError: naming the part.
    """
    headers = decode(protected, f"{path}.protected")
    if type(headers) is not dict or headers.keys() != _HEADER_KEYS:
        raise DecodeError(f"expected exactly alg, content type and kid in '{path}.protected'")
    algorithm = fields.integer(headers[_ALG], f"{path}.protected.alg")
    if algorithm not in set(Algorithm):
        raise DecodeError(f"expected alg -7 (ES256) or -8 (EdDSA), got {algorithm} in '{path}.protected.alg'")
    content_type = fields.label(headers[_CONTENT_TYPE], f"{path}.protected.content_type")
    return algorithm, content_type, fields.digest(headers[_KID], f"{path}.protected.kid")


def _envelope(  # noqa: PLR0917 - one place that puts the parts together
    protected: bytes, payload: bytes, signature: bytes, algorithm: int, content_type: str, kid: bytes
) -> Envelope:
    to_be_signed = _to_be_signed(protected, payload)
    identity = hashlib.sha256(to_be_signed).digest()
    return Envelope(protected, payload, signature, algorithm, content_type, kid, to_be_signed, identity)


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052 §4.4 for COSE_Sign1 with empty external_aad."""
    return encode(["Signature1", protected, b"", payload])
