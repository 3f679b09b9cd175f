"""A transport inside one process: queues between whoever sends and the intake that fetches.

For programs that run head-end and agents together, and for measuring intake without a broker. It keeps a transport's promises:
what is not acknowledged comes again after `reconnect`, before anything newer.
"""

from collections import deque
from collections.abc import Iterable
from itertools import count

from headend.errors import TransportUnavailableError
from headend.transport.transport import Delivery


class MemoryTransport:
    """Queues of one process. Not for use by several threads at once."""

    __slots__ = ("_closed", "_incoming", "_outstanding", "_tokens", "rejected", "sent")

    def __init__(self) -> None:
        self._incoming: deque[Delivery] = deque()
        self._outstanding: dict[int, Delivery] = {}
        self._tokens = count()
        self._closed = False
        self.sent: list[tuple[str, bytes]] = []
        """What was published and not yet taken, in order."""
        self.rejected: list[Delivery] = []
        """What intake could never use."""

    def deliver(self, topic: str, payload: bytes) -> None:
        """A peer's message, to be fetched."""
        self._incoming.append(Delivery(topic, payload, next(self._tokens)))

    def take(self) -> list[tuple[str, bytes]]:
        """What was published since the last call, in order."""
        taken, self.sent = self.sent, []
        return taken

    def outstanding(self) -> int:
        """Deliveries fetched and neither acknowledged nor rejected."""
        return len(self._outstanding)

    def reconnect(self) -> None:
        """What was fetched and not acknowledged will be fetched again."""
        self._incoming.extendleft(reversed(self._outstanding.values()))
        self._outstanding.clear()

    def fetch(self, most: int, timeout_s: float) -> list[Delivery]:  # noqa: ARG002 - nothing to wait for
        """Up to `most` deliveries. Never waits: nothing can arrive meanwhile."""
        if self._closed:
            raise TransportUnavailableError("the transport was closed: open another")
        fetched = [self._incoming.popleft() for _ in range(min(most, len(self._incoming)))]
        self._outstanding.update((delivery.token, delivery) for delivery in fetched)
        return fetched

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """These deliveries will not come again."""
        for delivery in deliveries:
            self._outstanding.pop(delivery.token, None)

    def reject(self, deliveries: Iterable[Delivery]) -> None:
        """These deliveries will not come again; they are kept in `rejected`."""
        for delivery in deliveries:
            if self._outstanding.pop(delivery.token, None) is not None:
                self.rejected.append(delivery)

    def publish(self, topic: str, payload: bytes) -> None:
        """Sends an answer into `sent`."""
        if self._closed:
            raise TransportUnavailableError("the transport was closed: open another")
        self.sent.append((topic, payload))

    def ready(self) -> bool:
        """Whether it is open."""
        return not self._closed

    def close(self) -> None:
        """Ends it."""
        self._closed = True
