from dataclasses import replace

import pytest

from edge_agent.drafts import Draft
from edge_agent.full_counters import ENDS_WH, day_of, marked
from edge_agent.registers import Energies
from signing.interval import DAY_S, Interval
from signing.statements.reading import Absence, Flag, Reading
from signing.statements.reading_batch import Register
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S, draft, reading

DAY = Interval(MIDNIGHT, MIDNIGHT + DAY_S)
COUNT = DAY_S // PERIOD_S
END = 10**9


def register(at_utc: int, import_wh: int | None, export_wh: int | None = 0) -> Register:
    return Register(stamp_utc=at_utc, import_wh=import_wh, export_wh=export_wh)


def ending(import_wh: int | None, export_wh: int | None = 0, blocks: int = 1) -> Draft:
    """The last blocks of the day, 10 Wh of import each, and the registers of its end."""
    readings = [reading(10, 0)] * blocks
    made = draft(COUNT - blocks, readings, registers=(register(DAY.end_utc, import_wh, export_wh),))
    assert made.span.end_utc == DAY.end_utc
    return made


SIGNED = {start: Energies(10, 0) for start in DAY.block_starts(PERIOD_S)}
FLOWED = 10 * COUNT


def flags(made: Draft, before: Register | None, signed: dict[int, Energies] | None = None) -> list[int]:
    registers = {} if before is None else {before.stamp_utc: before}
    return [each.flags for each in marked(made, DAY, registers, SIGNED if signed is None else signed).readings]


@pytest.mark.parametrize("end", ENDS_WH)
def test_a_register_that_goes_on_beyond_the_end_of_its_counter_rolled_over(end: int) -> None:
    before = register(DAY.start_utc, end - 100)
    assert flags(ending(FLOWED - 100), before) == [Flag.ROLLED_OVER]
    assert flags(ending(FLOWED - 100, blocks=2), before) == [0, Flag.ROLLED_OVER]


@pytest.mark.parametrize(
    ("after", "flag"),
    [
        (FLOWED - 110, Flag.ROLLED_OVER),
        (FLOWED - 90, Flag.ROLLED_OVER),
        (FLOWED - 111, 0),
        (FLOWED - 89, 0),
        (0, 0),
    ],
)
def test_one_that_fell_elsewhere_was_reset_or_is_another_meters(after: int, flag: int) -> None:
    assert flags(ending(after), register(DAY.start_utc, END - 100)) == [flag]


def test_a_register_beyond_an_end_cannot_have_fallen_over_it() -> None:
    assert flags(ending(FLOWED + 50), register(DAY.start_utc, END + 50)) == [0]


def test_one_that_rose_or_is_not_known_says_nothing() -> None:
    assert flags(ending(5_000 + FLOWED), register(DAY.start_utc, 5_000)) == [0]
    assert flags(ending(FLOWED - 100), None) == [0]
    assert flags(ending(None), register(DAY.start_utc, END - 100)) == [0]
    assert flags(ending(FLOWED - 100), register(DAY.start_utc, None)) == [0]


def test_a_day_with_a_block_without_figure_proves_nothing() -> None:
    before, start = register(DAY.start_utc, END - 100), DAY.start_utc
    assert flags(ending(FLOWED - 100), before, {**SIGNED, start: Energies(None, None)}) == [0]
    assert flags(ending(FLOWED - 100), before, {at: each for at, each in SIGNED.items() if at != start}) == [0]


def test_what_is_read_now_comes_before_what_was_signed() -> None:
    before = register(DAY.start_utc, END - 100)
    stale = dict.fromkeys(SIGNED, Energies(10, 0)) | {DAY.end_utc - PERIOD_S: Energies(5_000, 0)}
    assert flags(ending(FLOWED - 100), before, stale) == [Flag.ROLLED_OVER]
    whole = ending(FLOWED - 100, blocks=COUNT)
    both = replace(whole, registers=(before, *whole.registers))
    assert flags(both, register(DAY.start_utc, 7), {})[-1] == Flag.ROLLED_OVER


def test_every_register_that_fell_must_have_been_full() -> None:
    before = register(DAY.start_utc, END - 100, END - 1)
    exporting = {at: Energies(10, 10) for at in SIGNED}
    last = ending(FLOWED - 100, FLOWED - 1)
    last = replace(last, readings=(reading(10, 10),))
    assert flags(last, before, exporting) == [Flag.ROLLED_OVER]
    assert flags(replace(last, registers=(register(DAY.end_utc, FLOWED - 100, 3),)), before, exporting) == [0]


def test_other_flags_of_the_block_stay() -> None:
    made = ending(FLOWED - 100)
    made = replace(made, readings=(replace(made.readings[0], flags=int(Flag.POWER_FAIL)),))
    assert flags(made, register(DAY.start_utc, END - 100)) == [Flag.POWER_FAIL | Flag.ROLLED_OVER]


def test_the_day_is_that_whose_midnight_a_draft_ends_on_with_a_register() -> None:
    assert day_of(ending(5)) == DAY
    assert day_of(replace(ending(5), registers=())) is None
    assert day_of(draft(0, [reading(1, 1)], registers=(register(MIDNIGHT, 5),))) is None
    absent = Reading(
        import_wh=None, export_wh=None, absence=Absence.NO_ROW, flags=0, provenance=reading(1, 1).provenance
    )
    assert day_of(replace(ending(5), readings=(absent,))) == DAY
