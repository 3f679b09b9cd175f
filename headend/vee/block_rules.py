"""Rules that judge a block after the one-value rule, and the chains that it came by.

Source: docs/vee-rules.md V03, V04, V05, V15; EVIDENCE §§1, 3.
"""

from headend.readings import Finding
from headend.vee.rule import Material, finding
from signing.evidence import BlockState
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Verdict


def sequence(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V03 FORK, GAP: one history a chain, without holes.

    Blocks that a batch at or after an unresolved fork point states are SUSPECT in every branch. A gap changes no verdict: what
    it might hold is missing, or came by another batch.
    """
    findings = []
    for chain in material.chains:
        name = f"chain {chain.kid.hex()[:8]}…"
        suspect = {batch.digest for batch in chain.suspect}
        forked = sorted({start for start, copy in material.copies if copy.batch.digest in suspect})
        because = f"fork in {name} at sequence {chain.fork}"
        numbers = {} if chain.fork is None else {"sequence": chain.fork}
        findings += [
            finding(rule, "FORK", Verdict.SUSPECT, because, numbers=numbers, block_utc=start) for start in forked
        ]
        for first, last in chain.gaps:
            because = f"sequences {first} to {last} of {name} were never admitted"
            findings.append(finding(rule, "GAP", Verdict.VALID, because, numbers={"first": first, "last": last}))
    return tuple(findings)


def duplicate(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V04 DUP: several copies of a block that agree are one value."""
    findings = []
    for block in material.blocks:
        present = sum(copy.reading.import_wh is not None for copy in block.copies)
        if block.state is BlockState.VALUED and present > 1:
            because, numbers = f"{present} copies agree", {"copies": present}
            findings.append(finding(rule, "DUP", Verdict.VALID, because, numbers=numbers, block_utc=block.start_utc))
    return tuple(findings)


def conflict(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V05 CONFLICT: copies of a block that differ have no value, whichever came first."""
    findings = []
    for block in material.blocks:
        if block.state is not BlockState.CONFLICT:
            continue
        readings = (copy.reading for copy in block.copies)
        values = {(reading.import_wh, reading.export_wh) for reading in readings if reading.import_wh is not None}
        because, numbers = f"{len(values)} values that differ", {"values": len(values)}
        findings.append(finding(rule, "CONFLICT", Verdict.SUSPECT, because, numbers=numbers, block_utc=block.start_utc))
    return tuple(findings)


def count(material: Material, rule: Rule) -> tuple[Finding, ...]:
    """V15 COUNT: every expected block has a value; one without is missing, and its energy is absent, never zero."""
    return tuple(
        finding(
            rule,
            "COUNT",
            Verdict.REJECTED,
            "no copy of the block holds a value",
            numbers={"absent_copies": len(block.copies)},
            block_utc=block.start_utc,
        )
        for block in material.blocks
        if block.state is BlockState.MISSING
    )
