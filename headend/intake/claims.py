"""Checks 1 and 2: what a message claims, before anybody's signature is looked at. Pure; fed by the whole world.

Source: docs/wire-format.md §5 "Intake, numbered".
"""

import hashlib
from dataclasses import dataclass

from headend.transport.transport import Delivery
from signing.errors import DecodeError
from signing.messages import Up, parse_up
from signing.statements.reading_batch import Opening, ReadingBatch


@dataclass(frozen=True, slots=True)
class Claim:
    """A well-formed batch with the opening that its header commits to. Nobody has checked who says it."""

    delivery: Delivery
    up: Up
    header: ReadingBatch

    @property
    def digest(self) -> bytes:
        """The batch's identity."""
        return self.up.envelope.digest

    @property
    def kid(self) -> bytes:
        """The key that it names."""
        return self.up.envelope.kid


@dataclass(frozen=True, slots=True)
class Noise:
    """A message that proves nothing about its sender: counted, sampled, never answered."""

    delivery: Delivery
    check: int
    """The number of the check that it fails: 1, 2 or 4."""
    reason: str


def read(delivery: Delivery) -> Claim | Noise:
    """What `delivery` claims, or why it is noise (checks 1 and 2)."""
    try:
        up = parse_up(delivery.payload)
        if up.envelope.content_type != ReadingBatch.CONTENT_TYPE:
            return Noise(delivery, 1, f"expected {ReadingBatch.CONTENT_TYPE}, got {up.envelope.content_type}")
        header = ReadingBatch.parse(up.envelope.payload)
    except DecodeError as error:
        return Noise(delivery, 1, str(error))
    if hashlib.sha256(up.opening).digest() != header.contents:
        return Noise(delivery, 2, "the opening is not the one that the header commits to")
    try:
        Opening.parse(up.opening, header.count)
    except DecodeError as error:
        return Noise(delivery, 2, str(error))
    return Claim(delivery, up, header)
