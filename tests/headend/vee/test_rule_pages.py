"""docs/vee-rules.md says what the program does: one row a rule, with its parameters, defaults and codes."""

import re
from pathlib import Path

import pytest

from headend.vee.rule import KnownMethod, KnownRule, KnownStated
from headend.vee.rules import METHODS, RULES, STATED
from headend.windows import validated
from tests.headend.vee.scenario import scenarios

PAGE = (Path(__file__).parents[3] / "docs" / "vee-rules.md").read_text()
ROWS = {row.split("|")[1].strip(): row for row in PAGE.splitlines() if row.startswith(("| V", "| E"))}
INTAKE = {"V01", "V02"}
KNOWN: dict[str, KnownRule | KnownStated | KnownMethod] = {**RULES, **STATED, **METHODS}


def test_the_page_has_one_row_for_every_rule_and_method() -> None:
    assert set(ROWS) == {*KNOWN, *INTAKE, "E0", "E9"}
    assert INTAKE | set(RULES) | set(STATED) == {f"V{number:02}" for number in range(1, 33)}


@pytest.mark.parametrize("rule", sorted(KNOWN))
def test_a_row_names_every_parameter_with_its_default(rule: str) -> None:
    stated = {
        name: int(number.replace(" ", "")) for name, number in re.findall(r"`([a-z_]+)` \(([0-9][0-9 ]*)", ROWS[rule])
    }
    assert stated == dict(KNOWN[rule].defaults)


@pytest.mark.parametrize("rule", sorted(STATED))
def test_a_row_names_the_worst_that_a_stated_rule_says(rule: str) -> None:
    assert f"| {STATED[rule].worst.name} `{STATED[rule].code}`" in ROWS[rule]


def test_every_code_that_a_scenario_shows_stands_in_the_row_of_its_rule() -> None:
    for scenario in scenarios():
        (part,) = validated(scenario.case)
        for finding in part.validation.findings:
            assert f"`{finding.code}`" in ROWS[finding.rule]
