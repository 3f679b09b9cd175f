"""Rule sets: a program judges only by rules that it knows, and by the parameters that the set gives."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from headend.vee.rule import RuleSetError
from headend.vee.rules import KNOWN, KNOWN_METHODS, METHODS, RULES, STATED
from headend.vee.ruleset import BINDING, DEFAULT_RULE_SET, RULE_SET_1, RULE_SET_2, judged_by, methods_of, stated_by
from headend.windows import judge
from signing.interval import DAY_S
from signing.statements.rule_set import Rule
from tests.headend.vee.judged import EIGHT, findings, one
from tests.headend.vee.world import at, reading, readings, register


class TestRuleSet:
    """A program judges only by rules that it knows."""

    def test_every_rule_is_named_for_itself_and_has_default_parameters(self) -> None:
        for known in (RULES, STATED, METHODS):
            assert {name: rule.id for name, rule in known.items()} == {name: name for name in known}
        assert [rule.id for rule in DEFAULT_RULE_SET.rules] == sorted([*RULES, *STATED, *METHODS])
        assert DEFAULT_RULE_SET.parse(DEFAULT_RULE_SET.payload()) == DEFAULT_RULE_SET

    def test_rules_are_asked_by_stage_then_id(self) -> None:
        order = [known.id for known, _ in judged_by(RULE_SET_1)]
        assert order == ["V06", "V07", "V11", "V16", "V24", "V03", "V04", "V05", "V09", "V10", "V15", "V23"]

    def test_version_1_is_what_it_was_to_the_byte_and_is_judged_by_the_rules_of_then(self) -> None:
        digest = hashlib.sha256(RULE_SET_1.payload()).hexdigest()
        assert digest == "ccc61588eecee59d7ba0c631d7364b2fe3427c627cd7a7a7bf6cd61600b10cd5"
        assert {known.version for known, _ in judged_by(RULE_SET_1)} == {1}
        assert (stated_by(RULE_SET_1), methods_of(RULE_SET_1)) == ({}, {})

    def test_version_2_is_what_it_was_to_the_byte(self) -> None:
        digest = hashlib.sha256(RULE_SET_2.payload()).hexdigest()
        assert digest == "54d433fd1562c3c0d611288606adf4d37d0a53cb00a53f38250f213d168356ca"
        judged_by(RULE_SET_2)
        assert {rule.version for rule in methods_of(RULE_SET_2).values()} == {1}
        assert DEFAULT_RULE_SET.version == 3

    def test_every_version_that_ever_was_is_known(self) -> None:
        versions: dict[str, set[int]] = {}
        for name, version in (*KNOWN, *KNOWN_METHODS):
            versions.setdefault(name, set()).add(version)
        newest = {one.id: one.version for one in RULES.values()} | {one.id: one.version for one in METHODS.values()}
        assert all(found == set(range(1, newest[name] + 1)) for name, found in versions.items())

    @pytest.mark.parametrize("left_out", sorted(BINDING))
    def test_a_set_without_a_binding_rule_is_not_judged_by(self, left_out: str) -> None:
        rules = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id != left_out)
        with pytest.raises(RuleSetError, match=f"leaves out {left_out}: add them"):
            judged_by(replace(DEFAULT_RULE_SET, rules=rules))

    def test_a_set_may_leave_other_rules_out(self) -> None:
        rules = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id in BINDING)
        case = one(rows=(reading(-1), *readings(EIGHT[1:]))).case(rule_set=replace(DEFAULT_RULE_SET, rules=rules))
        assert judge(case).parts[0].measured_import_wh == 699

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            (Rule(id="V99", version=1, parameters={}), "rule V99 version 1 is not known here"),
            (Rule(id="V16", version=2, parameters={"least_wh": 0}), "rule V16 version 2 is not known here"),
            (Rule(id="V16", version=1, parameters={}), "expected the parameters least_wh for rule V16, got "),
            (
                Rule(id="V07", version=1, parameters={"most_s": 1}),
                "expected the parameters none for rule V07, got most_s",
            ),
        ],
    )
    def test_an_unknown_rule_version_or_parameter_is_not_judged_by(self, rule: Rule, message: str) -> None:
        rules = {entry.id: entry for entry in DEFAULT_RULE_SET.rules} | {rule.id: rule}
        changed = replace(DEFAULT_RULE_SET, rules=tuple(rules[name] for name in sorted(rules)))
        with pytest.raises(RuleSetError, match=message):
            judged_by(changed)

    @pytest.mark.parametrize(
        ("rule", "parameter", "value", "home"),
        [
            ("V06", "required_from_origin_rank", 3, lambda: one(identity=None)),
            ("V09", "fail_s", 200, lambda: one(clock_offset_ms=200_000)),
            ("V09", "warn_s", 7, lambda: one(clock_offset_ms=8_000)),
            ("V10", "flag_bits", 8, lambda: one((reading(flags=8), *readings(EIGHT[1:])))),
            ("V10", "neighbour_blocks", 0, lambda: one((reading(flags=4), *readings(EIGHT[1:])))),
            ("V11", "future_s", 100, lambda: one(read_at_utc=at("11:58:30"))),
            ("V11", "memory_s", 2 * DAY_S, lambda: one(read_at_utc=at("+3 10:00"))),
            ("V16", "least_wh", 101, one),
            ("V23", "digit_wh", 9, lambda: one(registers=[register("10:00", 0), register("12:00", 810)])),
            ("V23", "tolerance_permille", 20, lambda: one(registers=[register("10:00", 0), register("12:00", 813)])),
            ("V24", "least_rise_wh", 1, lambda: one(registers=[register("10:00", 0), register("12:00", 800)])),
        ],
    )
    def test_every_parameter_is_the_rule_sets(self, rule: str, parameter: str, value: int, home: Any) -> None:
        rules = tuple(
            replace(entry, parameters={**entry.parameters, parameter: value}) if entry.id == rule else entry
            for entry in DEFAULT_RULE_SET.rules
        )
        usual, changed = home(), home()
        assert findings(usual, rule) != findings(changed, rule, replace(DEFAULT_RULE_SET, rules=rules))
