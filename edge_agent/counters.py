"""The journal of invocation counters: no counter is ever used twice with one key, crash or not.

A block of counters is reserved in the state database, durably, before the first of them is used, and serves one association after
the other; a crash loses what was left of it and nothing else. Several processes may lease counters of one key: their blocks never
meet, and whoever finds that another has reserved since leaves the rest of an own block: the meter has accepted higher ones by now.

What meters have proven is kept in memory, and reaches the disk with what is written next: a batch, a block, the end of the program.

Source: METERS §3 (the pair of key and counter is AES-GCM's nonce; a counter that goes back is an attack or another meter).
"""

import hashlib
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from edge_agent.errors import CounterBackError, CounterJumpError, MeterRefusedError
from edge_agent.outbox.database import Database
from edge_agent.readers.dlms.security import MAX_COUNTER
from signing.interval import DAY_S

BLOCK: Final = 1024
"""Counters reserved at once: one durable write for a day or two of half-hours, and four million blocks in a key's life."""
LOOK_AGAIN_S: Final = DAY_S
"""How often a meter is asked what it accepted, though nothing is wrong: a counter that went back shows nowhere else."""
FIRST_HIGHEST: Final = 1 << 31
"""Highest counter that is followed before the meter has proven anything: half of the key's life is then left."""
LONGEST_JUMP: Final = 1 << 24
"""Most counters that somebody else can have used since the meter last proved one of ours: years of a head-end's reading. What a meter says in its public
association is not authenticated, and following it up to the end would use the key up for everybody."""
_REMEDY: Final = "then import new keys, or run `sakshi-agent keys accept-counter`"


def counter_key(encryption: bytes, title: bytes) -> bytes:
    """The name of a key's counters in the journal, which tells nothing of the key."""
    return hashlib.sha256(b"sakshi invocation counters\x00" + encryption + title).digest()[:16]


_Facts: TypeAlias = tuple[int, int, int | None]


@dataclass(slots=True, kw_only=True)
class _Held:
    """What this process knows of one key."""

    meter: str
    left: range = range(0)
    """Reserved by us, on disk, and not taken yet."""
    reserved: int = 0
    verified: int = -1
    """Highest of ours that the meter is proven to have accepted; may be ahead of the disk, as `heard` may."""
    heard: int = -1
    looked_utc: int | None = None
    """When the meter was last asked what it accepted."""
    noted: _Facts = (-1, -1, None)
    """`facts` as the disk has them."""
    accepted: int = 0
    """How often an operator accepted other counters of the key's meter: what was proven before does not count after it."""

    @property
    def first_unused(self) -> int:
        """The lowest counter that nobody took from the journal."""
        return self.left.start if self.left else self.reserved

    @property
    def facts(self) -> _Facts:
        """What is kept in memory until something else is written."""
        return self.verified, self.heard, self.looked_utc


class CounterJournal:
    """The counters of every meter key of a gateway. Uses the state database; the caller opens and closes that, after `close`."""

    def __init__(self, database: Database, *, block: int = BLOCK) -> None:
        self._database = database
        self._block = block
        self._held: dict[bytes, _Held] = {}

    def take_look(self, meter: str, key: bytes, *, now_utc: int) -> bool:
        """Whether it is time to ask the meter what it accepted from us: before the first use, and once a day. Notes that it is
        done, so that a meter that does not tell is not asked at every poll; after a crash it may be asked once more.
        """
        held = self._known(meter, key)
        looked_utc = held.looked_utc
        # A clock that was set back puts no look off for longer.
        if looked_utc is not None and 0 <= now_utc - looked_utc < LOOK_AGAIN_S:
            return False
        held.looked_utc = now_utc
        return True

    def lease(self, meter: str, key: bytes) -> "Lease":
        """Counters of `key` to use with `meter`, one association long."""
        held = self._known(meter, key)
        return Lease(self, meter, key, heard=held.heard, accepted=held.accepted)

    def learn(self, meter: str, key: bytes, *, counter: int, now_utc: int) -> bool:
        """Takes what the meter says it accepted last from us, and continues above it and above everything reserved; gives
        whether it is ahead of everything that we took. Nobody vouches for `counter`: it only ever moves ours up.

        Raises:
            CounterBackError: it is lower than what it was proven to have accepted; that is noted, and nothing is changed.
            CounterJumpError: it is so high that following it would use the key up; likewise.
        """
        held = self._known(meter, key)
        if counter < held.verified:
            detail = f"the meter's invocation counter is {counter}, it had accepted {held.verified}"
            self._alarm(meter, "COUNTER_BACK", detail, now_utc)
            raise CounterBackError(
                f"meter {meter}: {detail}: another meter, a meter that was reset, or somebody who wants counters used twice. "
                f"Find out which; {_REMEDY}"
            )
        # Above what was proven, and not above what was followed before: many jumps that nobody proves add up to the end of the key.
        highest = max(held.reserved, FIRST_HIGHEST if held.verified < 0 else held.verified + self._block + LONGEST_JUMP)
        if counter > highest:
            detail = f"the meter's invocation counter is {counter}, expected at most {highest}"
            self._alarm(meter, "COUNTER_JUMP", detail, now_utc)
            raise CounterJumpError(
                f"meter {meter}: {detail}: following it would use the key up. Find out why; {_REMEDY}"
            )
        is_ahead = counter >= held.first_unused
        # What the meter has accepted is used, also where it lies in our block.
        held.left = range(max(held.left.start, counter + 1), held.left.stop)
        # Before the first proof, the past is the meter's own, and tells of nobody.
        is_of_others = held.verified >= 0 and is_ahead
        if is_of_others or counter >= held.reserved:
            with self._database.transaction("counter-learn"):
                self._database.run(
                    "INSERT INTO invocation_counter (key, meter, reserved) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                    "reserved = max(reserved, excluded.reserved)",
                    key,
                    meter,
                    counter + 1,
                )
                if is_of_others:
                    self._database.run("UPDATE invocation_counter SET others_utc = ? WHERE key = ?", now_utc, key)
        return is_ahead

    def accept_lower(self, meter: str, *, who: str, now_utc: int) -> int:
        """An operator's word that this meter's counters may be lower or far higher than they were: gives how many keys that is about.

        What was used stays used. A process that runs beside this one hears of it before its next association.
        """
        with self._database.transaction("counter-accept"):
            changed = self._database.run(
                "UPDATE invocation_counter SET verified = -1, heard = -1, accepted = accepted + 1 WHERE meter = ?",
                meter,
            )
            _note(self._database, now_utc, meter, "COUNTER_ACCEPTED", f"{changed} key(s)", who=who)
        return changed

    def shared_since(self, meter: str) -> int | None:
        """When somebody else's counters were last seen in this meter's association; None for never."""
        row = self._database.first("SELECT max(others_utc) FROM invocation_counter WHERE meter = ?", meter)
        return None if row is None else cast("int | None", row[0])

    def hear(self, meter: str, key: bytes, counter: int) -> bool:
        """Takes the counter of a verified push under `key`, durably, if it is above every one before; gives whether it is."""
        held = self._known(meter, key)
        if counter <= held.heard:
            return False
        with self._database.transaction("counter-hear"):
            changed = self._database.run(
                "INSERT INTO invocation_counter (key, meter, reserved, heard) VALUES (?, ?, 0, ?) "
                "ON CONFLICT (key) DO UPDATE SET heard = excluded.heard WHERE invocation_counter.heard < excluded.heard",
                key,
                meter,
                counter,
            )
        return changed > 0

    def take(self, meter: str, key: bytes) -> int:
        """The next counter: of the block that is reserved, or of a new one that nobody else has or will have.

        Raises:
            MeterRefusedError: there is none left.
        """
        held = self._held[key]
        if not held.left:
            self._reserve(meter, key, held)
        taken, held.left = held.left[0], held.left[1:]
        return taken

    def confirm(self, key: bytes, *, own: int, heard: int, accepted: int) -> None:
        """Takes what a verified answer has proven. A key's first proof is on disk at once: from then on a counter that goes back shows.

        `accepted` is as of when the association began: a meter that was accepted anew since is not held to it.
        """
        held = self._held[key]
        if held.accepted != accepted:
            return
        held.verified, held.heard = max(held.verified, own), max(held.heard, heard)
        if held.noted[0] < 0:
            with self._database.transaction("counter-confirm"):
                self._write(self._database, key, held)
            held.noted = held.facts

    def ride(self, database: Database) -> None:
        """Writes what was proven into a transaction of somebody else's on the same state; `arrived` says that it is durable."""
        for key, held in self._held.items():
            if held.noted != held.facts:
                self._write(database, key, held)

    def arrived(self) -> None:
        """What `ride` wrote is durable."""
        for held in self._held.values():
            held.noted = held.facts

    def close(self) -> None:
        """Notes what was proven, and gives the ends of blocks back behind which nobody reserved. No association may be open."""
        # Out of memory first: whatever becomes of the writing, nothing is taken of what was given back.
        left = {key: held.left for key, held in self._held.items()}
        wanted = {key: held for key, held in self._held.items() if held.left or held.noted != held.facts}
        for held in self._held.values():
            held.left = range(0)
        if not wanted:
            return
        with self._database.transaction("counter-close"):
            for key, held in wanted.items():
                self._write(self._database, key, held)
                if left[key]:
                    self._database.run(
                        "UPDATE invocation_counter SET reserved = ? WHERE key = ? AND reserved = ?",
                        left[key].start,
                        key,
                        left[key].stop,
                    )
        self.arrived()

    def _reserve(self, meter: str, key: bytes, held: _Held) -> None:
        with self._database.transaction("counter-reserve"):
            row = self._database.first("SELECT reserved FROM invocation_counter WHERE key = ?", key)
            first = 0 if row is None else cast("int", row[0])
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
            self._write(self._database, key, held)
        held.left, held.reserved, held.noted = range(first, end), end, held.facts

    def _write(self, database: Database, key: bytes, held: _Held) -> None:
        # Not over the word of an operator that came since: those counters are accepted to be gone.
        database.run(
            "INSERT INTO invocation_counter (key, meter, reserved, verified, heard, looked_utc) VALUES (?, ?, 0, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET verified = max(verified, excluded.verified), heard = max(heard, excluded.heard), "
            "looked_utc = excluded.looked_utc WHERE accepted = ?",
            key,
            held.meter,
            *held.facts,
            held.accepted,
        )

    def _known(self, meter: str, key: bytes) -> _Held:
        """What is known of `key`, after a look at what other processes have written since."""
        held = self._held.setdefault(key, _Held(meter=meter))
        row = self._database.first(
            "SELECT reserved, verified, heard, looked_utc, accepted FROM invocation_counter WHERE key = ?", key
        )
        if row is None:
            return held
        held.reserved, verified, heard, looked_utc, accepted = cast("tuple[int, int, int, int | None, int]", row)
        if accepted != held.accepted:
            held.verified, held.heard, held.accepted = verified, heard, accepted
        if looked_utc != held.noted[2]:
            held.looked_utc = looked_utc
        held.verified, held.heard = max(held.verified, verified), max(held.heard, heard)
        held.noted = verified, heard, looked_utc
        if held.left.stop != held.reserved:
            held.left = range(0)
        return held

    def _alarm(self, meter: str, kind: str, detail: str, now_utc: int) -> None:
        with self._database.transaction("counter-alarm"):
            _note(self._database, now_utc, meter, kind, detail)


class Lease:
    """Counters for one association. Implements `security.Invocations`."""

    def __init__(self, journal: CounterJournal, meter: str, key: bytes, *, heard: int, accepted: int) -> None:
        self._journal = journal
        self._meter = meter
        self._key = key
        self._heard = heard
        self._accepted = accepted
        self._is_over = False

    @property
    def heard(self) -> int:
        """See `Invocations.heard`."""
        return self._heard

    def take(self) -> int:
        """See `Invocations.take`."""
        if self._is_over:
            raise MeterRefusedError(f"meter {self._meter}: expected an open association, got one that is over")
        return self._journal.take(self._meter, self._key)

    def confirm(self, *, own: int, heard: int) -> None:
        """See `Invocations.confirm`."""
        self._heard = max(self._heard, heard)
        self._journal.confirm(self._key, own=own, heard=heard, accepted=self._accepted)

    def settle(self) -> None:
        """See `Invocations.settle`."""
        self._is_over = True


def _note(database: Database, now_utc: int, meter: str, kind: str, detail: str, *, who: str = "the agent") -> None:
    database.run(
        "INSERT INTO meter_key_event (at_utc, meter, kind, fingerprint, who, detail) VALUES (?, ?, ?, NULL, ?, ?)",
        now_utc,
        meter,
        kind,
        who,
        detail,
    )
