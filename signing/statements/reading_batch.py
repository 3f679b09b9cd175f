"""ReadingBatch: one span of readings of one meter, as a signed header and its opening.

The header commits to the opening by hash, so the energies can be erased while the chain stays provable.
Source: docs/wire-format.md §4.1; EVIDENCE §1.
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.errors import DecodeError
from signing.interval import Interval, instant, period
from signing.statements.reading import Columns, Reading, parse_columns, wire_energy

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
    """Ascending by stamp."""
    columns: Columns

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The readings of the span, in order."""
        return self.columns.readings()

    def encoded(self) -> bytes:
        """The canonical bytes; their SHA-256 is the header's `contents`."""
        registers = [[register.stamp_utc, register.import_wh, register.export_wh] for register in self.registers]
        return encode([self.salt, self.identity, registers, self.columns.item()])

    def contents(self) -> bytes:
        """SHA-256 of the encoded opening, as the header carries it."""
        return hashlib.sha256(self.encoded()).digest()

    @classmethod
    def parse(cls, encoded: bytes, count: int) -> Self:
        """The opening of a batch of `count` blocks. Raises `DecodeError` naming the field."""
        item = fields.array(decode(encoded, "opening"), 4, "opening")
        rows = fields.sequence(item[2], "opening.registers", most=MAX_REGISTERS)
        registers = tuple(_register(row, f"opening.registers[{place}]") for place, row in enumerate(rows))
        if any(later.stamp_utc <= earlier.stamp_utc for earlier, later in pairwise(registers)):
            raise DecodeError("expected stamps in ascending order in 'opening.registers'")
        return cls(
            salt=fields.salt(item[0], "opening.salt"),
            identity=fields.optional(item[1], fields.label, "opening.identity"),
            registers=registers,
            columns=parse_columns(item[3], count),
        )


def _register(row: object, path: str) -> Register:
    stamp, imported, exported = fields.array(row, 3, path)
    return Register(
        stamp_utc=instant(stamp, f"{path}.stamp"),
        import_wh=fields.optional(imported, wire_energy, f"{path}.import"),
        export_wh=fields.optional(exported, wire_energy, f"{path}.export"),
    )
