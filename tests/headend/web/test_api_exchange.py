"""What the exchange pulls by itself: signed answers for its own trades, and nothing for anybody else."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from headend.consent import Consent
from headend.duties.holds import HoldKind, Order
from headend.registry.dated import Dated
from headend.registry.supply import Supply
from headend.store.sqlite import hold_rows, supply_rows
from headend.tokens import Scope
from headend.web import api_exchange, console_trades
from headend.web.did import did_document
from ledger_client.ledger import Side
from signing.bundle import Bundle, Kind
from signing.canonical import decode
from signing.envelope import parse, unseal
from signing.interval import DAY_S, utc_text
from signing.statements.window_actual import Cause, WindowActual
from tests.headend.asking import CONSUMER, LEDGER, OTHER_LEDGER, SELLER_PLATFORM, WINDOW, Asking, asking
from tests.headend.discom import SUBJECT
from tests.headend.premises import DAY, Headend, log_key
from tests.headend.settling import NAME
from tests.ledger_client.rehearsal import BUYER_DISCOM, BUYER_PLATFORM, NOW, SELLER_DISCOM, contract, signer

BY_TRADE = "/v1/actuals?transactionId=tx-1&orderItemId=it-1"
BY_METER = f"/v1/actuals?meter={NAME}&start={utc_text(WINDOW[0])}&end={utc_text(WINDOW[1])}"

HELD = Order(
    kind=HoldKind.HOLD,
    connection_point=SUBJECT.connection_point,
    window=None,
    party=None,
    by="asha",
    reason="looked into",
)


@pytest.fixture
def asked(headend: Headend, tmp_path: Path) -> Iterator[Asking]:
    with asking(headend, tmp_path / "exchange") as found:
        yield found


@pytest.fixture
def settled(asked: Asking) -> Asking:
    """One trade with its figure."""
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    return asked


def verified(asked: Asking, word: str) -> dict[str, Any]:
    """The claims of a JWS, verified by the key that its `kid` names in the DID document."""
    base = asked.url.removesuffix("/bpp/receiver")
    document = httpx.get(f"{base}/.well-known/did.json").json()
    header, claims, signature = (_raw(part) for part in word.split("."))
    kid = json.loads(header)["kid"]
    (method,) = (one for one in document["verificationMethod"] if one["id"] == f"{document['id']}#{kid}")
    assert method["id"] in document["assertionMethod"]
    jwk = method["publicKeyJwk"]
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(_raw(jwk["x"])), int.from_bytes(_raw(jwk["y"])), ec.SECP256R1()
    )
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    numbers.public_key().verify(der, word.rpartition(".")[0].encode(), ec.ECDSA(SHA256()))
    found: dict[str, Any] = json.loads(claims)
    return found


def _raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def revise(asked: Asking) -> None:
    asked.settling.attestor.attest([SUBJECT], at_utc=NOW, cause=Cause.OPERATOR)


# --- figures


@pytest.mark.parametrize("path", [BY_TRADE, BY_METER])
def test_every_revision_of_a_trades_figure_comes_with_its_evidence_digest_under_a_jws(
    settled: Asking, path: str
) -> None:
    revise(settled)
    answer = settled.get(path)
    assert answer.status_code == 200
    (window,) = answer.json()["windows"]
    said = verified(settled, window["jws"])
    assert said["state"] == "FINAL"
    assert (said["meter"], said["sides"], said["next_time"]) == (NAME, ["SELLER"], None)
    digests = [one["evidence_digest"] for one in said["revisions"]]
    assert len(digests) == 2
    assert [one["claims"]["evidence_digest"] for one in window["revisions"]] == digests
    assert [verified(settled, one["jws"])["evidence_digest"] for one in window["revisions"]] == digests


def test_the_statements_come_as_logged_where_cbor_is_wanted(settled: Asking) -> None:
    answer = settled.get(BY_TRADE, accept="application/cbor")
    item: Any = decode(answer.content, "answer")
    ((index, sign1),) = item["actuals"][0]
    signed = unseal(parse(sign1), WindowActual, settled.headend.statement_signer.public_key)
    said = verified(settled, item["jws"][0])
    assert said["revisions"][0]["evidence_digest"] == signed.digest.hex()
    assert said["revisions"][0]["index"] == index


def test_a_figure_that_is_not_there_yet_is_said_so_with_when_to_ask_again(asked: Asking) -> None:
    asked.settling.trade()
    asked.settling.step()
    said = verified(asked, asked.get(BY_TRADE).json()["windows"][0]["jws"])
    assert (said["state"], said["reason"], said["revisions"]) == ("PENDING", "nothing is attested yet", [])
    assert said["next_time"] == "2026-04-27T03:30:00Z"
    asked.settling.step(NOW + 900)
    asked.at(NOW + 900)
    said = verified(asked, asked.get(BY_METER).json()["windows"][0]["jws"])
    assert (said["state"], said["next_time"]) == ("PENDING", "2026-04-27T03:30:00Z")
    assert said["reason"] not in (None, "nothing is attested yet")


def test_after_the_gates_it_is_to_be_asked_for_when_the_gateway_is_asked_again(asked: Asking) -> None:
    asked.settling.trade()
    asked.settling.step()
    asked.settling.step(NOW + 900)
    later = NOW + 3 * DAY_S
    asked.at(later)

    def next_time() -> object:
        said = verified(asked, asked.get(BY_METER).json()["windows"][0]["jws"])
        assert said["state"] == "PENDING"
        return said["next_time"]

    # What is due and was not asked for yet may come at any moment.
    assert next_time() == utc_text(later)
    for due_utc in (later + 3600, None):
        with asked.headend.database.transaction() as connection:
            connection.execute("UPDATE hunts SET due_utc = ?", (due_utc,))
        assert next_time() == (None if due_utc is None else utc_text(due_utc))


def test_a_delivery_that_has_not_ended_is_to_be_asked_for_at_its_end(asked: Asking) -> None:
    start, end = utc_text(DAY + 18 * 3600), utc_text(DAY + 19 * 3600)
    asked.settling.trade(delivery_start=start, delivery_end=end)
    asked.settling.step()
    assert asked.get(BY_TRADE).json()["windows"][0]["next_time"] == end


def test_a_figure_that_is_held_is_kept_back_and_said_so(settled: Asking) -> None:
    with settled.headend.database.transaction() as connection:
        hold_rows.open_hold(connection, HELD, at_utc=NOW)
    said = verified(settled, settled.get(BY_TRADE).json()["windows"][0]["jws"])
    assert (said["state"], said["revisions"]) == ("HELD", [])
    digest = settled.settling.postings()[0].actual.hex()
    assert settled.get(f"/v1/actuals/{digest}").status_code == 404
    (change,) = settled.get("/v1/changes").json()["items"]
    assert (change["status"], change["actual"], change["evidence_digest"]) == ("HELD", None, None)


def test_another_ledgers_key_gets_404_as_for_what_does_not_exist(settled: Asking) -> None:
    for path, nothing in (
        (BY_TRADE, "/v1/actuals?transactionId=tx-9&orderItemId=it-1"),
        (BY_METER, BY_METER.replace(NAME, "NOBODY")),
    ):
        assert settled.get(path, subscriber=LEDGER).status_code == 200
        theirs = settled.get(path, subscriber=OTHER_LEDGER)
        assert theirs.status_code == 404
        said, unknown = verified(settled, theirs.json()["jws"]), verified(settled, settled.get(nothing).json()["jws"])
        assert {name: said[name] for name in ("state", "reason", "revisions", "next_time")} == {
            name: unknown[name] for name in ("state", "reason", "revisions", "next_time")
        }
    digest = settled.settling.postings()[0].actual.hex()
    for path in (f"/v1/actuals/{digest}", f"/v1/evidence/{digest}?kind=actual"):
        assert settled.get(path, subscriber=LEDGER).status_code == 200
        assert settled.get(path, subscriber=OTHER_LEDGER).status_code == 404
    assert settled.get("/v1/changes", subscriber=OTHER_LEDGER).json()["items"] == []
    assert settled.get(BY_TRADE, subscriber="stranger.example.org").status_code == 404


def test_a_platform_sees_the_trades_that_it_trades(settled: Asking) -> None:
    assert settled.get(BY_TRADE, subscriber=SELLER_PLATFORM).status_code == 200
    assert len(settled.get("/v1/changes", subscriber=SELLER_PLATFORM).json()["items"]) == 1


def test_a_platform_is_not_told_on_which_side_its_meter_stands_in_the_trades_of_others(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    theirs = contract(
        order_item_id="it-2",
        platform_id_seller=OTHER_LEDGER,
        seller_id="M-9",
        discom_id_seller=BUYER_DISCOM,
        buyer_id=NAME,
        discom_id_buyer=SELLER_DISCOM,
    )
    for role, name in ((Side.SELLER, OTHER_LEDGER), (Side.BUYER, BUYER_PLATFORM)):
        with asked.exchange.platform(name) as platform:
            platform.put(replace(theirs, role=role))
    asked.settling.step()
    for subscriber, sides in ((LEDGER, ["BUYER", "SELLER"]), (SELLER_PLATFORM, ["SELLER"]), (OTHER_LEDGER, ["BUYER"])):
        assert asked.get(BY_METER, subscriber=subscriber).json()["windows"][0]["sides"] == sides


def test_an_unchanged_standing_is_304_however_late_and_a_revision_is_not(settled: Asking) -> None:
    first = settled.get(BY_TRADE)
    settled.at(NOW + 60)
    again = settled.get(BY_TRADE, tag=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    revise(settled)
    assert settled.get(BY_TRADE, tag=first.headers["etag"]).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/actuals",
        "/v1/actuals?transactionId=tx-1",
        f"/v1/actuals?meter={NAME}",
        f"{BY_METER}&transactionId=tx-1&orderItemId=it-1",
        f"{BY_METER}&posted_as={NAME}",
        BY_METER.replace("Z", ""),
    ],
)
def test_a_question_for_neither_or_both_is_refused(settled: Asking, path: str) -> None:
    assert settled.get(path).status_code == 422


# --- who


def test_an_unverified_signature_opens_nothing_and_each_is_good_once(settled: Asking) -> None:
    base = settled.url.removesuffix("/bpp/receiver")
    other_body = signer(LEDGER).sign(b"x", created=NOW, expires=NOW + 9)
    wrong = httpx.get(base + BY_TRADE, headers={"Authorization": other_body})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "AUT_SIGNATURE_INVALID")
    assert settled.get(BY_TRADE, life_s=77).status_code == 200
    again = settled.get(BY_TRADE, life_s=77)
    assert (again.status_code, again.json()["code"]) == (401, "AUT_REPLAY_DETECTED")


@pytest.mark.parametrize("path", ["/v1/windows", "/v1/postings", "/v1/batches/1", "/v1/trades", "/console/"])
def test_a_subscriber_uses_no_route_but_those_that_are_opened_to_it(settled: Asking, path: str) -> None:
    assert settled.get(path).status_code == 401


def test_the_holder_of_a_token_sees_all_and_gets_the_bare_list_as_ever(settled: Asking) -> None:
    base = settled.url.removesuffix("/bpp/receiver")
    headers = {"Authorization": f"Bearer {settled.served.token(Scope.READ_WINDOWS)}"}
    with httpx.Client(base_url=base, headers=headers) as client:
        assert len(client.get(BY_METER.replace("meter=", "posted_as=")).json()) == 1
        assert client.get(BY_METER).json()["windows"][0]["state"] == "FINAL"
        assert client.get(BY_TRADE).status_code == 200
        assert len(client.get("/v1/changes").json()["items"]) == 1
        assert client.get(BY_METER.replace(NAME, "NOBODY")).json()["windows"][0]["state"] == "PENDING"


def test_blocks_go_to_a_subscriber_only_with_consent_and_are_logged(
    settled: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    digest = settled.settling.postings()[0].actual.hex()
    path = f"/v1/evidence/{digest}"
    assert Bundle.parse(settled.get(f"{path}?kind=actual").content).kind is Kind.ACTUAL
    assert settled.get(path).status_code == 404
    settled.consent(LEDGER)
    with caplog.at_level("INFO", logger="sakshi.headend.web"):
        assert Bundle.parse(settled.get(path).content).kind is Kind.WINDOW
    assert f"disclosed window bundle {digest} to {LEDGER}" in caplog.text


def test_blocks_of_whoever_lived_there_earlier_that_day_do_not_leave_without_their_consent(settled: Asking) -> None:
    path = f"/v1/evidence/{settled.settling.postings()[0].actual.hex()}"
    settled.consent(LEDGER)
    supplies = (Dated(0, Supply(consumer="C-0")), Dated(WINDOW[0] - 3600, Supply(consumer=CONSUMER)))
    with settled.headend.database.transaction() as connection:
        supply_rows.put_supplies(connection, SUBJECT.connection_point, supplies)
    assert settled.get(path).status_code == 404
    assert settled.get(f"{path}?kind=actual").status_code == 200
    earlier = Consent(
        connection_point=SUBJECT.connection_point,
        consumer="C-0",
        purpose="p2p-settlement",
        grantee=LEDGER,
        from_utc=0,
        until_utc=None,
    )
    with settled.headend.database.transaction() as connection:
        supply_rows.put_consent(connection, earlier)
    assert settled.get(path).status_code == 200


def test_a_figure_that_a_subscriber_gets_by_consent_is_logged_by_whichever_way_it_is_pulled(
    asked: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    digest = asked.settling.postings()[0].actual.hex()
    paths = (BY_METER, "/v1/changes", f"/v1/actuals/{digest}", f"/v1/evidence/{digest}?kind=actual")
    asked.consent(OTHER_LEDGER)
    with caplog.at_level("INFO", logger="sakshi.headend.web"):
        for path in paths:
            # A party to the trade gets its figure by the trade.
            assert asked.get(path, subscriber=LEDGER).status_code == 200
            assert caplog.messages == []
            assert asked.get(path, subscriber=OTHER_LEDGER).status_code == 200
            assert caplog.messages == [f"disclosed figure {digest} by CONSENT to {OTHER_LEDGER}"]
            caplog.clear()


# --- changes


def test_changes_come_in_the_order_of_the_log_without_a_gap_page_by_page(settled: Asking) -> None:
    revise(settled)
    settled.settling.trade(
        order_item_id="it-2", delivery_start=utc_text(WINDOW[1]), delivery_end=utc_text(WINDOW[1] + 900)
    )
    settled.settling.step(NOW + 300)
    settled.at(NOW + 300)
    whole = settled.get("/v1/changes").json()
    found, after = [], 0
    while True:
        page = settled.get(f"/v1/changes?after={after}&limit=1").json()
        said = verified(settled, page["jws"])
        assert (said["after"], said["next"]) == (after, page["next"])
        found += page["items"]
        after = page["next"]
        if page["is_end"]:
            break
    assert found == whole["items"]
    assert [one["index"] for one in found] == sorted(one["index"] for one in found)
    assert len(found) == 3
    assert settled.get(f"/v1/changes?after={after}").json() | {"jws": ""} == {
        "items": [], "next": after, "is_end": True, "jws": "",
    }  # fmt: skip


def test_a_cursor_at_the_end_finds_what_is_said_next(settled: Asking) -> None:
    after = settled.get("/v1/changes").json()["next"]
    tag = settled.get(f"/v1/changes?after={after}").headers["etag"]
    assert settled.get(f"/v1/changes?after={after}", tag=tag).status_code == 304
    revise(settled)
    (item,) = settled.get(f"/v1/changes?after={after}", tag=tag).json()["items"]
    assert (item["index"], item["revision"]) == (after, 1)


def test_a_cursor_beyond_the_log_is_refused_and_skips_nothing(settled: Asking) -> None:
    size = settled.headend.book.size(0)
    assert settled.get(f"/v1/changes?after={size}").status_code == 200
    beyond = settled.get(f"/v1/changes?after={size + 1}")
    assert beyond.status_code == 422
    assert f"at most {size}" in beyond.json()["message"]


def test_changes_come_as_logged_where_cbor_is_wanted(settled: Asking) -> None:
    item: Any = decode(settled.get("/v1/changes", accept="application/cbor").content, "answer")
    ((index, sign1),) = item["actuals"]
    signed = unseal(parse(sign1), WindowActual, settled.headend.statement_signer.public_key)
    said = verified(settled, item["jws"])
    assert (said["changes"][0]["index"], said["changes"][0]["evidence_digest"]) == (index, signed.digest.hex())
    assert item["next"] == said["next"] == index + 1


# --- the forward view


def test_trades_are_shown_ahead_by_feeder_and_slot_with_whose_word_they_are(asked: Asking) -> None:
    with asked.headend.database.transaction() as connection:
        supply_rows.put_supplies(connection, SUBJECT.connection_point, (Dated(0, Supply(feeder="F-11")),))
    start, end = DAY + 18 * 3600, DAY + 19 * 3600
    asked.settling.trade(delivery_start=utc_text(start), delivery_end=utc_text(end))
    asked.settling.trade(
        order_item_id="it-2", seller_id="STRANGER", delivery_start=utc_text(start), delivery_end=utc_text(end)
    )
    asked.settling.step()
    base = asked.url.removesuffix("/bpp/receiver")
    headers = {"Authorization": f"Bearer {asked.served.token(Scope.READ_OPERATIONS)}"}
    with httpx.Client(base_url=base, headers=headers) as client:
        slots = client.get("/v1/trades").json()
        assert [(one["feeder"], one["sold_kwh"], one["bought_kwh"]) for one in slots] == [
            (None, "6.000", "0.000"), ("F-11", "6.000", "0.000"),
        ]  # fmt: skip
        (trade,) = slots[1]["trades"]
        assert (trade["phase"], trade["side"], trade["meter"]) == ("UPCOMING", "SELLER", NAME)
        assert trade["basis"] == "unsigned by platform: from the ledger's row"
        assert trade["row_digest"].startswith("sha256:")
        assert len(client.get("/v1/trades?feeder=F-11").json()) == 1
        assert client.get("/v1/trades?feeder=F-12").json() == []
        for at, phase in ((start, "DELIVERING"), (end, "ENDED")):
            asked.at(at)
            (slot,) = client.get(f"/v1/trades?start={utc_text(start)}&feeder=F-11").json()
            assert slot["trades"][0]["phase"] == phase
        assert client.get(f"/v1/trades?start={utc_text(end)}&end={utc_text(start)}").status_code == 422


async def test_more_trades_than_a_page_holds_are_shown_slot_by_whole_slot_and_the_rest_is_named(
    asked: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = DAY + 18 * 3600
    slots = [start, start, start, start + 3600, start + 7200]
    for number, at in enumerate(slots):
        ends = {"delivery_start": utc_text(at), "delivery_end": utc_text(at + 3600)}
        asked.settling.trade(order_item_id=f"it-{number}", **ends)
    asked.settling.step()
    base = asked.url.removesuffix("/bpp/receiver")
    headers = {"Authorization": f"Bearer {asked.served.token(Scope.READ_OPERATIONS)}"}
    console = asked.served.token(Scope.CONSOLE)
    for most, pages in ((5, [5]), (4, [4, 1]), (3, [3, 2]), (2, [3, 2]), (1, [3, 1, 1])):
        monkeypatch.setattr(api_exchange, "_MAX_TRADES", most)
        monkeypatch.setattr(console_trades, "_MOST_TRADES", most)
        path, found = f"/v1/trades?start={utc_text(start)}&end={utc_text(start + 10800)}", []
        async with httpx.AsyncClient(base_url=base, headers=headers) as client:
            while path:
                answer = await client.get(path)
                found.append(sum(len(slot["trades"]) for slot in answer.json()))
                path = answer.links.get("next", {}).get("url", "")
                if found[-1] >= 3:
                    assert answer.json()[0]["sold_kwh"] == "18.000"
        assert found == pages
        async with asked.served.client(console) as reader:
            page = (await reader.get("/console/trades")).text
            assert ("on</a>" in page) is (len(pages) > 1)
            rest = (await reader.get(f"/console/trades?after={start + 7200}")).text
            assert [f"it-{number}" in rest for number in range(5)] == [False, False, False, False, True]


async def test_the_console_shows_the_trades_of_a_day(asked: Asking) -> None:
    asked.settling.trade()
    asked.settling.step()
    async with asked.served.client(asked.served.token(Scope.CONSOLE)) as client:
        page = (await client.get("/console/trades")).text
        assert "unsigned by platform" in page
        assert NAME in page
        assert "tx-1" not in (await client.get("/console/trades?day=1")).text


def test_a_did_document_names_an_ed25519_key_too() -> None:
    document = did_document("discom.example", log_key().signer.public_key)
    method = document["verificationMethod"][0]
    assert (method["publicKeyJwk"]["kty"], method["publicKeyJwk"]["crv"]) == ("OKP", "Ed25519")
    assert "y" not in method["publicKeyJwk"]
    assert method["id"].startswith("did:web:discom.example#")
