"""Keeping the logs: every logged statement is stored in a transaction of this module.

The order is fixed, and each step may be the last one before a crash:

1. the statements, their leaves, the tree nodes and the signed checkpoint are written in one transaction
2. the transaction commits: from here on the leaves exist
3. the entries and then the checkpoint are written to files outside the database and fsynced
4. only then does anything that rests on it leave the program

A crash before 2 leaves nothing. One between 2 and 3 leaves a file that the database extends; opening brings it up to date. A
database that does not extend the file is a restored backup, or another one: signing a second history would be worse than
standing still. Source: EVIDENCE §2.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from headend.errors import FatalError, StoreUnavailableError
from headend.log.entries_file import EntriesFile
from headend.store.sqlite import log_rows, lost_rows
from headend.store.sqlite.database import Database
from signing.errors import SigningError, VerificationError
from signing.keys import Signer
from signing.log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from signing.log.merkle import EMPTY_ROOT, Frontier, Growth, HashReader, leaf_hash
from signing.log.note import VerifierKey
from signing.log.proofs import Path as MerklePath
from signing.log.proofs import Paths
from signing.log.seen import require_extension

_RESTORE = "run `sakshi-headend restore` with it; to go on with it as it is would sign a second history of the log"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """The key of one log: what others verify with, and what signs."""

    verifier: VerifierKey
    """Its name is the log's origin."""
    signer: Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """A log as it stands: its newest signed checkpoint."""

    log: int
    frontier: Frontier
    checkpoint: bytes
    """The signed note; empty before the first leaf."""

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self.frontier.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What one transaction added to one log, for the receipts."""

    tip: Tip
    growth: Growth
    hash_at: HashReader

    def paths(self) -> Paths:
        """Paths to the new root, for leaves and sizes old and new. Drop it with the batch."""
        return Paths(self.tip.size, self.hash_at)


class LogTransaction:
    """An open transaction: write rows through `connection`, give each statement its leaf by `append`."""

    __slots__ = ("_entries", "_lost", "_tips", "appended", "connection", "found")

    def __init__(self, connection: sqlite3.Connection, tips: Mapping[int, Tip], lost: Mapping[bytes, int]) -> None:
        self.connection = connection
        self._tips = tips
        self._lost = lost
        self.found: list[int] = []
        """Leaves whose lost statements came again."""
        self._entries: dict[int, list[bytes]] = {}
        self.appended: dict[int, Appended] = {}
        """By log, once the transaction has been committed."""

    def tip(self, log: int) -> Tip:
        """The log before this transaction.

        Raises:
            FatalError: this program does not keep that log.
        """
        try:
            return self._tips[log]
        except KeyError:
            raise FatalError(f"log {log} is not kept by this program: give its key in the configuration") from None

    def next_index(self, log: int) -> int:
        """The index that the next digest appended to `log` gets."""
        return self.tip(log).size + len(self._entries.get(log, ()))

    def append(self, log: int, digests: Sequence[bytes]) -> int:
        """Gives `digests` the next leaves of `log`, in order, and the row id of the first (the others follow it)."""
        first = self.next_index(log)
        self._entries.setdefault(log, []).extend(digests)
        return log_rows.leaf_row(log, first)

    def append_one(self, log: int, digest: bytes) -> int:
        """Gives `digest` the next leaf of `log`, and that leaf's row id; what a restore lost gets the leaf that it had."""
        if self._lost and (leaf := self._lost.get(digest)) is not None:
            self.found.append(leaf)
            return leaf
        entries = self._entries.get(log)
        if entries is None:
            return self.append(log, (digest,))
        entries.append(digest)
        return log_rows.leaf_row(log, self._tips[log].size + len(entries) - 1)

    def entries(self) -> Mapping[int, Sequence[bytes]]:
        """What was appended so far, by log."""
        return self._entries


class Logbook:
    """The logs of one database that this program signs. Owned by one thread; programs may share the database."""

    __slots__ = ("_database", "_entries", "_folder", "_keys", "_lost", "_nodes", "_published", "_tips")

    def __init__(self, database: Database, keys: Mapping[int, LogKey], folder: Path) -> None:
        """Opens the logs, and brings the checkpoint files in `folder` up to date.

        Raises:
            FatalError: a database behind its file, another log's file or key, rows that are not the signed tree; with the
                remedy. Nothing is signed then.
        """
        self._database = database
        self._keys = dict(keys)
        self._folder = folder
        self._nodes = {log: log_rows.StoredNodes(database.connection, log) for log in keys}
        self._tips: dict[int, Tip] = {}
        self._published: dict[int, bytes] = {}
        self._entries = {log: EntriesFile(folder, log) for log in keys}
        self._lost = lost_rows.lost(database.connection)
        known = log_rows.logs(database.connection)
        for log, key in self._keys.items():
            if known.get(log) != str(key.verifier):
                raise FatalError(
                    f"log {log} of the database has the key {known.get(log)}: correct the configured log key"
                )
            self._tips[log] = self._read_tip(log)
        self._publish_all()

    def tip(self, log: int) -> Tip:
        """The log as this program last read or wrote it."""
        return self._tips[log]

    def size(self, log: int) -> int:
        """Number of leaves of a log as this program last read or wrote it; 0 for one that it does not keep."""
        tip = self._tips.get(log)
        return 0 if tip is None else tip.size

    def nodes(self, log: int) -> HashReader:
        """The complete nodes of a log, from its rows."""
        return self._nodes[log]

    def consistency(self, log: int, old_size: int) -> MerklePath:
        """The path from an old size to the tip."""
        return Paths(self._tips[log].size, self._nodes[log]).consistency(old_size)

    @contextmanager
    def transaction(self) -> Iterator[LogTransaction]:
        """Rows, leaves and checkpoint in one transaction; on return all of it is durable, and the file too.

        Raises:
            FatalError: the logs can no longer be kept; end the process.
            StoreUnavailableError: nothing was written; try again later.
        """
        opened: LogTransaction | None = None
        try:
            with self._database.transaction() as connection:
                self._refresh()
                opened = LogTransaction(connection, dict(self._tips), self._lost)
                yield opened
                if opened.found:
                    lost_rows.found(connection, opened.found)
                appended = {log: self._write(connection, log, entries) for log, entries in opened.entries().items()}
        except BaseException:
            for nodes in self._nodes.values():
                nodes.forget()
            raise
        if opened.found:
            back = set(opened.found)
            self._lost = {digest: leaf for digest, leaf in self._lost.items() if leaf not in back}
        for log, change in appended.items():
            self._tips[log] = change.tip
        # Not before the commit: a file ahead of the database means a restored backup. A rehearsal commits nothing.
        if self._database.keeps:
            self._publish_all()
        opened.appended = appended

    def _refresh(self) -> None:
        """Takes over what another program of this head-end appended."""
        for log, tip in self._tips.items():
            size, note = log_rows.tip(self._database.connection, log)
            if size != tip.size or (note or b"") != tip.checkpoint:
                newer = self._read_tip(log)
                self._require_extension(tip, newer)
                self._tips[log] = newer

    def _write(self, connection: sqlite3.Connection, log: int, entries: Sequence[bytes]) -> Appended:
        tip = self._tips[log]
        growth = tip.frontier.extended(map(leaf_hash, entries))
        hash_at = growth.backed_by(self._nodes[log])
        key = self._keys[log]
        checkpoint = Checkpoint(origin=key.verifier.name, size=growth.after.size, root=growth.after.root())
        seen = open_checkpoint(tip.checkpoint, key.verifier).checkpoint if tip.checkpoint else None
        try:
            require_extension(seen, checkpoint, Paths(checkpoint.size, hash_at).consistency(tip.size))
        except VerificationError as error:
            raise FatalError(f"log {log} would not extend its last checkpoint ({error}): {_RESTORE}") from error
        note = bytes(sign_checkpoint(checkpoint, key.verifier, key.signer))
        log_rows.put_growth(connection, log, growth, entries)
        log_rows.put_tip(connection, log, checkpoint.size, note)
        return Appended(tip=Tip(log=log, frontier=growth.after, checkpoint=note), growth=growth, hash_at=hash_at)

    def _read_tip(self, log: int) -> Tip:
        size, note = log_rows.tip(self._database.connection, log)
        nodes = self._nodes[log]
        nodes.forget()
        try:
            frontier = Frontier.read(size, nodes)
        except LookupError as error:
            raise FatalError(f"log {log} has size {size}, but {error}: {_RESTORE}") from error
        tip = Tip(log=log, frontier=frontier, checkpoint=note or b"")
        stated = _stated(tip.checkpoint, self._keys[log].verifier, f"the checkpoint of log {log} in the database")
        if (stated.size, stated.root) != (size, frontier.root()):
            raise FatalError(f"log {log}: its rows are not the tree of its signed checkpoint: {_RESTORE}")
        return tip

    def _require_extension(self, old: Tip, new: Tip) -> None:
        verifier = self._keys[new.log].verifier
        _extends(
            _stated(old.checkpoint, verifier, "the last checkpoint"),
            _stated(new.checkpoint, verifier, "the database's checkpoint"),
            self._nodes[new.log],
            f"log {new.log} of the database does not extend what this program signed",
        )

    def _publish_all(self) -> None:
        """Brings every file up to its tip, also where an earlier try failed: receipts may rest on any of them."""
        for log, tip in self._tips.items():
            if self._published.get(log) != tip.checkpoint:
                self._publish(tip)
                self._published[log] = tip.checkpoint

    def _publish(self, tip: Tip) -> None:
        """Makes the file say at least what `tip` says, durably. Programs take turns by a lock file."""
        path = self._folder / f"checkpoint-{tip.log}"
        verifier = self._keys[tip.log].verifier
        try:
            with (self._folder / "checkpoint.lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                said = path.read_bytes() if path.exists() else b""
                if said == tip.checkpoint and self._entries[tip.log].size() >= tip.size:
                    return
                before = _stated(said, verifier, f"'{path}'")
                if before.size > tip.size and self._caught_up(tip.log, before):
                    return
                now = _stated(tip.checkpoint, verifier, "the database's checkpoint")
                _extends(before, now, self._nodes[tip.log], f"the database is behind '{path}'")
                self._entries[tip.log].extend(tip.size, partial(log_rows.entries, self._database.connection, tip.log))
                _replace(path, tip.checkpoint)
        except OSError as error:
            # The leaves are committed; whoever is not answered sends again and gets the same leaf.
            raise StoreUnavailableError(f"cannot write '{path}' ({error.strerror}): free space on its disk") from error

    def _caught_up(self, log: int, said: Checkpoint) -> bool:
        """Whether another program took the log as far as the file says since this one read its tip."""
        size, note = log_rows.tip(self._database.connection, log)
        stated = _stated(note or b"", self._keys[log].verifier, f"the checkpoint of log {log} in the database")
        return size >= said.size and stated.size == size


def _stated(note: bytes, key: VerifierKey, what: str) -> Checkpoint:
    if not note:
        return Checkpoint(origin=key.name, size=0, root=EMPTY_ROOT)
    try:
        return open_checkpoint(note, key).checkpoint
    except SigningError as error:
        raise FatalError(f"{what} is not signed by {key.name} ({error}): correct the configured log key") from error


def _extends(old: Checkpoint, new: Checkpoint, hash_at: HashReader, what: str) -> None:
    try:
        path = Paths(new.size, hash_at).consistency(old.size) if old.size <= new.size else ()
        require_extension(old, new, path)
    except (VerificationError, LookupError) as error:
        raise FatalError(f"{what} ({error}): {_RESTORE}") from error


def _replace(path: Path, content: bytes) -> None:
    """Replaces a file so that a crash leaves the old content or the new."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
