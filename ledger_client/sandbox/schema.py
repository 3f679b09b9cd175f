"""The five requests, each read whole and strictly, into values that the rules of `exchange` take.

Source: DEG Ledger API 0.4.0: ``additionalProperties: false`` everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger_client.ledger import MetricType, Side, TradeStatus, TradeType
from ledger_client.sandbox.fields import (
    Fields,
    array,
    bad_format,
    energy,
    fields,
    member,
    moment,
    one_of,
    price,
    seconds,
    signed_energy,
    text,
    whole,
)
from ledger_client.sandbox.refusal import RequestRefusedError
from signing.errors import SigningError
from signing.interval import Interval

MAX_OFFSET = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A platform's statement; a field that is None is not stated."""

    role: Side
    transaction_id: str
    order_item_id: str
    stated: Mapping[str, str | int]
    """Column of the store → stated value, only what is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocate:
    """A discom's actual of one meter and window."""

    meter_id: str
    discom_id: str
    delivery_start: str
    delivery_end: str
    actual_imported_wh: int
    status: TradeStatus | None
    client_reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A discom's own allocation of one trade."""

    side: Side
    transaction_id: str
    order_item_id: str
    record_id: str | None
    discom_id: str
    allocated_wh: int
    status: TradeStatus | None
    client_reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """A filter query: equalities and inclusive bounds over the store's columns."""

    equal: Mapping[str, str]
    at_least: Mapping[str, int]
    at_most: Mapping[str, int]
    limit: int
    offset: int
    sort_column: str
    is_ascending: bool


def status_or_none(value: str | None) -> TradeStatus | None:
    """A checked status word as the status."""
    return None if value is None else TradeStatus(value)


_PUT_TEXTS = {
    "recordId": "record_id",
    "platformIdBuyer": "platform_id_buyer",
    "platformIdSeller": "platform_id_seller",
    "discomIdBuyer": "discom_id_buyer",
    "discomIdSeller": "discom_id_seller",
    "buyerId": "buyer_id",
    "sellerId": "seller_id",
}
_PUT_TIMES = {"tradeTime": "trade_time", "deliveryStartTime": "delivery_start", "deliveryEndTime": "delivery_end"}


def read_put(body: bytes) -> Put:
    """The body of ``/ledger/put``."""
    found = fields(body)
    role = Side(found.required("role", member(Side)))
    transaction_id = found.required("transactionId", text)
    order_item_id = found.required("orderItemId", text)
    stated: dict[str, str | int] = {}
    own = "platformIdBuyer" if role is Side.BUYER else "platformIdSeller"
    stated[_PUT_TEXTS[own]] = found.required(own, text)
    for readable, read in ((_PUT_TEXTS, text), (_PUT_TIMES, moment)):
        for name, column in readable.items():
            value = found.optional(name, read)
            if value is not None:
                stated[column] = value
    details = found.optional("tradeDetails", array)
    if details is not None:
        stated |= _detail(details)
    found.optional("clientReference", text)
    found.end()
    _check_window(stated)
    return Put(role=role, transaction_id=transaction_id, order_item_id=order_item_id, stated=stated)


def _check_window(stated: Mapping[str, str | int]) -> None:
    """Refuse a window that ends before it starts, where one statement names both ends."""
    if "delivery_start" in stated and "delivery_end" in stated:
        start, end = (
            seconds(stated["delivery_start"], "deliveryStartTime"),
            seconds(stated["delivery_end"], "deliveryEndTime"),
        )
        try:
            Interval(start, end)
        except SigningError as error:
            raise RequestRefusedError("SCH_INVALID_FORMAT", f"deliveryEndTime: {error}") from error


def _detail(details: list[object]) -> dict[str, str | int]:
    """The one entry of ``tradeDetails``; this exchange takes no second one."""
    if len(details) != 1:
        raise bad_format("tradeDetails", "one entry", len(details))
    found = Fields(details[0], "tradeDetails[0]")
    quantity_wh = found.required("tradeQty", energy)
    if quantity_wh == 0:
        raise bad_format("tradeDetails[0].tradeQty", "a number above 0", 0)
    stated: dict[str, str | int] = {
        "quantity_wh": quantity_wh,
        "trade_type": found.required("tradeType", member(TradeType)),
        "trade_unit": found.required("tradeUnit", one_of("KWH", "KW")),
    }
    given_price = found.optional("pricePerUnit", price)
    currency = found.optional("priceCurrency", one_of("INR"))
    if given_price is not None:
        stated["price"] = given_price
    if currency is not None:
        stated["price_currency"] = currency
    found.end()
    return stated


def read_allocate(body: bytes) -> Allocate:
    """The body of ``/ledger/allocate``."""
    found = fields(body)
    request = Allocate(
        meter_id=found.required("meterId", text),
        discom_id=found.required("discomId", text),
        delivery_start=found.required("deliveryStartTime", moment),
        delivery_end=found.required("deliveryEndTime", moment),
        actual_imported_wh=found.required("actualImported", signed_energy),
        status=status_or_none(found.optional("status", member(TradeStatus))),
        client_reference=found.optional("clientReference", text),
    )
    found.end()
    return request


_RECORD_SIDES = {
    "BUYER_DISCOM": (Side.BUYER, "discomIdBuyer", "buyerFulfillmentValidationMetrics", "statusBuyerDiscom"),
    "SELLER_DISCOM": (Side.SELLER, "discomIdSeller", "sellerFulfillmentValidationMetrics", "statusSellerDiscom"),
}


def read_record(body: bytes) -> Record:
    """The body of ``/ledger/record``. The other side's fields are forbidden, so they fall to `Fields.end`."""
    found = fields(body)
    side, discom, metrics, status = _RECORD_SIDES[found.required("role", one_of(*_RECORD_SIDES))]
    request = Record(
        side=side,
        transaction_id=found.required("transactionId", text),
        order_item_id=found.required("orderItemId", text),
        record_id=found.optional("recordId", text),
        discom_id=found.required(discom, text),
        allocated_wh=_recorded_metric(found.required(metrics, array), metrics, side),
        status=status_or_none(found.optional(status, member(TradeStatus))),
        client_reference=found.optional("clientReference", text),
    )
    found.optional("note", text)
    found.end()
    return request


_METRIC_TYPES = (
    "ACTUAL_PUSHED", "ACTUAL_PULLED", "SETPOINT_FOLLOWING_ERROR", "ACTUAL_RAISE_CAPACITY", "ACTUAL_LOWER_CAPACITY",
    "FREQUENCY_RESPONSE_ERROR", "ACTUAL_DEMAND_REDUCTION", "AVAILABILITY",
)  # fmt: skip


def _recorded_metric(entries: list[object], path: str, side: Side) -> int:
    """The energy that one side records: exactly one entry of its metric; others are read and not kept."""
    wanted = (MetricType.ACTUAL_PULLED if side is Side.BUYER else MetricType.ACTUAL_PUSHED).value
    values: list[int] = []
    for place, entry in enumerate(entries):
        found = Fields(entry, f"{path}[{place}]")
        kind = found.required("validationMetricType", one_of(*_METRIC_TYPES))
        value = found.required("validationMetricValue", energy)
        found.end()
        values += [value] if kind == wanted else []
    if len(values) != 1:
        raise RequestRefusedError("SCH_MISSING_REQUIRED", f"expected one {wanted}, got {len(values)} in '{path}'")
    return values[0]


_GET_EQUAL = {
    "transactionId": "transaction_id",
    "orderItemId": "order_item_id",
    **_PUT_TEXTS,
}
_GET_TIMES = {
    "creationTime": "creation_utc",
    "tradeTime": "trade_time_utc",
    "deliveryStart": "delivery_start_utc",
    "deliveryEnd": "delivery_end_utc",
}
_GET_SORT = {
    "creationTime": "creation_utc",
    "tradeTime": "trade_time_utc",
    "deliveryStartTime": "delivery_start_utc",
    "deliveryEndTime": "delivery_end_utc",
}
_GET_STATUS = {"statusBuyerDiscom": "status_buyer", "statusSellerDiscom": "status_seller"}


def read_get(body: bytes) -> Get:
    """The body of ``/ledger/get``."""
    found = fields(body)
    equal = {column: found.optional(name, text) for name, column in _GET_EQUAL.items()}
    statuses = one_of("", *(status.value for status in TradeStatus))
    equal |= {column: found.optional(name, statuses) for name, column in _GET_STATUS.items()}
    at_least = {column: found.optional(f"{name}From", seconds) for name, column in _GET_TIMES.items()}
    at_most = {column: found.optional(f"{name}To", seconds) for name, column in _GET_TIMES.items()}
    limit = found.optional("limit", whole(1, 500))
    offset = found.optional("offset", whole(0, MAX_OFFSET))
    sort = found.optional("sort", one_of(*_GET_SORT))
    order = found.optional("sortOrder", one_of("asc", "desc"))
    found.end()
    return Get(
        equal={column: value for column, value in equal.items() if value is not None},
        at_least={column: value for column, value in at_least.items() if value is not None},
        at_most={column: value for column, value in at_most.items() if value is not None},
        limit=50 if limit is None else limit,
        offset=offset or 0,
        sort_column=_GET_SORT[sort or "creationTime"],
        is_ascending=order == "asc",
    )
