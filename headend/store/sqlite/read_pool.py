"""Read-only connections for programs and threads that never write: each borrower sees one unchanging state.

SQLite's write-ahead log lets them read while intake writes. Nothing here can change the database, whatever SQL it is given.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from headend.errors import FatalError, StoreUnavailableError

_BUSY_S = 5.0
_CACHE_KIB = 8192


class ReadPool:
    """A fixed number of read-only connections to one database. Safe to call from several threads; close it at the end."""

    __slots__ = ("_free", "_held", "path")

    def __init__(self, path: Path, size: int = 4) -> None:
        """Opens `size` connections to the database at `path`, which MUST exist with its newest schema.

        Raises:
            FatalError: there is no readable database; with the remedy.
        """
        self.path = path
        self._free: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._held: list[sqlite3.Connection] = []
        try:
            for _ in range(size):
                connection = _connect(path)
                self._held.append(connection)
                self._free.put(connection)
        except sqlite3.Error as error:
            self.close()
            raise FatalError(
                f"cannot read '{path}' ({error}): correct the path, or run `sakshi-headend init`"
            ) from error

    @contextmanager
    def borrowed(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one read transaction: everything read through it belongs to one state.

        Raises:
            StoreUnavailableError: the database cannot be read now.
        """
        connection = self._free.get()
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR:
                # A missing table or wrong SQL is a defect and must be seen as one.
                raise
            raise StoreUnavailableError(
                f"the database cannot be read now ({error}): check its disk, or stop what holds it"
            ) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._free.put(connection)

    def close(self) -> None:
        """Closes every connection; nothing may be borrowed any more."""
        for connection in self._held:
            connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path.absolute().as_uri() + "?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_S,
        # One borrower has it at a time; the queue orders them.
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("SELECT count(*) FROM migrations").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
