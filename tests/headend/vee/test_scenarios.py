"""Every rule just inside, on and just outside its bound, as files that people read."""

import pytest

from headend.vee.rules import RULES, STATED
from headend.windows import judge, validated
from tests.headend.vee.scenario import EDGES, FOLDER, Scenario, finding_text, scenarios


def test_every_rule_has_its_three_scenarios_and_no_file_is_left_over() -> None:
    expected = {f"{rule}-{edge}.toml" for rule in (*RULES, *STATED) for edge in EDGES}
    assert {path.name for path in FOLDER.iterdir()} == expected


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_a_scenario_comes_out_as_its_file_says(scenario: Scenario) -> None:
    judgement = judge(scenario.case)
    (part,) = validated(scenario.case)
    findings = [
        finding_text(found.rule, found.code, found.block_utc, found.verdict.name)
        for found in part.validation.findings
        if found.rule == scenario.rule
    ]
    assert (judgement.status.name, judgement.reason) == (scenario.status, scenario.reason)
    assert tuple(findings) == scenario.findings
