"""The events of one meter, as far as its logs were read: read anew only when something was logged.

A log is read whole once a day, and from its newest event on when its count changed, or an hour went by: a count that never changes
hides nothing for longer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edge_agent.errors import CounterRefusedError, MeterDecodeError, MeterRefusedError
from edge_agent.events import EventLog, Marks, MeterEvent, marks
from edge_agent.readers.reader import EventReader, Reader
from signing.interval import DAY_S, Interval

AGAIN_S: Final = 3600
"""After so long a log is read from its newest event on, whatever its count says."""
WHOLE_S: Final = DAY_S
"""After so long a log is read whole: a meter whose clock was set back logs before its newest event."""
KEPT_S: Final = 120 * DAY_S
"""Longer than blocks are back-filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """One log, as it was read."""

    events: frozenset[MeterEvent]
    count: int | None
    read_utc: int
    whole_utc: int

    @property
    def since_utc(self) -> int:
        """Where reading on begins; never in a future that a wrong clock made."""
        return min(self.read_utc, max((event.at_utc for event in self.events), default=self.read_utc))


class EventMemory:
    """What is known of one meter's event logs, between looks."""

    def __init__(self) -> None:
        self._known: dict[EventLog, _Known] = {}
        self._left_alone: dict[EventLog, int] = {}
        self._uncounted_utc: int | None = None
        """When the meter last gave no count of any log."""
        self._marks = marks(())

    @property
    def marks(self) -> Marks:
        """What the events say of the meter's time."""
        return self._marks

    @property
    def knows_power(self) -> bool:
        """Whether the log of power events was read."""
        return EventLog.POWER in self._known

    async def refresh(self, reader: Reader, now_utc: int) -> list[str]:
        """Reads what was logged since, and gives what is wrong with the logs, in words.

        A log that the meter does not give is left alone for a day: its blocks are signed without what it would say.

        Raises:
            ReaderError: as the reader, when the connection may be out of step.
        """
        if not isinstance(reader, EventReader):
            return []
        counts = await self._counts(reader, now_utc)
        faults: list[str] = []
        for log in EventLog:
            if self._is_left_alone(log, now_utc) or not self._is_due(log, counts.get(log), now_utc):
                continue
            try:
                await self._read(reader, log, counts.get(log), now_utc)
            except CounterRefusedError:
                # It is no log that the meter refuses.
                raise
            except MeterRefusedError as error:
                self._left_alone[log] = now_utc
                if log is EventLog.POWER:
                    faults.append(f"no power events: {error}")
            except MeterDecodeError:
                # Nothing of the next look hangs on it: the rows must still be had.
                self._left_alone[log] = now_utc
                raise
        self._marks = marks(event for known in self._known.values() for event in known.events)
        return faults

    async def _counts(self, reader: EventReader, now_utc: int) -> Mapping[EventLog, int | None]:
        """What the meter says that it logged; a meter that counts nothing is asked once a day."""
        if self._uncounted_utc is not None and 0 <= now_utc - self._uncounted_utc < DAY_S:
            return {}
        counts = await reader.event_counts()
        self._uncounted_utc = None if any(count is not None for count in counts.values()) else now_utc
        return counts

    def _is_left_alone(self, log: EventLog, now_utc: int) -> bool:
        since = self._left_alone.get(log)
        # A clock that was set back leaves nothing alone for longer.
        return since is not None and 0 <= now_utc - since < DAY_S

    def _is_due(self, log: EventLog, count: int | None, now_utc: int) -> bool:
        known = self._known.get(log)
        return known is None or count is None or count != known.count or not 0 <= now_utc - known.read_utc < AGAIN_S

    async def _read(self, reader: EventReader, log: EventLog, count: int | None, now_utc: int) -> None:
        known = self._known.get(log)
        is_whole = known is None or not 0 <= now_utc - known.whole_utc < WHOLE_S
        # A day more: the meter's clock may be ahead.
        span = None if is_whole or known is None else Interval(known.since_utc, now_utc + DAY_S)
        found = await reader.events(log, span)
        kept = () if known is None else known.events
        self._known[log] = _Known(
            events=frozenset(event for event in (*kept, *found) if event.at_utc >= now_utc - KEPT_S),
            count=count,
            read_utc=now_utc,
            whole_utc=now_utc if is_whole or known is None else known.whole_utc,
        )
