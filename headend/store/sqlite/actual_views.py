"""Actuals and their blocks, read for the web. Every function works inside the caller's transaction.

Nothing beyond `below`, the leaf behind the last published one, is shown: it could still be lost.
"""

import sqlite3
from collections.abc import Iterable

from headend.store.sqlite import actuals
from headend.store.sqlite.actuals import StoredActual
from headend.store.sqlite.log_rows import leaf_place
from headend.store.sqlite.window_cases import StoredPart, stored_part, stored_records
from headend.views.evidence import ActualView, BlockView, CopyView, PartBlocks
from headend.windows import ValidatedPart, validated
from signing.envelope import parse
from signing.evidence import Copy, WindowCase, copies_by_block
from signing.interval import Interval
from signing.keys import PublicKey
from signing.statements.window_actual import Status, parse_actual

_SELECT = "SELECT leaf, sign1, logged_utc, is_newest FROM actuals JOIN statements USING (leaf) "
_BEGINNING = (
    "WHERE leaf IN (SELECT leaf FROM actuals WHERE is_newest = 1 AND start_utc >= ? AND start_utc < ? AND leaf < ? "
    "AND status IN ({}) ORDER BY leaf DESC LIMIT ?)"
)


def newest(
    connection: sqlite3.Connection,
    *,
    statuses: frozenset[Status] | None,
    span: Interval | None,
    below: int,
    limit: int,
) -> tuple[ActualView, ...]:
    """The newest actuals that stand before leaf `below`, latest logged first: of some statuses, of windows that begin in `span`."""
    if span is not None:
        wanted = sorted(int(status) for status in (Status if statuses is None else statuses))
        # The page is found among small rows first; the statements of all others are never touched.
        rows = connection.execute(
            _SELECT + _BEGINNING.format(", ".join("?" for _ in wanted)),
            (span.start_utc, span.end_utc, below, *wanted, limit),
        ).fetchall()
    elif statuses is None:
        rows = connection.execute(
            _SELECT + "WHERE is_newest = 1 AND leaf < ? ORDER BY leaf DESC LIMIT ?", (below, limit)
        ).fetchall()
    else:
        # Each status has its own index range; none of them is longer than the page.
        rows = [
            row
            for status in statuses
            for row in connection.execute(
                _SELECT + "WHERE is_newest = 1 AND status = ? AND leaf < ? ORDER BY leaf DESC LIMIT ?",
                (int(status), below, limit),
            )
        ]
    return _views(sorted(rows, reverse=True)[:limit])


def revisions(
    connection: sqlite3.Connection, posted_as: str, window: Interval, *, below: int
) -> tuple[ActualView, ...]:
    """Every revision for a subject and window, by revision."""
    return _views(
        connection.execute(
            _SELECT + "WHERE posted_as = ? AND start_utc = ? AND end_utc = ? AND leaf < ? ORDER BY revision",
            (posted_as, window.start_utc, window.end_utc, below),
        )
    )


def logged_from(connection: sqlite3.Connection, leaf: int, *, below: int, limit: int) -> tuple[ActualView, ...]:
    """The actuals that stand at or behind a leaf, in the order of the log."""
    rows = connection.execute(
        "SELECT leaf, sign1, logged_utc, is_newest FROM actuals JOIN statements USING (leaf) "
        "WHERE leaf >= ? AND leaf < ? ORDER BY leaf LIMIT ?",
        (leaf, below, limit),
    )
    return _views(rows)


def by_digest(connection: sqlite3.Connection, digest: bytes, *, below: int) -> ActualView | None:
    """The actual with this evidence digest, or none."""
    found = _views(connection.execute(_SELECT + "WHERE actuals.digest = ? AND leaf < ?", (digest, below)))
    return found[0] if found else None


def counted(connection: sqlite3.Connection) -> dict[Status, int]:
    """Newest actuals by status."""
    rows = connection.execute("SELECT status, count(*) FROM actuals WHERE is_newest = 1 GROUP BY status")
    return {Status(status): number for status, number in rows}


def blocks(connection: sqlite3.Connection, key: PublicKey, digest: bytes) -> tuple[PartBlocks, ...]:
    """The blocks of an actual's parts, judged anew from what stood in the log before it: what it was decided from.

    Raises:
        RuleSetError: this program cannot judge by the actual's rule set.
    """
    stored = actuals.by_digest(connection, key, digest)
    if stored is None:
        return ()
    statement = stored.signed.statement
    rules = actuals.rule_set(connection, key, statement.rule_set)
    if rules is None:
        return ()
    parts = tuple(_parts(connection, stored))
    case = WindowCase(
        connection_point=statement.connection_point,
        posted_as=statement.posted_as,
        window=statement.window,
        rule_set=rules.signed.statement,
        basis=statement.basis,
        parts=tuple(part.case for part in parts),
    )
    leaves = {batch: leaf for part in parts for batch, leaf in part.leaves.items()}
    return tuple(_part(part, leaves) for part in validated(case))


def _views(rows: Iterable[tuple[int, bytes, int, int]]) -> tuple[ActualView, ...]:
    found = []
    for leaf, sign1, logged_utc, is_newest in rows:
        envelope = parse(sign1)
        found.append(
            ActualView(
                digest=envelope.digest,
                index=leaf_place(leaf)[1],
                logged_utc=logged_utc,
                sign1=sign1,
                statement=parse_actual(envelope.content_type, envelope.payload),
                newest=bool(is_newest),
            )
        )
    return tuple(found)


def _parts(connection: sqlite3.Connection, stored: StoredActual) -> Iterable[StoredPart]:
    for part in stored.signed.statement.parts:
        records = stored_records(connection, part.meter, before=stored.leaf)
        if records is not None:
            yield stored_part(connection, records, part.span, before=stored.leaf)


def _part(part: ValidatedPart, leaves: dict[bytes, int]) -> PartBlocks:
    span = part.case.span
    copies = copies_by_block(part.case.batches, span)
    return PartBlocks(
        meter=part.case.record.meter,
        span=span,
        context=part.validation.context,
        blocks=tuple(
            BlockView(
                interval=interval,
                copies=tuple(_copy(copy, leaves) for copy in copies.get(interval.block.start_utc, ())),
            )
            for interval in part.intervals
        ),
        findings=tuple(finding for finding in part.validation.findings if finding.block_utc is None),
    )


def _copy(copy: Copy, leaves: dict[bytes, int]) -> CopyView:
    return CopyView(
        index=leaf_place(leaves[copy.batch.digest])[1],
        sequence=copy.batch.header.sequence,
        kid=copy.batch.kid,
        reading=copy.reading,
    )
