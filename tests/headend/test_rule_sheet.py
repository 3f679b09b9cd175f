"""Rule sets as people write them."""

from dataclasses import replace

import pytest

from headend.rule_sheet import differences, parse_sheet, sheet
from headend.vee.rule import RuleSetError
from headend.vee.ruleset import DEFAULT_RULE_SET, RULE_SET_1
from signing.errors import DecodeError
from signing.statements.rule_set import RuleSet


@pytest.mark.parametrize("rule_set", [RULE_SET_1, DEFAULT_RULE_SET])
def test_what_is_written_is_read_back(rule_set: RuleSet) -> None:
    assert parse_sheet(sheet(rule_set), "rules.toml") == rule_set


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("warn_s = 9", "warn_s = 9.5", "rule.V09.warn_s: expected a whole number"),
        ("warn_s = 9", 'warn_s = "9"', "rule.V09.warn_s: expected a whole number"),
        ('name = "sakshi-vee"', "", "name: expected a text"),
        ("version = 3\n", "version = 0\n", "version: expected a whole number from 1"),
        ("[rule.V03]", "[rules.V03]", "rules: unknown key"),
    ],
)
def test_a_wrong_sheet_is_named_by_its_key(before: str, after: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse_sheet(sheet(DEFAULT_RULE_SET).replace(before, after, 1), "rules.toml")


def test_every_change_is_said_in_a_line_of_its_own() -> None:
    (v17,) = [rule for rule in DEFAULT_RULE_SET.rules if rule.id == "V17"]
    name = min(v17.parameters)
    other = replace(v17, parameters={**v17.parameters, name: 7})
    rules = tuple(other if rule is v17 else rule for rule in DEFAULT_RULE_SET.rules if rule.id != "V22")
    wanted = replace(DEFAULT_RULE_SET, version=4, rules=rules)
    assert differences(DEFAULT_RULE_SET, wanted) == (
        "rule set sakshi-vee version 4",
        "V22: no longer asked",
        f"V17.{name}: {v17.parameters[name]} becomes 7",
    )


def test_the_same_set_changes_nothing_and_the_first_says_all() -> None:
    assert differences(DEFAULT_RULE_SET, DEFAULT_RULE_SET) == ()
    assert "V16: asked from now on, version 1" in differences(None, RULE_SET_1)


def test_a_rule_that_is_not_known_is_refused() -> None:
    (first, *rest) = RULE_SET_1.rules
    strange = replace(RULE_SET_1, rules=(replace(first, version=99), *rest))
    with pytest.raises(RuleSetError, match="use a newer release"):
        differences(None, strange)
