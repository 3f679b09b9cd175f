"""retention: told before it is done; legal holds with who and why."""

import pytest

from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway
from tests.headend.upkeep.test_restore import Running

METER = "SKS00000001"
HOLD = ["--meter", METER, "--start", "2026-04-26T00:00:00+05:30", "--end", "2026-04-27T00:00:00+05:30"]
WHO = ["--by", "asha", "--reason", "case 7 of 2026"]


def test_without_a_policy_there_is_nothing_to_erase(founded: Installation, command: Command) -> None:
    code, out, _ = command("retention", "erase")
    assert code == 0
    assert out.startswith("0 opening(s)")
    assert "0 row(s) were erased" in command("retention", "erase", "--apply")[1]


def test_a_legal_hold_is_placed_listed_and_released(enrolled: Gateway, command: Command) -> None:
    assert command("retention", "hold", *HOLD, *WHO, "--apply")[0] == 0
    assert f"1 {METER}, 2026-04-26 00:00:00 IST" in command("retention", "list")[1]
    assert command("retention", "release", "--number", "1", "--by", "bela", "--apply")[0] == 0
    assert "by bela" in command("retention", "list")[1]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["hold", *HOLD[2:], *WHO], 2, "--meter"),
        (["hold", *HOLD, "--by", "asha", "--apply"], 1, "'reason'"),
        (["release", "--by", "asha"], 2, "--number"),
        (["release", "--number", "9", "--by", "asha"], 1, "retention list"),
    ],
)
def test_what_lacks_is_told(founded: Installation, command: Command, words: list[str], code: int, message: str) -> None:
    got, out, err = command("retention", *words)
    assert (got, out) == (code, "")
    assert message in err


def test_a_legal_hold_on_a_meter_that_nobody_recorded_is_refused_before_it_keeps_nothing(
    enrolled: Gateway, command: Command
) -> None:
    code, out, err = command("retention", "hold", "--meter", "SKS00000010", *HOLD[2:], *WHO)
    assert (code, out) == (1, "")
    assert "'SKS00000010'" in err
    assert command("retention", "list")[1] == ""


def put_batches(installed: Installation, one: Gateway, number: int) -> None:
    """Batches of the meter, from the hold's day on."""
    messages = [one.next() for _ in range(number)]
    with Running(installed) as running:
        running.take_in(*messages)


def test_a_legal_hold_says_how_much_it_keeps_and_its_end_how_much_is_due(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    put_batches(founded, enrolled, 3)
    whole = ["--start", "2026-01-01T00:00:00+05:30", "--end", "2026-12-31T00:00:00+05:30"]
    words = ["retention", "hold", "--meter", METER, *whole]
    assert command(*words)[1].startswith(f"3 opening(s) of {METER} are kept in that time; 0 may not")
    founded.file.write_text(founded.file.read_text() + "[retention]\nopenings_days = 180\n")
    assert command(*words)[1].startswith(
        f"3 opening(s) of {METER} are kept in that time; 3 may not be kept any longer but"
    )
    command(*words, *WHO, "--apply")
    command(*words, *WHO, "--apply")
    assert "3 opening(s) of" in command("retention", "release", "--number", "1")[1]
    assert "; 0 of them are due to be erased then" in command("retention", "release", "--number", "1")[1]
    command("retention", "release", "--number", "1", *WHO, "--apply")
    assert "; 3 of them are due to be erased then" in command("retention", "release", "--number", "2")[1]
    early = ["--start", "2020-01-01T00:00:00+05:30", "--end", "2020-12-31T00:00:00+05:30"]
    assert command("retention", "hold", "--meter", METER, *early)[1].startswith("0 opening(s)")
