"""What happens to a trade whose terms change at the ledger. Pure.

Before its delivery begins, the later terms supersede. After that they are refused as a basis: nobody may agree, or unagree, on energy
that is flowing or has flowed. What discoms report on a trade (allocations, statuses) is no term and is always taken.
"""

from dataclasses import dataclass, replace
from enum import Enum

from ledger_client.ledger import Trade
from signing.energy import kwh_text
from signing.interval import Interval, utc_text

_TERMS = (
    "window", "quantity_wh", "price_inr_per_kwh", "buyer_id", "seller_id", "discom_id_buyer", "discom_id_seller",
    "platform_id_buyer", "platform_id_seller", "trade_type",
)  # fmt: skip


class Amending(Enum):
    """What became of changed terms."""

    SUPERSEDED = "SUPERSEDED"
    """They came before the delivery and hold from then on."""
    LATE = "LATE"
    """They came after the delivery began; the first ones stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One change of the terms of one trade."""

    record_id: str
    amending: Amending
    changes: str
    """Each changed term with both its values, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A trade as it is the basis now, and what was changed."""

    trade: Trade
    amendment: Amendment | None


def agreed(known: Trade | None, shown: Trade, now_utc: int) -> Agreed:
    """The basis, where a ledger shows a trade as `shown` that stood here as `known`."""
    if known is None:
        return Agreed(trade=shown, amendment=None)
    changed = [name for name in _TERMS if getattr(known, name) != getattr(shown, name)]
    if not changed:
        return Agreed(trade=shown, amendment=None)
    # Terms that move a delivery into the past are as late as those that come after it began.
    is_late = now_utc >= min(known.window.start_utc, shown.window.start_utc)
    amendment = Amendment(
        record_id=shown.record_id,
        amending=Amending.LATE if is_late else Amending.SUPERSEDED,
        changes="; ".join(_change(name, getattr(known, name), getattr(shown, name)) for name in changed),
    )
    return Agreed(trade=_on_terms_of(known, shown) if is_late else shown, amendment=amendment)


def _on_terms_of(known: Trade, shown: Trade) -> Trade:
    """What discoms report of `shown`, on the terms of `known`."""
    return replace(
        known,
        status_buyer_discom=shown.status_buyer_discom,
        status_seller_discom=shown.status_seller_discom,
        pushed_wh=shown.pushed_wh,
        pulled_wh=shown.pulled_wh,
        row_digest=shown.row_digest,
    )


def _change(name: str, before: object, after: object) -> str:
    return f"{label(name)} {value_text(before, name)} to {value_text(after, name)}"


def label(name: str) -> str:
    """What people call a term."""
    return name.removesuffix("_inr_per_kwh").removesuffix("_wh")


def value_text(value: object, name: str) -> str:
    """The value of the term `name`, for people."""
    if name == "quantity_wh":
        assert isinstance(value, int)
        return f"{kwh_text(value)} kWh"
    if isinstance(value, Interval):
        return f"{utc_text(value.start_utc)}/{utc_text(value.end_utc)}"
    if isinstance(value, Enum):
        return str(value.value)
    return "none" if value is None else str(value)
