"""The seam to meters: two honest protocols, told apart by type.

A `Reader` reads a meter with a memory and a clock of its own; a `SampledReader` reads one that has neither, so that its
blocks exist only where somebody was there to sample the boundaries. Both are asynchronous context managers; entering
connects, leaving releases the meter whatever happened. Every exchange has a deadline. One reader, one task at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from edge_agent.events import EventLog, MeterEvent
from edge_agent.registers import (
    CumulativeRegisters,
    MeterClock,
    MeterIdentity,
    Origin,
    ProfileColumn,
    ProfileLayout,
    ProfileRow,
    RegisterSample,
)
from signing.interval import Interval


@runtime_checkable
class Reader(Protocol):
    """A meter with a memory and a clock.

    Every method raises `MeterUnavailableError` (retry), `MeterRefusedError` (give up, names the object) or
    `MeterDecodeError` (foreign bytes are wrong, names the object), and nothing else.
    """

    @property
    def origin(self) -> Origin:
        """How the meter's words are authenticated on this connection."""

    async def __aenter__(self) -> Self:
        """Connect and associate."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the meter and close."""

    async def identity(self) -> MeterIdentity:
        """Who the meter says it is."""

    async def clock(self) -> MeterClock:
        """The meter's time now."""

    async def layout(self) -> ProfileLayout:
        """What the block load profile records. Constant for the life of the reader."""

    async def block_rows(self, span: Interval) -> tuple[ProfileRow, ...]:
        """The rows whose block starts inside `span`, ascending by end; duplicates and gaps as the meter has them."""

    async def daily_registers(self, span: Interval) -> tuple[CumulativeRegisters, ...]:
        """The cumulative registers that the meter stamped inside ``[span.start_utc, span.end_utc]``, both midnights
        included, ascending.
        """

    async def registers(self) -> CumulativeRegisters:
        """The cumulative registers now, by the meter's clock."""

    async def close(self) -> None:
        """Release the meter and close the connection. Idempotent; never raises for a peer that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a meter says in one exchange, enough to know whether it is the one that is remembered."""

    serial: str | None
    clock: MeterClock
    capture_period_s: int
    entries_in_use: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a reader found out about a meter that stays true for long. A caller may keep it, and show it to a later reader."""

    load: ProfileLayout
    """The layout of the block load profile."""
    layouts: Mapping[str, ProfileLayout]
    """The layouts of all profiles that were read, by OBIS code."""
    refused_ways: Mapping[str, int]
    """How many of the ways to ask for a profile the meter refused before one that it takes, by OBIS code."""
    event_columns: Mapping[EventLog, tuple[ProfileColumn, ...]] = field(default_factory=dict)
    """The columns of the event logs that were read."""


@runtime_checkable
class Recalling(Protocol):
    """A `Reader` that can begin with what an earlier one of the same meter learned. Errors as `Reader`."""

    async def glance(self) -> Glance:
        """Serial number, clock, period and rows in use, as the meter says them now."""

    def learned(self) -> Learned:
        """What is known by now; after `layout`."""

    def recall(self, learned: Learned) -> None:
        """Take `learned` for true, so that it is not asked for. The caller has seen that the meter is the same."""


@runtime_checkable
class EventReader(Protocol):
    """A `Reader` of a meter that keeps event logs. Errors as `Reader`."""

    async def event_counts(self) -> Mapping[EventLog, int | None]:
        """A number for every log that changes when something is logged; None where the meter gives none."""

    async def events(self, log: EventLog, span: Interval | None) -> tuple[MeterEvent, ...]:
        """The rows of `log` that were stamped in `span`, and maybe others; all where it is None. In the meter's order."""


@runtime_checkable
class Counting(Protocol):
    """A `Reader` that knows what it has put on the wire."""

    @property
    def octets(self) -> int:
        """Octets so far, both ways."""


@runtime_checkable
class Selecting(Protocol):
    """A `Reader` that knows whether its meter gives parts of its memory."""

    @property
    def gives_parts(self) -> bool:
        """Whether fewer rows are had sooner; False where the meter is read from its newest row back, or whole, whatever is asked."""


@runtime_checkable
class SampledReader(Protocol):
    """A meter without memory or clock: what it shows is now, and the caller's clock says when.

    Errors as `Reader`.
    """

    @property
    def origin(self) -> Origin:
        """How the meter's words are authenticated on this connection."""

    async def __aenter__(self) -> Self:
        """Connect."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""

    async def identity(self) -> MeterIdentity:
        """Who the meter says it is."""

    async def sample(self) -> RegisterSample:
        """The cumulative registers now, from one block read."""

    async def close(self) -> None:
        """Close the connection. Idempotent; never raises for a peer that is gone."""
