import pytest

from edge_agent.balance import Reading
from edge_agent.daily_balance import Cause, Judgement, SignedDay, judge
from edge_agent.registers import Energies
from signing.interval import DAY_S, Interval
from signing.statements.reading_batch import Register
from tests.edge_agent.gateway import MIDNIGHT

DAY = Interval(MIDNIGHT - DAY_S, MIDNIGHT)
P = 900
FIRST, LAST = DAY.start_utc, DAY.end_utc - P
BEFORE_WH = 41_000_123
RISE_WH = 96 * 100
AROUND: dict[int, int | None] = {FIRST - P: 700, LAST + P: 700}
"""What makes a day decide: blocks beside it that are unlike those at its ends."""


def day(
    changes: dict[int, int | None] | None = None,
    *,
    rise_wh: int = RISE_WH,
    before_wh: int = BEFORE_WH,
    export_rise_wh: int | None = None,
    period_s: int = P,
) -> Judgement:
    """A day of 100 Wh a quarter hour, in and, where it is asked, out; `changes` by start."""
    energies: dict[int, int | None] = dict.fromkeys(range(FIRST - period_s, DAY.end_utc + period_s, period_s), 100)
    energies |= changes or {}
    exported = None if export_rise_wh is None else 50
    blocks = {start: Energies(wh, None if wh is None else exported) for start, wh in energies.items()}
    export_wh = None if export_rise_wh is None else 7_000_001
    return judge(
        SignedDay(
            day=DAY,
            period_s=period_s,
            blocks=blocks,
            before=Register(stamp_utc=FIRST, import_wh=before_wh, export_wh=export_wh),
            after=Register(
                stamp_utc=DAY.end_utc,
                import_wh=before_wh + rise_wh,
                export_wh=None if export_wh is None else export_wh + (export_rise_wh or 0),
            ),
        )
    )


def test_a_day_that_sums_to_what_the_register_rose_by_holds() -> None:
    assert day(AROUND) == Judgement(day=DAY, cause=None, refutes=frozenset(Reading))
    assert day(AROUND, export_rise_wh=96 * 50).cause is None


def test_a_day_whose_midnight_blocks_are_equal_says_nothing_about_stamps() -> None:
    assert day() == Judgement(day=DAY, cause=None)
    assert day({LAST + P: 700}).refutes == {Reading.END}
    assert day({FIRST - P: 700}).refutes == {Reading.START}


@pytest.mark.parametrize(("off_wh", "refuted"), [(1, 2), (-1, 2), (2, 0), (-2, 0)])
def test_a_watt_hour_may_be_lost_to_rounding(off_wh: int, refuted: int) -> None:
    assert len(day(AROUND, rise_wh=RISE_WH + off_wh).refutes) == refuted


@pytest.mark.parametrize(
    ("rise_wh", "cause"), [(9648, None), (9649, Cause.UNKNOWN), (9553, None), (9552, Cause.UNKNOWN)]
)
def test_what_the_rule_of_the_sum_lets_pass_is_not_told(rise_wh: int, cause: Cause | None) -> None:
    assert day(rise_wh=rise_wh).cause is cause


@pytest.mark.parametrize(("rise_wh", "cause"), [(10, None), (11, Cause.UNKNOWN)])
def test_a_day_of_nothing_may_be_off_by_a_digit(rise_wh: int, cause: Cause | None) -> None:
    assert day(dict.fromkeys(range(FIRST, LAST + P, P), 0), rise_wh=rise_wh).cause is cause


def test_a_register_is_known_no_better_than_it_counts() -> None:
    assert day(before_wh=41_000_000, rise_wh=10_000).cause is None
    assert day(before_wh=41_000_100, rise_wh=9_500).cause is None
    assert day(before_wh=41_000_100, rise_wh=9_400).cause is Cause.UNKNOWN
    assert day({FIRST: None}, before_wh=41_000_000, rise_wh=10_000).cause is None
    assert day({FIRST: None}, before_wh=41_000_001, rise_wh=10_000).cause is Cause.ROWS


@pytest.mark.parametrize(("first", "last", "word"), [(FIRST - P, LAST, "start"), (FIRST, LAST + P, "end")])
def test_a_day_that_balances_one_block_later_or_earlier_names_the_stamp(first: int, last: int, word: str) -> None:
    """Rows that are stamped by their start and read as if by their end are signed one block too early."""
    inner, outer = (last, first) if word == "start" else (first, last)
    found = day({outer: 700, inner: 100}, rise_wh=RISE_WH + 600)
    assert (found.cause, found.stamps_name, found.is_certain) == (Cause.STAMPS, Reading(word), True)
    assert found.text == (
        "the balance of 2026-04-25 fails: import register +10200 Wh, blocks 9600 Wh; they balance when stamps name the "
        f'{word} of a block: set stamp = "{word}", and have the days before read again'
    )


def test_a_day_that_passes_as_it_is_read_and_is_exact_otherwise_is_a_doubt() -> None:
    found = day({FIRST - P: 130}, rise_wh=RISE_WH + 30)
    assert (found.cause, found.is_certain) == (Cause.STAMPS, False)


def test_stamps_are_named_only_when_both_directions_say_so() -> None:
    assert day({FIRST - P: 700}, rise_wh=RISE_WH + 600, export_rise_wh=96 * 50 + 900).cause is Cause.UNKNOWN
    assert day({FIRST - P: 700}, rise_wh=RISE_WH + 600, export_rise_wh=96 * 50).cause is Cause.STAMPS


def test_without_the_block_beside_the_day_nothing_is_said_of_stamps() -> None:
    assert day({FIRST - P: None}, rise_wh=RISE_WH + 600).cause is Cause.UNKNOWN


@pytest.mark.parametrize(("times", "by"), [(2, 1), (4, 1), (1, 2), (1, 4)])
def test_a_rise_that_is_a_multiple_of_the_blocks_names_the_capture_period(times: int, by: int) -> None:
    found = day(rise_wh=RISE_WH * times // by)
    assert found.cause is Cause.PERIOD
    assert "may capture at another period than the 900 s that it says" in found.text


def test_no_other_multiple_names_it() -> None:
    assert day(rise_wh=RISE_WH * 3).cause is Cause.UNKNOWN


def test_energy_that_flowed_in_blocks_without_a_figure_is_told_with_their_number() -> None:
    found = day({FIRST: None, LAST: None})
    assert found.cause is Cause.ROWS
    assert "import register +9600 Wh, blocks 9400 Wh; 2 of 96 blocks have no figure" in found.text


def test_blocks_without_a_figure_in_which_nothing_flowed_are_no_fault() -> None:
    assert day({FIRST: None, LAST: None}, rise_wh=9400) == Judgement(day=DAY, cause=None)


def test_blocks_that_hold_more_than_the_register_are_wrong_whatever_is_missing() -> None:
    assert day({FIRST: None}, rise_wh=9000).cause is Cause.UNKNOWN


def test_a_register_that_fell_is_told() -> None:
    assert day(rise_wh=-1).cause is Cause.FELL
    assert day(export_rise_wh=-1).cause is Cause.FELL


def test_a_day_whose_energies_do_not_balance_says_where_to_look() -> None:
    text = day(rise_wh=12_345, export_rise_wh=96 * 50).text
    assert "import register +12345 Wh, blocks 9600 Wh; export register +4800 Wh, blocks 4800 Wh" in text
    assert "check stamp, capture period, missing or repeated rows" in text
