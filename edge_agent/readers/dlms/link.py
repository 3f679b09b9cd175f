"""The seam below the session: how APDUs are framed on one medium."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Received:
    """What follows from received bytes."""

    apdus: tuple[bytes, ...]
    """The APDUs that they complete, in order; none is empty."""
    reply: bytes = b""
    """What the link itself has to write now: an acknowledgement, or an APDU held back until the link was open."""


class Link(Protocol):
    """Frames APDUs for one medium, sans-io. A link may hold an APDU back until its own opening is answered."""

    def send(self, apdu: bytes) -> bytes:
        """The bytes to write now so that `apdu` reaches the meter."""

    def receive(self, data: bytes) -> Received:
        """What follows from `data`, however the bytes were cut.

        Raises:
            MeterDecodeError: when the frames are not this link's.
        """

    @property
    def answer_octets(self) -> int:
        """The longest APDU that the client should say it takes: what fills this link's frames best."""

    def was_block(self) -> None:
        """The last APDU was a block of a longer answer, as long as the meter makes them."""

    @property
    def gain(self) -> float:
        """How many octets on the wire each octet of a long answer would cost less if the association had asked for
        `answer_octets` as that is now; 0 where it did, or where nothing is known of the meter.
        """

    @property
    def is_gone(self) -> bool:
        """Whether there is nothing of the link itself left to take down."""

    def ask_again(self) -> bytes:
        """The bytes that ask a silent meter again without repeating anything to it; none where that cannot be."""

    def disconnect(self) -> bytes:
        """The bytes that take the link itself down, in whatever state it is; none where there is nothing to take down.
        What is received after that only says whether it `is_gone`.
        """
