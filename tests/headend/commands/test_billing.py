"""billing: a month's determinants and returns, and whether there is a trade for a meter and time."""

import csv
import io
import json
from contextlib import closing
from decimal import Decimal

import pytest

from headend.exchange.legs import pull
from headend.store.sqlite.database import open_database
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway
from tests.ledger_client.rehearsal import NOW, Rehearsal

SLOT = ["--start", "2026-04-26T10:00:00+05:30", "--end", "2026-04-26T10:15:00+05:30"]


def test_determinants_are_a_table_and_a_month_that_is_open_ends_in_1(enrolled: Gateway, command: Command) -> None:
    code, out, _ = command("billing", "determinants", "--month", "2026-04")
    assert code == 1
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["connection_point"], row["completeness"], row["import_kwh"], row["final"]) == (
        "CP-1",
        "INCOMPLETE",
        "",
        "False",
    )


def test_determinants_are_json_with_every_line(enrolled: Gateway, command: Command) -> None:
    code, out, _ = command("billing", "determinants", "--month", "2026-04", "--json", "--point", "CP-1")
    found = json.loads(out)
    assert (code, found["connection_point"], found["import_kwh"], found["lines"]) == (1, "CP-1", None, [])


def test_a_return_without_generation_is_its_header(enrolled: Gateway, command: Command) -> None:
    code, out, _ = command("billing", "dre", "--month", "2026-04")
    assert (code, len(out.splitlines())) == (0, 1)


def test_a_slot_without_a_trade_says_so(enrolled: Gateway, command: Command) -> None:
    assert command("billing", "lookup", "--posted-as", "LEDGER-SKS00000001", *SLOT) == (0, "no trade\n", "")


def test_a_slot_of_an_id_that_names_no_place_is_refused(enrolled: Gateway, command: Command) -> None:
    code, out, err = command("billing", "lookup", "--posted-as", "ledger-sks00000001", *SLOT)
    assert (code, out) == (1, "")
    assert "no connection point is posted as 'ledger-sks00000001'" in err


def test_a_tariff_that_is_wrong_is_named(founded: Installation, enrolled: Gateway, command: Command) -> None:
    (founded.folder / "tariff.toml").write_text("[[charge]]\n")
    words = ["--month", "2026-04", "--tariff", founded.folder / "tariff.toml"]
    code, _, err = command("billing", "determinants", *words)
    assert code == 1
    assert "charge[0].inr_per_kwh" in err


def test_a_month_is_compared_with_what_the_ledger_says_of_it_now(
    founded: Installation, exchange: Rehearsal, enrolled: Gateway, command: Command
) -> None:
    founded.file.write_text(
        founded.file.read_text().replace(founded.config.ledger.url, f"deg+http://{exchange.address}")
    )
    assert command("billing", "reconcile", "--month", "2026-04") == (0, "0 of 0 sides of trades agree\n", "")
    exchange.put_both(seller_id="LEDGER-SKS00000001", price_inr_per_kwh=Decimal(5))
    code, out, _ = command("billing", "reconcile", "--month", "2026-04")
    assert code == 1
    assert "SELLER LEDGER-SKS00000001: the ledger shows it and no bill rests on it" in out
    with closing(open_database(founded.config.database)) as database, exchange.ledger() as ledger:
        pull(database, ledger, founded.config.discom, look_back_days=7, now_utc=NOW)
    assert command("billing", "reconcile", "--month", "2026-04") == (0, "1 of 1 sides of trades agree\n", "")
    code, out, _ = command("billing", "reconcile", "--month", "2026-04", "--json")
    found = json.loads(out)
    assert (code, found["side"], found["billed_kwh"], found["difference"]) == (0, "SELLER", None, "")
    assert command("billing", "reconcile", "--month", "2026-05")[1] == "0 of 0 sides of trades agree\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["determinants"], 2, "--month"),
        (["determinants", "--month", "April"], 1, "a month such as 2026-04"),
        (["reconcile"], 2, "--month"),
        (["lookup"], 2, "--posted-as"),
        (["lookup", "--posted-as", "x", *SLOT[2:], *SLOT[:1], SLOT[3]], 2, "expected start before end"),
    ],
)
def test_what_is_asked_wrongly_is_told(
    enrolled: Gateway, command: Command, words: list[str], code: int, message: str
) -> None:
    got, _, err = command("billing", *words)
    assert got == code
    assert message in err
