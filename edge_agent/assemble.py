"""What a meter gave, as readings for a span without holes. Pure.

A block for which the meter gave no row is a reading too: its energies are absent, with the reason. Energies are whole Wh;
finer ones are rounded while they are cumulative from IST midnight and differenced after, so the parts of a day sum to the
whole. Nothing here makes a negative energy.

Source: docs/wire-format.md §4.1; METERS §§2, 5, 8; EVIDENCE §1.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from types import MappingProxyType

from edge_agent.clock import Pace, Uptime, is_right, pace, was_set
from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.events import NO_MARKS, Marks
from edge_agent.registers import (
    EXPORT_BLOCK,
    IMPORT_BLOCK,
    CumulativeRegisters,
    Energies,
    ProfileLayout,
    ProfileRow,
    RegisterValue,
    watt_hours_exact,
)
from signing.energy import MAX_WH
from signing.interval import PERIODS_S, Interval, floor_to_block, ist_day_start
from signing.statements.reading import Absence, Flag, Provenance, Reading
from signing.statements.reading_batch import MAX_REGISTERS, Register

AVERAGE_VOLTAGES = ("1.0.12.27.0.255", "1.0.32.27.0.255", "1.0.52.27.0.255", "1.0.72.27.0.255")
"""Average voltages of a block: single phase, then the three phases. Source: METERS §2."""

_STATUS_FLAGS = ((0x01, Flag.CLOCK_INVALID), (0x02, Flag.CLOCK_DOUBTFUL), (0x04, Flag.CLOCK_DOUBTFUL))
"""Clock status octet: bit 0 invalid value, bit 1 doubtful value, bit 2 different clock base. Source: DLMS UA Blue Book,
clock_status."""

_PROOF_GAPS = 3
"""Equal gaps between rows that cannot be rows which went missing."""
_PROOF_S = (_PROOF_GAPS + 1) * max(PERIODS_S)
"""Holds so many gaps of the longest period there is, whatever a meter says of itself."""


NO_ENERGIES = Energies(None, None)
NOTHING_SIGNED: Mapping[int, Energies] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What a meter without memory showed at a block boundary, cumulative, in whole Wh."""

    import_wh: int
    export_wh: int | None
    serial: str | None
    uptime: Uptime | None
    """When it was seen; None for a sample of which that is not known."""
    right_ms: int | None = None
    """When, by `uptime`, the wall clock that named the boundary was last known to be right; see `clock.right_ms`."""
    rolled_over: bool = False
    """Whether a register began again at 0, its counter being full, since the sample before."""
    wall_ms: int | None = None
    """What the wall clock said when it was taken, UTC milliseconds."""

    def is_set_since(self, before: "Witnessed") -> bool:
        """Whether the wall clock was set between the sample `before` and this one."""
        if self.wall_ms is None or before.wall_ms is None:
            return False
        return was_set(before.uptime, self.uptime, wall_ms=self.wall_ms - before.wall_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a meter without memory is sampled."""

    period_s: int
    most_wh: int | None
    """The most that one block can hold on this connection, where known."""
    tolerance_s: int
    """How much more or less time than the wall clock says may lie between two samples."""

    def pace(self, before: Uptime | None, after: Uptime | None, wall_s: int) -> Pace:
        """Whether the wall clock was right to go on by `wall_s` seconds between two samples."""
        return pace(before, after, wall_s=wall_s, tolerance_s=self.tolerance_s)


@dataclass(frozen=True, slots=True)
class _Block:
    """The rows that end at one boundary, as one: exact energies, or why there are none."""

    imported: Decimal | None
    exported: Decimal | None
    absence: Absence
    flags: Flag


def span_to_read(span: Interval, layout: ProfileLayout) -> Interval:
    """The span whose rows are needed to assemble `span`: from IST midnight when the energies are finer than one Wh."""
    finer = any(column.scaler < 0 for column in layout.columns if column.register in {IMPORT_BLOCK, EXPORT_BLOCK})
    return Interval(ist_day_start(span.start_utc), span.end_utc) if finer else span


def span_to_prove(span: Interval) -> Interval:
    """`span` and as much before it as `require_period` needs to go by."""
    return Interval(max(0, span.start_utc - _PROOF_S), span.end_utc)


def require_period(rows: Iterable[ProfileRow], layout: ProfileLayout) -> bool:
    """Whether `rows` stand as far apart as the profile says that it captures them; False also when too few of them tell.

    A row holds the energy since the row before it: under a wrong period every figure would be another block's, and true of none.

    Raises:
        MeterRefusedError: most rows stand another, equal time apart; or none of them stands as far from the next as they should,
            so that rows that are missing could hide a wrong period.
    """
    gaps = Counter(after - before for before, after in pairwise(sorted({row.end_utc for row in rows})))
    said = layout.capture_period_s
    for gap, count in gaps.items():
        if gap != said and count >= _PROOF_GAPS and 2 * count > gaps.total():
            raise MeterRefusedError(
                f"expected a row every {said} s in profile {layout.obis}, as it says, got one every {gap} s: nothing of it is "
                "signed until the meter is corrected"
            )
    if gaps and not gaps[said]:
        shown = ", ".join(str(gap) for gap in sorted(gaps))
        raise MeterRefusedError(
            f"expected rows every {said} s in profile {layout.obis}, as it says, got rows {shown} s apart and none at {said}: "
            "nothing of it is signed until two rows show its period"
        )
    return gaps[said] >= _PROOF_GAPS


def settled_span(
    span: Interval, rows: Iterable[ProfileRow], *, period_s: int, now_utc: int, patience_s: int
) -> Interval | None:
    """The part of `span` that can be signed now: without the trailing blocks that the meter may still be about to store.

    A block without a row is trailing when no later block has one; it is waited for until `patience_s` after its end.
    """
    newest_row = max((row.end_utc for row in rows if row.end_utc <= span.end_utc), default=span.start_utc)
    overdue = floor_to_block(max(0, now_utc - patience_s), period_s)
    end = min(span.end_utc, max(floor_to_block(newest_row, period_s), overdue))
    return Interval(span.start_utc, end) if end > span.start_utc else None


def profile_readings(
    span: Interval,
    *,
    period_s: int,
    rows: Sequence[ProfileRow],
    layout: ProfileLayout,
    marks: Marks = NO_MARKS,
    signed: Mapping[int, Energies] = NOTHING_SIGNED,
) -> tuple[Reading, ...]:
    """The readings of every block of `span`, from the rows of `span_to_read(span, layout)`, and what event logs say of them.

    Where energies are finer than one Wh, a figure that is `signed` (by block start) stays while the row can be rounded to it: a row that
    comes late moves the rounding of all behind it, and two figures for one block are a conflict.

    A row of zeros keeps its zeros, as the meter gave them: where no voltage was measured, or the power-event log says that there
    was no power in all of the block, it is flagged as filler.

    Raises:
        MeterRefusedError: the profile records no import energy, or not in Wh: a fault of the whole meter.
    """
    if not layout.has(IMPORT_BLOCK):
        columns = ", ".join(column.register for column in layout.columns)
        raise MeterRefusedError(f"expected column {IMPORT_BLOCK} in profile {layout.obis}, got {columns}")
    registers = (IMPORT_BLOCK, EXPORT_BLOCK) if layout.has(EXPORT_BLOCK) else (IMPORT_BLOCK,)
    day = Interval(ist_day_start(span.start_utc), span.end_utc)
    on_grid, stepped = _by_block(rows, day, period_s)
    imported, exported = _Counter(), _Counter()
    readings = []
    for start in day.block_starts(period_s):
        block = _block(on_grid.get(start, ()), registers)
        was = signed.get(start, NO_ENERGIES)
        import_wh = imported.step(block.imported, was.import_wh)
        export_wh = exported.step(block.exported, was.export_wh)
        if start >= span.start_utc:
            flags = block.flags | (Flag.CLOCK_STEP if start in stepped else Flag(0))
            flags |= _marked(marks, Interval(start, start + period_s), block)
            readings.append(_reading(import_wh, export_wh, block.absence, flags, Provenance.LOAD_PROFILE))
    return tuple(readings)


def sampled_readings(
    span: Interval, sampling: Sampling, witnessed: Mapping[int, Witnessed], *, now_utc: int, now: Uptime
) -> tuple[Reading, ...]:
    """The readings of every block of `span`, as differences of the samples at its boundaries.

    A boundary is where the wall clock put it: a difference is a block's energy only if as much time went by as the block is
    long. `witnessed` is keyed by boundary and holds the nearest samples on both sides of `span` too: where the wall clock was
    set between two of them, or since the last one, every block between is flagged. A block whose boundaries were put by a clock that
    nobody vouched for is flagged as doubtful: it may be another block's energy.
    """
    marks = {now_utc: now, **{at: sample.uptime for at, sample in witnessed.items()}}
    stepped = [
        Interval(before, after)
        for before, after in pairwise(sorted(marks))
        if sampling.pace(marks[before], marks[after], after - before) is Pace.STEPPED
    ]
    readings = []
    for start in span.block_starts(sampling.period_s):
        end = start + sampling.period_s
        is_stepped = any(step.start_utc < end and start < step.end_utc for step in stepped)
        pair = _pair(start, sampling, witnessed)
        readings.append(
            _absent(Absence.NOT_WITNESSED, Flag.CLOCK_STEP if is_stepped else Flag(0))
            if pair is None
            else _difference(*pair, sampling.most_wh)
        )
    return tuple(readings)


def profile_registers(cumulative: Iterable[CumulativeRegisters], span: Interval) -> tuple[Register, ...]:
    """The cumulative registers whose stamp lies in ``[start, end]`` of `span`, one a stamp, ascending.

    A register that the meter gave twice with different values, negative or as null-data is absent at that stamp.

    Raises:
        MeterRefusedError: a register is not in Wh.
    """
    found: dict[int, Register] = {}
    for row in cumulative:
        if not span.start_utc <= row.stamp_utc <= span.end_utc:
            continue
        import_wh, export_wh = _whole(row.imported), None if row.exported is None else _whole(row.exported)
        earlier = found.get(row.stamp_utc)
        if earlier is not None:
            import_wh = import_wh if earlier.import_wh == import_wh else None
            export_wh = export_wh if earlier.export_wh == export_wh else None
        found[row.stamp_utc] = Register(stamp_utc=row.stamp_utc, import_wh=import_wh, export_wh=export_wh)
    return tuple(found[stamp] for stamp in sorted(found))[:MAX_REGISTERS]


def sampled_registers(span: Interval, sampling: Sampling, witnessed: Mapping[int, Witnessed]) -> tuple[Register, ...]:
    """The samples at the two outermost boundaries of witnessed blocks of `span`, stamped by their boundary.

    A sample that neither opens nor closes a witnessed block does not travel: its stamp is only what the wall clock said.
    """
    starts = [start for start in span.block_starts(sampling.period_s) if _pair(start, sampling, witnessed) is not None]
    outermost = (starts[0], starts[-1] + sampling.period_s) if starts else ()
    return tuple(
        Register(stamp_utc=at, import_wh=witnessed[at].import_wh, export_wh=witnessed[at].export_wh) for at in outermost
    )


class _Counter:
    """A running total from IST midnight, whose whole-Wh steps sum to the rounded whole."""

    __slots__ = ("_exact", "_whole")

    def __init__(self) -> None:
        self._exact = Decimal(0)
        self._whole = 0

    def step(self, energy: Decimal | None, signed_wh: int | None) -> int | None:
        """The whole Wh of the next block, those that are signed where rounding allows them; an absent one moves nothing."""
        if energy is None:
            return None
        self._exact += energy
        before, self._whole = self._whole, _rounded(self._exact)
        is_rounded = _is_finer(energy) or self._exact != self._whole
        if signed_wh is not None and is_rounded and abs(signed_wh - energy) <= 1:
            return signed_wh
        return self._whole - before


def _by_block(
    rows: Iterable[ProfileRow], day: Interval, period_s: int
) -> tuple[dict[int, tuple[ProfileRow, ...]], set[int]]:
    """Rows by the start of the block that they end, and the blocks inside which a row ends: the clock was moved there."""
    on_grid: dict[int, tuple[ProfileRow, ...]] = {}
    stepped: set[int] = set()
    for row in rows:
        if not day.start_utc < row.end_utc <= day.end_utc:
            continue
        boundary = floor_to_block(row.end_utc, period_s)
        if boundary == row.end_utc:
            on_grid[boundary - period_s] = (*on_grid.get(boundary - period_s, ()), row)
        else:
            stepped.add(boundary)
    return on_grid, stepped


def _block(rows: Sequence[ProfileRow], registers: Sequence[str]) -> _Block:
    if not rows:
        return _Block(None, None, Absence.NO_ROW, Flag(0))
    flags = Flag(0) if len(rows) == 1 else Flag.REPEATED_ROW
    for row in rows:
        flags |= _row_flags(row)
    try:
        answers = {tuple(_exact(row, register) for register in registers) for row in rows}
    except MeterDecodeError:
        return _Block(None, None, Absence.METER_ERROR, flags)
    if len(answers) > 1:
        # Two rows of one answer that disagree: neither is believed, and both stay on the meter to be asked for again.
        return _Block(None, None, Absence.METER_ERROR, flags)
    (energies,) = answers
    if None in energies:
        return _Block(None, None, Absence.NULL_DATA, flags)
    if any(energy is not None and energy > MAX_WH for energy in energies):
        return _Block(None, None, Absence.IMPLAUSIBLE, flags)
    imported, exported = energies if len(energies) == 2 else (energies[0], None)
    if not any(energies) and _without_voltage(rows):
        flags |= Flag.FILLER
    return _Block(imported, exported, Absence.NONE if len(energies) == 2 else Absence.NO_EXPORT_REGISTER, flags)


def _marked(marks: Marks, span: Interval, block: _Block) -> Flag:
    """What event logs say of the block of `span`."""
    flags = marks.flags(span)
    is_zero = block.imported == 0 and not block.exported
    return flags | Flag.FILLER if is_zero and marks.is_dark(span) else flags


def has_voltage(layout: ProfileLayout) -> bool:
    """Whether the rows of a profile tell by their voltage whether there was power."""
    return any(layout.has(name) for name in AVERAGE_VOLTAGES)


def _exact(row: ProfileRow, register: str) -> Decimal | None:
    value = row.values.get(register)
    return None if value is None else watt_hours_exact(value)


def _row_flags(row: ProfileRow) -> Flag:
    flags = Flag(0)
    for bit, flag in _STATUS_FLAGS:
        if row.clock_status is not None and row.clock_status & bit:
            flags |= flag
    return flags


def _without_voltage(rows: Iterable[ProfileRow]) -> bool:
    """Whether the meter measured no voltage at all: zero energy is then no power or filler, not an idle home."""
    voltages = [row.values[name].raw for row in rows for name in AVERAGE_VOLTAGES if name in row.values]
    return bool(voltages) and not any(voltages)


def _pair(start: int, sampling: Sampling, witnessed: Mapping[int, Witnessed]) -> tuple[Witnessed, Witnessed] | None:
    """The samples at both ends of the block from `start`, if they witness it."""
    before, after = witnessed.get(start), witnessed.get(start + sampling.period_s)
    # Another serial number at the end of the block is another meter: the difference of two meters is nobody's energy.
    if before is None or after is None or before.serial != after.serial:
        return None
    is_even = sampling.pace(before.uptime, after.uptime, sampling.period_s) is Pace.EVEN
    return (before, after) if is_even else None


def _difference(before: Witnessed, after: Witnessed, most_wh: int | None) -> Reading:
    if (before.export_wh is None) != (after.export_wh is None):
        return _absent(Absence.METER_ERROR, Flag(0))
    is_doubtful = not (is_right(before.uptime, before.right_ms) and is_right(after.uptime, after.right_ms))
    doubt = Flag.CLOCK_DOUBTFUL if is_doubtful else Flag(0)
    # A step of seconds: as much energy as a block holds, and nobody knows of which seconds.
    doubt |= Flag.CLOCK_STEP if after.is_set_since(before) else Flag(0)
    imported = after.import_wh - before.import_wh
    exported = None if before.export_wh is None or after.export_wh is None else after.export_wh - before.export_wh
    if imported < 0 or (exported is not None and exported < 0):
        return _absent(Absence.REGISTER_FELL, doubt | (Flag.ROLLED_OVER if after.rolled_over else Flag(0)))
    most = MAX_WH if most_wh is None else most_wh
    if imported > most or (exported is not None and exported > most):
        return _absent(Absence.IMPLAUSIBLE, doubt)
    absence = Absence.NO_EXPORT_REGISTER if exported is None else Absence.NONE
    return _reading(imported, exported, absence, doubt, Provenance.SAMPLED)


def _absent(absence: Absence, flags: Flag) -> Reading:
    return _reading(None, None, absence, flags, Provenance.SAMPLED)


def _reading(
    import_wh: int | None, export_wh: int | None, absence: Absence, flags: Flag, provenance: Provenance
) -> Reading:
    return Reading(import_wh=import_wh, export_wh=export_wh, absence=absence, flags=int(flags), provenance=provenance)


def _whole(value: RegisterValue) -> int | None:
    try:
        exact = watt_hours_exact(value)
    except MeterDecodeError:
        return None
    return None if exact is None or exact > MAX_WH else _rounded(exact)


def _is_finer(energy: Decimal) -> bool:
    """Whether the meter states it in parts of a Wh, however many it is."""
    exponent = energy.as_tuple().exponent
    return isinstance(exponent, int) and exponent < 0


def _rounded(exact: Decimal) -> int:
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
