"""Drafts: everything that a batch says except its place in the chain, and sealing one. Pure.

Source: docs/wire-format.md §4.1.
"""

from dataclasses import dataclass

from edge_agent.clock import ClockEvidence
from signing.envelope import Signed, sign
from signing.interval import Interval
from signing.keys import Signer
from signing.statements.reading import Columns, Reading
from signing.statements.reading_batch import Opening, Origin, ReadingBatch, Register


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One span of readings of one meter, not yet numbered."""

    meter: str
    start_utc: int
    period_s: int
    readings: tuple[Reading, ...]
    """One a block, ascending, without holes."""
    registers: tuple[Register, ...]
    identity: str | None
    """The serial number that the meter itself gave."""
    read_at_utc: int
    clock: ClockEvidence
    origin: Origin
    software: bytes
    """Digest of the agent's own source."""

    @property
    def span(self) -> Interval:
        """The span that the readings cover."""
        return Interval(self.start_utc, self.start_utc + len(self.readings) * self.period_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the next batch of a chain stands."""

    sequence: int
    previous: bytes
    reach_utc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A signed batch with its opening."""

    signed: Signed[ReadingBatch]
    opening: Opening


def seal(draft: Draft, place: Place, *, salt: bytes, signer: Signer) -> Sealed:
    """`draft` at `place`, signed. `salt` is 16 random bytes, used once.

    Raises:
        KeyUnavailableError: the key cannot be used now.
    """
    opening = Opening(salt=salt, identity=draft.identity, registers=draft.registers, columns=Columns.of(draft.readings))
    batch = ReadingBatch(
        meter=draft.meter,
        sequence=place.sequence,
        previous=place.previous,
        start_utc=draft.start_utc,
        period_s=draft.period_s,
        count=len(draft.readings),
        reach_utc=place.reach_utc,
        read_at_utc=draft.read_at_utc,
        clock_offset_ms=draft.clock.offset_ms,
        clock_source=draft.clock.source,
        origin=draft.origin,
        software=draft.software,
        contents=opening.contents(),
    )
    return Sealed(signed=sign(batch, signer), opening=opening)
