"""Validation of one part: its copies, registers and blocks through the rules, in their fixed order.

Rejected copies count as missing; the one-value rule makes blocks of what is left; clock and chain rules judge the blocks; the balance
comes last. What was stated by rules that nobody can recompute is added to the blocks, edits of two persons are laid over them, and E1 fills
holes beside them.
Source: VEE §A, §C; EVIDENCE §§1, 4; docs/vee-rules.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from headend.readings import Finding, Quality, ValidatedInterval
from headend.vee.declared import Channel
from headend.vee.estimate import Filled, Task
from headend.vee.estimate_span import interpolated, span_task
from headend.vee.rule import Material, Stage, Standing
from headend.vee.ruleset import judged_by
from signing.chain import AdmittedBatch, Chain, touches
from signing.evidence import Block, BlockState, Copy, PartCase, device, edited_blocks, resolve
from signing.interval import Interval
from signing.statements.edit import EditedBlock
from signing.statements.meter_record import MeterRecord
from signing.statements.reading_batch import Register
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import Verdict
from signing.statements.window_part import ChainState

SUM_RULE = "V23"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """One part after the rules."""

    context: Interval
    chains: tuple[ChainState, ...]
    intervals: tuple[ValidatedInterval, ...]
    """Every block of the context, ascending; also one that its end cuts, where an edit says what it is worth."""
    findings: tuple[Finding, ...]
    """All findings, in the order of the rules; those about single blocks stand in `intervals` too."""
    balanced: bool
    """Whether every channel of the context was compared with its registers and agrees, and no edit set a block of it aside."""
    filled: tuple[Filled, ...] = ()
    """What E1 puts beside the missing blocks of the context: import, then export where it can; the blocks themselves stay missing."""
    tasks: tuple[Task, ...] = ()
    """Each channel whose blocks are not all VALID or MANUAL, for the methods that no actual rests on."""


def validate(part: PartCase, period_s: int, rule_set: RuleSet, stated: tuple[Finding, ...] = ()) -> Validation:
    """The blocks of the part's context, judged by `rule_set`. The same evidence in any order gives the same value.

    The part holds what a bundle does: each batch once, from the base of its chain to the head. `stated` are findings about blocks of the part
    that were made elsewhere: they can make a block SUSPECT, and nothing better.

    Raises:
        RuleSetError: this program cannot judge by the rule set.
    """
    rules = judged_by(rule_set)
    span = part.context()
    states = tuple(chain.state(span) for chain in part.chains)
    standings = tuple(standing(chain, part.records, span) for chain in part.chains)
    material = Material(
        context=span,
        period_s=period_s,
        records=part.records,
        chains=standings,
        copies=_all_copies(standings, span),
        registers={},
        blocks=(),
    )
    findings: list[Finding] = []
    for stage in Stage:
        material = _prepared(material, stage, findings)
        for known, rule in rules:
            if known.stage is stage:
                findings += known.judging(material, rule)
    findings += stated
    shown = tuple(f for f in findings if f.block_utc is None or span.start_utc <= f.block_utc < span.end_utc)
    sums = [finding for finding in shown if finding.rule == SUM_RULE]
    edited = edited_blocks(part.edits, period_s, span)
    # Over what the rules made of the readings: nothing that a meter said is changed by an edit.
    intervals = _overlaid(_intervals(material, shown), edited, period_s)
    return Validation(
        context=span,
        chains=states,
        intervals=intervals,
        findings=shown,
        balanced=bool(sums) and all(finding.verdict is Verdict.VALID for finding in sums) and not edited,
        filled=interpolated(material, intervals, rule_set),
        tasks=_tasks(material, intervals, rule_set),
    )


def standing(chain: Chain, records: tuple[MeterRecord, ...], span: Interval) -> Standing:
    """What counts of a chain for a context, by the newest record that names its key."""
    speaker = next((found for record in reversed(records) if (found := record.speaker(chain.kid)) is not None), None)
    counting, suspect = chain.standing(None if speaker is None else speaker.good)
    return Standing(
        kid=chain.kid,
        counting=counting,
        suspect=suspect,
        fork=chain.fork_point(),
        gaps=chain.gaps(chain.base(span)),
    )


def _prepared(material: Material, stage: Stage, findings: Iterable[Finding]) -> Material:
    """The material as the next stage sees it."""
    if stage is Stage.COPY:
        return material
    kept = _surviving(material.copies, findings)
    if stage is Stage.REGISTER:
        return replace(material, registers=_registers(material, kept), copies=kept)
    if stage is Stage.BLOCK:
        # Whatever rules are left out: what was measured over an hour is no value of its first quarter.
        inside = tuple(
            (start, copy)
            for start, copy in kept
            if material.context.start_utc <= start < material.context.end_utc
            and copy.batch.header.period_s == material.period_s
        )
        return replace(material, copies=inside, blocks=_blocks(material.grid(), inside))
    return material


def _all_copies(standings: tuple[Standing, ...], span: Interval) -> tuple[tuple[int, Copy], ...]:
    """Every copy of every opened batch that touches the context or states a register at its edges."""
    rows = [
        (batch.header.start_utc + place * batch.header.period_s, Copy(batch=batch, reading=reading))
        for chain in standings
        for batch in (*chain.counting, *chain.suspect)
        if batch.opening is not None and (touches(batch, span) or _holds_an_edge(batch, span))
        for place, reading in enumerate(batch.opening.readings)
    ]
    return tuple(sorted(rows, key=_by_start_and_place))


def _by_start_and_place(row: tuple[int, Copy]) -> tuple[int, bytes, int, bytes]:
    start, copy = row
    return start, copy.batch.kid, copy.batch.header.sequence, copy.batch.digest


def _holds_an_edge(batch: AdmittedBatch, span: Interval) -> bool:
    return batch.header.end_utc == span.start_utc or batch.header.start_utc == span.end_utc


def _surviving(copies: tuple[tuple[int, Copy], ...], findings: Iterable[Finding]) -> tuple[tuple[int, Copy], ...]:
    rejected = {(f.block_utc, f.batch) for f in findings if f.verdict is Verdict.REJECTED}
    return tuple(
        row for row in copies if (row[0], row[1].batch.digest) not in rejected and (row[0], None) not in rejected
    )


def _registers(material: Material, kept: tuple[tuple[int, Copy], ...]) -> Mapping[int, frozenset[Register]]:
    """The registers of the context's device in the closed context, by stamp, of batches that count.

    A register stands or falls with the blocks beside it: one whose batch had a block at the stamp rejected is no evidence.
    """
    measuring = device(material.record, material.context.start_utc)
    starts: defaultdict[bytes, set[int]] = defaultdict(set)
    for start, copy in kept:
        starts[copy.batch.digest].add(start)
    found: defaultdict[int, set[Register]] = defaultdict(set)
    for batch in (batch for chain in material.chains for batch in chain.counting):
        for register in () if batch.opening is None else batch.opening.registers:
            beside = _beside(batch, register.stamp_utc)
            inside = material.context.start_utc <= register.stamp_utc <= material.context.end_utc
            if inside and measuring.stated(batch, register) and beside and beside <= starts[batch.digest]:
                found[register.stamp_utc].add(register)
    return {stamp: frozenset(found[stamp]) for stamp in sorted(found)}


def _beside(batch: AdmittedBatch, stamp: int) -> set[int]:
    """Starts of the blocks of the batch whose closed span holds the stamp; none for a stamp outside the batch's span."""
    header = batch.header
    return {
        start
        for start in range(header.start_utc, header.end_utc, header.period_s)
        if start <= stamp <= start + header.period_s
    }


def _blocks(grid: range, copies: tuple[tuple[int, Copy], ...]) -> tuple[Block, ...]:
    by_start: defaultdict[int, list[Copy]] = defaultdict(list)
    for start, copy in copies:
        by_start[start].append(copy)
    return tuple(resolve(start, tuple(by_start[start])) for start in grid)


def _intervals(material: Material, findings: tuple[Finding, ...]) -> tuple[ValidatedInterval, ...]:
    by_block: defaultdict[int | None, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_block[finding.block_utc].append(finding)
    return tuple(
        ValidatedInterval(
            block=Interval(block.start_utc, block.start_utc + material.period_s),
            quality=_quality(block, (*by_block[None], *by_block[block.start_utc])),
            import_wh=block.import_wh,
            export_wh=block.export_wh,
            origin=block.origin,
            flags=block.flags,
            findings=tuple(by_block[block.start_utc]),
        )
        for block in material.blocks
    )


def _overlaid(
    intervals: tuple[ValidatedInterval, ...], edited: Mapping[int, EditedBlock], period_s: int
) -> tuple[ValidatedInterval, ...]:
    """The blocks with what edits state in place of what readings say."""
    if not edited:
        return intervals
    found = {interval.block.start_utc: interval for interval in intervals}
    for start, block in edited.items():
        before = found.get(start)
        found[start] = ValidatedInterval(
            block=Interval(start, start + period_s),
            quality=Quality.MISSING if block.import_wh is None else Quality.MANUAL,
            import_wh=block.import_wh,
            export_wh=block.export_wh,
            origin=None,
            flags=0 if before is None else before.flags,
            findings=() if before is None else before.findings,
        )
    return tuple(found[start] for start in sorted(found))


def _tasks(material: Material, intervals: tuple[ValidatedInterval, ...], rule_set: RuleSet) -> tuple[Task, ...]:
    if all(interval.is_known for interval in intervals):
        return ()
    tasks = (span_task(material, intervals, rule_set, channel) for channel in Channel)
    return tuple(task for task in tasks if task is not None)


def _quality(block: Block, findings: Iterable[Finding]) -> Quality:
    """The worst that anything says. A rejected copy is gone already: its block is judged by what is left."""
    if block.state is BlockState.MISSING:
        return Quality.MISSING
    suspect = any(finding.verdict is Verdict.SUSPECT for finding in findings)
    return Quality.SUSPECT if suspect or block.state is BlockState.CONFLICT else Quality.VALID
