"""COSEM values and their types.

Source: DLMS UA Blue Book, common data types.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Final, NamedTuple, TypeAlias


class Tag(IntEnum):
    """The type octet in front of a value."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    INT32 = 5
    UINT32 = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INT8 = 15
    INT16 = 16
    UINT8 = 17
    UINT16 = 18
    COMPACT_ARRAY = 19
    INT64 = 20
    UINT64 = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DONT_CARE = 255


Content: TypeAlias = "bool | int | float | bytes | str | tuple[Data, ...] | None"


class Data(NamedTuple):
    """One COSEM value with its type. A named tuple, because a profile holds tens of thousands of them.

    `value` is None (null, don't-care), bool, int, float, bytes (octet-string, date, time, date-time), str (visible, UTF-8,
    and a bit-string as ``"0101"``), or a tuple of `Data` (array, structure, compact-array).
    """

    tag: Tag
    value: Content


NULL = Data(Tag.NULL, None)
DONT_CARE = Data(Tag.DONT_CARE, None)

NUMBERS: Final[dict[Tag, struct.Struct]] = {
    Tag.INT32: struct.Struct(">i"),
    Tag.UINT32: struct.Struct(">I"),
    Tag.BCD: struct.Struct(">b"),
    Tag.INT8: struct.Struct(">b"),
    Tag.INT16: struct.Struct(">h"),
    Tag.UINT8: struct.Struct(">B"),
    Tag.UINT16: struct.Struct(">H"),
    Tag.INT64: struct.Struct(">q"),
    Tag.UINT64: struct.Struct(">Q"),
    Tag.ENUM: struct.Struct(">B"),
    Tag.FLOAT32: struct.Struct(">f"),
    Tag.FLOAT64: struct.Struct(">d"),
}
"""How the types of a fixed number are read."""
data_of: Final[Callable[[tuple[IntEnum, object]], Data]] = partial(tuple.__new__, Data)
"""A `Data` of a pair, without a call of Python: a profile has tens of thousands of them."""


def encode_length(count: int) -> bytes:
    """`count` as an A-XDR length, in the fewest octets."""
    if count < 0x80:
        return bytes([count])
    octets = (count.bit_length() + 7) // 8
    return bytes([0x80 + octets]) + count.to_bytes(octets, "big")
