"""So many times in any minute."""

from hypothesis import given
from hypothesis import strategies as st

from headend.pace import Pace


def test_a_name_may_come_so_many_times_in_any_minute() -> None:
    pace = Pace(2)
    assert [pace.admits("a", at) for at in (0, 30, 59, 60, 89, 90)] == [True, True, False, True, False, True]


def test_names_do_not_stand_in_one_anothers_way() -> None:
    pace = Pace(1)
    assert [pace.admits(name, 0) for name in ("a", "b", "a")] == [True, True, False]


def test_it_does_not_grow_without_bound() -> None:
    pace = Pace(1)
    for number in range(2000):
        pace.admits(str(number), 0)
    assert len(pace._times) == 1000


@given(st.integers(1, 5), st.lists(st.integers(0, 30), max_size=60))
def test_no_minute_ever_has_more(per_minute: int, gaps: list[int]) -> None:
    pace, now, admitted = Pace(per_minute), 0, list[int]()
    for gap in gaps:
        now += gap
        if pace.admits("a", now):
            admitted.append(now)
    assert all(sum(at - 60 < one <= at for one in admitted) <= per_minute for at in admitted)
