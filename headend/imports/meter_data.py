"""Another system's readings as IES MeterData v0.6: INTERVAL profiles are blocks, DAILY profiles are registers. Pure.

Source: EXCHANGE §6; METERS (a daily profile is stamped 00:00 of the next day).
"""

from collections.abc import Iterator
from decimal import Decimal

from headend.ies.cells import Cell, worst_status
from headend.ies.codes import EXPORT_BLOCK, EXPORT_REGISTER, IMPORT_BLOCK, IMPORT_REGISTER, Mode, ProfileKind
from headend.ies.document import Profile, Row, read
from headend.ies.nodes import EXACT
from headend.imports.file import (
    MAX_ROWS,
    FiledBlock,
    FiledRegister,
    ImportedFile,
    ImportRefusedError,
    require_size,
    whole_wh,
)
from headend.registry.sheet import Fault
from ledger_client.exact_json import JsonError, decimal_text, loads_text
from signing.statements.meter_record import Stamps

_FINER = "whole Wh of at least 0"


def parse_meter_data(content: bytes, stamps: Stamps = Stamps.END) -> ImportedFile:
    """The file in JSON. `stamps` says which register a DAILY reading is.

    Raises:
        ImportRefusedError: it is no JSON.
    """
    require_size(content)
    try:
        document = read(loads_text(content))
    except JsonError as error:
        raise ImportRefusedError(f"{error}: send MeterData v0.6") from error
    faults = [
        Fault(line=_line(one.path), column=one.path, expected=one.expected, got=one.got, remedy="see MeterData v0.6")
        for one in document.faults
    ]
    blocks: list[FiledBlock] = []
    registers: list[FiledRegister] = []
    rows = 0
    for profile in document.profiles:
        rows += len(profile.rows)
        if rows > MAX_ROWS:
            raise ImportRefusedError(f"expected at most {MAX_ROWS} intervals: split the file")
        for row in profile.rows:
            if profile.kind is ProfileKind.INTERVAL:
                blocks += _block(profile, row, faults)
            else:
                registers += _registers(profile, row, stamps, faults)
    return ImportedFile(rows=rows, blocks=tuple(blocks), registers=tuple(registers), faults=tuple(faults))


def _line(path: str) -> int:
    """Which profile a path is in, from 1."""
    digits = path[2:].partition("]")[0]
    return int(digits) + 1 if path.startswith("$[") and digits.isdigit() else 1


def _block(profile: Profile, row: Row, faults: list[Fault]) -> Iterator[FiledBlock]:
    imported, exported = row.cells.get(IMPORT_BLOCK), row.cells.get(EXPORT_BLOCK)
    present = [cell for cell in (imported, exported) if cell is not None]
    if imported is None or worst_status(present) == "REJECTED":
        return
    import_wh, export_wh = _wh(imported, row, faults), None if exported is None else _wh(exported, row, faults)
    if import_wh is None or (exported is not None and export_wh is None):
        return
    yield FiledBlock(
        line=_line(row.path),
        meter=profile.meter,
        start_utc=row.start_utc,
        period_s=profile.length_s,
        import_wh=import_wh,
        export_wh=export_wh,
        is_measured=worst_status(present) == "VALID",
    )


def _registers(profile: Profile, row: Row, stamps: Stamps, faults: list[Fault]) -> Iterator[FiledRegister]:
    """The registers that a day states: what it reads, or the edges of what it used."""
    read_at = row.start_utc + (profile.length_s if stamps is Stamps.END else 0)
    for stamp in (row.start_utc, row.start_utc + profile.length_s):
        found: dict[str, int | None] = {}
        for label in (IMPORT_REGISTER, EXPORT_REGISTER):
            cell = row.cells.get(label)
            if cell is None or cell.status != "VALID":
                # What the other system made up by itself says nothing of the meter.
                continue
            shown = _shown(cell, is_read=stamp == read_at, is_opening=stamp == row.start_utc)
            if shown is not None:
                found[label] = _register_wh(shown, row, faults)
        if any(wh is not None for wh in found.values()):
            yield FiledRegister(
                line=_line(row.path),
                meter=profile.meter,
                stamp_utc=stamp,
                import_wh=found.get(IMPORT_REGISTER),
                export_wh=found.get(EXPORT_REGISTER),
            )


def _shown(cell: Cell, *, is_read: bool, is_opening: bool) -> Decimal | None:
    if cell.descriptor.mode is Mode.READING:
        return cell.value if is_read else None
    return cell.opening if is_opening else cell.closing


def _register_wh(value: Decimal, row: Row, faults: list[Fault]) -> int | None:
    """A register finer than a Wh is cut to it, as agents cut theirs."""
    return _whole(value.quantize(Decimal("0.001"), rounding="ROUND_FLOOR", context=EXACT), row, faults)


def _wh(cell: Cell, row: Row, faults: list[Fault]) -> int | None:
    return _whole(cell.value, row, faults)


def _whole(kwh: Decimal, row: Row, faults: list[Fault]) -> int | None:
    wh = whole_wh(kwh)
    if wh is None:
        remedy = "give kWh with at most three decimals"
        faults.append(
            Fault(line=_line(row.path), column=row.path, expected=_FINER, got=f"{decimal_text(kwh)} kWh", remedy=remedy)
        )
    return wh
