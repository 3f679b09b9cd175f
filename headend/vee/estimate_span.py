"""The task of estimating one validated span, taken from what validation left of it.

What is VALID, or stated by an edit, is known; what is missing or SUSPECT is a hole. Registers count only where each edge has one value and none rolled over.
Source: VEE §B; docs/vee-rules.md "Estimates".
"""

from collections.abc import Sequence

from headend.readings import Quality, ValidatedInterval
from headend.vee.bound_rules import most_export_wh, most_import_wh, most_wh
from headend.vee.declared import Channel
from headend.vee.estimate import Filled, KnownBlock, Limits, Task, linear
from headend.vee.rule import Material
from headend.vee.ruleset import methods_of
from signing.statements.meter_record import Fact
from signing.statements.reading import Flag
from signing.statements.reading_batch import Register
from signing.statements.rule_set import RuleSet

_PERMILLE = 1000
UNSUPPLIED = Flag.POWER_FAIL | Flag.FILLER
"""Flags of a block in which the supply failed: its value is actual, and no pattern for another."""


def interpolated(material: Material, intervals: Sequence[ValidatedInterval], rule_set: RuleSet) -> tuple[Filled, ...]:
    """What E1 makes of the missing blocks of a context, import first; nothing where the set has no E1, or a block is SUSPECT.

    A SUSPECT block waits for somebody to look at it: an estimate in an actual must not hide it, nor rest on it. Export stays absent where E1
    cannot give it, and both do where it cannot give the import.
    """
    method = methods_of(rule_set).get("E1")
    holes = any(interval.quality is Quality.MISSING for interval in intervals)
    if method is None or not holes or any(interval.quality is Quality.SUSPECT for interval in intervals):
        return ()
    found = []
    for channel in Channel:
        task = span_task(material, intervals, rule_set, channel)
        filling = None if task is None else linear(task, method.parameters["most_s"])
        if filling is None:
            break
        found.append(filling)
    return tuple(found)


def span_task(
    material: Material, intervals: Sequence[ValidatedInterval], rule_set: RuleSet, channel: Channel
) -> Task | None:
    """The task of one channel of the material's context; none where the meter does not record the channel, or not in every known block."""
    inside = tuple(interval for interval in intervals if material.context.contains(interval.block))
    blocks = tuple(_known(interval, channel) for interval in inside)
    valid = [interval.is_known for interval in inside]
    lacking = sum(is_valid and block.wh is None for is_valid, block in zip(valid, blocks, strict=True))
    if lacking:
        return None
    rise = _rise(material, channel)
    if rise is None and channel is Channel.EXPORT and not any(valid):
        return None
    balance = rule_set.rule("V23")
    tolerance = 0
    if balance is not None and rise is not None:
        tolerance = max(balance.parameters["digit_wh"], balance.parameters["tolerance_permille"] * rise // _PERMILLE)
    return Task(
        channel=channel,
        period_s=material.period_s,
        blocks=blocks,
        rise_wh=rise,
        tolerance_wh=tolerance,
        limits=_limits(material, rule_set, channel),
    )


def _known(interval: ValidatedInterval, channel: Channel) -> KnownBlock:
    wh = interval.import_wh if channel is Channel.IMPORT else interval.export_wh
    return KnownBlock(
        start_utc=interval.block.start_utc,
        wh=wh if interval.is_known else None,
        is_pattern=interval.quality is Quality.VALID and not interval.flags & UNSUPPLIED,
    )


def _rise(material: Material, channel: Channel) -> int | None:
    """By how much the register rose over the context; absent without one value at each edge, or where it rolled over."""
    edges = [
        {value for register in material.registers.get(at, ()) if (value := _energy(register, channel)) is not None}
        for at in (material.context.start_utc, material.context.end_utc)
    ]
    rolled = any(copy.reading.flags & Flag.ROLLED_OVER for _, copy in material.copies)
    if rolled or any(len(values) != 1 for values in edges) or not material.context.is_measurable(material.period_s):
        return None
    return edges[1].pop() - edges[0].pop()


def _energy(register: Register, channel: Channel) -> int | None:
    return register.import_wh if channel is Channel.IMPORT else register.export_wh


def _limits(material: Material, rule_set: RuleSet, channel: Channel) -> Limits:
    facts = {fact for start in material.grid() if (fact := material.record.fact(start)) is not None}
    bounds = [bound for fact in facts if (bound := _most(rule_set, channel, fact, material.period_s)) is not None]
    spike = rule_set.rule("V20")
    floors = [] if spike is None else [_floor(spike.parameters["least_w"], fact, material.period_s) for fact in facts]
    return Limits(
        most_wh=min(bounds, default=None),
        spike_permille=None if spike is None else spike.parameters["most_permille"],
        spike_floor_wh=min(floors, default=0),
    )


def _most(rule_set: RuleSet, channel: Channel, fact: Fact, period_s: int) -> int | None:
    if channel is Channel.IMPORT:
        rule = rule_set.rule("V17")
        return None if rule is None else most_import_wh(rule, fact, period_s)
    rule = rule_set.rule("V18")
    return None if rule is None else most_export_wh(rule, fact, period_s)


def _floor(watts: int, fact: Fact, period_s: int) -> int:
    return most_wh(watts, _PERMILLE, fact, period_s) or 0
