"""What one step of intake did, for the loop that calls it, the windows and the metrics."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Touched(NamedTuple):
    """An admitted batch by what it may change: windows of this meter that overlap [start, end)."""

    meter: str
    start_utc: int
    end_utc: int


class ForkPoint(NamedTuple):
    """A fork that showed: every window of the meter with a batch at or after the sequence may change."""

    meter: str
    kid: bytes
    sequence: int


@dataclass(slots=True)
class IntakeReport:
    """The counts of one step. Everything that was fetched is in exactly one of the first four, or held."""

    admitted: int = 0
    """New batches: durable, logged, answered."""
    again: int = 0
    """Batches that were admitted before, or twice in this step: answered with the same leaf."""
    noise: Counter[int] = field(default_factory=Counter)
    """By check 1, 2 or 4."""
    refused: Counter[int] = field(default_factory=Counter)
    """By check 3, 5, 6 or 7."""
    held: int = 0
    """Deliveries kept for the next step, because nothing can be stored or answered now."""
    alarm: str | None = None
    """What an operator must look at, with the remedy."""
    touched: list[Touched] = field(default_factory=list)
    forks: list[ForkPoint] = field(default_factory=list)
    gaps_changed: set[str] = field(default_factory=set)
    """Meters with a gap that opened or was filled."""
    tree_size: dict[int, int] = field(default_factory=dict)
    """By log, where it grew."""

    @property
    def settled(self) -> int:
        """Deliveries that were acknowledged."""
        return self.admitted + self.again + self.noise.total() + self.refused.total()


@dataclass(slots=True)
class IntakeTotals:
    """The counts since the worker was made, for metrics."""

    admitted: int = 0
    again: int = 0
    noise: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    forks: int = 0
    steps: int = 0
    alarms: int = 0

    def add(self, report: IntakeReport) -> None:
        """Counts one step."""
        self.steps += 1
        self.admitted += report.admitted
        self.again += report.again
        self.noise.update(report.noise)
        self.refused.update(report.refused)
        self.forks += len(report.forks)
        self.alarms += report.alarm is not None
