"""``[series]``: when days are validated, and which are no ordinary days.

::

    [series]
    after_s = 7200                         # after midnight: late blocks of the day are on their way
    quiet_s = 600                          # after the last change
    holidays = ["2026-01-26", "2026-08-15"]
    profiles = "profiles.toml"             # days of categories, for E6 (headend/settings/profiles.py); read when a program starts
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from headend.settings.profiles import NO_PROFILES, Profiles
from headend.settings.profiles import parse as parse_profiles
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
    profiles: Profiles = NO_PROFILES

    def kind(self, day_utc: int) -> DayKind:
        """What kind of day begins at an IST midnight."""
        if day_utc in self.holidays:
            return DayKind.HOLIDAY
        weekday = ((day_utc + IST_OFFSET_S) // DAY_S + _EPOCH_WEEKDAY) % 7
        return {_SATURDAY: DayKind.SATURDAY, _SUNDAY: DayKind.SUNDAY}.get(weekday, DayKind.WORKDAY)


def series(table: Table, base: Path) -> SeriesSettings:
    """The section; every key has a default, and a relative path is under `base`."""
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
        profiles=_profiles(table, base),
    )


def _profiles(table: Table, base: Path) -> Profiles:
    name = table.optional_text("profiles")
    if name is None:
        return NO_PROFILES
    try:
        return parse_profiles((base / name).read_text(encoding="utf-8"), str(base / name))
    except (OSError, UnicodeDecodeError) as error:
        table.faults.add(table.key("profiles"), f"cannot read '{base / name}': {error}: check the path")
    except DecodeError as error:
        table.faults.add(table.key("profiles"), str(error))
    return NO_PROFILES


def _midnight(text: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise DecodeError(f"expected a day such as 2026-01-26, got {text!r:.40}") from error
    return (day - date(1970, 1, 1)).days * DAY_S - IST_OFFSET_S
