"""Register values: exactly what a meter gave, with its own stamp, scaler and unit.

Nothing here is rounded, aligned or judged: `assemble` does that, to `Energies`. Instants are integer UTC seconds. Import from the grid and
export to the grid are two non-negative energies; an absent register is None, never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from enum import Enum
from types import MappingProxyType

from edge_agent.errors import MeterDecodeError, MeterRefusedError

UNIT_WATT_HOURS = 30
"""Active energy in Wh in the unit enumeration of COSEM. Source: DLMS UA Blue Book, class 3, attribute scaler_unit."""

IMPORT_TOTAL = "1.0.1.8.0.255"
"""Cumulative active energy drawn from the grid."""
EXPORT_TOTAL = "1.0.2.8.0.255"
"""Cumulative active energy given to the grid."""
IMPORT_BLOCK = "1.0.1.29.0.255"
"""Active energy drawn from the grid within one block. Source: METERS §2, "time integral 5"."""
EXPORT_BLOCK = "1.0.2.29.0.255"
"""Active energy given to the grid within one block; an import-only meter has no such column."""

SCALER_RANGE = range(-128, 128)
_EXACT = Context(prec=400)
"""Wide enough that no raw integer with any scaler is rounded."""


class Origin(Enum):
    """How the meter's words reached the agent, strongest first."""

    GMAC = "GMAC"
    """Every answer carried a verified AES-GCM tag of the meter's key."""
    LLS = "LLS"
    """The agent showed a password; the answers themselves are not authenticated."""
    PLAIN = "PLAIN"
    """A public DLMS association: nobody showed anything."""
    MODBUS = "MODBUS"
    """A Modbus register: no authentication, no clock, no memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterValue:
    """One register as the meter gave it: the quantity is ``raw * 10**scaler`` of `unit`, exactly."""

    register: str
    """OBIS code of the register (``/n`` appended for an attribute n other than 2), or the name in a Modbus map."""
    raw: int | None
    """The integer on the wire; None when the meter sent null-data in this place."""
    scaler: int
    """Power of ten, -128…127."""
    unit: int | None
    """COSEM unit enumeration; None when the meter names none."""

    def __post_init__(self) -> None:
        if self.scaler not in SCALER_RANGE:
            raise MeterDecodeError(f"expected a scaler from -128 to 127, got {self.scaler} in '{self.register}'")


def float_parts(value: float, register: str) -> tuple[int, int]:
    """A register's float as (integer, power of ten), exactly: a float is a binary fraction, and so a decimal one.

    Raises:
        MeterDecodeError: naming `register`, when it is not finite.
    """
    sign, digits, exponent = Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        raise MeterDecodeError(f"expected a finite number, got {value} in '{register}'")
    raw = int("".join(map(str, digits)))
    return (-raw if sign else raw), exponent


def watt_hours_exact(value: RegisterValue) -> Decimal | None:
    """The active energy in Wh, exact; None when the meter sent null-data.

    Raises:
        MeterRefusedError: naming the register, when its unit is not Wh.
        MeterDecodeError: naming the register, when the energy is negative.
    """
    if value.unit != UNIT_WATT_HOURS:
        raise MeterRefusedError(
            f"expected unit 30 (Wh), got {value.unit} in '{value.register}'; this register is no active energy"
        )
    if value.raw is None:
        return None
    if value.raw < 0:
        raise MeterDecodeError(f"expected a non-negative energy, got {value.raw} in '{value.register}'")
    return Decimal(value.raw).scaleb(value.scaler, context=_EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileColumn:
    """One capture object of a profile, in the meter's own order."""

    class_id: int
    obis: str
    attribute: int
    data_index: int
    scaler: int
    """Power of ten; 0 for an object without one."""
    unit: int | None
    """COSEM unit enumeration; None for an object without one."""

    @property
    def register(self) -> str:
        """The name under which rows carry this column: its OBIS code, with ``/n`` for an attribute other than 2."""
        return self.obis if self.attribute == 2 else f"{self.obis}/{self.attribute}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLayout:
    """What a load profile records: its columns as attribute 3 says, its period and its depth."""

    obis: str
    columns: tuple[ProfileColumn, ...]
    capture_period_s: int
    """Length of a block in seconds, more than 0."""
    entries: int
    """Rows that fit (profile_entries)."""
    entries_in_use: int
    """Rows that the meter held when the layout was read."""
    newest_first: bool
    """Whether the buffer is LIFO: row 1 is the newest."""

    def has(self, register: str) -> bool:
        """Whether the profile records `register`; an import-only meter has no export column."""
        return any(column.register == register for column in self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One row of a load profile."""

    stamp: bytes | None
    """The 12 octets of the meter's date-time; None when it sent null-data, which means previous + period."""
    stamp_utc: int
    """The instant that the stamp names, in UTC seconds."""
    end_utc: int
    """The end of the block in UTC seconds: the stamp, or stamp + period on a meter configured as start-stamped."""
    clock_status: int | None
    """The clock status octet; None when unspecified (0xFF) or when there is no stamp."""
    values: Mapping[str, RegisterValue] = field(default_factory=dict)
    """The numeric columns by register name. A column that the meter lacks has no key; null-data has raw None."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterClock:
    """The meter's own time, as read. The caller compares it with its own clock at the moment of the answer."""

    utc_s: int
    hundredths: int | None
    """Hundredths of a second past `utc_s`, 0…99; None when the meter leaves them unspecified."""
    deviation_min: int | None
    """The deviation as sent, in minutes (-330 is right for India, +330 is a common mistake); None when 0x8000."""
    status: int | None
    """The clock status octet; None when unspecified (0xFF)."""
    raw: bytes
    """The 12 octets as sent."""

    @property
    def utc_ms(self) -> int:
        """The meter's time in UTC milliseconds; unspecified hundredths count as 0."""
        return self.utc_s * 1000 + (self.hundredths or 0) * 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterIdentity:
    """Who the meter says it is; None where it has no such object."""

    serial: str | None
    manufacturer: str | None = None
    firmware: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CumulativeRegisters:
    """Cumulative active energies at one instant of the meter's clock."""

    stamp_utc: int
    imported: RegisterValue
    exported: RegisterValue | None
    """None when the meter has no export register."""

    @property
    def imported_wh(self) -> Decimal | None:
        """Import in Wh, exact; None for null-data. Raises as `watt_hours_exact`."""
        return watt_hours_exact(self.imported)

    @property
    def exported_wh(self) -> Decimal | None:
        """Export in Wh, exact; None without an export register or for null-data. Raises as `watt_hours_exact`."""
        return None if self.exported is None else watt_hours_exact(self.exported)


@dataclass(frozen=True, slots=True)
class Energies:
    """What is signed of one block, in whole Wh; None where it is absent."""

    import_wh: int | None
    export_wh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSample:
    """Cumulative active energies of a meter without memory or clock, read in one block.

    The caller stamps it: a Modbus meter knows no time.
    """

    serial: str | None
    """The meter's serial number, read in the same poll; None when its map has none or the meter refuses it."""
    imported: RegisterValue
    exported: RegisterValue | None
    imported_wh: int
    """Import in whole Wh: the cumulative value rounded half to even, so that differences of samples add up."""
    exported_wh: int | None
    quantum_wh: Decimal
    """The coarser of the register's own step at this reading and 1 Wh: a block is known no better than this."""
    words: tuple[int, ...]
    """The 16-bit words of the block as received."""
    ends_wh: tuple[int, ...] = ()
    """Energies at which a register of this meter begins again at 0: where its words end, and where its display does."""
    swapped_wh: tuple[int, int | None] | None = None
    """Import and export in whole Wh if the words came in the other order; None where that could not be a reading."""
