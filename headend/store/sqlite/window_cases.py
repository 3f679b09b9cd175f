"""Cases from rows: everything that one window rests on, now or as it stood before a leaf.

Only order within a log is a clock, so "as it stood" is a leaf's row id: a bundle made years later shows what was known then.
Source: EVIDENCE §4; docs/wire-format.md §7.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from headend.store.sqlite import edit_rows, registry_rows
from headend.store.sqlite.batch_rows import SqliteBatches
from signing.chain import AdmittedBatch
from signing.envelope import parse
from signing.evidence import PartCase, context, device, signed_registers
from signing.interval import DAY_S, MAX_INSTANT, Interval, ist_day_start
from signing.statements.meter_record import MeterRecord
from signing.statements.reading_batch import Opening, ReadingBatch

FAR_S = 40 * DAY_S
"""How far from a window a register is looked for: a meter keeps daily registers for 35 days."""

NOW = 2**63 - 1
"""Above every leaf: as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecords:
    """The records of one meter, ascending by number."""

    records: tuple[MeterRecord, ...]
    digests: tuple[bytes, ...]
    leaves: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A part with where its evidence stands in the log."""

    case: PartCase
    records: StoredRecords
    leaves: Mapping[bytes, int]
    """Row id of the leaf by digest, of every batch of the case."""


def stored_records(connection: sqlite3.Connection, meter: str, *, before: int = NOW) -> StoredRecords | None:
    """The records of a meter that stand before a leaf; none when there is none."""
    rows = [row for row in registry_rows.records(connection, meter) if row.leaf < before]
    envelopes = [parse(row.sign1, f"record of {meter}") for row in rows]
    if not rows:
        return None
    return StoredRecords(
        records=tuple(MeterRecord.parse(envelope.payload) for envelope in envelopes),
        digests=tuple(envelope.digest for envelope in envelopes),
        leaves=tuple(row.leaf for row in rows),
    )


def stored_part(
    connection: sqlite3.Connection, records: StoredRecords, span: Interval, *, before: int = NOW
) -> StoredPart:
    """The part of a meter over `span`: every edit before a leaf, and every batch, from below the base of its chain to the head.

    Openings are read where they may matter: a day around the part, up to `FAR_S` on a side where no register was found there, and all of
    the context, which a batch that is met may carry beyond that.
    """
    meter, measuring = records.records[-1].meter, device(records.records[-1], span.start_utc)
    opened = Interval(max(0, ist_day_start(span.start_utc) - DAY_S), min(MAX_INSTANT, span.end_utc + 2 * DAY_S))
    rows = tuple(_rows(connection, meter, opened, before))
    stamps = signed_registers((batch for _, batch in rows), measuring)
    if not stamps or min(stamps) > span.start_utc or max(stamps) < span.end_utc:
        opened = Interval(max(0, opened.start_utc - FAR_S), min(MAX_INSTANT, opened.end_utc + FAR_S))
        rows = tuple(_rows(connection, meter, opened, before))
    whole = context(span, (batch for _, batch in rows), measuring)
    if not opened.contains(whole):
        opened = Interval(min(opened.start_utc, whole.start_utc), max(opened.end_utc, whole.end_utc))
        rows = tuple(_rows(connection, meter, opened, before))
    edits = edit_rows.of_meter(connection, meter, before=before)
    return StoredPart(
        case=PartCase(
            span=span,
            records=records.records,
            record_digests=records.digests,
            batches=tuple(batch for _, batch in rows),
            edits=tuple(stored.edit for stored in edits),
            edit_digests=tuple(stored.envelope.digest for stored in edits),
        ),
        records=records,
        leaves={batch.digest: leaf for leaf, batch in rows},
    )


def batch_bytes(connection: sqlite3.Connection, leaf: int) -> tuple[bytes, bytes | None]:
    """The COSE_Sign1 and the opening of a stored batch as they came; none once it was erased."""
    sign1, opening = connection.execute("SELECT sign1, opening FROM batches WHERE leaf = ?", (leaf,)).fetchone()
    return bytes(sign1), None if opening is None else bytes(opening)


def _rows(
    connection: sqlite3.Connection, meter: str, opened: Interval, before: int
) -> Iterator[tuple[int, AdmittedBatch]]:
    store = SqliteBatches(connection)
    for kid, chain in store.chains(meter):
        # Neighbours confirm a reach, so it bounds what lies below; beside a gap or after a fork nothing does.
        first = 0 if store.forks(chain) or store.gaps(chain) else _base(connection, chain, opened.start_utc, before)
        found = connection.execute(
            "SELECT leaf, digest, sign1, CASE WHEN start_utc <= ? AND end_utc >= ? THEN opening END FROM batches "
            "WHERE chain = ? AND sequence >= ? AND leaf < ? ORDER BY sequence, branch",
            (opened.end_utc, opened.start_utc, chain, first, before),
        )
        for leaf, digest, sign1, opening in found:
            yield leaf, _admitted(kid, digest, sign1, opening)


def _base(connection: sqlite3.Connection, chain: int, at_utc: int, before: int) -> int:
    """The greatest sequence whose reach lies before an instant, or 0."""
    rows: Sequence[tuple[int, int]] | sqlite3.Cursor = connection.execute(
        "SELECT sequence, reach_utc FROM batches WHERE chain = ? AND leaf < ? ORDER BY sequence DESC", (chain, before)
    )
    return next((sequence for sequence, reach in rows if reach < at_utc), 0)


@lru_cache(maxsize=16_384)
def _header(sign1: bytes) -> ReadingBatch:
    """The header in stored bytes. Every window of a meter goes through the same weeks of them, while intake waits."""
    return ReadingBatch.parse(parse(sign1).payload)


def _admitted(kid: bytes, digest: bytes, sign1: bytes, opening: bytes | None) -> AdmittedBatch:
    header = _header(sign1)
    return AdmittedBatch(
        kid=kid,
        digest=digest,
        header=header,
        opening=None if opening is None else Opening.parse(opening, header.count),
    )
