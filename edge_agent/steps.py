"""What the uplink is told (events) and what it asks for (actions). Values only.

Source: EVIDENCE §3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from signing.envelope import Envelope
from signing.log.checkpoint import Checkpoint
from signing.messages import Inclusion
from signing.statements.answers import Command, Refusal

ROOTS_REMEMBERED = 1024
"""Verified checkpoints that are known by heart: a broker may deliver one again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How patient the uplink is, in seconds."""

    answer_s: int = 30
    """A batch without an answer for this long is sent again."""
    first_s: int = 5
    """First pause after a failure; it doubles up to `longest_s`, and is shortened by up to half at random."""
    longest_s: int = 900
    in_flight: int = 32
    """Most batches that are sent and not answered."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A batch to send, as the outbox keeps it."""

    envelope: Envelope
    opening: bytes
    attempts: int

    @property
    def digest(self) -> bytes:
        """The batch's identity."""
        return self.envelope.digest


# Events


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The broker took the connection and the subscription."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """There is no connection, or no longer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed, or there may be something new to send."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the outbox had for `Want`."""

    batches: Sequence[Pending]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A payload on the down topic."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """A `Settle` is carried out, or will be within a second: until it is durable, a crash has its batches sent again."""

    step: "Settle"


Event: TypeAlias = LinkUp | LinkDown | Tick | Offered | Arrived | Settled


# Actions


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to the broker and subscribe; answer with `LinkUp` or `LinkDown`."""


@dataclass(frozen=True, slots=True)
class Want:
    """Offer at most `count` batches, none of `excluding`."""

    count: int
    excluding: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish on the up topic, QoS 1, not retained."""

    digest: bytes
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Store a verified checkpoint and the receipts under it, in one transaction; then say `Settled`."""

    checkpoint: Checkpoint
    note: bytes
    linked: bool
    """Whether it extends the newest one seen; if not, it comes without receipts."""
    receipts: tuple[Inclusion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Do not offer a batch before a time."""

    digest: bytes
    attempts: int
    not_before_utc: int
    refusal: Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """Keep a refused batch aside for an operator."""

    digest: bytes
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Obey:
    """Obey a command of the discom, once by its number."""

    command: Command


class AlarmKind(Enum):
    """What an operator must know of the log."""

    SHRANK = "log shrank"
    FORKED = "log forked"


@dataclass(frozen=True, slots=True)
class Alarm:
    """The log seems to have broken its promise: keep the evidence, tell an operator, free nothing."""

    kind: AlarmKind
    message: str
    evidence: bytes


@dataclass(frozen=True, slots=True)
class Ignored:
    """An answer that proves nothing; `reason` says why, in words for a log line."""

    reason: str


Action: TypeAlias = Connect | Want | Publish | Settle | Delay | Park | Obey | Alarm | Ignored
