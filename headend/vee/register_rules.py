"""Rules that judge the cumulative registers, and the blocks by them.

Source: docs/vee-rules.md V23, V24.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TypeAlias

from headend.readings import Finding
from headend.vee.rule import Material, finding
from signing.evidence import BlockState
from signing.interval import ist_text
from signing.statements.reading import Flag
from signing.statements.reading_batch import Register
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Verdict

_PERMILLE = 1000

Energy: TypeAlias = Callable[[Register], int | None]


def _imported(register: Register) -> int | None:
    return register.import_wh


def _exported(register: Register) -> int | None:
    return register.export_wh


_CHANNELS: tuple[tuple[str, Energy], ...] = (("import", _imported), ("export", _exported))


def monotone(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V24 ROLL: a cumulative register never falls, is never negative, and has one value for one instant.

    A fall rejects the blocks between the two stamps, unless the meter said that the register rolled over there. Two values for one
    stamp, or a negative one, make the whole context SUSPECT: nobody can say which reading is the false one.
    """
    findings: list[Finding] = []
    rolled = {start for start, copy in material.copies if copy.reading.flags & Flag.ROLLED_OVER}
    for channel, energy in _CHANNELS:
        values = {stamp: _values(registers, energy) for stamp, registers in material.registers.items()}
        for stamp, found in values.items():
            if len(found) > 1 or min(found, default=0) < 0:
                because = f"{channel} register at {ist_text(stamp)} is {' and '.join(map(str, sorted(found)))} Wh"
                numbers = {"stamp_utc": stamp, "values": len(found)}
                findings.append(finding(rule, "ROLL", Verdict.SUSPECT, because, numbers=numbers))
        single = [(stamp, max(found)) for stamp, found in values.items() if len(found) == 1]
        for before, after in pairwise(single):
            if after[1] - before[1] < rule.parameters["least_rise_wh"]:
                findings += _fall(material, rule, channel, (before, after), rolled)
    return tuple(findings)


def balance(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V23 SUM: over the context, the blocks sum to what the registers rose by, import and export separately.

    Within one register digit or so many permille of the rise, whichever is more. It says nothing, and a window is then never
    FINAL, where a register or a block's value is absent, where the stamps cut a block, or where the register rolled over.
    """
    complete = all(block.state is BlockState.VALUED for block in material.blocks)
    if not complete or not material.context.is_measurable(material.period_s):
        return ()
    sums = (
        _sum(block.import_wh for block in material.blocks),
        _sum(block.export_wh for block in material.blocks),
    )
    rolled = any(block.flags & Flag.ROLLED_OVER for block in material.blocks)
    findings = []
    for (channel, energy), (total, partial) in zip(_CHANNELS, sums, strict=True):
        rise = _rise(material, energy)
        if partial or (rise is None and total is not None) or (rise is not None and rise < 0 and rolled):
            return ()
        if rise is not None:
            # A meter that states no export per block, and whose export register rises, contradicts itself: its sum is 0.
            findings.append(_balance(rule, channel, total or 0, rise))
    return tuple(findings)


def _balance(rule: Rule, channel: str, total: int, rise: int) -> Finding:
    difference = abs(total - rise)
    # Compared in thousandths of a Wh: the permille bound is not rounded.
    allowed = max(rule.parameters["digit_wh"] * _PERMILLE, rule.parameters["tolerance_permille"] * rise)
    holds = difference * _PERMILLE <= allowed
    return finding(
        rule,
        "SUM",
        Verdict.VALID if holds else Verdict.SUSPECT,
        f"{channel} blocks sum to {total} Wh, the register rose by {rise} Wh",
        numbers={"difference_wh": difference, "rise_wh": rise, "sum_wh": total},
    )


def _fall(
    material: Material, rule: Rule, channel: str, fall: tuple[tuple[int, int], tuple[int, int]], rolled: set[int]
) -> list[Finding]:
    (since, low), (until, high) = fall
    numbers = {"after_utc": until, "before_utc": since, "rise_wh": high - low}
    because = f"{channel} register rose by {high - low} Wh from {ist_text(since)} to {ist_text(until)}"
    between = material.between(since, until)
    if not rolled.isdisjoint(between):
        return [finding(rule, "ROLL", Verdict.VALID, f"{because}: rolled over", numbers=numbers)]
    return [finding(rule, "ROLL", Verdict.REJECTED, because, numbers=numbers, block_utc=start) for start in between]


def _values(registers: Iterable[Register], energy: Energy) -> set[int]:
    return {value for register in registers if (value := energy(register)) is not None}


def _rise(material: Material, energy: Energy) -> int | None:
    edges = (material.context.start_utc, material.context.end_utc)
    first, last = (_values(material.registers.get(stamp, ()), energy) for stamp in edges)
    return last.pop() - first.pop() if len(first) == len(last) == 1 else None


def _sum(energies: Iterable[int | None]) -> tuple[int | None, bool]:
    """The sum, absent when every energy is; and whether only some are absent."""
    rows = tuple(energies)
    present = [wh for wh in rows if wh is not None]
    return (sum(present) if present else None), 0 < len(present) < len(rows)
