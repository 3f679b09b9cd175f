"""What a window is decided from, and the one-value rule for a block.

The head-end builds a `WindowCase` from its store, the verifier from a bundle; the same pure judge decides both. Source:
EVIDENCE §§1, 4; docs/wire-format.md §§7, 9.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

from signing.chain import AdmittedBatch, Chain, touches
from signing.interval import MAX_INSTANT, Interval
from signing.statements.edit import Edit, EditedBlock
from signing.statements.meter_record import MeterRecord
from signing.statements.reading import Reading
from signing.statements.reading_batch import Origin, Register
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import Basis, EditHead, StatedFinding, Status, Totals
from signing.statements.window_part import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The physical meter that a record names by its serial number, for as long as it names that one.

    An exchange may keep the meter's id: what the new device's registers say has nothing to do with what the old one's said.
    """

    identity: str
    from_utc: int
    """0 for the first that the record names."""
    until_utc: int
    """`MAX_INSTANT` for the last."""

    def stated(self, batch: AdmittedBatch, register: Register) -> bool:
        """Whether a register in a batch can be this device's.

        Its stamp lies within the device's closed time, the batch has a block in it, and gives this serial number if it gives one: at the
        moment of an exchange two devices state a register.
        """
        given = None if batch.opening is None else batch.opening.identity
        return (
            self.from_utc <= register.stamp_utc <= self.until_utc
            and batch.header.start_utc < self.until_utc
            and batch.header.end_utc > self.from_utc
            and given in {None, self.identity}
        )


def device(record: MeterRecord, at_utc: int) -> Device:
    """The device that a record names at an instant; the first one before its first fact."""
    runs: list[Device] = []
    for fact in record.facts:
        if runs and runs[-1].identity == fact.identity:
            continue
        if runs:
            runs[-1] = replace(runs[-1], until_utc=fact.from_utc)
        runs.append(Device(identity=fact.identity, from_utc=fact.from_utc if runs else 0, until_utc=MAX_INSTANT))
    return next((run for run in reversed(runs) if run.from_utc <= at_utc), runs[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCase:
    """Everything about one meter that a window rests on."""

    span: Interval
    records: tuple[MeterRecord, ...]
    """Numbers 0…n of the meter, ascending, never empty."""
    record_digests: tuple[bytes, ...]
    """Digests of `records`, in the same order."""
    batches: tuple[AdmittedBatch, ...]
    """Every admitted batch of every chain from its base to its head; openings at least where they touch the context."""
    edits: tuple[Edit, ...] = ()
    """Numbers 0…n of the meter, ascending."""
    edit_digests: tuple[bytes, ...] = ()
    """Digests of `edits`, in the same order."""

    @property
    def record(self) -> MeterRecord:
        """The newest record."""
        return self.records[-1]

    @property
    def device(self) -> Device:
        """The device that measures when the part begins; a part ends where it is exchanged."""
        return device(self.record, self.span.start_utc)

    def context(self) -> Interval:
        """The shortest span between two signed registers of the device that encloses the part."""
        return context(self.span, self.batches, self.device)

    def context_batches(self) -> tuple[AdmittedBatch, ...]:
        """The batches that the part rests on."""
        return context_batches(self.span, self.batches, self.device)

    def edited(self, period_s: int) -> Mapping[int, EditedBlock]:
        """What the newest edit says of each edited block that starts in the context, by start."""
        return edited_blocks(self.edits, period_s, self.context())

    @property
    def edit_head(self) -> EditHead | None:
        """The newest edit of the meter, whatever blocks it is about."""
        if not self.edits:
            return None
        newest = self.edits[-1].proposal
        return EditHead(meter=newest.meter, number=newest.number, digest=self.edit_digests[-1])

    @property
    def chains(self) -> tuple[Chain, ...]:
        """One chain for every key that any record ever named, sorted by kid."""
        rows: defaultdict[bytes, list[AdmittedBatch]] = defaultdict(list)
        for batch in self.batches:
            rows[batch.kid].append(batch)
        # Later records overwrite: the newest that names a key says what its chain starts from.
        enrolments = {speaker.key.kid: speaker.enrolment for record in self.records for speaker in record.speakers}
        return tuple(Chain(kid, rows[kid], enrolment=enrolments[kid]) for kid in sorted(enrolments))


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCase:
    """Everything that one window is decided from."""

    connection_point: str
    posted_as: str
    window: Interval
    rule_set: RuleSet
    basis: Basis
    parts: tuple[PartCase, ...]
    """Disjoint and covering the window, ascending; empty when no meter is known for it."""
    stated: tuple[StatedFinding, ...] = ()
    """Findings about blocks of the window by rules whose inputs are not among the evidence. They only take away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the rules make of a case."""

    status: Status
    """PROVISIONAL, FINAL, PENDING or NOT_MEASURABLE: what the evidence supports, whatever was decided before."""
    reason: str | None
    totals: Totals | None
    parts: tuple[Part, ...]
    stated: tuple[StatedFinding, ...]


class Judge(Protocol):
    """A pure decision: the same case gives the same judgement on every machine."""

    def __call__(self, case: WindowCase) -> Judgement:
        """The judgement of `case`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One reading of a block, with the batch that carries it."""

    batch: AdmittedBatch
    reading: Reading


class BlockState(IntEnum):
    """What the one-value rule makes of a block."""

    VALUED = 0
    MISSING = 1
    CONFLICT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block after the one-value rule."""

    start_utc: int
    state: BlockState
    import_wh: int | None
    export_wh: int | None
    flags: int
    """Union over the copies that carry the value."""
    origin: Origin | None
    """The weakest origin of the copies that carry the value; absent when none does."""
    copies: tuple[Copy, ...]
    """Every copy, whatever it says, by (kid, sequence, digest)."""


def copies_by_block(batches: Iterable[AdmittedBatch], span: Interval) -> dict[int, tuple[Copy, ...]]:
    """The readings of every opened batch, by block start, for the blocks that start inside `span`."""
    found: defaultdict[int, list[Copy]] = defaultdict(list)
    for batch in sorted(batches, key=lambda b: (b.kid, b.header.sequence, b.digest)):
        if batch.opening is None or not touches(batch, span):
            continue
        for place, reading in enumerate(batch.opening.readings):
            start = batch.header.start_utc + place * batch.header.period_s
            if span.start_utc <= start < span.end_utc:
                found[start].append(Copy(batch=batch, reading=reading))
    return {start: tuple(found[start]) for start in sorted(found)}


def resolve(start_utc: int, copies: tuple[Copy, ...]) -> Block:
    """The one value of a block: none or all absent → missing; present beats absent; equal → one; unequal → CONFLICT.

    Copies that a rule REJECTED count as missing: leave them out.
    """
    present = [copy for copy in copies if copy.reading.import_wh is not None]
    values = {(copy.reading.import_wh, copy.reading.export_wh) for copy in present}
    state = (BlockState.MISSING, BlockState.VALUED)[len(values)] if len(values) <= 1 else BlockState.CONFLICT
    imported, exported = values.pop() if state is BlockState.VALUED else (None, None)
    flags = 0
    for copy in present:
        flags |= copy.reading.flags
    return Block(
        start_utc=start_utc,
        state=state,
        import_wh=imported,
        export_wh=exported,
        flags=flags,
        origin=min((copy.batch.header.origin for copy in present), default=None),
        copies=copies,
    )


def edited_blocks(edits: Iterable[Edit], period_s: int, span: Interval) -> Mapping[int, EditedBlock]:
    """What the newest of `edits`, which are ascending by number, says of each block of this length that starts in `span`, by start."""
    found: dict[int, EditedBlock] = {}
    for edit in edits:
        if edit.proposal.period_s == period_s:
            found |= {block.start_utc: block for block in edit.proposal.blocks}
    return {start: found[start] for start in sorted(found) if span.start_utc <= start < span.end_utc}


def signed_registers(batches: Iterable[AdmittedBatch], device: Device | None = None) -> dict[int, frozenset[Register]]:
    """The registers of every opened batch by stamp. More than one for a stamp is a disagreement that a rule judges.

    A stamp outside the closed span of its batch is no evidence for that span and is left out, and so is what `device` cannot have said.
    """
    found: defaultdict[int, set[Register]] = defaultdict(set)
    for batch in batches:
        for register in () if batch.opening is None else batch.opening.registers:
            inside = batch.header.start_utc <= register.stamp_utc <= batch.header.end_utc
            if inside and (device is None or device.stated(batch, register)):
                found[register.stamp_utc].add(register)
    return {stamp: frozenset(found[stamp]) for stamp in sorted(found)}


def context(span: Interval, batches: Iterable[AdmittedBatch], device: Device | None = None) -> Interval:
    """The shortest span between two signed registers of `device` that encloses `span`; `span` itself where there is none."""
    stamps = signed_registers(batches, device)
    before = max((stamp for stamp in stamps if stamp <= span.start_utc), default=None)
    after = min((stamp for stamp in stamps if stamp >= span.end_utc), default=None)
    return span if before is None or after is None else Interval(before, after)


def context_batches(
    span: Interval, batches: Iterable[AdmittedBatch], device: Device | None = None
) -> tuple[AdmittedBatch, ...]:
    """The batches that a part over `span` rests on: those that touch its context, and those that hold a register at its edge.

    They are what a bundle opens and what `evidence` covers.
    """
    rows = tuple(batches)
    whole = context(span, rows, device)
    return tuple(batch for batch in rows if touches(batch, whole) or _holds_edge(batch, whole, device))


def _holds_edge(batch: AdmittedBatch, whole: Interval, device: Device | None) -> bool:
    edges = {whole.start_utc, whole.end_utc} & {batch.header.start_utc, batch.header.end_utc}
    return not edges.isdisjoint(signed_registers([batch], device))
