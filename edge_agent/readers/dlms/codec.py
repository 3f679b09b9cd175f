"""A-XDR encoding of COSEM data: every type of the Blue Book, with bounded depth and size.

Source: DLMS UA Blue Book, common data types; Green Book, A-XDR encoding of `Data` (IEC 61334-6).
"""

import struct
from collections.abc import Callable
from itertools import repeat
from typing import Final, TypeAlias

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms.runs import Pattern, Patterns, pattern_of
from edge_agent.readers.dlms.values import DONT_CARE, NULL, NUMBERS, Content, Data, Tag, data_of, encode_length

__all__ = [
    "DONT_CARE",
    "INTEGERS",
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "NULL",
    "Content",
    "Data",
    "Decoder",
    "Tag",
    "array",
    "decode",
    "encode",
    "encode_length",
    "foreseen",
    "octets",
    "structure",
]

MAX_DEPTH: Final = 16
"""Deepest nesting accepted; the object list of an association, the deepest real answer, needs 6."""
MAX_ELEMENTS: Final = 1_000_000
"""Most values in one answer: 70 days of 5-minute rows of 20 columns stay below half of it."""
MAX_ELEMENTS_AN_OCTET: Final = 64
"""Most values in each octet of an answer, so that few octets never become much memory. Only null-data in a compact-array takes no
octet, and no row of it has more columns."""


INTEGERS: Final = frozenset(NUMBERS) - {Tag.FLOAT32, Tag.FLOAT64, Tag.BCD}
"""The types whose value is a plain integer."""
_CHARSETS: Final = {Tag.VISIBLE_STRING: "latin-1", Tag.UTF8_STRING: "utf-8"}
_FIXED_OCTETS: Final = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}
_SEQUENCES: Final = frozenset({Tag.ARRAY, Tag.STRUCTURE})
_TAGS: Final[dict[int, Tag]] = {int(tag): tag for tag in Tag}

_Description: TypeAlias = "tuple[Tag, tuple[_Description, ...]]"
"""The type of a compact-array's elements: an array of n is (ARRAY, n times the element)."""


class Decoder:
    """Reads values from one complete buffer, front to back."""

    __slots__ = ("_at", "_budget", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at
        self._end = len(data)
        self._budget = self._most()

    @property
    def at(self) -> int:
        """Offset of the next octet."""
        return self._at

    def fault(self, message: str) -> MeterDecodeError:
        """The error for `message` at the present offset."""
        return MeterDecodeError(f"{message} at offset {self._at}")

    def take(self, count: int) -> bytes:
        """The next `count` octets."""
        end = self._at + count
        if end > self._end:
            raise self.fault(f"expected {count} more octets, got {self._end - self._at}")
        part = self._data[self._at : end]
        self._at = end
        return part

    def octet(self) -> int:
        """The next octet."""
        if self._at >= self._end:
            raise self.fault("expected one more octet, got the end")
        value = self._data[self._at]
        self._at += 1
        return value

    def length(self) -> int:
        """A length or count: one octet below 0x80, else 0x81…0x84 and that many octets."""
        first = self.octet()
        if first < 0x80:
            return first
        if not 0x81 <= first <= 0x84:
            raise self.fault(f"expected a length of at most four octets, got 0x{first:02x}")
        return int.from_bytes(self.take(first - 0x80), "big")

    def finish(self) -> None:
        """Refuse trailing octets."""
        if self._at != self._end:
            raise self.fault(f"expected the end, got {self._end - self._at} trailing octets")

    def value(self, depth: int = 0) -> Data:
        """The next value."""
        tag = self._tag()
        if tag is Tag.COMPACT_ARRAY:
            return self._compact_array(depth)
        if tag in _SEQUENCES:
            self._check_depth(depth)
            count = self.length()
            if count > self._end - self._at:
                raise self.fault(f"expected at most {self._end - self._at} elements in what is left, got {count}")
            self._spend(count)
            inner = depth + 1
            if tag is Tag.ARRAY and count > 1:
                return Data(tag, tuple(self._elements(count, inner)))
            return Data(tag, tuple([self.value(inner) for _ in range(count)]))
        return self._simple(tag)

    def _elements(self, count: int, depth: int) -> list[Data]:
        """The elements of an array: one by one, and at once where they are alike."""
        found: list[Data] = []
        patterns = Patterns()
        while left := count - len(found):
            run = patterns.run(self._data, self._at, self._end, left)
            if run is not None and self._budget >= run[1] * len(run[0].tags):
                found += self._run(*run)
                continue
            at = self._at
            found.append(self.value(depth))
            if not patterns.is_full and (pattern := pattern_of(found[-1], self._data[at : self._at])) is not None:
                patterns.learn(pattern)
        return found

    def _run(self, pattern: Pattern, rows: int) -> list[Data]:
        columns = pattern.columns(self._data, self._at, rows)
        cells = [
            map(data_of, zip(repeat(tag), column, strict=False))
            for tag, column in zip(pattern.tags, columns, strict=True)
        ]
        self._at += rows * pattern.octets
        self._budget -= rows * len(cells)
        return list(map(data_of, zip(repeat(Tag.STRUCTURE), zip(*cells, strict=True), strict=False)))

    def _tag(self) -> Tag:
        octet = self.octet()
        tag = _TAGS.get(octet)
        if tag is None:
            raise self.fault(f"expected a data type, got 0x{octet:02x}")
        return tag

    def _check_depth(self, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise self.fault(f"expected at most {MAX_DEPTH} levels, got more")

    def _spend(self, count: int) -> None:
        self._budget -= count
        if self._budget < 0:
            raise self.fault(f"expected at most {self._most()} values, got more")

    def _most(self) -> int:
        return min(MAX_ELEMENTS, MAX_ELEMENTS_AN_OCTET * len(self._data))

    def _simple(self, tag: Tag) -> Data:
        number = NUMBERS.get(tag)
        if number is not None:
            return Data(tag, number.unpack(self.take(number.size))[0])
        if tag is Tag.NULL or tag is Tag.DONT_CARE:
            return Data(tag, None)
        return Data(tag, _OCTETS[tag](self))

    def _boolean(self) -> bool:
        # A-XDR: "any value different from 0 is TRUE".
        return self.octet() != 0

    def _octet_string(self) -> bytes:
        return self.take(self.length())

    def _visible(self) -> str:
        # Unwritten flash (0xFF) stands in many a name plate: every octet is a character, and none is lost.
        return self.take(self.length()).decode("latin-1")

    def _text(self) -> str:
        raw = self.take(self.length())
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fault(f"expected UTF-8 text, got {raw[:16].hex()}") from error

    def _bit_string(self) -> str:
        bits = self.length()
        raw = self.take((bits + 7) // 8)
        return "".join(f"{octet:08b}" for octet in raw)[:bits]

    def _compact_array(self, depth: int) -> Data:
        description = self._description(depth)
        length = self.length()
        end = self._at + length
        if end > self._end:
            raise self.fault(f"expected {length} octets of a compact-array, got {self._end - self._at}")
        outer, self._end = self._end, end
        elements: list[Data] = []
        while self._at < end:
            before = self._at
            elements.append(self._described(description))
            if self._at == before:
                raise self.fault("expected elements that occupy octets in a compact-array, got none")
        self._end = outer
        return Data(Tag.COMPACT_ARRAY, tuple(elements))

    def _description(self, depth: int) -> _Description:
        tag = self._tag()
        if tag is Tag.COMPACT_ARRAY:
            raise self.fault("expected a type inside a compact-array, got another compact-array")
        if tag not in _SEQUENCES:
            return tag, ()
        self._check_depth(depth)
        if tag is Tag.ARRAY:
            count = int.from_bytes(self.take(2), "big")
            self._spend(count)
            return tag, (self._description(depth + 1),) * count
        count = self.length()
        self._spend(count)
        return tag, tuple([self._description(depth + 1) for _ in range(count)])

    def _described(self, description: _Description) -> Data:
        tag, inner = description
        self._spend(1)
        if tag in _SEQUENCES:
            return Data(tag, tuple([self._described(part) for part in inner]))
        return self._simple(tag)


def _fixed(count: int) -> Callable[[Decoder], bytes]:
    return lambda decoder: decoder.take(count)


_OCTETS: Final[dict[Tag, Callable[[Decoder], Content]]] = {
    Tag.BOOLEAN: Decoder._boolean,  # noqa: SLF001 - one table of the class's own parts
    Tag.BIT_STRING: Decoder._bit_string,  # noqa: SLF001 - likewise
    Tag.OCTET_STRING: Decoder._octet_string,  # noqa: SLF001 - likewise
    Tag.VISIBLE_STRING: Decoder._visible,  # noqa: SLF001 - likewise
    Tag.UTF8_STRING: Decoder._text,  # noqa: SLF001 - likewise
    **{tag: _fixed(count) for tag, count in _FIXED_OCTETS.items()},
}


def decode(data: bytes) -> Data:
    """The one value that `data` is.

    Raises:
        MeterDecodeError: naming the offset, when it is anything else: truncated, trailing, unknown, too deep or too big.
    """
    decoder = Decoder(data)
    value = decoder.value()
    decoder.finish()
    return value


def foreseen(beginning: bytes) -> int:
    """How many octets the array has that begins so, if its elements are as long as the first; 0 where that cannot be told."""
    decoder = Decoder(beginning)
    try:
        if decoder.octet() != Tag.ARRAY:
            return 0
        count, at = decoder.length(), decoder.at
        decoder.value(1)
    except MeterDecodeError:
        return 0
    return at + count * (decoder.at - at)


def encode(data: Data) -> bytes:
    """`data` in A-XDR, type octet first.

    Raises:
        ValueError: when the value does not fit its type.
    """
    tag, value = data
    if tag is Tag.COMPACT_ARRAY:
        return _encode_compact_array(_parts(value))
    if tag in _SEQUENCES:
        parts = _parts(value)
        return bytes([tag]) + encode_length(len(parts)) + b"".join(encode(part) for part in parts)
    return bytes([tag]) + _encode_simple(tag, value)


def _parts(value: Content) -> tuple[Data, ...]:
    if not isinstance(value, tuple):
        raise ValueError(f"expected a tuple of values, got {value!r}")  # noqa: TRY004 - a value that does not fit
    return value


def _encode_simple(tag: Tag, value: Content) -> bytes:
    number = NUMBERS.get(tag)
    try:
        if number is not None:
            return number.pack(value)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"expected a value of type {tag.name}, got {value!r}") from error
    if value is None and tag in {Tag.NULL, Tag.DONT_CARE}:
        return b""
    if isinstance(value, bool) and tag is Tag.BOOLEAN:
        return b"\x01" if value else b"\x00"
    return _encode_string(tag, value)


def _encode_string(tag: Tag, value: Content) -> bytes:
    if isinstance(value, bytes) and _FIXED_OCTETS.get(tag) == len(value):
        return value
    if isinstance(value, bytes) and tag is Tag.OCTET_STRING:
        return encode_length(len(value)) + value
    if isinstance(value, str) and tag is Tag.BIT_STRING and set(value) <= {"0", "1"}:
        padded = value + "0" * (-len(value) % 8)
        return encode_length(len(value)) + int(padded or "0", 2).to_bytes(len(padded) // 8, "big")
    if isinstance(value, str) and tag in _CHARSETS:
        try:
            raw = value.encode(_CHARSETS[tag])
        except UnicodeEncodeError as error:
            raise ValueError(f"expected text in {_CHARSETS[tag]}, got {value!r}") from error
        return encode_length(len(raw)) + raw
    raise ValueError(f"expected a value of type {tag.name}, got {value!r}")


def _encode_compact_array(elements: tuple[Data, ...]) -> bytes:
    """All elements have the type of the first."""
    description = _describe(elements[0]) if elements else bytes([Tag.NULL])
    if any(_describe(element) != description for element in elements):
        raise ValueError("expected elements of one type in a compact-array, got several")
    contents = b"".join(_encode_bare(element) for element in elements)
    return bytes([Tag.COMPACT_ARRAY]) + description + encode_length(len(contents)) + contents


def _describe(data: Data) -> bytes:
    if data.tag not in _SEQUENCES:
        return bytes([data.tag])
    parts = _parts(data.value)
    if data.tag is Tag.STRUCTURE:
        return bytes([data.tag]) + encode_length(len(parts)) + b"".join(_describe(part) for part in parts)
    element = _describe(parts[0]) if parts else bytes([Tag.NULL])
    return bytes([data.tag]) + len(parts).to_bytes(2, "big") + element


def _encode_bare(data: Data) -> bytes:
    if data.tag in _SEQUENCES:
        return b"".join(_encode_bare(part) for part in _parts(data.value))
    return _encode_simple(data.tag, data.value)


def octets(value: bytes) -> Data:
    """`value` as an octet-string."""
    return Data(Tag.OCTET_STRING, value)


def structure(*parts: Data) -> Data:
    """`parts` as a structure."""
    return Data(Tag.STRUCTURE, parts)


def array(*parts: Data) -> Data:
    """`parts` as an array."""
    return Data(Tag.ARRAY, parts)
