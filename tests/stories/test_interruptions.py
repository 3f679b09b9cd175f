"""Programs that are killed, and programs that are not there: nothing is lost, nothing counts twice (P23)."""

import random
import time
from pathlib import Path

import pytest

from deploy.demo.broker import Broker
from deploy.demo.processes import running
from signing.energy import kwh_text
from tests.stories.play import truth_in
from tests.stories.stage import AGENT, BROKER, EXCHANGE, HEADEND, METER, Stage, said_by, until
from tests.system import require

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(300)]

DAYS = 35
KILLS = 8


def require_whole(stage: Stage) -> None:
    """Every sequence of the chain stands exactly once, every batch is receipted, the window is FINAL and verifies."""
    batches = stage.rows("SELECT chain, sequence, branch FROM batches ORDER BY sequence")
    assert batches == [(1, sequence, 0) for sequence in range(len(batches))]
    assert len(batches) >= DAYS
    assert stage.rows("SELECT count(*) FROM gaps UNION ALL SELECT count(*) FROM forks") == [(0,), (0,)]
    assert stage.backlog() == []
    (window,) = stage.get("/v1/windows")["items"]
    assert window["status"] == "FINAL"
    assert stage.verify().startswith("VALID\n")
    # One leaf for every batch, the record, the rule set and every revision: nothing was logged twice.
    actuals = stage.rows("SELECT count(*) FROM actuals")[0][0]
    assert stage.get("/v1/health")["tree_size"] == len(batches) + 2 + actuals
    # A window that was decided over a gap, and again without it, was posted twice; the exchange counts one figure.
    exported = truth_in(stage.truth, stage.window)[1]
    assert {wh for _, wh in stage.effects()} == {truth_in(stage.truth, stage.window)[0] - exported}
    (trade,) = stage.trades()
    assert trade["pushedKwh"] == kwh_text(min(exported, 6000))


def require_sound(stage: Stage) -> None:
    """`fsck` of the head-end that was stopped finds nothing."""
    said = said_by(stage.headend("fsck"))
    assert said.code == 0, said.out + said.err


def is_answered(stage: Stage) -> bool:
    """Whether the agent has signed everything and been answered for all of it."""
    known = stage.rows("SELECT count(*) FROM batches")[0][0]
    return known > DAYS and stage.backlog() == []


@pytest.mark.parametrize("kind", [Broker.EMBEDDED, pytest.param(Broker.MOSQUITTO, marks=pytest.mark.system)])
def test_killed_at_any_moment_of_a_back_fill_nothing_is_lost_and_nothing_counts_twice(
    tmp_path: Path, kind: Broker
) -> None:
    if kind is Broker.MOSQUITTO:
        require("mosquitto")
    chance = random.Random(f"{kind.value}-1")
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, kind=kind, backfill_days=DAYS)
        stage.prepare()
        for name in (BROKER, EXCHANGE, HEADEND, AGENT):
            stage.start(name)
        stage.put()
        for _ in range(KILLS):
            victim = chance.choice((AGENT, HEADEND, BROKER, EXCHANGE))
            time.sleep(chance.uniform(0.1, 1.5))
            stage.kill(victim)
            time.sleep(chance.uniform(0.0, 0.5))
            stage.start(victim)
        until("everything is answered", lambda: is_answered(stage))
        until("the window is posted", stage.is_confirmed)
        until("everything works", stage.works)
        require_whole(stage)
        processes.end(AGENT)
        assert processes.end(HEADEND) == 0
        require_sound(stage)


def test_an_agent_back_fills_without_a_broker_and_a_broker_without_a_headend(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, backfill_days=DAYS)
        stage.prepare()
        stage.start(EXCHANGE)
        stage.put()
        # No broker: everything is read and signed all the same.
        stage.start(AGENT)
        until("everything is signed", lambda: len(stage.backlog()) > DAYS)
        assert all(entry["state"] == "WAITING" for entry in stage.backlog())
        assert "broker away" in processes.log(AGENT).read_text()
        # A broker, and nobody behind it: what it acknowledges counts for nothing.
        stage.start(BROKER)
        until("batches are sent", lambda: any(entry["attempts"] > 1 for entry in stage.backlog()))
        assert len(stage.backlog()) > DAYS
        stage.start(HEADEND)
        until("everything is answered", lambda: is_answered(stage))
        until("the window is posted", stage.is_confirmed)
        until("everything works", stage.works)
        require_whole(stage)
        assert {entry["meter"] for entry in stage.get("/v1/meters")["items"]} == {METER.id}


def test_a_headend_that_finds_no_broker_says_so_and_takes_it_up_when_it_comes(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes)
        stage.found()
        stage.start(HEADEND)
        until("the broker is missed", lambda: "127.0.0.1" in broker_note(stage))
        assert "start it" in broker_note(stage)
        stage.start(BROKER)
        until("the broker is found", lambda: broker_note(stage) == "works", 60)
        stage.kill(BROKER)
        until("the broker is missed again", lambda: broker_note(stage) != "works")


def broker_note(stage: Stage) -> str:
    return str(stage.components().get("broker", {}).get("note", ""))
