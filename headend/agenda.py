"""What is to be looked at when: each thing once, at the earliest time that was named for it.

Pure; what is not due costs nothing at a look.
"""

import heapq

from headend.trading.trades import Delivery


class Agenda:
    """Deliveries and when each is looked at next. Owned by one thread."""

    __slots__ = ("_heap", "_ready", "_times")

    def __init__(self) -> None:
        self._times: dict[Delivery, int] = {}
        self._heap: list[tuple[int, Delivery]] = []
        self._ready: set[Delivery] = set()

    def __len__(self) -> int:
        return len(self._times)

    def put(self, delivery: Delivery, at_utc: int) -> None:
        """Looks at `delivery` at `at_utc`, unless it is looked at earlier anyway."""
        if delivery not in self._times or at_utc < self._times[delivery]:
            self._times[delivery] = at_utc
            heapq.heappush(self._heap, (at_utc, delivery))

    def due(self, now_utc: int) -> tuple[Delivery, ...]:
        """What is due, ascending. It stays due until it is `done`: a step that fails is repeated."""
        while self._heap and self._heap[0][0] <= now_utc:
            at_utc, delivery = heapq.heappop(self._heap)
            # A time that was replaced by an earlier one, or is done with, says nothing any more.
            if self._times.get(delivery) == at_utc:
                self._ready.add(delivery)
        return tuple(sorted(self._ready))

    def done(self, delivery: Delivery) -> None:
        """Takes `delivery` off; what is not on it is off already."""
        self._times.pop(delivery, None)
        self._ready.discard(delivery)
