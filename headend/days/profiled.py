"""Validated days that rest on the days of categories (E6): by which, and which of them another file makes due.

Source: VEE §B E6; docs/operating.md, Bills and returns.
"""

from headend.series import Day
from headend.settings.profiles import Profiles
from headend.store.sqlite import day_rows
from headend.store.sqlite.database import Database
from signing.interval import DAY_S, ist_day_start

_METHOD = "E6"
_BACK_DAYS = 45
"""How many days another file, which may change any of them, is taken back to."""


def borne_on(day: Day, profiles: Profiles) -> bytes | None:
    """The digest of the profiles where they bear on a day: a block was estimated by them, or has no energy; else none."""
    is_borne_on = any(
        block.import_wh is None or _METHOD in {block.import_method, block.export_method} for block in day.blocks
    )
    return profiles.digest if is_borne_on else None


def collect_profiled(database: Database, profiles: Profiles, now_utc: int) -> None:
    """Makes the days due that other profiles than before may change: those that rest on them, or lack what they may give."""
    digest, before = profiles.digest, day_rows.profiles_looked_through(database.connection)
    if before == digest:
        return
    since = max(0, ist_day_start(now_utc) - _BACK_DAYS * DAY_S)
    found = day_rows.of_other_profiles(database.connection, digest, since)
    with database.transaction() as connection:
        # Of a version from before digests were kept nobody knows: it is looked at once.
        day_rows.put_due(
            connection, [(meter, start, now_utc) for meter, start, known in found if known or before is None]
        )
        day_rows.put_profiles_looked_through(connection, digest)
