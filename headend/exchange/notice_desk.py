"""Notices as the web takes them in: each request opens the database for itself, as a command does."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from headend.store.sqlite import outcome_rows
from headend.store.sqlite.database import open_database
from headend.trading.outcomes import Notice, Taken


class StoredNoticeDesk:
    """Keeps notices in one database. Safe to call from several threads."""

    __slots__ = ("_database",)

    def __init__(self, database: Path) -> None:
        """`database` is the head-end's SQLite file."""
        self._database = database

    def take(self, notice: Notice) -> Taken:
        """Keeps a notice, once for each sender and reference; what it came to."""
        with closing(open_database(self._database)) as database, database.transaction() as connection:
            if outcome_rows.put_notice(connection, notice):
                return Taken.NEW
            known = outcome_rows.notice(connection, notice.sender, notice.reference)
        is_same = known is not None and replace(known[1], received_utc=notice.received_utc) == notice
        return Taken.SAME if is_same else Taken.OTHER
