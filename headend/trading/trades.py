"""Trades as the head-end needs them: which meter and window of ours a ledger expects an actual for.

Pure. A ledger matches windows and meter ids by their exact spelling, so a `Delivery` carries both as the ledger wrote them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ledger_client.ledger import METRIC_OF_SIDE, MetricType, Side, Trade, TradeStatus, TradeType
from signing.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Delivery:
    """One meter and window that a ledger awaits one actual for, however many trades share it."""

    posted_as: str
    """The meter id exactly as the ledger spells it."""
    delivery_start: str
    """The window's start exactly as the ledger spells it."""
    delivery_end: str
    window: Interval
    """The same window, parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSide:
    """Our side of one trade."""

    delivery: Delivery
    side: Side
    trade: Trade

    @property
    def metric(self) -> MetricType:
        """What the ledger allocates to this side: ACTUAL_PUSHED of a seller, ACTUAL_PULLED of a buyer."""
        return METRIC_OF_SIDE[self.side]


def own_sides(trades: Iterable[Trade], discom: str) -> tuple[TradeSide, ...]:
    """The sides of energy `trades` whose meter is one of `discom`, by delivery. A trade within one discom has two."""
    found = []
    for trade in trades:
        if trade.trade_type is not TradeType.ENERGY:
            continue
        if trade.discom_id_seller == discom:
            found.append(TradeSide(delivery=_delivery(trade, trade.seller_id), side=Side.SELLER, trade=trade))
        if trade.discom_id_buyer == discom:
            found.append(TradeSide(delivery=_delivery(trade, trade.buyer_id), side=Side.BUYER, trade=trade))
    return tuple(sorted(found, key=lambda own: (own.delivery, own.trade.record_id, own.side.value)))


def settled_wh(trade: Trade) -> int | None:
    """The settled energy of a trade: the lesser of what both sides' discoms say.

    None until both said it, and while either calls it PENDING. A ledger that allocates by itself states no statuses: both energies are its
    answer.
    """
    is_open = TradeStatus.PENDING in {trade.status_buyer_discom, trade.status_seller_discom}
    if is_open or trade.pushed_wh is None or trade.pulled_wh is None:
        return None
    return min(trade.pushed_wh, trade.pulled_wh)


def deliveries(sides: Iterable[TradeSide]) -> tuple[Delivery, ...]:
    """What one actual each is awaited for, ascending, each once."""
    return tuple(sorted({own.delivery for own in sides}))


def _delivery(trade: Trade, meter_id: str) -> Delivery:
    return Delivery(
        posted_as=meter_id,
        delivery_start=trade.delivery_start,
        delivery_end=trade.delivery_end,
        window=trade.window,
    )
