"""Stated findings: they take blocks away, never add one, and come back to a verifier as they went out."""

from dataclasses import replace
from typing import Any

import pytest

from headend.revision import Decision, build, decide
from headend.vee.rule import RuleSetError, finding
from headend.vee.rules import STATED
from headend.vee.ruleset import DEFAULT_RULE_SET, RULE_SET_1
from headend.vee.stated import in_order
from headend.windows import judge, validated
from signing.evidence import WindowCase
from signing.statements.reading import Columns
from signing.statements.rule_set import Rule
from signing.statements.window_actual import MAX_STATED, StatedFinding, Status, Verdict, WindowActual
from tests.headend.vee.declaring import stated_findings
from tests.headend.vee.judged import EIGHT, one
from tests.headend.vee.world import Gateway, at, premises, readings, register, span


def said(
    rule: str = "V32", block: str = "10:15", verdict: Verdict = Verdict.SUSPECT, version: int = 1
) -> StatedFinding:
    return StatedFinding(rule=rule, version=version, block_utc=at(block), verdict=verdict)


def case(*stated: StatedFinding, **fields: Any) -> WindowCase:
    """A balanced window with findings stated about it."""
    gateway = Gateway()
    gateway.state("10:00", readings(EIGHT), registers=[register("10:00", 0), register("12:00", 800)])
    return replace(premises(gateway).case(), stated=stated, **fields)


def test_a_stated_suspect_makes_its_block_suspect_and_the_window_pending_with_its_reason() -> None:
    judgement = judge(case(said()))
    assert (judgement.status, judgement.totals) == (Status.PENDING, None)
    assert judgement.reason == "1 of 8 blocks suspect; V32 ORIGIN is stated"
    assert judgement.stated == (said(),)
    (part,) = judgement.parts
    assert (part.counts.valid, part.counts.suspect, part.measured_import_wh) == (7, 1, 700)


def test_a_finding_is_about_the_block_that_holds_its_instant() -> None:
    for text in ("10:15", "10:20", "10:29:59"):
        (part,) = validated(case(said(block=text)))
        assert [interval.quality.name[0] for interval in part.intervals] == ["V", "S", *["V"] * 6]


def test_a_finding_is_about_the_part_that_holds_its_instant() -> None:
    usual = case(said(block="11:30"))
    halves = tuple(replace(usual.parts[0], span=span(*edges)) for edges in (("10:00", "11:00"), ("11:00", "12:00")))
    first, second = judge(replace(usual, parts=halves)).parts
    assert (first.counts.suspect, second.counts.suspect) == (0, 1)
    # Another meter may measure the other part: what is said of it takes nothing from this one, not even an estimate.
    (batch,) = usual.parts[0].batches
    assert batch.opening is not None
    columns = Columns.of(readings((100, None, 100, 100, 100, 100, 100, 100)))
    holed = replace(batch, opening=replace(batch.opening, columns=columns))
    first, second = judge(replace(usual, parts=tuple(replace(half, batches=(holed,)) for half in halves))).parts
    assert (first.counts.estimated, second.counts.suspect) == (1, 1)


@pytest.mark.parametrize("rule", sorted(STATED))
def test_a_note_changes_nothing_and_is_carried(rule: str) -> None:
    entry = said(rule, verdict=Verdict.VALID)
    judgement = judge(case(entry))
    assert judgement.status is Status.FINAL
    assert judgement.stated == (entry,)
    assert judgement == replace(judge(case()), stated=(entry,))


@pytest.mark.parametrize("rule", sorted(STATED))
def test_no_rule_says_more_than_it_may(rule: str) -> None:
    for verdict in Verdict:
        if verdict <= STATED[rule].worst:
            assert judge(case(said(rule, verdict=verdict))).stated == (said(rule, verdict=verdict),)
        else:
            with pytest.raises(RuleSetError, match=f"stated finding {rule} .*: expected at worst"):
                judge(case(said(rule, verdict=verdict)))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_nothing_stated_makes_a_suspect_or_missing_block_valid(verdict: Verdict) -> None:
    gateway = Gateway()
    gateway.state("10:00", readings((None, 100, 100, 100, 100, 100, 100, 100)))
    gateway.state("10:15", readings((101,)))
    usual = premises(gateway).case()
    entries = [said(rule, block, min(verdict, STATED[rule].worst)) for rule in STATED for block in ("10:00", "10:15")]
    before, after = judge(usual), judge(replace(usual, stated=tuple(entries)))
    assert (before.parts[0].counts.suspect, before.parts[0].counts.missing) == (1, 1)
    assert after.parts == before.parts


@pytest.mark.parametrize(
    ("entry", "rules"),
    [
        (said("V23"), DEFAULT_RULE_SET),
        (said("E1"), DEFAULT_RULE_SET),
        (said("V99"), DEFAULT_RULE_SET),
        (said(version=2), DEFAULT_RULE_SET),
        (said(), RULE_SET_1),
    ],
)
def test_only_what_the_set_states_can_be_stated(entry: StatedFinding, rules: Any) -> None:
    with pytest.raises(RuleSetError, match="the rule set states nothing by version"):
        judge(case(entry, rule_set=rules))


def test_findings_are_stated_once_each_in_order_inside_the_window() -> None:
    rule = Rule(id="V32", version=1, parameters={})

    def found(block: str | None, verdict: Verdict) -> Any:
        where = None if block is None else at(block)
        return finding(rule, "ORIGIN", verdict, "", numbers={}, block_utc=where)

    stated = stated_findings(
        [
            found("11:00", Verdict.SUSPECT),
            found("10:00", Verdict.SUSPECT),
            found("10:00", Verdict.VALID),
            found(None, Verdict.SUSPECT),
            found("09:45", Verdict.SUSPECT),
            found("12:00", Verdict.SUSPECT),
        ],
        span("10:00", "12:00"),
    )
    assert stated == (said(block="10:00"), said(block="11:00"))


def test_one_content_has_one_form() -> None:
    entries = [said(block="11:00"), said("V25", "11:30"), said(block="10:00"), said(block="11:00")]
    assert in_order(entries) == (said("V25", "11:30"), said(block="10:00"), said(block="11:00"))
    assert judge(case(*entries)) == judge(case(*reversed(entries)))


def test_what_is_newly_stated_is_a_revision_and_the_same_is_none() -> None:
    decision = decide(case(), bytes(32))
    first = build(decision, None, bytes(16))
    assert first is not None
    previous: Any = type("Previous", (), {"statement": first, "digest": bytes(32)})()
    assert build(decision, previous, bytes(16)) is None
    second = build(decide(case(said()), bytes(32)), previous, bytes(16))
    assert second is not None
    assert (second.status, second.stated) == (Status.PENDING, (said(),))
    assert WindowActual.parse(second.payload()) == second


def test_more_than_a_statement_holds_leaves_the_window_pending_without_parts() -> None:
    entries = [replace(said(verdict=Verdict.VALID), block_utc=at("10:00") + place) for place in range(MAX_STATED + 1)]
    fits = decide(case(*entries[:-1]), bytes(32))
    assert fits.judgement.status is Status.FINAL
    decision: Decision = decide(case(*entries), bytes(32))
    assert (decision.judgement.status, decision.judgement.parts, decision.judgement.stated) == (Status.PENDING, (), ())


def test_the_usual_case_states_nothing() -> None:
    assert one().case().stated == judge(one().case()).stated == ()
