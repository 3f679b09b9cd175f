"""The journal of invocation counters: no counter is ever used twice with one key, crash or not.

A lease reserves a block of counters in the state database, durably, before the first of them is used; a crash loses what was left
of the block and nothing else. Several processes may hold leases on one key: their blocks never meet.

Source: METERS §3 (the pair of key and counter is AES-GCM's nonce; a counter that goes back is an attack or another meter).
"""

import hashlib
from typing import Final, cast

from edge_agent.errors import CounterBackError, CounterJumpError, MeterRefusedError
from edge_agent.outbox.database import Database
from edge_agent.readers.dlms.security import MAX_COUNTER
from signing.interval import DAY_S

BLOCK: Final = 256
"""Counters reserved at once: one durable write for a day of half-hours, and 16 million blocks in a key's life."""
LOOK_AGAIN_S: Final = DAY_S
"""How often a meter is asked what it accepted, though nothing is wrong: a counter that went back shows nowhere else."""
FIRST_HIGHEST: Final = 1 << 31
"""Highest counter that is followed before the meter has proven anything: half of the key's life is then left."""
LONGEST_JUMP: Final = 1 << 24
"""Most counters that somebody else can have used since: years of a head-end's reading. What a meter says in its public
association is not authenticated, and following it up to the end would use the key up for everybody."""
_REMEDY: Final = "then import new keys, or run `sakshi-agent keys accept-counter`"


def counter_key(encryption: bytes, title: bytes) -> bytes:
    """The name of a key's counters in the journal, which tells nothing of the key."""
    return hashlib.sha256(b"sakshi invocation counters\x00" + encryption + title).digest()[:16]


class CounterJournal:
    """The counters of every meter key of a gateway. Uses the state database; the caller opens and closes that."""

    def __init__(self, database: Database, *, block: int = BLOCK) -> None:
        self._database = database
        self._block = block

    def take_look(self, meter: str, key: bytes, *, now_utc: int) -> bool:
        """Whether it is time to ask the meter what it accepted from us: before the first use, and once a day. Notes that it is
        done, so that a meter that does not tell is not asked at every poll.
        """
        row = self._database.first("SELECT looked_utc FROM invocation_counter WHERE key = ?", key)
        looked_utc = None if row is None else cast("int | None", row[0])
        # A clock that was set back puts no look off for longer.
        if looked_utc is not None and 0 <= now_utc - looked_utc < LOOK_AGAIN_S:
            return False
        with self._database.transaction("counter-look"):
            self._database.run(
                "INSERT INTO invocation_counter (key, meter, reserved, looked_utc) VALUES (?, ?, 0, ?) "
                "ON CONFLICT (key) DO UPDATE SET looked_utc = excluded.looked_utc",
                key,
                meter,
                now_utc,
            )
        return True

    def lease(self, meter: str, key: bytes) -> "Lease":
        """Counters of `key` to use with `meter`, one association long."""
        return Lease(self, meter, key)

    def learn(self, meter: str, key: bytes, *, counter: int, now_utc: int) -> bool:
        """Takes what the meter says it accepted last from us, and continues above it and above everything reserved; gives
        whether it is ahead of everything that was reserved. Nobody vouches for `counter`: it only ever moves ours up.

        Raises:
            CounterBackError: it is lower than what it was proven to have accepted; that is noted, and nothing is changed.
            CounterJumpError: it is so high that following it would use the key up; likewise.
        """
        row = self._row(key)
        reserved, verified = (0, -1) if row is None else row[:2]
        if counter < verified:
            detail = f"the meter's invocation counter is {counter}, it had accepted {verified}"
            self._alarm(meter, "COUNTER_BACK", detail, now_utc)
            raise CounterBackError(
                f"meter {meter}: {detail}: another meter, a meter that was reset, or somebody who wants counters used twice. "
                f"Find out which; {_REMEDY}"
            )
        highest = FIRST_HIGHEST if verified < 0 else reserved + LONGEST_JUMP
        if counter > highest:
            detail = f"the meter's invocation counter is {counter}, expected at most {highest}"
            self._alarm(meter, "COUNTER_JUMP", detail, now_utc)
            raise CounterJumpError(
                f"meter {meter}: {detail}: following it would use the key up. Find out why; {_REMEDY}"
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
            # Before the first proof, the past is the meter's own, and tells of nobody.
            if verified >= 0 and is_ahead:
                self._database.run("UPDATE invocation_counter SET others_utc = ? WHERE key = ?", now_utc, key)
        return is_ahead

    def accept_lower(self, meter: str, *, who: str, now_utc: int) -> int:
        """An operator's word that this meter's counters may be lower or far higher than they were: gives how many keys that is about.

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

    def hear(self, meter: str, key: bytes, counter: int) -> bool:
        """Takes the counter of a verified push under `key`, durably, if it is above every one before; gives whether it is."""
        with self._database.transaction("counter-hear"):
            changed = self._database.run(
                "INSERT INTO invocation_counter (key, meter, reserved, heard) VALUES (?, ?, 0, ?) "
                "ON CONFLICT (key) DO UPDATE SET heard = excluded.heard WHERE invocation_counter.heard < excluded.heard",
                key,
                meter,
                counter,
            )
        return changed > 0

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

    def _alarm(self, meter: str, kind: str, detail: str, now_utc: int) -> None:
        with self._database.transaction("counter-alarm"):
            _note(self._database, now_utc, meter, kind, detail)

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
