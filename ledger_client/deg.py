"""The DEG Ledger API 0.4.0 as bytes: a strict writer of requests and a lenient reader of answers, sans-io.

Written numbers are exact JSON numbers of kWh with at most three decimals. Read numbers may be JSON numbers or strings, as
the live ledger writes both, and unknown fields are ignored. The noise of a ledger's binary floats (at most 10^-9 kWh) is
removed; anything else finer than one Wh is refused, because a number that was guessed at is not the ledger's.

Source: DEG Ledger API 0.4.0 (deg_contract_ledger).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ledger_client.contract import Contract, WriteReceipt
from ledger_client.exact_json import JsonError, dumps, kwh, loads
from ledger_client.foreign_fields import (
    json_array,
    json_object,
    member,
    number,
    optional_text,
    plain,
    positive_wh,
    text,
)
from ledger_client.ledger import (
    Allocation,
    LedgerError,
    LedgerProtocolError,
    LedgerRefusedError,
    LedgerUnavailableError,
    MetricType,
    Posting,
    Receipt,
    Side,
    Trade,
    TradeQuery,
    TradeStatus,
    TradeType,
    TradeUnknownError,
    UnreadableRecord,
)
from ledger_client.recording import RecordPosting
from signing.errors import SigningError
from signing.interval import DAY_S, Interval, parse_instant, utc_text

PUT, RECORD, ALLOCATE, GET = "/ledger/put", "/ledger/record", "/ledger/allocate", "/ledger/get"
"""The four paths; all are POST."""

MAX_DELIVERY_S = 31 * DAY_S
"""The longest delivery that is read as a trade. Whoever may put one names its window, and a head-end looks at every block of it: one that
ends in a century would take hours and all of its memory.
"""

_RETRY_STATUS = frozenset({401, 408, 425, 429})
"""The 4xx that say "later" and nothing about the request. 401 is about who asks and when: a clock that is off for an hour, or a key that the
registry does not show yet, must not refuse the postings of that hour for ever.
"""

# --- requests: strict


def _present(fields: Mapping[str, object]) -> bytes:
    """The fields that are not None, in order, as JSON."""
    return dumps({name: value for name, value in fields.items() if value is not None})


def allocate_request(posting: Posting) -> bytes:
    """The body of an ``/ledger/allocate``: one signed actual of one meter and window."""
    return _present(
        {
            "meterId": posting.meter_id,
            "discomId": posting.discom_id,
            "deliveryStartTime": posting.delivery_start,
            "deliveryEndTime": posting.delivery_end,
            "actualImported": kwh(posting.actual_imported_wh),
            "status": posting.status and posting.status.value,
            "clientReference": posting.client_reference,
        }
    )


def record_request(posting: RecordPosting) -> bytes:
    """The body of a ``/ledger/record``: one side's fields only, as those of the other are forbidden."""
    side = posting.side.value.capitalize()
    metric = {"validationMetricType": posting.metric.value, "validationMetricValue": kwh(posting.allocated_wh)}
    return _present(
        {
            "role": posting.role,
            "transactionId": posting.transaction_id,
            "orderItemId": posting.order_item_id,
            "recordId": posting.record_id,
            f"discomId{side}": posting.discom_id,
            f"{side.lower()}FulfillmentValidationMetrics": [metric],
            f"status{side}Discom": posting.status and posting.status.value,
            "note": posting.note,
            "clientReference": posting.client_reference,
        }
    )


def get_request(query: TradeQuery, offset: int) -> bytes:
    """The body of an ``/ledger/get`` for the page that starts at row `offset`.

    Pages go by creation time, ascending: rows put while paging come last, so no page shifts under the reader.
    """
    return _present(
        {
            "transactionId": query.transaction_id,
            "orderItemId": query.order_item_id,
            "recordId": query.record_id,
            "buyerId": query.buyer_id,
            "sellerId": query.seller_id,
            "discomIdBuyer": query.discom_id_buyer,
            "discomIdSeller": query.discom_id_seller,
            "deliveryStartFrom": _time(query.delivery_start_from_utc),
            "deliveryStartTo": _time(query.delivery_start_to_utc),
            "deliveryEndFrom": _time(query.delivery_end_from_utc),
            "deliveryEndTo": _time(query.delivery_end_to_utc),
            "limit": query.page_size,
            "offset": offset,
            "sort": "creationTime",
            "sortOrder": "asc",
        }
    )


def _time(at: int | None) -> str | None:
    """`at` in RFC 3339, or None."""
    return None if at is None else utc_text(at)


def put_request(contract: Contract) -> bytes:
    """The body of a ``/ledger/put``: one platform's statement of a trade."""
    return _present(
        {
            "role": contract.role.value,
            "transactionId": contract.transaction_id,
            "orderItemId": contract.order_item_id,
            "platformIdBuyer": contract.platform_id_buyer,
            "platformIdSeller": contract.platform_id_seller,
            "discomIdBuyer": contract.discom_id_buyer,
            "discomIdSeller": contract.discom_id_seller,
            "buyerId": contract.buyer_id,
            "sellerId": contract.seller_id,
            "tradeTime": contract.trade_time,
            "deliveryStartTime": contract.delivery_start,
            "deliveryEndTime": contract.delivery_end,
            "tradeDetails": _details(contract),
            "clientReference": contract.client_reference,
        }
    )


def _details(contract: Contract) -> list[object] | None:
    """The one entry of ``tradeDetails``, or None where this platform leaves the quantity to the other."""
    if contract.quantity_wh is None:
        return None
    detail: dict[str, object] = {
        "tradeQty": kwh(contract.quantity_wh),
        "tradeType": TradeType.ENERGY.value,
        "tradeUnit": "KWH",
    }
    if contract.price_inr_per_kwh is not None:
        detail |= {"pricePerUnit": contract.price_inr_per_kwh, "priceCurrency": "INR"}
    return [detail]


# --- answers: lenient


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of ``/ledger/get``."""

    trades: tuple[Trade, ...]
    unreadable: tuple[UnreadableRecord, ...]

    @property
    def rows(self) -> int:
        """How many rows the page had, readable or not; fewer than asked for means that it was the last."""
        return len(self.trades) + len(self.unreadable)


def _answer(body: bytes) -> Mapping[str, object]:
    """The object that a 2xx answer carries."""
    try:
        return json_object(loads(body), "answer")
    except JsonError as error:
        raise LedgerProtocolError(f"answer not understood: {error}") from error


def _status(fields: Mapping[str, object], name: str) -> TradeStatus | None:
    """A discom's status, None where it is absent or empty."""
    value = fields.get(name)
    return None if value in (None, "") else member(TradeStatus, value, name)


def _metric(fields: Mapping[str, object], name: str, metric: MetricType, flat: str) -> int | None:
    """The energy of `metric` in the metrics `name`, else in the field `flat` that live records carry beside them, or None."""
    found = None
    for entry in json_array(fields.get(name) or [], name):
        item = json_object(entry, name)
        if item.get("validationMetricType") == metric.value:
            found = positive_wh(item.get("validationMetricValue"), f"{name}.{metric.value}", least=0)
    if found is None and fields.get(flat) not in (None, ""):
        return positive_wh(fields[flat], flat, least=0)
    return found


def _price(detail: Mapping[str, object]) -> Decimal | None:
    """The price in INR per kWh, or None where the ledger states none."""
    value = detail.get("pricePerUnit")
    if value in (None, ""):
        return None
    if detail.get("priceCurrency") not in (None, "", "INR"):
        raise LedgerProtocolError(f"expected INR, got {detail.get('priceCurrency')!r:.80} in 'priceCurrency'")
    if number(value, "pricePerUnit") < 0:
        raise LedgerProtocolError(f"expected a price of at least 0, got {value!s:.80} in 'pricePerUnit'")
    return Decimal(str(value))


def _detail(fields: Mapping[str, object]) -> Mapping[str, object]:
    """The one entry of ``tradeDetails``, an energy in kWh."""
    details = json_array(fields.get("tradeDetails"), "tradeDetails")
    if len(details) != 1:
        raise LedgerProtocolError(f"expected one entry, got {len(details)} in 'tradeDetails'")
    detail = json_object(details[0], "tradeDetails")
    if member(TradeType, detail.get("tradeType"), "tradeType") is not TradeType.ENERGY:
        raise LedgerProtocolError(f"expected ENERGY, got {detail.get('tradeType')} in 'tradeType'")
    if detail.get("tradeUnit", "KWH") != "KWH":
        raise LedgerProtocolError(f"expected KWH, got {detail.get('tradeUnit')!r:.80} in 'tradeUnit'")
    return detail


def read_trade(value: object) -> Trade:
    """One record of ``/ledger/get``.

    Raises:
        LedgerProtocolError: it is no energy trade with a window, meters and discoms; says which field.
    """
    fields = json_object(value, "records")
    detail = _detail(fields)
    start, end = text(fields, "deliveryStartTime"), text(fields, "deliveryEndTime")
    try:
        window = Interval(parse_instant(start, "deliveryStartTime"), parse_instant(end, "deliveryEndTime"))
    except SigningError as error:
        raise LedgerProtocolError(str(error)) from error
    if window.length_s > MAX_DELIVERY_S:
        raise LedgerProtocolError(
            f"expected a delivery of at most {MAX_DELIVERY_S} s, got {window.length_s} s in 'deliveryEndTime'"
        )
    return Trade(
        transaction_id=text(fields, "transactionId"),
        order_item_id=text(fields, "orderItemId"),
        record_id=text(fields, "recordId"),
        platform_id_buyer=text(fields, "platformIdBuyer"),
        platform_id_seller=text(fields, "platformIdSeller"),
        discom_id_buyer=text(fields, "discomIdBuyer"),
        discom_id_seller=text(fields, "discomIdSeller"),
        buyer_id=text(fields, "buyerId"),
        seller_id=text(fields, "sellerId"),
        delivery_start=start,
        delivery_end=end,
        window=window,
        quantity_wh=positive_wh(detail.get("tradeQty"), "tradeQty", least=1),
        price_inr_per_kwh=_price(detail),
        status_buyer_discom=_status(fields, "statusBuyerDiscom"),
        status_seller_discom=_status(fields, "statusSellerDiscom"),
        pushed_wh=_metric(
            fields, "sellerFulfillmentValidationMetrics", MetricType.ACTUAL_PUSHED, "sellerDiscomAllocation"
        ),
        pulled_wh=_metric(
            fields, "buyerFulfillmentValidationMetrics", MetricType.ACTUAL_PULLED, "buyerDiscomAllocation"
        ),
        row_digest=optional_text(fields, "rowDigest"),
    )


def read_page(body: bytes) -> Page:
    """A 200 answer to ``/ledger/get``; a record that is no trade is kept with its reason and hides no other.

    Raises:
        LedgerProtocolError: it is no page at all.
    """
    trades: list[Trade] = []
    unreadable: list[UnreadableRecord] = []
    for record in json_array(_answer(body).get("records"), "records"):
        try:
            trades.append(read_trade(record))
        except LedgerProtocolError as error:
            name = optional_text(record, "recordId") if isinstance(record, dict) else None
            unreadable.append(UnreadableRecord(record_id=name or "", reason=str(error)))
    return Page(trades=tuple(trades), unreadable=tuple(unreadable))


def _accepted(body: bytes) -> Mapping[str, object]:
    """The fields of a 200 answer to a write that does not say that it failed."""
    fields = _answer(body)
    if fields.get("success") is False:
        raise LedgerRefusedError("NOT_SUCCESSFUL", plain(fields.get("message")))
    return fields


def read_receipt(body: bytes) -> Receipt:
    """A 200 answer to ``/ledger/allocate``.

    Raises:
        TradeUnknownError: it says that nothing matched, which some ledgers say with 200.
        LedgerRefusedError: it says that it did not succeed.
        LedgerProtocolError: it is not understood.
    """
    listed = json_array(_accepted(body).get("allocations"), "allocations")
    if not listed:
        raise TradeUnknownError("PRC_NOT_FOUND", "accepted, and no trade matched this meter and window")
    return Receipt(allocations=tuple(_allocation(json_object(item, "allocations")) for item in listed))


def _allocation(fields: Mapping[str, object]) -> Allocation:
    """One entry of ``allocations``."""
    return Allocation(
        record_id=text(fields, "recordId"),
        transaction_id=text(fields, "transactionId"),
        order_item_id=text(fields, "orderItemId"),
        quantity_wh=positive_wh(fields.get("tradeQty"), "tradeQty", least=0),
        allocated_wh=positive_wh(fields.get("allocatedQty"), "allocatedQty", least=0),
        side=member(Side, fields.get("side"), "side"),
        metric=member(MetricType, fields.get("metricType"), "metricType"),
        row_digest=optional_text(fields, "rowDigest"),
    )


def read_write_receipt(body: bytes) -> WriteReceipt:
    """A 200 answer to ``/ledger/put`` or ``/ledger/record``. Raises as `read_receipt` does, save `TradeUnknownError`."""
    fields = _accepted(body)
    return WriteReceipt(record_id=text(fields, "recordId"), row_digest=optional_text(fields, "rowDigest"))


def refusal(status: int, body: bytes) -> LedgerError:
    """The error that an answer other than 2xx is, by what the caller does next.

    5xx, 401, 408, 425 and 429 say "later"; 404 with a ledger's error object says "no such trade yet"; without one it comes
    from something that is no ledger. Every other 4xx is final.
    """
    code, message = _error_fields(body)
    if status >= 500 or status in _RETRY_STATUS:
        return LedgerUnavailableError(f"HTTP {status}: {code or 'no code'}: {message}")
    if status == 404:
        if code:
            return TradeUnknownError(code, message)
        return LedgerProtocolError("HTTP 404 without a ledger's error object: check the ledger's address")
    if status >= 400:
        return LedgerRefusedError(code or f"HTTP_{status}", message)
    return LedgerProtocolError(
        f"expected 200, got HTTP {status}: check the ledger's address; redirects are not followed"
    )


def _error_fields(body: bytes) -> tuple[str, str]:
    """The code and message of an error object, ``errorCode`` and ``errorMessage`` accepted; empty code where none."""
    try:
        fields = loads(body)
    except JsonError:
        fields = None
    if not isinstance(fields, dict):
        return "", "no reason given"
    code = fields.get("code") or fields.get("errorCode")
    known = isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", code)
    return code if isinstance(code, str) and known else "", plain(fields.get("message") or fields.get("errorMessage"))
