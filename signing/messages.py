"""Messages between agent and head-end: `up` carries one batch, `down` its answer. Source: docs/wire-format.md §5."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from signing import fields
from signing.canonical import decode, encode
from signing.envelope import Envelope, from_item
from signing.errors import DecodeError
from signing.topics import MAX_MESSAGE

VERSION = 1
MAX_PATH = 64
"""Longest Merkle path: a tree of 2^64 leaves."""

_HASH_HEAD = b"\x58\x20"


@dataclass(frozen=True, slots=True)
class Up:
    """One batch on its way to the head-end. Nothing of it is verified yet."""

    envelope: Envelope
    opening: bytes
    """The opening as it came: canonical CBOR only if its hash and its decoding say so."""
    seen_size: int

    def encoded(self) -> bytes:
        """The canonical message."""
        return encode([VERSION, self.envelope.item(), self.opening, self.seen_size])

    def identity(self) -> bytes:
        """SHA-256 of the message without `seen_size`: what a Refusal answers."""
        return hashlib.sha256(encode([VERSION, self.envelope.item(), self.opening])).digest()


def parse_up(payload: bytes) -> Up:
    """The message in an MQTT payload.

    Raises:
        DecodeError: naming the part; also when it is longer than 65,536 bytes.
    """
    if len(payload) > MAX_MESSAGE:
        raise DecodeError(f"expected at most {MAX_MESSAGE} bytes, got {len(payload)} in 'up'")
    version, item, opening, seen_size = fields.array(decode(payload, "up"), 4, "up")
    fields.integer(version, "up.version", least=VERSION, most=VERSION)
    return Up(
        from_item(item, "up.sign1"),
        fields.byte_string(opening, "up.opening", most=MAX_MESSAGE),
        fields.uint(seen_size, "up.seen_size"),
    )


class DownKind(IntEnum):
    """What a `down` message holds."""

    RECEIPTS = 0
    REFUSAL = 1
    COMMAND = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """Where a statement stands in the log, and the path that proves it."""

    digest: bytes
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """Proof that batches are in the log, as of one checkpoint."""

    checkpoint: bytes
    """The signed note, as published."""
    old_size: int
    """The tree size that `consistency` starts from; 0 when it is empty."""
    consistency: tuple[bytes, ...]
    inclusions: tuple[Inclusion, ...]


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """A Refusal or a Command on its way to the agent; `kind` says which. Nothing is verified yet."""

    kind: DownKind
    envelope: Envelope


Down = Receipts | SignedAnswer


def encode_down(message: Down) -> bytes:
    """The canonical message."""
    if isinstance(message, SignedAnswer):
        return encode([VERSION, int(message.kind), message.envelope.item()])
    head = receipts_head(message.checkpoint, message.old_size, message.consistency)
    return receipts(head, [receipt(entry.digest, entry.index, entry.path) for entry in message.inclusions])


def receipts_head(checkpoint: bytes, old_size: int, consistency: Sequence[bytes]) -> bytes:
    """The first part of every receipt message under one checkpoint for one old size.

    A head-end makes thousands of these messages a second from few heads, so the parts are joined as bytes.
    """
    parts = encode([checkpoint, old_size, list(consistency)])
    # Six elements, of which these are the third to the fifth: the head of the array of three makes room.
    return b"\x86" + bytes([VERSION, DownKind.RECEIPTS]) + parts[1:]


def receipt(digest: bytes, index: int, path: Sequence[bytes]) -> bytes:
    """One receipt, to stand inside a message."""
    hashes = _HASH_HEAD + _HASH_HEAD.join(path) if path else b""
    return b"\x83" + _HASH_HEAD + digest + _head(0x00, index) + _head(0x80, len(path)) + hashes


def receipts(head: bytes, entries: Sequence[bytes]) -> bytes:
    """The canonical message of a head and one or more receipts."""
    return head + _head(0x80, len(entries)) + b"".join(entries)


def _head(major: int, value: int) -> bytes:
    """The shortest head of a canonical item: `major` is the major type in the upper three bits."""
    if value < 24:
        return bytes((major | value,))
    if value < 1 << 8:
        return bytes((major | 24, value))
    if value < 1 << 16:
        return ((major | 25) << 16 | value).to_bytes(3, "big")
    if value < 1 << 32:
        return ((major | 26) << 32 | value).to_bytes(5, "big")
    if value < 1 << 64:
        return ((major | 27) << 64 | value).to_bytes(9, "big")
    raise ValueError(f"expected a value below 2^64, got {value}")


def parse_down(payload: bytes) -> Down:
    """The answer in an MQTT payload.

    Raises:
        DecodeError: naming the part; also when it is longer than 65,536 bytes.
    """
    if len(payload) > MAX_MESSAGE:
        raise DecodeError(f"expected at most {MAX_MESSAGE} bytes, got {len(payload)} in 'down'")
    row = fields.sequence(decode(payload, "down"), "down", least=3, most=6)
    fields.integer(row[0], "down.version", least=VERSION, most=VERSION)
    kind = fields.member(row[1], DownKind, "down.kind")
    if kind is not DownKind.RECEIPTS:
        return SignedAnswer(kind, from_item(fields.array(row, 3, "down")[2], "down.sign1"))
    fields.array(row, 6, "down")
    entries = fields.sequence(row[5], "down.receipts", least=1)
    return Receipts(
        checkpoint=fields.byte_string(row[2], "down.checkpoint", most=8192),
        old_size=fields.uint(row[3], "down.old_size"),
        consistency=parse_path(row[4], "down.consistency"),
        inclusions=tuple(_inclusion(entry, f"down.receipts[{place}]") for place, entry in enumerate(entries)),
    )


def parse_path(value: object, path: str) -> tuple[bytes, ...]:
    """The hashes of a Merkle path. Raises `DecodeError` naming `path`."""
    return tuple(fields.digest(node, path) for node in fields.sequence(value, path, most=MAX_PATH))


def _inclusion(value: object, path: str) -> Inclusion:
    digest, index, nodes = fields.array(value, 3, path)
    return Inclusion(
        digest=fields.digest(digest, f"{path}.digest"),
        index=fields.uint(index, f"{path}.index"),
        path=parse_path(nodes, f"{path}.path"),
    )
