"""Half-open UTC intervals and the grid of metering blocks.

An instant is an integer number of seconds since 1970-01-01T00:00:00Z; there are no naive datetimes and no floats. Blocks
are aligned to IST midnight at their own length: ``(t + 19800) mod period == 0``. India has had one offset, +05:30, and no
daylight saving since 1945, so the offset is a constant.

::

    IST day   00:00          00:15          00:30                      24:00
              |--- block 0 ---|--- block 1 ---|        …        --- 95 ---|
              start is inside; end is outside and is the next block's start
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from signing.errors import DecodeError

IST_OFFSET_S = 19_800
DAY_S = 86_400
PERIODS_S = (900, 1800, 3600)
"""The block lengths that exist, in seconds."""

MAX_INSTANT = 2**32 - 1
"""Latest instant accepted anywhere (year 2106): later ones are a clock fault, not a time."""

IST = timezone(timedelta(seconds=IST_OFFSET_S), "IST")


def instant(value: object, path: str) -> int:
    """`value` as UTC seconds, 0…`MAX_INSTANT`.

    Raises:
        DecodeError: naming `path`, when it is not an integer or out of range.
    """
    if type(value) is not int:
        raise DecodeError(f"expected UTC seconds as an integer, got {value!r} in '{path}'")
    if not 0 <= value <= MAX_INSTANT:
        raise DecodeError(f"expected UTC seconds from 0 to {MAX_INSTANT}, got {value} in '{path}'")
    return value


def period(value: object, path: str) -> int:
    """`value` as a block length in seconds, one of `PERIODS_S`.

    Raises:
        DecodeError: naming `path`, when it is anything else.
    """
    if type(value) is not int or value not in PERIODS_S:
        raise DecodeError(f"expected a block length of 900, 1800 or 3600 s, got {value!r} in '{path}'")
    return value


def is_aligned(at: int, period_s: int) -> bool:
    """Whether `at` is a block boundary of length `period_s`."""
    return (at + IST_OFFSET_S) % period_s == 0


def floor_to_block(at: int, period_s: int) -> int:
    """The latest block boundary at or before `at`."""
    return at - (at + IST_OFFSET_S) % period_s


def ist_day_start(at: int) -> int:
    """The IST midnight at or before `at`, in UTC seconds."""
    return floor_to_block(at, DAY_S)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The half-open span ``[start_utc, end_utc)`` in UTC seconds; never empty."""

    start_utc: int
    end_utc: int

    def __post_init__(self) -> None:
        instant(self.start_utc, "start_utc")
        instant(self.end_utc, "end_utc")
        if self.start_utc >= self.end_utc:
            raise DecodeError(f"expected start before end, got {self.start_utc} and {self.end_utc}")

    @property
    def length_s(self) -> int:
        """The length in seconds, at least 1."""
        return self.end_utc - self.start_utc

    def contains(self, other: "Interval") -> bool:
        """Whether `other` lies wholly inside this interval."""
        return self.start_utc <= other.start_utc and other.end_utc <= self.end_utc

    def overlaps(self, other: "Interval") -> bool:
        """Whether any instant lies in both."""
        return self.start_utc < other.end_utc and other.start_utc < self.end_utc

    def block_starts(self, period_s: int) -> range:
        """The starts of the blocks of length `period_s` that lie wholly inside, ascending."""
        first = floor_to_block(self.start_utc + period_s - 1, period_s)
        return range(first, self.end_utc - period_s + 1, period_s)

    def is_measurable(self, period_s: int) -> bool:
        """Whether blocks of length `period_s` cover the interval without cutting one."""
        return is_aligned(self.start_utc, period_s) and is_aligned(self.end_utc, period_s)

    def ist_days(self) -> "Iterator[Interval]":
        """The interval cut at every IST midnight, ascending."""
        at = self.start_utc
        while at < self.end_utc:
            end = min(ist_day_start(at) + DAY_S, self.end_utc)
            yield Interval(at, end)
            at = end


def utc_text(at: int) -> str:
    """`at` as RFC 3339 with ``Z``, e.g. ``2026-04-26T04:30:00Z``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ist_text(at: int) -> str:
    """`at` for people, with its zone: ``2026-04-26 10:00:00 IST``."""
    return datetime.fromtimestamp(at, IST).strftime("%Y-%m-%d %H:%M:%S IST")


def parse_instant(text: str, path: str) -> int:
    """RFC 3339 text with an offset (``Z``, ``+05:30``, optional zero fraction) as UTC seconds.

    Raises:
        DecodeError: naming `path`, when it is not a date-time, has no offset, or is not a whole second.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise DecodeError(
            f"expected an RFC 3339 date-time such as 2026-04-26T04:30:00Z, got {text!r} in '{path}'"
        ) from error
    if moment.tzinfo is None:
        raise DecodeError(f"expected an offset (Z or +05:30) after the time, got {text!r} in '{path}'")
    if moment.microsecond:
        raise DecodeError(f"expected a whole second, got {text!r} in '{path}'")
    return instant(int(moment.timestamp()), path)
