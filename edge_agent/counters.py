"""The journal of invocation counters: no counter is ever used twice with one key, crash or not.

A lease reserves a block of counters in the state database, durably, before the first of them is used; a crash loses what was left
of the block and nothing else. Several processes may hold leases on one key: their blocks never meet.

Source: METERS §3 (the pair of key and counter is AES-GCM's nonce; a counter that goes back is an attack or another meter).
"""

import hashlib
from typing import Final, cast

from edge_agent.errors import CounterBackError, MeterRefusedError
from edge_agent.outbox.database import Database
from edge_agent.readers.dlms.security import MAX_COUNTER

BLOCK: Final = 256
"""Counters reserved at once: one durable write for a day of half-hours, and 16 million blocks in a key's life."""


def counter_key(encryption: bytes, title: bytes) -> bytes:
    """The name of a key's counters in the journal, which tells nothing of the key."""
    return hashlib.sha256(b"sakshi invocation counters\x00" + encryption + title).digest()[:16]


class CounterJournal:
    """The counters of every meter key of a gateway. Uses the state database; the caller opens and closes that."""

    def __init__(self, database: Database, *, block: int = BLOCK) -> None:
        self._database = database
        self._block = block

    def is_known(self, key: bytes) -> bool:
        """Whether any counter of this key was ever noted."""
        return self._row(key) is not None

    def lease(self, meter: str, key: bytes) -> "Lease":
        """Counters of `key` to use with `meter`, one association long."""
        return Lease(self, meter, key)

    def learn(self, meter: str, key: bytes, *, counter: int, now_utc: int) -> bool:
        """Takes what the meter says it accepted last from us, and continues above it and above everything reserved; gives
        whether it is ahead of everything that was reserved. Nobody vouches for `counter`: it only ever moves ours up.

        Raises:
            CounterBackError: it is lower than what it was proven to have accepted; that is noted, and nothing is changed.
        """
        row = self._row(key)
        reserved, verified = (0, -1) if row is None else row[:2]
        if counter < verified:
            detail = f"the meter's invocation counter is {counter}, it had accepted {verified}"
            with self._database.transaction("counter-back"):
                _note(self._database, now_utc, meter, "COUNTER_BACK", detail)
            raise CounterBackError(
                f"meter {meter}: {detail}: another meter, a meter that was reset, or somebody who wants counters used twice. "
                "Find out which; then import new keys, or run `sakshi-agent keys accept-counter`"
            )
        is_ahead = counter >= reserved
        with self._database.transaction("counter-learn"):
            self._database.run(
                "INSERT INTO invocation_counter (key, meter, reserved) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "reserved = max(reserved, excluded.reserved)",
                key,
                meter,
                counter + 1,
            )
            if row is not None and is_ahead:
                self._database.run("UPDATE invocation_counter SET others_utc = ? WHERE key = ?", now_utc, key)
        return is_ahead

    def accept_lower(self, meter: str, *, who: str, now_utc: int) -> int:
        """An operator's word that this meter's counters may be lower than they were: gives how many keys that is about.

        What was used stays used.
        """
        with self._database.transaction("counter-accept"):
            changed = self._database.run(
                "UPDATE invocation_counter SET verified = -1, heard = -1 WHERE meter = ?", meter
            )
            _note(self._database, now_utc, meter, "COUNTER_ACCEPTED", f"{changed} key(s)", who=who)
        return changed

    def shared_since(self, meter: str) -> int | None:
        """When somebody else's counters were last seen in this meter's association; None for never."""
        row = self._database.first("SELECT max(others_utc) FROM invocation_counter WHERE meter = ?", meter)
        return None if row is None else cast("int | None", row[0])

    def heard(self, key: bytes) -> int:
        """Highest counter of the meter's own that was verified; -1 for none."""
        row = self._row(key)
        return -1 if row is None else row[2]

    def reserve(self, meter: str, key: bytes) -> range:
        """A block of counters that nobody else has or will have.

        Raises:
            MeterRefusedError: there is none left.
        """
        with self._database.transaction("counter-reserve"):
            row = self._row(key)
            first = 0 if row is None else row[0]
            end = min(first + self._block, MAX_COUNTER + 1)
            if first >= end:
                raise MeterRefusedError(
                    f"meter {meter}: every invocation counter of its key is used: have the meter's keys rotated"
                )
            self._database.run(
                "INSERT INTO invocation_counter (key, meter, reserved) VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET reserved = excluded.reserved",
                key,
                meter,
                end,
            )
        return range(first, end)

    def confirm(self, key: bytes, *, verified: int, heard: int) -> None:
        """Notes what verified answers have proven."""
        with self._database.transaction("counter-confirm"):
            self._database.run(
                "UPDATE invocation_counter SET verified = max(verified, ?), heard = max(heard, ?) WHERE key = ?",
                verified,
                heard,
                key,
            )

    def give_back(self, key: bytes, left: range) -> None:
        """Frees the unused end of a block, if nobody reserved behind it."""
        with self._database.transaction("counter-give-back"):
            self._database.run(
                "UPDATE invocation_counter SET reserved = ? WHERE key = ? AND reserved = ?", left.start, key, left.stop
            )

    def _row(self, key: bytes) -> tuple[int, int, int] | None:
        row = self._database.first("SELECT reserved, verified, heard FROM invocation_counter WHERE key = ?", key)
        return None if row is None else cast("tuple[int, int, int]", row)


class Lease:
    """Counters for one association. Implements `security.Invocations`."""

    def __init__(self, journal: CounterJournal, meter: str, key: bytes) -> None:
        self._journal = journal
        self._meter = meter
        self._key = key
        self._left = range(0)
        self._verified = -1
        self._heard = journal.heard(key)
        self._noted = self._verified, self._heard
        self._is_over = False

    @property
    def heard(self) -> int:
        """See `Invocations.heard`."""
        return self._heard

    def take(self) -> int:
        """See `Invocations.take`."""
        if self._is_over:
            raise MeterRefusedError(f"meter {self._meter}: expected an open association, got one that is over")
        if not self._left:
            self._left = self._journal.reserve(self._meter, self._key)
        taken, self._left = self._left[0], self._left[1:]
        return taken

    def confirm(self, *, own: int, heard: int) -> None:
        """See `Invocations.confirm`. The first of an association is durable at once, the last when it is settled."""
        is_first = self._verified == -1
        self._verified, self._heard = max(self._verified, own), max(self._heard, heard)
        if is_first:
            self._note()

    def settle(self) -> None:
        """See `Invocations.settle`."""
        if self._is_over:
            return
        self._is_over = True
        self._note()
        if self._left:
            self._journal.give_back(self._key, self._left)
            self._left = range(0)

    def _note(self) -> None:
        if self._noted != (self._verified, self._heard):
            self._journal.confirm(self._key, verified=self._verified, heard=self._heard)
            self._noted = self._verified, self._heard


def _note(database: Database, now_utc: int, meter: str, kind: str, detail: str, *, who: str = "the agent") -> None:
    database.run(
        "INSERT INTO meter_key_event (at_utc, meter, kind, fingerprint, who, detail) VALUES (?, ?, ?, NULL, ?, ?)",
        now_utc,
        meter,
        kind,
        who,
        detail,
    )
