"""What operators do by hand while everything runs: said first, done with `--apply`, kept with who and why."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.demo.processes import run, running
from signing.interval import IST_OFFSET_S
from signing.statements.window_actual import Status
from tests.stories.stage import AGENT, BROKER, EXCHANGE, HEADEND, Stage, said_by, until

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

WHO = ["--by", "asha", "--reason", "told by the duty engineer"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        yield Stage(tmp_path, processes)


def start(stage: Stage, *names: str) -> None:
    for name in names:
        stage.start(name)


def newest(stage: Stage) -> tuple[int, str]:
    """Revision and status of the window's newest actual."""
    window = stage.get("/v1/windows")["items"][0]
    return window["revision"], window["status"]


def stored(stage: Stage) -> tuple[int, str]:
    """The same, read while nothing serves."""
    [(revision, status)] = stage.rows("SELECT revision, status FROM actuals WHERE is_newest = 1")
    return revision, Status(status).name


def is_held(stage: Stage) -> bool:
    """Whether the newest figure is held, and none went before it."""
    states = [one["state"] for one in stage.postings()]
    return "HELD" in states and set(states) <= {"HELD", "SUPERSEDED"}


def test_a_discom_that_stands_down_posts_nothing_until_it_is_released(stage: Stage) -> None:
    stage.prepare()
    start(stage, BROKER, EXCHANGE)
    assert "hold 1" in run([*stage.headend("stand-down"), *WHO, "--apply"])
    stage.put()
    start(stage, HEADEND, AGENT)
    until(
        "everything is answered", lambda: stage.rows("SELECT count(*) FROM batches") > [(0,)] and stage.backlog() == []
    )
    until("the figure stands and is held", lambda: is_held(stage) and newest(stage)[1] == "FINAL")
    # A restart forgets no order.
    assert stage.processes.end(HEADEND) == 0
    stage.start(HEADEND)
    until("it works", stage.works)
    assert is_held(stage)
    assert stage.effects() == []
    run([*stage.headend("hold", "release"), "--number", "1", *WHO, "--apply"])
    until("it is posted", stage.is_confirmed)
    assert len(stage.effects()) == 1
    listed = said_by(stage.headend("hold", "list")).out
    assert "STAND_DOWN everything" in listed
    assert listed.count("asha") == 2
    assert listed.count("told by the duty engineer") == 2


def test_a_figure_that_is_taken_back_stays_so_until_it_is_attested_again(stage: Stage) -> None:
    stage.prepare()
    start(stage, BROKER, EXCHANGE)
    stage.put()
    start(stage, HEADEND, AGENT)
    until("it is posted", stage.is_confirmed)
    until("everything is answered", lambda: stage.backlog() == [])
    revision, _ = newest(stage)
    posted = stage.effects()
    withdraw, attest = ([*stage.headend(verb), *stage.named(), *WHO] for verb in ("withdraw", "attest"))
    said = said_by(withdraw)
    assert (said.code, "give --apply to do it" in said.out) == (0, True)
    assert newest(stage)[1] == "FINAL"
    assert "WITHDRAWN" in run([*withdraw, "--apply"])
    assert newest(stage) == (revision + 1, "WITHDRAWN")
    # What comes in, or starts again, brings no figure back; the exchange keeps what it has.
    assert stage.processes.end(HEADEND) == 0
    stage.start(HEADEND)
    until("it works", stage.works)
    assert newest(stage) == (revision + 1, "WITHDRAWN")
    assert stage.effects() == posted
    said = said_by(attest)
    assert (said.code, "(OPERATOR)" in said.out, "give --apply to do it" in said.out) == (0, True, True)
    assert newest(stage)[1] == "WITHDRAWN"
    run([*attest, "--apply"])
    until("a figure stands again", lambda: newest(stage) == (revision + 2, "FINAL"))
    until("it is posted again", stage.is_confirmed)
    said_offline = stage.verify()
    assert said_offline.startswith("VALID\n")
    assert f"  revision: {revision + 2}\n" in said_offline


def test_other_rules_judge_once_they_are_logged_and_windows_are_decided_again(stage: Stage) -> None:
    stage.prepare()
    start(stage, BROKER, EXCHANGE)
    stage.put()
    start(stage, HEADEND, AGENT)
    until("it is posted", stage.is_confirmed)
    until("everything is answered", lambda: stage.backlog() == [])
    # What serves would decide by the new rules itself as soon as anything comes in.
    assert stage.processes.end(HEADEND) == 0
    shown = run(stage.headend("rules", "show"))
    assert "[rule.V16]\nversion = 1\nleast_wh = 0\n" in shown
    number = int(shown.split("version = ", 1)[1].split("\n", 1)[0])
    for step, (least_wh, status) in enumerate(((1, "PENDING"), (0, "FINAL")), start=1):
        before = stored(stage)
        sheet = stage.folder / f"rules-{step}.toml"
        text = shown.replace(f"version = {number}", f"version = {number + step}", 1)
        sheet.write_text(text.replace("least_wh = 0", f"least_wh = {least_wh}", 1))
        log = [*stage.headend("rules", "log"), "--file", str(sheet), *WHO]
        said = said_by(log)
        assert (said.code, "V16" in said.out, "nothing was done" in said.out) == (0, True, True)
        again = [*stage.headend("revalidate"), *stage.named(), *WHO]
        assert "0 of 1 windows would change" in run(again)
        run([*log, "--apply"])
        assert "1 of 1 windows would change" in run(again)
        assert stored(stage) == before
        assert "1 of 1 windows have a new revision" in run([*again, "--apply"])
        assert stored(stage) == (before[0] + 1, status)
    stage.start(HEADEND)
    until("it works", stage.works)
    assert newest(stage) == stored(stage)
    assert stage.verify().startswith("VALID\n")


def test_a_forecast_calls_out_a_window_while_something_can_be_done(tmp_path: Path) -> None:
    now = datetime.now(UTC) + timedelta(seconds=IST_OFFSET_S)
    # The gate of yesterday's window is still to come today.
    gate = min(f"{now + timedelta(minutes=30):%H:%M}", "23:59") if now.hour < 23 else "23:59"
    gates = f'[gates]\ndata = "{gate}"\nrounds = []\nwarn_before_s = 86400\n'
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, settings=gates)
        stage.prepare()
        start(stage, BROKER, EXCHANGE)
        stage.put()
        stage.start(HEADEND)
        until("the trade is known", lambda: stage.rows("SELECT count(*) FROM trades") == [(1,)])
        said = said_by(stage.headend("forecast"))
        assert said.code == 1, said
        assert "1 AT_RISK" in said.out
        assert f"{gate}:00 IST" in said.out
        stage.start(AGENT)
        until("it is posted", stage.is_confirmed)
        said = said_by(stage.headend("forecast"))
        assert said.code == 0, said
        assert "1 READY" in said.out
