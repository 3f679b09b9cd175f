"""retention: told before it is done; legal holds with who and why."""

import pytest

from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway

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
