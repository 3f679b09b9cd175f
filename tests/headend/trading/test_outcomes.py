"""What came of trades: said once both sides have their energy, said again when it changes, told to listeners in order."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from headend.config import parse
from headend.errors import RefusedError
from headend.exchange.feeding import Feeding
from headend.exchange.outcome_log import OutcomeLog
from headend.settings.alerts import WebhookSettings
from headend.settings.feeds import FeedSettings
from headend.store.sqlite import outcome_rows, postings
from headend.trading.outcomes import Notice, NoticeKind, outcome
from headend.trading.posting import PostingState
from headend.trading.trades import TradeSide, own_sides
from ledger_client.ledger import Trade, TradeStatus
from signing.envelope import parse as parse_envelope
from signing.envelope import unseal
from signing.errors import DecodeError
from signing.statements.trade_outcome import TradeOutcome
from tests.headend.founded import free_port
from tests.headend.premises import NOW, Headend
from tests.headend.test_config import GOOD
from tests.headend.test_messengers import desk
from tests.headend.trading.test_posting import RECORD, TRADE

SETTLED = replace(TRADE, pushed_wh=6000, pulled_wh=5500)
SALT = bytes(16)


def side(trade: Trade = SETTLED) -> TradeSide:
    (own,) = own_sides([trade], "PaVVNL")
    return own


# pure


def test_an_outcome_says_both_sides_and_settles_at_the_lesser() -> None:
    found = outcome(side(), b"\1" * 32, None, SALT)
    assert found is not None
    assert (found.contracted_wh, found.own_wh, found.other_wh, found.settled_wh) == (6000, 6000, 5500, 5500)
    assert (found.record, found.posted_as, found.revision, found.evidence) == ("t_i", "S", 0, b"\1" * 32)


@pytest.mark.parametrize(
    "trade",
    [
        replace(SETTLED, pushed_wh=None),
        replace(SETTLED, pulled_wh=None),
        replace(SETTLED, status_buyer_discom=TradeStatus.PENDING),
    ],
)
def test_an_open_trade_has_no_outcome(trade: Trade) -> None:
    assert outcome(side(trade), None, None, SALT) is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"reference": ""}, "reference"),
        ({"record_id": None}, "about"),
        ({"text": ""}, "text"),
        ({"text": "x" * 2001}, "text"),
    ],
)
def test_a_notice_that_says_nothing_is_refused(change: dict[str, object], text: str) -> None:
    good = Notice(
        kind=NoticeKind.DEFAULT,
        reference="r-1",
        sender="clearing",
        record_id="t_i",
        posted_as=None,
        text="did not pay",
        received_utc=NOW,
    )
    with pytest.raises(RefusedError, match=text):
        replace(good, **change)  # type: ignore[arg-type]


# logged


@pytest.fixture
def log(headend: Headend) -> OutcomeLog:
    return OutcomeLog(database=headend.database, book=headend.book, signer=headend.statement_signer, discom="PaVVNL")


def put(headend: Headend, *trades: Trade) -> None:
    with headend.database.transaction() as connection:
        postings.put_trades(connection, trades, NOW)


def say(log: OutcomeLog) -> list[TradeOutcome]:
    said, alarms = log.say(0, at_utc=NOW)
    assert alarms == ()
    return [signed.statement for signed in said]


def test_an_outcome_is_logged_once_and_again_when_the_ledger_says_otherwise(headend: Headend, log: OutcomeLog) -> None:
    put(headend, SETTLED)
    (first,) = say(log)
    size = headend.book.size(0)
    assert say(log) == []
    assert headend.book.size(0) == size
    put(headend, replace(SETTLED, pulled_wh=5000))
    (second,) = say(log)
    assert (second.revision, second.settled_wh) == (1, 5000)
    stored = outcome_rows.newest(headend.database.connection, headend.statement_signer.public_key, "t_i", "SELLER")
    assert stored is not None
    assert stored.signed.statement == second
    assert second.supersedes != first.supersedes


def test_a_trade_within_one_discom_has_an_outcome_for_each_side(headend: Headend, log: OutcomeLog) -> None:
    put(headend, replace(SETTLED, discom_id_buyer="PaVVNL"))
    assert sorted((found.side.name, found.posted_as) for found in say(log)) == [("BUYER", "B"), ("SELLER", "S")]


def test_an_outcome_names_the_evidence_that_the_ledger_holds(headend: Headend, log: OutcomeLog) -> None:
    (own,) = own_sides([SETTLED], "PaVVNL")
    put(headend, SETTLED)
    with headend.database.transaction() as connection:
        for revision, state in enumerate((PostingState.SUPERSEDED, PostingState.CONFIRMED, PostingState.REFUSED)):
            record = replace(
                RECORD, delivery=own.delivery, actual=bytes([revision]) * 32, revision=revision, state=state
            )
            postings.put_posting(connection, record)
    (found,) = say(log)
    assert found.evidence == b"\1" * 32


def test_an_id_that_no_statement_can_hold_is_told_of_once_and_stops_nothing(headend: Headend, log: OutcomeLog) -> None:
    long = replace(SETTLED, record_id="x" * 129, transaction_id="t2")
    put(headend, SETTLED, long)
    said, alarms = log.say(0, at_utc=NOW)
    assert [signed.statement.record for signed in said] == ["t_i"]
    assert len(alarms) >= 1
    assert all("'record'" in alarm for alarm in alarms)
    assert log.say(0, at_utc=NOW) == ((), ())


# told


def feed(port: int, folder: Path, name: str = "clearing") -> FeedSettings:
    (folder / "secret").write_text("s3cret")
    webhook = WebhookSettings(url=f"http://127.0.0.1:{port}/", secret=f"file:{folder / 'secret'}")
    return FeedSettings(name=name, webhook=webhook)


def feeding(headend: Headend, *feeds: FeedSettings) -> Feeding:
    key = headend.statement_signer.public_key
    return Feeding(database=headend.database, key=key, discom="PaVVNL", feeds=feeds)


def test_a_listener_gets_the_signed_bytes_once_and_in_the_order_of_the_log(
    headend: Headend, log: OutcomeLog, tmp_path: Path
) -> None:
    put(headend, SETTLED)
    say(log)
    with desk() as received:
        telling = feeding(headend, feed(received.port, tmp_path))
        assert telling.tell(NOW) is None
        assert telling.tell(NOW) is None
        put(headend, replace(SETTLED, pulled_wh=5000))
        say(log)
        assert telling.tell(NOW) is None
    told = [json.loads(body)["outcomes"] for _, body in received.posts]
    assert [[(one["revision"], one["settled_kwh"]) for one in post] for post in told] == [
        [(0, "5.500")],
        [(1, "5.000")],
    ]
    sign1 = parse_envelope(base64.b64decode(told[0][0]["statement"]))
    signed = unseal(sign1, TradeOutcome, headend.statement_signer.public_key)
    assert signed.digest.hex() == told[0][0]["digest"] == told[1][0]["supersedes"]


def test_a_listener_that_is_down_is_told_later_and_keeps_nobody_waiting(
    headend: Headend, log: OutcomeLog, tmp_path: Path
) -> None:
    put(headend, SETTLED)
    say(log)
    with desk() as received:
        telling = feeding(headend, feed(free_port(), tmp_path, "down"), feed(received.port, tmp_path))
        trouble = telling.tell(NOW)
        assert trouble is not None
        assert trouble.startswith("feed down: the webhook does not answer")
        assert len(received.posts) == 1
    assert outcome_rows.told(headend.database.connection, "down") == -1


def test_a_listener_that_answers_an_error_is_told_again(headend: Headend, log: OutcomeLog, tmp_path: Path) -> None:
    put(headend, SETTLED)
    say(log)
    with desk() as received:
        telling = feeding(headend, feed(received.port, tmp_path))
        received.status = 503
        assert telling.tell(NOW) == "feed clearing: the webhook answers 503"
        received.status = 200
        assert telling.tell(NOW) is None
    assert len(received.posts) == 2


# configuration


@pytest.fixture
def base() -> Path:
    return Path("base")


def test_feeds_are_read_by_name(base: Path) -> None:
    text = '[[feed]]\nname = "clearing"\nurl = "https://c.example/x"\nsecret = "file:k"\n'
    (found,) = parse(GOOD + text, "headend.toml", base).feeds
    assert (found.name, found.webhook.url, found.webhook.secret) == ("clearing", "https://c.example/x", "file:base/k")
    assert parse(GOOD, "headend.toml", base).feeds == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[feed]]\nname = "a b"\nurl = "https://c.example/"\nsecret = "file:k"\n', r"feed\[0\].name"),
        ('[[feed]]\nname = "c"\nurl = "http://c.example/"\nsecret = "file:k"\n', r"feed\[0\].url: expected https"),
        ('[[feed]]\nname = "c"\nurl = "https://c.example/"\nsecret = "file:k"\n' * 2, r"feed\[1\].name: expected each feed once"),
        ('[[feed]]\nname = "c"\nurl = "https://c.example/"\nsecret = "file:k"\nx = 1\n', r"feed\[0\].x: unknown key"),
    ],
)  # fmt: skip
def test_a_wrong_feed_is_named_by_its_key(base: Path, text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse(GOOD + text, "headend.toml", base)
