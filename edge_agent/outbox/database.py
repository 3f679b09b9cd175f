"""The agent's database file: created on purpose only, opened whole or not at all, written in named transactions.

One thread owns a `Database`. WAL with synchronous=FULL: what is committed survives power loss.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TypeAlias

from edge_agent.outbox.errors import DiskFullError, StateError

Hook: TypeAlias = Callable[[str], None]
"""Called at every named step of a transaction: ``<name>:begun``, ``<name>:written``, ``<name>:committed``.

The program passes one that does nothing; tests pass one that fails or kills the process there.
"""

BUSY_TIMEOUT_MS = 5000
PAGE_SIZE = 512
"""Octets of a page of a new file: a commit writes every page whole in which it changes an octet, and a card of flash wears by that."""
LONGEST_LOG = 4 * 1024 * 1024
"""Octets of pages in the write-ahead log after which they are moved to their places: a page that changed often is moved once."""
Row: TypeAlias = tuple[object, ...]


def no_hook(step: str) -> None:
    """Nothing, at every step."""


class Database:
    """An open database file. Use as a context manager.

    Raises:
        StateError: there is no such file: only `init` makes one, since a typo must not start an empty history.
    """

    def __init__(self, path: Path, hook: Hook = no_hook) -> None:
        if not path.is_file():
            raise StateError(
                f"state database '{path}' is not there: correct 'state', or run `sakshi-agent init`; if the state was "
                "lost, run `sakshi-agent init --new-key`, since the old key's chain cannot be continued"
            )
        self.path = path
        self._hook = hook
        self._connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
        try:
            self._configure()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Idempotent."""
        self._connection.close()

    def migrate(self) -> None:
        """Brings the schema to the newest version, each step in its own transaction.

        Raises:
            StateError: the file was written by a newer program.
        """
        steps = sorted(
            (entry for entry in resources.files("edge_agent.outbox.migrations").iterdir()),
            key=lambda entry: entry.name,
        )
        scripts = [step.read_text("utf-8") for step in steps if step.name.endswith(".sql")]
        (version,) = self.one("PRAGMA user_version")
        assert isinstance(version, int)
        if version > len(scripts):
            raise StateError(
                f"state database '{self.path}' has schema {version}, this program knows up to {len(scripts)}: "
                "install the newer program"
            )
        for number, script in enumerate(scripts[version:], start=version + 1):
            with self._mapped():
                self._connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")

    def all(self, sql: str, *values: object) -> list[Row]:
        """The rows of a query."""
        with self._mapped():
            return self._connection.execute(sql, values).fetchall()

    def first(self, sql: str, *values: object) -> Row | None:
        """The first row of a query, if there is one."""
        with self._mapped():
            row: Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def one(self, sql: str, *values: object) -> Row:
        """The one row of a query that always has one."""
        row = self.first(sql, *values)
        assert row is not None
        return row

    def run(self, sql: str, *values: object) -> int:
        """Runs one statement and gives the number of rows that it changed. Only inside a transaction."""
        assert self._connection.in_transaction
        with self._mapped():
            return self._connection.execute(sql, values).rowcount

    @contextmanager
    def transaction(self, name: str) -> Iterator[None]:
        """One durable step: everything inside, or nothing.

        Raises:
            DiskFullError: the disk has no room; nothing was written.
            StateError: the file cannot be written or is damaged.
        """
        with self._mapped():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._hook(f"{name}:begun")
                yield
                self._hook(f"{name}:written")
                self._connection.execute("COMMIT")  # the commit point: durable from here, synchronous=FULL
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        self._hook(f"{name}:committed")

    def limit_pages(self, pages: int) -> None:
        """Refuses to let the file grow beyond `pages` pages, as a full disk does."""
        self.one(f"PRAGMA max_page_count = {pages:d}")

    def _configure(self) -> None:
        with self._mapped():
            for pragma in (
                f"busy_timeout = {BUSY_TIMEOUT_MS}",
                f"page_size = {PAGE_SIZE}",  # before anything is written: an old file keeps the size that it has
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
                "trusted_schema = OFF",
            ):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            (page_size,) = self._connection.execute("PRAGMA page_size").fetchone()
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_LOG // page_size}").fetchall()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # The primary code is the low byte; extended codes only say more.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                raise DiskFullError(f"no room on disk for '{self.path}': free some; nothing was lost") from error
            raise StateError(f"state database '{self.path}': {error}: check the disk, then restart") from error
