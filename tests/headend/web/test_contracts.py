"""Contracts end to end over real HTTP: put at the exchange, forwarded as signed, verified and kept here, and shown with the trades."""

from base64 import b64decode
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from headend.duties.alerts import AlertKind
from headend.tokens import Scope
from headend.watching.watch import Watch
from ledger_client.contract_body import MAX_CONTRACT_BYTES
from ledger_client.deg import put_request
from ledger_client.ledger import Side
from ledger_client.signature import public_key, verify
from signing.interval import utc_text
from tests.headend.asking import Asking, asking
from tests.headend.premises import DAY, Headend
from tests.headend.settling import NAME
from tests.ledger_client.rehearsal import BUYER_PLATFORM, NOW, SELLER_PLATFORM, contract

START, END = DAY + 18 * 3600, DAY + 19 * 3600
OURS = {
    "seller_id": NAME,
    "price_inr_per_kwh": Decimal(5),
    "delivery_start": utc_text(START),
    "delivery_end": utc_text(END),
}
RECORD = "tx-1_it-1"


@pytest.fixture
def asked(headend: Headend, tmp_path: Path) -> Iterator[Asking]:
    with asking(headend, tmp_path / "exchange") as found:
        yield found


def body(role: Side = Side.SELLER, **changes: object) -> bytes:
    return put_request(contract(role, **{**OURS, **changes}))


def got(asked: Asking, path: str) -> Any:
    headers = {"Authorization": f"Bearer {asked.served.token(Scope.READ_OPERATIONS, name=f'n{asked.pulls}')}"}
    asked.pulls += 1
    answer = httpx.get(asked.url.removesuffix("/bpp/receiver") + path, headers=headers, timeout=30)
    return answer.raise_for_status().json()


def slot(asked: Asking) -> Any:
    (found,) = got(asked, f"/v1/trades?start={utc_text(START)}")
    return found


def required(headend: Headend, folder: Path) -> Any:
    return asking(headend, folder, contracts="required")


def test_what_both_platforms_put_is_forwarded_verified_and_shown_as_signed(asked: Asking) -> None:
    asked.settling.trade(**OURS)
    asked.settling.step()
    assert slot(asked)["trades"][0]["basis"] == "unsigned by platform: from the ledger's row"
    asked.forward()
    sent = httpx.get(f"http://{asked.exchange.address}/sandbox/contracts").json()["contracts"]
    assert [(one["discomId"], one["state"]) for one in sent] == [("TEST_DISCOM_SELLER", "TAKEN")] * 2
    found = slot(asked)
    (trade,) = found["trades"]
    assert trade["basis"] == "contract signed by both platforms: verified"
    assert (found["sold_kwh"], trade["listing"], found["apart"]) == ("6.000", "COUNTED", [])
    seller, buyer = trade["contracts"]
    assert (seller["side"], seller["platform"], seller["signing"]) == ("SELLER", SELLER_PLATFORM, "SIGNED")
    assert (buyer["platform"], buyer["signed"], buyer["is_after_start"]) == (BUYER_PLATFORM, utc_text(NOW), False)


def test_a_lost_answer_is_a_contract_sent_again_and_kept_once(asked: Asking) -> None:
    asked.settling.trade(**OURS)
    asked.forward()
    assert asked.contract(body(), created=NOW).status_code == 200
    assert len(got(asked, "/v1/contracts?transactionId=tx-1&orderItemId=it-1")) == 2


def test_what_is_kept_verifies_anywhere(asked: Asking) -> None:
    assert asked.contract(body()).status_code == 200
    (one,) = got(asked, "/v1/contracts?transactionId=tx-1&orderItemId=it-1")
    assert b64decode(one["body"]) == body()
    verify(one["authorization"], b64decode(one["body"]), now=NOW, keys=lambda _: public_key(one["public_key"]))
    assert (one["platform"], one["role"], one["is_late"], one["received"]) == (
        SELLER_PLATFORM, "SELLER", False, utc_text(NOW),
    )  # fmt: skip
    assert got(asked, "/v1/contracts?transactionId=tx-2&orderItemId=it-1") == []


def test_one_side_alone_does_not_make_a_trade_signed(asked: Asking) -> None:
    asked.settling.trade(**OURS)
    asked.settling.step()
    assert asked.contract(body()).status_code == 200
    (trade,) = slot(asked)["trades"]
    assert [one["signing"] for one in trade["contracts"]] == ["SIGNED", "UNSIGNED"]
    assert "both" not in trade["basis"]
    assert "BUYER: unsigned by platform" in trade["basis"]


def test_a_contradicted_trade_is_marked_and_in_no_total(asked: Asking) -> None:
    asked.settling.trade(**OURS)
    asked.settling.step()
    assert asked.contract(body(quantity_wh=7000)).status_code == 200
    found = slot(asked)
    (trade,) = found["trades"]
    assert (found["sold_kwh"], trade["listing"]) == ("0.000", "MARKED")
    assert trade["contracts"][0]["contradiction"] == "quantity 6.000 kWh at the ledger, signed 7.000 kWh"
    # A modification before the delivery puts it right.
    assert asked.contract(body(), created=NOW + 1).status_code == 200
    assert slot(asked)["sold_kwh"] == "6.000"


def test_a_late_modification_is_refused_reported_and_shown(asked: Asking) -> None:
    asked.settling.trade(**OURS)
    asked.settling.step()
    assert asked.contract(body()).status_code == 200
    asked.at(START)
    answer = asked.contract(body(quantity_wh=7000))
    assert (answer.status_code, answer.json()["message"]["error"]["code"]) == (409, "PRC_CONFLICT")
    (trade,) = slot(asked)["trades"]
    assert trade["contracts"][0]["signing"] == "SIGNED"
    changes = "quantity 6.000 kWh to 7.000 kWh"
    assert trade["amendments"] == [f"LATE: contract of {SELLER_PLATFORM}: {changes}"]
    headend = asked.headend
    (headend.folder / "state").mkdir()
    watch = Watch(
        config=asked.settling.config,
        database=headend.database,
        registry=headend.registry,
        key=headend.statement_signer.public_key,
    )
    for after_s, many in ((0, 1), (7 * 86_400, 1), (7 * 86_400 + 1, 0)):
        late = [one for one in watch.look((), START + after_s) if one.kind is AlertKind.LATE_TERMS]
        assert len(late) == many
        assert all(one.about == f"trade {RECORD}, contract of {SELLER_PLATFORM}" for one in late)
        assert all(changes in one.text for one in late)


def test_a_strangers_late_contract_troubles_nobody(asked: Asking) -> None:
    asked.settling.trade(**OURS)
    asked.settling.step()
    stranger = "platform-x.example.org"
    theirs: dict[str, Any] = {"platform_id_seller": stranger}
    assert asked.contract(body(**theirs), subscriber=stranger).status_code == 200
    asked.at(START)
    assert asked.contract(body(**theirs, quantity_wh=1), subscriber=stranger).status_code == 409
    (trade,) = slot(asked)["trades"]
    assert trade["amendments"] == []
    assert [one["signing"] for one in trade["contracts"]] == ["UNSIGNED", "UNSIGNED"]
    (asked.headend.folder / "state").mkdir()
    watch = Watch(
        config=asked.settling.config,
        database=asked.headend.database,
        registry=asked.headend.registry,
        key=asked.headend.statement_signer.public_key,
    )
    assert [one for one in watch.look((), START) if one.kind is AlertKind.LATE_TERMS] == []


def test_where_contracts_are_required_only_what_both_platforms_signed_is_upcoming(
    headend: Headend, tmp_path: Path
) -> None:
    with required(headend, tmp_path / "exchange") as asked:
        asked.settling.trade(**OURS)
        asked.settling.trade(**OURS, order_item_id="it-2")
        asked.settling.step()
        assert asked.contract(body()).status_code == 200
        assert asked.contract(body(Side.BUYER), subscriber=BUYER_PLATFORM).status_code == 200
        assert asked.contract(body(order_item_id="it-2")).status_code == 200
        found = slot(asked)
        assert found["sold_kwh"] == "6.000"
        assert [one["order_item_id"] for one in found["trades"]] == ["it-1"]
        ((apart),) = found["apart"]
        assert (apart["order_item_id"], apart["listing"]) == ("it-2", "APART")
        assert "BUYER: unsigned by platform" in apart["basis"]


async def test_where_contracts_are_required_the_console_lists_the_others_apart(
    headend: Headend, tmp_path: Path
) -> None:
    with required(headend, tmp_path / "exchange") as asked:
        asked.settling.trade(**OURS)
        asked.settling.step()
        async with asked.served.client(asked.served.token(Scope.CONSOLE)) as client:
            page = (await client.get("/console/trades")).text
            shown, apart = page.split("Not shown as upcoming")
            assert NAME not in shown
            assert NAME in apart
            assert "unsigned by platform: from the ledger&#39;s row" in apart


def test_what_is_owed_is_posted_whatever_was_signed(headend: Headend, tmp_path: Path) -> None:
    with required(headend, tmp_path / "exchange") as asked:
        asked.settling.whole_day()
        asked.settling.trade()
        asked.settling.step()
        assert asked.trade_row()["pushedKwh"] is not None


async def test_the_console_shows_who_signed_and_when(asked: Asking) -> None:
    asked.settling.trade(**OURS)
    asked.settling.step()
    asked.forward()
    async with asked.served.client(asked.served.token(Scope.CONSOLE)) as client:
        page = (await client.get("/console/trades")).text
        assert "contract signed by both platforms: verified" in page
        assert SELLER_PLATFORM in page
        assert "Not shown as upcoming" not in page
        assert "not counted" not in page
        assert asked.contract(body(quantity_wh=7000), created=NOW + 1).status_code == 200
        assert "not counted" in (await client.get("/console/trades")).text


def test_a_contract_that_is_too_long_is_refused_without_being_read_whole(asked: Asking) -> None:
    answer = asked.contract(b" " * (MAX_CONTRACT_BYTES + 1))
    assert (answer.status_code, answer.json()["message"]["error"]["code"]) == (400, "SCH_INVALID_FORMAT")
    assert asked.contract(b" " * MAX_CONTRACT_BYTES).json()["message"]["error"]["code"] == "SCH_INVALID_JSON"


async def test_without_beckn_there_is_no_door(asked: Asking) -> None:
    asked.served.contract_desk = None
    async with asked.served.client() as client:
        answer = await client.post("/v1/contracts", content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_configured")


async def test_refused_contracts_are_counted_by_code(asked: Asking) -> None:
    assert asked.contract(b"{}").status_code == 400
    async with asked.served.client(asked.served.token(Scope.READ_OPERATIONS)) as client:
        lines = (await client.get("/metrics")).text.splitlines()
        assert 'sakshi_contracts_refused_total{code="SCH_REQUIRED_FIELD_MISSING"} 1.0' in lines
        assert 'sakshi_contracts_refused_total{code="PRC_CONFLICT"} 0.0' in lines


async def test_the_description_says_that_a_contract_is_signed_and_what_its_body_is(asked: Asking) -> None:
    async with asked.served.client(asked.served.token(Scope.READ_OPERATIONS)) as client:
        path = (await client.get("/openapi.json")).json()["paths"]["/v1/contracts"]
        assert path["post"]["security"] == [{"signature": []}]
        assert "/ledger/put" in path["post"]["requestBody"]["description"]
        assert path["get"]["security"] == [{"bearer": []}]
