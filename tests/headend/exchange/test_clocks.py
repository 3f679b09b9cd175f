"""What callers' signatures say of this clock: at its boundary, of each and of all, and no longer than a day."""

import pytest

from headend.duties.component import Component
from headend.exchange.clocks import CallerClocks
from signing.interval import DAY_S

NOW = 1_777_200_000


def after(*ahead_s: int, now: int = NOW) -> Component | None:
    """What is said once as many callers were heard, each so many seconds ahead of this clock's reading."""
    clocks = CallerClocks()
    for number, seconds in enumerate(ahead_s):
        clocks.heard(f"caller-{number}", NOW + seconds, NOW)
    return clocks.component(now)


def test_nobody_says_nothing() -> None:
    assert after() is None


@pytest.mark.parametrize(("ahead_s", "works"), [(-3600, True), (0, True), (3, True), (4, False), (600, False)])
def test_a_message_from_the_future_is_a_clock_and_one_from_the_past_is_no_proof(ahead_s: int, *, works: bool) -> None:
    found = after(ahead_s)
    assert found is not None
    assert found.works is works
    assert works or f"at least {ahead_s - 1} s ahead of this computer's clock: set it" in found.note


def test_only_all_of_them_together_are_held_against_this_clock() -> None:
    some = after(10, 0, 20)
    assert some is not None
    assert some.works
    assert "caller-0 9 s, caller-2 19 s" in some.note
    every = after(10, 5)
    assert every is not None
    assert not every.works
    assert "all 2 caller(s) heard within a day sign at least 4 s ahead" in every.note


def test_the_newest_message_of_a_caller_counts() -> None:
    clocks = CallerClocks()
    clocks.heard("one", NOW + 10, NOW)
    clocks.heard("one", NOW + 60, NOW + 60)
    assert clocks.component(NOW + 60) == Component(name="clock", works=True, note="works")


def test_what_was_heard_is_forgotten_after_a_day() -> None:
    late = after(10, now=NOW + DAY_S)
    assert late is not None
    assert not late.works
    assert after(10, now=NOW + DAY_S + 1) is None
