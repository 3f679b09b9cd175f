"""Load profiles: capture objects, scalers, selective access, and rows that keep their columns' places.

Source: DLMS UA Blue Book, class 7 (profile generic); METERS §2, §5, §6 for what Indian meters do with it.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.readers.dlms import codec
from edge_agent.readers.dlms.apdu import selector
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.cosem import CLOCK, Attribute, date_time_octets, meter_clock, obis_octets, obis_text
from edge_agent.registers import MeterClock, ProfileColumn, ProfileLayout, ProfileRow, RegisterValue, float_parts
from signing.interval import DAY_S, MAX_INSTANT

_REGISTER_CLASSES: Final = frozenset({3, 4, 5})
_DEMAND_REGISTER: Final = 5
_RANGE, _ENTRY = 1, 2
FIFO: Final = 1
_CLOCKS: Final = frozenset({Tag.OCTET_STRING, Tag.DATE_TIME})
_LIFO: Final = frozenset({2, 5})
"""Sort methods whose first row is the newest: LIFO, and largest first of a profile sorted by its clock.

Source: Blue Book, class 7, sort_method: 1 FIFO, 2 LIFO, 3 largest, 4 smallest, 5 nearest to zero, 6 farthest.
"""


class StampMeans(Enum):
    """Which end of its block a row's stamp names."""

    END = "end"
    """Indian firmware and the Blue Book: a profile captures at the end of each period."""
    START = "start"
    """Not seen in India; kept as a setting that the balance of a day proves or refutes."""


def integer(data: Data, what: str) -> int:
    """The integer in `data`.

    Raises:
        MeterDecodeError: naming `what`, when it is of another type.
    """
    if data.tag not in codec.INTEGERS or not isinstance(data.value, int):
        raise MeterDecodeError(f"expected an integer, got {data.tag.name} in {what}")
    return data.value


def text(data: Data, what: str) -> str:
    """The text in `data`: a string, an octet-string of printable ASCII, or a number; padding stripped.

    What cannot be printed is given as ``0x`` and hexadecimal digits, so that it still tells one meter from another.

    Raises:
        MeterDecodeError: naming `what`, when it is of another type.
    """
    value = data.value
    if data.tag in codec.INTEGERS:
        return str(value)
    if data.tag is Tag.OCTET_STRING and isinstance(value, bytes):
        value = value.decode("latin-1")
    elif data.tag not in {Tag.VISIBLE_STRING, Tag.UTF8_STRING}:
        raise MeterDecodeError(f"expected text, got {data.tag.name} in {what}")
    stripped = str(value).strip("\x00\xff ")
    if data.tag is Tag.UTF8_STRING:
        return stripped if stripped.isprintable() else f"0x{stripped.encode().hex()}"
    return stripped if stripped.isascii() and stripped.isprintable() else f"0x{stripped.encode('latin-1').hex()}"


def clock(data: Data, what: str) -> MeterClock:
    """The instant in `data`, an octet-string or date-time of 12 octets.

    Raises:
        MeterDecodeError: naming `what` and the part that is wrong.
    """
    if data.tag not in _CLOCKS or not isinstance(data.value, bytes):
        raise MeterDecodeError(f"expected a date-time, got {data.tag.name} in {what}")
    try:
        return meter_clock(data.value)
    except MeterDecodeError as error:
        raise MeterDecodeError(f"{error} in {what}") from error


def parts(data: Data, what: str, count: int | None = None) -> tuple[Data, ...]:
    """The elements of an array or structure, `count` of them where it is given.

    Raises:
        MeterDecodeError: naming `what`.
    """
    if not isinstance(data.value, tuple):
        raise MeterDecodeError(f"expected a list, got {data.tag.name} in {what}")
    if count is not None and len(data.value) != count:
        raise MeterDecodeError(f"expected {count} parts, got {len(data.value)} in {what}")
    return data.value


def scaler_unit(data: Data, what: str) -> tuple[int, int]:
    """Scaler (power of ten) and unit of a register's attribute 3.

    Raises:
        MeterDecodeError: naming `what`.
    """
    scaler, unit = parts(data, what, 2)
    return integer(scaler, what), integer(unit, what)


def capture_objects(data: Data, what: str) -> tuple[tuple[Attribute, int], ...]:
    """The columns of a profile (attribute 3), each with its data index, in the meter's order.

    Raises:
        MeterDecodeError: naming `what`, also when a column comes twice.
    """
    columns: list[tuple[Attribute, int]] = []
    for place, entry in enumerate(parts(data, what)):
        class_id, name, attribute, index = parts(entry, f"column {place} of {what}", 4)
        if not isinstance(name.value, bytes):
            raise MeterDecodeError(f"expected a logical name, got {name.tag.name} in column {place} of {what}")
        column = Attribute(
            class_id=integer(class_id, what), obis=obis_text(name.value), attribute=integer(attribute, what)
        )
        columns.append((column, integer(index, what)))
    if len(set(columns)) != len(columns):
        raise MeterDecodeError(f"expected every column once in {what}, got one twice")
    return tuple(columns)


def scaled_columns(columns: Iterable[tuple[Attribute, int]]) -> tuple[Attribute, ...]:
    """The scaler_unit attributes that the columns need, one of every register, once each.

    It is attribute 3, and 4 of a demand register. Source: Blue Book, classes 3, 4 and 5.
    """
    wanted = (
        c.sibling(4 if c.class_id == _DEMAND_REGISTER else 3) for c, _ in columns if c.class_id in _REGISTER_CLASSES
    )
    return tuple(dict.fromkeys(wanted))


def scaler_row(columns: tuple[tuple[Attribute, int], ...], buffer: Data, what: str) -> dict[str, tuple[int, int]]:
    """Scalers by OBIS code from a scaler profile: its capture objects, and its buffer of one row.

    Found by name, never by place: the scaler profile leaves out the clock that the main profile begins with.

    Raises:
        MeterDecodeError: naming `what`.
    """
    rows = parts(buffer, what)
    if len(rows) != 1:
        raise MeterDecodeError(f"expected one row, got {len(rows)} in {what}")
    cells = parts(rows[0], what, len(columns))
    return {
        column.obis: scaler_unit(cell, f"{column} of {what}")
        for (column, _), cell in zip(columns, cells, strict=True)
        if column.attribute == (4 if column.class_id == _DEMAND_REGISTER else 3)
    }


def layout(
    profile: Attribute,
    columns: tuple[tuple[Attribute, int], ...],
    scalers: dict[str, tuple[int, int]],
    *,
    capture_period_s: int,
    sort_method: int,
    entries_in_use: int,
    entries: int,
) -> ProfileLayout:
    """What a profile records, put together from its attributes.

    Raises:
        MeterRefusedError: naming the profile, when it has no clock or no period.
    """
    if not any(column == CLOCK for column, _ in columns):
        raise MeterRefusedError(f"expected a clock column in {profile.sibling(3)}, got none: its rows have no time")
    if capture_period_s <= 0:
        raise MeterRefusedError(f"expected a capture period in {profile.sibling(4)}, got {capture_period_s} s")
    return ProfileLayout(
        obis=profile.obis,
        columns=placed(columns, scalers),
        capture_period_s=capture_period_s,
        entries=entries,
        entries_in_use=entries_in_use,
        newest_first=sort_method in _LIFO,
    )


def placed(
    columns: tuple[tuple[Attribute, int], ...], scalers: dict[str, tuple[int, int]]
) -> tuple[ProfileColumn, ...]:
    """The columns of a profile with their scalers (by OBIS code), in the meter's order."""
    return tuple(_column(column, index, scalers) for column, index in columns)


def _column(column: Attribute, index: int, scalers: dict[str, tuple[int, int]]) -> ProfileColumn:
    # A register's value is attribute 2 (and 3 of a demand register); a capture time beside it has no scaler.
    is_value = column.attribute == 2 or (column.class_id, column.attribute) == (_DEMAND_REGISTER, 3)
    known = scalers.get(column.obis) if is_value and column.class_id in _REGISTER_CLASSES else None
    scaler, unit = known or (0, None)
    return ProfileColumn(
        class_id=column.class_id,
        obis=column.obis,
        attribute=column.attribute,
        data_index=index,
        scaler=scaler,
        unit=unit,
    )


def by_range(from_utc: int, to_utc: int, *, deviation_min: int | None) -> bytes:
    """Selective access to the rows stamped inside ``[from_utc, to_utc]``, all columns."""
    restricting = codec.structure(
        Data(Tag.UINT16, CLOCK.class_id),
        codec.octets(obis_octets(CLOCK.obis)),
        Data(Tag.INT8, CLOCK.attribute),
        Data(Tag.UINT16, 0),
    )
    ends = [codec.octets(date_time_octets(at, deviation_min)) for at in (from_utc, to_utc)]
    return selector(_RANGE, codec.structure(restricting, *ends, codec.array()))


def by_entry(first: int, last: int) -> bytes:
    """Selective access to rows `first`…`last` (1 is the first in the buffer), all columns."""
    rows = [Data(Tag.UINT32, first), Data(Tag.UINT32, last)]
    return selector(_ENTRY, codec.structure(*rows, Data(Tag.UINT16, 1), Data(Tag.UINT16, 0)))


def rows(buffer: Data, of: ProfileLayout, stamp_means: StampMeans) -> tuple[ProfileRow, ...]:
    """The rows of a profile's buffer, in the meter's order, every cell under its column's name.

    A row whose clock is null-data stands one period after the row before it (before it, in a newest-first buffer).

    Raises:
        MeterDecodeError: naming the profile, row and column, when a row has not exactly the profile's columns, a cell is of a
            wrong type, or the first row has no clock.
    """
    name = f"{of.obis} (class 7) attribute 2"
    step_s = -of.capture_period_s if of.newest_first else of.capture_period_s
    shift_s = of.capture_period_s if stamp_means is StampMeans.START else 0
    width = len(of.columns)
    clock_place = next(place for place, column in enumerate(of.columns) if _is_clock(column))
    numeric = tuple(_Numeric(place, column) for place, column in enumerate(of.columns) if place != clock_place)
    stamps = _Stamps()
    found: list[ProfileRow] = []
    for number, row in enumerate(parts(buffer, name), start=1):
        where = f"row {number} of {name}"
        cells = parts(row, where, width)
        stamp, at_utc, status = stamps.read(cells[clock_place], found[-1].stamp_utc + step_s if found else None, where)
        values = {}
        for column in numeric:
            value = column.read(cells[column.place], where)
            if value is not None:
                values[column.register] = value
        found.append(
            ProfileRow(stamp=stamp, stamp_utc=at_utc, end_utc=at_utc + shift_s, clock_status=status, values=values)
        )
    return tuple(found)


def _is_clock(column: ProfileColumn) -> bool:
    return (column.class_id, column.obis, column.attribute) == (CLOCK.class_id, CLOCK.obis, CLOCK.attribute)


class _Stamps:
    """The clock cells of one buffer. What two rows of one day have in common is read once."""

    def __init__(self) -> None:
        self._days: dict[bytes, tuple[int, int | None]] = {}
        """Midnight and clock status by the octets of a date-time that say no hour, minute or second."""

    def read(self, cell: Data, following_utc: int | None, where: str) -> tuple[bytes | None, int, int | None]:
        """Stamp, instant and status; those of a null clock follow from the row before."""
        tag, raw = cell
        if tag is Tag.NULL:
            if following_utc is None:
                raise MeterDecodeError(f"expected a clock, got null-data with no row before it in {where}")
            if not 0 <= following_utc <= MAX_INSTANT:
                raise MeterDecodeError(
                    f"expected a clock, got null-data one period from the end of all time in {where}"
                )
            return None, following_utc, None
        if tag in _CLOCKS and isinstance(raw, bytes):
            known = self._days.get(raw[:5] + raw[8:])
            if known is not None and raw[5] < 24 and raw[6] < 60 and raw[7] < 60:
                return raw, known[0] + 3600 * raw[5] + 60 * raw[6] + raw[7], known[1]
        at = clock(cell, where)
        hour, minute, second = at.raw[5:8]
        midnight_utc = at.utc_s - 3600 * hour - 60 * minute - second
        # The first and the last day that there are hold instants that are none.
        if 0 <= midnight_utc <= MAX_INSTANT - DAY_S:
            self._days[at.raw[:5] + at.raw[8:]] = midnight_utc, at.status
        return at.raw, at.utc_s, at.status


class _Numeric:
    """A column other than the clock. Equal values are one object: most rows repeat what stood before."""

    __slots__ = ("_column", "_known", "place", "register")

    def __init__(self, place: int, column: ProfileColumn) -> None:
        self.place = place
        self.register = column.register
        self._column = column
        self._known: dict[int | None, RegisterValue] = {}

    def read(self, cell: Data, where: str) -> RegisterValue | None:
        """The register's value; None for what is no number, where none is due."""
        tag, value = cell
        if value is None or (tag in codec.INTEGERS and isinstance(value, int)):
            return self._known.get(value) or self._new(value)
        column = self._column
        if isinstance(value, float):
            raw, exponent = float_parts(value, f"{self.register}' of '{where}")
            scaler = exponent + column.scaler
            return RegisterValue(register=self.register, raw=raw, scaler=scaler, unit=column.unit)
        if column.unit is not None:
            raise MeterDecodeError(f"expected a number, got {tag.name} in '{self.register}' of {where}")
        return None

    def _new(self, raw: int | None) -> RegisterValue:
        column = self._column
        value = RegisterValue(register=self.register, raw=raw, scaler=column.scaler, unit=column.unit)
        self._known[raw] = value
        return value


def register_value(data: Data, register: str, scaler: int, unit: int) -> RegisterValue:
    """One register's attribute 2 with its scaler and unit.

    Raises:
        MeterDecodeError: naming the register, when it is no number.
    """
    column = ProfileColumn(class_id=3, obis=register, attribute=2, data_index=0, scaler=scaler, unit=unit)
    value = _Numeric(0, column).read(data, "the register")
    assert value is not None, "a column with a unit gives a value or raises"
    return value
