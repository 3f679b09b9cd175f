"""COSEM objects: a class, a logical name, attributes that are bytes when asked, and who may see them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from firmware_sim.dlms.axdr import (
    NULL,
    Value,
    array,
    integer8,
    octets,
    parse_date_time,
    structure,
    unsigned16,
    unsigned32,
)
from firmware_sim.dlms.axdr import enum as enum_data
from firmware_sim.errors import DecodeError

_CLOCK_CLASS = 8


class AccessResult(IntEnum):
    """Data-Access-Result. Source: IEC 62056-5-3, 9.5."""

    SUCCESS = 0
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    CLASS_INCONSISTENT = 9
    TYPE_UNMATCHED = 12
    SCOPE_VIOLATED = 13
    BLOCK_UNAVAILABLE = 14
    NO_LONG_GET = 16
    BLOCK_NUMBER_INVALID = 19
    OTHER = 250


class AccessRefusedError(Exception):
    """An attribute is not given; `result` says why on the wire."""

    def __init__(self, result: AccessResult) -> None:
        super().__init__(result.name)
        self.result = result


def logical_name(text: str) -> bytes:
    """The six bytes of an OBIS code written ``A.B.C.D.E.F``."""
    return bytes(int(part) for part in text.split("."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Selective access as it was asked: selector 1 is a range, 2 are entries."""

    selector: int
    parameters: Value


Plain = Callable[[int], bytes]
"""An attribute's encoded value at an instant (UTC seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A captured attribute and its cell in the row of a stamp."""

    class_id: int
    name: bytes
    attribute: int
    cell: Plain

    @property
    def definition(self) -> bytes:
        """The capture object definition."""
        return structure(unsigned16(self.class_id), octets(self.name), integer8(self.attribute), unsigned16(0))

    @property
    def reference(self) -> list[Value]:
        """The same as a client writes it in a selection."""
        return [self.class_id, self.name, self.attribute, 0]


def as_it_is(at: int) -> int:
    """The instant itself."""
    return at


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a firmware shows the rows that it has; by default as the standard says."""

    shown: Callable[[int], int] = as_it_is
    """What the clock of the row that was captured at an instant says."""
    is_newest_first: bool = False
    has_null_clocks: bool = False
    """Whether the clock of a row that follows the one before by one period is null-data."""
    has_open_edges: bool = False
    """Whether a range leaves out the rows that stand at its very ends."""
    selectors: frozenset[int] = frozenset({1, 2})
    """What it selects by: 1 is a range, 2 are entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile generic's buffer: rows by the instant at which they were captured."""

    columns: tuple[Column, ...]
    stamps: Callable[[int], Sequence[int]]
    """The captures in memory at an instant, oldest first."""
    period_s: int
    capacity: int
    habits: Habits = Habits()

    def read(self, now: int, selection: Selection | None) -> bytes:
        """The rows in memory at `now`, all or as selected.

        Raises:
            AccessRefusedError: when the selection is not one of this profile's.
        """
        if selection is None:
            return self._rows(self._ordered(now), self.columns)
        if selection.selector not in self.habits.selectors:
            raise AccessRefusedError(AccessResult.SCOPE_VIOLATED)
        if selection.selector == 1:
            return self._range(now, selection.parameters)
        return self._entries(now, selection.parameters)

    def _ordered(self, now: int) -> Sequence[int]:
        stamps = self.stamps(now)
        return stamps[::-1] if self.habits.is_newest_first else stamps

    def _rows(self, stamps: Sequence[int], columns: Sequence[Column]) -> bytes:
        pairs = zip(stamps, (None, *stamps), strict=False)
        return array(structure(*(self._cell(column, at, earlier) for column in columns)) for at, earlier in pairs)

    def _cell(self, column: Column, at: int, earlier: int | None) -> bytes:
        if column.class_id != _CLOCK_CLASS:
            return column.cell(at)
        shown = self.habits.shown
        step = -self.period_s if self.habits.is_newest_first else self.period_s
        follows = earlier is not None and shown(at) - shown(earlier) == step
        return NULL if follows and self.habits.has_null_clocks else column.cell(shown(at))

    def _is_within(self, at: int, start: int, end: int) -> bool:
        stamp = self.habits.shown(at)
        return start < stamp < end if self.habits.has_open_edges else start <= stamp <= end

    @property
    def _clock(self) -> Column | None:
        return next((column for column in self.columns if column.class_id == _CLOCK_CLASS), None)

    def _range(self, now: int, parameters: Value) -> bytes:
        match parameters:
            case [list() as restricting, bytes() as first, bytes() as last, list() as chosen]:
                pass
            case _:
                raise AccessRefusedError(AccessResult.TYPE_UNMATCHED)
        if self._clock is None or restricting != self._clock.reference:
            raise AccessRefusedError(AccessResult.SCOPE_VIOLATED)
        try:
            start, end = parse_date_time(first), parse_date_time(last)
        except DecodeError:
            raise AccessRefusedError(AccessResult.TYPE_UNMATCHED) from None
        found = [at for at in self._ordered(now) if self._is_within(at, start, end)]
        return self._rows(found, self._chosen(chosen))

    def _chosen(self, references: list[Value]) -> list[Column]:
        if not references:
            return list(self.columns)
        found = []
        for reference in references:
            matching = [column for column in self.columns if column.reference == reference]
            if not matching:
                raise AccessRefusedError(AccessResult.SCOPE_VIOLATED)
            found += matching
        return found

    def _entries(self, now: int, parameters: Value) -> bytes:
        match parameters:
            case [int() as first, int() as last, int() as first_column, int() as last_column]:
                pass
            case _:
                raise AccessRefusedError(AccessResult.TYPE_UNMATCHED)
        # Entries and columns are numbered from 1, and an upper bound of 0 means the highest there is.
        if first < 1 or first_column < 1 or last < 0 or last_column < 0 or first_column > len(self.columns):
            raise AccessRefusedError(AccessResult.SCOPE_VIOLATED)
        columns = self.columns[first_column - 1 : last_column or None]
        return self._rows(self._ordered(now)[first - 1 : last or None], columns)

    @property
    def sort_object(self) -> bytes:
        """What the buffer is sorted by: its clock, or nothing."""
        if self._clock is not None:
            return self._clock.definition
        return structure(unsigned16(0), octets(bytes(6)), integer8(0), unsigned16(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class CosemObject:
    """One object. Attribute 1, the logical name, is every object's own; a `profile` brings attributes 2 to 8."""

    class_id: int
    name: bytes
    version: int = 0
    attributes: Mapping[int, Plain] = field(default_factory=dict)
    profile: Profile | None = None
    methods: tuple[int, ...] = ()
    """Methods that may be invoked."""
    public: bool = False
    """Whether the public client sees it."""

    def read(self, attribute: int, now: int, selection: Selection | None) -> bytes:
        """The encoded value of an attribute at `now`.

        Raises:
            AccessRefusedError: when there is no such attribute, or the selection does not fit it.
        """
        if self.profile is not None and attribute == 2:
            return self.profile.read(now, selection)
        if selection is not None:
            raise AccessRefusedError(AccessResult.SCOPE_VIOLATED)
        plain = self._plain().get(attribute)
        if plain is None:
            raise AccessRefusedError(AccessResult.OBJECT_UNDEFINED)
        return plain(now)

    @property
    def numbers(self) -> list[int]:
        """The attributes that can be read, ascending."""
        return sorted({*self._plain(), *((2,) if self.profile else ())})

    def listed(self) -> bytes:
        """This object in an association's object list: every attribute read-only, its methods invocable."""
        rights = array(structure(integer8(number), enum_data(1), self._selectors(number)) for number in self.numbers)
        methods = array(structure(integer8(number), enum_data(1)) for number in self.methods)
        return structure(
            unsigned16(self.class_id), bytes([17, self.version]), octets(self.name), structure(rights, methods)
        )

    def _selectors(self, number: int) -> bytes:
        return array((integer8(1), integer8(2))) if self.profile is not None and number == 2 else NULL

    def _plain(self) -> dict[int, Plain]:
        plain: dict[int, Plain] = {1: lambda _: octets(self.name)}
        profile = self.profile
        if profile is not None:
            plain |= {
                3: lambda _: array(column.definition for column in profile.columns),
                4: lambda _: unsigned32(profile.period_s),
                5: lambda _: enum_data(2 if profile.habits.is_newest_first else 1),  # lifo, fifo
                6: lambda _: profile.sort_object,
                7: lambda now: unsigned32(len(profile.stamps(now))),
                8: lambda _: unsigned32(profile.capacity),
            }
        return plain | dict(self.attributes)


def constant(encoded: bytes) -> Plain:
    """An attribute that never changes."""
    return lambda _: encoded
