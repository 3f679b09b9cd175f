"""``[series]``: when days are validated, and which are no ordinary days.

::

    [series]
    after_s = 7200                         # after midnight: late blocks of the day are on their way
    quiet_s = 600                          # after the last change
    holidays = ["2026-01-26", "2026-08-15"]
"""

from dataclasses import dataclass
from datetime import date

from headend.vee.declared import DayKind
from signing.errors import DecodeError
from signing.interval import DAY_S, IST_OFFSET_S
from signing.tables import Table

_EPOCH_WEEKDAY = date(1970, 1, 1).weekday()
_SATURDAY, _SUNDAY = 5, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSettings:
    """When days are validated, and which are no ordinary days."""

    after_s: int
    quiet_s: int
    holidays: frozenset[int]
    """IST midnights, UTC seconds."""

    def kind(self, day_utc: int) -> DayKind:
        """What kind of day begins at an IST midnight."""
        if day_utc in self.holidays:
            return DayKind.HOLIDAY
        weekday = ((day_utc + IST_OFFSET_S) // DAY_S + _EPOCH_WEEKDAY) % 7
        return {_SATURDAY: DayKind.SATURDAY, _SUNDAY: DayKind.SUNDAY}.get(weekday, DayKind.WORKDAY)


def series(table: Table) -> SeriesSettings:
    """The section; every key has a default."""
    holidays: set[int] = set()
    for place, text in enumerate(table.texts("holidays", default=())):
        try:
            holidays.add(_midnight(text))
        except DecodeError as error:
            table.faults.add(f"{table.key('holidays')}[{place}]", str(error))
    return SeriesSettings(
        after_s=table.integer("after_s", least=0, most=DAY_S, default=7200),
        quiet_s=table.integer("quiet_s", least=0, most=DAY_S, default=600),
        holidays=frozenset(holidays),
    )


def _midnight(text: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise DecodeError(f"expected a day such as 2026-01-26, got {text!r:.40}") from error
    return (day - date(1970, 1, 1)).days * DAY_S - IST_OFFSET_S
