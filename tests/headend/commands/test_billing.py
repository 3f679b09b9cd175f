"""billing: a month's determinants and returns, and whether there is a trade for a meter and time."""

import csv
import io
import json

import pytest

from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway

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


def test_a_tariff_that_is_wrong_is_named(founded: Installation, enrolled: Gateway, command: Command) -> None:
    (founded.folder / "tariff.toml").write_text("[[charge]]\n")
    words = ["--month", "2026-04", "--tariff", founded.folder / "tariff.toml"]
    code, _, err = command("billing", "determinants", *words)
    assert code == 1
    assert "charge[0].inr_per_kwh" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["determinants"], 2, "--month"),
        (["determinants", "--month", "April"], 1, "a month such as 2026-04"),
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
