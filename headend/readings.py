"""Domain values of the head-end: what was verified at the premises' word, and what validation makes of it.

A type is the proof of the check that made it: only the store makes these, from what intake admitted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from signing.interval import Interval
from signing.statements.reading import Reading
from signing.statements.reading_batch import Opening, Origin, ReadingBatch
from signing.statements.window_actual import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReading:
    """One block of one meter as an admitted batch states it."""

    meter: str
    kid: bytes
    sequence: int
    digest: bytes
    """Of the batch that carries it."""
    block: Interval
    reading: Reading
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBatch:
    """An admitted batch: decoded, authentic, vouched for when it was logged."""

    leaf: int
    """Row id of its leaf; grows with the order of admission within one log."""
    kid: bytes
    digest: bytes
    header: ReadingBatch
    sign1: bytes
    """The COSE_Sign1 as it came."""
    opening: Opening | None
    """None once it was erased."""

    @property
    def meter(self) -> str:
        """The meter that it speaks of."""
        return self.header.meter

    @property
    def sequence(self) -> int:
        """Its place in its chain."""
        return self.header.sequence

    def readings(self) -> tuple[VerifiedReading, ...]:
        """Its blocks in order; none when the opening was erased."""
        header, period = self.header, self.header.period_s
        return tuple(
            VerifiedReading(
                meter=header.meter,
                kid=self.kid,
                sequence=header.sequence,
                digest=self.digest,
                block=Interval(header.start_utc + place * period, header.start_utc + (place + 1) * period),
                reading=reading,
                origin=header.origin,
            )
            for place, reading in enumerate(self.opening.readings if self.opening else ())
        )


class Quality(IntEnum):
    """What a block is worth for settlement; ascending is worse, and a window is worth its worst block."""

    VALID = 0
    MANUAL = 1
    ESTIMATED = 2
    SUSPECT = 3
    MISSING = 4


def worst(qualities: Iterable[Quality]) -> Quality:
    """What several blocks are worth together: the worst of them; of none, nothing."""
    return max(qualities, default=Quality.MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule says, with its numbers. Never an exception: a bad reading is evidence too."""

    rule: str
    version: int
    block_utc: int | None
    """Start of the block that it is about; absent when it is about the whole context."""
    batch: bytes | None
    """Digest of the batch that it is about; absent when it is about every copy of the block."""
    verdict: Verdict
    code: str
    """What kind of finding, e.g. ``CONFLICT``."""
    numbers: tuple[tuple[str, int], ...]
    """What was compared, by name with its unit, sorted by name."""
    because: str
    """The finding in words. No consumer's name and no serial number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedInterval:
    """One block as settlement uses it: its value, its quality, and every finding about it."""

    block: Interval
    quality: Quality
    import_wh: int | None
    """Wh as the meter or an edit states them, before factors; absent when the block is missing or in conflict."""
    export_wh: int | None
    origin: Origin | None
    """The weakest of the copies that carry the value; absent for what an edit states."""
    flags: int
    findings: tuple[Finding, ...]
    """Of the readings, also where an edit says otherwise."""

    @property
    def is_known(self) -> bool:
        """Whether it has a value that counts: measured, or stated by two persons."""
        return self.quality in {Quality.VALID, Quality.MANUAL}

    def is_of(self, part: Interval) -> bool:
        """Whether it counts in a part: it lies wholly in it, or it starts in it and an edit says what it is worth, whatever cuts it."""
        return counts_in(self.block, self.quality, part)


def counts_in(block: Interval, quality: Quality, part: Interval) -> bool:
    """Whether a block counts in a part: the rule of `ValidatedInterval.is_of`."""
    starts_in = part.start_utc <= block.start_utc < part.end_utc
    return part.contains(block) or (starts_in and quality is Quality.MANUAL)
