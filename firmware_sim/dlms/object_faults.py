"""What goes wrong with what a DLMS meter tells: its profiles, its clock and its registers. Never with what flowed.

A fault changes objects; several are applied one after the other. Source: METERS §§2, 5, 6, for what firmware does.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from firmware_sim.dlms.axdr import NULL, Reader, Value, energy, unsigned32
from firmware_sim.dlms.catalogue import BLOCK_LOAD, CLOCK, DAILY_LOAD
from firmware_sim.dlms.objects import Column, CosemObject, Habits, Plain, Profile, logical_name
from firmware_sim.instants import DAY_S, IST_OFFSET_S

Objects = list[CosemObject]
Change = Callable[[Objects], Objects]
"""A fault of the objects of a meter."""

ROLL_WH = 10**9
"""Where a full register begins again: six digits of MWh."""
_SURVEYS = (BLOCK_LOAD, DAILY_LOAD)
_ENERGY_CODES = (1, 2, 9, 10)
TOTALS = {logical_name(f"1.0.{c}.8.0.255") for c in _ENERGY_CODES}
ZONES = {logical_name(f"1.0.{c}.8.{zone}.255") for c in (1, 9) for zone in range(1, 9)}
BLOCKS = {logical_name(f"1.0.{c}.29.0.255") for c in _ENERGY_CODES}
_SWAPPED = {1: 2, 2: 1, 9: 10, 10: 9}


def number(encoded: bytes) -> int:
    """The integer in `encoded`."""
    value: Value = Reader(encoded).data()
    assert isinstance(value, int)
    return value


def shuffled(objects: Objects) -> Objects:
    """The columns of block and daily profiles stand in another order, the clock too; their scaler profiles keep theirs."""

    def change(profile: Profile) -> Profile:
        columns = profile.columns[::-1]
        half = len(columns) // 2
        return replace(profile, columns=columns[half:] + columns[:half])

    return _surveys(objects, change)


def null_clocks(objects: Objects) -> Objects:
    """Rows that follow the one before by one period have null-data for a clock."""
    return _habits(objects, has_null_clocks=True)


def newest_first(objects: Objects) -> Objects:
    """Block and daily profiles give, and count, their newest row first, and say so."""
    return _habits(objects, is_newest_first=True)


def open_edges(objects: Objects) -> Objects:
    """A range leaves out the rows that stand at its very ends."""
    return _habits(objects, has_open_edges=True)


def selecting(objects: Objects, selectors: Iterable[int]) -> Objects:
    """Profiles select by nothing but `selectors`."""
    return _habits(objects, selectors=frozenset(selectors))


def start_stamps(objects: Objects) -> Objects:
    """Rows of the block profile are stamped by the start of their block."""
    return _block_load(objects, lambda load: _shown(load, lambda at: load.habits.shown(at) - load.period_s))


def null_values(objects: Objects, at: int) -> Objects:
    """Every register of the block that holds the instant `at` is null-data."""

    def change(load: Profile) -> Profile:
        def cell(column: Column) -> Plain:
            return lambda end: NULL if end - load.period_s <= at < end else column.cell(end)

        return replace(
            load, columns=tuple(replace(each, cell=cell(each)) if each.class_id == 3 else each for each in load.columns)
        )

    return _block_load(objects, change)


def claimed_period(objects: Objects, period_s: int) -> Objects:
    """The block profile says that its period is `period_s`, and goes on as before."""
    return [
        replace(each, attributes={**each.attributes, 4: lambda _: unsigned32(period_s)})
        if each.name == BLOCK_LOAD
        else each
        for each in objects
    ]


def deviating(objects: Objects, deviation: int) -> Objects:
    """Every date-time carries `deviation` (minutes, or -0x8000 for unspecified); its wall clock stays."""
    return _date_times(objects, lambda raw: raw[:9] + struct.pack(">h", deviation) + raw[11:])


def with_clock_status(objects: Objects, status: int) -> Objects:
    """Every date-time carries the clock status `status`."""
    return _date_times(objects, lambda raw: raw[:11] + bytes([status]))


def stepped(objects: Objects, at: int, seconds: int) -> Objects:
    """The clock was moved by `seconds` at the instant `at`, and stays so: a row was closed then, as its clock still stood."""

    def shown(now: int) -> int:
        return now if now <= at else now + seconds

    def stamps(profile: Profile, now: int) -> list[int]:
        if now <= at:
            return list(profile.stamps(now))
        before = list(profile.stamps(at))
        after = [stamp - seconds for stamp in profile.stamps(now + seconds) if at + seconds < stamp <= now + seconds]
        closed = [at] if before and before[-1] != at and profile.period_s < DAY_S else []
        return [*before, *closed, *after][-profile.capacity :]

    def change(profile: Profile) -> Profile:
        moved = replace(profile, stamps=lambda now: stamps(profile, now))
        return _shown(_respanned(moved, objects, at), lambda end: profile.habits.shown(shown(end)))

    return _clock(_surveys(objects, change), shown)


def ahead(objects: Objects, seconds: int) -> Objects:
    """The clock was always ahead by `seconds`: the meter's blocks are other spans than the true ones of their stamps."""

    def change(profile: Profile) -> Profile:
        moved = replace(profile, stamps=lambda now: [stamp - seconds for stamp in profile.stamps(now + seconds)])
        return _shown(moved, lambda end: profile.habits.shown(end + seconds))

    return _clock(_surveys(objects, change), lambda now: now + seconds)


def _clock(objects: Objects, shown: Callable[[int], int]) -> Objects:
    def moved(each: CosemObject) -> CosemObject:
        told = each.attributes[2]
        return replace(each, attributes={**each.attributes, 2: lambda now: told(shown(now))})

    return [moved(each) if each.name == CLOCK else each for each in objects]


def reset(objects: Objects, at: int) -> Objects:
    """The cumulative registers began again at 0 at the instant `at`; the blocks go on."""
    return _cells(objects, TOTALS | ZONES, lambda told: lambda now: _reset(told, now, at))


def rolled_over(objects: Objects, at: int) -> Objects:
    """The cumulative registers were full at the instant `at`, and began again at 0; the blocks go on."""
    return _cells(
        objects, TOTALS | ZONES, lambda told: lambda now: energy((number(told(now)) - number(told(at))) % ROLL_WH)
    )


def swapped_ct(objects: Objects) -> Objects:
    """The current transformers point the other way: import and export change places in every register and column."""
    by_name = {each.name: each for each in objects}
    surveyed = {(each.name, column.name): column for each in objects if each.profile for column in each.profile.columns}

    def change(each: CosemObject) -> CosemObject:
        profile = each.profile
        if profile is None:
            other = by_name.get(_other(each.name))
            return each if other is None else replace(each, attributes={**each.attributes, 2: other.attributes[2]})
        columns = [
            replace(column, cell=surveyed[each.name, _other(column.name)].cell)
            if (each.name, _other(column.name)) in surveyed
            else column
            for column in profile.columns
        ]
        return replace(each, profile=replace(profile, columns=tuple(columns)))

    return [change(each) for each in objects]


def _other(name: bytes) -> bytes:
    """The register of the other direction, or the same name where there is none."""
    if name in TOTALS | BLOCKS:
        return name[:2] + bytes([_SWAPPED[name[2]]]) + name[3:]
    return name


def _reset(told: Plain, now: int, at: int) -> bytes:
    return told(now) if now < at else energy(number(told(now)) - number(told(at)))


def _respanned(profile: Profile, objects: Objects, at: int) -> Profile:
    """Energies of rows that are shorter than a period, because the clock was moved inside it."""
    totals: Mapping[bytes, Plain] = {each.name: each.attributes[2] for each in objects if each.name in TOTALS}

    def since(end: int) -> int | None:
        if end == at:
            return end - (profile.habits.shown(end) + IST_OFFSET_S) % profile.period_s
        return at if end - profile.period_s < at < end else None

    def cell(column: Column) -> Plain:
        total = totals[column.name[:3] + b"\x08" + column.name[4:]]

        def told(end: int) -> bytes:
            start = since(end)
            if start is None or start == end:
                return column.cell(end)
            return unsigned32((number(total(end)) - number(total(start))) % 2**32)

        return told

    columns = (replace(each, cell=cell(each)) if each.name in BLOCKS else each for each in profile.columns)
    return replace(profile, columns=tuple(columns))


def _cells(objects: Objects, names: Iterable[bytes], change: Callable[[Plain], Plain]) -> Objects:
    """Every register of `names`, and every column of one, changed."""
    wanted = set(names)

    def column(each: Column) -> Column:
        return replace(each, cell=change(each.cell)) if each.name in wanted and each.attribute == 2 else each

    changed = []
    for each in objects:
        if each.profile is not None:
            profile = replace(each.profile, columns=tuple(column(one) for one in each.profile.columns))
            changed.append(replace(each, profile=profile))
        elif each.name in wanted:
            changed.append(replace(each, attributes={**each.attributes, 2: change(each.attributes[2])}))
        else:
            changed.append(each)
    return changed


def _date_times(objects: Objects, change: Callable[[bytes], bytes]) -> Objects:
    def changed(told: Plain) -> Plain:
        return lambda at: _date_time(told(at), change)

    return _cells(objects, {CLOCK}, changed)


def _date_time(encoded: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return encoded[:2] + change(encoded[2:])


def _shown(profile: Profile, shown: Callable[[int], int]) -> Profile:
    return replace(profile, habits=replace(profile.habits, shown=shown))


def _habits(objects: Objects, **changes: object) -> Objects:
    def change(profile: Profile) -> Profile:
        habits: Habits = replace(profile.habits, **changes)  # type: ignore[arg-type]  # the caller names fields
        return replace(profile, habits=habits)

    return _surveys(objects, change)


def _block_load(objects: Objects, change: Callable[[Profile], Profile]) -> Objects:
    return _changed(objects, (BLOCK_LOAD,), change)


def _surveys(objects: Objects, change: Callable[[Profile], Profile]) -> Objects:
    return _changed(objects, _SURVEYS, change)


def _changed(objects: Objects, names: Iterable[bytes], change: Callable[[Profile], Profile]) -> Objects:
    return [
        replace(each, profile=change(each.profile)) if each.name in names and each.profile is not None else each
        for each in objects
    ]
