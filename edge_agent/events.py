"""What a meter's event logs say of its blocks: power that failed, a clock that was set, somebody who worked against it. Pure.

An event is an occurrence, its restoration, or something that happens at once. A condition lasts from the one to the other; blocks
that it touches carry its flag, whatever energy their rows hold.

Source: IS 15959-1 and -2, Indian event reference tables, as public readers and meter firmware name the codes (METERS §2);
docs/wire-format.md §4.1 (`flags`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from signing.interval import MAX_INSTANT, Interval
from signing.statements.reading import Flag


class EventLog(IntEnum):
    """The compartments that bear on readings; the number is the fifth of 0.0.99.98.n.255."""

    CURRENT = 1
    POWER = 2
    TRANSACTION = 3
    OTHER = 4
    NON_ROLLOVER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterEvent:
    """One row of an event log."""

    log: EventLog
    at_utc: int
    """When it was logged, by the meter's clock."""
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What an event begins."""

    flag: Flag
    ends_with: int | None = None
    """The code of its restoration; None for what happens at once."""
    is_lasting: bool = False
    """Whether it goes on until its restoration is logged. A power failure does not: a meter that answers has power again."""


def _lasting(*occurrences: int) -> dict[int, Condition]:
    """Conditions whose restoration has the next code."""
    return {code: Condition(flag=Flag.TAMPER, ends_with=code + 1, is_lasting=True) for code in occurrences}


POWER_FAILED: Final = 101
CONDITIONS: Final[Mapping[int, Condition]] = {
    **_lasting(65, 69),  # current bypassed; load returned by earth
    POWER_FAILED: Condition(flag=Flag.POWER_FAIL, ends_with=102),
    151: Condition(flag=Flag.CLOCK_STEP),  # real time clock: date and time were set
    **_lasting(201, 203, 207),  # magnet; neutral disturbed; neutral missing
    251: Condition(flag=Flag.TAMPER),  # cover opened: it has no restoration
}
"""What each occurrence begins. Codes that are not here say nothing of a reading: a reversed current (51 to 56) is what a home
that gives to the grid has.
"""

_OCCURRENCE_OF: Final = {each.ends_with: code for code, each in CONDITIONS.items() if each.ends_with is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A time under one condition."""

    span: Interval
    flag: Flag


@dataclass(frozen=True, slots=True)
class Marks:
    """What is known of a meter's time by its event logs."""

    marks: tuple[Mark, ...] = ()

    def flags(self, block: Interval) -> Flag:
        """The flags of all conditions that touch `block`."""
        flags = Flag(0)
        for mark in self.marks:
            if mark.span.start_utc < block.end_utc and block.start_utc < mark.span.end_utc:
                flags |= mark.flag
        return flags

    def is_dark(self, block: Interval) -> bool:
        """Whether there was no power in all of `block`: nothing was measured, so that a zero in its row is filler."""
        return any(
            mark.flag is Flag.POWER_FAIL
            and mark.span.start_utc <= block.start_utc
            and block.end_utc <= mark.span.end_utc
            for mark in self.marks
        )


NO_MARKS: Final = Marks()


def marks(events: Iterable[MeterEvent]) -> Marks:
    """The conditions that `events`, in any order, begin and end.

    An occurrence that is not restored lasts on where it is one that does, and else touches the block in which it stands, as a
    restoration without an occurrence does.
    """
    by_occurrence: defaultdict[int, list[MeterEvent]] = defaultdict(list)
    for event in events:
        occurrence = _OCCURRENCE_OF.get(event.code, event.code)
        if occurrence in CONDITIONS:
            by_occurrence[occurrence].append(event)
    found: list[Mark] = []
    for code, of_one in by_occurrence.items():
        found += _marks_of(code, CONDITIONS[code], sorted(of_one, key=lambda event: (event.at_utc, event.code)))
    return Marks(tuple(sorted(found, key=lambda mark: (mark.span.start_utc, mark.flag))))


def _marks_of(code: int, condition: Condition, events: list[MeterEvent]) -> list[Mark]:
    found: list[Mark] = []
    since: int | None = None
    for event in events:
        if event.code == code:
            if since is None or not condition.is_lasting:
                found += _instant(condition, since)
                since = event.at_utc
        else:
            found.append(_mark(condition, event.at_utc if since is None else since, event.at_utc))
            since = None
    if since is not None and condition.is_lasting:
        return [*found, _mark(condition, since, MAX_INSTANT)]
    return [*found, *_instant(condition, since)]


def _instant(condition: Condition, at_utc: int | None) -> list[Mark]:
    return [] if at_utc is None else [_mark(condition, at_utc, at_utc)]


def _mark(condition: Condition, since_utc: int, until_utc: int) -> Mark:
    return Mark(span=Interval(since_utc, max(until_utc, since_utc + 1)), flag=condition.flag)
