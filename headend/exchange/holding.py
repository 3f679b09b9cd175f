"""What an operator's hold bears on: one rule for settlement, which holds postings back by it, and for whoever asks before placing or ending one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headend.duties.holds import Hold, Holds, Order
from headend.onboarding.known import Registry
from headend.store.sqlite import postings, recording_rows, told_rows
from headend.store.sqlite.database import Database
from headend.trading.posting import OPEN, PostingRecord, PostingState
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery
from signing.interval import Interval

Told = PostingRecord | Recording
"""What a ledger is told: a figure, or this discom's own word."""

HoldOver = Callable[[Delivery], Hold | None]
"""What keeps a delivery from being posted, or none."""

_HELD = frozenset({PostingState.HELD})


def over_by(found: Iterable[Hold], registry: Registry) -> HoldOver | None:
    """Which of the holds keeps a delivery back, by what the registry calls its meter then; none while none of them is open."""
    holds = Holds(found)
    if not holds:
        return None
    return lambda delivery: holds.over(
        registry.connection_point(delivery.posted_as, delivery.window.start_utc), delivery.window
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearing:
    """What one order keeps back, beside what other holds do."""

    alone: tuple[Told, ...]
    """Stops when the order is placed, and goes when it ends."""
    shared: tuple[Told, ...]
    """HELD by others too, with or without it."""
    confirmed: int
    """Said before and confirmed by the ledger, where it stays."""
    awaited: tuple[Delivery, ...]
    """Deliveries of which nothing was addressed yet: theirs is HELD when it comes."""


def bearing(
    database: Database, registry: Registry, order: Order, others: Iterable[Hold], followed: Iterable[Delivery]
) -> Bearing:
    """What `order` bears on now beside the open holds `others`, among what was addressed and the deliveries that are followed."""
    over = over_by([_as_placed(order)], registry)
    beside = over_by(others, registry)
    assert over is not None
    connection = database.connection
    open_ = OPEN | _HELD
    told: list[Told] = [*postings.postings_in(connection, open_), *recording_rows.in_states(connection, open_)]
    found = [one for one in told if over(one.delivery) is not None]
    is_shared = [beside is not None and beside(one.delivery) is not None for one in found]
    wanted = [delivery for delivery in followed if over(delivery) is not None]
    addressed = _addressed(database, wanted)
    return Bearing(
        alone=tuple(one for one, shared in zip(found, is_shared, strict=True) if not shared),
        shared=tuple(one for one, shared in zip(found, is_shared, strict=True) if shared),
        confirmed=_confirmed(database, registry, order, over),
        awaited=tuple(delivery for delivery in wanted if delivery not in addressed),
    )


def _as_placed(order: Order) -> Hold:
    return Hold(number=0, order=order, opened_utc=0, closed_utc=None, closed_by=None, outcome=None)


def _addressed(database: Database, wanted: list[Delivery]) -> frozenset[Delivery]:
    starts = [delivery.window.start_utc for delivery in wanted] or [0]
    return told_rows.addressed(database.connection, Interval(min(starts), max(starts) + 1))


def _confirmed(database: Database, registry: Registry, order: Order, over: HoldOver) -> int:
    """How much of it a ledger has; a stand-down is of everything, so that is counted where it is kept."""
    connection, point = database.connection, order.connection_point
    if point is None:
        return told_rows.confirmed(connection)
    told = told_rows.confirmed_as(connection, registry.posted_as(point))
    return sum(over(delivery) is not None for delivery in told)
