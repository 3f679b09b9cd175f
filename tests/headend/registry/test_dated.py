"""Histories: what holds from a time on."""

from hypothesis import given
from hypothesis import strategies as st

from headend.registry.dated import Dated, History, holding, stated

statements = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=12)


def told(rows: list[tuple[int, int]]) -> History[int]:
    history: History[int] = ()
    for since, value in rows:
        history = stated(history, since, value)
    return history


def test_a_value_holds_from_its_time_until_the_next() -> None:
    history = told([(5, 1), (8, 2)])
    assert [holding(history, at) for at in (4, 5, 7, 8, 99)] == [None, 1, 1, 2, 2]


def test_a_past_time_is_filled_in_and_what_comes_after_stays() -> None:
    assert told([(5, 1), (8, 2), (6, 3)]) == (Dated(5, 1), Dated(6, 3), Dated(8, 2))


def test_a_time_that_was_stated_is_corrected() -> None:
    assert told([(5, 1), (8, 2), (8, 3)]) == (Dated(5, 1), Dated(8, 3))


def test_a_correction_that_repeats_what_held_before_takes_the_statement_out() -> None:
    assert told([(5, 1), (8, 2), (8, 1)]) == (Dated(5, 1),)


def test_what_is_known_already_changes_nothing_at_all() -> None:
    history = told([(5, 1), (8, 2)])
    assert stated(history, 8, 2) is history
    assert stated(history, 7, 1) is history
    assert stated(history, 9, 2) is history


@given(statements)
def test_what_was_stated_in_the_order_of_time_holds_and_stating_all_of_it_again_changes_nothing(
    rows: list[tuple[int, int]],
) -> None:
    last = sorted(dict(rows).items())
    history = told(last)
    assert [holding(history, since) for since, _ in last] == [value for _, value in last]
    for since, value in last:
        assert stated(history, since, value) is history


@given(statements)
def test_a_history_goes_forward_and_the_latest_statement_holds_where_it_was_made(rows: list[tuple[int, int]]) -> None:
    history = told(rows)
    times = [entry.from_utc for entry in history]
    assert times == sorted(set(times))
    assert not rows or holding(history, rows[-1][0]) == rows[-1][1]
