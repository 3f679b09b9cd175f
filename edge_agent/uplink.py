"""Store-and-forward: which batch to send when, and what an answer proves. Pure: events in, actions out, time injected.

A broker's PUBACK proves nothing about a disk, so it is no event here. Only a receipt whose checkpoint, consistency and inclusion
verify under the pinned log key frees a batch. Whoever owns an `Uplink` carries out every action before the next event, and
reports with `Settled` that it has a `Settle`: until then nothing is taken as seen.

Source: EVIDENCE §3; docs/wire-format.md §§4.6, 5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from edge_agent.steps import (
    ROOTS_REMEMBERED,
    Action,
    Alarm,
    AlarmKind,
    Arrived,
    Connect,
    Delay,
    Delays,
    Event,
    Ignored,
    LinkDown,
    LinkUp,
    Obey,
    Offered,
    Park,
    Pending,
    Publish,
    Settle,
    Settled,
    Tick,
    Want,
)
from signing.envelope import Envelope, unseal
from signing.errors import DecodeError, VerificationError
from signing.keys import PublicKey
from signing.log.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from signing.log.merkle import EMPTY_ROOT, leaf_hash
from signing.log.note import VerifierKey
from signing.log.proofs import verify_consistency, verify_inclusion
from signing.log.seen import extend
from signing.messages import DownKind, Inclusion, Receipts, SignedAnswer, Up, parse_down
from signing.statements.answers import Command, Disposition, Refusal

SHRANK, TWO_TREES, NO_EXTENSION = 3, 4, 5
"""Checks of `signing.log.seen`."""
STEADY_S = 60
"""A connection that lasted this long, or brought a receipt, worked: the next one is tried without a long pause."""


class _Link(Enum):
    DOWN = 0
    CONNECTING = 1
    UP = 2


@dataclass(slots=True)
class _Flight:
    batch: Pending
    identity: bytes
    seen_size: int
    deadline_utc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Whom the agent believes: from its configuration, never from the network."""

    gateway: str
    log_key: VerifierKey
    statement_keys: tuple[PublicKey, ...] = field(repr=False)


class Uplink:
    """The state machine of one gateway's uplink.

    `seen` is the newest verified checkpoint, `roots` the roots of verified ones by size; `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        *,
        pinned: Pinned,
        delays: Delays,
        seen: Checkpoint | None,
        roots: Mapping[int, bytes],
        jitter: Callable[[], float],
    ) -> None:
        self._pinned = pinned
        self._delays = delays
        self._seen = seen
        self._roots: dict[int, bytes] = {0: EMPTY_ROOT, **roots}
        self._jitter = jitter
        self._link = _Link.DOWN
        self._connect_at_utc = 0
        self._failures = 0
        self._up_utc = 0
        self._flights: dict[bytes, _Flight] = {}

    @property
    def seen_size(self) -> int:
        """The largest tree size that is verified."""
        return 0 if self._seen is None else self._seen.size

    @property
    def is_up(self) -> bool:
        """Whether there is a connection."""
        return self._link is _Link.UP

    @property
    def in_flight(self) -> int:
        """How many batches are sent and not answered."""
        return len(self._flights)

    def handle(self, event: Event, now_utc: int) -> tuple[Action, ...]:
        """What to do about `event`, in order."""
        match event:
            case Tick():
                return self._tick(now_utc)
            case LinkUp():
                self._link, self._up_utc = _Link.UP, now_utc
                return self._want()
            case LinkDown():
                return self._down(now_utc)
            case Offered(batches):
                return tuple(self._publish(batch, now_utc) for batch in batches if batch.digest not in self._flights)
            case Arrived(payload):
                return self._arrived(payload, now_utc)
            case Settled(step):
                return self._settled(step)

    def _tick(self, now_utc: int) -> tuple[Action, ...]:
        if self._link is _Link.DOWN:
            # A clock that jumped back must not keep the agent away for longer than the longest pause.
            if self._connect_at_utc - self._delays.longest_s <= now_utc < self._connect_at_utc:
                return ()
            self._link = _Link.CONNECTING
            return (Connect(),)
        if self._link is _Link.CONNECTING:
            return ()
        late = [flight for flight in self._flights.values() if self._is_late(flight, now_utc)]
        return (*(self._again_later(flight, now_utc, None) for flight in late), *self._want())

    def _is_late(self, flight: _Flight, now_utc: int) -> bool:
        return not flight.deadline_utc - self._delays.answer_s <= now_utc < flight.deadline_utc

    def _down(self, now_utc: int) -> tuple[Action, ...]:
        # A broker that takes a connection and drops it at once, or a clone that fights for the client id, is no success.
        if self._link is _Link.UP and now_utc - self._up_utc >= STEADY_S:
            self._failures = 0
        self._link = _Link.DOWN
        self._connect_at_utc = now_utc + self._pause_s(self._failures)
        self._failures += 1
        # They stay in the outbox and are offered again after the next `LinkUp`.
        self._flights.clear()
        return ()

    def _want(self) -> tuple[Action, ...]:
        room = self._delays.in_flight - len(self._flights)
        if self._link is not _Link.UP or room <= 0:
            return ()
        return (Want(room, frozenset(self._flights)),)

    def _publish(self, batch: Pending, now_utc: int) -> Publish:
        message = Up(batch.envelope, batch.opening, self.seen_size)
        self._flights[batch.digest] = _Flight(
            batch, message.identity(), self.seen_size, now_utc + self._delays.answer_s
        )
        return Publish(batch.digest, message.encoded())

    def _again_later(self, flight: _Flight, now_utc: int, refusal: Refusal | None) -> Delay:
        del self._flights[flight.batch.digest]
        return Delay(
            digest=flight.batch.digest,
            attempts=flight.batch.attempts + 1,
            not_before_utc=now_utc + self._pause_s(flight.batch.attempts),
            refusal=refusal,
        )

    def _pause_s(self, failures: int) -> int:
        """Between half of the doubled pause and all of it: gateways that fell together do not come back together."""
        full = min(self._delays.longest_s, self._delays.first_s << min(failures, 30))
        return max(1, round(full * (1 - self._jitter() / 2)))

    def _arrived(self, payload: bytes, now_utc: int) -> tuple[Action, ...]:
        try:
            message = parse_down(payload)
            if isinstance(message, Receipts):
                return self._receipts(message, payload, now_utc)
            if message.kind is DownKind.REFUSAL:
                return self._refusal(message, now_utc)
            return self._command(message)
        except (DecodeError, VerificationError) as error:
            return (Ignored(str(error)),)

    # Receipts

    def _receipts(self, message: Receipts, payload: bytes, now_utc: int) -> tuple[Action, ...]:
        newer = open_checkpoint(message.checkpoint, self._pinned.log_key)
        contradiction = self._contradiction(newer.checkpoint, payload)
        if contradiction is not None:
            return contradiction
        if message.old_size != self.seen_size:
            return self._unlinked(message, newer, payload, now_utc)
        try:
            extend(self._seen, newer, message.consistency)
        except VerificationError as error:
            return (Alarm(AlarmKind.FORKED, str(error), payload),)
        good, bad = self._inclusions(message, newer.checkpoint)
        settle = Settle(checkpoint=newer.checkpoint, note=message.checkpoint, linked=True, receipts=good)
        return (settle, *bad)

    def _contradiction(self, checkpoint: Checkpoint, payload: bytes) -> tuple[Action, ...] | None:
        """What a checkpoint alone tells: two trees of one size, or one that is smaller than the newest."""
        root = self._roots.get(checkpoint.size)
        if root is not None and root != checkpoint.root:
            text = f"({TWO_TREES}) two trees of {checkpoint.size}: seen {root.hex()}, now {checkpoint.root.hex()}"
            return (Alarm(AlarmKind.FORKED, text, payload),)
        if checkpoint.size >= self.seen_size:
            return None
        if root is not None:
            # A broker delivers at least once: the same checkpoint again is late, not a log that shrank.
            return (Ignored(f"an older checkpoint again: size {checkpoint.size}, seen {self.seen_size}"),)
        text = f"({SHRANK}) the log shrank: seen at size {self.seen_size}, now {checkpoint.size}"
        return (Alarm(AlarmKind.SHRANK, text, payload),)

    def _unlinked(self, message: Receipts, newer: SignedCheckpoint, payload: bytes, now_utc: int) -> tuple[Action, ...]:
        """A path from another size than the newest seen: it cannot show that the log extends what was seen.

        The batches are sent again at once, so that the next answer starts from the newest size; a batch that was sent with
        that size already only waits for its answer, so a replayed message causes no traffic.
        """
        old_root = self._roots.get(message.old_size)
        if old_root is None:
            return (Ignored(f"a consistency path from size {message.old_size}, never seen"),)
        try:
            verify_consistency(
                old_size=message.old_size,
                old_root=old_root,
                size=newer.checkpoint.size,
                root=newer.checkpoint.root,
                path=message.consistency,
            )
        except VerificationError as error:
            text = f"({NO_EXTENSION}) size {newer.checkpoint.size} does not extend {message.old_size}: {error}"
            return (Alarm(AlarmKind.FORKED, text, payload),)
        again = [
            flight.batch
            for entry in message.inclusions
            if (flight := self._flights.get(entry.digest)) is not None and flight.seen_size < self.seen_size
        ]
        settle = Settle(checkpoint=newer.checkpoint, note=message.checkpoint, linked=False, receipts=())
        return (settle, *(self._publish(batch, now_utc) for batch in again))

    def _inclusions(
        self, message: Receipts, checkpoint: Checkpoint
    ) -> tuple[tuple[Inclusion, ...], tuple[Ignored, ...]]:
        good, bad = [], []
        for entry in message.inclusions:
            try:
                verify_inclusion(
                    leaf=leaf_hash(entry.digest),
                    index=entry.index,
                    size=checkpoint.size,
                    path=entry.path,
                    root=checkpoint.root,
                )
                good.append(entry)
            except VerificationError as error:
                bad.append(Ignored(f"the receipt of {entry.digest.hex()[:16]} proves nothing: {error}"))
        return tuple(good), tuple(bad)

    def _settled(self, step: Settle) -> tuple[Action, ...]:
        self._roots[step.checkpoint.size] = step.checkpoint.root
        if len(self._roots) > ROOTS_REMEMBERED:
            del self._roots[min(size for size in self._roots if size)]
        if step.linked:
            self._seen = step.checkpoint
        if step.receipts:
            self._failures = 0
        for receipt in step.receipts:
            self._flights.pop(receipt.digest, None)
        return self._want()

    # Refusals and commands

    def _refusal(self, message: SignedAnswer, now_utc: int) -> tuple[Action, ...]:
        refusal = unseal(message.envelope, Refusal, self._discom_key(message.envelope)).statement
        flight = self._flights.get(refusal.statement)
        if flight is None:
            return (Ignored("a refusal of a batch that is not in flight"),)
        if refusal.kid != flight.batch.envelope.kid or refusal.message != flight.identity:
            return (Ignored("a refusal of other bytes than were sent"),)
        if refusal.tree_size < self.seen_size:
            return (Ignored(f"a refusal as of size {refusal.tree_size}, seen {self.seen_size}"),)
        if refusal.disposition is Disposition.RETRY:
            return (self._again_later(flight, now_utc, refusal), *self._want())
        del self._flights[refusal.statement]
        return (Park(digest=refusal.statement, refusal=refusal), *self._want())

    def _command(self, message: SignedAnswer) -> tuple[Action, ...]:
        command = unseal(message.envelope, Command, self._discom_key(message.envelope)).statement
        if command.gateway != self._pinned.gateway:
            return (Ignored(f"a command for gateway {command.gateway}"),)
        return (Obey(command),)

    def _discom_key(self, envelope: Envelope) -> PublicKey:
        for key in self._pinned.statement_keys:
            if key.kid == envelope.kid:
                return key
        raise VerificationError(1, f"expected a pinned discom key, got {envelope.kid.hex()[:16]}")
