"""For whoever settles money: outcomes, notices, look-ups and bills by API."""

import base64
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

import httpx
import pytest

from headend.store.sqlite import outcome_rows
from headend.tokens import Scope
from ledger_client.ledger import Trade
from signing.envelope import parse, unseal
from signing.interval import Interval, utc_text
from signing.statements.trade_outcome import TradeOutcome
from tests.headend.discom import LATER, SUBJECT, stated
from tests.headend.premises import DAY, Headend, gateway
from tests.headend.web.settled import put, say, trade, validate
from tests.headend.web.world import HOUR, Served, Story

NOTICE = {"kind": "DEFAULT", "reference": "r-1", "record_id": "t-1", "text": "did not pay"}
SLOT = {
    "posted_as": SUBJECT.posted_as,
    "start": utc_text(SUBJECT.window.start_utc),
    "end": utc_text(SUBJECT.window.end_utc),
}


NUMBERS = itertools.count()
SECRETS: WeakKeyDictionary[Headend, dict[str, str]] = WeakKeyDictionary()
"""Tokens of senders by name: a sender is its token's name."""


async def got(served: Served, scope: Scope, path: str, query: Mapping[str, object] | None = None) -> httpx.Response:
    async with served.client(served.token(scope, name=f"reader {next(NUMBERS)}")) as client:
        return await client.get(path, params=query)  # type: ignore[arg-type]  # numbers and texts


# outcomes


async def test_outcomes_come_in_the_order_of_the_log_with_the_bytes_that_were_signed(served: Served) -> None:
    served.found()
    said = say(served, trade("t-1"), trade("t-2"))
    key = served.headend.statement_signer.public_key
    items = (await got(served, Scope.READ_OUTCOMES, "/v1/outcomes")).json()["items"]
    assert [item["digest"] for item in items] == [one.digest.hex() for one in said]
    assert [item["cursor"] for item in items] == sorted(item["cursor"] for item in items)
    opened = unseal(parse(base64.b64decode(items[0]["statement"])), TradeOutcome, key)
    assert opened.statement == said[0].statement
    assert (items[0]["settled_kwh"], items[0]["contracted_kwh"], items[0]["side"]) == ("5.500", "6.000", "SELLER")
    assert items[0]["evidence"] is None


async def test_outcomes_go_on_behind_the_last_one_taken_and_a_revision_comes_later(served: Served) -> None:
    served.found()
    say(served, trade("t-1"), trade("t-2"))
    async with served.client(served.token(Scope.READ_OUTCOMES)) as client:
        first = (await client.get("/v1/outcomes", params={"limit": 1})).json()
        assert first["next"] == str(first["items"][0]["cursor"])
        second = (await client.get("/v1/outcomes", params={"after": first["next"]})).json()
        assert ([item["record_id"] for item in second["items"]], second["next"]) == (["t-2"], None)
        taken = second["items"][-1]["cursor"]
        assert (await client.get("/v1/outcomes", params={"after": taken})).json() == {"items": [], "next": None}
        say(served, trade("t-1", pulled_wh=5000))
        third = (await client.get("/v1/outcomes", params={"after": taken})).json()["items"]
    assert [(item["record_id"], item["revision"], item["settled_kwh"]) for item in third] == [("t-1", 1, "5.000")]


async def test_a_cursor_of_outcomes_beyond_the_log_is_refused_and_skips_nothing(served: Served) -> None:
    async with served.client(served.token(Scope.READ_OUTCOMES)) as client:
        size = served.headend.book.size(0)
        beyond = await client.get("/v1/outcomes", params={"after": size + 1})
        assert beyond.status_code == 422
        assert f"at most {size}" in beyond.json()["message"]
        assert (await client.get("/v1/outcomes", params={"after": size})).status_code == 200


async def test_who_holds_the_outcomes_gets_304_until_there_are_more(served: Served) -> None:
    served.found()
    say(served, trade("t-1"))
    async with served.client(served.token(Scope.READ_OUTCOMES)) as client:
        tag = (await client.get("/v1/outcomes")).headers["etag"]
        assert (await client.get("/v1/outcomes", headers={"If-None-Match": tag})).status_code == 304
        say(served, trade("t-2"))
        assert (await client.get("/v1/outcomes", headers={"If-None-Match": tag})).status_code == 200


async def test_an_outcome_is_not_told_before_it_is_published(served: Served) -> None:
    served.found()
    checkpoint = served.headend.folder / "checkpoint-0"
    before = checkpoint.read_bytes()
    say(served, trade("t-1"))
    after = checkpoint.read_bytes()
    checkpoint.write_bytes(before)
    assert (await got(served, Scope.READ_OUTCOMES, "/v1/outcomes")).json()["items"] == []
    checkpoint.write_bytes(after)
    assert len((await got(served, Scope.READ_OUTCOMES, "/v1/outcomes")).json()["items"]) == 1


@pytest.mark.parametrize("query", [{"after": -1}, {"after": "x"}, {"after": 2**40}, {"limit": 0}, {"limit": 501}])
async def test_a_wrong_place_is_refused_by_its_name(served: Served, query: dict[str, object]) -> None:
    answer = await got(served, Scope.READ_OUTCOMES, "/v1/outcomes", query)
    assert answer.status_code == 422
    assert f"query.{next(iter(query))}" in answer.json()["message"]


# notices


async def sent(served: Served, body: object, name: str = "clearing", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    secrets = SECRETS.setdefault(served.headend, {})
    if name not in secrets:
        secrets[name] = served.token(Scope.WRITE_NOTICES, name=name)
    async with served.client(secrets[name]) as client:
        return await client.post("/v1/notices", content=content, headers={"Content-Type": "application/json"} | headers)


async def test_a_notice_is_kept_once_for_each_sender_and_reference(served: Served) -> None:
    first, again, other = (
        await sent(served, NOTICE),
        await sent(served, NOTICE),
        await sent(served, NOTICE, name="court"),
    )
    assert (first.status_code, first.json()) == (201, {"new": True})
    assert (again.status_code, again.json()) == (200, {"new": False})
    assert other.status_code == 201
    rows = outcome_rows.notices(served.headend.database.connection, limit=9)
    assert [(notice.sender, notice.reference, notice.received_utc) for _, notice in rows] == [
        ("court", "r-1", LATER),
        ("clearing", "r-1", LATER),
    ]


async def test_another_notice_under_the_same_reference_is_a_conflict_and_the_first_stays(served: Served) -> None:
    await sent(served, NOTICE)
    served.clock.at += 5
    assert (await sent(served, NOTICE)).status_code == 200
    answer = await sent(served, {**NOTICE, "text": "paid after all"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    ((_, kept),) = outcome_rows.notices(served.headend.database.connection, limit=9)
    assert kept.text == "did not pay"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "WISH"}, "kind"),
        ({"kind": None}, "kind"),
        ({"reference": ""}, "reference"),
        ({"reference": "a\nb"}, "reference"),
        ({"reference": "x" * 129}, "reference"),
        ({"reference": 7}, "reference"),
        ({"record_id": ""}, "record_id"),
        ({"record_id": None}, "record_id"),
        ({"posted_as": "\u0000"}, "posted_as"),
        ({"text": ""}, "text"),
        ({"text": "x" * 2001}, "text"),
        ({"sender": "somebody else"}, "sender"),
    ],
)
async def test_a_wrong_notice_is_refused_by_its_field_and_not_kept(
    served: Served, change: dict[str, object], field: str
) -> None:
    answer = await sent(served, NOTICE | change)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert field in answer.json()["message"]
    assert outcome_rows.notices(served.headend.database.connection, limit=9) == ()


async def test_the_longest_notice_is_taken(served: Served) -> None:
    answer = await sent(served, NOTICE | {"reference": "x" * 128, "text": "₹" * 2000})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 422),
        (b"[]", {}, 422),
        (b"\xff", {}, 422),
        (json.dumps(NOTICE).encode(), {"Content-Type": "text/plain"}, 415),
        (b" " * 16_385, {}, 413),
    ],
)
async def test_what_is_no_notice_is_refused(
    served: Served, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await sent(served, content, **headers)
    assert answer.status_code == status
    assert answer.json()["remedy"]
    assert status != 422 or answer.json()["message"].startswith("body")


async def test_notices_are_listed_latest_first_in_pages(served: Served) -> None:
    for number in range(3):
        await sent(served, NOTICE | {"reference": f"r-{number}", "kind": "ENFORCEMENT"})
    first = (await got(served, Scope.READ_OPERATIONS, "/v1/notices", {"limit": 2})).json()
    assert [item["reference"] for item in first["items"]] == ["r-2", "r-1"]
    assert first["items"][0] == {
        "notice": 3,
        "kind": "ENFORCEMENT",
        "reference": "r-2",
        "sender": "clearing",
        "record_id": "t-1",
        "posted_as": None,
        "text": "did not pay",
        "received_at": utc_text(LATER),
    }
    rest = (await got(served, Scope.READ_OPERATIONS, "/v1/notices", {"after": first["next"]})).json()
    assert ([item["reference"] for item in rest["items"]], rest["next"]) == (["r-0"], None)


# look-ups


async def test_the_look_up_names_the_trades_of_a_meter_and_time_with_the_evidence(story: Story) -> None:
    served = story.served
    later = Interval(SUBJECT.window.end_utc, SUBJECT.window.end_utc + 3600)
    put(served, trade("t-2", later), trade("t-1"), trade("x", seller_id="ANOTHER"))
    body = (await got(served, Scope.READ_BILLING, "/v1/p2p", SLOT)).json()
    assert body == {
        "traded": True,
        "trades": [
            {
                "record_id": "t-1",
                "side": "SELLER",
                "window": {"start": SLOT["start"], "end": SLOT["end"]},
                "quantity_kwh": "6.000",
                "evidence": story.second.digest.hex(),
            }
        ],
    }
    longer = (await got(served, Scope.READ_BILLING, "/v1/p2p", SLOT | {"end": utc_text(later.end_utc)})).json()
    assert [(slot["record_id"], slot["evidence"] is None) for slot in longer["trades"]] == [
        ("t-1", False),
        ("t-2", True),
    ]


@pytest.mark.parametrize(
    "sides",
    [
        trade("t-1", buyer_id=SUBJECT.posted_as, seller_id="X", discom_id_buyer="PaVVNL", discom_id_seller="TPDDL"),
        trade("t-1", window=Interval(SUBJECT.window.start_utc - 3600, SUBJECT.window.start_utc + 1)),
        trade("t-1", window=Interval(SUBJECT.window.end_utc - 1, SUBJECT.window.end_utc + 3600)),
    ],
)
async def test_a_buyer_and_the_first_and_last_second_are_traded(served: Served, sides: Trade) -> None:
    put(served, sides)
    assert (await got(served, Scope.READ_BILLING, "/v1/p2p", SLOT)).json()["traded"] is True


@pytest.mark.parametrize(
    "other",
    [
        trade("t-1", seller_id="LEDGER-SKS00000002"),
        trade("t-1", discom_id_seller="TPDDL"),
        trade("t-1", window=Interval(SUBJECT.window.start_utc - 3600, SUBJECT.window.start_utc)),
        trade("t-1", window=Interval(SUBJECT.window.end_utc, SUBJECT.window.end_utc + 3600)),
    ],
)
async def test_another_meter_discom_or_time_is_not_traded(served: Served, other: Trade) -> None:
    served.found()
    put(served, other)
    assert (await got(served, Scope.READ_BILLING, "/v1/p2p", SLOT)).json() == {"traded": False, "trades": []}


async def test_an_id_that_names_no_place_is_not_said_to_be_untraded(served: Served) -> None:
    """A billing system that spells the id otherwise would bill what the trade bills already."""
    served.found()
    put(served, trade("t-1"))
    answer = await got(served, Scope.READ_BILLING, "/v1/p2p", SLOT | {"posted_as": SUBJECT.posted_as.lower()})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert f"no connection point is posted as {SUBJECT.posted_as.lower()}" in answer.json()["message"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"start": "yesterday"}, "query.start"),
        ({"end": SLOT["start"]}, "expected"),
        ({"end": utc_text(SUBJECT.window.start_utc + 31 * 86_400 + 900)}, "query.end"),
        ({"posted_as": ""}, "query.posted_as"),
    ],
)
async def test_a_look_up_of_no_meter_or_time_is_refused(served: Served, change: dict[str, str], name: str) -> None:
    answer = await got(served, Scope.READ_BILLING, "/v1/p2p", SLOT | change)
    assert answer.status_code == 422
    assert name in answer.json()["message"]


# bills


async def test_a_month_is_billed_by_connection_point_with_what_is_open(served: Served) -> None:
    served.found()
    served.take_in(stated(served.gateway, 0, HOUR * 24, registers=((0, 1000), (24, 10_600))))
    validate(served)
    put(served, trade("t-1"), trade("t-2", pulled_wh=None))
    body = (await got(served, Scope.READ_BILLING, "/v1/billing/2026-04")).json()
    (bill,) = body["items"]
    assert body["next"] is None
    assert (bill["connection_point"], bill["month"], bill["completeness"]) == (
        SUBJECT.connection_point,
        "2026-04",
        "INCOMPLETE",
    )
    assert (bill["import_kwh"], bill["residual_import_kwh"], bill["p2p_sold_kwh"]) == (None, None, "5.500")
    assert (bill["open_trades"], bill["final"], bill["blocks"]["VALID"]) == (["t-2"], False, 96)


async def test_a_month_has_pages_by_connection_point(served: Served) -> None:
    served.gateway = gateway(1, ["SKS00000001", "SKS00000002"])
    served.found()
    first = (await got(served, Scope.READ_BILLING, "/v1/billing/2026-04", {"limit": 1})).json()
    assert first["next"] == "CP-SKS00000001"
    rest = (await got(served, Scope.READ_BILLING, "/v1/billing/2026-04", {"after": first["next"]})).json()
    assert ([bill["connection_point"] for bill in rest["items"]], rest["next"]) == (["CP-SKS00000002"], None)


async def test_a_month_of_a_head_end_without_meters_is_empty(served: Served) -> None:
    assert (await got(served, Scope.READ_BILLING, "/v1/billing/2026-04")).json() == {"items": [], "next": None}


@pytest.mark.parametrize("month", ["2026-13", "2026-4", "april", "2026-00", "26-04"])
async def test_what_is_no_month_is_refused(served: Served, month: str) -> None:
    assert (await got(served, Scope.READ_BILLING, f"/v1/billing/{month}")).status_code == 422


async def test_no_year_is_no_month_either(served: Served) -> None:
    served.found()
    answer = await got(served, Scope.READ_BILLING, "/v1/billing/0000-01")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_description_says_what_a_notice_holds(served: Served) -> None:
    described = (await got(served, Scope.READ_BILLING, "/openapi.json")).json()
    operation = described["paths"]["/v1/notices"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["kind"]["enum"] == ["DEFAULT", "ENFORCEMENT"]
    assert schema["required"] == ["kind", "reference", "text"]
    assert "write:notices" in operation["description"]


async def test_the_times_of_a_look_up_are_exact(served: Served) -> None:
    put(served, trade("t-1", window=Interval(DAY, DAY + 3600)))
    answer = await got(
        served, Scope.READ_BILLING, "/v1/p2p", SLOT | {"start": utc_text(DAY + 3599), "end": utc_text(DAY + 3600)}
    )
    assert answer.json()["traded"] is True


async def test_of_a_trade_within_one_discom_a_look_up_names_the_meters_own_side(served: Served) -> None:
    put(served, trade("t-1", buyer_id="NEIGHBOUR", discom_id_buyer="PaVVNL"))
    (slot,) = (await got(served, Scope.READ_BILLING, "/v1/p2p", SLOT)).json()["trades"]
    assert slot["side"] == "SELLER"
    (other,) = (await got(served, Scope.READ_BILLING, "/v1/p2p", SLOT | {"posted_as": "NEIGHBOUR"})).json()["trades"]
    assert other["side"] == "BUYER"


async def test_a_program_without_the_duty_says_so_and_its_overview_still_opens(served: Served) -> None:
    app = served.app()
    app.state.desk = replace(app.state.desk, duty=None, notices=None)
    async with served.client(served.token(*Scope), app=app) as client:
        for path in ("/v1/outcomes", "/v1/forecast", "/console/gates"):
            assert (await client.get(path)).status_code == 503
        taken = await client.post("/v1/notices", json=NOTICE)
        assert (taken.status_code, taken.json()["code"]) == (503, "not_ready")
        assert (await client.get("/console/")).status_code == 200
