"""Runs of like structures, found at once: a load profile is thousands of rows of the same types.

A `Pattern` is what the octets of one row have in common with every row of its kind. What deviates is not this module's: the
decoder takes such a row part by part, as if there were no patterns.

Source: IEC 61334-6 (A-XDR): in rows of the same types and lengths, tags and lengths stand at the same places.
"""

import struct
from dataclasses import dataclass
from typing import Final

from edge_agent.readers.dlms.values import NUMBERS, Content, Data, Tag, encode_length

WINDOW: Final = 256
"""Most rows looked at in one go: what is looked at in vain stays small, whatever a meter sends."""
_MOST_PATTERNS: Final = 4
"""Of one array. Rows with and without null-data alternate after outages; a meter with more kinds is no quicker to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a structure: its type, the octets before its value, and the value's own as `struct` reads them."""

    tag: Tag
    head: bytes
    code: str
    """Format of the value; empty where there is none (null-data)."""


class Pattern:
    """Structures that begin with `head` and have exactly these parts."""

    __slots__ = ("_constants", "_has_value", "_values", "octets", "tags")

    def __init__(self, head: bytes, parts: tuple[Part, ...]) -> None:
        code, constants = f">{len(head)}x", [*enumerate(head)]
        for part in parts:
            constants += enumerate(part.head, start=struct.calcsize(code))
            code += f"{len(part.head)}x{part.code}"
        self._constants = tuple((at, bytes([octet])) for at, octet in constants)
        self._values = struct.Struct(code)
        self._has_value = tuple(bool(part.code) for part in parts)
        self.tags = tuple(part.tag for part in parts)
        """The types of the parts."""
        self.octets = self._values.size
        """Length of one row."""

    def fitting(self, data: bytes, at: int, most: int) -> int:
        """How many rows of this pattern stand at `at`, of at most `most` and `WINDOW`, all of which lie within `data`."""
        most = min(most, WINDOW)
        for place, octet in self._constants:
            # Every `octets`-th octet is that of the next row; what is left of them behind the equal ones does not fit.
            column = data[at + place : at + most * self.octets : self.octets]
            most -= len(column.lstrip(octet))
            if not most:
                break
        return most

    def columns(self, data: bytes, at: int, rows: int) -> list[tuple[object, ...]]:
        """The values of so many rows, column by column."""
        part = memoryview(data)[at : at + rows * self.octets]
        found = zip(*self._values.iter_unpack(part), strict=True)
        return [next(found) if has_value else (None,) * rows for has_value in self._has_value]


class Patterns:
    """Those of one array, as they are met."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: list[Pattern] = []

    @property
    def is_full(self) -> bool:
        """Whether no more are learnt."""
        return len(self._known) >= _MOST_PATTERNS

    def learn(self, pattern: Pattern) -> None:
        """Looks for it from now on."""
        self._known.append(pattern)

    def run(self, data: bytes, at: int, end: int, most: int) -> tuple[Pattern, int] | None:
        """The pattern of the rows at `at`, and how many of at most `most` before `end` have it; None without any."""
        for pattern in self._known:
            rows = pattern.fitting(data, at, min(most, (end - at) // pattern.octets))
            if rows:
                return pattern, rows
        return None


def pattern_of(row: Data, octets: bytes) -> Pattern | None:
    """What rows like `row`, which came as `octets`, have in common; None where that does not pay."""
    if row.tag is not Tag.STRUCTURE:
        return None
    cells = row.value if isinstance(row.value, tuple) else ()
    parts = [_part(*cell) for cell in cells]
    if None in parts or not any(part.code for part in parts if part):
        return None
    pattern = Pattern(bytes([row.tag]) + encode_length(len(cells)), tuple(part for part in parts if part))
    # A length that came in more octets than it needs stands nowhere in the pattern.
    return pattern if pattern.octets == len(octets) else None


def _part(tag: Tag, value: Content) -> Part | None:
    head, number = bytes([tag]), NUMBERS.get(tag)
    if number is not None:
        return Part(tag=tag, head=head, code=number.format[1:])
    if isinstance(value, bytes):
        length = encode_length(len(value)) if tag is Tag.OCTET_STRING else b""
        return Part(tag=tag, head=head + length, code=f"{len(value)}s")
    return Part(tag=tag, head=head, code="") if value is None else None
