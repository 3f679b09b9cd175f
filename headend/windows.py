"""The judgement of a window: coverage that sums, totals, a status, and a reason in words where there are no totals.

Pure, and all it imports is the standard library and `signing`: the head-end decides by `judge`, and the offline verifier
recomputes by the same function. Nothing here knows when anything arrived. Source: EVIDENCE §4; VEE §C; docs/wire-format.md §§4.5, 7.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from headend.readings import Quality, ValidatedInterval
from headend.vee.declared import Channel
from headend.vee.estimate import Filled
from headend.vee.stated import in_order, stated_of
from headend.vee.validate import Validation, validate
from signing.chain import AdmittedBatch, evidence_bytes
from signing.energy import MAX_WH, scaled
from signing.evidence import Judgement, PartCase, WindowCase, edited_blocks
from signing.interval import IST_OFFSET_S, Interval, ist_text
from signing.statements.meter_record import Fact, MeterRecord, Place, Role
from signing.statements.window_actual import EditHead, StatedFinding, Status, Totals, Verdict
from signing.statements.window_part import Bounds, Counts, Estimated, Part

_MAX_REASON = 128
_MORE = "; and more"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedPart:
    """One part with everything that was found out about it."""

    case: PartCase
    fact: Fact
    """What the record says of the meter when the part begins."""
    validation: Validation
    blocks: tuple[int, ...]
    """Starts of the blocks that are expected of the part: those that start in it."""

    @property
    def intervals(self) -> tuple[ValidatedInterval, ...]:
        """The validated blocks that lie wholly in the part; a block that its end cuts is among them only where an edit says its worth."""
        return tuple(interval for interval in self.validation.intervals if interval.is_of(self.case.span))

    def statement(self) -> Part:
        """The part as a WindowActual states it."""
        counted = Counter(interval.quality for interval in self.intervals)
        estimated = self._estimated_starts()
        valid = [interval for interval in self.intervals if interval.quality is Quality.VALID]
        manual = [interval for interval in self.intervals if interval.quality is Quality.MANUAL]
        suspect = counted[Quality.SUSPECT]
        record = self.case.record
        return Part(
            meter=record.meter,
            span=self.case.span,
            record=Place(sequence=record.number, digest=self.case.record_digests[-1]),
            chains=self.validation.chains,
            counts=Counts(
                expected=len(self.blocks),
                valid=len(valid),
                estimated=len(estimated),
                manual=len(manual),
                suspect=suspect,
                missing=len(self.blocks) - len(valid) - len(manual) - len(estimated) - suspect,
            ),
            measured_import_wh=_sum(interval.import_wh for interval in valid),
            measured_export_wh=_sum(interval.export_wh for interval in valid),
            estimated=self._estimated(estimated),
            origin=min((interval.origin for interval in valid if interval.origin is not None), default=None),
            manual_import_wh=_sum(interval.import_wh for interval in manual),
            manual_export_wh=_sum(interval.export_wh for interval in manual),
        )

    def _estimated_starts(self) -> frozenset[int]:
        """Starts of the missing blocks of the part for which the validation holds an estimate."""
        estimated = {start for filling in self.validation.filled for start in filling.values}
        return frozenset(
            interval.block.start_utc
            for interval in self.intervals
            if interval.quality is Quality.MISSING and interval.block.start_utc in estimated
        )

    def _estimated(self, starts: frozenset[int]) -> Estimated | None:
        """Their energies apart from what was measured, before factors; an export that no register bounds stays absent."""
        if not starts:
            return None
        found = {filling.task.channel: filling for filling in self.validation.filled}
        imported, exported = (_bounds(found.get(channel), starts) for channel in (Channel.IMPORT, Channel.EXPORT))
        return Estimated(imported=imported, exported=exported, method=found[Channel.IMPORT].method)


def judge(case: WindowCase) -> Judgement:
    """What the evidence supports, whatever was decided before: NOT_MEASURABLE, PENDING, PROVISIONAL or FINAL.

    Raises:
        RuleSetError: this program cannot judge by the case's rule set.
    """
    parts = validated(case)
    statements = tuple(part.statement() for part in parts)
    stated = in_order(case.stated)
    cut = _cuts(case, parts)
    if cut is not None:
        return _without_totals(Status.NOT_MEASURABLE, [cut], statements, stated)
    open_points = _uncovered(case, parts) + _open_points(parts, statements)
    totals = None if open_points else _totals(parts, statements)
    if totals is None:
        return _without_totals(Status.PENDING, open_points or ["a total is beyond any meter"], statements, stated)
    balanced = all(part.validation.balanced for part in parts)
    status = Status.FINAL if balanced else Status.PROVISIONAL
    return Judgement(status=status, reason=None, totals=totals, parts=statements, stated=stated)


def validated(case: WindowCase) -> tuple[ValidatedPart, ...]:
    """Every part of which the record says anything, validated; `judge` states these, a console shows them.

    Raises:
        RuleSetError: this program cannot judge by the case's rule set.
    """
    found = []
    for part in map(bounded, case.parts):
        fact = part.record.fact(part.span.start_utc)
        if fact is not None:
            found.append(
                ValidatedPart(
                    case=part,
                    fact=fact,
                    validation=validate(
                        part,
                        fact.period_s,
                        case.rule_set,
                        stated_of(case.stated, part.span, fact.period_s, case.rule_set),
                    ),
                    blocks=tuple(starts_in(part.span, fact.period_s)),
                )
            )
    return tuple(found)


def evidence_batches(case: WindowCase) -> tuple[AdmittedBatch, ...]:
    """The batches that a decision rests on, each once: the context batches of every part."""
    found: dict[bytes, AdmittedBatch] = {}
    for part in map(bounded, case.parts):
        found |= {batch.digest: batch for batch in part.context_batches()}
    return tuple(found.values())


def is_erased(case: WindowCase) -> bool:
    """Whether readings that a decision rests on were erased: they said something, and nobody here knows what."""
    return any(batch.opening is None for batch in evidence_batches(case))


def bounded(part: PartCase) -> PartCase:
    """The part with what a bundle holds of its chains: each batch once, from the base of its chain on."""
    span = part.context()
    kept: list[AdmittedBatch] = []
    for chain in part.chains:
        base = chain.base(span)
        kept += [batch for batch in chain.batches if batch.header.sequence >= base]
    return replace(part, batches=tuple(kept))


def evidence(case: WindowCase) -> bytes:
    """The `evidence` field of a WindowActual of this case."""
    return hashlib.sha256(evidence_bytes(evidence_batches(case))).digest()


def bearing(case: WindowCase) -> dict[str, int]:
    """The number of the newest edit that has a block in the context of a part, by meter."""
    found: dict[str, int] = {}
    for part in case.parts:
        fact = part.record.fact(part.span.start_utc)
        if not part.edits or fact is None:
            continue
        span = bounded(part).context()
        numbers = [edit.proposal.number for edit in part.edits if edited_blocks((edit,), fact.period_s, span)]
        if numbers:
            meter = part.record.meter
            found[meter] = max(found.get(meter, 0), *numbers)
    return found


def edit_heads(case: WindowCase) -> tuple[EditHead, ...]:
    """The `edits` field of a WindowActual of this case: empty, and the actual of version 1, where no edit bears on it."""
    heads = {part.record.meter: part.edit_head for part in case.parts} if bearing(case) else {}
    return tuple(head for _, head in sorted(heads.items()) if head is not None)


def settling_spans(
    connection_point: str, window: Interval, newest: Iterable[MeterRecord]
) -> tuple[tuple[MeterRecord, Interval], ...]:
    """Which meter's record settles the connection point over which span of the window, ascending; the parts of a case.

    Empty when they do not cover the window: a window that nobody measured throughout has no parts.
    `newest` is the newest record of every meter that was ever at the point. At each instant the meter holds whose fact began last: a
    meter exchange is a REVENUE fact of the new meter, and the old one's need not end. Where two began at once, neither holds. A part
    ends where the factors, the block length or the serial number of its meter change.
    """
    records = sorted(newest, key=lambda record: record.meter)
    cuts = {fact.from_utc for record in records for fact in record.facts}
    edges = sorted({window.start_utc, window.end_utc} | {at for at in cuts if window.start_utc < at < window.end_utc})
    spans: list[tuple[MeterRecord, Interval]] = []
    for start, end in pairwise(edges):
        holder = _holder(connection_point, start, records)
        if holder is None:
            continue
        if spans and spans[-1][0] is holder and spans[-1][1].end_utc == start and same_terms(holder, start - 1, start):
            spans[-1] = (holder, Interval(spans[-1][1].start_utc, end))
        else:
            spans.append((holder, Interval(start, end)))
    covered = sum(span.length_s for _, span in spans) == window.length_s
    return tuple(spans) if covered else ()


def _holder(connection_point: str, at: int, records: Sequence[MeterRecord]) -> MeterRecord | None:
    held = [
        (fact.from_utc, record)
        for record in records
        if (fact := record.fact(at)) is not None and _settles(fact, connection_point)
    ]
    latest = max((began for began, _ in held), default=None)
    holders = [record for began, record in held if began == latest]
    return holders[0] if len(holders) == 1 else None


def _settles(fact: Fact, connection_point: str) -> bool:
    return fact.role is Role.REVENUE and fact.connection_point == connection_point


def _terms(fact: Fact) -> tuple[object, ...]:
    """What must not change inside a part."""
    return (fact.identity, fact.connection_point, fact.role, fact.period_s, fact.ct, fact.pt, fact.factor)


def same_terms(record: MeterRecord, before: int, after: int) -> bool:
    """Whether nothing of a meter that its blocks rest on differs between two instants."""
    one, other = record.fact(before), record.fact(after)
    return one is not None and other is not None and _terms(one) == _terms(other)


def starts_in(span: Interval, period_s: int) -> range:
    """Starts of the blocks that start inside `span`, so that each block of a window is expected of exactly one part."""
    first = span.start_utc + -(span.start_utc + IST_OFFSET_S) % period_s
    return range(first, span.end_utc, period_s)


def _cuts(case: WindowCase, parts: Sequence[ValidatedPart]) -> str | None:
    """Why the window cuts a block of the meter at its start or end, or none."""
    for part in parts:
        period = part.fact.period_s
        for edge in (case.window.start_utc, case.window.end_utc):
            at_edge = edge in {part.case.span.start_utc, part.case.span.end_utc}
            if at_edge and (edge + IST_OFFSET_S) % period:
                return f"{ist_text(edge)} cuts a block of {period} s"
    return None


def _uncovered(case: WindowCase, parts: Sequence[ValidatedPart]) -> list[str]:
    """Where the parts do not say what the records say, disjoint and from end to end."""
    at = case.window.start_utc
    for part in parts:
        span = part.case.span
        changes = any(
            not same_terms(part.case.record, span.start_utc, fact.from_utc)
            for fact in part.case.record.facts
            if span.start_utc < fact.from_utc < span.end_utc
        )
        if span.start_utc != at or changes or not _settles(part.fact, case.connection_point):
            break
        at = span.end_utc
    return [] if at == case.window.end_utc else [f"no revenue meter is recorded for {ist_text(at)}"]


def _open_points(parts: Sequence[ValidatedPart], statements: Sequence[Part]) -> list[str]:
    """What keeps the window from having totals, counted and named."""
    expected = sum(part.counts.expected for part in statements)
    missing = sum(part.counts.missing for part in statements)
    estimated = sum(part.counts.estimated for part in statements)
    suspect = sum(part.counts.suspect for part in statements)
    counted = ((missing, "missing"), (estimated, "estimated"), (suspect, "suspect"))
    points = [f"{count} of {expected} blocks {what}" for count, what in counted if count]
    return (points + _causes(parts) if points else []) + _half_exports(parts)


def _half_exports(parts: Sequence[ValidatedPart]) -> list[str]:
    """Where a meter states an export for some blocks of its part and none for others: what is absent is not zero."""
    found = []
    for part in parts:
        known = [interval for interval in part.intervals if interval.is_known]
        absent = sum(interval.export_wh is None for interval in known)
        if 0 < absent < len(known):
            found.append(f"{absent} of {len(part.blocks)} blocks without export")
    return found


def _causes(parts: Sequence[ValidatedPart]) -> list[str]:
    """What is said against the blocks without a value that counts, by rule, each said once."""
    found = []
    for part in parts:
        found += [finding for finding in part.validation.findings if finding.block_utc is None]
        for interval in part.intervals:
            found += () if interval.is_known else interval.findings
    against = [finding for finding in found if finding.verdict >= Verdict.SUSPECT and finding.code != "COUNT"]
    return list(dict.fromkeys(finding.because for finding in sorted(against, key=lambda finding: finding.rule)))


def _totals(parts: Sequence[ValidatedPart], statements: Sequence[Part]) -> Totals | None:
    """The sum over the parts after factors, each rounded once; none when it is beyond any meter."""
    imports, exports = [], []
    for part, statement in zip(parts, statements, strict=True):
        factors = (part.fact.ct, part.fact.pt, part.fact.factor)
        imports.append(scaled((statement.measured_import_wh or 0) + (statement.manual_import_wh or 0), *factors))
        exported = _sum((statement.measured_export_wh, statement.manual_export_wh))
        if exported is not None:
            exports.append(scaled(exported, *factors))
    if max(sum(imports), sum(exports)) > MAX_WH:
        return None
    return Totals(import_wh=sum(imports), export_wh=sum(exports) if exports else None)


def _without_totals(
    status: Status, points: Sequence[str], parts: tuple[Part, ...], stated: tuple[StatedFinding, ...] = ()
) -> Judgement:
    reason = points[0]
    for place, point in enumerate(points[1:], start=1):
        room = _MAX_REASON - (len(_MORE) if place < len(points) - 1 else 0)
        if len(reason) + len(point) + 2 > room:
            reason += _MORE
            break
        reason += f"; {point}"
    return Judgement(status=status, reason=reason, totals=None, parts=parts, stated=stated)


def _bounds(filling: Filled | None, starts: frozenset[int]) -> Bounds | None:
    if filling is None:
        return None
    low, value, high = filling.bounds(starts)
    return None if high is None else Bounds(low_wh=low, value_wh=value, high_wh=high)


def _sum(energies: Iterable[int | None]) -> int | None:
    present = [wh for wh in energies if wh is not None]
    return sum(present) if present else None
