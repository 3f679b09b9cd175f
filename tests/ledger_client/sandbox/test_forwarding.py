"""Contracts on their way to discoms: exactly as they were signed, to both discoms of the trade, again while they can be believed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ledger_client.deg import put_request
from ledger_client.ledger import Side
from ledger_client.sandbox import store
from ledger_client.sandbox.app import create_app
from ledger_client.sandbox.exchange import Exchange
from ledger_client.sandbox.faults import Fault, Faults
from ledger_client.sandbox.forwarding import AT_ONCE, LATEST_TRY_S, Forwarding
from ledger_client.sandbox.participants import Participants, ParticipantsError
from ledger_client.sandbox.server import serving
from ledger_client.sandbox.store import Row
from tests.ledger_client.rehearsal import (
    BUYER_DISCOM,
    NOW,
    SELLER_DISCOM,
    SELLER_PLATFORM,
    contract,
    participants_toml,
    signer,
)
from tests.ledger_client.served import Canned, canned

ACK = b'{"message":{"status":"ACK"}}'
ROW = Row(
    transaction_id="tx-1",
    order_item_id="it-1",
    record_id="tx-1_it-1",
    creation_utc=NOW,
    discom_id_buyer=BUYER_DISCOM,
    discom_id_seller=SELLER_DISCOM,
)
URLS = {SELLER_DISCOM: "http://127.0.0.1:1/v1/contracts", BUYER_DISCOM: "http://127.0.0.1:2/v1/contracts"}
BODY = put_request(contract())


def header(body: bytes = BODY, life_s: int = 300) -> str:
    return signer(SELLER_PLATFORM).sign(body, created=NOW, expires=NOW + life_s)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[store.Store]:
    store.create(tmp_path)
    with store.Store(tmp_path) as found:
        yield found


@contextmanager
def exchanging(state: store.Store, forwarding: Forwarding | None, clock: list[int], faults: Faults) -> Iterator[str]:
    app = create_app(
        exchange=Exchange(state, forwarding=forwarding),
        participants=Participants.parsed(participants_toml()),
        now=lambda: clock[0],
        faults=faults,
        forwarding=forwarding,
    )
    with serving(app) as address:
        yield f"http://{address}"


def put(url: str, body: bytes = BODY) -> int:
    return httpx.post(f"{url}/ledger/put", content=body, headers={"Authorization": header(body)}).status_code


def listed(url: str) -> list[tuple[str, str, int, str]]:
    contracts = httpx.get(f"{url}/sandbox/contracts").json()["contracts"]
    return [(one["discomId"], one["state"], one["attempts"], one["note"]) for one in contracts]


# --- rules


def test_a_put_goes_to_both_discoms_of_the_trade_that_take_contracts(state: store.Store) -> None:
    forwarding = Forwarding(state, URLS)
    forwarding.note(ROW, BODY, header(), NOW)
    due = forwarding.due(NOW)
    assert sorted((one.discom_id, url) for one, url in due) == sorted(URLS.items())
    assert all((one.body, one.authorization) == (BODY, header()) for one, _ in due)


def test_a_trade_within_one_discom_goes_there_once_and_nowhere_else(state: store.Store) -> None:
    forwarding = Forwarding(state, {BUYER_DISCOM: URLS[BUYER_DISCOM], "X": "http://127.0.0.1:3/x"})
    forwarding.note(ROW, BODY, header(), NOW)
    assert [one.discom_id for one, _ in forwarding.due(NOW)] == [BUYER_DISCOM]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "TAKEN"), (409, "REFUSED"), (400, "REFUSED"), (401, "REFUSED"), (404, "REFUSED"),
     (None, "WAITING"), (429, "WAITING"), (408, "WAITING"), (500, "WAITING"), (503, "WAITING")],
)  # fmt: skip
def test_what_says_later_is_tried_again_and_what_says_no_is_not(
    state: store.Store, status: int | None, outcome: str
) -> None:
    forwarding = Forwarding(state, {SELLER_DISCOM: "http://127.0.0.1:1/x"})
    forwarding.note(ROW, BODY, header(), NOW)
    ((one, _),) = forwarding.due(NOW)
    assert forwarding.heard(one, status, "x", NOW).state == outcome
    assert bool(forwarding.due(NOW + 1)) is (outcome == "WAITING")


def test_waits_double_up_to_a_longest(state: store.Store) -> None:
    forwarding = Forwarding(state, {SELLER_DISCOM: "http://127.0.0.1:1/x"})
    forwarding.note(ROW, BODY, header(life_s=3600), NOW)
    waits = []
    for _ in range(7):
        ((one, _url),) = forwarding.due(NOW + 3600)
        waits.append(forwarding.heard(one, None, "", NOW).next_try_utc - NOW)
    assert waits == [1, 2, 4, 8, 16, LATEST_TRY_S, LATEST_TRY_S]


@pytest.mark.parametrize(("later_s", "is_sent"), [(300, True), (301, False)])
def test_what_cannot_be_believed_any_more_is_not_sent(state: store.Store, later_s: int, is_sent: bool) -> None:  # noqa: FBT001 - a table's column
    forwarding = Forwarding(state, {SELLER_DISCOM: "http://127.0.0.1:1/x"})
    forwarding.note(ROW, BODY, header(), NOW)
    assert bool(forwarding.due(NOW + later_s)) is is_sent
    assert [one["state"] for one in forwarding.listed()] == ["WAITING" if is_sent else "EXPIRED"]


def test_a_turn_takes_only_so_many(state: store.Store) -> None:
    forwarding = Forwarding(state, {SELLER_DISCOM: "http://127.0.0.1:1/x"})
    for _ in range(AT_ONCE + 1):
        forwarding.note(ROW, BODY, header(), NOW)
    assert len(forwarding.due(NOW)) == AT_ONCE


# --- over HTTP


def test_an_accepted_put_is_sent_as_it_was_signed_and_again_until_it_is_taken(
    state: store.Store, tmp_path: Path
) -> None:
    clock = [NOW]
    with canned(Canned(status=503)) as discom:
        urls = {SELLER_DISCOM: f"http://{discom.address}/v1/contracts"}
        with exchanging(state, Forwarding(state, urls), clock, Faults()) as url:
            assert put(url) == 200
            httpx.post(f"{url}/sandbox/forward")
            assert listed(url) == [(SELLER_DISCOM, "WAITING", 1, "")]
        # Another process takes up what waits.
        discom.status, discom.body = 200, ACK
        with (
            store.Store(tmp_path) as reopened,
            exchanging(reopened, Forwarding(reopened, urls), clock, Faults()) as url,
        ):
            clock[0] += 1
            httpx.post(f"{url}/sandbox/forward")
            assert listed(url) == [(SELLER_DISCOM, "TAKEN", 2, "ACK")]
            httpx.post(f"{url}/sandbox/forward")
        assert discom.bodies == [BODY] * 2
        assert discom.authorizations == [header()] * 2
        assert discom.paths == ["/v1/contracts"] * 2


def test_a_200_that_is_no_ack_is_not_taken_for_one(state: store.Store) -> None:
    with canned(Canned(status=200, body=b"<html>")) as discom:
        urls = {SELLER_DISCOM: f"http://{discom.address}/"}
        with exchanging(state, Forwarding(state, urls), [NOW], Faults()) as url:
            assert put(url) == 200
            httpx.post(f"{url}/sandbox/forward")
            assert listed(url)[0][:2] == (SELLER_DISCOM, "WAITING")


def test_a_discom_that_is_gone_is_waited_for_once_in_a_turn_and_hinders_no_other(state: store.Store) -> None:
    with canned(Canned(status=409, body=b'{"message":{"status":"NACK","error":{"code":"PRC_CONFLICT"}}}')) as discom:
        urls = {SELLER_DISCOM: "http://127.0.0.1:1/x", BUYER_DISCOM: f"http://{discom.address}/"}
        with exchanging(state, Forwarding(state, urls), [NOW], Faults()) as url:
            other = put_request(contract(order_item_id="it-2"))
            assert [put(url), put(url, other)] == [200, 200]
            httpx.post(f"{url}/sandbox/forward")
            assert sorted(listed(url)) == [
                (BUYER_DISCOM, "REFUSED", 1, "PRC_CONFLICT"),
                (BUYER_DISCOM, "REFUSED", 1, "PRC_CONFLICT"),
                (SELLER_DISCOM, "WAITING", 0, ""),
                (SELLER_DISCOM, "WAITING", 1, "ConnectError"),
            ]


def test_what_the_exchange_refuses_is_not_forwarded(state: store.Store) -> None:
    faults = Faults()
    with exchanging(state, Forwarding(state, URLS), [NOW], faults) as url:
        assert put(url, put_request(contract(Side.BUYER))) == 403
        faults.switch_on(Fault.REFUSE, 1)
        assert put(url) == 403
        assert listed(url) == []


def test_without_addresses_nothing_is_forwarded(state: store.Store) -> None:
    with exchanging(state, None, [NOW], Faults()) as url:
        assert put(url) == 200
        assert httpx.post(f"{url}/sandbox/forward").status_code == 404
    assert state.forwards() == []


# --- the registry


def test_a_discom_names_where_it_takes_contracts() -> None:
    key = signer("discom-s.example.org").public_key_text
    text = participants_toml().replace(key, f'{key}"\ncontracts_url = "https://discom.example.org/v1/contracts')
    assert Participants.parsed(text).contract_urls() == {SELLER_DISCOM: "https://discom.example.org/v1/contracts"}
    assert Participants.parsed(participants_toml()).contract_urls() == {}
    for wrong in ("http://discom.example.org/x", "nowhere"):
        with pytest.raises(ParticipantsError, match="contracts_url: expected https"):
            Participants.parsed(text.replace("https://discom.example.org/v1/contracts", wrong))
    platform = signer(SELLER_PLATFORM).public_key_text
    with pytest.raises(ParticipantsError, match="contracts_url: expected https"):
        Participants.parsed(participants_toml().replace(platform, f'{platform}"\ncontracts_url = "https://x.example/y'))
