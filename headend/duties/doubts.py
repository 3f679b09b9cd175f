"""What rules without evidence in a bundle say of spans of a meter's time, as the actuals that they touch state it. Pure.

Source: EVIDENCE §4 (`stated`), §5 (8); docs/vee-rules.md "Stated rules".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headend.vee.ruleset import stated_by
from headend.vee.stated import in_order
from headend.vee.stated_rules import OriginDoubt
from signing.evidence import PartCase
from signing.interval import Interval
from signing.statements.rule_set import Rule, RuleSet
from signing.statements.window_actual import StatedFinding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Doubt:
    """One rule's word about a span of one meter's time."""

    rule: str
    version: int
    from_utc: int
    until_utc: int | None
    """None: without end."""
    verdict: Verdict
    because: str

    def covers(self, block: Interval) -> bool:
        """Whether any of a block lies in the span."""
        return block.end_utc > self.from_utc and (self.until_utc is None or block.start_utc < self.until_utc)


def doubts_of(found: Iterable[OriginDoubt], rule: Rule) -> tuple[Doubt, ...]:
    """V32's doubts, one for each span: the words are those of its first stamp."""
    spans: dict[int, Doubt] = {}
    for doubt in found:
        spans.setdefault(
            doubt.from_utc,
            Doubt(
                rule=rule.id,
                version=rule.version,
                from_utc=doubt.from_utc,
                until_utc=doubt.until_utc,
                verdict=Verdict.SUSPECT,
                because=doubt.because,
            ),
        )
    return tuple(spans[start] for start in sorted(spans))


def stated_in(
    doubts: Mapping[str, Sequence[Doubt]], parts: Iterable[PartCase], rule_set: RuleSet
) -> tuple[StatedFinding, ...]:
    """The findings that an actual with these parts states, by the doubts about its meters. Rules that the set does not state are left out.

    Raises:
        RuleSetError: this program cannot judge by the set.
    """
    if not any(doubts.values()):
        return ()
    known = {(name, rule.version) for name, (_, rule) in stated_by(rule_set).items()}
    found = []
    for part in parts:
        fact = part.record.fact(part.span.start_utc)
        if fact is None:
            continue
        for doubt in doubts.get(part.record.meter, ()):
            if (doubt.rule, doubt.version) not in known:
                continue
            found += [
                StatedFinding(rule=doubt.rule, version=doubt.version, block_utc=start, verdict=doubt.verdict)
                for start in part.span.block_starts(fact.period_s)
                if doubt.covers(Interval(start, start + fact.period_s))
            ]
    return in_order(found)
