"""Refusal and Command: what the discom tells a gateway besides receipts. Source: docs/wire-format.md §§4.6, 5."""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.errors import DecodeError
from signing.interval import Interval


class Disposition(IntEnum):
    """What the agent does with a refused batch."""

    RETRY = 0
    """Send it again later: the cause may pass."""
    PARK = 1
    """Keep it, show it, send nothing until an operator releases it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A numbered no to one message. An agent obeys it only for its own bytes and a tree size at or above its newest."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.refusal+cbor;v=1"

    kid: bytes
    statement: bytes
    """Digest of the refused batch."""
    message: bytes
    """SHA-256 of the encoded ``[1, sign1, opening]``."""
    number: int
    """Which check of docs/wire-format.md §5 refused."""
    reason: str
    disposition: Disposition
    tree_size: int

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return encode(
            [self.kid, self.statement, self.message, self.number, self.reason, int(self.disposition), self.tree_size]
        )

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The refusal in canonical bytes. Raises `DecodeError` naming the field."""
        path = "refusal"
        row = fields.array(decode(payload, path), 7, path)
        return cls(
            kid=fields.digest(row[0], f"{path}.kid"),
            statement=fields.digest(row[1], f"{path}.statement"),
            message=fields.digest(row[2], f"{path}.message"),
            number=fields.uint(row[3], f"{path}.number"),
            reason=fields.label(row[4], f"{path}.reason"),
            disposition=fields.member(row[5], Disposition, f"{path}.disposition"),
            tree_size=fields.uint(row[6], f"{path}.tree_size"),
        )


class CommandKind(IntEnum):
    """What a gateway is asked to do. Nothing actuates."""

    RESEND = 0
    """Send the batches of a chain with sequences `first` to `last`, both included, again."""
    REREAD = 1
    """Read the meter's blocks of the span [`first`, `last`) again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One request to one gateway; `number` grows with every command to it and is obeyed once."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.command+cbor;v=1"

    kind: CommandKind
    number: int
    gateway: str
    meter: str
    kid: bytes
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise DecodeError(f"expected from ≤ to, got {self.first} and {self.last} in 'command'")
        if self.kind is CommandKind.REREAD:
            # An agent keeps the span until it was read: one that is none would stop it at every look.
            Interval(self.first, self.last)

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return encode([int(self.kind), self.number, self.gateway, self.meter, self.kid, self.first, self.last])

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The command in canonical bytes. Raises `DecodeError` naming the field."""
        path = "command"
        row = fields.array(decode(payload, path), 7, path)
        return cls(
            kind=fields.member(row[0], CommandKind, f"{path}.kind"),
            number=fields.uint(row[1], f"{path}.number"),
            gateway=fields.identifier(row[2], f"{path}.gateway"),
            meter=fields.identifier(row[3], f"{path}.meter"),
            kid=fields.digest(row[4], f"{path}.kid"),
            first=fields.uint(row[5], f"{path}.from"),
            last=fields.uint(row[6], f"{path}.to"),
        )
