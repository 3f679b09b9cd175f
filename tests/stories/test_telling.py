"""Who settles money, and who is on duty, are told by webhook: signed, once it is so, and nothing else."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.processes import running
from signing.envelope import parse, unseal
from signing.interval import utc_text
from signing.statements.trade_outcome import TradeOutcome, TradeSide
from signing.trust import parse_trust
from tests.stories.listener import Listener, listening
from tests.stories.stage import AGENT, BROKER, EXCHANGE, HEADEND, SIDE, Stage, said_by, until

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

SECRET = "between the two of us"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening(SECRET) as found:
        yield found


def prepared(stage: Stage, listener_secret: str) -> None:
    stage.prepare()
    secret = stage.headend_folder / "keys" / "listener"
    secret.touch(mode=0o600)
    secret.write_text(listener_secret)
    for name in (BROKER, EXCHANGE):
        stage.start(name)


def test_a_clearing_house_gets_the_signed_outcome_of_a_trade_and_can_trust_it(
    tmp_path: Path, listener: Listener
) -> None:
    feed = f'[[feed]]\nname = "clearing"\nurl = "{listener.url}"\nsecret = "file:keys/listener"\n'
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, settings=feed)
        prepared(stage, SECRET)
        stage.put()
        stage.start(HEADEND)
        stage.start(AGENT)
        until("the seller's figure is posted", stage.is_confirmed)
        assert listener.heard == []
        stage.record_buyer(quantity_kwh="4.5")
        until("the outcome is told", lambda: len(listener.told("outcomes")) == 1)
        (told,) = listener.told("outcomes")
        assert (told["settled_kwh"], told["own_kwh"], told["other_kwh"]) == ("4.500", "6.000", "4.500")
        digest = stage.postings()[-1]["evidence_digest"]
        # What is signed says the same, by a key of the trust file, at that place of the log.
        trust = parse_trust((stage.headend_folder / "state" / "trust.toml").read_text())
        envelope = parse(base64.b64decode(told["statement"]))
        key = trust.discom_key(envelope.kid, told["cursor"])
        assert key is not None
        outcome = unseal(envelope, TradeOutcome, key)
        assert outcome.digest.hex() == told["digest"]
        said = outcome.statement
        assert (said.side, said.posted_as, said.window) == (TradeSide.SELLER, SIDE.posted_as, stage.window)
        assert (said.contracted_wh, said.own_wh, said.other_wh, said.settled_wh) == (6000, 6000, 4500, 4500)
        assert said.evidence is not None
        assert said.evidence.hex() == digest
        # Whoever starts again tells it no second time; whoever asks gets it.
        assert processes.end(HEADEND) == 0
        stage.start(HEADEND)
        until("it works", stage.works)
        assert [one["digest"] for one in stage.get("/v1/outcomes")["items"]] == [told["digest"]]
        assert (len(listener.heard), listener.refused) == (1, 0)


def test_duty_is_told_of_a_refused_posting_and_that_it_is_over(tmp_path: Path, listener: Listener) -> None:
    alerts = f'[alerts.webhook]\nurl = "{listener.url}"\nsecret = "file:keys/listener"\n'
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes, poll_s=3600, settings=alerts)
        prepared(stage, SECRET)
        stage.put()
        stage.start(HEADEND)
        until("the trade is known", lambda: stage.rows("SELECT count(*) FROM trades") == [(1,)])
        processes.end(EXCHANGE)
        stage.start_exchange("refuse")
        stage.start(AGENT)
        until("the posting is refused", lambda: [one["state"] for one in stage.postings()][-1:] == ["REFUSED"])
        until("everything is answered", lambda: stage.backlog() == [])
        restart(stage)
        until("duty is told", lambda: kinds(listener) == [("LEDGER_DIFFERENCE", False)])
        assert SIDE.posted_as in listener.told("alerts")[0]["about"] + listener.told("alerts")[0]["text"]
        # The exchange is well again, and an operator has the posting tried once more.
        processes.end(EXCHANGE)
        stage.start(EXCHANGE)
        span = ["--start", utc_text(stage.window.start_utc), "--end", utc_text(stage.window.end_utc)]
        act = [*stage.headend("post"), *span, "--by", "asha", "--reason", "the exchange was mended"]
        assert "give --apply to do it" in said_by(act).out
        assert stage.postings()[-1]["state"] == "REFUSED"
        assert said_by([*act, "--apply"]).code == 0
        until("it is posted", lambda: stage.postings()[-1]["state"] == "CONFIRMED")
        restart(stage)
        until("duty is told that it is over", lambda: kinds(listener)[-1] == ("LEDGER_DIFFERENCE", True))
        assert (len(listener.told("alerts")), listener.refused) == (2, 0)


def restart(stage: Stage) -> None:
    """A head-end looks for troubles when it starts, and every minute."""
    assert stage.processes.end(HEADEND) == 0
    stage.start(HEADEND)


def kinds(listener: Listener) -> list[tuple[str, bool]]:
    """What was told: the kind, and whether it is over."""
    return [(one["kind"], one["closed"] is not None) for one in listener.told("alerts")]
