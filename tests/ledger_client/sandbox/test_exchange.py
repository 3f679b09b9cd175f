"""The exchange's rules over real HTTP: roles, spelling, what never changes, revisions and records."""

import json

import pytest

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
)
from tests.ledger_client.sandbox.requests import ALLOCATE, BODIES, BUYER, PUT, RECORD, SELLER, call, detail, refused


def test_a_put_trade_is_allocated_and_settled(exchange: Rehearsal) -> None:
    assert call(exchange, "put", PUT, SELLER_PLATFORM).status_code == 200
    answer = call(exchange, "allocate", ALLOCATE).json()
    assert answer["totalMatched"] == 1
    assert answer["totalAllocated"] == 4
    (entry,) = answer["allocations"]
    assert (entry["side"], entry["metricType"], entry["allocatedQty"]) == ("SELLER", "ACTUAL_PUSHED", 4)
    assert entry["rowDigest"].startswith("sha256:")


@pytest.mark.parametrize(
    ("path", "caller"), [("put", SELLER), ("allocate", SELLER_PLATFORM), ("record", SELLER_PLATFORM)]
)
def test_an_endpoint_of_the_other_role_is_refused(empty: Rehearsal, path: str, caller: str) -> None:
    refused(call(empty, path, BODIES[path], caller), 403, "AUT_NOT_AUTHORIZED", "is for a ")


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
    call(exchange, "put", PUT | detail(tradeUnit="KW", tradeType="PFR"), SELLER_PLATFORM)
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
        detail(tradeQty=6.001),
        detail(pricePerUnit=5.01),
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


def test_the_order_in_which_the_platforms_put_makes_no_difference(exchange: Rehearsal) -> None:
    seller = {key: value for key, value in PUT.items() if key not in ("platformIdBuyer", "buyerId", "tradeDetails")}
    buyer = {key: value for key, value in PUT.items() if key not in ("platformIdSeller", "sellerId")} | {
        "role": "BUYER"
    }
    for item, order in (("it-1", (0, 1)), ("it-2", (1, 0))):
        statements = ((seller, SELLER_PLATFORM), (buyer, BUYER_PLATFORM))
        for place in order:
            body, caller = statements[place]
            assert call(exchange, "put", body | {"orderItemId": item}, caller).status_code == 200
    one, other = call(exchange, "get", {}).json()["records"]
    own = ("orderItemId", "recordId", "rowDigest")
    assert {key: one[key] for key in one if key not in own} == {key: other[key] for key in other if key not in own}


def test_two_platforms_state_one_trade_in_parts(exchange: Rehearsal) -> None:
    identity = {"transactionId": "tx-1", "orderItemId": "it-1"}
    seller = {
        "role": "SELLER",
        "platformIdSeller": SELLER_PLATFORM,
        "discomIdSeller": SELLER_DISCOM,
        "sellerId": SELLER_METER,
    }
    buyer = {"role": "BUYER", "platformIdBuyer": BUYER_PLATFORM, "discomIdBuyer": BUYER_DISCOM, "buyerId": BUYER_METER}
    window = {"deliveryStartTime": START, "deliveryEndTime": END, **detail()}
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


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("put", {"orderItemId": "x" * 512}),
        ("put", detail(tradeQty=0.001, pricePerUnit=0)),
        ("put", detail(pricePerUnit=1_000_000)),
        ("allocate", {"actualImported": 0}),
        ("allocate", {"actualImported": 9007199254740.991}),
        (
            "record",
            {
                "sellerFulfillmentValidationMetrics": [
                    {"validationMetricType": "ACTUAL_PUSHED", "validationMetricValue": 0}
                ]
            },
        ),
        ("get", {"limit": 1}),
        ("get", {"limit": 500, "offset": 0}),
        ("get", {"offset": 2**53 - 1}),
    ],
)
def test_values_on_the_bound_are_taken(exchange: Rehearsal, path: str, changes: dict[str, object]) -> None:
    if path != "put":
        call(exchange, "put", PUT, SELLER_PLATFORM)
    caller = SELLER_PLATFORM if path == "put" else SELLER
    body = json.dumps(BODIES[path] | changes).encode()
    assert call(exchange, path, body, caller).status_code == 200
