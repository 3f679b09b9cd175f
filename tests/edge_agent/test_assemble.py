from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.assemble import (
    AVERAGE_VOLTAGES,
    Sampling,
    Witnessed,
    has_voltage,
    profile_readings,
    profile_registers,
    require_period,
    sampled_readings,
    sampled_registers,
    settled_span,
    span_to_prove,
    span_to_read,
)
from edge_agent.clock import HOLDOVER_MS, Uptime
from edge_agent.errors import MeterRefusedError
from edge_agent.events import Mark, Marks
from edge_agent.registers import (
    EXPORT_BLOCK,
    EXPORT_TOTAL,
    IMPORT_BLOCK,
    IMPORT_TOTAL,
    CumulativeRegisters,
    Energies,
    ProfileColumn,
    ProfileLayout,
    ProfileRow,
    RegisterValue,
)
from signing.energy import MAX_WH
from signing.interval import DAY_S, Interval
from signing.statements.reading import Absence, Flag, Provenance, Reading
from signing.statements.reading_batch import MAX_REGISTERS
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S


def layout(*registers: str, scaler: int = 0, unit: int = 30) -> ProfileLayout:
    return ProfileLayout(
        obis="1.0.99.1.0.255",
        columns=tuple(
            ProfileColumn(class_id=3, obis=register, attribute=2, data_index=0, scaler=scaler, unit=unit)
            for register in registers
        ),
        capture_period_s=PERIOD_S,
        entries=3360,
        entries_in_use=3360,
        newest_first=False,
    )


NET = layout(IMPORT_BLOCK, EXPORT_BLOCK)
IMPORT_ONLY = layout(IMPORT_BLOCK)


def row(
    block: int,
    import_raw: int | None = 100,
    export_raw: int | None = 7,
    *,
    scaler: int = 0,
    status: int | None = None,
    late_s: int = 0,
    volts: int | None = None,
    unit: int = 30,
) -> ProfileRow:
    """The row of block number `block` of the day."""
    end = MIDNIGHT + (block + 1) * PERIOD_S + late_s
    values = {
        IMPORT_BLOCK: RegisterValue(register=IMPORT_BLOCK, raw=import_raw, scaler=scaler, unit=unit),
        EXPORT_BLOCK: RegisterValue(register=EXPORT_BLOCK, raw=export_raw, scaler=scaler, unit=unit),
    }
    if volts is not None:
        values[AVERAGE_VOLTAGES[0]] = RegisterValue(register=AVERAGE_VOLTAGES[0], raw=volts, scaler=0, unit=35)
    return ProfileRow(stamp=bytes(12), stamp_utc=end, end_utc=end, clock_status=status, values=values)


def blocks(first: int, count: int) -> Interval:
    return Interval(MIDNIGHT + first * PERIOD_S, MIDNIGHT + (first + count) * PERIOD_S)


def read(span: Interval, *rows: ProfileRow, of: ProfileLayout = NET) -> tuple[Reading, ...]:
    return profile_readings(span, period_s=PERIOD_S, rows=rows, layout=of)


def only(*rows: ProfileRow, of: ProfileLayout = NET) -> Reading:
    (reading,) = read(blocks(0, 1), *rows, of=of)
    return reading


def test_a_row_is_a_reading_of_the_block_that_it_ends() -> None:
    assert read(blocks(0, 2), row(0, 812, 3), row(1, 790, 0)) == (
        Reading(import_wh=812, export_wh=3, absence=Absence.NONE, flags=0, provenance=Provenance.LOAD_PROFILE),
        Reading(import_wh=790, export_wh=0, absence=Absence.NONE, flags=0, provenance=Provenance.LOAD_PROFILE),
    )


def test_a_span_has_no_holes_and_a_block_without_a_row_is_absent() -> None:
    readings = read(blocks(0, 3), row(0), row(2))
    assert [entry.absence for entry in readings] == [Absence.NONE, Absence.NO_ROW, Absence.NONE]


def test_rows_outside_the_span_are_not_read_into_it() -> None:
    readings = read(blocks(1, 1), row(0, 1), row(1, 2), row(2, 3))
    assert [entry.import_wh for entry in readings] == [2]


@pytest.mark.parametrize(("imported", "exported"), [(None, 5), (5, None), (None, None)])
def test_null_data_makes_both_energies_absent(imported: int | None, exported: int | None) -> None:
    assert only(row(0, imported, exported)).absence is Absence.NULL_DATA


def test_an_import_only_meter_has_no_export_rather_than_zero() -> None:
    reading = only(row(0), of=IMPORT_ONLY)
    assert (reading.import_wh, reading.export_wh, reading.absence) == (100, None, Absence.NO_EXPORT_REGISTER)


def test_identical_rows_are_one_reading_that_says_so() -> None:
    reading = only(row(0), row(0))
    assert (reading.import_wh, reading.flags) == (100, Flag.REPEATED_ROW)


def test_rows_that_disagree_in_one_answer_are_an_error_of_the_meter() -> None:
    reading = only(row(0, 100), row(0, 101))
    assert (reading.absence, reading.flags) == (Absence.METER_ERROR, Flag.REPEATED_ROW)


def test_a_negative_energy_is_an_error_of_the_meter_and_never_a_value() -> None:
    assert only(row(0, -1)).absence is Absence.METER_ERROR


def test_an_energy_that_no_wire_can_carry_is_implausible() -> None:
    assert only(row(0, MAX_WH)).import_wh == MAX_WH
    assert only(row(0, MAX_WH + 1)).absence is Absence.IMPLAUSIBLE


@pytest.mark.parametrize(
    ("status", "flags"),
    [(None, 0), (0, 0), (1, Flag.CLOCK_INVALID), (2, Flag.CLOCK_DOUBTFUL), (4, Flag.CLOCK_DOUBTFUL), (0x80, 0)],
)
def test_clock_status_bits_become_flags(status: int | None, flags: int) -> None:
    assert only(row(0, status=status)).flags == flags


def test_a_row_off_the_grid_flags_the_block_in_which_the_clock_was_moved() -> None:
    reading = only(row(0), row(0, late_s=-60))
    assert (reading.import_wh, reading.flags) == (100, Flag.CLOCK_STEP)
    assert only(row(0, late_s=-60)).absence is Absence.NO_ROW


def test_zero_energy_without_voltage_is_suspected_filler() -> None:
    assert only(row(0, 0, 0, volts=0)).flags == Flag.FILLER
    assert only(row(0, 0, 0, volts=230)).flags == 0
    assert only(row(0, 1, 0, volts=0)).flags == 0
    assert only(row(0, 0, 0)).flags == 0


def test_a_profile_without_import_energy_is_refused_by_name() -> None:
    with pytest.raises(MeterRefusedError, match=r"expected column 1\.0\.1\.29\.0\.255"):
        read(blocks(0, 1), row(0), of=layout(EXPORT_BLOCK))


def test_another_unit_is_refused() -> None:
    with pytest.raises(MeterRefusedError, match="expected unit 30"):
        only(row(0, unit=31))


def test_rows_from_midnight_are_needed_only_for_energies_finer_than_a_watt_hour() -> None:
    span = blocks(40, 4)
    assert span_to_read(span, NET) == span
    assert span_to_read(span, layout(IMPORT_BLOCK, scaler=-1)) == Interval(MIDNIGHT, span.end_utc)
    assert span_to_read(span, layout(IMPORT_BLOCK, scaler=3)) == span


def test_finer_energies_are_rounded_while_cumulative() -> None:
    rows = [row(block, 4, 0, scaler=-1) for block in range(10)]
    readings = read(blocks(0, 10), *rows, of=layout(IMPORT_BLOCK, EXPORT_BLOCK, scaler=-1))
    # 0.4, 0.8, 1.2, … 4.0 Wh rounded, then differenced.
    assert [entry.import_wh for entry in readings] == [0, 1, 0, 1, 0, 0, 1, 0, 1, 0]


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=1, max_size=96),
    st.integers(-3, 2),
    st.data(),
)
def test_the_parts_of_a_day_sum_to_its_rounded_whole(raws: list[int | None], scaler: int, data: st.DataObject) -> None:
    rows = [row(block, raw, 0, scaler=scaler) for block, raw in enumerate(raws)]
    of = layout(IMPORT_BLOCK, EXPORT_BLOCK, scaler=scaler)
    whole = read(blocks(0, len(raws)), *rows, of=of)
    cut = data.draw(st.integers(0, len(raws)))
    parts = tuple(
        entry
        for first, count in ((0, cut), (cut, len(raws) - cut))
        if count
        for entry in read(blocks(first, count), *rows, of=of)
    )
    assert parts == whole
    assert all(entry.import_wh is None or entry.import_wh >= 0 for entry in whole)
    exact = sum((Decimal(raw).scaleb(scaler) for raw in raws if raw is not None), Decimal(0))
    assert sum(entry.import_wh or 0 for entry in whole) == exact.to_integral_value(ROUND_HALF_EVEN)


@given(st.lists(st.integers(0, 3000), min_size=2, max_size=96), st.integers(-3, -1), st.data())
def test_a_row_that_comes_late_changes_no_figure_that_is_signed(
    raws: list[int], scaler: int, data: st.DataObject
) -> None:
    of, day = layout(IMPORT_BLOCK, EXPORT_BLOCK, scaler=scaler), blocks(0, len(raws))
    rows = [row(block, raw, raw // 2, scaler=scaler) for block, raw in enumerate(raws)]
    late = data.draw(st.sets(st.integers(0, len(raws) - 1)))
    first = read(day, *(each for block, each in enumerate(rows) if block not in late), of=of)
    starts = day.block_starts(PERIOD_S)
    signed = {at: Energies(each.import_wh, each.export_wh) for at, each in zip(starts, first, strict=True)}
    again = profile_readings(day, period_s=PERIOD_S, rows=rows, layout=of, signed=signed)
    assert [each for block, each in enumerate(again) if block not in late] == [
        each for block, each in enumerate(first) if block not in late
    ]
    assert all(each.import_wh is not None and each.import_wh >= 0 for each in again)
    exact = sum((Decimal(raw).scaleb(scaler) for raw in raws), Decimal(0))
    assert abs(sum(each.import_wh or 0 for each in again) - exact) <= 2 * len(late) + 1


@pytest.mark.parametrize(
    ("signed_wh", "raw", "scaler", "shown_wh"),
    [
        (100, 1009, -1, 100),
        (101, 1001, -1, 101),
        (99, 1000, -1, 99),
        (101, 1000, -1, 101),
        (99, 1001, -1, 100),  # no rounding makes 99 of 100.1
        (102, 1009, -1, 101),
        (101, 100, 0, 100),  # whole Wh are what the meter says now: that it said another thing is to be seen
    ],
)
def test_a_signed_figure_stays_only_where_the_row_can_be_rounded_to_it(
    signed_wh: int, raw: int, scaler: int, shown_wh: int
) -> None:
    of = layout(IMPORT_BLOCK, EXPORT_BLOCK, scaler=scaler)
    signed = {MIDNIGHT: Energies(signed_wh, signed_wh)}
    (reading,) = profile_readings(
        blocks(0, 1), period_s=PERIOD_S, rows=[row(0, raw, raw, scaler=scaler)], layout=of, signed=signed
    )
    assert (reading.import_wh, reading.export_wh) == (shown_wh, shown_wh)


def test_a_whole_figure_amid_parts_of_a_watt_hour_is_rounded_too() -> None:
    rows = (row(0, 5, 0, scaler=-1), row(1, 100, 0))
    signed = {MIDNIGHT + PERIOD_S: Energies(101, 0)}
    readings = profile_readings(blocks(0, 2), period_s=PERIOD_S, rows=rows, layout=NET, signed=signed)
    assert [each.import_wh for each in readings] == [0, 101]


def test_trailing_blocks_without_a_row_are_waited_for() -> None:
    span, now = blocks(0, 4), MIDNIGHT + 4 * PERIOD_S + 30

    def settled(*rows: ProfileRow, patience_s: int = 7200) -> Interval | None:
        return settled_span(span, rows, period_s=PERIOD_S, now_utc=now, patience_s=patience_s)

    assert settled(row(0), row(1)) == blocks(0, 2)
    assert settled(row(0), row(3)) == span
    assert settled() is None
    assert settled(row(0), patience_s=PERIOD_S + 30) == blocks(0, 3)
    assert settled(row(0), patience_s=PERIOD_S + 31) == blocks(0, 2)
    assert settled(patience_s=0) == span


def cumulative(stamp: int, imported: int | None, exported: int | None = None, scaler: int = 0) -> CumulativeRegisters:
    return CumulativeRegisters(
        stamp_utc=stamp,
        imported=RegisterValue(register=IMPORT_TOTAL, raw=imported, scaler=scaler, unit=30),
        exported=None
        if exported is None
        else RegisterValue(register=EXPORT_TOTAL, raw=exported, scaler=scaler, unit=30),
    )


def test_registers_belong_to_the_closed_span() -> None:
    span = Interval(MIDNIGHT, MIDNIGHT + DAY_S)
    rows = [cumulative(at, 5) for at in (MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + DAY_S, MIDNIGHT + DAY_S + 1)]
    assert [entry.stamp_utc for entry in profile_registers(rows, span)] == [MIDNIGHT, MIDNIGHT + DAY_S]


def test_registers_are_whole_watt_hours_one_a_stamp_and_absent_where_the_meter_contradicts_itself() -> None:
    span = blocks(0, 1)
    (only_one,) = profile_registers([cumulative(MIDNIGHT, 12345, 15, scaler=-1)], span)
    assert (only_one.import_wh, only_one.export_wh) == (1234, 2)
    (twice,) = profile_registers([cumulative(MIDNIGHT, 5, 6), cumulative(MIDNIGHT, 5, 7)], span)
    assert (twice.import_wh, twice.export_wh) == (5, None)
    (negative,) = profile_registers([cumulative(MIDNIGHT, -5)], span)
    assert negative.import_wh is None
    many = [cumulative(MIDNIGHT + at, 1) for at in range(MAX_REGISTERS + 1)]
    assert len(profile_registers(many, span)) == MAX_REGISTERS


TOLERANCE_S = 11
SAMPLING = Sampling(period_s=PERIOD_S, most_wh=None, tolerance_s=TOLERANCE_S)


def at(block: int) -> int:
    return MIDNIGHT + block * PERIOD_S


def sampled(witnessed: dict[int, Witnessed], count: int = 1, most_wh: int | None = None) -> tuple[Reading, ...]:
    on_time = {
        stamp: replace(sample, uptime=Uptime(boot="boot", ms=stamp * 1000), right_ms=stamp * 1000)
        for stamp, sample in witnessed.items()
    }
    return of_samples(on_time, count, most_wh)


def of_samples(
    witnessed: Mapping[int, Witnessed], count: int, most_wh: int | None = None, now: Uptime | None = None
) -> tuple[Reading, ...]:
    end = at(count)
    return sampled_readings(
        blocks(0, count),
        Sampling(period_s=PERIOD_S, most_wh=most_wh, tolerance_s=TOLERANCE_S),
        witnessed,
        now_utc=end,
        now=now or Uptime(boot="boot", ms=end * 1000),
    )


def shown(import_wh: int, export_wh: int | None = 0, serial: str | None = "A") -> Witnessed:
    return Witnessed(import_wh=import_wh, export_wh=export_wh, serial=serial, uptime=None)


def test_a_block_is_the_difference_of_the_samples_at_its_boundaries() -> None:
    first, second = sampled({at(0): shown(10, 1), at(1): shown(15, 1), at(2): shown(15, 4)}, 2)
    assert (first.import_wh, first.export_wh, first.provenance) == (5, 0, Provenance.SAMPLED)
    assert (second.import_wh, second.export_wh) == (0, 3)


def test_a_block_with_an_unwitnessed_boundary_is_not_witnessed() -> None:
    readings = sampled({at(0): shown(10), at(2): shown(20), at(3): shown(21)}, 3)
    assert [entry.absence for entry in readings] == [Absence.NOT_WITNESSED, Absence.NOT_WITNESSED, Absence.NONE]


def test_a_register_that_falls_makes_no_negative_energy() -> None:
    (imported,) = sampled({at(0): shown(10), at(1): shown(9)})
    (exported,) = sampled({at(0): shown(10, 5), at(1): shown(11, 4)})
    assert imported.absence is exported.absence is Absence.REGISTER_FELL


def test_another_meter_at_the_end_of_the_block_is_not_a_difference() -> None:
    (reading,) = sampled({at(0): shown(10), at(1): shown(12, serial="B")})
    assert reading.absence is Absence.NOT_WITNESSED


def test_an_export_register_that_comes_or_goes_is_an_error_of_the_meter() -> None:
    (reading,) = sampled({at(0): shown(10, None), at(1): shown(12)})
    assert reading.absence is Absence.METER_ERROR
    (steady,) = sampled({at(0): shown(10, None), at(1): shown(12, None)})
    assert steady.absence is Absence.NO_EXPORT_REGISTER


def test_more_than_the_connection_can_carry_is_implausible() -> None:
    pair = {at(0): shown(0, 0), at(1): shown(100, 100)}
    assert sampled(pair, most_wh=100)[0].absence is Absence.NONE
    assert sampled(pair, most_wh=99)[0].absence is Absence.IMPLAUSIBLE
    for imported, exported in ((101, 0), (0, 101)):
        one = {at(0): shown(0, 0), at(1): shown(imported, exported)}
        assert sampled(one, most_wh=100)[0].absence is Absence.IMPLAUSIBLE


def seen_at(import_wh: int, up_s: int | None, boot: str = "boot") -> Witnessed:
    """A sample of a meter at `up_s` seconds after the boot."""
    uptime = None if up_s is None else Uptime(boot=boot, ms=up_s * 1000)
    return Witnessed(
        import_wh=import_wh, export_wh=0, serial="A", uptime=uptime, right_ms=None if uptime is None else uptime.ms
    )


@pytest.mark.parametrize(
    ("before", "after", "flags"),
    [
        (0, 900_000, 0),
        (0, 0, 0),
        (None, 900_000, Flag.CLOCK_DOUBTFUL),
        (0, None, Flag.CLOCK_DOUBTFUL),
        (None, None, Flag.CLOCK_DOUBTFUL),
        (900_000 - HOLDOVER_MS, 900_000 - HOLDOVER_MS, 0),
        (899_999 - HOLDOVER_MS, 899_999 - HOLDOVER_MS, Flag.CLOCK_DOUBTFUL),
    ],
)
def test_a_block_whose_boundaries_nobody_vouches_for_is_doubtful(
    before: int | None, after: int | None, flags: int
) -> None:
    pair = {at(0): seen_at(1, 0), at(1): seen_at(3, 900)}
    pair = {at(0): replace(pair[at(0)], right_ms=before), at(1): replace(pair[at(1)], right_ms=after)}
    (reading,) = of_samples(pair, 1)
    # The number stays: whoever judges it knows that it may be another block's.
    assert (reading.import_wh, reading.flags) == (2, flags)


def test_doubt_about_the_clock_and_a_full_counter_are_told_of_absent_blocks_too() -> None:
    fell = {at(0): seen_at(9, 0), at(1): replace(seen_at(3, 900), right_ms=None, rolled_over=True)}
    (reading,) = of_samples(fell, 1)
    assert (reading.absence, reading.flags) == (Absence.REGISTER_FELL, Flag.CLOCK_DOUBTFUL | Flag.ROLLED_OVER)
    (reset,) = of_samples({at(0): seen_at(9, 0), at(1): seen_at(3, 900)}, 1)
    assert (reset.absence, reset.flags) == (Absence.REGISTER_FELL, 0)
    far = {at(0): replace(seen_at(0, 0), right_ms=None), at(1): seen_at(30, 900)}
    (reading,) = of_samples(far, 1, most_wh=20)
    assert (reading.absence, reading.flags) == (Absence.IMPLAUSIBLE, Flag.CLOCK_DOUBTFUL)


def test_samples_of_two_boots_make_no_block_and_nothing_says_that_a_clock_was_set() -> None:
    witnessed = {
        at(0): seen_at(0, 0, "a"), at(1): seen_at(5, 900, "a"), at(2): seen_at(90, 1800, "b"), at(3): seen_at(96, 2700, "b")
    }  # fmt: skip
    readings = of_samples(witnessed, 3)
    assert [(entry.absence, entry.import_wh, entry.flags) for entry in readings] == [
        (Absence.NONE, 5, 0), (Absence.NOT_WITNESSED, None, 0), (Absence.NONE, 6, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("known", [(False, True), (True, False), (False, False)])
def test_a_sample_of_an_unknown_time_makes_no_block(known: tuple[bool, bool]) -> None:
    witnessed = {at(place): seen_at(place, place * 900 if is_known else None) for place, is_known in enumerate(known)}
    (reading,) = of_samples(witnessed, 1)
    assert (reading.absence, reading.flags) == (Absence.NOT_WITNESSED, 0)


@pytest.mark.parametrize("passed_s", [889, 900, 911])
def test_a_block_is_witnessed_when_as_much_time_went_by_as_it_is_long(passed_s: int) -> None:
    (reading,) = of_samples({at(0): seen_at(0, 5000), at(1): seen_at(7, 5000 + passed_s)}, 1)
    assert (reading.absence, reading.import_wh, reading.flags) == (Absence.NONE, 7, 0)


@pytest.mark.parametrize("passed_s", [888, 912, -900, 8100])
def test_a_block_with_another_time_between_its_boundaries_is_no_number_and_says_why(passed_s: int) -> None:
    (reading,) = of_samples({at(0): seen_at(0, 5000), at(1): seen_at(7, 5000 + passed_s)}, 1)
    assert (reading.absence, reading.import_wh) == (Absence.NOT_WITNESSED, None)
    assert reading.flags == Flag.CLOCK_STEP


def test_every_block_between_two_samples_around_a_step_is_flagged_even_beyond_the_span() -> None:
    witnessed = {at(-1): seen_at(0, 0), at(4): seen_at(9, 900)}
    assert [entry.flags for entry in of_samples(witnessed, 3)] == [Flag.CLOCK_STEP] * 3
    later = Uptime(boot="boot", ms=4 * 900_000)
    missed = {at(-1): seen_at(0, 0), at(4): seen_at(9, 5 * 900)}
    assert [(entry.absence, entry.flags) for entry in of_samples(missed, 3, now=later)] == [
        (Absence.NOT_WITNESSED, 0)
    ] * 3


def test_a_step_since_the_last_sample_is_flagged_before_the_next_one_comes() -> None:
    witnessed = {at(0): seen_at(0, 0), at(1): seen_at(3, 900)}
    readings = of_samples(witnessed, 3, now=Uptime(boot="boot", ms=1000_000))
    assert [(entry.import_wh, entry.flags) for entry in readings] == [
        (3, 0), (None, Flag.CLOCK_STEP), (None, Flag.CLOCK_STEP),
    ]  # fmt: skip
    rebooted = of_samples(witnessed, 3, now=Uptime(boot="other", ms=1000_000))
    assert [entry.flags for entry in rebooted] == [0, 0, 0]


SAMPLES = st.builds(
    Witnessed,
    import_wh=st.integers(0, 50),
    export_wh=st.just(0),
    serial=st.just("A"),
    uptime=st.one_of(
        st.none(), st.builds(Uptime, boot=st.sampled_from("ab"), ms=st.integers(0, 4).map(lambda n: n * 900_000))
    ),
)
JITTER_MS = st.integers(-30_000, 30_000)


@given(st.lists(st.tuples(st.one_of(st.none(), SAMPLES), JITTER_MS), min_size=5, max_size=5))
def test_a_signed_energy_always_has_its_blocks_length_of_time_behind_it(
    drawn: list[tuple[Witnessed | None, int]],
) -> None:
    witnessed = {}
    for place, (sample, jitter_ms) in enumerate(drawn):
        if sample is not None:
            uptime = sample.uptime and replace(sample.uptime, ms=sample.uptime.ms + jitter_ms)
            witnessed[at(place)] = replace(sample, uptime=uptime)
    stamps = {entry.stamp_utc for entry in sampled_registers(blocks(0, 4), SAMPLING, witnessed)}
    ends = set()
    for place, reading in enumerate(of_samples(witnessed, 4)):
        before, after = witnessed.get(at(place)), witnessed.get(at(place + 1))
        first = None if before is None else before.uptime
        last = None if after is None else after.uptime
        is_even = (
            first is not None
            and last is not None
            and first.boot == last.boot
            and abs(last.ms - first.ms - PERIOD_S * 1000) <= TOLERANCE_S * 1000
        )
        assert (reading.absence is not Absence.NOT_WITNESSED) == is_even
        assert reading.import_wh is None or is_even
        ends |= {at(place), at(place + 1)} if is_even else set()
    assert stamps == ({min(ends), max(ends)} if ends else set())


def registers_of(witnessed: dict[int, Witnessed]) -> list[int]:
    return [entry.stamp_utc for entry in sampled_registers(blocks(0, 3), SAMPLING, witnessed)]


def test_samples_travel_as_registers_at_the_outermost_boundaries_of_witnessed_blocks() -> None:
    witnessed = {at(block): seen_at(block, block * 900) for block in (0, 1, 2)}
    assert registers_of(witnessed) == [at(0), at(2)]
    assert registers_of({at(0): seen_at(0, 0, "a")} | {at(n): seen_at(n, n * 900) for n in (1, 2)}) == [at(1), at(2)]
    assert registers_of({}) == []


def test_a_sample_of_no_witnessed_block_does_not_travel_under_the_stamp_that_a_wrong_clock_gave_it() -> None:
    assert registers_of({at(1): seen_at(1, 900)}) == []
    assert registers_of({at(0): seen_at(0, 0), at(1): seen_at(9000, 8100)}) == []


def spaced(*blocks_: int) -> list[ProfileRow]:
    return [row(block) for block in blocks_]


def test_rows_a_period_apart_prove_it_and_fewer_gaps_than_three_do_not() -> None:
    assert require_period(spaced(0, 1, 2, 3), NET)
    assert not require_period(spaced(0, 1, 2), NET)
    assert not require_period((), NET)


def test_rows_that_went_missing_refute_nothing() -> None:
    assert require_period(spaced(0, 1, 2, 3, 20, 22, 24), NET)
    assert require_period(spaced(0, 1, 2, 3, 5, 7, 9), NET)  # as many stand twice as far apart: no most
    assert not require_period(spaced(0, 2, 4, 5), NET)
    # Two gaps of each: no majority.
    assert not require_period(spaced(0, 2, 4, 5, 6), NET)


def test_rows_none_of_which_stands_a_period_from_the_next_are_waited_for() -> None:
    """A lost row among few must not hide that the others stand an hour apart: one of them would be a quarter's energy."""
    for few in ((0, 2, 4), (0, 4, 8, 16), (0, 3)):
        with pytest.raises(MeterRefusedError, match=r"every 900 s in profile 1\.0\.99\.1\.0\.255.*none at 900"):
            require_period(spaced(*few), NET)
    assert not require_period(spaced(0), NET)


def test_rows_that_stand_another_time_apart_refute_the_period() -> None:
    with pytest.raises(MeterRefusedError, match=r"every 900 s in profile 1\.0\.99\.1\.0\.255.*every 1800 s"):
        require_period(spaced(0, 2, 4, 6), NET)
    half_hourly = replace(NET, capture_period_s=2 * PERIOD_S)
    with pytest.raises(MeterRefusedError, match=r"every 1800 s.*every 900 s"):
        require_period(spaced(0, 1, 2, 3), half_hourly)


def test_a_row_that_comes_twice_or_out_of_order_is_no_gap() -> None:
    assert require_period([*spaced(3, 2, 1, 0), *spaced(3, 3)], NET)


def test_a_proof_reaches_back_four_hours_and_never_before_1970() -> None:
    block = blocks(20, 1)
    assert span_to_prove(block) == Interval(block.start_utc - 4 * 3600, block.end_utc)
    assert span_to_prove(Interval(0, PERIOD_S)) == Interval(0, PERIOD_S)


def outage(first: int, count: int) -> Marks:
    span = blocks(first, count)
    return Marks((Mark(span=span, flag=Flag.POWER_FAIL),))


def test_a_zero_row_in_an_outage_is_filler_whatever_voltage_it_names() -> None:
    rows = (row(0, 0, 0), row(1, 0, 0, volts=230), row(2, 0, 0), row(3, 5, 0))
    readings = profile_readings(blocks(0, 4), period_s=PERIOD_S, rows=rows, layout=NET, marks=outage(0, 2))
    dark = Flag.POWER_FAIL | Flag.FILLER
    assert [entry.flags for entry in readings] == [dark, dark, 0, 0]
    # The number stays as the meter gave it.
    assert [entry.import_wh for entry in readings] == [0, 0, 0, 5]


def test_energy_in_an_outage_and_a_zero_row_that_had_power_for_a_part_are_no_filler() -> None:
    marks = Marks((Mark(span=Interval(MIDNIGHT, MIDNIGHT + PERIOD_S + 1), flag=Flag.POWER_FAIL),))
    readings = profile_readings(
        blocks(0, 2), period_s=PERIOD_S, rows=(row(0, 5, 0), row(1, 0, 0)), layout=NET, marks=marks
    )
    assert [entry.flags for entry in readings] == [Flag.POWER_FAIL, Flag.POWER_FAIL]


def test_a_row_that_an_outage_left_out_says_why() -> None:
    readings = profile_readings(blocks(0, 2), period_s=PERIOD_S, rows=(row(1),), layout=NET, marks=outage(0, 1))
    assert [(entry.absence, entry.flags) for entry in readings] == [
        (Absence.NO_ROW, Flag.POWER_FAIL), (Absence.NONE, 0),
    ]  # fmt: skip


def test_an_import_only_meter_has_filler_too() -> None:
    readings = profile_readings(
        blocks(0, 1), period_s=PERIOD_S, rows=(row(0, 0),), layout=IMPORT_ONLY, marks=outage(0, 1)
    )
    assert readings[0].flags == Flag.POWER_FAIL | Flag.FILLER


def test_rows_tell_of_power_by_any_voltage() -> None:
    assert not has_voltage(NET)
    assert all(has_voltage(layout(IMPORT_BLOCK, name)) for name in AVERAGE_VOLTAGES)
