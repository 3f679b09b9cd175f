"""Checks 1 and 2: what a message claims, before anybody's signature is looked at. Pure; fed by the whole world.

Source: docs/wire-format.md §5 "Intake, numbered".
"""

import hashlib
from typing import NamedTuple

from headend.transport.transport import Delivery
from signing.batch_message import BatchMessage, check_opening, read_message
from signing.errors import DecodeError


class Claim(NamedTuple):
    """A well-formed batch with the opening that its header commits to. Nobody has checked who says it."""

    delivery: Delivery
    batch: BatchMessage


class Noise(NamedTuple):
    """A message that proves nothing about its sender: counted, sampled, never answered."""

    delivery: Delivery
    check: int
    """The number of the check that it fails: 1, 2 or 4."""
    reason: str


def read(delivery: Delivery) -> Claim | Noise:
    """What `delivery` claims, or why it is noise (checks 1 and 2)."""
    try:
        batch = read_message(delivery.payload)
    except DecodeError as error:
        return Noise(delivery, 1, str(error))
    if hashlib.sha256(batch.opening).digest() != batch.contents:
        return Noise(delivery, 2, "the opening is not the one that the header commits to")
    try:
        check_opening(batch.opening, batch.blocks)
    except DecodeError as error:
        return Noise(delivery, 2, str(error))
    return Claim(delivery, batch)
