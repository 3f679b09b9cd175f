"""Rules that judge the meter's clock: by what the headers measured, and by what the meter said.

Only checks count that compared the clock with something: a header without an offset says nothing either way. From version 2 of V09 and V10
on, neither does one whose gateway had no reference itself: its own clock may be the one that is wrong.
Source: docs/vee-rules.md V08, V09, V10; EVIDENCE P10.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from headend.readings import Finding
from headend.vee.rule import Material, Standing, finding
from signing.evidence import Block, Copy
from signing.interval import MAX_INSTANT, ist_text
from signing.statements.reading import Provenance
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Verdict

_MS_PER_S = 1000
_PERMILLE = 1000

_Reason: TypeAlias = tuple[tuple[str, int], str]
"""One number with its name, and the finding in words."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Check:
    """One comparison of the meter's clock with a reference: meter minus reference at `read_at_utc`."""

    read_at_utc: int
    offset_ms: int
    batch: bytes

    @property
    def ahead_s(self) -> int:
        """How far a fast meter stamps ahead, in whole seconds rounded up; 0 for a slow one."""
        return max(0, -(-self.offset_ms // _MS_PER_S))


def offset(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V09 CLOCK: the meter's clock is right whenever it is checked.

    Off by more than `warn_s`: a note. Off by more than `fail_s`: since the last good check, and until the next one, no block can be
    told from its neighbour; they are SUSPECT.
    """
    fail_ms = rule.parameters["fail_s"] * _MS_PER_S
    checks = sorted(check for chain in material.chains for check in _checks(chain, rule))
    good = [check.read_at_utc for check in checks if abs(check.offset_ms) <= fail_ms]
    doubted: dict[int, Finding] = {}
    reached: dict[int, int] = {}
    for check in checks:
        if abs(check.offset_ms) <= fail_ms:
            continue
        before, after = bisect_left(good, check.read_at_utc), bisect_right(good, check.read_at_utc)
        since = good[before - 1] if before else 0
        until = good[after] if after < len(good) else MAX_INSTANT
        until = max(until, check.read_at_utc + check.ahead_s)
        # What an earlier check since the same good one doubts is not gone through again: a clock may be wrong for weeks of checks.
        for start in material.between(max(since, reached.get(since, 0) + material.period_s - 1), until):
            if start not in doubted:
                doubted[start] = _clock(rule, start, check, Verdict.SUSPECT)
        reached[since] = max(until, reached.get(since, 0))
    return _notes(material, rule, fail_ms) + tuple(doubted[start] for start in sorted(doubted))


def offset_by_reference(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V09 CLOCK, version 2: the gateway's clock counts only where it is itself checked, to `least_source_rank` or better.

    A block of a meter without memory is what the gateway's clock made it: without a reference it is SUSPECT, unless a copy by a gateway that
    had one agrees. A batch of a meter with memory is noted when its offset proves nothing.
    """
    least = rule.parameters["least_source_rank"]
    unproven = [
        finding(
            rule,
            "CLOCK",
            Verdict.SUSPECT,
            f"the clock that cut the block of {ist_text(block.start_utc)} had no reference",
            numbers={"source_rank": max(copy.batch.header.clock_source for copy in _stating(block))},
            block_utc=block.start_utc,
        )
        for block in material.blocks
        if _stating(block) and all(_is_cut_blindly(copy, least) for copy in _stating(block))
    ]
    return offset(material, rule) + _unreferenced(material, rule) + tuple(unproven)


def length(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V08 LEN: a block lasts as long as it says, within `most_permille`.

    Two checks that follow one another tell by how much the meter's clock ran or was moved between them. Spread over the time between, or over
    one block where that is longer, it is the most by which a block can be too long or too short.
    """
    reasons: dict[int, _Reason] = {}
    for chain in material.chains:
        for before, after in pairwise(_checks(chain, rule)):
            drift_ms = after.offset_ms - before.offset_ms
            over_s = max(after.read_at_utc - before.read_at_utc, material.period_s)
            if abs(drift_ms) * _PERMILLE > rule.parameters["most_permille"] * over_s * _MS_PER_S:
                until = after.read_at_utc + max(before.ahead_s, after.ahead_s)
                because = (
                    f"the meter's clock went {drift_ms} ms astray in {over_s} s before {ist_text(after.read_at_utc)}"
                )
                for start in material.between(before.read_at_utc, until):
                    reasons.setdefault(start, (("drift_ms", drift_ms), because))
    return tuple(
        finding(rule, "LEN", Verdict.SUSPECT, because, numbers=dict([number]), block_utc=start)
        for start, (number, because) in sorted(reasons.items())
    )


def change(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V10 CLKSET: where the clock was set, stepped or doubtful, the block and its neighbours are SUSPECT.

    Either a copy carries one of `flag_bits`, or two checks of one chain that follow one another differ by more than `step_s`: then the
    step lies between them, in the meter's stamps.
    """
    reasons: dict[int, _Reason] = {}
    for start, copy in material.copies:
        bits = copy.reading.flags & rule.parameters["flag_bits"]
        if bits:
            because = f"the meter's clock was set or is doubtful at {ist_text(start)}"
            reasons.setdefault(start, (("flag_bits", bits), because))
    for chain in material.chains:
        for before, after in pairwise(_checks(chain, rule)):
            step_ms = after.offset_ms - before.offset_ms
            if abs(step_ms) > rule.parameters["step_s"] * _MS_PER_S:
                until = after.read_at_utc + max(before.ahead_s, after.ahead_s)
                because = f"the meter's clock stepped by {step_ms} ms before {ist_text(after.read_at_utc)}"
                for start in material.between(before.read_at_utc, until):
                    reasons.setdefault(start, (("step_ms", step_ms), because))
    around = _with_neighbours(reasons, rule.parameters["neighbour_blocks"] * material.period_s, material.period_s)
    return tuple(
        finding(
            rule,
            "CLKSET",
            Verdict.SUSPECT,
            around[start][1],
            numbers=dict([around[start][0]]),
            block_utc=start,
        )
        for start in material.grid()
        if start in around
    )


def _checks(chain: Standing, rule: Rule) -> list[_Check]:
    """The comparisons that count, by time. A version that does not ask for a reference has no `least_source_rank`."""
    least = rule.parameters.get("least_source_rank", 0)
    return sorted(
        _Check(read_at_utc=batch.header.read_at_utc, offset_ms=batch.header.clock_offset_ms, batch=batch.digest)
        for batch in chain.counting
        if batch.header.clock_offset_ms is not None and batch.header.clock_source >= least
    )


def _stating(block: Block) -> tuple[Copy, ...]:
    """The copies that hold a value."""
    return tuple(copy for copy in block.copies if copy.reading.import_wh is not None)


def _is_cut_blindly(copy: Copy, least_source_rank: int) -> bool:
    is_sampled = copy.reading.provenance is Provenance.SAMPLED
    return is_sampled and copy.batch.header.clock_source < least_source_rank


def _unreferenced(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """One note for each batch of a meter with memory whose offset counts for nothing."""
    stating = {copy.batch.digest: copy.batch for _, copy in material.copies}
    return tuple(
        finding(
            rule,
            "CLOCK",
            Verdict.VALID,
            f"the gateway had no reference for its own clock at {ist_text(batch.header.read_at_utc)}",
            numbers={"read_at_utc": batch.header.read_at_utc, "source_rank": int(batch.header.clock_source)},
            batch=digest,
        )
        for digest, batch in sorted(stating.items())
        if batch.header.clock_offset_ms is not None and batch.header.clock_source < rule.parameters["least_source_rank"]
    )


def _notes(material: Material, rule: Rule, fail_ms: int) -> tuple[Finding, ...]:
    """One note for each batch with a block of the context whose clock was off by more than the warning."""
    stating = {copy.batch.digest for _, copy in material.copies}
    warn_ms = rule.parameters["warn_s"] * _MS_PER_S
    return tuple(
        _clock(rule, None, check, Verdict.VALID)
        for chain in material.chains
        for check in _checks(chain, rule)
        if check.batch in stating and warn_ms < abs(check.offset_ms) <= fail_ms
    )


def _clock(rule: Rule, start: int | None, check: _Check, verdict: Verdict) -> Finding:
    return finding(
        rule,
        "CLOCK",
        verdict,
        f"the meter's clock was off by {check.offset_ms} ms at {ist_text(check.read_at_utc)}",
        numbers={"offset_ms": check.offset_ms, "read_at_utc": check.read_at_utc},
        block_utc=start,
        batch=check.batch,
    )


def _with_neighbours(reasons: dict[int, _Reason], reach_s: int, period_s: int) -> dict[int, _Reason]:
    around: dict[int, _Reason] = {}
    for start, reason in sorted(reasons.items()):
        for near in range(start - reach_s, start + reach_s + 1, period_s):
            around.setdefault(near, reason)
    return around
