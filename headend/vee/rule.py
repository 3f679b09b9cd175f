"""What a rule is: a pure function over the material of one meter, and the stage at which it is asked.

Every input of a rule is in the evidence bundle, so a verifier that has only the bundle comes to the same findings; no rule
sees a time of arrival. Source: docs/vee-rules.md; VEE §A; EVIDENCE §§1, 4.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from headend.readings import Finding
from signing.chain import AdmittedBatch
from signing.evidence import Block, Copy
from signing.interval import Interval
from signing.statements.meter_record import MeterRecord
from signing.statements.reading_batch import Register
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Verdict


class RuleSetError(Exception):
    """This program cannot judge by a rule set. The message names the rule and the remedy."""


class Stage(IntEnum):
    """When a rule is asked; an earlier stage decides what a later one sees."""

    COPY = 0
    """Every copy of a block by itself. What is REJECTED here counts as missing."""
    REGISTER = 1
    """The registers of the context. What is REJECTED here counts as missing too."""
    BLOCK = 2
    """Blocks after the one-value rule, chains and clocks."""
    SUM = 3
    """The balance of the whole context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One chain of the meter, from its base to its head: what counts of it, and what counts only as SUSPECT."""

    kid: bytes
    counting: tuple[AdmittedBatch, ...]
    suspect: tuple[AdmittedBatch, ...]
    fork: int | None
    """The lowest sequence at which two histories differ, resolved or not."""
    gaps: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that a rule may look at: one meter, over the context of one part."""

    context: Interval
    period_s: int
    records: tuple[MeterRecord, ...]
    """Ascending by number, never empty."""
    chains: tuple[Standing, ...]
    """Sorted by kid."""
    copies: tuple[tuple[int, Copy], ...]
    """(block start, copy), ascending by start, kid, sequence and digest. At stage COPY every copy of every opened batch that
    counts or is suspect; later those inside the context that nothing rejected."""
    registers: Mapping[int, frozenset[Register]]
    """By stamp, ascending, inside the closed context, of batches that count; empty at stage COPY."""
    blocks: tuple[Block, ...]
    """Every block of the context in order, after the one-value rule; empty before stage BLOCK."""

    @property
    def record(self) -> MeterRecord:
        """The newest record."""
        return self.records[-1]

    def grid(self) -> range:
        """Starts of the blocks of the context, ascending."""
        return self.context.block_starts(self.period_s)

    def between(self, since_utc: int, until_utc: int) -> range:
        """Starts of the blocks of the context that share an instant with the open span from `since_utc` to `until_utc`."""
        grid = self.grid()
        first = (since_utc - self.period_s - grid.start) // self.period_s + 1
        end = -((grid.start - until_utc) // self.period_s)
        return grid[max(0, first) : max(0, end)]


Judging: TypeAlias = Callable[[Material, Rule], tuple[Finding, ...]]
"""What a rule says of the material, by its id, version and parameters. MUST be pure and independent of order of arrival."""


def finding(
    rule: Rule,
    code: str,
    verdict: Verdict,
    because: str,
    *,
    numbers: Mapping[str, int],
    block_utc: int | None = None,
    batch: bytes | None = None,
) -> Finding:
    """What `rule` says, in its own name and version."""
    return Finding(
        rule=rule.id,
        version=rule.version,
        block_utc=block_utc,
        batch=batch,
        verdict=verdict,
        code=code,
        numbers=tuple(sorted(numbers.items())),
        because=because,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRule:
    """A rule that this program can judge by."""

    id: str
    version: int
    stage: Stage
    defaults: Mapping[str, int]
    """Every parameter with its default; a rule set gives exactly these names."""
    judging: Judging


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStated:
    """A rule whose inputs no bundle holds: the head-end judges by it and states what it found; a verifier repeats, and recomputes nothing."""

    id: str
    version: int
    code: str
    worst: Verdict
    """The worst that it may say: an advisory rule never changes a quality."""
    defaults: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMethod:
    """A method of estimation, by its id and version. A rule set that leaves it out does not estimate by it."""

    id: str
    version: int
    defaults: Mapping[str, int]
