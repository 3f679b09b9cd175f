"""What the exchange refuses, with the code and the field, over real HTTP; and what its own view shows."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger_client.ledger import TradeQuery
from ledger_client.sandbox import app as app_module
from ledger_client.sandbox import store
from ledger_client.sandbox.app import create_app
from ledger_client.sandbox.exchange import Exchange
from ledger_client.sandbox.faults import Fault, Faults
from ledger_client.sandbox.participants import Participants
from ledger_client.sandbox.rendering import Numbers
from ledger_client.sandbox.server import serving
from ledger_client.signature import digest_header
from tests.ledger_client.rehearsal import (
    BUYER_DISCOM,
    BUYER_METER,
    BUYER_PLATFORM,
    END,
    NOW,
    SELLER_DISCOM,
    SELLER_METER,
    SELLER_PLATFORM,
    START,
    Rehearsal,
    buyer_posting,
    participants_toml,
    posting,
    running,
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


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One exchange for the tests whose every request is refused: it stays empty."""
    with running(tmp_path_factory.mktemp("empty")) as found:
        yield found


def refused(answer: httpx.Response, status: int, code: str, named: str = "") -> None:
    """The answer is this refusal and names the field."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert named in answer.json()["message"]


def test_a_put_trade_is_allocated_and_settled(exchange: Rehearsal) -> None:
    assert call(exchange, "put", PUT, SELLER_PLATFORM).status_code == 200
    answer = call(exchange, "allocate", ALLOCATE).json()
    assert answer["totalMatched"] == 1
    assert answer["totalAllocated"] == 4
    (entry,) = answer["allocations"]
    assert (entry["side"], entry["metricType"], entry["allocatedQty"]) == ("SELLER", "ACTUAL_PUSHED", 4)
    assert entry["rowDigest"].startswith("sha256:")


# --- signatures: 401


def test_a_request_without_a_signature_is_refused_and_told_how(empty: Rehearsal) -> None:
    answer = httpx.post(f"http://{empty.address}/ledger/get", content=b"{}")
    refused(answer, 401, "AUT_SIGNATURE_MISSING")
    assert answer.headers["WWW-Authenticate"].endswith('headers="(created) (expires) digest"')


def test_a_signature_over_other_bytes_is_refused(empty: Rehearsal) -> None:
    signed = signer(SELLER).sign(b"{}", created=NOW, expires=NOW + 300)
    answer = httpx.post(f"http://{empty.address}/ledger/get", content=b"{ }", headers={"Authorization": signed})
    refused(answer, 401, "AUT_SIGNATURE_INVALID")


@pytest.mark.parametrize(("created", "expires"), [(NOW + 6, NOW + 300), (NOW - 300, NOW - 1)])
def test_a_signature_from_another_time_is_refused(empty: Rehearsal, created: int, expires: int) -> None:
    signed = signer(SELLER).sign(b"{}", created=created, expires=expires)
    answer = httpx.post(f"http://{empty.address}/ledger/get", content=b"{}", headers={"Authorization": signed})
    refused(answer, 401, "AUT_SIGNATURE_INVALID", "check the clock")


def test_a_replayed_request_is_refused_on_every_path(exchange: Rehearsal) -> None:
    signed = signer(SELLER).sign(b"{}", created=NOW, expires=NOW + 300)
    url = f"http://{exchange.address}/ledger"
    assert httpx.post(f"{url}/get", content=b"{}", headers={"Authorization": signed}).status_code == 200
    for path in ("get", "put", "allocate", "record"):
        answer = httpx.post(f"{url}/{path}", content=b"{}", headers={"Authorization": signed})
        refused(answer, 401, "AUT_REPLAY_DETECTED")


def test_an_unregistered_caller_is_refused(empty: Rehearsal) -> None:
    refused(call(empty, "get", {}, "stranger.example.org"), 401, "AUT_KEY_NOT_FOUND")


def test_a_digest_header_of_another_body_is_refused(exchange: Rehearsal) -> None:
    assert call(exchange, "get", {}, headers={"Digest": digest_header(b"{}")}).status_code == 200
    refused(call(exchange, "get", {}, headers={"Digest": digest_header(b"")}), 401, "AUT_SIGNATURE_INVALID", "Digest")


# --- schemas: 400


@pytest.mark.parametrize("path", ["put", "get", "allocate", "record"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "SCH_INVALID_JSON"),
        (b"{", "SCH_INVALID_JSON"),
        (b'{"role":"SELLER","role":"BUYER"}', "SCH_INVALID_JSON"),
        (b'{"a":NaN}', "SCH_INVALID_JSON"),
        (b"[]", "SCH_INVALID_FORMAT"),
        (b"null", "SCH_INVALID_FORMAT"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(empty: Rehearsal, path: str, body: bytes, code: str) -> None:
    caller = SELLER_PLATFORM if path == "put" else SELLER
    refused(call(empty, path, body, caller), 400, code)


BODIES = {"put": PUT, "allocate": ALLOCATE, "record": RECORD, "get": {}}


@pytest.mark.parametrize("path", BODIES)
def test_an_unknown_field_is_refused_by_name(empty: Rehearsal, path: str) -> None:
    caller = SELLER_PLATFORM if path == "put" else SELLER
    refused(call(empty, path, BODIES[path] | {"meter_id": 1}, caller), 400, "SCH_FIELD_NOT_ALLOWED", "'meter_id'")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("put", name) for name in ("role", "transactionId", "orderItemId", "platformIdSeller")),
        *(("allocate", name) for name in ALLOCATE),
        *(("record", name) for name in RECORD),
    ],
)
def test_a_missing_field_is_refused_by_name(empty: Rehearsal, path: str, name: str) -> None:
    caller = SELLER_PLATFORM if path == "put" else SELLER
    body = {key: value for key, value in BODIES[path].items() if key != name}
    refused(call(empty, path, body, caller), 400, "SCH_MISSING_REQUIRED", f"'{name}'")


def _detail(**changes: object) -> dict[str, object]:
    return {"tradeDetails": [PUT["tradeDetails"][0] | changes]}


@pytest.mark.parametrize(
    ("path", "changes", "code", "named"),
    [
        ("put", {"role": "BUYER_DISCOM"}, "SCH_INVALID_ENUM", "role"),
        ("put", {"transactionId": ""}, "SCH_INVALID_FORMAT", "transactionId"),
        ("put", {"transactionId": 5}, "SCH_INVALID_FORMAT", "transactionId"),
        ("put", {"sellerId": "x" * 513}, "SCH_INVALID_FORMAT", "sellerId"),
        ("put", {"sellerId": "\ud800"}, "SCH_INVALID_FORMAT", "sellerId"),
        ("put", {"sellerId": None}, "SCH_INVALID_FORMAT", "sellerId"),
        ("put", {"deliveryStartTime": "2026-04-26 04:30"}, "SCH_INVALID_FORMAT", "deliveryStartTime"),
        ("put", {"deliveryEndTime": START}, "SCH_INVALID_FORMAT", "deliveryEndTime"),
        ("put", {"tradeDetails": []}, "SCH_INVALID_FORMAT", "tradeDetails"),
        ("put", {"tradeDetails": PUT["tradeDetails"] * 2}, "SCH_INVALID_FORMAT", "tradeDetails"),
        ("put", _detail(tradeQty="6"), "SCH_INVALID_FORMAT", "tradeQty"),
        ("put", _detail(tradeQty=0), "SCH_INVALID_FORMAT", "tradeQty"),
        ("put", _detail(tradeQty=-1), "SCH_INVALID_FORMAT", "tradeQty"),
        ("put", _detail(tradeQty=0.0001), "SCH_INVALID_FORMAT", "tradeQty"),
        ("put", _detail(tradeType="SOLAR"), "SCH_INVALID_ENUM", "tradeType"),
        ("put", _detail(tradeUnit="WH"), "SCH_INVALID_ENUM", "tradeUnit"),
        ("put", _detail(pricePerUnit="5"), "SCH_INVALID_FORMAT", "pricePerUnit"),
        ("put", _detail(pricePerUnit=-1), "SCH_INVALID_FORMAT", "pricePerUnit"),
        ("put", _detail(priceCurrency="USD"), "SCH_INVALID_ENUM", "priceCurrency"),
        ("put", _detail(colour="green"), "SCH_FIELD_NOT_ALLOWED", "tradeDetails[0].colour"),
        ("allocate", {"actualImported": "-4"}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"actualImported": True}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"actualImported": -4.0001}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"actualImported": 1e15}, "SCH_INVALID_FORMAT", "actualImported"),
        ("allocate", {"status": "DONE"}, "SCH_INVALID_ENUM", "status"),
        ("allocate", {"deliveryStartTime": "2026-04-26T04:30:00"}, "SCH_INVALID_FORMAT", "deliveryStartTime"),
        ("allocate", {"clientReference": ""}, "SCH_INVALID_FORMAT", "clientReference"),
        ("record", {"role": "SELLER"}, "SCH_INVALID_ENUM", "role"),
        ("record", {"statusBuyerDiscom": "COMPLETED"}, "SCH_FIELD_NOT_ALLOWED", "statusBuyerDiscom"),
        ("record", {"buyerFulfillmentValidationMetrics": []}, "SCH_FIELD_NOT_ALLOWED", "buyerFulfillment"),
        ("record", {"role": "BUYER_DISCOM"}, "SCH_MISSING_REQUIRED", "discomIdBuyer"),
        ("record", {"sellerFulfillmentValidationMetrics": []}, "SCH_INVALID_FORMAT", "sellerFulfillment"),
        (
            "record",
            {
                "sellerFulfillmentValidationMetrics": [
                    {"validationMetricType": "ACTUAL_PULLED", "validationMetricValue": 1}
                ]
            },
            "SCH_MISSING_REQUIRED",
            "ACTUAL_PUSHED",
        ),
        (
            "record",
            {
                "sellerFulfillmentValidationMetrics": [
                    {"validationMetricType": "ACTUAL_PUSHED", "validationMetricValue": "1"}
                ]
            },
            "SCH_INVALID_FORMAT",
            "validationMetricValue",
        ),
        ("get", {"limit": 0}, "SCH_INVALID_FORMAT", "limit"),
        ("get", {"limit": 501}, "SCH_INVALID_FORMAT", "limit"),
        ("get", {"limit": "5"}, "SCH_INVALID_FORMAT", "limit"),
        ("get", {"offset": -1}, "SCH_INVALID_FORMAT", "offset"),
        ("get", {"sort": "price"}, "SCH_INVALID_ENUM", "sort"),
        ("get", {"sortOrder": "up"}, "SCH_INVALID_ENUM", "sortOrder"),
        ("get", {"statusBuyerDiscom": "DONE"}, "SCH_INVALID_ENUM", "statusBuyerDiscom"),
        ("get", {"deliveryStartFrom": "today"}, "SCH_INVALID_FORMAT", "deliveryStartFrom"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_by_name(
    empty: Rehearsal, path: str, changes: dict[str, object], code: str, named: str
) -> None:
    caller = SELLER_PLATFORM if path == "put" else SELLER
    refused(call(empty, path, BODIES[path] | changes, caller), 400, code, named)
    assert empty.settlement() == []


def test_a_body_above_the_bound_is_refused(exchange: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "MAX_BODY_BYTES", 10)
    assert call(exchange, "get", b"{        }").status_code == 200
    refused(call(exchange, "get", b"{         }"), 413, "SCH_BODY_TOO_LARGE")


# --- roles: 403


@pytest.mark.parametrize(
    ("path", "caller"), [("put", SELLER), ("allocate", SELLER_PLATFORM), ("record", SELLER_PLATFORM)]
)
def test_an_endpoint_of_the_other_role_is_refused(empty: Rehearsal, path: str, caller: str) -> None:
    refused(call(empty, path, BODIES[path], caller), 403, "AUT_NOT_AUTHORIZED", caller)


def test_a_platform_that_puts_for_another_is_refused(empty: Rehearsal) -> None:
    refused(call(empty, "put", PUT, BUYER_PLATFORM), 403, "AUT_NOT_AUTHORIZED", "platform_id_seller")
    refused(
        call(empty, "put", PUT | {"role": "BUYER"}, SELLER_PLATFORM), 403, "AUT_NOT_AUTHORIZED", "platform_id_buyer"
    )


@pytest.mark.parametrize("path", ["allocate", "record"])
def test_a_discom_that_speaks_for_another_is_refused(exchange: Rehearsal, path: str) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    refused(call(exchange, path, BODIES[path], BUYER), 403, "AUT_NOT_AUTHORIZED", "discomId")


def test_a_discom_on_no_matched_trade_is_refused(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    # The discom is on the trade, but not on this meter's side of it.
    refused(call(exchange, "allocate", ALLOCATE | {"meterId": BUYER_METER}), 403, "AUT_NOT_AUTHORIZED")
    refused(call(exchange, "allocate", ALLOCATE | {"discomId": "X"}, "discom-x.example.org"), 403, "AUT_NOT_AUTHORIZED")
    record = RECORD | {"discomIdSeller": "X"}
    refused(call(exchange, "record", record, "discom-x.example.org"), 403, "AUT_NOT_AUTHORIZED", "SELLER side")


def test_each_caller_sees_only_its_own_trades(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    seen = {
        name: call(exchange, "get", {}, name).json()["count"]
        for name in (SELLER, BUYER, SELLER_PLATFORM, BUYER_PLATFORM)
    }
    assert set(seen.values()) == {1}
    for stranger in ("discom-x.example.org", "platform-x.example.org"):
        assert call(exchange, "get", {"transactionId": "tx-1"}, stranger).json() == {"records": [], "count": 0}


# --- 404 and 409


@pytest.mark.parametrize(
    "changes",
    [
        {"deliveryStartTime": "2026-04-26T04:30:00.000Z"},
        {"deliveryEndTime": "2026-04-26T12:00:00+05:30"},
        {"meterId": SELLER_METER.lower()},
    ],
)
def test_a_meter_or_window_spelled_otherwise_is_not_found(exchange: Rehearsal, changes: dict[str, object]) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    refused(call(exchange, "allocate", ALLOCATE | changes), 404, "PRC_NOT_FOUND")
    assert exchange.settlement()[0]["pushedKwh"] is None


def test_a_trade_in_kw_is_not_found(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT | _detail(tradeUnit="KW", tradeType="PFR"), SELLER_PLATFORM)
    refused(call(exchange, "allocate", ALLOCATE), 404, "PRC_NOT_FOUND")


@pytest.mark.parametrize("changes", [{"orderItemId": "it-9"}, {"recordId": "other"}])
def test_a_record_of_no_trade_is_not_found(exchange: Rehearsal, changes: dict[str, object]) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    refused(call(exchange, "record", RECORD | changes), 404, "PRC_NOT_FOUND")


@pytest.mark.parametrize(
    "changes",
    [
        {"buyerId": "other"},
        {"discomIdBuyer": "X"},
        {"deliveryStartTime": "2026-04-26T10:00:00+05:30"},
        {"recordId": "other"},
        _detail(tradeQty=6.001),
        _detail(pricePerUnit=5.01),
    ],
)
def test_what_is_stated_once_never_changes(exchange: Rehearsal, changes: dict[str, object]) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    refused(call(exchange, "put", PUT | {"role": "BUYER"} | changes, BUYER_PLATFORM), 409, "PRC_CONFLICT")
    assert exchange.settlement()[0]["status"] == "AWAITING_PLATFORM"


def test_another_platform_cannot_take_a_trade_over(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    stolen = PUT | {"platformIdSeller": "platform-x.example.org"}
    refused(call(exchange, "put", stolen, "platform-x.example.org"), 409, "PRC_CONFLICT", "platform_id_seller")


def test_a_record_id_belongs_to_one_trade(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT | {"recordId": "r"}, SELLER_PLATFORM)
    refused(call(exchange, "put", PUT | {"recordId": "r", "orderItemId": "it-2"}, SELLER_PLATFORM), 409, "PRC_CONFLICT")


def test_a_window_stated_in_halves_is_checked_when_it_is_whole(exchange: Rehearsal) -> None:
    half = {key: value for key, value in PUT.items() if key != "deliveryEndTime"}
    assert call(exchange, "put", half, SELLER_PLATFORM).status_code == 200
    other = {"role": "BUYER", "transactionId": "tx-1", "orderItemId": "it-1", "platformIdBuyer": BUYER_PLATFORM}
    refused(
        call(exchange, "put", other | {"deliveryEndTime": START}, BUYER_PLATFORM),
        400,
        "SCH_INVALID_FORMAT",
        "deliveryEnd",
    )


def test_a_reference_with_another_actual_is_a_conflict(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    call(exchange, "allocate", ALLOCATE | {"clientReference": "r1"})
    refused(call(exchange, "allocate", ALLOCATE | {"clientReference": "r1", "actualImported": -3}), 409, "PRC_CONFLICT")
    assert exchange.settlement()[0]["pushedKwh"] == "4.000"


# --- merging, revisions, records


def test_two_platforms_state_one_trade_in_parts(exchange: Rehearsal) -> None:
    identity = {"transactionId": "tx-1", "orderItemId": "it-1"}
    seller = {
        "role": "SELLER",
        "platformIdSeller": SELLER_PLATFORM,
        "discomIdSeller": SELLER_DISCOM,
        "sellerId": SELLER_METER,
    }
    buyer = {"role": "BUYER", "platformIdBuyer": BUYER_PLATFORM, "discomIdBuyer": BUYER_DISCOM, "buyerId": BUYER_METER}
    window = {"deliveryStartTime": START, "deliveryEndTime": END, **_detail()}
    call(exchange, "put", identity | seller, SELLER_PLATFORM)
    assert call(exchange, "get", {}).json()["count"] == 0
    refused(call(exchange, "allocate", ALLOCATE), 404, "PRC_NOT_FOUND")
    call(exchange, "put", identity | buyer | window, BUYER_PLATFORM)
    (record,) = call(exchange, "get", {}).json()["records"]
    assert {key: record[key] for key in PUT if key != "role"} == {key: PUT[key] for key in PUT if key != "role"}
    assert call(exchange, "allocate", ALLOCATE).status_code == 200
    assert exchange.settlement()[0]["status"] == "AWAITING_METERS"


def test_the_latest_posting_sent_again_reaches_a_trade_put_since(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    assert call(exchange, "allocate", ALLOCATE | {"clientReference": "r1"}).json()["totalMatched"] == 1
    call(exchange, "put", PUT | {"orderItemId": "it-2"}, SELLER_PLATFORM)
    assert call(exchange, "allocate", ALLOCATE | {"clientReference": "r1"}).json()["totalMatched"] == 2
    assert [trade["pushedKwh"] for trade in exchange.settlement()] == ["2.000", "2.000"]
    assert exchange.settlement()[0]["seller"]["revision"] == 1  # type: ignore[index]


def test_a_superseded_posting_sent_again_is_answered_as_it_was_and_changes_nothing(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    first = call(exchange, "allocate", ALLOCATE | {"clientReference": "r1"}).json()
    call(exchange, "allocate", ALLOCATE | {"clientReference": "r2", "actualImported": -3})
    before = exchange.settlement()
    assert call(exchange, "allocate", ALLOCATE | {"clientReference": "r1"}).json() == first
    assert exchange.settlement() == before
    assert before[0]["seller"]["revision"] == 2  # type: ignore[index]
    assert before[0]["pushedKwh"] == "3.000"


def test_the_row_digest_changes_with_the_row_and_only_with_it(exchange: Rehearsal) -> None:
    first = call(exchange, "put", PUT, SELLER_PLATFORM).json()["rowDigest"]
    assert call(exchange, "put", PUT, SELLER_PLATFORM).json()["rowDigest"] == first
    changed = call(exchange, "allocate", ALLOCATE).json()["allocations"][0]["rowDigest"]
    assert changed != first
    assert call(exchange, "get", {}).json()["records"][0]["rowDigest"] == changed


def test_a_discom_records_its_own_allocation(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    answer = call(exchange, "record", RECORD | {"statusSellerDiscom": "CANCELLED_OUTAGE", "note": "feeder out"})
    assert answer.json()["recordId"] == "tx-1_it-1"
    buyers = {
        "role": "BUYER_DISCOM",
        "transactionId": "tx-1",
        "orderItemId": "it-1",
        "discomIdBuyer": BUYER_DISCOM,
        "buyerFulfillmentValidationMetrics": [{"validationMetricType": "ACTUAL_PULLED", "validationMetricValue": 3.5}],
    }
    assert call(exchange, "record", buyers, BUYER).status_code == 200
    (record,) = call(exchange, "get", {"statusSellerDiscom": "CANCELLED_OUTAGE", "statusBuyerDiscom": ""}).json()[
        "records"
    ]
    assert record["sellerFulfillmentValidationMetrics"][0]["validationMetricValue"] == 4
    assert record["buyerFulfillmentValidationMetrics"][0]["validationMetricValue"] == 3.5


def test_sorting_and_paging(exchange: Rehearsal) -> None:
    for number in range(3):
        exchange.clock[0] += 1
        call(exchange, "put", PUT | {"orderItemId": f"it-{number}"}, SELLER_PLATFORM)

    def items(query: dict[str, object]) -> list[str]:
        return [record["orderItemId"] for record in call(exchange, "get", query).json()["records"]]

    assert items({}) == ["it-2", "it-1", "it-0"]
    assert items({"sortOrder": "asc", "limit": 2}) == ["it-0", "it-1"]
    assert items({"sortOrder": "asc", "limit": 2, "offset": 2}) == ["it-2"]
    assert items({"creationTimeFrom": "2026-04-26T10:40:03Z"}) == ["it-2"]
    assert items({"orderItemId": "it-1", "sort": "deliveryEndTime"}) == ["it-1"]


# --- settlement


def test_the_demonstrations_trade_settles_with_its_evidence_and_what_is_left(exchange: Rehearsal) -> None:
    exchange.put_both()
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-8250))
        (half,) = exchange.settlement()
        assert (half["status"], half["settledKwh"], half["amountInr"]) == ("AWAITING_METERS", None, None)
        assert half["seller"]["residualKwh"] is None  # type: ignore[index]
        buyer.post(buyer_posting(7100))
    (trade,) = exchange.settlement()
    assert trade["status"] == "SETTLED"
    assert (trade["contractedKwh"], trade["pushedKwh"], trade["pulledKwh"]) == ("6.000", "6.000", "6.000")
    assert (trade["settledKwh"], trade["amountInr"]) == ("6.000", "30.00")
    assert trade["seller"] == {
        "meterId": SELLER_METER,
        "discomId": SELLER_DISCOM,
        "actualImportedKwh": "-8.250",
        "clientReference": posting(0).client_reference,
        "revision": 1,
        "residualKwh": "2.250",
    }
    assert trade["buyer"]["residualKwh"] == "1.100"  # type: ignore[index]
    assert trade["buyer"]["clientReference"] == buyer_posting(0).client_reference  # type: ignore[index]


def test_the_lower_side_prevails(exchange: Rehearsal) -> None:
    exchange.put_both()
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-4321))
        buyer.post(buyer_posting(5000))
    (trade,) = exchange.settlement()
    assert (trade["settledKwh"], trade["amountInr"]) == ("4.321", "21.605")
    assert trade["buyer"]["residualKwh"] == "0.679"  # type: ignore[index]


def test_what_is_left_counts_all_trades_of_the_meter(exchange: Rehearsal) -> None:
    for item in ("it-1", "it-2"):
        exchange.put_both(order_item_id=item)
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-13_000))
        buyer.post(buyer_posting(12_000))
    assert [trade["seller"]["residualKwh"] for trade in exchange.settlement()] == ["1.000"] * 2  # type: ignore[index]


def test_a_trade_that_one_platform_put_does_not_settle(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-6000))
        buyer.post(buyer_posting(6000))
    (trade,) = exchange.settlement()
    assert (trade["status"], trade["settledKwh"]) == ("AWAITING_PLATFORM", None)


def test_a_trade_without_a_price_settles_without_an_amount(exchange: Rehearsal) -> None:
    exchange.put_both(price_inr_per_kwh=None)
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-6000))
        buyer.post(buyer_posting(6000))
    (trade,) = exchange.settlement()
    assert (trade["settledKwh"], trade["amountInr"]) == ("6.000", None)


# --- the live ledger's habits, durability, faults


def test_numbers_as_text_and_flat_allocations_on_request(tmp_path: Path) -> None:
    with running(tmp_path, Numbers.TEXT) as exchange:
        exchange.put_both()
        assert call(exchange, "allocate", ALLOCATE).json()["allocations"][0]["allocatedQty"] == "4.000"
        (record,) = call(exchange, "get", {}).json()["records"]
        assert record["tradeDetails"][0]["tradeQty"] == "6.000"
        assert record["sellerFulfillmentValidationMetrics"][0]["validationMetricValue"] == "4.000"
        assert record["sellerDiscomAllocation"] == "4.000"
        with exchange.ledger(BUYER) as buyer:
            buyer.post(buyer_posting(6000))
        assert call(exchange, "get", {}).json()["records"][0]["finalAllocation"] == "4.000"


def test_the_exchange_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as exchange:
        exchange.put_both()
        with exchange.ledger() as ledger:
            ledger.post(posting(-4000))
        before = exchange.settlement()
    with running(tmp_path) as exchange:
        assert exchange.settlement() == before
        with exchange.ledger() as ledger:
            ledger.post(posting(-4000))
            assert len(ledger.trades(TradeQuery())) == 1
        assert exchange.settlement() == before


def test_a_slow_exchange_does_the_work_for_a_caller_who_waits(tmp_path: Path) -> None:
    with running(tmp_path, slow_s=0.05) as exchange:
        exchange.put_both()
        exchange.faults.switch_on(Fault.SLOW, 1)
        assert call(exchange, "allocate", ALLOCATE).status_code == 200


def test_faults_do_nothing_but_what_they_say(exchange: Rehearsal) -> None:
    call(exchange, "put", PUT, SELLER_PLATFORM)
    for fault, status in ((Fault.DOWN, 503), (Fault.REFUSE, 403)):
        exchange.faults.switch_on(fault, 1)
        assert call(exchange, "allocate", ALLOCATE).status_code == status
        assert exchange.settlement()[0]["pushedKwh"] is None
    exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    with pytest.raises(httpx.RemoteProtocolError):
        call(exchange, "allocate", ALLOCATE)
    assert exchange.settlement()[0]["pushedKwh"] == "4.000"


def test_an_unknown_path_is_no_ledgers_answer(exchange: Rehearsal) -> None:
    answer = call(exchange, "settle", {})
    assert answer.status_code == 404
    assert "code" not in answer.json()


def test_a_fault_of_the_exchange_itself_says_so_without_details(tmp_path: Path) -> None:
    store.create(tmp_path)
    state = store.Store(tmp_path)
    state.close()
    participants = Participants.parsed(participants_toml())
    with serving(create_app(exchange=Exchange(state), participants=participants, now=lambda: NOW)) as address:
        answer = call(Rehearsal(address=address, faults=Faults()), "get", {})
    refused(answer, 500, "SRV_INTERNAL_ERROR")
    assert "closed" not in answer.text


def test_an_incomplete_trade_shows_what_is_known(exchange: Rehearsal) -> None:
    part = {"role": "SELLER", "transactionId": "tx-1", "orderItemId": "it-1", "platformIdSeller": SELLER_PLATFORM}
    call(exchange, "put", part, SELLER_PLATFORM)
    (trade,) = exchange.settlement()
    assert (trade["status"], trade["contractedKwh"]) == ("AWAITING_PLATFORM", None)
    assert trade["seller"]["meterId"] is None  # type: ignore[index]


def test_what_is_left_waits_for_all_trades_of_the_meter(exchange: Rehearsal) -> None:
    exchange.put_both()
    call(exchange, "put", PUT | {"orderItemId": "it-2"}, SELLER_PLATFORM)
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-13_000))
        buyer.post(buyer_posting(12_000))
    settled, waiting = exchange.settlement()
    assert (settled["settledKwh"], waiting["settledKwh"]) == ("6.000", None)
    assert settled["seller"]["residualKwh"] is None  # type: ignore[index]


def test_another_window_of_the_meter_leaves_what_is_left_alone(exchange: Rehearsal) -> None:
    exchange.put_both()
    exchange.put_both(order_item_id="it-2", delivery_end="2026-04-26T05:30:00Z")
    with exchange.ledger(SELLER) as seller, exchange.ledger(BUYER) as buyer:
        seller.post(posting(-7000))
        buyer.post(buyer_posting(6000))
    assert exchange.settlement()[0]["seller"]["residualKwh"] == "1.000"  # type: ignore[index]
