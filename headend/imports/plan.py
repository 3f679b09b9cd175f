"""What a file comes to: the readings of each meter, ready to be vouched for, and every row that cannot be. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from headend.ies.document import MeterRef
from headend.imports.file import FiledBlock, FiledRegister, ImportedFile
from headend.registry.sheet import Fault
from signing.interval import ist_text
from signing.statements.imported_batch import MAX_IMPORTED, ImportedBlock
from signing.statements.meter_record import Fact
from signing.statements.reading_batch import Register

V = TypeVar("V")


class Names(Protocol):
    """What the registry knows of the names in a file."""

    def meter(self, refs: Sequence[MeterRef], at_utc: int) -> str | None:
        """The meter that a file calls by these names at an instant; none for a stranger, and where they name two."""

    def fact(self, meter: str, at_utc: int) -> Fact | None:
        """What is recorded of a meter at an instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReadings:
    """What one ImportedBatch is to say."""

    meter: str
    period_s: int | None
    blocks: tuple[ImportedBlock, ...]
    registers: tuple[Register, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What a file comes to."""

    readings: tuple[MeterReadings, ...]
    """By meter."""
    faults: tuple[Fault, ...]
    """Of the file and against the registry, by line."""


def planned(file: ImportedFile, names: Names) -> ImportPlan:
    """The plan of a file. One value that stands there twice is one; two values for one place are a fault of the later row."""
    faults = list(file.faults)
    blocks: defaultdict[tuple[str, int], dict[int, ImportedBlock]] = defaultdict(dict)
    registers: defaultdict[str, dict[int, Register]] = defaultdict(dict)
    for block in file.blocks:
        meter = _meter(names, block, block.start_utc, faults)
        if meter is not None and _fits(names, meter, block, faults):
            stated = ImportedBlock(
                start_utc=block.start_utc,
                import_wh=block.import_wh,
                export_wh=block.export_wh,
                is_measured=block.is_measured,
            )
            _put(blocks[meter, block.period_s], block.start_utc, stated, block.line, faults)
    for register in file.registers:
        # A register at the very beginning of a record belongs to it; one before it, to nobody.
        meter = _meter(names, register, register.stamp_utc, faults)
        if meter is not None:
            shown = Register(stamp_utc=register.stamp_utc, import_wh=register.import_wh, export_wh=register.export_wh)
            _put(registers[meter], register.stamp_utc, shown, register.line, faults)
    return ImportPlan(readings=tuple(_readings(blocks, registers)), faults=tuple(sorted(faults)))


def _meter(names: Names, row: FiledBlock | FiledRegister, at_utc: int, faults: list[Fault]) -> str | None:
    found = names.meter(row.meter, at_utc)
    if found is None or names.fact(found, at_utc) is None:
        called = ", ".join(ref.value for ref in row.meter)[:80] or "nothing"
        remedy = "record the meter first: `sakshi-headend registry import`"
        expected = f"a meter of the registry at {ist_text(at_utc)}"
        faults.append(Fault(line=row.line, column="meter", expected=expected, got=called, remedy=remedy))
        return None
    return found


def _fits(names: Names, meter: str, block: FiledBlock, faults: list[Fault]) -> bool:
    fact = names.fact(meter, block.start_utc)
    if fact is not None and fact.period_s != block.period_s:
        remedy = "correct the file, or the meter's record"
        expected = f"blocks of {fact.period_s} s, as {meter} is recorded"
        faults.append(
            Fault(line=block.line, column="period_s", expected=expected, got=f"{block.period_s} s", remedy=remedy)
        )
        return False
    return True


def _put(known: dict[int, V], at_utc: int, value: V, line: int, faults: list[Fault]) -> None:
    before = known.setdefault(at_utc, value)
    if before != value:
        remedy = "keep the one that holds"
        expected = f"one value for {ist_text(at_utc)}"
        faults.append(Fault(line=line, column="time", expected=expected, got="another one", remedy=remedy))


def _readings(
    blocks: Mapping[tuple[str, int], Mapping[int, ImportedBlock]], registers: Mapping[str, Mapping[int, Register]]
) -> Iterable[MeterReadings]:
    """One statement for each length of block and for the registers, in parts that one statement can hold."""
    rest = dict(registers)
    for meter, period_s in sorted(blocks):
        stated = [block for _, block in sorted(blocks[meter, period_s].items())]
        stamped = _ascending(rest.pop(meter, {}))
        for first in range(0, len(stated), MAX_IMPORTED):
            portion = tuple(stated[first : first + MAX_IMPORTED])
            beside, stamped = stamped[:MAX_IMPORTED], stamped[MAX_IMPORTED:]
            yield MeterReadings(meter=meter, period_s=period_s, blocks=portion, registers=beside)
        if stamped:
            rest[meter] = {register.stamp_utc: register for register in stamped}
    for meter in sorted(rest):
        stamped = _ascending(rest[meter])
        for first in range(0, len(stamped), MAX_IMPORTED):
            part = stamped[first : first + MAX_IMPORTED]
            yield MeterReadings(meter=meter, period_s=None, blocks=(), registers=part)


def _ascending(stamped: Mapping[int, Register]) -> tuple[Register, ...]:
    return tuple(register for _, register in sorted(stamped.items()))
