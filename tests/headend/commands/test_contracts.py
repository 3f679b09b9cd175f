"""contracts: a table of what was traded and what was delivered."""

import csv
import io
from contextlib import closing
from dataclasses import replace

import pytest

from headend.store.sqlite import postings
from headend.store.sqlite.database import open_database
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway
from tests.headend.test_posting import TRADE

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
