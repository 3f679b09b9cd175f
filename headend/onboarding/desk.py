"""The registry as the web changes it: each request opens the database and the log for itself, as a command does.

Requests are rare and may come while the head-end serves; programs of one head-end take turns by the database's own lock.
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from headend.log.logbook import Logbook, LogKey
from headend.onboarding.known import Registry
from headend.onboarding.sheet_import import RegistryImport
from headend.registry.plan import Rejected
from headend.registry.report import Outcome
from headend.registry.sheet import Sheet
from headend.store.sqlite.database import open_database
from signing.keys import Signer


class StoredRegistryDesk:
    """Imports into one database. Safe to call from several threads: they take turns."""

    __slots__ = ("_database", "_folder", "_key", "_signer", "_turn")

    def __init__(self, *, database: Path, folder: Path, key: LogKey, signer: Signer) -> None:
        """`folder` has the checkpoint file of log 0, which `key` signs; `signer` is the discom's statement key."""
        self._database = database
        self._folder = folder
        self._key = key
        self._signer = signer
        self._turn = threading.Lock()

    def preview(self, sheet: Sheet, rejected: Rejected) -> Outcome:
        """What applying a sheet would do now."""
        with self._opened() as importing:
            return importing.preview(sheet, rejected)

    def apply(self, sheet: Sheet, rejected: Rejected, *, by: str, at_utc: int) -> Outcome:
        """Writes what a sheet changes, or nothing."""
        with self._opened() as importing:
            return importing.apply(sheet, by=by, at_utc=at_utc, rejected=rejected)

    @contextmanager
    def _opened(self) -> Iterator[RegistryImport]:
        with self._turn, closing(open_database(self._database)) as database:
            book = Logbook(database, {0: self._key}, self._folder)
            registry = Registry(database)
            yield RegistryImport(database=database, book=book, registry=registry, signer=self._signer)
