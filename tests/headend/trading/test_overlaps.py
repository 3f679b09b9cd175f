"""Which of a ledger's trades await the same energy."""

import pytest

from headend.trading.overlaps import Overlaps, overlapping
from headend.trading.trades import Delivery
from signing.interval import Interval


def delivery(start: int, end: int, name: str = "m", spelled: str = "") -> Delivery:
    return Delivery(
        posted_as=name, delivery_start=f"{start}{spelled}", delivery_end=f"{end}{spelled}", window=Interval(start, end)
    )


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([(0, 10), (10, 20), (20, 30)], None),
        ([(0, 10), (9, 20)], ((0, 10), (9, 20))),
        ([(5, 8), (0, 10)], ((0, 10), (5, 8))),
        ([(20, 30), (0, 10), (10, 21)], ((10, 21), (20, 30))),
    ],
)
def test_windows_that_share_an_instant_are_found_and_neighbours_are_not(
    windows: list[tuple[int, int]], found: tuple[tuple[int, int], tuple[int, int]] | None
) -> None:
    expected = None if found is None else (delivery(*found[0]), delivery(*found[1]))
    assert overlapping(delivery(start, end) for start, end in windows) == expected


def test_one_window_under_two_names_or_in_two_spellings_is_one_energy() -> None:
    assert overlapping([delivery(0, 10), delivery(0, 10, name="n")])
    assert overlapping([delivery(0, 10), delivery(0, 10, spelled="Z")])
    assert overlapping([delivery(0, 10)]) is None


def test_each_connection_point_is_told_of_once_with_both_spellings() -> None:
    overlaps = Overlaps()
    pair = [delivery(0, 10), delivery(9, 20, name="n")]
    (said,) = overlaps.alarms({"CP-1": pair, "CP-2": [delivery(0, 10)]})
    assert said.startswith("two trades of CP-1 await the same energy: 'm' 0 to 10 and 'n' 9 to 20;")
    assert overlaps.alarms({"CP-1": pair}) == ()
    assert len(overlaps.alarms({"CP-1": pair, "CP-2": pair})) == 1
