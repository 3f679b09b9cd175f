import pytest

from edge_agent.events import CONDITIONS, NO_MARKS, POWER_FAILED, EventLog, Marks, MeterEvent, marks
from signing.interval import MAX_INSTANT, Interval
from signing.statements.reading import Flag
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S


def at(code: int, minute: int) -> MeterEvent:
    """An event so many minutes after midnight."""
    return MeterEvent(log=EventLog.OTHER, at_utc=MIDNIGHT + 60 * minute, code=code)


def block(number: int) -> Interval:
    start = MIDNIGHT + number * PERIOD_S
    return Interval(start, start + PERIOD_S)


def flagged(found: Marks, count: int = 6) -> dict[int, Flag]:
    return {number: flags for number in range(count) if (flags := found.flags(block(number)))}


def test_nothing_logged_marks_nothing() -> None:
    assert marks(()) == NO_MARKS
    assert flagged(NO_MARKS) == {}


def test_a_failure_touches_every_block_until_the_power_is_back() -> None:
    found = marks([at(102, 45), at(101, 14)])
    assert flagged(found) == dict.fromkeys((0, 1, 2), Flag.POWER_FAIL)


@pytest.mark.parametrize(("minute", "number"), [(0, 0), (14, 0), (15, 1), (29, 1)])
def test_what_happens_at_once_touches_the_block_in_which_it_stands(minute: int, number: int) -> None:
    assert flagged(marks([at(251, minute)])) == {number: Flag.TAMPER}


def test_a_block_is_dark_only_when_all_of_it_was_without_power() -> None:
    found = marks([at(101, 14), at(102, 46)])
    assert [found.is_dark(block(number)) for number in range(5)] == [False, True, True, False, False]
    edge = marks([at(101, 15), at(102, 30)])
    assert [found.is_dark(block(1)) for found in (edge, marks([at(201, 15), at(202, 30)]))] == [True, False]


def test_a_failure_that_was_never_restored_touches_its_block_alone_since_the_meter_answers() -> None:
    assert flagged(marks([at(101, 20)])) == {1: Flag.POWER_FAIL}
    assert flagged(marks([at(101, 20), at(101, 50), at(102, 61)])) == dict.fromkeys((1, 3, 4), Flag.POWER_FAIL)


def test_a_magnet_that_was_never_taken_away_is_still_there() -> None:
    found = marks([at(201, 20), at(201, 40)])
    assert flagged(found) == dict.fromkeys((1, 2, 3, 4, 5), Flag.TAMPER)
    assert found.marks[0].span.end_utc == MAX_INSTANT


def test_a_restoration_whose_occurrence_the_log_lost_touches_its_own_block() -> None:
    assert flagged(marks([at(202, 20), at(102, 50)])) == {1: Flag.TAMPER, 3: Flag.POWER_FAIL}


def test_conditions_are_told_apart_and_their_flags_add_up() -> None:
    found = marks([at(201, 0), at(203, 16), at(202, 14), at(204, 31), at(101, 20), at(102, 25), at(151, 50)])
    assert flagged(found) == {
        0: Flag.TAMPER, 1: Flag.TAMPER | Flag.POWER_FAIL, 2: Flag.TAMPER, 3: Flag.CLOCK_STEP,
    }  # fmt: skip


@pytest.mark.parametrize("code", [1, 7, 51, 52, 67, 152, 205, 206, 301, 302, 9999])
def test_a_code_that_bears_on_no_reading_marks_nothing(code: int) -> None:
    assert marks([at(code, 20)]) == NO_MARKS


def test_an_occurrence_and_its_restoration_at_one_instant_touch_one_block() -> None:
    assert flagged(marks([at(102, 20), at(101, 20)])) == {1: Flag.POWER_FAIL}


def test_every_restoration_belongs_to_one_occurrence_and_begins_nothing() -> None:
    ends = [each.ends_with for each in CONDITIONS.values() if each.ends_with is not None]
    assert len(ends) == len(set(ends))
    assert not set(ends) & set(CONDITIONS)
    assert not CONDITIONS[POWER_FAILED].is_lasting
