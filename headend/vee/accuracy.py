"""How wrong estimates are: known blocks are hidden, estimated by each method, and compared with what was measured.

Only measured days take part, so the answer says nothing of what follows a fault. Source: VEE §E; docs/vee-rules.md "Estimates".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headend.vee.declared import Channel, History, HistoryDay
from headend.vee.estimate import KnownBlock, Limits, Task
from headend.vee.estimate_order import Known, estimated_by
from headend.vee.ruleset import DEFAULT_RULE_SET
from signing.statements.rule_set import RuleSet

LENGTHS = (1, 4, 8, 9, 96)
"""Lengths of gaps in blocks: one, an hour, E1's limit, just over it, a day; of quarters of an hour."""

_MILLI = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One method at one length of gap, over all gaps that it filled."""

    method: str
    length: int
    """Blocks of a gap."""
    gaps: int
    """How many were filled."""
    refused: int
    """How many the method did not apply to, or could not fill within the rules."""
    error_wh: int
    """Sum of abs(estimated - measured) over all hidden blocks."""
    measured_wh: int
    within: int
    """How many hidden blocks were measured between the bounds of their estimates."""

    @property
    def mean_error_mwh(self) -> int:
        """Mean absolute error of a block in thousandths of a Wh, rounded down; 0 where nothing was filled."""
        return self.error_wh * _MILLI // max(1, self.gaps * self.length)

    @property
    def within_permille(self) -> int:
        """How many of a thousand hidden blocks lay within their bounds, rounded down."""
        return self.within * _MILLI // max(1, self.gaps * self.length)


def without_limit(rule_set: RuleSet = DEFAULT_RULE_SET) -> RuleSet:
    """The set with E1 unlimited, so that a length beyond its limit can be measured too."""
    rules = (
        replace(rule, parameters={**rule.parameters, "most_s": 2**31}) for rule in rule_set.rules if rule.id == "E1"
    )
    changed = {rule.id: rule for rule in rules}
    return replace(rule_set, rules=tuple(changed.get(rule.id, rule) for rule in rule_set.rules))


def accuracy(
    history: History,
    known: Known,
    channel: Channel,
    *,
    methods: Sequence[str],
    lengths: Sequence[int] = LENGTHS,
    stride: int = 7,
    digit_wh: int = 1,
    rule_set: RuleSet = DEFAULT_RULE_SET,
) -> tuple[Accuracy, ...]:
    """Each method at each length, over gaps that begin `stride` blocks apart in every day but the first and the last.

    A gap lies in one day; the registers that enclose it stand at midnight before and after its neighbouring days and show whole multiples of
    `digit_wh`. A method sees the days before the gap's, never the gap.
    """
    return tuple(
        _measured(method, length, _gaps(history, channel, length, stride, digit_wh), known, rule_set)
        for method in methods
        for length in lengths
    )


@dataclass(frozen=True, slots=True)
class _Gap:
    task: Task
    truth: tuple[int, ...]
    history: History


def _measured(method: str, length: int, gaps: Iterator[_Gap], known: Known, rule_set: RuleSet) -> Accuracy:
    filled = refused = error = measured = within = 0
    for gap in gaps:
        found = estimated_by(method, gap.task, replace(known, history=gap.history), rule_set)
        if found is None:
            refused += 1
            continue
        filled += 1
        for estimate, truth in zip(found.estimates, gap.truth, strict=True):
            error += abs(estimate.wh - truth)
            measured += truth
            within += estimate.low_wh <= truth and (estimate.high_wh is None or truth <= estimate.high_wh)
    return Accuracy(
        method=method,
        length=length,
        gaps=filled,
        refused=refused,
        error_wh=error,
        measured_wh=measured,
        within=within,
    )


def _gaps(history: History, channel: Channel, length: int, stride: int, digit_wh: int) -> Iterator[_Gap]:
    days = history.days
    total = 0
    for place in range(1, len(days) - 1):
        around = [days[place + step].series(channel) for step in (-1, 0, 1)]
        series = [values for values in around if values is not None]
        if len(series) < len(around):
            continue
        for first in range(0, len(series[1]) - length + 1, stride):
            blocks = _with_a_hole(days[place - 1], series, len(series[0]) + first, length)
            truth = series[1][first : first + length]
            task = _task(channel, days[place], blocks, (total, sum(map(sum, series))), digit_wh)
            yield _Gap(task=task, truth=truth, history=History(days=days[:place]))
        total += sum(series[0])


def _with_a_hole(
    before: HistoryDay, series: Sequence[tuple[int, ...]], first: int, length: int
) -> tuple[KnownBlock, ...]:
    values = [wh for day in series for wh in day]
    return tuple(
        KnownBlock(
            start_utc=before.start_utc + place * before.period_s,
            wh=None if first <= place < first + length else wh,
            is_pattern=not first <= place < first + length,
        )
        for place, wh in enumerate(values)
    )


def _task(
    channel: Channel, day: HistoryDay, blocks: tuple[KnownBlock, ...], rise: tuple[int, int], digit_wh: int
) -> Task:
    since, wh = rise
    shown = (since + wh) // digit_wh * digit_wh - since // digit_wh * digit_wh
    return Task(
        channel=channel,
        period_s=day.period_s,
        blocks=blocks,
        rise_wh=shown,
        tolerance_wh=digit_wh,
        limits=Limits(most_wh=None, spike_permille=None, spike_floor_wh=0),
    )
