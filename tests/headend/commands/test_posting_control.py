"""hold, stand-down, post, reconcile: by an operator's hand, against a real exchange where one is asked."""

import json
from contextlib import closing
from decimal import Decimal

import pytest

from headend.posting import PostingRecord, PostingState
from headend.store.sqlite import hold_rows
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import open_database
from headend.trades import Delivery
from signing.interval import Interval
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway
from tests.headend.test_posting import RECORD
from tests.ledger_client.rehearsal import Rehearsal

NAME = "LEDGER-SKS00000001"
WHO = ["--by", "asha", "--reason", "the seal is broken"]
DAY = ["--start", "2026-04-26T00:00:00+05:30", "--end", "2026-04-27T00:00:00+05:30"]


def put(installed: Installation, record: PostingRecord) -> None:
    with closing(open_database(installed.config.database)) as database, database.transaction() as connection:
        rows.put_posting(connection, record)


def states(installed: Installation) -> list[tuple[PostingState, str]]:
    with closing(open_database(installed.config.database)) as database:
        found = rows.postings_from(database.connection, Interval(0, 2_000_000_000))
    return [(record.state, record.note) for record in found]


def posting(state: PostingState, name: str = NAME) -> PostingRecord:
    from dataclasses import replace

    delivery = Delivery(
        posted_as=name,
        delivery_start=RECORD.delivery.delivery_start,
        delivery_end="2026-04-26T06:30:00Z",
        window=RECORD.delivery.window,
    )
    return replace(RECORD, delivery=delivery, state=state)


def test_a_hold_is_placed_listed_and_released(founded: Installation, enrolled: Gateway, command: Command) -> None:
    code, out, _ = command("hold", "place", "--posted-as", NAME, *WHO)
    assert code == 0
    assert out.startswith("hold 1:")
    assert "1 HOLD CP-1: held (hold 1) since" in command("hold", "list")[1]
    code, out, _ = command("hold", "release", "--number", "1", "--by", "bela", "--reason", "sealed again")
    assert code == 0
    assert "ended" in command("hold", "list")[1]
    assert "by bela: sealed again" in command("hold", "list")[1]


def test_a_hold_that_ended_cannot_end_again(enrolled: Gateway, command: Command) -> None:
    command("stand-down", *WHO)
    end = ["hold", "release", "--number", "1", "--by", "bela", "--reason", "done"]
    assert command(*end)[0] == 0
    code, _, err = command(*end)
    assert code == 1
    assert "hold list" in err


def test_a_dispute_names_who_contests_which_window(founded: Installation, enrolled: Gateway, command: Command) -> None:
    window = ["--start", "2026-04-26T10:00:00+05:30", "--end", "2026-04-26T12:00:00+05:30"]
    assert command("hold", "dispute", "--posted-as", NAME, *window, "--party", "TPDDL, mail 7", *WHO)[0] == 0
    with closing(open_database(founded.config.database)) as database:
        (hold,) = hold_rows.open_holds(database.connection)
    assert (hold.order.party, hold.order.window) == ("TPDDL, mail 7", RECORD.delivery.window)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["release", "--by", "b", "--reason", "r"], 2, "--number"),
        (["place", *WHO], 2, "--posted-as"),
        (["place", "--posted-as", NAME, "--start", "2026-04-26T10:00:00Z", *WHO], 2, "together"),
        (["place", "--posted-as", "NOBODY", *WHO], 1, "'NOBODY'"),
        (["place", "--posted-as", NAME, "--by", "asha"], 1, "'reason'"),
        (["dispute", "--posted-as", NAME, "--party", "x", *WHO], 1, "window"),
    ],
)
def test_a_hold_asked_for_wrongly_says_what_lacks(
    enrolled: Gateway, command: Command, words: list[str], code: int, message: str
) -> None:
    got, out, err = command("hold", *words)
    assert (got, out) == (code, "")
    assert message in err


@pytest.mark.parametrize("state", [PostingState.REFUSED, PostingState.DIFFERS, PostingState.EXPIRED])
def test_what_stands_still_is_tried_again_with_apply(
    founded: Installation, enrolled: Gateway, command: Command, state: PostingState
) -> None:
    put(founded, posting(state))
    code, out, _ = command("post", *DAY, *WHO)
    assert code == 0
    assert "1 posting(s) would be tried again" in out
    assert states(founded) == [(state, "")]
    assert command("post", *DAY, *WHO, "--apply")[0] == 0
    assert states(founded) == [(PostingState.DUE, "tried again by asha")]
    with closing(open_database(founded.config.database)) as database:
        (act,) = hold_rows.acts(database.connection, limit=9)
    assert (act.verb, act.by, act.reason) == ("post", "asha", "the seal is broken")


@pytest.mark.parametrize("state", [PostingState.CONFIRMED, PostingState.SUPERSEDED, PostingState.HELD])
def test_what_does_not_stand_still_is_left_alone(
    founded: Installation, enrolled: Gateway, command: Command, state: PostingState
) -> None:
    put(founded, posting(state))
    assert "0 posting(s)" in command("post", *DAY, *WHO, "--apply")[1]
    assert states(founded) == [(state, "")]


def test_only_the_meter_that_was_named_is_tried_again(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    put(founded, posting(PostingState.REFUSED))
    put(founded, posting(PostingState.REFUSED, "OTHER"))
    assert "1 posting(s)" in command("post", *DAY, "--posted-as", "OTHER", *WHO, "--apply")[1]


def test_reconcile_says_which_trades_await_a_figure(
    founded: Installation, exchange: Rehearsal, enrolled: Gateway, command: Command
) -> None:
    text = founded.file.read_text()
    url = founded.config.ledger.url
    founded.file.write_text(text.replace(url, f"deg+http://{exchange.address}"))
    exchange.put_both(seller_id=NAME, price_inr_per_kwh=Decimal(5))
    code, out, _ = command("reconcile", *DAY)
    assert code == 1
    assert "await a figure and none was posted" in out
    assert "0 of 1 deliveries agree" in out
    code, out, _ = command("reconcile", *DAY, "--json")
    (line,) = json.loads(out)["lines"]
    assert (line["posted_as"], line["posted_kwh"], line["ledger_kwh"]) == (NAME, None, None)


def test_reconcile_against_a_ledger_that_does_not_answer_is_an_error(enrolled: Gateway, command: Command) -> None:
    code, out, err = command("reconcile", *DAY)
    assert (code, out) == (1, "")
    assert err
