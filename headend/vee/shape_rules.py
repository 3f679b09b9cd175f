"""Rules that judge how energies follow one another: spikes, stuck values, days of nothing.

They look at whole stretches of the context, so they say nothing where the bundle does not reach far enough. Durations are in seconds: one
parameter serves blocks of every length. Source: docs/vee-rules.md V20, V21, V22.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from headend.readings import Finding
from headend.vee.bound_rules import most_wh
from headend.vee.event_rules import flagged
from headend.vee.rule import Material, finding
from signing.evidence import Block
from signing.interval import DAY_S, ist_text
from signing.statements.reading import Flag
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Verdict

_PERMILLE = 1000
_THIRD = 2
_UNSUPPLIED = Flag.POWER_FAIL | Flag.FILLER

Series: TypeAlias = Mapping[int, int]
"""Energies in Wh by block start, ascending; blocks without a value are left out."""


def channels(blocks: Sequence[Block]) -> tuple[tuple[str, Series], ...]:
    """Import and export of the blocks that have a value."""
    return (
        ("import", {block.start_utc: block.import_wh for block in blocks if block.import_wh is not None}),
        ("export", {block.start_utc: block.export_wh for block in blocks if block.export_wh is not None}),
    )


def spike(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V20 SPIKE: in an IST day that lies wholly in the context, the highest block towers over the third highest.

    Only a block above `least_w` can be one: a kettle in an empty house towers over everything and is no error.
    """
    findings = []
    for day in material.context.ist_days():
        fact = material.record.fact(day.start_utc)
        if day.length_s < DAY_S or fact is None:
            continue
        floor = most_wh(rule.parameters["least_w"], _PERMILLE, fact, material.period_s) or 0
        for channel, series in channels(material.blocks):
            inside = {start: wh for start, wh in series.items() if day.start_utc <= start < day.end_utc}
            for start in spikes(inside, rule.parameters["most_permille"], floor):
                third = sorted(inside.values())[-1 - _THIRD]
                because = f"{channel} of {inside[start]} Wh, the third highest block of the day is {third} Wh"
                numbers = {"highest_wh": inside[start], "third_wh": third}
                findings.append(finding(rule, "SPIKE", Verdict.SUSPECT, because, numbers=numbers, block_utc=start))
    return tuple(findings)


def spikes(day: Series, most_permille: int, floor_wh: int) -> tuple[int, ...]:
    """The starts of the highest blocks of a day, if they lie above `floor_wh` and by more than `most_permille` above the third."""
    ordered = sorted(day.values(), reverse=True)
    if len(ordered) <= _THIRD:
        return ()
    highest, third = ordered[0], ordered[_THIRD]
    towers = (highest - third) * _PERMILLE > most_permille * third and highest > floor_wh
    return tuple(start for start, wh in day.items() if wh == highest) if towers else ()


def flat(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V21 FLAT: the same energy block after block: a note from `warn_blocks` on, SUSPECT from `fail_s` on.

    Below `least_wh` whole Wh are too coarse to tell a steady load from a stuck value.
    """
    findings: list[Finding] = []
    for channel, series in channels(material.blocks):
        for starts in _runs(series, material.period_s):
            wh, blocks = series[starts[0]], len(starts)
            if wh < rule.parameters["least_wh"] or blocks < rule.parameters["warn_blocks"]:
                continue
            because = f"{channel} of {wh} Wh {blocks} times from {ist_text(starts[0])}"
            numbers = {"blocks": blocks, "since_utc": starts[0], "wh": wh}
            if blocks * material.period_s < rule.parameters["fail_s"]:
                findings.append(finding(rule, "FLAT", Verdict.VALID, because, numbers=numbers))
            else:
                findings += [
                    finding(rule, "FLAT", Verdict.SUSPECT, because, numbers=numbers, block_utc=start)
                    for start in starts
                ]
    return tuple(findings)


def zero_run(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V22 ZERO: nothing either way for `fail_s` on a meter that is in use: energy in another block, or a register that rose.

    A block in which the supply failed ends a run: nothing could flow.
    """
    if not _is_used(material):
        return ()
    unsupplied = flagged(material, _UNSUPPLIED)
    energies = {
        block.start_utc: block.import_wh + (block.export_wh or 0)
        for block in material.blocks
        if block.import_wh is not None and block.start_utc not in unsupplied
    }
    findings: list[Finding] = []
    for starts in _runs(energies, material.period_s):
        if energies[starts[0]] == 0 and len(starts) * material.period_s >= rule.parameters["fail_s"]:
            because = f"nothing drawn or given in {len(starts)} blocks from {ist_text(starts[0])}"
            numbers = {"blocks": len(starts), "since_utc": starts[0]}
            findings += [
                finding(rule, "ZERO", Verdict.SUSPECT, because, numbers=numbers, block_utc=start) for start in starts
            ]
    return tuple(findings)


def _runs(series: Series, period_s: int) -> Iterator[list[int]]:
    """Stretches of neighbouring blocks with one energy, ascending."""
    places = enumerate(series.items())
    for _, rows in groupby(places, key=lambda row: (row[1][0] - row[0] * period_s, row[1][1])):
        yield [start for _, (start, _) in rows]


def _is_used(material: Material) -> bool:
    if any(block.import_wh or block.export_wh for block in material.blocks):
        return True
    stated = [register for registers in material.registers.values() for register in registers]
    imports = {register.import_wh for register in stated if register.import_wh is not None}
    exports = {register.export_wh for register in stated if register.export_wh is not None}
    return len(imports) > 1 or len(exports) > 1
