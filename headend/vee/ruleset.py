"""The rule sets that a discom starts with, and the check that this program can judge by a given one.

A RuleSet says nothing of when it holds: the newest one that stands in the log before an actual judges it, and only order within a log is
a clock. Source: docs/wire-format.md §4.4; docs/vee-rules.md.
"""

from collections.abc import Iterable, Mapping

from headend.vee.rule import KnownMethod, KnownRule, KnownStated, RuleSetError
from headend.vee.rules import KNOWN, KNOWN_METHODS, METHODS, RULES, STATED
from signing.statements.rule_set import Rule, RuleSet

BINDING = frozenset({"V03", "V05", "V15", "V23"})
"""Rules that no rule set may leave out: a fork, a conflict or a hole is never a measurement, and FINAL means balanced."""

_NAME = "sakshi-vee"
_FIRST = ("V03", "V04", "V05", "V06", "V07", "V09", "V10", "V11", "V15", "V16", "V23", "V24")


def _stating(known: Iterable[KnownRule | KnownStated | KnownMethod]) -> tuple[Rule, ...]:
    """The rows of a rule set that holds these with their defaults."""
    return tuple(
        Rule(id=entry.id, version=entry.version, parameters=dict(entry.defaults))
        for entry in sorted(known, key=lambda entry: entry.id)
    )


RULE_SET_1 = RuleSet(name=_NAME, version=1, rules=_stating(KNOWN[rule_id, 1] for rule_id in _FIRST))
"""What the first release judged by. Bundles name it, so it stays as it is to the byte."""

RULE_SET_2 = RuleSet(
    name=_NAME,
    version=2,
    rules=_stating([*RULES.values(), *STATED.values(), *(KNOWN_METHODS[name, 1] for name in METHODS)]),
)
"""What discoms were founded with before the least numbers of E5 and E6 were parameters. As above."""

DEFAULT_RULE_SET = RuleSet(
    name=_NAME, version=3, rules=_stating([*RULES.values(), *STATED.values(), *METHODS.values()])
)


def judged_by(rule_set: RuleSet) -> tuple[tuple[KnownRule, Rule], ...]:
    """Each rule of the set that is recomputed, with this program's knowledge of it, in the order in which they are asked.

    Raises:
        RuleSetError: a rule, version or parameter that this program does not know, or a binding rule left out; what cannot be
            recomputed must not pass for judged.
    """
    missing = BINDING - {rule.id for rule in rule_set.rules}
    if missing:
        raise RuleSetError(f"rule set {rule_set.name!r} leaves out {', '.join(sorted(missing))}: add them")
    pairs = [(known, rule) for rule in rule_set.rules if isinstance(known := _known(rule), KnownRule)]
    return tuple(sorted(pairs, key=lambda pair: (pair[0].stage, pair[0].id)))


def stated_by(rule_set: RuleSet) -> Mapping[str, tuple[KnownStated, Rule]]:
    """The rules of the set that are stated and not recomputed, by id.

    Raises:
        RuleSetError: as `judged_by`.
    """
    pairs = {rule.id: (known, rule) for rule in rule_set.rules if isinstance(known := _known(rule), KnownStated)}
    return dict(sorted(pairs.items()))


def methods_of(rule_set: RuleSet) -> Mapping[str, Rule]:
    """The methods by which the set lets blocks be estimated, by id; one that is left out estimates nothing.

    Raises:
        RuleSetError: as `judged_by`.
    """
    return {rule.id: rule for rule in rule_set.rules if isinstance(_known(rule), KnownMethod)}


def defaults_of(rule: Rule) -> Mapping[str, int]:
    """The parameters that this program would give a rule of a set that it can judge by.

    Raises:
        RuleSetError: as `judged_by`.
    """
    return _known(rule).defaults


def _known(rule: Rule) -> KnownRule | KnownStated | KnownMethod:
    named = (rule.id, rule.version)
    known = KNOWN.get(named) or STATED.get(rule.id) or KNOWN_METHODS.get(named)
    if known is None or known.version != rule.version:
        raise RuleSetError(f"rule {rule.id} version {rule.version} is not known here: use a newer release")
    if rule.parameters.keys() != known.defaults.keys():
        expected = ", ".join(sorted(known.defaults)) or "none"
        raise RuleSetError(
            f"expected the parameters {expected} for rule {rule.id}, got {', '.join(sorted(rule.parameters))}"
        )
    return known
