"""A ledger that is down, slow, loses its answer, or refuses: every posting has one effect or none, and says which."""

from pathlib import Path

import pytest

from deploy.demo.processes import running
from signing.energy import kwh_text
from signing.interval import Interval
from tests.stories.play import truth_in
from tests.stories.stage import AGENT, BROKER, EXCHANGE, HEADEND, Stage, until

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

HOUR_S = 3600
SELDOM_S = 3600
"""Trades are asked for once, so that every fault meets a post."""


def set_the_trap(stage: Stage, windows: list[Interval], *faults: str) -> None:
    """The head-end knows its trades and has no evidence yet; then the exchange goes bad, and the evidence comes."""
    stage.prepare()
    for name in (BROKER, EXCHANGE):
        stage.start(name)
    for place, window in enumerate(windows):
        stage.put(window, item=f"item-{place}", quantity_kwh=50)
    stage.start(HEADEND)
    until("the trades are known", lambda: stage.rows("SELECT count(*) FROM trades") == [(len(windows),)])
    stage.processes.end(EXCHANGE)
    stage.start_exchange(*faults)
    stage.start(AGENT)


def hours(stage: Stage, count: int) -> list[Interval]:
    start = stage.window.start_utc
    return [Interval(start + place * HOUR_S, start + (place + 1) * HOUR_S) for place in range(count)]


def measured(stage: Stage, window: Interval) -> int:
    imported, exported = truth_in(stage.truth, window)
    return imported - exported


def test_a_ledger_that_is_down_slow_or_loses_its_answer_gets_each_figure_once(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, poll_s=SELDOM_S)
        windows = hours(stage, 3)
        set_the_trap(stage, windows, "down=3", "slow=1", "lost-answer=1")
        until("every window is posted", lambda: len(stage.postings()) >= 3 and stage.is_confirmed())
        # Every attempt for a window, and every revision of it, is one figure to the exchange.
        assert len({start for start, _ in stage.effects()}) == 3
        assert {wh for _, wh in stage.effects()} == {measured(stage, window) for window in windows}
        # Three were turned away and one answer was lost, so three windows took at least seven attempts.
        assert sum(posting["attempts"] for posting in stage.postings()) >= 7
        pushed = sorted(trade["pushedKwh"] for trade in stage.trades())
        assert pushed == sorted(kwh_text(-measured(stage, window)) for window in windows)
        until("the ledger works again", stage.works)


def test_a_post_that_the_ledger_refuses_is_shown_and_never_tried_again(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, poll_s=SELDOM_S)
        windows = hours(stage, 2)
        set_the_trap(stage, windows, "refuse")
        until("both windows were refused", lambda: len(refused(stage)) == 2)
        until("everything is answered", lambda: stage.backlog() == [])
        assert all("AUT_NOT_AUTHORIZED" in posting["note"] for posting in stage.postings())
        assert all(posting["allocated_wh"] is None for posting in stage.postings())
        # Neither a ledger that is well again nor a restart tries what was refused.
        processes.end(EXCHANGE)
        stage.start(EXCHANGE)
        before = stage.postings()
        assert processes.end(HEADEND) == 0
        stage.start(HEADEND)
        until("the trades were read again", stage.works)
        assert stage.postings() == before
        assert all((posting["state"], posting["attempts"]) == ("REFUSED", 1) for posting in before)
        assert stage.effects() == []


def refused(stage: Stage) -> set[str]:
    return {posting["delivery_start"] for posting in stage.postings() if posting["state"] == "REFUSED"}
