"""ImportedBatch: readings of one meter that another system of the discom's read, in the discom's own word.

It never passes for what was signed at the premises: its blocks are evidence of no actual, and its registers are what V32 ORIGIN compares
signed ones with. The header commits to the opening by hash, as a ReadingBatch does. Source: docs/wire-format.md §4.8; EVIDENCE §1.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.energy import watt_hours
from signing.errors import DecodeError
from signing.interval import PERIODS_S, instant, is_aligned
from signing.statements.reading_batch import Register

MAX_IMPORTED = 4096
"""Most blocks, and most registers, of one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedBlock:
    """One block as the other system states it, in Wh as the meter states them; a block that it lacks is not there."""

    start_utc: int
    import_wh: int
    export_wh: int | None
    is_measured: bool
    """False where the other system calls its own value estimated, manual or suspect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedOpening:
    """What the header commits to, salted."""

    salt: bytes
    period_s: int | None
    """Length of the blocks; none without any."""
    blocks: tuple[ImportedBlock, ...]
    """Ascending."""
    registers: tuple[Register, ...]
    """Cumulative; ascending by stamp."""

    def __post_init__(self) -> None:
        if (self.period_s is None) != (not self.blocks):
            raise DecodeError("expected 'period' exactly where there are blocks")
        period_s = self.period_s
        if period_s is not None and (
            period_s not in PERIODS_S or any(not is_aligned(block.start_utc, period_s) for block in self.blocks)
        ):
            raise DecodeError(f"expected blocks aligned to 900, 1800 or 3600 s, got {period_s!r} in 'period'")
        if not _ascend(block.start_utc for block in self.blocks):
            raise DecodeError("expected ascending starts, each once, in 'blocks'")
        if not _ascend(register.stamp_utc for register in self.registers):
            raise DecodeError("expected ascending stamps, each once, in 'registers'")

    @property
    def edges(self) -> tuple[int, int]:
        """The closed span of everything in it: first instant and last. Raises `DecodeError` when it is empty."""
        stamps = [register.stamp_utc for register in self.registers]
        starts = [block.start_utc for block in self.blocks]
        ends = [start + (self.period_s or 0) for start in starts]
        if not stamps and not starts:
            raise DecodeError("expected at least one block or register in 'opening'")
        return min(stamps + starts), max(stamps + ends)

    def encoded(self) -> bytes:
        """The canonical bytes; their SHA-256 is the header's `contents`."""
        blocks = [[block.start_utc, block.import_wh, block.export_wh, int(block.is_measured)] for block in self.blocks]
        registers = [[register.stamp_utc, register.import_wh, register.export_wh] for register in self.registers]
        return encode([self.salt, self.period_s, blocks, registers])

    @classmethod
    def parse(cls, encoded: bytes) -> Self:
        """The opening in canonical bytes. Raises `DecodeError` naming the field."""
        path = "imported-opening"
        salt, period_s, blocks, registers = fields.array(decode(encoded, path), 4, path)
        rows = fields.sequence(blocks, f"{path}.blocks", most=MAX_IMPORTED)
        stamped = fields.sequence(registers, f"{path}.registers", most=MAX_IMPORTED)
        return cls(
            salt=fields.salt(salt, f"{path}.salt"),
            period_s=fields.optional(period_s, fields.uint, f"{path}.period"),
            blocks=tuple(_block(row, f"{path}.blocks[{place}]") for place, row in enumerate(rows)),
            registers=tuple(_register(row, f"{path}.registers[{place}]") for place, row in enumerate(stamped)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedBatch:
    """The signed header: the discom vouches that another system stated this of one meter."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.imported-batch+cbor;v=1"

    meter: str
    source: str
    """Which system, in the discom's words."""
    file: bytes
    """SHA-256 of the file as it came."""
    from_utc: int
    to_utc: int
    """The closed span of the contents."""
    blocks: int
    registers: int
    """How many of each the contents hold; not both 0."""
    contents: bytes
    """SHA-256 of the encoded opening."""

    def __post_init__(self) -> None:
        if self.to_utc < self.from_utc:
            raise DecodeError(f"expected 'from' before 'to', got {self.from_utc} and {self.to_utc}")
        if not self.blocks + self.registers:
            raise DecodeError("expected at least one block or register")

    @classmethod
    def of(cls, meter: str, source: str, file: bytes, opening: ImportedOpening) -> Self:
        """The header of an opening. Raises `DecodeError` when that is empty."""
        first, last = opening.edges
        return cls(
            meter=meter,
            source=source,
            file=file,
            from_utc=first,
            to_utc=last,
            blocks=len(opening.blocks),
            registers=len(opening.registers),
            contents=hashlib.sha256(opening.encoded()).digest(),
        )

    def opened(self, encoded: bytes) -> ImportedOpening:
        """The opening that this header commits to.

        Raises:
            DecodeError: the bytes are no opening, or another one.
        """
        opening = ImportedOpening.parse(encoded)
        if ImportedBatch.of(self.meter, self.source, self.file, opening) != self:
            raise DecodeError("expected the opening that 'contents', 'span' and 'counts' state, got another one")
        return opening

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return encode(
            [
                self.meter,
                self.source,
                self.file,
                [self.from_utc, self.to_utc],
                [self.blocks, self.registers],
                self.contents,
            ]
        )

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The header in canonical bytes. Raises `DecodeError` naming the field."""
        path = "imported-batch"
        meter, source, file, span, counts, contents = fields.array(decode(payload, path), 6, path)
        first, last = fields.array(span, 2, f"{path}.span")
        blocks, registers = fields.array(counts, 2, f"{path}.counts")
        return cls(
            meter=fields.identifier(meter, f"{path}.meter"),
            source=fields.label(source, f"{path}.source"),
            file=fields.digest(file, f"{path}.file"),
            from_utc=instant(first, f"{path}.span.from"),
            to_utc=instant(last, f"{path}.span.to"),
            blocks=fields.integer(blocks, f"{path}.counts.blocks", least=0, most=MAX_IMPORTED),
            registers=fields.integer(registers, f"{path}.counts.registers", least=0, most=MAX_IMPORTED),
            contents=fields.digest(contents, f"{path}.contents"),
        )


def _ascend(values: Iterable[int]) -> bool:
    return all(earlier < later for earlier, later in pairwise(values))


def _block(row: object, path: str) -> ImportedBlock:
    start, imported, exported, measured = fields.array(row, 4, path)
    return ImportedBlock(
        start_utc=instant(start, f"{path}.start"),
        import_wh=watt_hours(imported, f"{path}.import"),
        export_wh=fields.optional(exported, watt_hours, f"{path}.export"),
        is_measured=bool(fields.integer(measured, f"{path}.measured", least=0, most=1)),
    )


def _register(row: object, path: str) -> Register:
    stamp, imported, exported = fields.array(row, 3, path)
    return Register(
        stamp_utc=instant(stamp, f"{path}.stamp"),
        import_wh=fields.optional(imported, watt_hours, f"{path}.import"),
        export_wh=fields.optional(exported, watt_hours, f"{path}.export"),
    )
