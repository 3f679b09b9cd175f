"""A small judge, enough to verify against: one value a block, the register balance, nothing else. Not the head-end's."""

from signing.chain import AdmittedBatch, Chain
from signing.energy import scaled
from signing.evidence import (
    Block,
    BlockState,
    Device,
    Judgement,
    PartCase,
    WindowCase,
    copies_by_block,
    resolve,
    signed_registers,
)
from signing.interval import Interval
from signing.statements.meter_record import Place
from signing.statements.window_actual import Status, Totals
from signing.statements.window_part import Counts, Part


def judge(case: WindowCase) -> Judgement:
    """FINAL when every block has a value and the registers balance; PENDING when none has; otherwise PROVISIONAL."""
    judged = [_part(part) for part in case.parts]
    parts = tuple(part for part, _ in judged)
    valid = sum(part.counts.valid for part in parts)
    status = Status.PROVISIONAL
    if not parts or not valid:
        status = Status.PENDING
    elif all(is_final for _, is_final in judged):
        status = Status.FINAL
    reason = "PENDING" if status is Status.PENDING else None
    totals = None if status is Status.PENDING else _totals(case, parts)
    return Judgement(status=status, reason=reason, totals=totals, parts=parts, stated=())


def _standing(chains: tuple[Chain, ...], part: PartCase) -> tuple[list[AdmittedBatch], set[int]]:
    counting: list[AdmittedBatch] = []
    suspect: list[AdmittedBatch] = []
    for chain in chains:
        speaker = part.record.speaker(chain.kid)
        stands, falls = chain.standing(None if speaker is None else speaker.good)
        counting += stands
        suspect += falls
    return counting, set(copies_by_block(suspect, part.span))


def _part(part: PartCase) -> tuple[Part, bool]:
    whole = part.context()
    fact = part.record.fact(part.span.start_utc)
    assert fact is not None
    counting, suspect = _standing(part.chains, part)
    blocks = _blocks(counting, part.span, fact.period_s)
    edited = part.edited(fact.period_s)
    manual = [b for start, b in edited.items() if part.span.start_utc <= start < part.span.end_utc]
    blocks = [b for b in blocks if b.start_utc not in edited]
    valid = [b for b in blocks if b.state is BlockState.VALUED and b.start_utc not in suspect]
    doubtful = [b for b in blocks if b.state is BlockState.CONFLICT or b.start_utc in suspect]
    exports = [b.export_wh for b in valid if b.export_wh is not None]
    counts = Counts(
        expected=len(blocks) + len(manual),
        valid=len(valid),
        estimated=0,
        manual=len(manual),
        suspect=len(doubtful),
        missing=len(blocks) - len(valid) - len(doubtful),
    )
    judged = Part(
        meter=part.record.meter,
        span=part.span,
        record=Place(sequence=part.record.number, digest=part.record_digests[-1]),
        chains=tuple(chain.state(whole) for chain in part.chains),
        counts=counts,
        measured_import_wh=sum(b.import_wh or 0 for b in valid) if valid else None,
        measured_export_wh=sum(exports) if exports else None,
        estimated=None,
        origin=min((b.origin for b in valid if b.origin is not None), default=None),
        manual_import_wh=sum(b.import_wh or 0 for b in manual) if manual else None,
        manual_export_wh=sum(b.export_wh or 0 for b in manual) if manual else None,
    )
    return judged, counts.valid == counts.expected and _balances(whole, counting, fact.period_s, part.device)


def _blocks(batches: list[AdmittedBatch], span: Interval, period_s: int) -> list[Block]:
    copies = copies_by_block(batches, span)
    return [resolve(start, copies.get(start, ())) for start in span.block_starts(period_s)]


def _balances(whole: Interval, batches: list[AdmittedBatch], period_s: int, device: Device) -> bool:
    registers = signed_registers(batches, device)
    first, last = registers.get(whole.start_utc), registers.get(whole.end_utc)
    if first is None or last is None or len(first) > 1 or len(last) > 1:
        return False
    (one,), (other,) = first, last
    blocks = _blocks(batches, whole, period_s)
    if any(b.state is not BlockState.VALUED for b in blocks):
        return False
    assert one.import_wh is not None
    assert other.import_wh is not None
    return sum(b.import_wh or 0 for b in blocks) == other.import_wh - one.import_wh


def _totals(case: WindowCase, parts: tuple[Part, ...]) -> Totals:
    imports, exports = 0, None
    for part, given in zip(parts, case.parts, strict=True):
        fact = given.record.fact(part.span.start_utc)
        assert fact is not None
        imports += scaled((part.measured_import_wh or 0) + (part.manual_import_wh or 0), fact.ct, fact.pt, fact.factor)
        exported = [wh for wh in (part.measured_export_wh, part.manual_export_wh) if wh is not None]
        if exported:
            exports = (exports or 0) + scaled(sum(exported), fact.ct, fact.pt, fact.factor)
    return Totals(import_wh=imports, export_wh=exports)
