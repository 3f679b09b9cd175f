"""A batch message read in one pass, for whoever reads thousands a second.

What this accepts, and what it finds, is exactly what `parse_up`, `ReadingBatch.parse` and `Opening.parse` accept and find: whatever
the patterns below do not cover goes to them, and so does every refusal. The patterns describe canonical bytes only (shortest
heads, no tags, no floats), so what matches needs no re-encoding to be compared with. Source: docs/wire-format.md §§2-5.
"""

import hashlib
import re
from functools import lru_cache
from typing import NamedTuple

import cbor2

from signing.envelope import headers_of
from signing.errors import DecodeError
from signing.interval import MAX_INSTANT
from signing.messages import Up, parse_up
from signing.statements.reading_batch import Opening, ReadingBatch
from signing.topics import MAX_MESSAGE

# Heads of canonical items. A multi-byte head whose value fits a shorter one is not canonical.
_UINT32 = rb"(?:\x1a(?!\x00\x00)....|[\x00-\x17]|\x18[\x18-\xff]|\x19[^\x00].)"
_INT32 = rb"(?:[\x19\x39][^\x00].|[\x18\x38][\x18-\xff]|[\x00-\x17\x20-\x37]|[\x1a\x3a](?!\x00\x00)....)"
_DIGEST = rb"\x58\x20.{32}"

_HEADER = re.compile(
    rb"\x8c"
    rb"(?:[\x61-\x77]|\x78[\x18-\x40])([A-Za-z0-9][A-Za-z0-9._:%-]{0,63})"  # meter
    + _UINT32  # sequence
    + _DIGEST  # previous
    + _UINT32  # start
    + rb"\x19(?:\x03\x84|\x07\x08|\x0e\x10)"  # period
    + rb"(?:[\x01-\x17]|\x18[\x18-\x60])"  # count
    + _UINT32  # reach
    + _UINT32  # read_at
    + rb"\x82(?:\xf6|"
    + _INT32
    + rb")[\x00-\x02]"  # clock
    + rb"[\x00-\x03]"  # origin
    + _DIGEST  # software
    + _DIGEST,  # contents
    re.DOTALL,
)
_ENERGY = rb"(?:\xf6|" + _INT32 + rb")"
_STAMP = rb"\x1a(?!\x00\x00)...."
_ENERGIES = _ENERGY + _ENERGY
_REGISTERS = (
    rb"(?:\x80|\x81\x83" + _STAMP + _ENERGIES + rb"|\x82\x83(?P<earlier>" + _STAMP + rb")" + _ENERGIES
    + rb"\x83(?P<later>" + _STAMP + rb")" + _ENERGIES + rb")"
)  # fmt: skip
_IDENTITY = rb"(?:\xf6|(?:[\x61-\x77]|\x78[\x18-\x80])(?P<identity>[ -~]{1,128}))"
_UINT16 = rb"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19[^\x00].)"

_PREFIX = b"\x84\x01\xd2\x84\x58"
"""An array of four, version 1, tag 18, an array of four, a byte string with a one-byte length."""
_SIG_STRUCTURE = b"\x84\x6aSignature1"
_SHORTEST_LONG = 24
_SIGNATURE = b"\x58\x40"


class BatchMessage(NamedTuple):
    """A well-formed `up` message whose envelope holds a `ReadingBatch`. Nobody has checked the signature or the opening."""

    kid: bytes
    algorithm: int
    content_type: str
    digest: bytes
    """The batch's identity."""
    to_be_signed: bytes
    signature: bytes
    sign1: bytes
    """The COSE_Sign1 as it came."""
    opening: bytes
    seen_size: int
    meter: str
    sequence: int
    previous: bytes
    start_utc: int
    end_utc: int
    blocks: int
    reach_utc: int
    contents: bytes

    def identity(self) -> bytes:
        """SHA-256 of the message without `seen_size`: what a Refusal answers."""
        length = len(self.opening)
        head = (
            bytes([0x40 + length])
            if length < _SHORTEST_LONG
            else bytes([0x58, length])
            if length < 1 << 8
            else b"\x59" + length.to_bytes(2, "big")
            if length < 1 << 16
            else b"\x5a" + length.to_bytes(4, "big")
        )
        return hashlib.sha256(b"\x83\x01" + self.sign1 + head + self.opening).digest()


def read_message(payload: bytes) -> BatchMessage:
    """The message in an MQTT payload, its envelope and its header.

    Raises:
        DecodeError: naming the part, as `parse_up`, `envelope.parse` and `ReadingBatch.parse` do, and for another content type.
    """
    parts = _split(payload) if len(payload) <= MAX_MESSAGE else None
    if parts is None:
        return _slowly(payload)
    protected, tail, header, signature, sign1, opening, seen_size = parts
    algorithm, content_type, kid = _headers(protected)
    if content_type != ReadingBatch.CONTENT_TYPE:
        return _slowly(payload)
    found = _HEADER.fullmatch(header)
    if found is None or not _is_length_of(found, 1, header):
        return _slowly(payload)
    meter, sequence, previous, start, period, count, reach, _, _, _, _, contents = cbor2.loads(header)
    end = start + period * count
    if end > MAX_INSTANT:
        return _slowly(payload)
    to_be_signed = _SIG_STRUCTURE + tail
    return BatchMessage(
        kid,
        algorithm,
        content_type,
        hashlib.sha256(to_be_signed).digest(),
        to_be_signed,
        signature,
        sign1,
        opening,
        seen_size,
        meter,
        sequence,
        previous,
        start,
        end,
        count,
        reach,
        contents,
    )


def check_opening(opening: bytes, count: int) -> None:
    """Check that `opening` is one of a batch of `count` blocks.

    Raises:
        DecodeError: naming the part, as `Opening.parse` does.
    """
    found = _plain_opening(count).fullmatch(opening)
    if found is None or not _is_sound(found, opening, count):
        Opening.parse(opening, count)


@lru_cache(maxsize=128)
def _plain_opening(count: int) -> re.Pattern[bytes]:
    """The plain openings of `count` blocks: at most two registers; every block with both energies, or every one without export.

    Each token says where it ends and every alternative begins with other bytes, so what matches is read in one way only and nothing
    is tried twice. What a pattern cannot say remains to be looked at, see `_is_sound`.
    """
    exports = _column(b"exports", _INT32, count)
    parts = (
        rb"\x84\x50.{16}",
        _IDENTITY,
        _REGISTERS,
        rb"\x85",
        _column(b"imports", _INT32, count),
        rb"(?:\xf6\x01|" + exports + rb"\x00)",  # an absent export, with its reason for all blocks
        _column(b"flags", _UINT16, count),
        _column(b"provenance", rb"[\x00\x01]", count),
    )
    return re.compile(b"".join(parts), re.DOTALL)


def _column(name: bytes, value: bytes, count: int) -> bytes:
    """One value, or an array of `count`: of two at least, since one value alone is no array."""
    if count == 1:
        return value
    head = re.escape(bytes([0x80 + count] if count < _SHORTEST_LONG else [0x98, count]))
    return rb"(?:%b|%b(?P<%b>%b{%d}+))" % (value, head, name, value, count)


def _split(data: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, int] | None:
    """Protected header, what follows "Signature1" in the Sig_structure, payload, signature, COSE_Sign1, opening, seen size.

    None when it is not the plain case: then the general parser says why, or finds it all the same.
    """
    try:
        length = data[5]
        protected_end = 6 + length
        payload_start = protected_end + 3
        payload_length = data[payload_start - 1]
        payload_end = payload_start + payload_length
        sign1_end = payload_end + 66
        if (
            not data.startswith(_PREFIX)
            or length < _SHORTEST_LONG
            or data[protected_end : protected_end + 2] != b"\xa0\x58"
            or payload_length < _SHORTEST_LONG
            or data[payload_end : payload_end + 2] != _SIGNATURE
        ):
            return None
        head = data[sign1_end]
        opening_start = sign1_end + (2 if head == 0x58 else 3)
        if head == 0x58 and data[sign1_end + 1] >= _SHORTEST_LONG:
            opening_end = opening_start + data[sign1_end + 1]
        elif head == 0x59 and data[sign1_end + 1]:
            opening_end = opening_start + (data[sign1_end + 1] << 8) + data[sign1_end + 2]
        else:
            return None
        seen_size = _last_uint(data, opening_end)
    except IndexError:
        return None
    if seen_size is None:
        return None
    protected = data[6:protected_end]
    payload = data[payload_start:payload_end]
    tail = data[4:protected_end] + b"\x40" + data[protected_end + 1 : payload_end]
    signature = data[payload_end + 2 : sign1_end]
    return protected, tail, payload, signature, data[2:sign1_end], data[opening_start:opening_end], seen_size


def _last_uint(data: bytes, at: int) -> int | None:
    """The canonical unsigned integer below 2^32 that fills `data` from `at` on, if there is one."""
    first, length = data[at], len(data) - at
    if length == 1 and first < _SHORTEST_LONG:
        return first
    value = int.from_bytes(data[at + 1 :], "big")
    if length == 5 and first == 0x1A and value >= 1 << 16:
        return value
    if length == 3 and first == 0x19 and value >= 1 << 8:
        return value
    if length == 2 and first == 0x18 and value >= _SHORTEST_LONG:
        return value
    return None


@lru_cache(maxsize=200_000)
def _headers(protected: bytes) -> tuple[int, str, bytes]:
    return headers_of(protected, "up.sign1")


def _is_length_of(found: re.Match[bytes], group: int | str, data: bytes) -> bool:
    """Whether the text head right before a group states the group's length: the pattern alone cannot say so."""
    start, end = found.span(group)
    length = end - start
    return data[start - 1] == (0x60 + length if length < _SHORTEST_LONG else length)


def _is_sound(found: re.Match[bytes], opening: bytes, count: int) -> bool:
    """Whether the identity is as long as its head says, stamps ascend, and no array stands for a column of equal values."""
    identity, earlier, later, *columns = found.groups()
    if identity is not None and not _is_length_of(found, "identity", opening):
        return False
    # Encoded alike, stamps compare as their bytes do.
    if earlier is not None and earlier >= later:
        return False
    for column in columns:
        if column is not None:
            size, rest = divmod(len(column), count)
            # Equal values have equal tokens.
            if not rest and column == column[:size] * count:
                return False
    return True


def _slowly(payload: bytes) -> BatchMessage:
    """The same by the general parsers, which name what is wrong."""
    up: Up = parse_up(payload)
    envelope = up.envelope
    if envelope.content_type != ReadingBatch.CONTENT_TYPE:
        raise DecodeError(f"expected {ReadingBatch.CONTENT_TYPE}, got {envelope.content_type} in 'up.sign1.protected'")
    batch = ReadingBatch.parse(envelope.payload)
    return BatchMessage(
        envelope.kid,
        envelope.algorithm,
        envelope.content_type,
        envelope.digest,
        envelope.to_be_signed,
        envelope.signature,
        envelope.encoded(),
        up.opening,
        up.seen_size,
        batch.meter,
        batch.sequence,
        batch.previous,
        batch.start_utc,
        batch.end_utc,
        batch.count,
        batch.reach_utc,
        batch.contents,
    )
