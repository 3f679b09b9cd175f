"""Beckn HTTP signatures: sign and verify requests and answers, sans-io.

The signing string is three lines joined by LF, without a last LF; an answer to a request may add a fourth line naming the
request's signature::

    (created): 1777183200
    (expires): 1777183500
    digest: BLAKE-512=<base64 of BLAKE2b-512 of the raw body>
    request-signature: <base64 signature of the request>

"BLAKE-512" on the wire is BLAKE2b-512 (RFC 7693), unkeyed.
Source: Beckn protocol 2.0.0, "Signing Beckn APIs in HTTP"; beckn-onix signer and signvalidator.
"""

import base64
import binascii
import hashlib
import heapq
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ledger_client.ledger import LedgerError

SKEW_S = 5
"""How far in the future ``created`` may lie, seconds."""

DEFAULT_LIFETIME_S = 300
"""How long a signature is valid, seconds. Source: beckn-onix signs for 300 s."""

THREE_LINES = "(created) (expires) digest"
FOUR_LINES = "(created) (expires) digest request-signature"
_ATTRIBUTES = ("keyId", "algorithm", "created", "expires", "headers", "signature")
_PAIR = re.compile(r'([A-Za-z]+)="([^"]*)"')
_LIST = re.compile(r'Signature\s+([A-Za-z]+="[^"]*"(?:\s*,\s*[A-Za-z]+="[^"]*")*)\s*')
_SECONDS = re.compile(r"0|[1-9][0-9]{0,11}")
_NAME = re.compile(r'[^|"\s,]{1,255}')


class SignatureError(LedgerError):
    """A signature that must not be accepted; `code` is the network's word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


MISSING = "AUT_SIGNATURE_MISSING"
INVALID = "AUT_SIGNATURE_INVALID"
KEY_NOT_FOUND = "AUT_KEY_NOT_FOUND"
REPLAYED = "AUT_REPLAY_DETECTED"
BUSY = "NET_DOWNSTREAM_UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyId:
    """Who signs, with which of its keys: the subscriber and the registry's id of the key."""

    subscriber_id: str
    unique_key_id: str

    def __post_init__(self) -> None:
        for name, value in (("subscriber_id", self.subscriber_id), ("unique_key_id", self.unique_key_id)):
            if not _NAME.fullmatch(value):
                raise SignatureError(INVALID, f"expected a name without '|', quotes or spaces, got {value!r} in {name}")

    def __str__(self) -> str:
        return f"{self.subscriber_id}|{self.unique_key_id}|ed25519"

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The key that ``subscriber|key|ed25519`` names."""
        parts = text.split("|")
        if len(parts) != 3 or parts[2] != "ed25519":
            raise SignatureError(INVALID, f"expected subscriber|key|ed25519, got {text[:200]!r} in 'keyId'")
        return cls(subscriber_id=parts[0], unique_key_id=parts[1])


def digest(body: bytes) -> str:
    """The digest of a raw body as it stands in the signing string: standard base64 of BLAKE2b-512."""
    return base64.b64encode(hashlib.blake2b(body, digest_size=64).digest()).decode("ascii")


def digest_header(body: bytes) -> str:
    """The value of the ``Digest`` header of `body`."""
    return f"BLAKE-512={digest(body)}"


def signing_string(body_digest: str, created: int, expires: int, request_signature: str | None = None) -> bytes:
    """The bytes that are signed: three lines, or four with the request's base64 signature; never a last LF."""
    lines = [f"(created): {created}", f"(expires): {expires}", f"digest: BLAKE-512={body_digest}"]
    if request_signature is not None:
        lines.append(f"request-signature: {request_signature}")
    return "\n".join(lines).encode()


class HttpSigner:
    """One subscriber's Ed25519 key. It gives signatures and its public half, never itself."""

    def __init__(self, key_id: KeyId, key: Ed25519PrivateKey) -> None:
        self.key_id = key_id
        self._key = key

    def __repr__(self) -> str:
        return f"HttpSigner({str(self.key_id)!r})"

    @classmethod
    def from_pem(cls, key_id: KeyId, pem: bytes) -> Self:
        """The signer of an unencrypted PKCS #8 PEM.

        Raises:
            SignatureError: it is not one, or not Ed25519. The message holds no key material.
        """
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise SignatureError(KEY_NOT_FOUND, "expected an unencrypted PKCS #8 PEM private key") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SignatureError(KEY_NOT_FOUND, f"expected an Ed25519 key, got {type(key).__name__}")
        return cls(key_id, key)

    @property
    def public_key_text(self) -> str:
        """The public key as registries hold it: standard base64 of its 32 bytes."""
        return public_key_text(self._key.public_key())

    def sign(self, body: bytes, *, created: int, expires: int, request_signature: str | None = None) -> str:
        """The ``Authorization`` (or, for an answer, ``Signature``) header value for `body`; times in UTC seconds."""
        text = signing_string(digest(body), created, expires, request_signature)
        signature = base64.b64encode(self._key.sign(text)).decode("ascii")
        headers = THREE_LINES if request_signature is None else FOUR_LINES
        # No space after a comma: receivers look for the marker `,signature="`.
        return (
            f'Signature keyId="{self.key_id}",algorithm="ed25519",created="{created}",expires="{expires}",'
            f'headers="{headers}",signature="{signature}"'
        )


def public_key_text(key: Ed25519PublicKey) -> str:
    """`key` as registries hold it: standard base64 of its 32 bytes."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode("ascii")


def public_key(text: str) -> Ed25519PublicKey:
    """The key that a registry holds as standard base64 of 32 bytes.

    Raises:
        SignatureError: the text is anything else.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error) as error:
        raise SignatureError(KEY_NOT_FOUND, "expected standard base64 of a 32-byte Ed25519 public key") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureHeader:
    """A parsed header: well formed, nothing verified yet."""

    key_id: KeyId
    created: int
    expires: int
    names_request: bool
    """Whether the fourth line, the request's signature, is signed too."""
    signature: bytes

    @property
    def signature_text(self) -> str:
        """The signature as standard base64, as an answer's fourth line quotes it."""
        return base64.b64encode(self.signature).decode("ascii")


def parse_header(text: str) -> SignatureHeader:
    """The header in `text`: exactly the six attributes, each once; spaces around commas are tolerated.

    Raises:
        SignatureError: with code AUT_SIGNATURE_INVALID, naming the attribute.
    """
    listed = _LIST.fullmatch(text.strip())
    pairs = _PAIR.findall(listed.group(1)) if listed else []
    found = dict(pairs)
    if len(pairs) != len(_ATTRIBUTES) or set(found) != set(_ATTRIBUTES):
        raise SignatureError(INVALID, f"expected Signature with the six attributes {', '.join(_ATTRIBUTES)}")
    if found["algorithm"] != "ed25519":
        raise SignatureError(INVALID, f"expected ed25519, got {found['algorithm'][:40]!r} in 'algorithm'")
    if found["headers"] not in (THREE_LINES, FOUR_LINES):
        raise SignatureError(INVALID, f"expected {THREE_LINES!r}, got {found['headers'][:80]!r} in 'headers'")
    for name in ("created", "expires"):
        if not _SECONDS.fullmatch(found[name]):
            raise SignatureError(INVALID, f"expected Unix seconds, got {found[name][:40]!r} in '{name}'")
    return SignatureHeader(
        key_id=KeyId.parsed(found["keyId"]),
        created=int(found["created"]),
        expires=int(found["expires"]),
        names_request=found["headers"] == FOUR_LINES,
        signature=_signature_bytes(found["signature"]),
    )


def _signature_bytes(text: str) -> bytes:
    """The 64 bytes of a base64 signature."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise SignatureError(INVALID, "expected standard base64 in 'signature'") from error
    if len(raw) != 64:
        raise SignatureError(INVALID, f"expected 64 bytes, got {len(raw)} in 'signature'")
    return raw


class Replays(Protocol):
    """What remembers signatures: in memory, or in a database that outlives a restart."""

    def admit(self, header: SignatureHeader, *, now: int) -> bool:
        """Whether this signature is new; remembers it until it has expired. MUST be called only with a verified one.

        Raises:
            SignatureError: with code NET_DOWNSTREAM_UNAVAILABLE, when no more can be remembered.
        """
        ...


MAX_REMEMBERED = 1_000_000
"""Most signatures that one cache remembers at once: some hundred MB, and an hour of three hundred requests a second."""


class ReplayCache:
    """The signatures seen and not yet expired. In memory: a restart forgets at most one signature lifetime.

    Safe to use from several threads. One that is full refuses rather than forgets: what it forgot could be sent again.
    """

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        self._most = most
        self._seen: set[tuple[str, bytes]] = set()
        self._by_expiry: list[tuple[int, tuple[str, bytes]]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._seen)

    def admit(self, header: SignatureHeader, *, now: int) -> bool:
        """Whether this signature is new; see `Replays.admit`."""
        # Keyed by the bytes: base64 text has several spellings of one signature.
        key = (str(header.key_id), header.signature)
        with self._lock:
            while self._by_expiry and self._by_expiry[0][0] < now:
                self._seen.discard(heapq.heappop(self._by_expiry)[1])
            if key in self._seen:
                return False
            if len(self._seen) >= self._most:
                raise SignatureError(
                    BUSY, f"{self._most} signatures are remembered, and none has expired: send it later"
                )
            self._seen.add(key)
            heapq.heappush(self._by_expiry, (header.expires, key))
        return True


KeyLookup = Callable[[KeyId], Ed25519PublicKey | None]
"""Gives the registered key, or None where there is none or it is revoked."""


def verify(
    header: str | None,
    body: bytes,
    *,
    now: int,
    keys: KeyLookup,
    replays: Replays | None = None,
    request_signature: str | None = None,
) -> SignatureHeader:
    """The verified header of `body`, received at `now` (UTC seconds).

    `request_signature` is the base64 signature of the request that this answers, for a four-line signature. Without
    `replays` a repeated signature passes: give one wherever the message has an effect.

    Source: beckn-onix signvalidator: ``created`` at most 5 s in the future, no tolerance after ``expires``.

    Raises:
        SignatureError: with the network's code; nothing is remembered of a refused signature.
    """
    if not header:
        raise SignatureError(MISSING, "expected a signature header")
    parsed = parse_header(header)
    if parsed.created > now + SKEW_S:
        raise SignatureError(
            INVALID, f"created {parsed.created} lies more than {SKEW_S} s after {now}: check the clock"
        )
    if now > parsed.expires:
        raise SignatureError(INVALID, f"expired at {parsed.expires}, it is {now}: check the clock")
    if parsed.names_request and request_signature is None:
        raise SignatureError(INVALID, "signed over a request's signature, and the request is not known here")
    key = keys(parsed.key_id)
    if key is None:
        raise SignatureError(KEY_NOT_FOUND, f"no registered key {parsed.key_id}")
    text = signing_string(
        digest(body), parsed.created, parsed.expires, request_signature if parsed.names_request else None
    )
    try:
        key.verify(parsed.signature, text)
    except InvalidSignature as error:
        raise SignatureError(INVALID, f"the signature of {parsed.key_id} does not fit this body") from error
    if replays is not None and not replays.admit(parsed, now=now):
        raise SignatureError(REPLAYED, f"this signature of {parsed.key_id} was seen before: sign each request anew")
    return parsed
