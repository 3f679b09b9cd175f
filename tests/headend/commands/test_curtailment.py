"""curtail: entered, listed and taken back, with who and why."""

from contextlib import closing

import pytest

from headend.store.sqlite import curtailment_rows
from headend.store.sqlite.database import open_database
from signing.interval import Interval
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway

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
