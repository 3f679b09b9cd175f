"""Rules that hold a block against what its connection can carry, and against the sun.

Readings are as the meter states them; a bound in watts is divided by the record's factors before it is compared. Where the record states no
such bound, the rule says nothing. Source: docs/vee-rules.md V17, V18, V19, V27.
"""

from collections.abc import Mapping

from headend.readings import Finding
from headend.vee.rule import Material, finding
from headend.vee.sun import sine, sine_of_height
from signing.interval import ist_text
from signing.statements.meter_record import Fact
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Verdict

_PERMILLE = 1000
_HOUR_S = 3600
_UDEG_PER_MDEG = 1000


def most_wh(watts: int | None, permille: int, fact: Fact, period_s: int) -> int | None:
    """The most whole Wh, as the meter states them, that `watts` times `permille` can give in one block; absent where `watts` is."""
    if watts is None:
        return None
    numerator, denominator = watts * permille * period_s, _PERMILLE * _HOUR_S
    for ratio in (fact.ct, fact.pt, fact.factor):
        numerator, denominator = numerator * ratio.denominator, denominator * ratio.numerator
    return numerator // denominator


def most_import_wh(rule: Rule, fact: Fact, period_s: int) -> int | None:
    """V17's bound for one block; absent where the record states no sanctioned load."""
    return most_wh(fact.sanctioned_w, rule.parameters["most_permille"], fact, period_s)


def most_export_wh(rule: Rule, fact: Fact, period_s: int) -> int | None:
    """V18's bound for one block; absent where the record states no installed generation."""
    return most_wh(fact.installed_w, rule.parameters["most_permille"], fact, period_s)


def import_bound(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V17 HIGH: no more is drawn in a block than the sanctioned load and its margin."""
    findings = []
    for block in material.blocks:
        fact = material.record.fact(block.start_utc)
        most = None if fact is None else most_import_wh(rule, fact, material.period_s)
        if most is not None and block.import_wh is not None and block.import_wh > most:
            because = f"import of {block.import_wh} Wh, the sanctioned load allows {most} Wh"
            numbers = {"import_wh": block.import_wh, "most_wh": most}
            findings.append(_suspect(rule, "HIGH", because, numbers, block.start_utc))
    return tuple(findings)


def export_bound(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V18 EXPHIGH: no more is given in a block than the installed generation and its margin."""
    findings = []
    for block in material.blocks:
        fact = material.record.fact(block.start_utc)
        most = None if fact is None else most_export_wh(rule, fact, material.period_s)
        if most is not None and block.export_wh is not None and block.export_wh > most:
            because = f"export of {block.export_wh} Wh, the installed generation allows {most} Wh"
            numbers = {"export_wh": block.export_wh, "most_wh": most}
            findings.append(_suspect(rule, "EXPHIGH", because, numbers, block.start_utc))
    return tuple(findings)


def night_export(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V19 SOLAR: panels give nothing while the sun is more than `dusk_mdeg` below the horizon for all of a block.

    Asked only of a meter whose record states installed generation: of another one nobody knows what stands behind it.
    """
    findings = []
    for block in material.blocks:
        fact = material.record.fact(block.start_utc)
        exported = block.export_wh or 0
        if fact is None or not fact.installed_w or exported <= rule.parameters["most_wh"]:
            continue
        if _is_night(block.start_utc, rule) and _is_night(block.start_utc + material.period_s, rule):
            because = f"export of {exported} Wh in the night of {ist_text(block.start_utc)}"
            findings.append(_suspect(rule, "SOLAR", because, {"export_wh": exported}, block.start_utc))
    return tuple(findings)


def both_ways(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V27 CTSWAP: much import and much export in one block are a sign of swapped phases or transformers. Advisory: a note."""
    findings = []
    for block in material.blocks:
        low, high = sorted((block.import_wh or 0, block.export_wh or 0))
        if low > rule.parameters["least_wh"] and low * _PERMILLE > rule.parameters["most_permille"] * high:
            because = f"{block.import_wh} Wh drawn and {block.export_wh} Wh given in one block"
            numbers = {"larger_wh": high, "smaller_wh": low}
            findings.append(finding(rule, "CTSWAP", Verdict.VALID, because, numbers=numbers, block_utc=block.start_utc))
    return tuple(findings)


def _is_night(at_utc: int, rule: Rule) -> bool:
    height = sine_of_height(
        at_utc,
        latitude_mdeg=rule.parameters["latitude_mdeg"],
        longitude_mdeg=rule.parameters["longitude_mdeg"],
    )
    return height < -sine(rule.parameters["dusk_mdeg"] * _UDEG_PER_MDEG)


def _suspect(rule: Rule, code: str, because: str, numbers: Mapping[str, int], block_utc: int) -> Finding:
    return finding(rule, code, Verdict.SUSPECT, because, numbers=numbers, block_utc=block_utc)
