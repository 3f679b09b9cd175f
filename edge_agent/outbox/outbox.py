"""The outbox: signed batches until they are receipted, their receipts for ever, and the chain that they form.

Every public method that writes is one transaction. A batch is numbered, signed and stored in the same one: a crash before its
commit leaves the blocks due, a crash after it leaves the batch to be sent, and nothing leaves two batches under one number.

Source: EVIDENCE §§1, 3; docs/wire-format.md §§4.1, 5.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, cast

from edge_agent.drafts import Draft, Place, Sealed
from edge_agent.outbox.database import Database, Hook, no_hook
from edge_agent.outbox.days import Days
from edge_agent.outbox.errors import OutboxFullError, StateError
from edge_agent.outbox.memory import Memory
from edge_agent.outbox.queue import Queue
from edge_agent.outbox.receipts import Receipts
from edge_agent.outbox.report import Report
from edge_agent.outbox.sightings import Sightings
from edge_agent.steps import Delay, Park, Pending, Settle
from signing.envelope import parse
from signing.errors import DecodeError, SigningError
from signing.interval import DAY_S, Interval
from signing.statements.answers import Command, CommandKind
from signing.statements.enrolment import Retirement
from signing.statements.reading_batch import ReadingBatch

KEEP_OPENINGS_S = 30 * DAY_S
"""A receipted batch stays whole at least this long, for RESEND."""
KEEP_BLOCKS_S = 120 * DAY_S
"""What is known of blocks is kept this long: longer than any back-fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """Which EnrolRequest first names which meters for a key."""

    gateway: str
    kid: bytes
    request: bytes
    meters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something to sign: `build` makes the batch of `draft` for its place."""

    draft: Draft
    build: Callable[[Place], Sealed]


Outcome: TypeAlias = Sealed | Exception | None
"""A batch, None where everything was signed before, or why there is none: `OutboxFullError` or a `SigningError`."""


class Rider(Protocol):
    """Somebody who writes a little into the same state, and can wait until something else is written."""

    def ride(self, database: Database) -> None:
        """Writes it, inside a transaction."""

    def arrived(self) -> None:
        """That transaction is durable."""


class Outbox:
    """The agent's durable state. One thread, one instance a process; use as a context manager.

    `capacity` is the number of unanswered batches at which reading stops. `hook` is for tests.
    """

    def __init__(self, path: Path, *, capacity: int, hook: Hook = no_hook) -> None:
        self._database = Database(path, hook)
        self._capacity = capacity
        self._riders: list[Rider] = []
        self.memory = Memory(self._database)
        self.days = Days(self._database)
        self.report = Report(self._database)
        self.sightings = Sightings(self._database)
        self.receipts = Receipts(self._database)
        self._queue = Queue(self._database)
        try:
            self._database.migrate()
            self.gateway, self.kid = self._owner()
        except BaseException:
            self._database.close()
            raise

    @classmethod
    def create(cls, path: Path, enrolled: Enrolled) -> None:
        """Makes the state at `path`, whole or not at all.

        Raises:
            StateError: it exists already, or cannot be made.
        """
        if path.exists():
            raise StateError(f"state database '{path}' exists already: nothing was changed")
        unfinished = path.with_suffix(".new")
        try:
            unfinished.unlink(missing_ok=True)
            unfinished.touch(mode=0o600)
        except OSError as error:
            raise StateError(f"cannot create state database '{path}' ({error.strerror}): check its directory") from None
        with Database(unfinished) as database:
            database.migrate()
            with database.transaction("create"):
                database.run("INSERT INTO gateway (one, id, kid) VALUES (1, ?, ?)", enrolled.gateway, enrolled.kid)
                _name(database, enrolled)
        unfinished.replace(path)

    def enrol(self, enrolled: Enrolled) -> None:
        """Notes a new EnrolRequest, and makes its key the one that signs. A meter keeps the first request of a key."""
        with self._database.transaction("enrol"):
            self._database.run("UPDATE gateway SET kid = ?", enrolled.kid)
            _name(self._database, enrolled)
        self.kid = enrolled.kid

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Idempotent."""
        self._database.close()

    def require(self, *, gateway: str, kid: bytes, meters: Iterable[str]) -> None:
        """Checks that this is the state of this gateway, key and meters.

        Raises:
            StateError: with the remedy. A key that signs without its own history would fork its chain.
        """
        if gateway != self.gateway:
            raise StateError(f"the state is that of gateway '{self.gateway}', the configuration says '{gateway}'")
        if kid != self.kid:
            raise StateError(
                f"the state is that of key {self.kid.hex()[:16]}, the configured key is {kid.hex()[:16]}: restore the "
                "one that belongs to the other, or run `sakshi-agent init --new-key`"
            )
        rows = self._database.all("SELECT meter FROM enrolled WHERE kid = ?", self.kid)
        missing = sorted(set(meters) - {row[0] for row in rows})
        if missing:
            raise StateError(
                f"no EnrolRequest of this key names {', '.join(missing)}: run `sakshi-agent init --new-key` and hand the new "
                "file to the discom"
            )

    # Signing

    def put(self, draft: Draft, build: Callable[[Place], Sealed]) -> Sealed | None:
        """The batch that `build` makes of `draft` at the next place of its chain, stored; None when all of it is signed
        already.

        Raises:
            OutboxFullError: too much is unanswered, or the disk is full; nothing was signed that is kept.
        """
        (outcome,) = self.put_all([Entry(draft=draft, build=build)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def put_all(self, entries: Sequence[Entry]) -> list[Outcome]:
        """What `put` gives for each of `entries`, or its error, in one transaction: no entry's error is another's.

        Raises:
            DiskFullError: nothing of all this was stored.
        """
        with self._database.transaction("put"):
            outcomes = [self._put(entry) for entry in entries]
            for rider in self._riders:
                rider.ride(self._database)
        for rider in self._riders:
            rider.arrived()
        return outcomes

    def take_along(self, rider: Rider) -> None:
        """From now on, every transaction that stores batches also stores what `rider` has."""
        self._riders.append(rider)

    def has_room(self) -> bool:
        """Whether another batch may be signed."""
        return self._queue.unanswered() < self._capacity

    # Sending

    def to_send(self, *, now_utc: int, limit: int, excluding: Collection[bytes], longest_delay_s: int) -> list[Pending]:
        """The oldest batches that may be sent now, at most `limit`, without the digests `excluding`.

        A delay beyond `longest_delay_s` comes from a clock that was wrong and counts as none. A batch that the disk has damaged
        is parked: no head-end could answer it, and it must not be sent for ever.
        """
        rows = self._queue.due(now_utc=now_utc, limit=limit, excluding=excluding, longest_delay_s=longest_delay_s)
        found: list[Pending] = []
        for digest, envelope, opening, attempts in rows:
            pending = _whole(digest, envelope, opening, attempts)
            if pending is not None:
                found.append(pending)
                continue
            with self._database.transaction("set-aside"):
                self._queue.park_damaged(digest)
        return found

    def settle(self, step: Settle, now_utc: int) -> int:
        """Stores a verified checkpoint with receipts and frees their batches; gives how many were unanswered until now.

        A second receipt changes nothing; a receipt for a parked batch wins.
        """
        return self.settle_all([step], now_utc)

    def settle_all(self, steps: Sequence[Settle], now_utc: int) -> int:
        """`settle`, of several in one transaction."""
        freed = 0
        with self._database.transaction("settle"):
            for step in steps:
                self.sightings.remember(step)
                answered = [(receipt, self._queue.answered(receipt.digest)) for receipt in step.receipts]
                found = [(receipt, *batch) for receipt, batch in answered if batch is not None]
                self.receipts.keep(step.checkpoint.size, [(place, receipt) for receipt, place, _ in found], now_utc)
                freed += sum(is_first for _, _, is_first in found)
        return freed

    def delay(self, step: Delay) -> None:
        """Notes that a batch is not to be sent again before a time, and why where the head-end said why."""
        with self._database.transaction("delay"):
            self._queue.delay(step)

    def park(self, step: Park) -> None:
        """Keeps a refused batch aside until an operator releases it; a receipted one stays receipted."""
        with self._database.transaction("park"):
            self._queue.park(step)

    def release(self, place: int | None = None) -> int:
        """Sends a parked batch again, or all of them; gives how many there were."""
        with self._database.transaction("release"):
            return self._queue.release(place)

    def obey(self, command: Command) -> int:
        """Obeys a command once: a number at or below the newest obeyed one changes nothing. Gives what it touched.

        The caller has verified who says it.
        """
        with self._database.transaction("obey"):
            if not self._database.run("UPDATE gateway SET obeyed = ? WHERE obeyed < ?", command.number, command.number):
                return 0
            if command.kind is CommandKind.REREAD:
                return self._database.run(
                    "INSERT INTO reread (number, meter, start_utc, end_utc) VALUES (?, ?, ?, ?)",
                    command.number,
                    command.meter,
                    command.first,
                    command.last,
                )
            return self._queue.resend(command)

    # Re-reads

    def rereads(self, meter: str) -> dict[int, Interval]:
        """The spans of `meter` that commands asked to read again, by command number."""
        rows = self._database.all("SELECT number, start_utc, end_utc FROM reread WHERE meter = ?", meter)
        return {number: Interval(start, end) for number, start, end in cast("list[tuple[int, int, int]]", rows)}

    def reread_done(self, number: int) -> None:
        """Notes that a span was read again."""
        with self._database.transaction("reread"):
            self._database.run("DELETE FROM reread WHERE number = ?", number)

    def last_kid(self) -> bytes | None:
        """The key that signed the newest batch; None before the first one."""
        row = self._database.first("SELECT kid FROM chain ORDER BY last DESC LIMIT 1")
        return None if row is None else cast("bytes", row[0])

    def heads(self, kid: bytes) -> tuple[Retirement, ...]:
        """The last batch of every chain of the key `kid`, by meter: what a new key retires."""
        rows = self._database.all(
            "SELECT meter, kid, next_sequence - 1, previous FROM chain WHERE kid = ? ORDER BY meter", kid
        )
        return tuple(
            Retirement(meter=meter, kid=kid, last=last, digest=digest)
            for meter, kid, last, digest in cast("list[tuple[str, bytes, int, bytes]]", rows)
        )

    def prune(self, now_utc: int) -> int:
        """Drops openings that are receipted and past the time for RESEND; gives how many. Receipts stay."""
        with self._database.transaction("prune"):
            self.memory.forget(now_utc - KEEP_BLOCKS_S)
            return self._queue.prune(now_utc - KEEP_OPENINGS_S)

    def limit_pages(self, pages: int) -> None:
        """Refuses to let the file grow beyond `pages` database pages."""
        self._database.limit_pages(pages)

    def _owner(self) -> tuple[str, bytes]:
        row = self._database.first("SELECT id, kid FROM gateway")
        if row is None:
            raise StateError("the state database belongs to no gateway: run `sakshi-agent init --new-key`")
        return cast("tuple[str, bytes]", row)

    def _put(self, entry: Entry) -> Outcome:
        draft = entry.draft
        if not self.memory.says_anything_new(draft):
            self.memory.checked(draft.meter, draft.span, draft.read_at_utc)
            return None
        if not self.has_room():
            return OutboxFullError(
                f"{self._capacity} batches are unanswered: reading stops until the head-end answers, or an operator "
                "looks at `sakshi-agent outbox`"
            )
        try:
            sealed = entry.build(self._place(draft.meter))
        except SigningError as error:
            return error
        self._store(sealed)
        self.memory.remember(draft)
        return sealed

    def _place(self, meter: str) -> Place:
        row = self._database.first(
            "SELECT next_sequence, previous, reach_utc FROM chain WHERE meter = ? AND kid = ?", meter, self.kid
        )
        if row is not None:
            sequence, previous, reach = cast("tuple[int, bytes, int]", row)
            return Place(sequence=sequence, previous=previous, reach_utc=reach)
        request = self._database.first("SELECT request FROM enrolled WHERE meter = ? AND kid = ?", meter, self.kid)
        if request is None:
            raise StateError(f"no EnrolRequest names {meter}: run `sakshi-agent init --new-key`")
        return Place(sequence=0, previous=cast("bytes", request[0]), reach_utc=0)

    def _store(self, sealed: Sealed) -> None:
        batch, signed, digest = sealed.signed.statement, sealed.signed, sealed.signed.digest
        (place,) = cast("tuple[int]", self._database.one("SELECT coalesce(max(place), 0) + 1 FROM batch"))
        self._database.run("INSERT OR IGNORE INTO chain_name (meter, kid) VALUES (?, ?)", batch.meter, signed.kid)
        number, before = self._database.one(
            "SELECT number, last FROM chain_name LEFT JOIN head USING (number) WHERE meter = ? AND kid = ?",
            batch.meter,
            signed.kid,
        )
        self._database.run(
            "INSERT INTO batch (place, meter, sequence, before, digest, start_utc, end_utc, envelope) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            place,
            batch.meter,
            batch.sequence,
            before,
            digest,
            batch.start_utc,
            batch.end_utc,
            signed.envelope.encoded(),
        )
        self._database.run("INSERT INTO opening (place, content) VALUES (?, ?)", place, sealed.opening.encoded())
        self._queue.add(place, digest)
        self._database.run(
            "INSERT OR REPLACE INTO head (number, next_sequence, previous, reach_utc, last) VALUES (?, ?, ?, ?, ?)",
            number,
            batch.sequence + 1,
            digest,
            max(batch.reach_utc, batch.end_utc),
            place,
        )


def _name(database: Database, enrolled: Enrolled) -> None:
    for meter in enrolled.meters:
        database.run(
            "INSERT OR IGNORE INTO enrolled (meter, kid, request) VALUES (?, ?, ?)",
            meter,
            enrolled.kid,
            enrolled.request,
        )


def _whole(digest: bytes, envelope: bytes, opening: bytes, attempts: int) -> Pending | None:
    """The batch as it was signed; None when the disk has kept other bytes."""
    try:
        parsed = parse(envelope)
        contents = ReadingBatch.parse(parsed.payload).contents
    except DecodeError:
        return None
    if parsed.digest != digest or hashlib.sha256(opening).digest() != contents:
        return None
    return Pending(envelope=parsed, opening=opening, attempts=attempts)
