"""The seam below the session: how APDUs are framed on one medium."""

from typing import Protocol


class Link(Protocol):
    """Frames APDUs for one medium, sans-io. A link may hold an APDU back until its own opening is answered."""

    def send(self, apdu: bytes) -> bytes:
        """The bytes to write now so that `apdu` reaches the meter."""

    def receive(self, data: bytes) -> tuple[bytes, ...]:
        """The APDUs that `data` completes, in order.

        Raises:
            MeterDecodeError: when the frames are not this link's.
        """
