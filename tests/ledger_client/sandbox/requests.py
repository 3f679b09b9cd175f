"""Signed requests to a running exchange, and the bodies that tests change."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from tests.ledger_client.rehearsal import (
    BUYER_DISCOM,
    BUYER_METER,
    BUYER_PLATFORM,
    END,
    SELLER_DISCOM,
    SELLER_METER,
    SELLER_PLATFORM,
    START,
    Rehearsal,
    signer,
)

SELLER, BUYER = "discom-s.example.org", "discom-b.example.org"
PUT: dict[str, Any] = {
    "role": "SELLER",
    "transactionId": "tx-1",
    "orderItemId": "it-1",
    "platformIdBuyer": BUYER_PLATFORM,
    "platformIdSeller": SELLER_PLATFORM,
    "discomIdBuyer": BUYER_DISCOM,
    "discomIdSeller": SELLER_DISCOM,
    "buyerId": BUYER_METER,
    "sellerId": SELLER_METER,
    "deliveryStartTime": START,
    "deliveryEndTime": END,
    "tradeDetails": [
        {"tradeQty": 6, "tradeType": "ENERGY", "tradeUnit": "KWH", "pricePerUnit": 5, "priceCurrency": "INR"}
    ],
}
ALLOCATE: dict[str, Any] = {
    "meterId": SELLER_METER,
    "discomId": SELLER_DISCOM,
    "deliveryStartTime": START,
    "deliveryEndTime": END,
    "actualImported": -4,
}
RECORD: dict[str, Any] = {
    "role": "SELLER_DISCOM",
    "transactionId": "tx-1",
    "orderItemId": "it-1",
    "discomIdSeller": SELLER_DISCOM,
    "sellerFulfillmentValidationMetrics": [
        {"validationMetricType": "ACTUAL_PUSHED", "validationMetricValue": 4},
    ],
}
_uses = iter(range(10**9))


def call(
    exchange: Rehearsal, path: str, body: object, caller: str = SELLER, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """A signed POST; `body` is JSON, or raw bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    expires = exchange.clock[0] + 1000 + next(_uses)
    signed = signer(caller).sign(raw, created=exchange.clock[0], expires=expires)
    return httpx.post(
        f"http://{exchange.address}/ledger/{path}", content=raw, headers={"Authorization": signed, **(headers or {})}
    )


def refused(answer: httpx.Response, status: int, code: str, named: str = "") -> None:
    """The answer is this refusal and names the field."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert named in answer.json()["message"]


BODIES = {"put": PUT, "allocate": ALLOCATE, "record": RECORD, "get": {}}


def detail(**changes: object) -> dict[str, object]:
    return {"tradeDetails": [PUT["tradeDetails"][0] | changes]}
