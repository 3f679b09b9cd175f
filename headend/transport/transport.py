"""The seam of the transport: deliveries in, answers out.

A delivery is acknowledged only after what it caused is durable; one that is not acknowledged comes again, to this or another
program, perhaps after others. Nothing here is trusted: topic and payload are whatever a peer sent.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Delivery(NamedTuple):
    """One message as it came."""

    topic: str
    payload: bytes
    token: int
    """The transport's own mark, to acknowledge it by."""


class Transport(Protocol):
    """Where messages come from and go to. Owned by one thread, but for what an implementation receives on its own."""

    def fetch(self, most: int, timeout_s: float) -> list[Delivery]:
        """Up to `most` deliveries, in the order of their arrival; waits up to `timeout_s` for the first one.

        Raises:
            TransportUnavailableError: the transport is gone for good; it reconnects by itself otherwise.
        """

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """These deliveries are done with: they need not come again."""

    def reject(self, deliveries: Iterable[Delivery]) -> None:
        """These deliveries can never be used: they need not come again, and may be kept aside by the broker."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Sends an answer, at least once if the link holds. A lost answer is asked for again by its receiver.

        Raises:
            TransportUnavailableError: it cannot be sent now.
        """

    def ready(self) -> bool:
        """Whether messages can come in now."""

    def close(self) -> None:
        """Ends the connection. What was not acknowledged comes again elsewhere."""
