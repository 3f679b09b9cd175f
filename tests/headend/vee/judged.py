"""What one rule says of the usual window."""

from collections.abc import Sequence
from typing import Any

from headend.readings import Finding
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.windows import validated
from signing.interval import Interval
from signing.statements.reading import Reading
from signing.statements.rule_set import RuleSet
from tests.headend.vee.world import Gateway, Premises, at, premises, readings

EIGHT = (100,) * 8
QUARTERS = ["10:00", "10:15", "10:30", "10:45", "11:00", "11:15", "11:30", "11:45"]


def findings(
    home: Premises, rule: str, rule_set: RuleSet = DEFAULT_RULE_SET, window: Interval | None = None
) -> tuple[Finding, ...]:
    """What one rule says of the usual window, or of another."""
    (part,) = validated(home.case(window, rule_set))
    return tuple(finding for finding in part.validation.findings if finding.rule == rule)


def blocks(found: Sequence[Finding]) -> list[str]:
    """The blocks that findings are about, by clock time."""
    quarters = {at(text): text for text in QUARTERS}
    return [quarters[finding.block_utc] for finding in found if finding.block_utc is not None]


def qualities(home: Premises) -> list[str]:
    """The quality of every block of the usual window, by initial."""
    (part,) = validated(home.case())
    return [interval.quality.name[0] for interval in part.intervals]


def one(rows: Sequence[Reading] | None = None, **fields: Any) -> Premises:
    """Premises with one batch over the usual window."""
    gateway = Gateway()
    gateway.state("10:00", rows or readings(EIGHT), **fields)
    return premises(gateway)
