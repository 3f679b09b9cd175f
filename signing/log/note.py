"""Signed notes: a text, and lines that say which keys signed it.

::

    <text, ending in a newline>
    <empty line>
    — <key name> <base64 of key id ‖ signature>          one line for each signature

A note's text means nothing until `verify_note` has found a signature by a pinned key. Two kinds of key exist here: a log's
(`ED25519`, signs the text) and a witness's (`COSIGNATURE_V1`, signs the text with a time before it).

Source: C2SP signed-note; tlog-cosignature, "Ed25519 signed message".
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signing.errors import DecodeError, KeyUnavailableError, SigningError, VerificationError

MAX_NOTE_BYTES = 1 << 18
"""Longer notes are refused unread: room for a checkpoint and dozens of post-quantum cosignatures."""

MAX_SIGNATURES = 64
"""More signature lines are refused. The standard demands at least 16."""

MAX_TIME = 2**63 - 1
"""Latest time a cosignature can state, in UTC seconds."""

_KEY_ID_BYTES = 4
_TIME_BYTES = 8
_ED25519_BYTES = 32
_DASH = "\u2014 "


class SignatureKind(IntEnum):
    """What a key signs and how; the value is the signature type byte of C2SP signed-note."""

    ED25519 = 0x01
    """Ed25519 over the note's text."""

    COSIGNATURE_V1 = 0x04
    """Eight bytes of time, then Ed25519 over "cosignature/v1", the time and the note's text."""


class MessageSigner(Protocol):
    """A private Ed25519 key that lives elsewhere."""

    def sign(self, message: bytes, /) -> bytes:
        """The 64-byte Ed25519 signature of `message` (RFC 8032, pure)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key under a name, pinned by whoever configures it."""

    name: str
    """Name in signature lines: not empty, no spaces, no plus."""

    kind: SignatureKind
    """What the key signs."""

    public: bytes
    """The Ed25519 public key, 32 bytes (RFC 8032)."""

    def __post_init__(self) -> None:
        _require_name(self.name)
        if len(self.public) != _ED25519_BYTES:
            raise DecodeError(f"expected an Ed25519 key of {_ED25519_BYTES} bytes, got {len(self.public)} in 'public'")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key that `text` states: ``<name>+<key id in hex>+<base64 of kind ‖ key>``.

        Raises:
            DecodeError: it is anything but what `str` writes for a key of a known kind, the key id included.
        """
        # The base64 part may hold a plus itself; a name never does.
        name, _, rest = text.partition("+")
        material = decode_base64(rest.partition("+")[2], "verifier key")
        try:
            kind = SignatureKind(material[0])
        except (IndexError, ValueError):
            raise DecodeError("expected a verifier key of type 1 or 4, got another type or none") from None
        key = cls(name=name, kind=kind, public=material[1:])
        if str(key) != text:
            raise DecodeError(f"expected the verifier key {str(key)!r}, got {_shown(text)}")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    @property
    def key_id(self) -> bytes:
        """Four bytes that, with the name, say which key made a signature."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_KEY_ID_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLine:
    """One signature of a note, not verified."""

    name: str
    """Name of the key that is said to have made it."""

    key_id: bytes
    """That key's id, 4 bytes."""

    signature: bytes
    """The signature, at least one byte, by the algorithm of that key."""

    def __post_init__(self) -> None:
        _require_name(self.name)
        if len(self.key_id) != _KEY_ID_BYTES:
            raise DecodeError(f"expected a key id of {_KEY_ID_BYTES} bytes, got {len(self.key_id)} in 'key_id'")
        if not self.signature:
            raise DecodeError("expected a signature, got none in 'signature'")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The signature that a line (without its newline) states.

        Raises:
            DecodeError: it is anything but what `str` writes.
        """
        name, _, encoded = text.removeprefix(_DASH).rpartition(" ")
        material = decode_base64(encoded, "signature line")
        line = cls(name=name, key_id=material[:_KEY_ID_BYTES], signature=material[_KEY_ID_BYTES:])
        if str(line) != text:
            raise DecodeError(f"expected a signature line as it is written, got {_shown(text)}")
        return line

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text with signature lines, none of them verified."""

    text: str
    """The text, its final newline included."""

    signatures: tuple[SignatureLine, ...]
    """At least one, in order."""

    def __post_init__(self) -> None:
        if not self.text.endswith("\n"):
            raise DecodeError("expected a text that ends in a newline in 'text'")
        if any(character < " " and character != "\n" for character in require_encodable(self.text, "text")):
            raise DecodeError("expected no control characters but newlines in 'text'")
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise DecodeError(f"expected 1 to {MAX_SIGNATURES} signatures, got {len(self.signatures)}")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The note that `data` is.

        Raises:
            DecodeError: it is not a note; its bytes are never anything but what `bytes` gives for it.
        """
        if len(data) > MAX_NOTE_BYTES:
            raise DecodeError(f"expected a note of at most {MAX_NOTE_BYTES} bytes, got {len(data)}")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError(f"expected UTF-8, got byte {error.start} of the note") from None
        # "The note text MAY contain empty lines; the text is separated from the signatures by the last empty line."
        text, separator, lines = whole.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise DecodeError("expected a text, an empty line and signature lines, each ending in a newline")
        # Not splitlines(): that would also end a line at U+2028 and others, which a note may hold.
        return cls(
            text=text + "\n",
            signatures=tuple(SignatureLine.parse(line) for line in lines.removesuffix("\n").split("\n")),
        )

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(f"{line}\n" for line in self.signatures)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that was verified."""

    key: VerifierKey
    """The key that made it."""

    at_utc: int | None
    """The time that a cosignature states, in UTC seconds; None for a log's signature, which states none."""


def sign_text(text: str, key: VerifierKey, signer: MessageSigner) -> SignatureLine:
    """The log's signature line for a note with `text`.

    Raises:
        ValueError: `key` is a witness's.
        KeyUnavailableError: `signer` holds another private key; nothing that cannot be verified leaves.
    """
    if key.kind is not SignatureKind.ED25519:
        raise ValueError(f"expected a log's key, got the witness key {key}")
    return _checked_line(text, key, signer.sign(text.encode()))


def cosign_text(text: str, key: VerifierKey, signer: MessageSigner, *, at_utc: int) -> SignatureLine:
    """The witness's signature line for a note with `text`, stating the time `at_utc` in UTC seconds.

    Raises:
        ValueError: `key` is a log's, or the time is out of range.
        KeyUnavailableError: `signer` holds another private key.
    """
    if key.kind is not SignatureKind.COSIGNATURE_V1:
        raise ValueError(f"expected a witness's key, got the log key {key}")
    if not 0 <= at_utc <= MAX_TIME:
        raise ValueError(f"expected UTC seconds from 0 to {MAX_TIME}, got {at_utc}")
    signature = signer.sign(_cosigned_message(text, at_utc))
    return _checked_line(text, key, at_utc.to_bytes(_TIME_BYTES, "big") + signature)


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> tuple[Signature, ...]:
    """The signatures of `note` by `keys`, at least one, in the note's order; lines of other keys are ignored.

    1. no line by one of the keys fails to verify
    2. no key has signed twice
    3. at least one line is by one of the keys

    Raises:
        VerificationError: with the number of the first check that fails.
    """
    found = known_signatures(note, keys)
    if not found:
        raise VerificationError(3, "expected a signature by a pinned key, got none")
    return found


def known_signatures(note: Note, keys: Iterable[VerifierKey]) -> tuple[Signature, ...]:
    """The signatures of `note` by `keys`, perhaps none, in the note's order: checks 1 and 2 of `verify_note`.

    Raises:
        VerificationError: with the number of the first check that fails.
    """
    pinned = {(key.name, key.key_id): key for key in keys}
    found: dict[VerifierKey, Signature] = {}
    for line in note.signatures:
        # The standard: "MUST ignore signatures from unknown keys, even if they share a name or ID (but not both)".
        key = pinned.get((line.name, line.key_id))
        if key is None:
            continue
        signature = _verified(note.text, key, line)
        if key in found:
            raise VerificationError(2, f"expected one signature by {key.name}, got a second one")
        found[key] = signature
    return tuple(found.values())


def _verified(text: str, key: VerifierKey, line: SignatureLine) -> Signature:
    message, signature, at_utc = text.encode(), line.signature, None
    if key.kind is SignatureKind.COSIGNATURE_V1:
        at_utc, signature = int.from_bytes(signature[:_TIME_BYTES], "big"), signature[_TIME_BYTES:]
        message = _cosigned_message(text, at_utc)
        if at_utc > MAX_TIME:
            raise VerificationError(1, f"expected a time up to {MAX_TIME}, got {at_utc} from {key.name}")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature:
        raise VerificationError(1, f"expected a valid signature by {key.name}, got one that does not verify") from None
    return Signature(key=key, at_utc=at_utc)


def _checked_line(text: str, key: VerifierKey, signature: bytes) -> SignatureLine:
    try:
        line = SignatureLine(name=key.name, key_id=key.key_id, signature=signature)
        _verified(text, key, line)
    except SigningError:
        raise KeyUnavailableError(f"the opened private key is not that of {key}: correct the configured key") from None
    return line


def _cosigned_message(text: str, at_utc: int) -> bytes:
    return f"cosignature/v1\ntime {at_utc}\n{text}".encode()


def _require_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise DecodeError(f"expected a key name without spaces and plus, got {_shown(name)}")
    require_encodable(name, "name")


def require_encodable(text: str, path: str) -> str:
    """`text` if it has a UTF-8 form.

    Raises:
        DecodeError: naming `path`, when it holds half a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DecodeError(f"expected text with a UTF-8 form, got {_shown(text)} in '{path}'") from None
    return text


def decode_base64(text: str, path: str) -> bytes:
    """The bytes of `text`; that it is their canonical form is for the caller to compare.

    Raises:
        DecodeError: naming `path`, when it is not base64 (RFC 4648 §4).
    """
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise DecodeError(f"expected base64, got {_shown(text)} in '{path}'") from None


def _shown(text: str) -> str:
    """`text` for an error message, whose length no stranger decides."""
    return repr(text if len(text) <= 80 else text[:80] + "…")
