"""Trades that await two figures for the same energy: a ledger allocates each of them whole.

Two platforms may spell one window or one meter in two ways; no discom can say which of them the other meant. Pure.
"""

from collections.abc import Iterable, Mapping

from headend.trading.trades import Delivery


class Overlaps:
    """Tells of them, once a connection point. Owned by one thread."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: set[str] = set()

    def alarms(self, awaited: Mapping[str, Iterable[Delivery]]) -> tuple[str, ...]:
        """What an operator must look at, of what is awaited by connection point."""
        found = []
        for point, deliveries in awaited.items():
            pair = None if point in self._told else overlapping(deliveries)
            if pair is None:
                continue
            one, other = pair
            self._told.add(point)
            found.append(
                f"two trades of {point} await the same energy: '{one.posted_as}' {one.delivery_start} to {one.delivery_end} and "
                f"'{other.posted_as}' {other.delivery_start} to {other.delivery_end}; the ledger may allocate it twice: ask its operator"
            )
        return tuple(found)


def overlapping(deliveries: Iterable[Delivery]) -> tuple[Delivery, Delivery] | None:
    """The first two of one connection point's deliveries whose windows share an instant, or none."""
    latest: Delivery | None = None
    for delivery in sorted(deliveries, key=lambda one: (one.window, one)):
        if latest is not None and delivery.window.overlaps(latest.window):
            return latest, delivery
        latest = delivery
    return None
