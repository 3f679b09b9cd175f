"""Evidence bundles from the store: what proves one actual, anchored in the newest checkpoint.

A bundle shows what stood in the log before the actual, and nothing later: that is what it was decided from.
Source: docs/wire-format.md §7; EVIDENCE §5.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from headend.log.logbook import Tip
from headend.store.sqlite import actuals, edit_rows
from headend.store.sqlite.actuals import StoredActual
from headend.store.sqlite.log_rows import leaf_place
from headend.store.sqlite.registry_rows import records as record_rows
from headend.store.sqlite.window_cases import StoredPart, batch_bytes, stored_part, stored_records
from headend.windows import bounded
from signing.bundle import ERASED, Bundle, BundledBatch, Extension, Kind, Logged, LoggedAt
from signing.chain import AdmittedBatch, evidence_item
from signing.envelope import Envelope, parse
from signing.keys import PublicKey
from signing.log.merkle import HashReader
from signing.log.proofs import Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """The tree that a bundle is anchored in."""

    tip: Tip
    nodes: HashReader
    pinned_sizes: tuple[int, ...] = ()
    """Tree sizes that a verifier may have pinned: the bundle shows that its tree extends them."""


def bundle(
    connection: sqlite3.Connection, key: PublicKey, anchoring: Anchoring, digest: bytes, kind: Kind
) -> bytes | None:
    """The bundle of kind ACTUAL or WINDOW for the actual with this evidence digest; none when there is no such actual.

    `connection` MUST show one unchanging state, and `anchoring` a tree that holds the actual. `key` is the discom's statement key.

    Raises:
        FatalError: a stored statement is not the discom's.
        LookupError: the tree does not reach the actual yet.
    """
    stored = actuals.by_digest(connection, key, digest)
    if stored is None:
        return None
    paths = Paths(anchoring.tip.size, anchoring.nodes)
    at = _Places(paths)
    statement = stored.signed.statement
    history = actuals.revisions(connection, key, statement.posted_as, statement.window)
    earlier = [entry for entry in history if entry.signed.statement.revision <= statement.revision]
    whole = kind is Kind.WINDOW
    rules = actuals.rule_set(connection, key, statement.rule_set) if whole else None
    parts = _parts(connection, stored) if whole else ()
    return Bundle(
        kind=kind,
        checkpoint=anchoring.tip.checkpoint,
        consistency=tuple(
            Extension(old_size=size, path=paths.consistency(size)) for size in sorted(set(anchoring.pinned_sizes))
        ),
        actuals=tuple(at.logged(entry.leaf, entry.signed.envelope) for entry in earlier),
        records=tuple(_records(connection, at, parts, stored.leaf)),
        rule_sets=() if rules is None else (at.logged(rules.leaf, rules.signed.envelope),),
        batches=tuple(_batches(connection, at, parts)),
        edits=tuple(_edits(connection, at, stored)) if whole else (),
    ).encoded()


class _Places:
    """Places in one tree."""

    __slots__ = ("_paths",)

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def at(self, leaf: int) -> LoggedAt:
        _, index = leaf_place(leaf)
        return LoggedAt(index=index, path=self._paths.inclusion(index))

    def logged(self, leaf: int, envelope: Envelope) -> Logged:
        return Logged(envelope=envelope, at=self.at(leaf))


def _parts(connection: sqlite3.Connection, stored: StoredActual) -> tuple[StoredPart, ...]:
    """The parts as the actual states them, each with the evidence that stood before the actual."""
    parts = stored.signed.statement.parts
    known = [(part, stored_records(connection, part.meter, before=stored.leaf)) for part in parts]
    return tuple(
        stored_part(connection, records, part.span, before=stored.leaf)
        for part, records in known
        if records is not None
    )


def _records(connection: sqlite3.Connection, at: _Places, parts: Iterable[StoredPart], before: int) -> Iterable[Logged]:
    for meter in sorted({part.case.record.meter for part in parts}):
        for row in record_rows(connection, meter):
            if row.leaf < before:
                yield at.logged(row.leaf, parse(row.sign1))


def _edits(connection: sqlite3.Connection, at: _Places, stored: StoredActual) -> Iterable[Logged]:
    """Numbers 0 to the one that the actual names, of each meter that it names."""
    for head in stored.signed.statement.edits:
        for row in edit_rows.of_meter(connection, head.meter, before=stored.leaf):
            yield at.logged(row.leaf, row.envelope)


def _batches(connection: sqlite3.Connection, at: _Places, parts: Iterable[StoredPart]) -> Iterable[BundledBatch]:
    """The headers of every chain from its base to its head; openings and places in the log where something rests on them."""
    found: dict[bytes, tuple[AdmittedBatch, int]] = {}
    opened: set[bytes] = set()
    for part in parts:
        case = bounded(part.case)
        found |= {batch.digest: (batch, part.leaves[batch.digest]) for batch in case.batches}
        opened |= {batch.digest for batch in case.context_batches()}
    batches = sorted((batch for batch, _ in found.values()), key=evidence_item)
    ends = _run_ends(batches)
    for batch in batches:
        leaf = found[batch.digest][1]
        sign1, opening = batch_bytes(connection, leaf)
        is_open = batch.digest in opened
        yield BundledBatch(
            envelope=parse(sign1),
            opening=(ERASED if opening is None else opening) if is_open else None,
            at=at.at(leaf) if is_open or batch.digest in ends else None,
        )


def _run_ends(batches: Iterable[AdmittedBatch]) -> set[bytes]:
    """The headers that no successor in the bundle names: each is shown in the log, and its own signature speaks."""
    rows = tuple(batches)
    named: defaultdict[tuple[str, bytes, int], set[bytes]] = defaultdict(set)
    for batch in rows:
        named[batch.header.meter, batch.kid, batch.header.sequence - 1].add(batch.header.previous)
    return {
        batch.digest
        for batch in rows
        if batch.digest not in named[batch.header.meter, batch.kid, batch.header.sequence]
    }
