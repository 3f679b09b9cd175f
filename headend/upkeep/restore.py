"""Backups while the head-end runs, and going on from one after the database was lost.

A restored database lacks what was logged since the backup, while receipts and postings of that time are out in the world. So `restore`
takes the entries of the log from the file beside the database, proves them against the published checkpoint, and gives the database all
of its leaves back. The statements behind the newest leaves are listed as lost: gateways are asked for their batches, which come back to the
same leaves; what the discom itself signed since then must be said again. What operators ordered since stands in no log at all: a figure
that somebody contests must not go out because the backup does not know it, so posting stands down until an operator has looked.
Source: EVIDENCE §2; P21.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from headend.config import Config
from headend.counting import Tell, untold
from headend.duties.holds import HoldKind, Order
from headend.errors import FatalError, RefusedError
from headend.founding import LOG, open_keys
from headend.log.entries_file import EntriesFile
from headend.log.logbook import Logbook
from headend.state_lock import only_one
from headend.store.sqlite import hold_rows, log_rows, lost_rows
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.lost_rows import Restored
from signing.errors import SigningError
from signing.interval import ist_text
from signing.log.checkpoint import Checkpoint, open_checkpoint
from signing.log.merkle import HASH_BYTES, Frontier, leaf_hash
from signing.log.note import VerifierKey

_PAGES_AT_ONCE = 4096
_MIB = 2**20
_MIB_AT_ONCE = 64
_BY = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy of the database."""

    path: Path
    tree_size: int
    """Leaves of its log."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A database that was restored."""

    restored: Restored
    hold: int
    """Number of the stand-down that keeps it silent."""


def back_up(config: Config, path: Path, *, tell: Tell = untold) -> Backup:
    """Copies the database of a head-end, which may be running, to `path`: one state of it, checked and durable. `tell` gets pages.

    Raises:
        RefusedError: the file exists, or the copy is not sound.
        FatalError: there is no database.
    """
    if path.exists():
        raise RefusedError(f"'{path}' exists already: give each backup its own name")
    beside = path.with_name(path.name + ".part")
    with closing(open_database(config.database)) as database, closing(sqlite3.connect(beside)) as copy:
        database.connection.backup(
            copy, pages=_PAGES_AT_ONCE, progress=lambda _, remaining, total: tell(total - remaining, total)
        )
        (said,) = copy.execute("PRAGMA quick_check").fetchone()
        if said != "ok":
            beside.unlink()
            raise RefusedError(f"the copy is not sound ({said}): run `sakshi-headend fsck`")
        size, _ = log_rows.tip(copy, LOG)
        # One file, without a log of its own beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
    _sync(beside)
    beside.replace(path)
    _sync(path.parent)
    return Backup(path=path, tree_size=size, size_bytes=path.stat().st_size)


def restore(config: Config, backup: Path, *, now_utc: int, tell: Tell = untold) -> Recovery:
    """Makes `backup` the database of `config`, with every leaf of the published log, and standing down. `tell` gets MiB of the copy.

    Raises:
        RefusedError: there is a database already, or the backup is not of this head-end's history; nothing changed.
        FatalError: a head-end runs, or what is published cannot be read.
    """
    key = open_keys(config).log.verifier
    with only_one(config.state):
        if config.database.exists():
            raise RefusedError(f"'{config.database}' exists: put it aside first, and keep it")
        beside = config.database.with_name("headend.db.new")
        _remove(beside)
        _copy(backup, beside, tell)
        try:
            with closing(open_database(beside)) as database:
                recovery = _with_all_leaves(database, config.state, key, now_utc)
                database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except BaseException:
            _remove(beside)
            raise
        for name in ("-wal", "-shm"):
            _remove(config.database.with_name(config.database.name + name))
        # The commit point: before it there is no database, after it there is one with every leaf.
        beside.replace(config.database)
        _sync(config.state)
    _prove(config)
    return recovery


def _copy(backup: Path, target: Path, tell: Tell) -> None:
    total = -(-backup.stat().st_size // _MIB)
    with backup.open("rb") as source, target.open("xb") as copy:
        for start in range(0, total, _MIB_AT_ONCE):
            copy.write(source.read(_MIB_AT_ONCE * _MIB))
            tell(min(total, start + _MIB_AT_ONCE), total)
    _sync(target)


def _with_all_leaves(database: Database, state: Path, key: VerifierKey, now_utc: int) -> Recovery:
    """Gives the log of `database` the entries that were published since."""
    if log_rows.logs(database.connection).get(LOG) != str(key):
        raise RefusedError("the backup is of another log: take one that this head-end made")
    had, _ = log_rows.tip(database.connection, LOG)
    note = _published(state)
    stated = _opened(note, key)
    if stated.size < had:
        raise RefusedError(
            f"the backup has {had} leaves and only {stated.size} are published: put the newest checkpoint-{LOG} back first"
        )
    entries = EntriesFile(state, LOG)
    if entries.size() < stated.size:
        raise FatalError(f"'{entries.path}' has {entries.size()} of {stated.size} entries: take it from another copy")
    _require_same(database, entries, had)
    growth = _frontier(database, had).extended(map(leaf_hash, entries.read(had, stated.size)))
    if growth.after.root() != stated.root:
        raise RefusedError("the entries are not the tree of the published checkpoint: take both from one copy")
    new = list(entries.read(had, stated.size))
    restored = Restored(log=LOG, from_size=had, to_size=stated.size, restored_utc=now_utc)
    with database.transaction() as connection:
        log_rows.put_growth(connection, LOG, growth, new)
        log_rows.put_tip(connection, LOG, stated.size, note)
        first = log_rows.leaf_row(LOG, had)
        lost_rows.put_lost(connection, enumerate(new, first))
        lost_rows.put_restore(connection, restored)
        hold = hold_rows.open_hold(connection, _silence(connection), at_utc=now_utc)
    return Recovery(restored=restored, hold=hold)


def _silence(connection: sqlite3.Connection) -> Order:
    """Nothing is posted or told before an operator has placed again what the backup does not know."""
    known_utc = lost_rows.newest_known_utc(connection)
    of = "" if known_utc is None else f" whose newest statement or order is of {ist_text(known_utc)}"
    return Order(
        kind=HoldKind.STAND_DOWN,
        connection_point=None,
        window=None,
        party=None,
        by=_BY,
        reason=f"restored from a backup{of}: holds placed since are not known",
    )


def _frontier(database: Database, size: int) -> Frontier:
    try:
        return Frontier.read(size, log_rows.StoredNodes(database.connection, LOG))
    except LookupError as error:
        raise RefusedError(f"the backup's log is not whole ({error}): take an older one") from error


def _require_same(database: Database, entries: EntriesFile, size: int) -> None:
    """That the backup's leaves are the first ones of the published log."""
    published = b"".join(entries.read(0, size))
    stored = log_rows.entries(database.connection, LOG, 0, size)
    if published != stored:
        place = next(
            at
            for at in range(size)
            if published[at * HASH_BYTES :][:HASH_BYTES] != stored[at * HASH_BYTES :][:HASH_BYTES]
        )
        raise RefusedError(f"the backup and the published log differ from leaf {place} on: it is of another history")


def _published(state: Path) -> bytes:
    path = state / f"checkpoint-{LOG}"
    try:
        return path.read_bytes()
    except OSError as error:
        raise FatalError(f"cannot read '{path}' ({error.strerror}): take it from another copy or a witness") from error


def _opened(note: bytes, key: VerifierKey) -> Checkpoint:
    try:
        return open_checkpoint(note, key).checkpoint
    except SigningError as error:
        raise FatalError(f"the published checkpoint is not this log's ({error}): correct the log key") from error


def _prove(config: Config) -> None:
    """That the head-end would sign with what was restored."""
    keys = open_keys(config)
    with closing(open_database(config.database)) as database:
        Logbook(database, {LOG: keys.log}, config.state)


def _remove(path: Path) -> None:
    for name in ("", "-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
