"""The exchange's answers as JSON values: records, allocations, and the settlement view. Pure."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import Enum

from ledger_client.exact_json import dumps, kwh
from ledger_client.ledger import METRIC_OF_SIDE, Side, TradeStatus
from ledger_client.sandbox import flows
from ledger_client.sandbox.allocation import amount_inr, settled_wh
from ledger_client.sandbox.store import Posted, Row
from signing.energy import kwh_text
from signing.interval import utc_text


class Numbers(Enum):
    """How the exchange writes numbers in records."""

    EXACT = "exact"
    """JSON numbers, as the API says."""
    TEXT = "text"
    """Strings, and flat allocation fields beside the arrays, as the live ledger was seen to do."""


def row_digest(row: Row) -> str:
    """``sha256:`` of the canonical row: its record as JSON with exact numbers."""
    return "sha256:" + hashlib.sha256(dumps(_record(row))).hexdigest()


def _metrics(wh: int | None, side: Side) -> list[object]:
    """The metrics array of one side."""
    if wh is None:
        return []
    return [{"validationMetricType": METRIC_OF_SIDE[side].value, "validationMetricValue": kwh(wh)}]


def _record(row: Row) -> dict[str, object]:
    """The record object without its digest."""
    detail: dict[str, object] = {}
    if row.quantity_wh is not None:
        detail = {"tradeQty": kwh(row.quantity_wh), "tradeType": row.trade_type, "tradeUnit": row.trade_unit}
        if row.price is not None:
            detail |= {"pricePerUnit": Decimal(row.price), "priceCurrency": row.price_currency or "INR"}
    return {
        "recordId": row.record_id,
        "creationTime": utc_text(row.creation_utc),
        "transactionId": row.transaction_id,
        "orderItemId": row.order_item_id,
        "platformIdBuyer": row.platform_id_buyer,
        "platformIdSeller": row.platform_id_seller,
        "discomIdBuyer": row.discom_id_buyer,
        "discomIdSeller": row.discom_id_seller,
        "buyerId": row.buyer_id,
        "sellerId": row.seller_id,
        "tradeTime": row.trade_time or "",
        "deliveryStartTime": row.delivery_start or "",
        "deliveryEndTime": row.delivery_end or "",
        "tradeDetails": [detail] if detail else [],
        "buyerFulfillmentValidationMetrics": _metrics(row.pulled_wh, Side.BUYER),
        "sellerFulfillmentValidationMetrics": _metrics(row.pushed_wh, Side.SELLER),
        "statusBuyerDiscom": row.status_buyer,
        "statusSellerDiscom": row.status_seller,
    }


def record(row: Row, numbers: Numbers) -> dict[str, object]:
    """The record object of ``/ledger/get``."""
    found = _record(row) | {"rowDigest": row_digest(row)}
    if numbers is Numbers.TEXT:
        final = settled_wh(row.quantity_wh or 0, row.pushed_wh, row.pulled_wh)
        flat = (("buyerDiscom", row.pulled_wh), ("sellerDiscom", row.pushed_wh), ("final", final))
        found = {name: as_text(value) for name, value in found.items()}
        found |= {f"{name}Allocation": kwh_text(wh) for name, wh in flat if wh is not None}
    return found


def as_text(value: object) -> object:
    """`value` with every number in it as a string."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, dict):
        return {name: as_text(item) for name, item in value.items()}
    return value


def allocation(row: Row, side: Side) -> dict[str, object]:
    """One entry of an allocate answer."""
    return {
        "recordId": row.record_id,
        "transactionId": row.transaction_id,
        "orderItemId": row.order_item_id,
        "tradeQty": kwh(row.quantity_wh or 0),
        "allocatedQty": kwh(row.allocated_wh(side) or 0),
        "side": side.value,
        "metricType": METRIC_OF_SIDE[side].value,
        "rowDigest": row_digest(row),
    }


PostingsOf = Callable[[str, str, str], Sequence[Posted]]
"""The postings of a meter and window, oldest first."""


def trade_settled_wh(row: Row) -> int | None:
    """What a trade settles at; None until both platforms have put it and both discoms have said their last word."""
    if not (row.put_by_buyer and row.put_by_seller) or row.quantity_wh is None:
        return None
    if TradeStatus.PENDING.value in (row.status_buyer, row.status_seller):
        return None
    return settled_wh(row.quantity_wh, row.pushed_wh, row.pulled_wh)


def settlement(rows: Iterable[Row], postings: PostingsOf) -> dict[str, object]:
    """Every trade with what became of it, and every contract with its flows. Energies and rupees are decimal strings, null where not yet known."""
    listed = list(rows)
    return {
        "trades": [_settled_trade(row, listed, postings) for row in listed],
        "contracts": [_contract(name, listed) for name in dict.fromkeys(row.transaction_id for row in listed)],
    }


def _contract(transaction_id: str, rows: Iterable[Row]) -> dict[str, object]:
    """The revenue flows of one contract's settled intervals."""
    lines = [
        flows.Line(requested_wh=row.quantity_wh, final_wh=final, price_inr_per_kwh=Decimal(row.price))
        for row in rows
        if row.transaction_id == transaction_id and row.quantity_wh is not None and row.price is not None
        if (final := trade_settled_wh(row)) is not None
    ]
    return {"transactionId": transaction_id, **flows.contract(lines)}


def _text_or_none(wh: int | None) -> str | None:
    return None if wh is None else kwh_text(wh)


def _settled_trade(row: Row, rows: Sequence[Row], postings: PostingsOf) -> dict[str, object]:
    """One trade of the settlement view."""
    settled = trade_settled_wh(row)
    price = None if row.price is None else Decimal(row.price)
    amount = None if settled is None or price is None else amount_inr(settled, price).quantize(Decimal("0.00001"))
    return {
        "transactionId": row.transaction_id,
        "orderItemId": row.order_item_id,
        "recordId": row.record_id,
        "deliveryStartTime": row.delivery_start,
        "deliveryEndTime": row.delivery_end,
        "status": _status(row),
        "contractedKwh": _text_or_none(row.quantity_wh),
        "pricePerKwh": row.price,
        "pushedKwh": _text_or_none(row.pushed_wh),
        "pulledKwh": _text_or_none(row.pulled_wh),
        "settledKwh": _text_or_none(settled),
        "amountInr": None if amount is None else money_text(amount),
        "seller": _party(row, Side.SELLER, rows, postings),
        "buyer": _party(row, Side.BUYER, rows, postings),
        "rowDigest": row_digest(row),
    }


def money_text(amount: Decimal) -> str:
    """Rupees with at least two decimals and no trailing zeros beyond them."""
    whole, _, part = format(amount, "f").partition(".")
    return f"{whole}.{part.rstrip('0').ljust(2, '0')}"


def _status(row: Row) -> str:
    """Where a trade stands, in one word."""
    if trade_settled_wh(row) is not None:
        return "SETTLED"
    if row.pushed_wh is not None and row.pulled_wh is not None and row.put_by_buyer and row.put_by_seller:
        return "AWAITING_ROUND"
    return "AWAITING_METERS" if row.put_by_buyer and row.put_by_seller else "AWAITING_PLATFORM"


def _party(row: Row, side: Side, rows: Sequence[Row], postings: PostingsOf) -> dict[str, object]:
    """One side of a trade: its meter, the actual that counts, its evidence, and what is left to the retailer.

    The residual is the meter's own energy in the trade's direction less everything its trades of that window settled.
    """
    meter = row.meter_id(side)
    found: dict[str, object] = {
        "meterId": meter,
        "discomId": row.discom_id(side),
        "actualImportedKwh": None,
        "clientReference": None,
        "revision": None,
        "residualKwh": None,
    }
    if meter is None or row.delivery_start is None or row.delivery_end is None:
        return found
    posted = postings(meter, row.delivery_start, row.delivery_end)
    if not posted:
        return found
    counts = posted[-1]
    found |= {
        "actualImportedKwh": kwh_text(counts.actual_imported_wh),
        "clientReference": counts.client_reference,
        "revision": counts.revision,
    }
    settled = _settled_of_meter(meter, side, row, rows)
    if settled is not None:
        own = counts.actual_imported_wh if side is Side.BUYER else -counts.actual_imported_wh
        found["residualKwh"] = kwh_text(max(own, 0) - settled)
    return found


def _settled_of_meter(meter: str, side: Side, row: Row, rows: Sequence[Row]) -> int | None:
    """What all trades of `meter` on `side` in `row`'s window settled, Wh; None while one of them has not."""
    total = 0
    for other in rows:
        if other.meter_id(side) != meter or (other.delivery_start, other.delivery_end) != (
            row.delivery_start,
            row.delivery_end,
        ):
            continue
        settled = trade_settled_wh(other)
        if settled is None:
            return None
        total += settled
    return total
