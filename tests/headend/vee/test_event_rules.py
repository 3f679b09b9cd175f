"""What the meter said of itself and its supply: which flags count, where, and how far."""

import pytest

from signing.statements.reading import Flag
from signing.statements.window_actual import Verdict
from tests.headend.vee.judged import QUARTERS, blocks, findings, one, qualities
from tests.headend.vee.world import Gateway, premises, reading


@pytest.mark.parametrize(
    ("rule", "flags", "reach"),
    [("V12", Flag.POWER_FAIL, 0), ("V12", Flag.FILLER, 0), ("V13", Flag.DEVICE_FAULT, 0), ("V14", Flag.TAMPER, 1)],
)
@pytest.mark.parametrize("place", range(8))
def test_a_flag_counts_for_its_block_and_as_far_as_its_rule_says(
    rule: str, flags: Flag, reach: int, place: int
) -> None:
    rows = tuple(reading(flags=flags if n == place else 0) for n in range(8))
    found = findings(one(rows), rule)
    assert blocks(found) == [text for n, text in enumerate(QUARTERS) if abs(n - place) <= reach]
    assert all(dict(finding.numbers) == {"flag_bits": int(flags)} for finding in found)


@pytest.mark.parametrize(("rule", "own"), [("V12", {8, 16}), ("V13", {128}), ("V14", {256})])
def test_the_flags_of_others_are_nothing_to_a_rule(rule: str, own: set[int]) -> None:
    for bit in range(16):
        rows = (reading(), reading(flags=1 << bit), reading())
        assert bool(findings(one(rows), rule)) == (1 << bit in own)


@pytest.mark.parametrize(("rule", "flag"), [("V12", Flag.POWER_FAIL), ("V13", Flag.DEVICE_FAULT), ("V14", Flag.TAMPER)])
def test_a_flag_on_a_row_without_a_value_counts_and_so_does_one_of_two_copies(rule: str, flag: Flag) -> None:
    absent = tuple(reading(None if n == 4 else 100, flags=flag if n == 4 else 0) for n in range(8))
    assert QUARTERS[4] in blocks(findings(one(absent), rule))
    gateway = Gateway()
    gateway.state("10:00", (reading(),) * 8)
    gateway.state("10:00", (reading(flags=flag),))
    assert QUARTERS[0] in blocks(findings(premises(gateway), rule))


def test_an_outage_is_a_note_and_its_zero_is_actual() -> None:
    home = one((reading(0, flags=Flag.POWER_FAIL), *[reading()] * 7))
    assert [finding.verdict for finding in findings(home, "V12")] == [Verdict.VALID]
    assert qualities(home) == ["V"] * 8


def test_a_device_that_doubts_itself_and_one_that_was_tampered_with_are_suspect() -> None:
    assert qualities(one((reading(flags=Flag.DEVICE_FAULT), *[reading()] * 7))) == ["S", *["V"] * 7]
    assert qualities(one((reading(flags=Flag.TAMPER), *[reading()] * 7))) == ["S", "S", *["V"] * 6]


def test_two_events_that_reach_one_block_say_one_thing_of_it() -> None:
    rows = tuple(reading(flags=Flag.TAMPER if n in {2, 4} else 0) for n in range(8))
    assert blocks(findings(one(rows), "V14")) == QUARTERS[1:6]
