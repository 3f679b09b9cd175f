"""disconnection: entered, listed and taken back, with who and why; its days are validated again."""

from contextlib import closing
from dataclasses import replace

import pytest

from headend import service
from headend.readings import Quality
from headend.series import Day, SeriesBlock
from headend.store.sqlite import day_rows, disconnection_rows, hold_rows
from headend.store.sqlite.database import open_database
from signing.interval import DAY_S, ist_day_start, ist_text, utc_text
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway

THEN = ist_day_start(service.now()) - 9 * DAY_S
"""Days long past are not validated again, whatever is said of them."""
SINCE = ["--since", utc_text(THEN + 36_000)]
UNTIL = ["--until", utc_text(THEN + DAY_S + 43_200)]
WHO = ["--reference", "WO 7", "--by", "asha", "--reason", "unpaid", "--apply"]
GOOD = ["--point", "CP-1", *SINCE, *UNTIL, *WHO]
FAR = 2**40


def standing(installed: Installation) -> int:
    with closing(open_database(installed.config.database)) as database:
        return len(disconnection_rows.standing(database.connection, "CP-1"))


def due(installed: Installation) -> set[int]:
    with closing(open_database(installed.config.database)) as database:
        found = day_rows.due(database.connection, FAR, limit=99)
        with database.transaction() as connection:
            for meter, start in found:
                day_rows.done(connection, meter, start, before_utc=0)
    return {start for _, start in found}


def test_a_disconnection_is_entered_listed_and_taken_back_and_its_days_are_looked_at_again(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    due(founded)
    assert command("disconnection", "enter", *GOOD)[0] == 0
    assert (standing(founded), due(founded)) == (1, {THEN, THEN + DAY_S})
    shown = command("disconnection", "list")[1]
    times = f"since {ist_text(THEN + 36_000)}, to {ist_text(THEN + DAY_S + 43_200)}"
    assert f"1 CP-1, {times}, WO 7, by asha: unpaid" in shown
    assert command("disconnection", "withdraw", "--number", "1", "--by", "bela", "--apply")[0] == 0
    assert (standing(founded), due(founded)) == (0, {THEN, THEN + DAY_S})
    assert "by bela" in command("disconnection", "list")[1]


def test_one_without_an_end_is_open(founded: Installation, enrolled: Gateway, command: Command) -> None:
    assert command("disconnection", "enter", "--point", "CP-1", *SINCE, *WHO)[0] == 0
    assert "IST, open, WO 7" in command("disconnection", "list")[1]


def test_what_was_taken_back_cannot_be_again(enrolled: Gateway, command: Command) -> None:
    command("disconnection", "enter", *GOOD)
    command("disconnection", "withdraw", "--number", "1", "--by", "bela", "--apply")
    code, _, err = command("disconnection", "withdraw", "--number", "1", "--by", "bela", "--apply")
    assert (code, "disconnection list" in err) == (1, True)


@pytest.mark.usefixtures("enrolled")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["enter", *GOOD[2:]], 2, "--point"),
        (["enter", *GOOD[:2], *GOOD[4:]], 2, "--since"),
        (["enter", "--point", "CP-1", "--since", UNTIL[1], "--until", SINCE[1], *WHO], 1, "'until' after 'since'"),
        (["enter", "--point", "CP-1", *SINCE, "--until", SINCE[1], *WHO], 1, "'until' after 'since'"),
        (["enter", *GOOD[:-3], "--apply"], 1, "'reason'"),
        (["enter", "--point", "CP-1", *SINCE, *WHO[2:]], 1, "'reference'"),
        (["enter", "--point", "CP-9", *SINCE, *WHO], 1, "'CP-9'"),
        (["withdraw", "--by", "bela"], 2, "--number"),
        (["close", "--number", "1"], 2, "--until"),
        (["close", *UNTIL], 2, "--number"),
        (["withdraw", "--number", "1", "--apply"], 1, "'by'"),
    ],
)
def test_what_lacks_is_told(founded: Installation, command: Command, words: list[str], code: int, message: str) -> None:
    got, out, err = command("disconnection", *words)
    assert (got, out) == (code, "")
    assert message in err
    assert standing(founded) == 0


def test_an_open_one_is_closed_with_its_days_looked_at_again(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    command("disconnection", "enter", "--point", "CP-1", *SINCE, *WHO)
    due(founded)
    words = ["disconnection", "close", "--number", "1", *UNTIL]
    code, out, _ = command(*words)
    assert (code, out.splitlines()[0]) == (
        0,
        f"would close disconnection 1: CP-1, since {ist_text(THEN + 36_000)}, to {ist_text(THEN + DAY_S + 43_200)}",
    )
    assert f"SKS00000001: 9 day(s) from {ist_text(THEN + DAY_S)}" in out
    assert due(founded) == set()
    assert command(*words, *WHO[2:])[0] == 0
    assert due(founded) == {THEN + number * DAY_S for number in range(1, 10)}
    assert f"to {ist_text(THEN + DAY_S + 43_200)}, WO 7" in command("disconnection", "list")[1]
    with closing(open_database(founded.config.database)) as database:
        (act,) = hold_rows.acts(database.connection, limit=9)
    assert (act.verb, act.by, act.reason) == ("disconnection close", "asha", "unpaid")
    assert act.about == f"disconnection 1 until {ist_text(THEN + DAY_S + 43_200)}"
    code, _, err = command(*words, *WHO[2:])
    assert (code, "is not open" in err) == (1, True)


def test_an_end_before_the_beginning_closes_nothing(enrolled: Gateway, command: Command) -> None:
    command("disconnection", "enter", "--point", "CP-1", *SINCE, *WHO)
    code, _, err = command("disconnection", "close", "--number", "1", "--until", SINCE[1])
    assert (code, "'until' after 'since'" in err) == (1, True)
    command("disconnection", "withdraw", "--number", "1", "--by", "bela", "--apply")
    assert command("disconnection", "close", "--number", "1", *UNTIL)[0] == 1


def test_the_days_and_what_of_them_is_no_measurement_are_named_first(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    block = SeriesBlock(
        start_utc=THEN + 36_000, period_s=900, quality=Quality.MISSING, import_wh=None, export_wh=None, flags=0,
        origin=None, import_method=None, export_method=None,
    )  # fmt: skip
    good = replace(block, start_utc=THEN + 36_900, quality=Quality.VALID, import_wh=1, export_wh=0)
    early = replace(block, start_utc=THEN)
    day = Day(meter="SKS00000001", start_utc=THEN, rule_set=bytes(32), blocks=(early, block, good), notes=())
    with closing(open_database(founded.config.database)) as database, database.transaction() as connection:
        day_rows.put(connection, day, at_utc=THEN + DAY_S)
    due(founded)
    out = command("disconnection", "enter", "--point", "CP-1", *SINCE, *UNTIL, "--reference", "WO 7")[1]
    said = (
        f"SKS00000001: 2 day(s) from {ist_text(THEN)} to {ist_text(THEN + DAY_S)} are validated again; of those validated before, "
        "1 of 2 block(s) in it are no measurement"
    )
    assert said in out
    assert (standing(founded), due(founded)) == (0, set())
    future = ["--since", utc_text(service.now() + 9 * DAY_S)]
    assert "no day up to today lies in it" in command("disconnection", "enter", "--point", "CP-1", *future, *WHO[:2])[1]
