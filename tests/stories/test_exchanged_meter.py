"""A meter that is exchanged in the middle of a block: what nobody measured is not made up."""

from pathlib import Path

import pytest

from deploy.demo.processes import running
from deploy.demo.world import Meter
from signing.interval import utc_text
from tests.stories.stage import AGENT, BROKER, EXCHANGE, HEADEND, METER, SIDE, Stage, said_by, until

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

NEW = Meter(id="SKS1000002", serial="SKS1000002", role="seller", settles=False)


def test_a_block_that_an_exchange_cuts_is_missing_and_the_window_says_so(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, settings="pending_after_s = 3\n", beside=NEW)
        stage.prepare()
        for name in (BROKER, EXCHANGE):
            stage.start(name)
        at = utc_text(stage.window.start_utc + 37 * 60)
        exchange = [*stage.headend("registry"), "exchange", "--point", SIDE.connection_point, "--old", METER.id]
        exchange += ["--new", NEW.id, "--at", at, "--closing-import", "100", "--closing-export", "200"]
        exchange += ["--opening-import", "0.01", "--opening-export", "0"]
        said = said_by(exchange)
        assert (said.code, said.err) == (0, "")
        # Said before it is done.
        assert said.out.startswith("WARNING ")
        assert "cuts a block of 900 s: it is missing until two persons edit it" in said.out
        assert said_by([*exchange, "--apply", "--by", "asha"]).code == 0
        shown = said_by([*stage.headend("registry"), "show", METER.id]).out
        assert "closing import 100.000 kWh, export 200.000 kWh; opening import 0.010 kWh" in shown
        stage.put()
        stage.start(HEADEND)
        stage.start(AGENT)
        until("both meters are read", lambda: len(stage.rows("SELECT DISTINCT chain FROM batches")) == 2)
        until("everything is answered", lambda: stage.backlog() == [])
        until("the window is said to be open", lambda: stage.get("/v1/windows")["items"] != [])
        window = stage.get("/v1/windows")["items"][0]
        assert (window["status"], window["totals"]) == ("PENDING", None)
        said_offline = stage.verify()
        assert said_offline.startswith("VALID\n")
        assert "blocks: 8 expected; 7 valid; 0 estimated; 0 manual; 0 suspect; 1 missing" in said_offline
        assert stage.postings() == []
        assert stage.effects() == []
