"""curtail: entered, listed and taken back, with who and why."""

from contextlib import closing
from dataclasses import replace

import pytest

from headend.commands import curtailment
from headend.exchange.curtailing import Excused
from headend.store.sqlite import curtailment_rows, postings
from headend.store.sqlite.database import open_database
from headend.trading.trades import Delivery
from ledger_client.ledger import TradeStatus
from signing.interval import Interval
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway
from tests.headend.trading.test_posting import TRADE
from tests.ledger_client.rehearsal import SELLER_DISCOM

TIME = ["--start", "2026-04-26T10:00:00+05:30", "--end", "2026-04-26T12:00:00+05:30"]
GOOD = ["--kind", "OUTAGE", "--point", "CP-1", *TIME, "--by", "asha", "--reason", "a tree on the line", "--apply"]
SPAN = Interval(1_777_177_800, 1_777_185_000)


def standing(installed: Installation, window: Interval = SPAN) -> int:
    with closing(open_database(installed.config.database)) as database:
        return len(curtailment_rows.overlapping(database.connection, window))


def test_a_curtailment_is_entered_listed_and_taken_back(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    assert command("curtail", "enter", *GOOD)[0] == 0
    assert standing(founded) == 1
    assert standing(founded, Interval(SPAN.end_utc, SPAN.end_utc + 1)) == 0
    assert "1 OUTAGE CP-1, 2026-04-26 10:00:00 IST" in command("curtail", "list")[1]
    assert command("curtail", "withdraw", "--number", "1", "--by", "bela", "--apply")[0] == 0
    assert standing(founded) == 0
    assert "by bela" in command("curtail", "list")[1]


def test_what_was_taken_back_cannot_be_again(enrolled: Gateway, command: Command) -> None:
    command("curtail", "enter", *GOOD)
    command("curtail", "withdraw", "--number", "1", "--by", "bela", "--apply")
    code, _, err = command("curtail", "withdraw", "--number", "1", "--by", "bela", "--apply")
    assert code == 1
    assert "curtail list" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["enter", *GOOD[2:]], 2, "--kind"),
        (["enter", *GOOD[:2], *GOOD[4:]], 1, "either a connection point or a feeder"),
        (["enter", *GOOD, "--feeder", "F7"], 1, "either a connection point or a feeder"),
        (["enter", *GOOD[:-3], "--apply"], 1, "'reason'"),
        (["withdraw", "--by", "bela"], 2, "--number"),
        (["withdraw", "--number", "1", "--apply"], 1, "'by'"),
    ],
)
def test_what_lacks_is_told(founded: Installation, command: Command, words: list[str], code: int, message: str) -> None:
    got, out, err = command("curtail", *words)
    assert (got, out) == (code, "")
    assert message in err


def test_a_place_that_nobody_recorded_is_refused_before_it_excuses_nothing(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    who = [*TIME, "--by", "asha", "--reason", "a tree on the line", "--apply"]
    code, _, err = command("curtail", "enter", "--kind", "OUTAGE", "--point", "CP-9", *who)
    assert (code, "'CP-9'" in err) == (1, True)
    feeder = ["curtail", "enter", "--kind", "OUTAGE", "--feeder", "F7", *who]
    code, _, err = command(*feeder)
    assert (code, "'F7'" in err) == (1, True)
    assert standing(founded) == 0
    moved = ["feeder=F7", "--from", "2026-04-26T11:59:59+05:30", "--by", "asha", "--apply"]
    assert command("registry", "set", "SKS00000001", *moved)[0] == 0
    assert command(*feeder)[0] == 0
    assert standing(founded) == 1


def test_what_is_said_of_windows_before_and_after_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    delivery = Delivery(posted_as="S", delivery_start="a", delivery_end="b", window=SPAN)
    one = Excused(
        delivery=delivery,
        connection_point="CP-1",
        before=TradeStatus.COMPLETED,
        after=TradeStatus.CURTAILED_OUTAGE,
    )
    undecided, same = replace(one, before=None, after=None), replace(one, after=TradeStatus.COMPLETED)
    curtailment._tell([one, undecided, same])
    assert capsys.readouterr().out.splitlines() == [
        "  S 2026-04-26 10:00:00 IST to 2026-04-26 12:00:00 IST at CP-1: COMPLETED -> CURTAILED_OUTAGE",
        "3 window(s) of trades in it: 1 are said otherwise, 1 have no final figure yet",
    ]
    curtailment._tell([one] * 52)
    assert capsys.readouterr().out.splitlines()[-2] == "  and 2 more"


def put_trade(installed: Installation) -> None:
    one = replace(TRADE, seller_id="LEDGER-SKS00000001", discom_id_seller=SELLER_DISCOM, discom_id_buyer="OTHER")
    with closing(open_database(installed.config.database)) as database, database.transaction() as connection:
        postings.put_trades(connection, [one], 1)


def test_the_windows_of_known_trades_are_told_before_it_is_entered(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    put_trade(founded)
    dry = GOOD[:-1]
    out = command("curtail", *["enter", *dry])[1]
    assert out.startswith("would enter OUTAGE CP-1, 2026-04-26 10:00:00 IST")
    assert "1 window(s) of trades in it: 0 are said otherwise, 1 have no final figure yet" in out
    command("curtail", "enter", *GOOD)
    out = command("curtail", "withdraw", "--number", "1")[1]
    assert out.startswith("would take back 1 OUTAGE CP-1, 2026-04-26 10:00:00 IST")
    assert "1 window(s) of trades in it" in out
