"""What an operator stopped: which windows a hold is over, and what may not be ordered."""

from dataclasses import replace

import pytest

from headend.duties.holds import Hold, HoldKind, Holds, Order, still_over
from headend.errors import RefusedError
from signing.interval import Interval

WINDOW = Interval(7200, 10_800)
ORDER = Order(
    kind=HoldKind.HOLD,
    connection_point="CP-1",
    window=None,
    party=None,
    by="asha",
    reason="the seal is broken",
)
ALL = replace(ORDER, kind=HoldKind.STAND_DOWN, connection_point=None)
DISPUTE = replace(ORDER, kind=HoldKind.DISPUTE, window=WINDOW, party="consumer, letter 17")


def held(order: Order, number: int = 1, closed_utc: int | None = None) -> Hold:
    return Hold(number=number, order=order, opened_utc=0, closed_utc=closed_utc, closed_by=None, outcome=None)


@pytest.mark.parametrize(
    ("order", "point", "window", "expected"),
    [
        (ORDER, "CP-1", WINDOW, "held"),
        (ORDER, "CP-2", WINDOW, "free"),
        (ORDER, None, WINDOW, "free"),
        (ALL, "CP-2", WINDOW, "held"),
        (ALL, None, WINDOW, "held"),
        (DISPUTE, "CP-1", WINDOW, "held"),
        (DISPUTE, "CP-1", Interval(10_799, 10_800), "held"),
        (DISPUTE, "CP-1", Interval(10_800, 14_400), "free"),
        (DISPUTE, "CP-1", Interval(3600, 7200), "free"),
    ],
)
def test_a_hold_is_over_its_connection_point_and_windows(
    order: Order, point: str | None, window: Interval, expected: str
) -> None:
    assert ("free" if Holds([held(order)]).over(point, window) is None else "held") == expected


def test_a_hold_that_ended_is_over_nothing() -> None:
    ended = Holds([held(ALL, closed_utc=5)])
    assert not ended
    assert ended.over("CP-1", WINDOW) is None


def test_the_first_hold_is_named_and_a_stand_down_before_all() -> None:
    found = Holds([held(ORDER, 3), held(DISPUTE, 2)]).over("CP-1", WINDOW)
    assert found is not None
    assert found.number == 2
    assert "disputed by consumer, letter 17 (hold 2)" in found.note
    over_all = Holds([held(ORDER, 1), held(ALL, 2)]).over("CP-1", WINDOW)
    assert over_all is not None
    assert "posting stands down (hold 2) since 1970-01-01 05:30:00 IST by asha: the seal is broken" in over_all.note


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"connection_point": None}, "connection point"),
        ({"kind": HoldKind.STAND_DOWN}, "connection point"),
        ({"kind": HoldKind.DISPUTE, "party": "x"}, "the window that is disputed"),
        ({"kind": HoldKind.DISPUTE, "window": WINDOW}, "who contests it"),
        ({"party": "x"}, "who contests it"),
        ({"by": ""}, "'by'"),
        ({"by": " asha"}, "'by'"),
        ({"reason": "x" * 201}, "'reason'"),
        ({"reason": "two\nlines"}, "'reason'"),
    ],
)
def test_an_order_that_says_too_little_or_too_much_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        replace(ORDER, **change)  # type: ignore[arg-type]


def test_a_stand_down_of_one_window_is_refused() -> None:
    with pytest.raises(RefusedError, match="no window"):
        replace(ALL, window=WINDOW)


def test_the_longest_reason_is_taken() -> None:
    assert replace(ORDER, reason="x" * 200).reason == "x" * 200


def test_an_ended_hold_leaves_those_that_share_something_with_it() -> None:
    later = replace(DISPUTE, window=Interval(10_800, 14_400))
    elsewhere = replace(ORDER, connection_point="CP-2")
    found = [held(ALL, 5), held(later, 4), held(elsewhere, 3), held(DISPUTE, 2), held(ORDER, 1, closed_utc=7)]
    assert [one.number for one in still_over(ORDER, found)] == [2, 4, 5]
    assert [one.number for one in still_over(DISPUTE, found)] == [2, 5]
    assert [one.number for one in still_over(ALL, found)] == [2, 3, 4, 5]
    assert still_over(elsewhere, [held(DISPUTE)]) == ()
