"""ReadingBatch: one span of readings of one meter, as a signed header and its opening.

The header commits to the opening by hash, so the energies can be erased while the chain stays provable.
Source: docs/wire-format.md §4.1; EVIDENCE §1.
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.energy import MAX_WH
from signing.errors import DecodeError
from signing.interval import Interval, instant, period

MAX_BLOCKS = 96
MAX_REGISTERS = 32
_HEADER_FIELDS = 12


class Origin(IntEnum):
    """How the meter authenticated to the agent; a higher value is stronger. Never hidden, never upgraded."""

    MODBUS = 0
    PLAIN = 1
    LLS = 2
    GMAC = 3


class ClockSource(IntEnum):
    """What the gateway compared the meter's clock with."""

    NONE = 0
    GATEWAY = 1
    NTP = 2


class Absence(IntEnum):
    """Why an energy of a reading is absent."""

    NONE = 0
    """Both energies are present."""
    NO_EXPORT_REGISTER = 1
    """The meter has no export register: import is present, export is absent."""
    NO_ROW = 2
    NULL_DATA = 3
    NOT_WITNESSED = 4
    REGISTER_FELL = 5
    IMPLAUSIBLE = 6
    METER_ERROR = 7


class Flag(IntFlag):
    """What the meter said about a block."""

    CLOCK_INVALID = 1
    CLOCK_DOUBTFUL = 2
    CLOCK_STEP = 4
    POWER_FAIL = 8
    FILLER = 16
    REPEATED_ROW = 32
    ROLLED_OVER = 64


MAX_FLAGS = 2**16 - 1
"""Unknown bits are carried: a flag that a later version names is evidence already."""


class Provenance(IntEnum):
    """Where a block's energies come from."""

    LOAD_PROFILE = 0
    SAMPLED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One block of one meter: energies in Wh as the meter states them, or absent with a reason.

    Energies are non-negative by construction in the agent; a received one may be anything, and rules judge it.
    """

    import_wh: int | None
    export_wh: int | None
    absence: Absence
    flags: int
    provenance: Provenance

    def __post_init__(self) -> None:
        expected = {Absence.NONE: (True, True), Absence.NO_EXPORT_REGISTER: (True, False)}
        present = (self.import_wh is not None, self.export_wh is not None)
        if present != expected.get(self.absence, (False, False)):
            raise DecodeError(
                f"expected energies as absence {self.absence.name} says, got import {self.import_wh} and export "
                f"{self.export_wh}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Cumulative energies at one instant, in Wh; absent where the meter has no such register."""

    stamp_utc: int
    import_wh: int | None
    export_wh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBatch:
    """The signed header. Its place in the chain (meter, kid) is `sequence`, `previous` and `reach`."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.reading-batch+cbor;v=1"

    meter: str
    sequence: int
    previous: bytes
    start_utc: int
    period_s: int
    count: int
    """Blocks in the span, 1…96."""
    reach_utc: int
    """End of the latest block in all lower sequences; 0 at sequence 0."""
    read_at_utc: int
    clock_offset_ms: int | None
    """Meter minus reference; absent when the meter has no clock or there is no reference."""
    clock_source: ClockSource
    origin: Origin
    software: bytes
    contents: bytes
    """SHA-256 of the encoded opening."""

    @property
    def end_utc(self) -> int:
        """The end of the span, exclusive."""
        return self.start_utc + self.count * self.period_s

    @property
    def span(self) -> Interval:
        """The span that the batch covers without holes."""
        return Interval(self.start_utc, self.end_utc)

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return encode(
            [
                self.meter,
                self.sequence,
                self.previous,
                self.start_utc,
                self.period_s,
                self.count,
                self.reach_utc,
                self.read_at_utc,
                [self.clock_offset_ms, int(self.clock_source)],
                int(self.origin),
                self.software,
                self.contents,
            ]
        )

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The header in canonical bytes. Raises `DecodeError` naming the field."""
        item = fields.array(decode(payload, "reading-batch"), _HEADER_FIELDS, "reading-batch")
        offset, source = fields.array(item[8], 2, "reading-batch.clock")
        batch = cls(
            meter=fields.identifier(item[0], "reading-batch.meter"),
            sequence=fields.uint(item[1], "reading-batch.sequence"),
            previous=fields.digest(item[2], "reading-batch.previous"),
            start_utc=instant(item[3], "reading-batch.start"),
            period_s=period(item[4], "reading-batch.period"),
            count=fields.integer(item[5], "reading-batch.count", least=1, most=MAX_BLOCKS),
            reach_utc=instant(item[6], "reading-batch.reach"),
            read_at_utc=instant(item[7], "reading-batch.read_at"),
            clock_offset_ms=fields.optional(offset, fields.integer, "reading-batch.clock.offset_ms"),
            clock_source=fields.member(source, ClockSource, "reading-batch.clock.source"),
            origin=fields.member(item[9], Origin, "reading-batch.origin"),
            software=fields.digest(item[10], "reading-batch.software"),
            contents=fields.digest(item[11], "reading-batch.contents"),
        )
        instant(batch.end_utc, "reading-batch.end")
        return batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the header commits to: the readings of the span, in order, and cumulative registers, salted."""

    salt: bytes
    identity: str | None
    """The serial number that the meter itself gave."""
    registers: tuple[Register, ...]
    readings: tuple[Reading, ...]

    def encoded(self) -> bytes:
        """The canonical bytes; their SHA-256 is the header's `contents`."""
        rows = self.readings
        columns = [
            _column([row.import_wh for row in rows]),
            _column([row.export_wh for row in rows]),
            _column([int(row.absence) for row in rows]),
            _column([row.flags for row in rows]),
            _column([int(row.provenance) for row in rows]),
        ]
        registers = [[register.stamp_utc, register.import_wh, register.export_wh] for register in self.registers]
        return encode([self.salt, self.identity, registers, columns])

    def contents(self) -> bytes:
        """SHA-256 of the encoded opening, as the header carries it."""
        return hashlib.sha256(self.encoded()).digest()

    @classmethod
    def parse(cls, encoded: bytes, count: int) -> Self:
        """The opening of a batch of `count` blocks. Raises `DecodeError` naming the field."""
        item = fields.array(decode(encoded, "opening"), 4, "opening")
        rows = fields.sequence(item[2], "opening.registers", most=MAX_REGISTERS)
        registers = tuple(_register(row, f"opening.registers[{place}]") for place, row in enumerate(rows))
        if any(later.stamp_utc <= earlier.stamp_utc for earlier, later in zip(registers, registers[1:], strict=False)):
            raise DecodeError("expected stamps in ascending order in 'opening.registers'")
        return cls(
            salt=fields.salt(item[0], "opening.salt"),
            identity=fields.optional(item[1], fields.label, "opening.identity"),
            registers=registers,
            readings=_readings(fields.array(item[3], 5, "opening.columns"), count),
        )


def wire_energy(value: object, path: str) -> int:
    """An energy as the wire can carry it: any whole Wh, since a bad value is a finding and not a refusal."""
    return fields.integer(value, path, least=-MAX_WH, most=MAX_WH)


def _register(row: object, path: str) -> Register:
    stamp, imported, exported = fields.array(row, 3, path)
    return Register(
        stamp_utc=instant(stamp, f"{path}.stamp"),
        import_wh=fields.optional(imported, wire_energy, f"{path}.import"),
        export_wh=fields.optional(exported, wire_energy, f"{path}.export"),
    )


def _readings(columns: list[object], count: int) -> tuple[Reading, ...]:
    imports = _values(columns[0], count, "opening.columns.import")
    exports = _values(columns[1], count, "opening.columns.export")
    absences = _values(columns[2], count, "opening.columns.absence")
    flags = _values(columns[3], count, "opening.columns.flags")
    provenances = _values(columns[4], count, "opening.columns.provenance")
    return tuple(
        Reading(
            import_wh=fields.optional(imports[i], wire_energy, f"opening.columns.import[{i}]"),
            export_wh=fields.optional(exports[i], wire_energy, f"opening.columns.export[{i}]"),
            absence=fields.member(absences[i], Absence, f"opening.columns.absence[{i}]"),
            flags=fields.integer(flags[i], f"opening.columns.flags[{i}]", least=0, most=MAX_FLAGS),
            provenance=fields.member(provenances[i], Provenance, f"opening.columns.provenance[{i}]"),
        )
        for i in range(count)
    )


def _column(values: list[int | None]) -> object:
    """One value when all are equal, else the list: the shorter form is the only form."""
    return values[0] if len(set(values)) == 1 else values


def _values(column: object, count: int, path: str) -> list[object]:
    if type(column) is not list:
        return [column] * count
    values = fields.array(column, count, path)
    # Two forms of one column would be two digests of one reading.
    if all(type(value) is type(values[0]) and value == values[0] for value in values):
        raise DecodeError(f"expected a single value for a column whose values are all equal in '{path}'")
    return values
