"""Rows of imported readings. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headend.imports.beside import BesideBlock
from headend.store.sqlite import registry_rows
from signing.envelope import Envelope, parse
from signing.errors import SigningError
from signing.interval import Interval
from signing.statements.imported_batch import ImportedBatch, ImportedBlock, ImportedOpening
from signing.statements.reading_batch import Register


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that was taken."""

    file: int
    """Row id."""
    digest: bytes
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImport:
    """An ImportedBatch as it is kept."""

    leaf: int
    meter: str
    digest: bytes
    blocks: int
    registers: int


def file(connection: sqlite3.Connection, digest: bytes) -> StoredFile | None:
    """The file with these bytes, if it was taken."""
    row = connection.execute("SELECT file, digest, rows FROM imported_files WHERE digest = ?", (digest,)).fetchone()
    return None if row is None else StoredFile(file=row[0], digest=bytes(row[1]), rows=row[2])


def put_file(
    connection: sqlite3.Connection, *, digest: bytes, source: str, brought_by: str, taken_utc: int, rows: int
) -> int:
    """Notes that a file is taken, and gives its row."""
    cursor = connection.execute(
        "INSERT INTO imported_files (digest, source, brought_by, taken_utc, rows) VALUES (?, ?, ?, ?, ?) RETURNING file",
        (digest, source, brought_by, taken_utc, rows),
    )
    (row,) = cursor.fetchone()
    return int(row)


def put(
    connection: sqlite3.Connection,
    leaf: int,
    envelope: Envelope,
    header: ImportedBatch,
    opening: ImportedOpening,
    *,
    file: int,
    at_utc: int,
) -> None:
    """Stores a statement behind its leaf, with its opening and what it says; a later import of the same place holds."""
    registry_rows.put_statement(connection, leaf, envelope, at_utc=at_utc)
    connection.execute(
        "INSERT INTO imported_batches (leaf, file, meter, opening) VALUES (?, ?, ?, ?)",
        (leaf, file, header.meter, opening.encoded()),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO imported_blocks (meter, start_utc, period_s, import_wh, export_wh, is_measured, leaf) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [_block_row(header.meter, opening.period_s or 0, block, leaf) for block in opening.blocks],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO imported_registers (meter, stamp_utc, import_wh, export_wh, leaf) VALUES (?, ?, ?, ?, ?)",
        [
            (header.meter, register.stamp_utc, register.import_wh, register.export_wh, leaf)
            for register in opening.registers
        ],
    )


def batches_of(connection: sqlite3.Connection, file: int) -> tuple[StoredImport, ...]:
    """The statements that a file became, in the order of the log."""
    rows = connection.execute(
        "SELECT leaf, meter, digest, opening FROM imported_batches JOIN statements USING (leaf) WHERE file = ? "
        "ORDER BY leaf",
        (file,),
    )
    found = []
    for leaf, meter, digest, content in rows:
        opening = ImportedOpening.parse(bytes(content))
        found.append(
            StoredImport(
                leaf=leaf,
                meter=meter,
                digest=bytes(digest),
                blocks=len(opening.blocks),
                registers=len(opening.registers),
            )
        )
    return tuple(found)


def blocks(connection: sqlite3.Connection, meter: str, span: Interval) -> Mapping[int, BesideBlock]:
    """The newest imports of the blocks that begin in a span, by start."""
    rows = connection.execute(
        "SELECT start_utc, period_s, import_wh, export_wh, is_measured FROM imported_blocks "
        "WHERE meter = ? AND start_utc >= ? AND start_utc < ? ORDER BY start_utc",
        (meter, span.start_utc, span.end_utc),
    )
    return {
        start: BesideBlock(
            start_utc=start,
            period_s=period,
            import_wh=imported,
            export_wh=exported,
            is_measured=bool(measured),
        )
        for start, period, imported, exported, measured in rows
    }


def registers(connection: sqlite3.Connection, meter: str) -> tuple[Register, ...]:
    """The newest imports of a meter's registers, ascending."""
    rows = connection.execute(
        "SELECT stamp_utc, import_wh, export_wh FROM imported_registers WHERE meter = ? ORDER BY stamp_utc", (meter,)
    )
    return tuple(
        Register(stamp_utc=stamp, import_wh=imported, export_wh=exported) for stamp, imported, exported in rows
    )


def metered(connection: sqlite3.Connection) -> frozenset[str]:
    """Every meter with an imported register."""
    return frozenset(str(meter) for (meter,) in connection.execute("SELECT DISTINCT meter FROM imported_registers"))


def meters_after(connection: sqlite3.Connection, leaf: int, *, limit: int) -> tuple[tuple[int, str], ...]:
    """Leaf and meter of the imports behind a leaf, in the order of the log."""
    rows = connection.execute(
        "SELECT leaf, meter FROM imported_batches WHERE leaf > ? ORDER BY leaf LIMIT ?", (leaf, limit)
    )
    return tuple((int(found), str(meter)) for found, meter in rows)


def _block_row(meter: str, period_s: int, block: ImportedBlock, leaf: int) -> tuple[object, ...]:
    return (
        meter,
        block.start_utc,
        period_s,
        block.import_wh,
        block.export_wh,
        int(block.is_measured),
        leaf,
    )


def contradictions(connection: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with stored imports: openings that are not their statements', and newest rows that no opening says. Changes nothing."""
    rows = connection.execute(
        "SELECT leaf, sign1, meter, opening FROM statements LEFT JOIN imported_batches USING (leaf) "
        "WHERE content_type = ? OR imported_batches.leaf NOT NULL ORDER BY leaf",
        (ImportedBatch.CONTENT_TYPE,),
    )
    newest: dict[tuple[str, str, int], tuple[object, ...]] = {}
    for leaf, sign1, meter, content in rows:
        try:
            header = ImportedBatch.parse(parse(sign1).payload)
            opening = header.opened(content or b"")
        except SigningError as error:
            yield f"the import at leaf {leaf}: {error}"
            continue
        if header.meter != meter:
            yield f"the import at leaf {leaf} is not of the meter that its row says"
        for block in opening.blocks:
            row = _block_row(header.meter, opening.period_s or 0, block, leaf)
            newest["block", header.meter, block.start_utc] = row
        for register in opening.registers:
            newest["register", header.meter, register.stamp_utc] = (
                header.meter,
                register.stamp_utc,
                register.import_wh,
                register.export_wh,
                leaf,
            )
    stored = _newest_rows(connection)
    for place in sorted(newest.keys() | stored.keys()):
        if newest.get(place) != stored.get(place):
            kind, meter, at_utc = place
            yield f"the newest imported {kind} of {meter} at {at_utc} is not what was imported"


def _newest_rows(connection: sqlite3.Connection) -> dict[tuple[str, str, int], tuple[object, ...]]:
    blocks = connection.execute(
        "SELECT meter, start_utc, period_s, import_wh, export_wh, is_measured, leaf FROM imported_blocks"
    )
    registers = connection.execute("SELECT meter, stamp_utc, import_wh, export_wh, leaf FROM imported_registers")
    found: dict[tuple[str, str, int], tuple[object, ...]] = {("block", row[0], row[1]): tuple(row) for row in blocks}
    return found | {("register", row[0], row[1]): tuple(row) for row in registers}
