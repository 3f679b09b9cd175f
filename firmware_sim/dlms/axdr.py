"""COSEM data in A-XDR: what a meter sends, and what it is asked with.

Encoders take plain values and give bytes with their type tag. The decoder gives plain values: integers for every
integer type, bytes for strings and dates, lists for arrays and structures, None for null-data.
Source: IEC 62056-6-2 (the Data type) and IEC 61334-6 (A-XDR).
"""

import struct
from collections.abc import Iterable
from datetime import datetime

from firmware_sim.errors import DecodeError
from firmware_sim.instants import IST_OFFSET_S, local

MAX_DEPTH = 8
"""Deeper nesting than any request needs is an attack on the stack."""

NULL = b"\x00"

Value = int | bytes | bool | None | list["Value"]


def length(count: int) -> bytes:
    """A length or an element count: one byte below 128, else 0x80 | bytes that follow."""
    if count < 0x80:
        return bytes([count])
    body = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(body)]) + body


def array(items: Iterable[bytes]) -> bytes:
    """An array of encoded items."""
    parts = list(items)
    return b"\x01" + length(len(parts)) + b"".join(parts)


def structure(*parts: bytes) -> bytes:
    """A structure of encoded parts."""
    return b"\x02" + length(len(parts)) + b"".join(parts)


def boolean(*, value: bool) -> bytes:
    """A boolean."""
    return b"\x03\x01" if value else b"\x03\x00"


def bits(content: bytes) -> bytes:
    """A bit-string of whole bytes."""
    return b"\x04" + length(8 * len(content)) + content


def octets(content: bytes) -> bytes:
    """An octet-string."""
    return b"\x09" + length(len(content)) + content


def visible(text: str) -> bytes:
    """A visible-string (ASCII)."""
    return b"\x0a" + length(len(text)) + text.encode("ascii")


def integer8(value: int) -> bytes:
    """A signed 8-bit integer."""
    return struct.pack(">Bb", 15, value)


def integer16(value: int) -> bytes:
    """A signed 16-bit integer (long)."""
    return struct.pack(">Bh", 16, value)


def integer32(value: int) -> bytes:
    """A signed 32-bit integer (double-long)."""
    return struct.pack(">Bi", 5, value)


def unsigned8(value: int) -> bytes:
    """An unsigned 8-bit integer."""
    return struct.pack(">BB", 17, value)


def unsigned16(value: int) -> bytes:
    """An unsigned 16-bit integer (long-unsigned)."""
    return struct.pack(">BH", 18, value)


def unsigned32(value: int) -> bytes:
    """An unsigned 32-bit integer (double-long-unsigned)."""
    return struct.pack(">BI", 6, value)


def energy(value: int) -> bytes:
    """An energy: double-long-unsigned, the type most Indian meters send; long64-unsigned where it does not fit."""
    return unsigned32(value) if value < 2**32 else struct.pack(">BQ", 21, value)


def enum(value: int) -> bytes:
    """An enum."""
    return bytes([22, value])


def date_time(at: int) -> bytes:
    """The 12 bytes of a COSEM date-time for the instant `at` (UTC seconds): IST, deviation -330, clock status 0.

    Source: IEC 62056-6-2, 4.1.6.1: the deviation leads from local time *to* UTC, in minutes, so India's is negative.
    """
    moment = local(at)
    return struct.pack(">HBBBBBBBhB", moment.year, moment.month, moment.day, moment.isoweekday(),
                       moment.hour, moment.minute, moment.second, 0, -IST_OFFSET_S // 60, 0)  # fmt: skip


def parse_date_time(content: bytes) -> int:
    """The instant (UTC seconds) of a 12-byte date-time; without deviation it is IST, unspecified time parts are 0.

    Raises:
        DecodeError: when it is not 12 bytes, has no definite date, or is no date at all.
    """
    if len(content) != 12:
        raise DecodeError(f"expected a date-time of 12 bytes, got {len(content)}")
    year, month, day, _, hour, minute, second, _, deviation, _ = struct.unpack(">HBBBBBBBhB", content)
    parts = [0 if part == 0xFF else part for part in (hour, minute, second)]
    try:
        naive_utc = datetime.fromisoformat(f"{year:04}-{month:02}-{day:02}T00:00:00+00:00")
    except ValueError:
        raise DecodeError(f"expected a definite date, got {content[:5].hex()}") from None
    if parts[0] > 23 or parts[1] > 59 or parts[2] > 59:
        raise DecodeError(f"expected a time of day, got {content[5:8].hex()}")
    to_utc = -IST_OFFSET_S // 60 if deviation == -0x8000 else deviation
    return int(naive_utc.timestamp()) + parts[0] * 3600 + parts[1] * 60 + parts[2] + to_utc * 60


class Reader:
    """A cursor over foreign bytes; every step beyond their end is a `DecodeError`."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._content) - self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise DecodeError(f"expected {count} more bytes, got {self.left}")
        self._at += count
        return self._content[self._at - count : self._at]

    def number(self, count: int) -> int:
        """The next `count` bytes as an unsigned number."""
        return int.from_bytes(self.take(count), "big")

    def length(self) -> int:
        """The next length or count."""
        first = self.number(1)
        if first < 0x80:
            return first
        if not 1 <= first & 0x7F <= 4:
            raise DecodeError(f"expected a length of 1 to 4 bytes, got {first & 0x7F}")
        return self.number(first & 0x7F)

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise DecodeError(f"expected the end, got {self.left} more bytes")

    def data(self, depth: int = MAX_DEPTH) -> Value:
        """The next Data."""
        tag = self.number(1)
        if tag in _INTEGERS:
            size, signed = _INTEGERS[tag]
            return int.from_bytes(self.take(size), "big", signed=signed)
        if tag in _SIZED:
            return self.take(_SIZED[tag])
        match tag:
            case 0:
                value: Value = None
            case 1 | 2:
                value = self._items(depth)
            case 3:
                value = self.number(1) != 0
            case 4:
                value = self.take((self.length() + 7) // 8)
            case 9 | 10 | 12:
                value = self.take(self.length())
            case _:
                raise DecodeError(f"expected a type of COSEM data, got tag {tag}")
        return value

    def _items(self, depth: int) -> list[Value]:
        if depth == 0:
            raise DecodeError(f"expected at most {MAX_DEPTH} levels of data")
        count = self.length()
        if count > self.left:  # every item takes a byte at least
            raise DecodeError(f"expected {count} items, got {self.left} bytes")
        return [self.data(depth - 1) for _ in range(count)]


# Size in bytes and whether signed, by tag.
_INTEGERS = {
    5: (4, True), 6: (4, False), 13: (1, False), 15: (1, True), 16: (2, True), 17: (1, False), 18: (2, False),
    20: (8, True), 21: (8, False), 22: (1, False),
}  # fmt: skip
# date-time, date, time; floats are kept as their bytes
_SIZED = {23: 4, 24: 8, 25: 12, 26: 5, 27: 4}
