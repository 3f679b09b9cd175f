"""A registry sheet: rows of CSV or JSON as values, every fault named by its line and column.

One row says what holds of one meter, and of its connection point, from one time on. Pure; nothing but `SheetError` escapes for a file that is
no sheet at all. Source: docs/operating.md, On-boarding.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from headend.errors import RefusedError
from headend.registry.sheet_columns import BY_NAME, COLUMNS, Column, Group
from signing.errors import DecodeError

T = TypeVar("T")

MAX_BYTES = 8 * 1024 * 1024
MAX_ROWS = 20_000
"""More are imported in several sheets: one sheet is one transaction, and intake waits for it."""

_SHOWN = 80
_NO_COLUMN = "-"


class SheetError(RefusedError):
    """The file cannot be read as a sheet. The message names the place and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """Why a row is rejected."""

    line: int
    """Of the file, from 1; of the list in JSON."""
    column: str
    expected: str
    got: str
    remedy: str

    @property
    def words(self) -> str:
        """The fault for people."""
        return f"line {self.line}, {self.column}: expected {self.expected}, got {self.got}: {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedConsent:
    """The consent that a row states."""

    purpose: str
    grantee: str
    from_utc: int
    until_utc: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one row says. Mappings hold the fields of columns that it has; the others keep what is recorded."""

    line: int
    meter: str
    from_utc: int
    terms: Mapping[str, object] = field(default_factory=dict)
    """Fields of a `Fact`."""
    supply: Mapping[str, object] = field(default_factory=dict)
    """Fields of a `Supply`."""
    posted_as: tuple[str, ...] | None = None
    """Every name of the connection point from then on; none where the column is left out."""
    gateway: tuple[str | None] | None = None
    """The one gateway, or that there is none; none where the column is left out."""
    consent: StatedConsent | None = None

    @property
    def is_about_supply(self) -> bool:
        """Whether it says anything of the connection point itself."""
        names = self.posted_as or ()
        return bool(names) or self.consent is not None or any(value is not None for value in self.supply.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a file says."""

    rows: tuple[Row, ...]
    """Those without a fault, in the order of the file."""
    faults: tuple[Fault, ...]
    spoilt: frozenset[str]
    """Meters that a faulty row names: a meter is recorded as its whole sheet says, or not at all."""
    total: int
    """Rows of the file, good or not."""


def parse_csv(content: bytes) -> Sheet:
    """The sheet in CSV: UTF-8 with or without a byte order mark, any line ends, RFC 4180 quotes.

    Raises:
        SheetError: it is no such file, or its header is wrong.
    """
    text = _text(content)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(next(reader, []))
        return _sheet(_csv_records(reader, header))
    except csv.Error as error:
        raise SheetError(f"line {reader.line_num} is not CSV ({error}): save the sheet as CSV with commas") from error


def parse_json(content: bytes) -> Sheet:
    """The sheet in JSON: ``{"rows": [{column: text, …}, …]}``. Numbers are texts, so that they stay exact.

    Raises:
        SheetError: it is no such document.
    """
    try:
        document = json.loads(_text(content))
    except (ValueError, RecursionError) as error:
        raise SheetError(f"expected JSON ({error}): send a registry sheet as /openapi.json describes it") from error
    rows = document.get("rows") if isinstance(document, dict) and set(document) == {"rows"} else None
    if not isinstance(rows, list):
        raise SheetError("expected an object with 'rows', a list, and nothing else: send one object a row")
    return _sheet(_json_records(rows))


def parse_cells(cells: Mapping[str, str]) -> Sheet:
    """The sheet of one row, from its cells by column name.

    Raises:
        SheetError: a column is unknown.
    """
    _header(list(cells))
    return _sheet([(1, dict(cells))])


def sheet_text(rows: Iterable[Mapping[str, str]]) -> str:
    """The CSV of rows of cells, with every column."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, [column.name for column in COLUMNS], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise SheetError(f"expected at most {MAX_BYTES} bytes, got {len(content)}: split the sheet")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SheetError(f"byte {error.start} is not UTF-8: save the sheet as 'CSV UTF-8'") from error


def _header(cells: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    unknown = [name for name in header if name not in BY_NAME]
    if unknown or not header:
        raise SheetError(
            f"line 1: unknown column(s) {', '.join(map(repr, unknown))[:_SHOWN] or 'none at all'}: remove or correct them; "
            f"a sheet has {', '.join(BY_NAME)}"
        )
    if len(set(header)) != len(header):
        raise SheetError("line 1: a column stands there twice: keep one of them")
    absent = [column.name for column in COLUMNS if column.group is Group.KEY and column.name not in header]
    if absent:
        raise SheetError(f"line 1: column(s) {', '.join(absent)} are missing: every row names its meter and its time")
    return header


_Record: TypeAlias = tuple[int, Mapping[str, str] | Fault]


def _csv_records(reader: Iterator[list[str]], header: Sequence[str]) -> Iterator[_Record]:
    line = 1
    while True:
        # A quoted cell may hold line ends: a row is named by the line that it begins on.
        line = getattr(reader, "line_num", line) + 1
        cells = next(reader, None)
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            remedy = "put cells that hold a comma in quotes, and leave no column out"
            yield line, _fault(line, None, f"{len(header)} cells", f"{len(cells)}", remedy)
        else:
            yield line, dict(zip(header, cells, strict=True))


def _json_records(rows: Sequence[object]) -> Iterator[_Record]:
    for line, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
            yield line, _fault(line, None, "an object of texts", f"{row!r:.{_SHOWN}}", "put numbers in quotes")
            continue
        unknown = sorted(name for name in row if name not in BY_NAME)
        if unknown:
            yield line, _fault(line, unknown[0], "a column of the sheet", "an unknown one", "remove or correct it")
        else:
            yield line, {str(name): value for name, value in row.items()}


def _sheet(records: Iterable[_Record]) -> Sheet:
    rows: list[Row] = []
    faults: list[Fault] = []
    spoilt: set[str] = set()
    total = 0
    for line, record in records:
        total += 1
        if total > MAX_ROWS:
            raise SheetError(f"expected at most {MAX_ROWS} rows, got more: split the sheet")
        if isinstance(record, Fault):
            faults.append(record)
            continue
        found: list[Fault] = []
        row = _row(line, {name: cell.strip() for name, cell in record.items()}, found)
        faults += found
        if row is None:
            spoilt.add(record.get("meter", "").strip())
        else:
            rows.append(row)
    return Sheet(rows=tuple(rows), faults=tuple(faults), spoilt=frozenset(spoilt), total=total)


def _row(line: int, cells: Mapping[str, str], faults: list[Fault]) -> Row | None:
    said: dict[Group, dict[str, object]] = {group: {} for group in Group}
    for column in COLUMNS:
        cell = cells.get(column.name)
        if cell is None and column.group is Group.KEY:
            cell = ""
        if cell is not None:
            said[column.group][column.field] = _value(line, column, cell, faults)
    consent = _consent(line, cells, said, faults)
    if faults:
        return None
    key, names, gateway = said[Group.KEY], said[Group.NAMES], said[Group.GATEWAY]
    return Row(
        line=line,
        meter=_typed(key["meter"], str),
        from_utc=_typed(key["from_utc"], int),
        terms=said[Group.TERM],
        supply=said[Group.SUPPLY],
        posted_as=_typed(names["posted_as"], tuple) if names else None,
        gateway=(None if gateway["gateway"] is None else _typed(gateway["gateway"], str),) if gateway else None,
        consent=consent,
    )


def _value(line: int, column: Column, cell: str, faults: list[Fault]) -> object:
    if not cell and not column.is_needed:
        return column.blank
    try:
        return column.parse(cell)
    except (DecodeError, ValueError):
        got = f"{cell!r:.{_SHOWN}}" if cell else "a blank cell"
        remedy = "correct the cell" if cell else "fill the cell, or leave the column out to keep what is recorded"
        faults.append(_fault(line, column.name, column.expected, got, remedy))
        return column.blank


def _consent(
    line: int, cells: Mapping[str, str], said: Mapping[Group, Mapping[str, object]], faults: list[Fault]
) -> StatedConsent | None:
    names = ("consent_purpose", "consent_grantee", "consent_from", "consent_until")
    if not any(cells.get(name) for name in names):
        return None
    for name in names[:2]:
        if not cells.get(name):
            remedy = "say what the consent is for and to whom, or leave all of them blank"
            faults.append(_fault(line, name, "a purpose and a grantee", "a blank cell", remedy))
    if faults:
        return None
    values = said[Group.CONSENT]
    since, until = values.get("from_utc"), values.get("until_utc")
    began = _typed(said[Group.KEY]["from_utc"] if since is None else since, int)
    ended = None if until is None else _typed(until, int)
    if ended is not None and ended <= began:
        faults.append(
            _fault(line, "consent_until", "a later time than consent_from", cells["consent_until"], "correct it")
        )
        return None
    return StatedConsent(
        purpose=_typed(values["purpose"], str), grantee=_typed(values["grantee"], str), from_utc=began, until_utc=ended
    )


def _typed(value: object, kind: type[T]) -> T:
    assert isinstance(value, kind)
    return value


def _fault(line: int, column: str | None, expected: str, got: str, remedy: str) -> Fault:
    return Fault(line=line, column=column or _NO_COLUMN, expected=expected, got=got, remedy=remedy)
