"""Findings of rules whose inputs no bundle holds, as they travel in a WindowActual and as they bear on its blocks.

A verifier gives an actual's own stated findings back to the judge: they may take a block away, and never add one.
Source: EVIDENCE §§4, 5 (8); docs/wire-format.md §§4.5, 9; docs/vee-rules.md "Stated rules".
"""

from collections.abc import Iterable

from headend.readings import Finding
from headend.vee.rule import RuleSetError
from headend.vee.ruleset import stated_by
from signing.interval import Interval, floor_to_block, ist_text
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import StatedFinding


def in_order(stated: Iterable[StatedFinding]) -> tuple[StatedFinding, ...]:
    """Each entry once, by rule, version, block and verdict: one form for one content."""
    return tuple(sorted(set(stated), key=lambda entry: (entry.rule, entry.version, entry.block_utc, entry.verdict)))


def stated_of(stated: Iterable[StatedFinding], span: Interval, period_s: int, rule_set: RuleSet) -> tuple[Finding, ...]:
    """The entries about `span`, as findings about the blocks that hold their instants.

    Raises:
        RuleSetError: an entry names no rule that the set states, or says more than its rule may.
    """
    entries = in_order(stated)
    known = stated_by(rule_set) if entries else {}
    findings = []
    for entry in entries:
        rule = known.get(entry.rule)
        name = f"stated finding {entry.rule} at {ist_text(entry.block_utc)}"
        if rule is None or rule[0].version != entry.version:
            raise RuleSetError(f"{name}: the rule set states nothing by version {entry.version} of this rule")
        if entry.verdict > rule[0].worst:
            raise RuleSetError(f"{name}: expected at worst {rule[0].worst.name}, got {entry.verdict.name}")
        if span.start_utc <= entry.block_utc < span.end_utc:
            findings.append(
                Finding(
                    rule=entry.rule,
                    version=entry.version,
                    block_utc=floor_to_block(entry.block_utc, period_s),
                    batch=None,
                    verdict=entry.verdict,
                    code=rule[0].code,
                    numbers=(),
                    because=f"{entry.rule} {rule[0].code} is stated",
                )
            )
    return tuple(findings)
