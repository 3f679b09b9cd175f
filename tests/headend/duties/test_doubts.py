"""Doubts as actuals state them: by block, inside the window only, and only what the rule set states."""

from dataclasses import replace

import pytest

from headend.duties.doubts import Doubt, doubts_of, stated_in
from headend.vee.ruleset import DEFAULT_RULE_SET, RULE_SET_1, stated_by
from headend.vee.stated_rules import OriginDoubt
from signing.interval import Interval
from signing.statements.window_actual import StatedFinding, Verdict
from tests.headend.premises import DAY
from tests.headend.vee import world

AT = DAY + 36_000
RULE = stated_by(DEFAULT_RULE_SET)["V32"][1]
DOUBT = Doubt(rule="V32", version=1, from_utc=AT, until_utc=None, verdict=Verdict.SUSPECT, because="x")
PART = replace(world.part([world.record([])], ()), span=Interval(AT, AT + 3600))
METER = PART.record.meter


def blocks(doubt: Doubt) -> list[int]:
    found = stated_in({METER: [doubt]}, [PART], DEFAULT_RULE_SET)
    assert all(
        row == StatedFinding(rule="V32", version=1, block_utc=row.block_utc, verdict=Verdict.SUSPECT) for row in found
    )
    return [(row.block_utc - AT) // 900 for row in found]


@pytest.mark.parametrize(
    ("start", "end", "touched"),
    [
        (0, None, [0, 1, 2, 3]),
        (AT, AT + 3600, [0, 1, 2, 3]),
        (AT + 900, AT + 1800, [1]),
        (AT + 899, AT + 901, [0, 1]),
        (AT + 3599, None, [3]),
        (AT + 3600, None, []),
        (0, AT, []),
        (0, AT + 1, [0]),
    ],
)
def test_a_block_is_doubted_where_any_of_it_lies_in_the_span(start: int, end: int | None, touched: list[int]) -> None:
    assert blocks(replace(DOUBT, from_utc=start, until_utc=end)) == touched


def test_doubts_about_other_meters_and_by_other_rules_are_left_out() -> None:
    assert stated_in({"SKS9": [DOUBT]}, [PART], DEFAULT_RULE_SET) == ()
    assert stated_in({METER: [replace(DOUBT, version=2)]}, [PART], DEFAULT_RULE_SET) == ()
    assert stated_in({METER: [DOUBT]}, [PART], RULE_SET_1) == ()
    assert stated_in({}, [PART], DEFAULT_RULE_SET) == ()


def test_a_part_before_any_fact_states_nothing() -> None:
    early = replace(PART, span=Interval(AT - 10**9, AT - 10**9 + 3600))
    records = tuple(
        replace(one, facts=tuple(replace(fact, from_utc=AT) for fact in one.facts)) for one in early.records
    )
    assert stated_in({METER: [replace(DOUBT, from_utc=0)]}, [replace(early, records=records)], DEFAULT_RULE_SET) == ()


def test_two_doubts_of_one_block_are_stated_once() -> None:
    both = [DOUBT, replace(DOUBT, from_utc=AT + 900)]
    assert len(stated_in({METER: both}, [PART], DEFAULT_RULE_SET)) == 4


def test_stamps_that_doubt_one_span_are_one_doubt_in_the_words_of_the_first() -> None:
    found = [OriginDoubt(stamp_utc=AT + day, difference_wh=50 + day, from_utc=AT, until_utc=None) for day in (1, 2)]
    (doubt,) = doubts_of(found, RULE)
    assert (doubt.from_utc, doubt.until_utc, doubt.because) == (AT, None, found[0].because)
