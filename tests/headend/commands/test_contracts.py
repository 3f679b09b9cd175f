"""contracts: a table of what was traded and what was delivered."""

import csv
import io
from contextlib import closing
from dataclasses import replace

import pytest

from headend import founding
from headend.log.logbook import Logbook
from headend.store.sqlite import actuals, postings
from headend.store.sqlite.database import open_database
from signing.statements.window_actual import Totals
from tests.headend.actuals import actual
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway
from tests.headend.trading.test_posting import TRADE

DAY = ["--start", "2026-04-26T00:00:00+05:30", "--end", "2026-04-27T00:00:00+05:30"]


def test_a_trade_without_a_figure_is_unknown(founded: Installation, enrolled: Gateway, command: Command) -> None:
    discom = founded.config.discom
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        postings.put_trades(connection, [replace(TRADE, discom_id_seller=discom)], 1)
    code, out, _ = command("contracts", *DAY)
    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, row["posted_as"], row["traded_kwh"], row["measured_kwh"], row["outcome"]) == (
        0,
        "S",
        "6.000",
        "",
        "UNKNOWN",
    )


@pytest.mark.parametrize(
    "words", [["--band-permille", "1001"], ["--band-permille", "-1"], ["--start", DAY[3], "--end", DAY[1]]]
)
def test_misuse_is_told(enrolled: Gateway, command: Command, words: list[str]) -> None:
    assert command("contracts", *words)[0] == 2


def test_where_the_rules_disagree_each_says_its_share_and_the_ledgers_is_explained(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    config = founded.config
    keys = founding.open_keys(config)
    # It drew 1 and gave 5 in the window: net it gave 4, gross it gave 5, and 6 were sold.
    signed = actual(keys.statements, TRADE.window, posted_as="S", totals=Totals(import_wh=1000, export_wh=5000))
    with closing(open_database(config.database)) as database:
        with database.transaction() as connection:
            sold = replace(TRADE, discom_id_seller=config.discom, pushed_wh=5000)
            postings.put_trades(connection, [sold], 1)
        with Logbook(database, {0: keys.log}, config.state).transaction() as transaction:
            actuals.put(transaction.connection, transaction.append(0, [signed.digest]), signed, at_utc=1)
    code, out, _ = command("allocations", *DAY)
    (row,) = csv.DictReader(io.StringIO(out))
    shares = list(row.values())
    assert (code, shares[:1], shares[3:6]) == (0, ["S"], ["t_i", "SELLER", "6.000"])
    assert sorted(shares[6:9]) == ["4.000", "4.000", "5.000"]
    assert row["ledger_kwh"] == "5.000"
    assert "gross" in row["explained_by"]
    assert len(command("allocations", *DAY, "--all")[1].splitlines()) == 2


def test_a_meter_on_which_all_agree_is_shown_only_when_asked(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    assert len(command("allocations", *DAY, "--all")[1].splitlines()) == 1
    assert command("allocations", "--start", DAY[3], "--end", DAY[1])[0] == 2
