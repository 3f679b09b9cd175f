"""Rules that judge one copy of a block by itself; what they REJECT counts as missing.

Source: docs/vee-rules.md V06, V07, V11, V16.
"""

from collections.abc import Mapping

from headend.readings import Finding
from headend.vee.rule import Material, finding
from signing.evidence import Copy
from signing.interval import is_aligned, ist_day_start, ist_text
from signing.statements.meter_record import Fact, MeterRecord
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Verdict


def identity(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V06 IDENT: who speaks, and of which meter, is what the record says.

    The serial number that the meter gave is the recorded one; a batch without one passes only below the origin at which every
    meter can give one. A key speaks for no block before the time from which it was recorded to speak.
    """
    findings = []
    for start, copy in material.copies:
        because = _identity_fault(material, copy, start, rule.parameters["required_from_origin_rank"])
        if because is not None:
            findings.append(
                _rejected(rule, "IDENT", (start, copy), {"origin_rank": int(copy.batch.header.origin)}, because)
            )
    return tuple(findings)


def alignment(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V07 ALIGN: blocks lie on the grid of IST midnight at the recorded length, and a span lies inside one IST day."""
    findings = []
    for start, copy in material.copies:
        header = copy.batch.header
        fact = material.record.fact(start)
        because = None
        if not is_aligned(header.start_utc, header.period_s):
            because = f"block starts at {ist_text(start)}, off the grid of {header.period_s} s"
        elif ist_day_start(header.start_utc) != ist_day_start(header.end_utc - 1):
            because = f"the span from {ist_text(header.start_utc)} crosses an IST midnight"
        elif fact is not None and fact.period_s != header.period_s:
            because = f"blocks of {header.period_s} s where the record says {fact.period_s} s"
        if because is not None:
            numbers = {"start_utc": header.start_utc, "period_s": header.period_s, "count": header.count}
            findings.append(_rejected(rule, "ALIGN", (start, copy), numbers, because))
    return tuple(findings)


def time(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V11 TIME: a block has ended when it is read, and is no older than a meter's memory.

    Measured against `read_at` of the header, never against the time of arrival.
    """
    findings = []
    for start, copy in material.copies:
        header = copy.batch.header
        end = start + header.period_s
        numbers = {"block_end_utc": end, "read_at_utc": header.read_at_utc}
        if end > header.read_at_utc + rule.parameters["future_s"]:
            because = f"block ends {end - header.read_at_utc} s after it was read"
            findings.append(_rejected(rule, "TIME", (start, copy), numbers, because))
        elif start < header.read_at_utc - rule.parameters["memory_s"]:
            because = f"block starts {header.read_at_utc - start} s before it was read, beyond a meter's memory"
            findings.append(_rejected(rule, "TIME", (start, copy), numbers, because))
    return tuple(findings)


def negative(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V16 NEG: import and export are two non-negative energies."""
    findings = []
    for start, copy in material.copies:
        energies = {"import_wh": copy.reading.import_wh, "export_wh": copy.reading.export_wh}
        below = {name: wh for name, wh in energies.items() if wh is not None and wh < rule.parameters["least_wh"]}
        if below:
            because = ", ".join(f"{name} is {wh}" for name, wh in below.items())
            findings.append(_rejected(rule, "NEG", (start, copy), below, because))
    return tuple(findings)


def _identity_fault(material: Material, copy: Copy, start: int, required_from_origin_rank: int) -> str | None:
    fact = material.record.fact(start)
    if fact is None:
        return f"the record says nothing of {ist_text(start)}"
    speaks_from = _speaks_from(material.records, copy.batch.kid)
    if speaks_from is None or start < speaks_from:
        return f"the key {copy.batch.kid.hex()[:8]} does not speak for {ist_text(start)}"
    return _serial_fault(copy, fact, required_from_origin_rank)


def _serial_fault(copy: Copy, fact: Fact, required_from_origin_rank: int) -> str | None:
    given = None if copy.batch.opening is None else copy.batch.opening.identity
    if given is None:
        required = copy.batch.header.origin >= required_from_origin_rank
        return "the meter gave no serial number" if required else None
    return None if given == fact.identity else "the serial number is not the recorded one"


def _speaks_from(records: tuple[MeterRecord, ...], kid: bytes) -> int | None:
    """From when the newest record that names the key lets it speak."""
    named = (speaker for record in reversed(records) if (speaker := record.speaker(kid)) is not None)
    return next((speaker.blocks_from_utc for speaker in named), None)


def _rejected(rule: Rule, code: str, row: tuple[int, Copy], numbers: Mapping[str, int], because: str) -> Finding:
    start, copy = row
    return finding(rule, code, Verdict.REJECTED, because, numbers=numbers, block_utc=start, batch=copy.batch.digest)
