"""The rule set that a discom starts with, and the check that this program can judge by a given one.

Source: docs/wire-format.md §4.4; docs/vee-rules.md.
"""

from headend.vee.rule import KnownRule, RuleSetError
from headend.vee.rules import RULES
from signing.statements.rule_set import Rule, RuleSet

BINDING = frozenset({"V03", "V05", "V15", "V23"})
"""Rules that no rule set may leave out: a fork, a conflict or a hole is never a measurement, and FINAL means balanced."""

DEFAULT_RULE_SET = RuleSet(
    name="sakshi-vee",
    version=1,
    rules=tuple(
        Rule(id=known.id, version=known.version, parameters=dict(known.defaults))
        for known in sorted(RULES.values(), key=lambda known: known.id)
    ),
)


def judged_by(rule_set: RuleSet) -> tuple[tuple[KnownRule, Rule], ...]:
    """Each rule of the set with this program's knowledge of it, in the order in which they are asked.

    Raises:
        RuleSetError: a rule, version or parameter that this program does not know, or a binding rule left out; what cannot be
            recomputed must not pass for judged.
    """
    missing = BINDING - {rule.id for rule in rule_set.rules}
    if missing:
        raise RuleSetError(f"rule set {rule_set.name!r} leaves out {', '.join(sorted(missing))}: add them")
    pairs = [(_known(rule), rule) for rule in rule_set.rules]
    return tuple(sorted(pairs, key=lambda pair: (pair[0].stage, pair[0].id)))


def _known(rule: Rule) -> KnownRule:
    known = RULES.get(rule.id)
    if known is None or known.version != rule.version:
        raise RuleSetError(f"rule {rule.id} version {rule.version} is not known here: use a newer release")
    if rule.parameters.keys() != known.defaults.keys():
        expected = ", ".join(sorted(known.defaults)) or "none"
        raise RuleSetError(
            f"expected the parameters {expected} for rule {rule.id}, got {', '.join(sorted(rule.parameters))}"
        )
    return known
