"""What came of a file, for people and programs. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from headend.registry.sheet import Fault

MAX_SHOWN = 1000
"""More rejects are counted, and not listed."""


class Verdict(Enum):
    """What was done with a file."""

    TAKEN = "TAKEN"
    """Everything that it states is kept, but for rejected rows where those are left out."""
    KNOWN = "KNOWN"
    """The same bytes were taken before: nothing was done again."""
    REFUSED = "REFUSED"
    """Nothing of it is kept."""
    LOOKED_AT = "LOOKED_AT"
    """It could be taken; nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """One ImportedBatch that a file became."""

    meter: str
    index: int
    """In the log."""
    digest: bytes
    blocks: int
    registers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOutcome:
    """What came of a file."""

    verdict: Verdict
    file: bytes
    """SHA-256 of its bytes."""
    rows: int
    meters: int
    blocks: int
    registers: int
    batches: tuple[Vouched, ...]
    """Empty unless it is, or was, taken."""
    faults: tuple[Fault, ...]
    """Rejected rows, by line."""

    @property
    def words(self) -> str:
        """One line for people."""
        counts = f"{self.rows} rows, {self.meters} meters, {self.blocks} blocks, {self.registers} registers"
        return f"{self.verdict.value} {self.file.hex()[:16]}: {counts}, {len(self.faults)} rejected"


def receipt(outcome: ImportOutcome) -> dict[str, Any]:
    """The outcome as JSON: what stands beside a file of the drop folder, and what the API answers."""
    return {
        "verdict": outcome.verdict.value,
        "file": outcome.file.hex(),
        "origin": "vouched for by the discom; not signed at the premises",
        "rows": outcome.rows,
        "meters": outcome.meters,
        "blocks": outcome.blocks,
        "registers": outcome.registers,
        "batches": [
            {
                "meter": one.meter,
                "index": one.index,
                "digest": one.digest.hex(),
                "blocks": one.blocks,
                "registers": one.registers,
            }
            for one in outcome.batches
        ],
        "rejected": len(outcome.faults),
        "rejects": [
            {
                "line": fault.line,
                "column": fault.column,
                "expected": fault.expected,
                "got": fault.got,
                "remedy": fault.remedy,
            }
            for fault in outcome.faults[:MAX_SHOWN]
        ],
    }
