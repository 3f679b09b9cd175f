"""Rules that judge by what the meter said about itself and its supply: outages, faults of the device, tamper events.

Flags count on any copy, with a value or without. Source: docs/vee-rules.md V12, V13, V14.
"""

from headend.readings import Finding
from headend.vee.rule import Material, finding
from signing.interval import ist_text
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Verdict


def outage(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V12 OUTAGE: the supply failed in the block. Its value, often 0, is actual; the day is no pattern for another."""
    return tuple(
        finding(
            rule,
            "OUTAGE",
            Verdict.VALID,
            f"the supply failed in the block of {ist_text(start)}",
            numbers={"flag_bits": bits},
            block_utc=start,
        )
        for start, bits in flagged(material, rule.parameters["flag_bits"]).items()
    )


def device(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V13 DEV: watchdog, memory, test mode or overflow; the meter doubts its own reading."""
    return _around(material, rule, "DEV", "the meter reported a fault of its own")


def tamper(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V14 TAMPER: cover, magnet or other tamper; nobody knows when within the block, so its neighbours are SUSPECT too."""
    return _around(material, rule, "TAMPER", "the meter reported tampering")


def flagged(material: Material, flag_bits: int) -> dict[int, int]:
    """Which of `flag_bits` the copies of each block carry, by block start, ascending; blocks without any are left out."""
    found: dict[int, int] = {}
    for start, copy in material.copies:
        bits = copy.reading.flags & flag_bits
        if bits:
            found[start] = found.get(start, 0) | bits
    return {start: found[start] for start in sorted(found)}


def _around(material: Material, rule: Rule, code: str, words: str) -> tuple[Finding, ...]:
    reach_s = rule.parameters["neighbour_blocks"] * material.period_s
    reasons: dict[int, tuple[int, int]] = {}
    for start, bits in flagged(material, rule.parameters["flag_bits"]).items():
        for near in range(start - reach_s, start + reach_s + 1, material.period_s):
            reasons.setdefault(near, (start, bits))
    return tuple(
        finding(
            rule,
            code,
            Verdict.SUSPECT,
            f"{words} at {ist_text(reasons[start][0])}",
            numbers={"flag_bits": reasons[start][1]},
            block_utc=start,
        )
        for start in material.grid()
        if start in reasons
    )
