"""Another system's readings in CSV: one row for one block or one register. Pure.

::

    meter,kind,time,period_s,import_kwh,export_kwh,status
    SKS00000001,BLOCK,2026-04-26T00:00:00+05:30,900,0.812,0,VALID
    SKS00000001,REGISTER,2026-04-27T00:00:00+05:30,,1234.567,12.3,

`time` is the start of a block, the instant of a register. A block that the system lacks has no row: an empty energy is never 0. Source:
docs/operating.md, Meters without a gateway.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from headend.ies.cells import STATUSES
from headend.ies.document import MeterRef
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
from signing import fields
from signing.errors import DecodeError
from signing.interval import PERIODS_S, is_aligned, parse_instant
from signing.statements.meter_record import Stamps

COLUMNS = ("meter", "kind", "time", "period_s", "import_kwh", "export_kwh", "status")
_NEEDED = ("meter", "kind", "time", "import_kwh")
_KWH = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_OMITTED = "leave the row out where the system has no value: absent is never 0"


class _RowError(Exception):
    """A cell that is not as it should be."""

    def __init__(self, column: str, expected: str, got: str, remedy: str) -> None:
        super().__init__(column)
        self.fault = (column, expected, got[:80] or "nothing", remedy)


def parse_csv(content: bytes, _stamps: Stamps = Stamps.END) -> ImportedFile:
    """The file in CSV: UTF-8 with or without a byte order mark. A register's row states its instant, whatever the setting.

    Raises:
        ImportRefusedError: it is no such file, or its header is wrong.
    """
    require_size(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportRefusedError(f"byte {error.start} is not UTF-8: save the file as 'CSV UTF-8'") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(next(reader, []))
        return _read(header, reader)
    except csv.Error as error:
        raise ImportRefusedError(f"line {reader.line_num} is not CSV ({error}): save it as CSV with commas") from error


def _header(cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    if any(name not in COLUMNS for name in header) or any(name not in header for name in _NEEDED):
        raise ImportRefusedError(
            f"line 1: expected the columns {', '.join(COLUMNS)}, at least {', '.join(_NEEDED)}: correct the header"
        )
    if len(set(header)) != len(header):
        raise ImportRefusedError("line 1: a column stands there twice: keep one of them")
    return header


def _read(header: list[str], reader: Iterator[list[str]]) -> ImportedFile:
    blocks: list[FiledBlock] = []
    registers: list[FiledRegister] = []
    faults: list[Fault] = []
    rows = 0
    for line, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        rows += 1
        if rows > MAX_ROWS:
            raise ImportRefusedError(f"expected at most {MAX_ROWS} rows: split the file")
        try:
            found = _row(line, _named(header, cells))
        except _RowError as error:
            column, expected, got, remedy = error.fault
            faults.append(Fault(line=line, column=column, expected=expected, got=got, remedy=remedy))
            continue
        if isinstance(found, FiledBlock):
            blocks.append(found)
        elif found is not None:
            registers.append(found)
    return ImportedFile(rows=rows, blocks=tuple(blocks), registers=tuple(registers), faults=tuple(faults))


def _named(header: list[str], cells: list[str]) -> Mapping[str, str]:
    if len(cells) != len(header):
        raise _RowError("-", f"{len(header)} cells", f"{len(cells)}", "leave no column out")
    return dict.fromkeys(COLUMNS, "") | dict(zip(header, (cell.strip() for cell in cells), strict=True))


def _row(line: int, row: Mapping[str, str]) -> FiledBlock | FiledRegister | None:
    """The reading of a row; none for one that its own system rejected."""
    kind, status = row["kind"], row["status"] or "VALID"
    if kind not in {"BLOCK", "REGISTER"}:
        raise _RowError("kind", "BLOCK or REGISTER", kind, "say what the row is")
    if status not in STATUSES:
        raise _RowError("status", f"one of {', '.join(STATUSES)}, or nothing", status, "use the words of IES")
    meter, at = _meter(row["meter"]), _instant(row["time"])
    imported, exported = _energy(row, "import_kwh"), _energy(row, "export_kwh")
    if imported is None and (kind == "BLOCK" or exported is None):
        raise _RowError("import_kwh", "an energy in kWh", "nothing", _OMITTED)
    if status == "REJECTED":
        return None
    if kind == "REGISTER":
        return FiledRegister(line=line, meter=meter, stamp_utc=at, import_wh=imported, export_wh=exported)
    assert imported is not None
    return FiledBlock(
        line=line,
        meter=meter,
        start_utc=at,
        period_s=_period(row["period_s"] or "900", at),
        import_wh=imported,
        export_wh=exported,
        is_measured=status == "VALID",
    )


def _meter(text: str) -> tuple[MeterRef, ...]:
    try:
        return (MeterRef(scheme="METER_BADGE", value=fields.label(text, "meter")),)
    except DecodeError as error:
        raise _RowError(
            "meter", "1 to 128 printable characters", text, "name the meter as the registry does"
        ) from error


def _instant(text: str) -> int:
    try:
        return parse_instant(text, "time")
    except DecodeError as error:
        remedy = "write it as 2026-04-26T00:00:00+05:30"
        raise _RowError("time", "a date-time in whole seconds with its zone", text, remedy) from error


def _period(text: str, start: int) -> int:
    if text not in map(str, PERIODS_S):
        raise _RowError("period_s", "900, 1800 or 3600", text, "give the length of the block in seconds")
    period_s = int(text)
    if not is_aligned(start, period_s):
        remedy = "`time` is the start of the block, on an edge from IST midnight"
        raise _RowError("time", f"the start of a block of {period_s} s", "another instant", remedy)
    return period_s


def _energy(row: Mapping[str, str], column: str) -> int | None:
    text = row[column]
    if not text:
        return None
    wh = whole_wh(Decimal(text)) if _KWH.fullmatch(text) else None
    if wh is None:
        raise _RowError(column, "kWh, at least 0, with at most three decimals", text, _OMITTED)
    return wh
