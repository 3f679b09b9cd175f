"""What is read anew of event logs and what is not, from a meter in memory behind the real seam."""

import pytest

from edge_agent.errors import CounterRefusedError, MeterDecodeError, MeterRefusedError, ReaderError
from edge_agent.event_memory import AGAIN_S, KEPT_S, WHOLE_S, EventMemory
from edge_agent.events import EventLog, MeterEvent
from signing.interval import DAY_S, Interval
from signing.statements.reading import Flag
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S
from tests.edge_agent.meters import MemoryBench

NOW = MIDNIGHT + 10 * 3600


class Logging(MemoryBench):
    """A meter with event logs."""

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[EventLog, list[MeterEvent]] = {log: [] for log in EventLog}
        self.counts: dict[EventLog, int | None] = dict.fromkeys(EventLog, 0)
        self.read: list[tuple[EventLog, Interval | None]] = []
        self.bad: dict[EventLog, ReaderError] = {}
        self.counted = 0

    def log(self, log: EventLog, at_utc: int, code: int) -> None:
        self.logs[log].append(MeterEvent(log=log, at_utc=at_utc, code=code))
        count = self.counts[log]
        self.counts[log] = None if count is None else count + 1

    async def event_counts(self) -> dict[EventLog, int | None]:
        self.counted += 1
        return dict(self.counts)

    async def events(self, log: EventLog, span: Interval | None) -> tuple[MeterEvent, ...]:
        self.read.append((log, span))
        if log in self.bad:
            raise self.bad[log]
        return tuple(e for e in self.logs[log] if span is None or span.start_utc <= e.at_utc < span.end_utc)

    def reads(self) -> list[tuple[EventLog, Interval | None]]:
        """What was read since the last time this was asked."""
        done, self.read = self.read, []
        return done


@pytest.fixture
def meter() -> Logging:
    return Logging()


@pytest.fixture
def memory() -> EventMemory:
    return EventMemory()


def flags(memory: EventMemory, at_utc: int) -> Flag:
    return memory.marks.flags(Interval(at_utc, at_utc + PERIOD_S))


async def test_logs_are_read_whole_at_first_and_not_again_while_nothing_is_logged(
    meter: Logging, memory: EventMemory
) -> None:
    assert await memory.refresh(meter, NOW) == []
    assert memory.knows_power
    assert meter.reads() == [(log, None) for log in EventLog]
    await memory.refresh(meter, NOW + AGAIN_S - 1)
    assert meter.reads() == []


async def test_a_log_whose_count_changed_is_read_from_its_newest_event_on(meter: Logging, memory: EventMemory) -> None:
    meter.log(EventLog.OTHER, NOW - 7200, 201)
    await memory.refresh(meter, NOW)
    meter.reads()
    meter.log(EventLog.OTHER, NOW + 100, 202)
    await memory.refresh(meter, NOW + 900)
    assert meter.reads() == [(EventLog.OTHER, Interval(NOW - 7200, NOW + 900 + DAY_S))]
    assert flags(memory, NOW - 900) == Flag.TAMPER
    assert flags(memory, NOW + 900) == Flag(0)


async def test_a_count_that_never_changes_hides_nothing_for_longer_than_an_hour(
    meter: Logging, memory: EventMemory
) -> None:
    await memory.refresh(meter, NOW)
    meter.reads()
    meter.log(EventLog.POWER, NOW + 10, 101)
    meter.counts[EventLog.POWER] = 0
    await memory.refresh(meter, NOW + AGAIN_S)
    assert flags(memory, NOW) == Flag.POWER_FAIL
    assert len(meter.reads()) == len(EventLog)


async def test_a_meter_without_counts_is_read_on_at_every_look(meter: Logging, memory: EventMemory) -> None:
    meter.counts = dict.fromkeys(EventLog, None)
    await memory.refresh(meter, NOW)
    meter.reads()
    await memory.refresh(meter, NOW + 60)
    assert [log for log, _ in meter.reads()] == list(EventLog)
    # What it does not count it is not asked to count at every look.
    assert meter.counted == 1
    await memory.refresh(meter, NOW + DAY_S)
    assert meter.counted == 2
    meter.counts = dict.fromkeys(EventLog, 0)
    for look in range(2):
        await memory.refresh(meter, NOW + (2 + look) * DAY_S)
    assert meter.counted == 4


async def test_a_log_is_read_whole_once_a_day(meter: Logging, memory: EventMemory) -> None:
    meter.log(EventLog.OTHER, NOW - 100, 251)
    await memory.refresh(meter, NOW)
    # Its clock was set back, and something was logged before what was newest.
    meter.log(EventLog.OTHER, NOW - 90_000, 251)
    await memory.refresh(meter, NOW + 900)
    assert not flags(memory, NOW - 90_000)
    await memory.refresh(meter, NOW + WHOLE_S)
    assert flags(memory, NOW - 90_000) == Flag.TAMPER


async def test_a_clock_that_ran_into_the_future_hides_nothing_that_comes_later(
    meter: Logging, memory: EventMemory
) -> None:
    meter.log(EventLog.TRANSACTION, NOW + 10 * DAY_S, 151)
    await memory.refresh(meter, NOW)
    meter.reads()
    meter.log(EventLog.TRANSACTION, NOW + 60, 151)
    await memory.refresh(meter, NOW + 900)
    assert flags(memory, NOW) == Flag.CLOCK_STEP


async def test_a_log_that_is_refused_is_left_alone_for_a_day_and_told_when_it_is_that_of_the_power(
    meter: Logging, memory: EventMemory
) -> None:
    meter.bad = {log: MeterRefusedError("no such log") for log in (EventLog.POWER, EventLog.OTHER)}
    assert await memory.refresh(meter, NOW) == ["no power events: no such log"]
    meter.reads()
    assert await memory.refresh(meter, NOW + DAY_S - 1) == []
    assert [each.knows_power for each in (memory, EventMemory())] == [False, False]
    assert {EventLog.POWER, EventLog.OTHER}.isdisjoint(log for log, _ in meter.reads())
    meter.bad = {}
    await memory.refresh(meter, NOW + DAY_S)
    assert memory.knows_power


async def test_a_log_that_cannot_be_decoded_ends_one_look_and_not_the_next(meter: Logging, memory: EventMemory) -> None:
    meter.bad = {EventLog.POWER: MeterDecodeError("garbage")}
    with pytest.raises(MeterDecodeError):
        await memory.refresh(meter, NOW)
    assert await memory.refresh(meter, NOW + 60) == []


async def test_old_events_are_forgotten(meter: Logging, memory: EventMemory) -> None:
    meter.log(EventLog.OTHER, NOW - KEPT_S - 1, 251)
    meter.log(EventLog.OTHER, NOW - KEPT_S, 251)
    await memory.refresh(meter, NOW)
    assert len(memory.marks.marks) == 1


async def test_a_meter_without_event_logs_is_asked_nothing(memory: EventMemory) -> None:
    assert await memory.refresh(MemoryBench(), NOW) == []
    assert memory.marks.marks == ()


async def test_a_counter_that_is_refused_leaves_no_log_alone(meter: Logging, memory: EventMemory) -> None:
    meter.log(EventLog.OTHER, NOW - 7200, 201)
    meter.bad[EventLog.OTHER] = CounterRefusedError("service not allowed, invocation counter error")
    with pytest.raises(CounterRefusedError):
        await memory.refresh(meter, NOW)
    meter.bad.clear()
    await memory.refresh(meter, NOW + 60)
    assert flags(memory, NOW - 900) == Flag.TAMPER
