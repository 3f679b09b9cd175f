import pytest

from edge_agent.clock import Uptime
from edge_agent.clock_watch import LEAST_MS, ClockWatch, Look

QUARTER_MS = 900_000


def look(wall_ms: int, up_ms: int, offset_ms: int, boot: str = "a") -> Look:
    return Look(wall_ms=wall_ms, uptime=Uptime(boot=boot, ms=up_ms), offset_ms=offset_ms)


def steps(after: Look, offset_ms: int = 1_000) -> list[str]:
    watch = ClockWatch()
    assert watch.steps(look(0, 0, offset_ms)) == []
    return watch.steps(after)


@pytest.mark.parametrize("drift_ms", [0, LEAST_MS, -LEAST_MS, LEAST_MS + QUARTER_MS // 5_000])
def test_clocks_that_drift_were_not_set(drift_ms: int) -> None:
    assert steps(look(QUARTER_MS, QUARTER_MS, 1_000 + drift_ms)) == []
    assert steps(look(QUARTER_MS + drift_ms, QUARTER_MS, 1_000 - drift_ms)) == []


@pytest.mark.parametrize(("step_ms", "text"), [(10_000, "+10 s"), (-3_600_000, "-3600 s"), (9_181, "+9 s")])
def test_a_meter_that_was_set_is_told(step_ms: int, text: str) -> None:
    assert steps(look(QUARTER_MS, QUARTER_MS, 1_000 + step_ms)) == [
        f"the meter's clock was set by {text} since the last look: blocks between are in doubt (V10)"
    ]


@pytest.mark.parametrize(("step_ms", "text"), [(10_000, "+10 s"), (-3_600_000, "-3600 s")])
def test_a_gateway_that_was_set_is_told_and_the_meter_is_not_blamed(step_ms: int, text: str) -> None:
    assert steps(look(QUARTER_MS + step_ms, QUARTER_MS, 1_000 - step_ms)) == [
        f"the gateway's clock was set by {text} since the last look"
    ]


def test_both_at_once_are_told_apart() -> None:
    found = steps(look(QUARTER_MS + 60_000, QUARTER_MS, 1_000))
    assert [each.split(" was set by ")[0] for each in found] == ["the gateway's clock", "the meter's clock"]


@pytest.mark.parametrize(("moved_ms", "is_told"), [(9_180, False), (9_181, True), (-60_000, True)])
def test_over_a_restart_only_their_difference_is_known(moved_ms: int, *, is_told: bool) -> None:
    found = steps(look(QUARTER_MS, 5_000, 1_000 + moved_ms, boot="b"))
    assert len(found) == is_told
    assert all("over a restart of the gateway: one of their clocks was set" in each for each in found)


def test_a_long_absence_excuses_as_much_drift_as_a_clock_has() -> None:
    week_ms = 7 * 86_400_000
    assert steps(look(week_ms, week_ms, 1_000 + 120_000)) == []
    assert len(steps(look(week_ms, week_ms, 1_000 + 140_000))) == 1


def test_every_look_is_held_against_the_one_before_it() -> None:
    watch = ClockWatch()
    assert [len(watch.steps(look(QUARTER_MS * n, QUARTER_MS * n, offset))) for n, offset in enumerate((0, 60_000, 60_000))] == [
        0, 1, 0,
    ]  # fmt: skip
