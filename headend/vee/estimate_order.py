"""The order in which methods are asked: a measurement first, then what rests on the most, then what rests on the least, then nothing.

Source: VEE §B; docs/vee-rules.md "Estimates".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from headend.vee import estimate_series
from headend.vee.declared import Agreement, Channel, Companion, DayKind, Disconnection, History, Profile, Sky
from headend.vee.estimate import Filled, Task, linear
from headend.vee.ruleset import methods_of
from signing.statements.rule_set import Rule, RuleSet

_BY_HABIT = frozenset({"E3", "E4", "E5", "E6"})
_BY_WORD = frozenset({"E7", "E8"})
_LEAST_NEIGHBOURS = 2
"""Of E5 version 1, which has no parameter for it."""
_LEAST_DAYS = 3
"""Of E6 version 1, as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What may be estimated from; what is absent offers no method."""

    companion: Companion | None = None
    history: History | None = None
    kinds: Mapping[int, DayKind] = field(default_factory=dict)
    """The kind of each day to be estimated, by IST midnight."""
    skies: Mapping[int, Sky] = field(default_factory=dict)
    profile: Profile | None = None
    agreement: Agreement | None = None
    disconnections: Sequence[Disconnection] = ()


def estimated(task: Task, known: Known, rule_set: RuleSet) -> Filled | None:
    """What the first method that applies makes of the holes; none (E9) leaves them absent.

    Of an export that no register bounds only an agreement or a disconnection says anything: a seller is not credited by a guess. An open
    connection has no habits.

    Raises:
        RuleSetError: this program cannot judge by the set.
    """
    unasked: frozenset[str] = frozenset()
    if task.channel is Channel.EXPORT and task.rise_wh is None:
        unasked = frozenset(_METHODS) - _BY_WORD
    elif estimate_series.covers(known.disconnections, task):
        unasked = _BY_HABIT
    for name, rule in sorted(methods_of(rule_set).items()):
        if name in unasked:
            continue
        found = _METHODS[name](task, known, rule)
        if found is not None:
            return found
    return None


def estimated_by(method: str, task: Task, known: Known, rule_set: RuleSet) -> Filled | None:
    """What one method alone makes of the holes; none where it does not apply, or the set leaves it out.

    Raises:
        RuleSetError: as `estimated`.
    """
    rule = methods_of(rule_set).get(method)
    return None if rule is None else _METHODS[method](task, known, rule)


def _linear(task: Task, _: Known, rule: Rule) -> Filled | None:
    return linear(task, rule.parameters["most_s"])


def _companion(task: Task, known: Known, _: Rule) -> Filled | None:
    return None if known.companion is None else estimate_series.companion(task, known.companion)


def _like_days(task: Task, known: Known, rule: Rule) -> Filled | None:
    if known.history is None:
        return None
    days, lookback = rule.parameters["days"], rule.parameters["lookback_days"]
    return estimate_series.like_days(task, known.history, known.kinds, days=days, lookback_days=lookback)


def _average_days(task: Task, known: Known, rule: Rule) -> Filled | None:
    if known.history is None:
        return None
    least, lookback = rule.parameters["least_days"], rule.parameters["lookback_days"]
    return estimate_series.average_days(task, known.history, known.kinds, least_days=least, lookback_days=lookback)


def _sunlit(task: Task, known: Known, rule: Rule) -> Filled | None:
    least = rule.parameters.get("least_neighbours", _LEAST_NEIGHBOURS)
    return estimate_series.sunlit(task, known.skies, least_neighbours=least, most_s=rule.parameters["most_s"])


def _category(task: Task, known: Known, rule: Rule) -> Filled | None:
    if known.profile is None:
        return None
    return estimate_series.category(task, known.profile, least_days=rule.parameters.get("least_days", _LEAST_DAYS))


def _agreed(task: Task, known: Known, _: Rule) -> Filled | None:
    return None if known.agreement is None else estimate_series.agreed(task, known.agreement)


def _disconnected(task: Task, known: Known, _: Rule) -> Filled | None:
    return estimate_series.disconnected(task, known.disconnections)


_METHODS: Mapping[str, Callable[[Task, Known, Rule], Filled | None]] = {
    "E1": _linear,
    "E2": _companion,
    "E3": _like_days,
    "E4": _average_days,
    "E5": _sunlit,
    "E6": _category,
    "E7": _agreed,
    "E8": _disconnected,
}
