"""The database file: made by an explicit command, opened only where it exists, migrated in one transaction.

A typo in a path must not start an empty history, so opening never creates. Several programs of one head-end may have the file
open; SQLite lets one of them write at a time.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar, NamedTuple

import sqlite_utils

from headend.errors import FatalError, StoreUnavailableError

APPLICATION_ID = 0x53_41_4B_53
"""``SAKS``: says that the file is a head-end's and not just any SQLite database."""

MIN_SQLITE = (3, 37, 0)
"""STRICT tables."""

_CACHE_KIB = 131_072
# A page that many transactions touch is copied back once for all of them; the log file grows to 128 MiB at most.
_CHECKPOINT_PAGES = 32_768
_BUSY_MS = 10_000
_UNAVAILABLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}
_MIGRATION_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")


class Migration(NamedTuple):
    """One numbered step of the schema."""

    number: int
    name: str
    sql: str


def migrations() -> tuple[Migration, ...]:
    """Every migration of this program, by number.

    Raises:
        FatalError: two files have one number, or one has a name that is not ``NNNN_words.sql``.
    """
    folder = resources.files("headend.store.sqlite") / "migrations"
    found = sorted(_migration(entry) for entry in folder.iterdir() if entry.name.endswith(".sql"))
    if len({step.number for step in found}) != len(found):
        raise FatalError("two migrations have one number: this installation is broken, install it again")
    return tuple(found)


def create_database(path: Path) -> None:
    """Makes an empty database with the newest schema at `path`, which MUST NOT exist.

    Raises:
        FatalError: the file exists or cannot be made, with the remedy.
    """
    if path.exists():
        raise FatalError(f"'{path}' exists already: choose another place, or keep using it without `init`")
    try:
        path.touch(mode=0o640)
    except OSError as error:
        raise FatalError(f"cannot create '{path}' ({error.strerror}): create its folder first") from error
    connection = _connect(path)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _migrate(connection)
    finally:
        connection.close()


def open_database(path: Path) -> "Database":
    """The database at `path`, its schema brought up to date. One thread owns what this gives.

    Raises:
        FatalError: there is no file, it is not a head-end's database, or a newer program wrote it; with the remedy.
        StoreUnavailableError: another program holds it for too long.
    """
    return Database(_opened(path))


def open_rehearsal(path: Path) -> "Rehearsal":
    """The database at `path` for saying what something would do, by doing it and leaving nothing; see `Rehearsal`.

    Raises:
        FatalError, StoreUnavailableError: as `open_database`.
    """
    return Rehearsal(_opened(path))


class Database:
    """One connection to the head-end's database. Owned by one thread."""

    __slots__ = ("connection",)

    keeps: ClassVar[bool] = True
    """Whether what a transaction wrote stays."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        """For reading, and inside `transaction` for writing; in autocommit otherwise."""

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything written inside happens durably at the end, or nothing of it.

        Raises:
            StoreUnavailableError: the disk is full or fails, or another program holds the database. Nothing was written.
        """
        with _translated():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                # The commit point: with synchronous=FULL this returns after the write-ahead log is on the disk.
                self.connection.execute("COMMIT")
            except BaseException:
                # SQLite itself rolls back on a full disk; only then is there nothing left to undo.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def data_version(self) -> int:
        """A number that changes when another connection has written."""
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def integrity(self) -> tuple[str, ...]:
        """What SQLite itself finds wrong with the file, in words; nothing when it is sound."""
        rows = self.connection.execute("PRAGMA integrity_check").fetchall()
        keys = self.connection.execute("PRAGMA foreign_key_check").fetchall()
        return tuple(text for (text,) in rows if text != "ok") + tuple(
            f"row {row} of {table} names a row of {parent} that does not exist" for table, row, parent, _ in keys
        )

    def administration(self) -> sqlite_utils.Database:
        """The same connection for schema work and ad hoc questions; not for the hot path."""
        return sqlite_utils.Database(self.connection)

    def close(self) -> None:
        """Closes the file. What was committed stays."""
        self.connection.close()


class Rehearsal(Database):
    """A database in which everything can be done and nothing of it stays.

    Transactions see what those before them wrote, refuse what they would refuse, and are all undone by `close`. From the first one on it
    keeps other programs from writing, so what takes long is looked at before.
    """

    __slots__ = ()

    keeps = False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """As `Database.transaction`, until `close`."""
        with _translated():
            if not self.connection.in_transaction:
                self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("SAVEPOINT rehearsed")
            try:
                yield self.connection
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK TO rehearsed")
                raise
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("RELEASE rehearsed")

    def close(self) -> None:
        """Undoes everything and closes the file."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        super().close()


def _opened(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise FatalError(f"there is no database at '{path}': correct the path, or run `sakshi-headend init` once")
    connection = _connect(path)
    try:
        with _translated():
            _require_ours(connection, path)
            _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _migration(entry: Traversable) -> Migration:
    named = _MIGRATION_NAME.fullmatch(entry.name)
    if named is None:
        raise FatalError(f"migration '{entry.name}' is not named NNNN_words.sql: install this program again")
    return Migration(int(named[1]), entry.name, entry.read_text(encoding="utf-8"))


def _connect(path: Path) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        raise FatalError(f"SQLite {sqlite3.sqlite_version} is too old: install 3.37 or newer")
    try:
        connection = sqlite3.connect(
            path.absolute().as_uri() + "?mode=rw", uri=True, isolation_level=None, timeout=_BUSY_MS / 1000
        )
    except sqlite3.Error as error:
        raise FatalError(f"cannot open '{path}' ({error}): check the path and its permissions") from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise FatalError(
            f"'{path}' is not a usable SQLite database ({error}): correct the path or restore it"
        ) from error
    return connection


def _require_ours(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise FatalError(f"'{path}' is not a head-end's database: correct the path")


def _migrate(connection: sqlite3.Connection) -> None:
    """Applies what is missing, all of it or nothing."""
    administration = sqlite_utils.Database(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        applied = _applied(administration)
        known = migrations()
        _require_known(applied, known)
        for step in known:
            if step.number not in applied:
                _run(connection, step)
                connection.execute("INSERT INTO migrations (number, name) VALUES (?, ?)", (step.number, step.name))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _require_known(applied: set[int], known: tuple[Migration, ...]) -> None:
    unknown = applied - {step.number for step in known}
    if unknown:
        raise FatalError(
            f"the database has schema steps that this program does not know {sorted(unknown)}: install a newer one"
        )


def _applied(administration: sqlite_utils.Database) -> set[int]:
    if not administration.table("migrations").exists():
        administration.execute("CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
    return {int(number) for (number,) in administration.execute("SELECT number FROM migrations").fetchall()}


def _run(connection: sqlite3.Connection, step: Migration) -> None:
    """Runs the statements of a script one by one: `executescript` would commit what came before."""
    pending = ""
    for line in step.sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            connection.execute(pending)
            pending = ""
    if "".join(line.partition("--")[0] for line in pending.splitlines()).strip():
        raise FatalError(f"migration '{step.name}' ends inside a statement: install this program again")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        # The low byte is the primary code. Anything else, such as a missing table, is a defect and must be seen as one.
        if error.sqlite_errorcode & 0xFF not in _UNAVAILABLE:
            raise
        raise StoreUnavailableError(
            f"the database cannot be written now ({error}): free space on its disk, or stop what holds it"
        ) from error
