"""A platform's signed contract read: the exact body of its ``/ledger/put``, strictly and whole. Sans-io.

A put may leave fields to the other platform's statement; a contract may not: what a platform does not state it has not signed.
Source: DEG Ledger API 0.4.0, put: ``additionalProperties: false``; P2P guide, phase 1: "Submit signed contract".
"""

from dataclasses import dataclass
from decimal import Decimal

from ledger_client.beckn.fields import Fields, array_in, as_object, as_text, interval, message, required, seconds
from ledger_client.beckn.refusal import Code, refused
from ledger_client.contract import MAX_PRICE
from ledger_client.foreign_fields import number, positive_wh
from ledger_client.ledger import LedgerProtocolError, Side, TradeType
from signing.interval import Interval

MAX_CONTRACT_BYTES = 8192
"""Largest contract that is read: one with every field is below 1 KiB."""

_TEXTS = ("platformIdBuyer", "platformIdSeller", "discomIdBuyer", "discomIdSeller", "buyerId", "sellerId")
_KNOWN = {
    "role", "transactionId", "orderItemId", "recordId", "tradeTime", "deliveryStartTime", "deliveryEndTime", "tradeDetails",
    "clientReference", *_TEXTS,
}  # fmt: skip
_KNOWN_DETAIL = {"tradeQty", "tradeType", "tradeUnit", "pricePerUnit", "priceCurrency"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """What one platform's contract states of one trade."""

    role: Side
    """Whose platform signs."""
    transaction_id: str
    order_item_id: str
    platform_id_buyer: str
    platform_id_seller: str
    discom_id_buyer: str
    discom_id_seller: str
    buyer_id: str
    """The buyer's meter, as the platform spells it."""
    seller_id: str
    window: Interval
    quantity_wh: int
    price_inr_per_kwh: Decimal | None
    """None where the contract leaves the price unsaid."""

    @property
    def platform(self) -> str:
        """The subscriber id of the platform whose contract this is."""
        return self.platform_id_buyer if self.role is Side.BUYER else self.platform_id_seller


def read_contract(body: bytes) -> ContractTerms:
    """The contract in the exact bytes of a ``/ledger/put``.

    Raises:
        RefusedError: with an ``SCH_`` code and the field's path.
    """
    if len(body) > MAX_CONTRACT_BYTES:
        raise refused(Code.INVALID_FORMAT, f"expected at most {MAX_CONTRACT_BYTES} bytes, got {len(body)}")
    fields = message(body)
    _require_known(fields, _KNOWN, "")
    detail = _detail(fields)
    return ContractTerms(
        role=_role(fields),
        transaction_id=_text(fields, "transactionId"),
        order_item_id=_text(fields, "orderItemId"),
        platform_id_buyer=_text(fields, "platformIdBuyer"),
        platform_id_seller=_text(fields, "platformIdSeller"),
        discom_id_buyer=_text(fields, "discomIdBuyer"),
        discom_id_seller=_text(fields, "discomIdSeller"),
        buyer_id=_text(fields, "buyerId"),
        seller_id=_text(fields, "sellerId"),
        window=_window(fields),
        quantity_wh=_quantity(detail),
        price_inr_per_kwh=_price(detail),
    )


def _require_known(fields: Fields, known: set[str], path: str) -> None:
    """Refuse a field that nobody here reads: what is signed there might bind all the same."""
    for name in fields:
        if name not in known:
            raise refused(Code.SCHEMA_VALIDATION_FAILED, f"expected no field {name[:40]!r}", path)


def _text(fields: Fields, name: str) -> str:
    return as_text(required(fields, name, ""), name)


def _role(fields: Fields) -> Side:
    word = _text(fields, "role")
    if word not in {side.value for side in Side}:
        raise refused(Code.INVALID_ENUM, f"expected BUYER or SELLER, got {word!r:.40}", "role")
    return Side(word)


def _window(fields: Fields) -> Interval:
    start, end = (seconds(required(fields, name, ""), name) for name in ("deliveryStartTime", "deliveryEndTime"))
    return interval(start, end, "deliveryEndTime")


def _detail(fields: Fields) -> Fields:
    """The one entry of ``tradeDetails``, an energy in kWh."""
    details = array_in(fields, "tradeDetails", "")
    if len(details) != 1:
        raise refused(Code.SCHEMA_VALIDATION_FAILED, f"expected one entry, got {len(details)}", "tradeDetails")
    path = "tradeDetails[0]"
    detail = as_object(details[0], path)
    _require_known(detail, _KNOWN_DETAIL, path)
    for name, wanted in (("tradeType", TradeType.ENERGY.value), ("tradeUnit", "KWH")):
        got = as_text(required(detail, name, path), f"{path}.{name}")
        if got != wanted:
            raise refused(Code.TYPE_NOT_SUPPORTED, f"expected {wanted}, got {got!r:.40}", f"{path}.{name}")
    return detail


def _quantity(detail: Fields) -> int:
    path = "tradeDetails[0].tradeQty"
    try:
        return positive_wh(required(detail, "tradeQty", "tradeDetails[0]"), path, least=1)
    except LedgerProtocolError as error:
        raise refused(Code.INVALID_FORMAT, str(error), path) from error


def _price(detail: Fields) -> Decimal | None:
    path = "tradeDetails[0].pricePerUnit"
    currency = detail.get("priceCurrency")
    if currency not in (None, "INR"):
        raise refused(Code.TYPE_NOT_SUPPORTED, "expected INR", "tradeDetails[0].priceCurrency")
    value = detail.get("pricePerUnit")
    if value is None:
        return None
    try:
        price = number(value, path)
    except LedgerProtocolError as error:
        raise refused(Code.INVALID_FORMAT, str(error), path) from error
    if not 0 <= price <= MAX_PRICE:
        raise refused(Code.INVALID_FORMAT, f"expected 0 to {MAX_PRICE}", path)
    return Decimal(str(value))
