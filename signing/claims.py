"""What a bundle claims: every statement in it decoded, nothing verified. Check (1) of `signing.verify`."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic

from signing.bundle import ERASED, Bundle, BundledBatch, Logged, LoggedAt
from signing.chain import AdmittedBatch, evidence_item
from signing.envelope import Envelope, S, S_co
from signing.errors import DecodeError
from signing.statements.edit import Edit
from signing.statements.meter_record import MeterRecord
from signing.statements.reading_batch import Opening, ReadingBatch
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import WindowActual, actual_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Generic[S_co]):
    """A statement that somebody is said to have signed, and its alleged place in the log."""

    statement: S_co
    envelope: Envelope
    at: LoggedAt


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedBatch:
    """A batch that is said to be admitted."""

    batch: AdmittedBatch
    """As it would stand if every check passes; without an opening where that is absent or erased."""
    envelope: Envelope
    opening: bytes | None
    at: LoggedAt | None

    @property
    def is_erased(self) -> bool:
        """Whether its readings were erased."""
        return self.opening == ERASED

    @property
    def name(self) -> str:
        """The batch by its place, for messages."""
        header = self.batch.header
        return f"sequence {header.sequence} of meter {header.meter}, key {self.batch.kid.hex()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The statements of a bundle."""

    bundle: Bundle
    actuals: tuple[Claimed[WindowActual], ...]
    records: dict[str, tuple[Claimed[MeterRecord], ...]]
    """By meter, ascending by number."""
    rule_set: Claimed[RuleSet] | None
    batches: tuple[ClaimedBatch, ...]
    """By meter, kid, sequence, digest."""
    edits: dict[str, tuple[Claimed[Edit], ...]]
    """By meter, ascending by number."""


def read_claims(data: bytes) -> Claims:
    """The claims of a bundle.

    Raises:
        DecodeError: a part of it does not decode canonically, is another statement than its place says, or is out of order.
    """
    bundle = Bundle.parse(data)
    actuals = tuple(
        _claimed(entry, actual_kind(entry.envelope.content_type), f"actuals[{n}]")
        for n, entry in enumerate(bundle.actuals)
    )
    rules = tuple(_claimed(entry, RuleSet, "rulesets[0]") for entry in bundle.rule_sets)
    batches = tuple(_batch(entry, f"batches[{n}]") for n, entry in enumerate(bundle.batches))
    rows = [evidence_item(entry.batch) for entry in batches]
    if any(later <= earlier for earlier, later in pairwise(rows)):
        raise DecodeError("expected batches by meter, kid, sequence and digest, each once, in 'bundle.batches'")
    return Claims(
        bundle=bundle,
        actuals=actuals,
        records=_records(bundle.records),
        rule_set=rules[0] if rules else None,
        batches=batches,
        edits=_edits(bundle.edits),
    )


def _records(entries: Iterable[Logged]) -> dict[str, tuple[Claimed[MeterRecord], ...]]:
    records = [_claimed(entry, MeterRecord, f"records[{n}]") for n, entry in enumerate(entries)]
    rows = [(entry.statement.meter, entry.statement.number) for entry in records]
    if any(later <= earlier for earlier, later in pairwise(rows)):
        raise DecodeError("expected records by meter and number, each once, in 'bundle.records'")
    meters = {meter for meter, _ in rows}
    return {m: tuple(entry for entry in records if entry.statement.meter == m) for m in sorted(meters)}


def _edits(entries: Iterable[Logged]) -> dict[str, tuple[Claimed[Edit], ...]]:
    edits = [_claimed(entry, Edit, f"edits[{n}]") for n, entry in enumerate(entries)]
    rows = [(entry.statement.proposal.meter, entry.statement.proposal.number) for entry in edits]
    if any(later <= earlier for earlier, later in pairwise(rows)):
        raise DecodeError("expected edits by meter and number, each once, in 'bundle.edits'")
    meters = {meter for meter, _ in rows}
    return {m: tuple(entry for entry in edits if entry.statement.proposal.meter == m) for m in sorted(meters)}


def _claimed(entry: Logged, kind: type[S], path: str) -> Claimed[S]:
    return Claimed(statement=_statement(entry.envelope, kind, path), envelope=entry.envelope, at=entry.at)


def _batch(entry: BundledBatch, path: str) -> ClaimedBatch:
    header = _statement(entry.envelope, ReadingBatch, path)
    opening = None
    if entry.opening is not None and entry.opening != ERASED:
        opening = Opening.parse(entry.opening, header.count)
    batch = AdmittedBatch(kid=entry.envelope.kid, digest=entry.envelope.digest, header=header, opening=opening)
    return ClaimedBatch(batch=batch, envelope=entry.envelope, opening=entry.opening, at=entry.at)


def _statement(envelope: Envelope, kind: type[S], path: str) -> S:
    if envelope.content_type != kind.CONTENT_TYPE:
        raise DecodeError(f"expected {kind.CONTENT_TYPE}, got {envelope.content_type} in 'bundle.{path}'")
    return kind.parse(envelope.payload)
