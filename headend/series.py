"""The validated day of one meter: each block with the value that bills and reports use, its quality, and how it was come by.

Pure. This is the settled view beside the readings, never instead of them: what a meter said stays in its batches, and an actual rests on
those alone. A value is there for VALID, MANUAL and ESTIMATED blocks; a block without one is absent, never zero. Energies are whole Wh as
the meter states them, before factors. Source: VEE (order), §B, §C 1 to 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headend.readings import Finding, Quality, ValidatedInterval, counts_in
from headend.vee.declared import Channel, DayKind, HistoryBlock, HistoryDay
from headend.vee.estimate import Filled
from headend.vee.estimate_order import Known, estimated
from headend.vee.estimate_span import UNSUPPLIED
from headend.vee.validate import Validation
from signing import fields
from signing.canonical import decode, encode
from signing.interval import DAY_S, Interval
from signing.statements.reading_batch import Origin
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import Verdict

IMPORTED = "IMPORT"
"""The method of an energy that another system of the discom's read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesBlock:
    """One block as it is used."""

    start_utc: int
    period_s: int
    quality: Quality
    import_wh: int | None
    export_wh: int | None
    """Absent also where the meter has no such register, or nothing bounds an estimate of it (E9)."""
    flags: int
    origin: Origin | None
    import_method: str | None
    """The method of an estimated energy, ``E1`` to ``E8``, or `IMPORTED`; none for a measured one."""
    export_method: str | None

    @property
    def span(self) -> Interval:
        """The block's own time."""
        return Interval(self.start_utc, self.start_utc + self.period_s)

    def is_of(self, part: Interval) -> bool:
        """Whether it counts in a part; as `ValidatedInterval.is_of`."""
        return counts_in(self.span, self.quality, part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a rule said of the day, or of one of its blocks."""

    rule: str
    version: int
    block_utc: int | None
    verdict: Verdict
    code: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One IST day of one meter, as one rule set judged it."""

    meter: str
    start_utc: int
    """Its IST midnight."""
    rule_set: bytes
    """Digest of the rule set."""
    blocks: tuple[SeriesBlock, ...]
    """Ascending; those that lie wholly in the day."""
    notes: tuple[Note, ...]

    @property
    def span(self) -> Interval:
        """The day."""
        return Interval(self.start_utc, self.start_utc + DAY_S)

    @property
    def quality(self) -> Quality:
        """The worst of its blocks; MISSING for a day without any."""
        return max((block.quality for block in self.blocks), default=Quality.MISSING)

    def total_wh(self, channel: Channel) -> int | None:
        """Its energy in one channel; absent where any block lacks it."""
        values = [_wh(block, channel) for block in self.blocks]
        present = [wh for wh in values if wh is not None]
        return sum(present) if present and len(present) == len(values) else None

    def history(self, kind: DayKind) -> HistoryDay | None:
        """The day as later estimates may use it; none where its blocks differ in length or do not fill it."""
        periods = {block.period_s for block in self.blocks}
        if len(periods) != 1 or len(self.blocks) * min(periods) != DAY_S:
            return None
        return HistoryDay(
            start_utc=self.start_utc,
            kind=kind,
            period_s=min(periods),
            blocks=tuple(
                HistoryBlock(
                    import_wh=block.import_wh,
                    export_wh=block.export_wh,
                    quality=block.quality,
                    is_supplied=not block.flags & UNSUPPLIED,
                    is_imported=block.import_method == IMPORTED,
                )
                for block in self.blocks
            ),
        )

    def content(self) -> bytes:
        """The canonical bytes that are stored; two equal days have equal bytes."""
        blocks = [
            [
                block.start_utc - self.start_utc,
                block.period_s,
                int(block.quality),
                block.import_wh,
                block.export_wh,
                block.flags,
                None if block.origin is None else int(block.origin),
                block.import_method,
                block.export_method,
            ]
            for block in self.blocks
        ]
        notes = [
            [note.rule, note.version, note.block_utc, int(note.verdict), note.code, note.because] for note in self.notes
        ]
        return encode([blocks, notes])

    @classmethod
    def parse(cls, content: bytes, *, meter: str, start_utc: int, rule_set: bytes) -> "Day":
        """The day in stored bytes. Raises `DecodeError` naming the field."""
        path = f"day of {meter}"
        blocks, notes = fields.array(decode(content, path), 2, path)
        return cls(
            meter=meter,
            start_utc=start_utc,
            rule_set=rule_set,
            blocks=tuple(_block(row, start_utc, path) for row in fields.sequence(blocks, f"{path}.blocks")),
            notes=tuple(_note(row, f"{path}.notes") for row in fields.sequence(notes, f"{path}.notes")),
        )


def series_blocks(
    validation: Validation, part: Interval, period_s: int, known: Known, rule_set: RuleSet
) -> tuple[SeriesBlock, ...]:
    """The blocks of `part` from a validation of its context: measured where VALID, stated by an edit where MANUAL, else estimated by the first
    method that applies.

    Raises:
        RuleSetError: this program cannot judge by the set.
    """
    found: dict[Channel, Filled] = {}
    for task in validation.tasks:
        filling = estimated(task, known, rule_set)
        if filling is not None:
            found[task.channel] = filling
    return tuple(_used(interval, period_s, found) for interval in validation.intervals if interval.is_of(part))


def notes_of(findings: Sequence[Finding], part: Interval) -> tuple[Note, ...]:
    """What rules said of blocks of `part`, and of the whole; each once, in order."""
    found = {
        Note(
            rule=finding.rule,
            version=finding.version,
            block_utc=finding.block_utc,
            verdict=finding.verdict,
            code=finding.code,
            because=finding.because,
        ): None
        for finding in findings
        if finding.block_utc is None or part.start_utc <= finding.block_utc < part.end_utc
    }
    return tuple(sorted(found, key=lambda note: (note.block_utc or 0, note.rule, note.code, note.because)))


def _used(interval: ValidatedInterval, period_s: int, filled: Mapping[Channel, Filled]) -> SeriesBlock:
    start = interval.block.start_utc
    if interval.is_known:
        # E7: what two persons agreed on.
        method = None if interval.quality is Quality.VALID else "E7"
        return SeriesBlock(
            start_utc=start,
            period_s=period_s,
            quality=interval.quality,
            import_wh=interval.import_wh,
            export_wh=interval.export_wh,
            flags=interval.flags,
            origin=interval.origin,
            import_method=method,
            export_method=None if interval.export_wh is None else method,
        )
    imported, exported = (_filling(filled.get(channel), start) for channel in (Channel.IMPORT, Channel.EXPORT))
    # A block whose import nobody can say has no value, whatever is said of its export.
    is_estimated = imported[0] is not None
    return SeriesBlock(
        start_utc=start,
        period_s=period_s,
        quality=_quality(interval.quality, imported[1]) if is_estimated else interval.quality,
        import_wh=imported[0],
        export_wh=exported[0] if is_estimated else None,
        flags=interval.flags,
        origin=interval.origin,
        import_method=imported[1],
        export_method=exported[1] if is_estimated else None,
    )


def _quality(before: Quality, method: str | None) -> Quality:
    """E7 is what two persons agreed on; every other method is an estimate."""
    return before if method is None else Quality.MANUAL if method == "E7" else Quality.ESTIMATED


def _filling(filling: Filled | None, start: int) -> tuple[int | None, str | None]:
    if filling is None or start not in filling.values:
        return None, None
    return filling.values[start], filling.method


def _wh(block: SeriesBlock, channel: Channel) -> int | None:
    return block.import_wh if channel is Channel.IMPORT else block.export_wh


def _block(row: object, day_utc: int, path: str) -> SeriesBlock:
    offset, period, quality, imported, exported, flags, origin, by_import, by_export = fields.array(row, 9, path)
    return SeriesBlock(
        start_utc=day_utc + fields.uint(offset, f"{path}.offset"),
        period_s=fields.uint(period, f"{path}.period"),
        quality=fields.member(quality, Quality, f"{path}.quality"),
        import_wh=fields.optional(imported, fields.uint, f"{path}.import"),
        export_wh=fields.optional(exported, fields.uint, f"{path}.export"),
        flags=fields.uint(flags, f"{path}.flags"),
        origin=None if origin is None else fields.member(origin, Origin, f"{path}.origin"),
        import_method=fields.optional(by_import, fields.identifier, f"{path}.method"),
        export_method=fields.optional(by_export, fields.identifier, f"{path}.method"),
    )


def _note(row: object, path: str) -> Note:
    rule, version, block, verdict, code, because = fields.array(row, 6, path)
    if not isinstance(because, str):
        because = ""
    return Note(
        rule=fields.identifier(rule, f"{path}.rule"),
        version=fields.uint(version, f"{path}.version"),
        block_utc=fields.optional(block, fields.uint, f"{path}.block"),
        verdict=fields.member(verdict, Verdict, f"{path}.verdict"),
        code=fields.identifier(code, f"{path}.code"),
        because=because,
    )
