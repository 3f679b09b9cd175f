"""Erasing what is older than the discom may keep it, in small transactions; digests, signatures and places in the log stay.

Source: EVIDENCE §5 ("Openings can be erased while digests stay: ERASED, never INVALID").
"""

from headend.settings.retention import RetentionSettings
from headend.store.sqlite import retention_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.retention_rows import Openings
from signing.interval import DAY_S, Interval

AT_ONCE = 500
"""Rows of one transaction: intake waits meanwhile."""


class Retention:
    """Erases from one database. Owned by the thread that owns its connection."""

    __slots__ = ("_database", "_settings")

    def __init__(self, *, database: Database, settings: RetentionSettings) -> None:
        self._database = database
        self._settings = settings

    def preview(self, now_utc: int) -> int:
        """How many openings `step` would erase in the end."""
        days = self._settings.openings_days
        return 0 if days is None else retention_rows.erasable(self._database.connection, now_utc - days * DAY_S)

    def openings(self, meter: str, span: Interval, now_utc: int) -> Openings:
        """What is kept of a meter's openings in a span, and what of it is due."""
        days = self._settings.openings_days
        before = None if days is None else now_utc - days * DAY_S
        return retention_rows.openings(self._database.connection, meter, span, before)

    def step(self, now_utc: int) -> tuple[int, bool]:
        """Erases some of what is due; how many rows, and whether there may be more.

        Raises:
            StoreUnavailableError: nothing more was erased.
        """
        erased, more = 0, False
        settings = self._settings
        if settings.openings_days is not None:
            with self._database.transaction() as connection:
                before = now_utc - settings.openings_days * DAY_S
                erased, more = retention_rows.erase_openings(connection, before, now_utc=now_utc, most=AT_ONCE)
        if settings.days_days is not None:
            with self._database.transaction() as connection:
                gone = retention_rows.erase_days(connection, now_utc - settings.days_days * DAY_S, most=AT_ONCE)
            erased, more = erased + gone, more or gone == AT_ONCE
        return erased, more
