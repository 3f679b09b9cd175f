"""What a trading platform states about a trade, and what a ledger answers. Discoms state none."""

from dataclasses import dataclass
from decimal import Decimal

from ledger_client.ledger import LedgerProtocolError, Side
from signing.energy import MAX_WH

MAX_PRICE = 10**6
"""Highest price, INR per kWh."""

MAX_PRICE_DECIMALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReceipt:
    """A ledger's answer to a write of one record: a platform's put, a discom's record."""

    record_id: str
    row_digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One platform's statement of a trade. A field that is None is left to the other platform's statement."""

    role: Side
    transaction_id: str
    order_item_id: str
    platform_id_buyer: str | None = None
    platform_id_seller: str | None = None
    discom_id_buyer: str | None = None
    discom_id_seller: str | None = None
    buyer_id: str | None = None
    seller_id: str | None = None
    trade_time: str | None = None
    delivery_start: str | None = None
    delivery_end: str | None = None
    quantity_wh: int | None = None
    price_inr_per_kwh: Decimal | None = None
    client_reference: str | None = None

    def __post_init__(self) -> None:
        own = self.platform_id_buyer if self.role is Side.BUYER else self.platform_id_seller
        if not own:
            raise LedgerProtocolError(f"expected the putting platform's own id for role {self.role.value}")
        if self.quantity_wh is not None and not 0 < self.quantity_wh <= MAX_WH:
            raise LedgerProtocolError(f"expected 1 to {MAX_WH} Wh, got {self.quantity_wh} in 'quantity_wh'")
        if self.price_inr_per_kwh is not None:
            _check_price(self.price_inr_per_kwh)


def _check_price(price: Decimal) -> None:
    """Refuse a price that cannot be, or that has no short exact spelling."""
    exponent = price.as_tuple().exponent
    if not isinstance(exponent, int) or not exponent >= -MAX_PRICE_DECIMALS or not 0 <= price <= MAX_PRICE:
        raise LedgerProtocolError(
            f"expected 0 to {MAX_PRICE} INR with at most {MAX_PRICE_DECIMALS} decimals, got {price} in 'price_inr_per_kwh'"
        )
