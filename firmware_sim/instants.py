"""Instants as UTC seconds, and the meter's wall clock.

India has had one offset, +05:30, and no daylight saving since 1945, so the meter's local time is a constant shift. A
*day* here is a whole number of IST days since 1970-01-01 IST.
"""

from datetime import UTC, datetime, timedelta, timezone

from firmware_sim.errors import SetupError

IST_OFFSET_S = 19_800
DAY_S = 86_400
IST = timezone(timedelta(seconds=IST_OFFSET_S), "IST")
LATEST = 4_102_444_800
"""The year 2100: what lies after it is a slip of the keyboard."""


def day_of(at: int) -> int:
    """The IST day that holds the instant `at`."""
    return (at + IST_OFFSET_S) // DAY_S


def day_start(day: int) -> int:
    """IST midnight at which `day` begins, in UTC seconds."""
    return day * DAY_S - IST_OFFSET_S


def month_start(at: int) -> int:
    """The IST midnight at which the month that holds the instant `at` begins, in UTC seconds."""
    return day_start(day_of(at) - local(at).day + 1)


def utc_text(at: int) -> str:
    """`at` as ISO 8601 in UTC to the second, e.g. ``2026-03-01T04:30:00Z``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local(at: int) -> datetime:
    """`at` on the meter's wall clock, aware, +05:30."""
    return datetime.fromtimestamp(at, IST)


def parse_instant(text: str) -> int:
    """The UTC seconds of an ISO 8601 date-time that names its offset.

    Raises:
        SetupError: when the text is no date-time, has no offset or a fraction of a second, or is not in 1970 to 2100.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SetupError(f"expected a date-time such as 2026-03-01T10:00:00+05:30, got {text!r}") from None
    if moment.tzinfo is None:
        raise SetupError(f"expected an offset in {text!r}: add Z or +05:30")
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    if seconds != int(seconds) or not 0 <= seconds <= LATEST:
        raise SetupError(f"expected a whole second between 1970 and 2100, got {text!r}")
    return int(seconds)
