"""What any COSEM object says, where no reading hangs on it: an association's list, profiles of any kind, values as text.

Source: DLMS UA Blue Book, class 15 (association LN) attribute 2, class 7 (profile generic); METERS §2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final, TypeAlias

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms import codec, profile
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.cosem import CLOCK, DATE_TIME_OCTETS, meter_clock, obis_text
from edge_agent.registers import MeterClock, ProfileColumn, float_parts
from signing.interval import utc_text

BILLING_DATE: Final = "0.0.0.1.2.255"
"""The stamp of a billing row. Source: public Indian object lists (METERS S2)."""
_EXACT: Final = Context(prec=400)
_MODES: Final = {
    0: "none",
    1: "read",
    2: "write",
    3: "read, write",
    4: "authenticated read",
    5: "authenticated write",
    6: "authenticated read, write",
}
"""Access modes of an attribute. Source: Blue Book, class 15 versions 0 to 2, attribute_access_mode."""
_UNSPECIFIED_YEAR: Final = b"\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """One object of an association, as its list says."""

    class_id: int
    version: int
    obis: str
    attributes: tuple[tuple[int, int], ...]
    """Attribute and access mode, in the meter's order."""
    methods: int
    """How many methods the association may use."""

    def access(self) -> dict[str, list[int]]:
        """The attributes by their access mode, in words."""
        modes: dict[str, list[int]] = {}
        for attribute, mode in self.attributes:
            modes.setdefault(_MODES.get(mode, str(mode)), []).append(attribute)
        return modes


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericRow:
    """One row of a profile of any kind."""

    clock: MeterClock | None
    """When it was captured; None when the profile has no clock column, or the meter leaves the cell unspecified."""
    cells: tuple[Data, ...]
    """One a column, in the profile's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericProfile:
    """A profile of any kind: columns in place, rows in the meter's order."""

    obis: str
    columns: tuple[ProfileColumn, ...]
    rows: tuple[GenericRow, ...]


def object_list(data: Data, what: str) -> tuple[ListedObject, ...]:
    """The objects in `data`, attribute 2 of an association.

    Raises:
        MeterDecodeError: naming `what` and the place.
    """
    return tuple(_listed(entry, f"object {place} of {what}") for place, entry in enumerate(profile.parts(data, what)))


def _listed(entry: Data, what: str) -> ListedObject:
    class_id, version, name, rights = profile.parts(entry, what, 4)
    attributes, *methods = profile.parts(rights, what) or (codec.NULL,)
    if not isinstance(name.value, bytes):
        raise MeterDecodeError(f"expected a logical name, got {name.tag.name} in {what}")
    modes = []
    for right in profile.parts(attributes, what):
        attribute, mode, *_ = (*profile.parts(right, what), codec.NULL, codec.NULL)
        modes.append((profile.integer(attribute, what), profile.integer(mode, what)))
    return ListedObject(
        class_id=profile.integer(class_id, what),
        version=profile.integer(version, what),
        obis=obis_text(name.value),
        attributes=tuple(modes),
        # Some Indian meters list attributes only.
        methods=sum(_is_granted(right, what) for each in methods for right in profile.parts(each, what)),
    )


def _is_granted(right: Data, what: str) -> int:
    _, mode, *_ = (*profile.parts(right, what), codec.NULL, codec.NULL)
    return int(bool(mode.value))


def clock_place(columns: Sequence[ProfileColumn]) -> int | None:
    """Where the rows of a profile have their time: the clock's column, or the billing date's; None without either."""
    for place, column in enumerate(columns):
        if (column.class_id, column.obis, column.attribute) == (CLOCK.class_id, CLOCK.obis, CLOCK.attribute):
            return place
    return next((place for place, column in enumerate(columns) if column.register == BILLING_DATE), None)


def generic_rows(buffer: Data, of: str, columns: Sequence[ProfileColumn]) -> tuple[GenericRow, ...]:
    """The rows of the buffer of profile `of`, every cell in its column's place.

    Raises:
        MeterDecodeError: naming the profile and the row, when a row has not exactly the columns or its clock is none.
    """
    name, place = f"{of} (class 7) attribute 2", clock_place(columns)
    rows = []
    for number, row in enumerate(profile.parts(buffer, name), start=1):
        where = f"row {number} of {name}"
        cells = profile.parts(row, where, len(columns))
        rows.append(GenericRow(clock=None if place is None else _row_clock(cells[place], where), cells=cells))
    return tuple(rows)


def _row_clock(cell: Data, where: str) -> MeterClock | None:
    if cell.tag is Tag.NULL or (isinstance(cell.value, bytes) and cell.value[:2] == _UNSPECIFIED_YEAR):
        return None
    return profile.clock(cell, where)


Shown: TypeAlias = "str | int | bool | list[Shown] | None"


def shown(data: Data, column: ProfileColumn | None = None) -> Shown:
    """A value to be read by people: exact, nothing guessed.

    A number of a register stands as decimal text in its unit, another as it is; a date-time as RFC 3339 where it names an
    instant; octets as their text where they are one, else as ``0x`` and hexadecimal digits; null-data as None.
    """
    tag, value = data
    if isinstance(value, tuple):
        return [shown(part) for part in value]
    if value is None or isinstance(value, bool) or tag is Tag.ENUM:
        return value if not isinstance(value, bytes | float) else str(value)
    if isinstance(value, int) and tag in codec.INTEGERS:
        return value if column is None or column.unit is None else _decimal(value, column.scaler)
    if isinstance(value, float):
        return _float(value, column)
    if isinstance(value, bytes) and len(value) == DATE_TIME_OCTETS:
        return _instant(value) or _octets(data)
    return _octets(data)


def _instant(value: bytes) -> str | None:
    try:
        return utc_text(meter_clock(value).utc_s)
    except MeterDecodeError:
        return None


def _octets(data: Data) -> str:
    value = data.value
    if not isinstance(value, bytes):
        return profile.text(data, "a value") if data.tag is not Tag.BIT_STRING else str(value)
    text = value.rstrip(b"\x00 ").decode("latin-1")
    is_text = data.tag is Tag.OCTET_STRING and text.isascii() and text.isprintable()
    return text if is_text else f"0x{value.hex()}"


def _float(value: float, column: ProfileColumn | None) -> str:
    try:
        raw, exponent = float_parts(value, "a value")
    except MeterDecodeError:
        return str(value)  # not a number, or infinite: shown as the meter says it
    return _decimal(raw, exponent + (0 if column is None else column.scaler))


def _decimal(raw: int, scaler: int) -> str:
    return format(Decimal(raw).scaleb(scaler, context=_EXACT), "f")
