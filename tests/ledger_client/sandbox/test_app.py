"""What the exchange does before any rule: signatures, bounds, faults, and its own failures; and that it keeps its state."""

from pathlib import Path

import httpx
import pytest

from ledger_client.ledger import TradeQuery
from ledger_client.sandbox import desk as desk_module
from ledger_client.sandbox import store
from ledger_client.sandbox.app import create_app
from ledger_client.sandbox.exchange import Exchange
from ledger_client.sandbox.faults import Fault, Faults
from ledger_client.sandbox.participants import Participants
from ledger_client.sandbox.server import serving
from ledger_client.signature import digest_header
from tests.ledger_client.rehearsal import (
    NOW,
    SELLER_PLATFORM,
    Rehearsal,
    participants_toml,
    posting,
    running,
    signer,
)
from tests.ledger_client.sandbox.requests import ALLOCATE, PUT, SELLER, call, refused


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


def test_a_body_above_the_bound_is_refused(exchange: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "MAX_BODY_BYTES", 10)
    assert call(exchange, "get", b"{        }").status_code == 200
    refused(call(exchange, "get", b"{         }"), 413, "SCH_BODY_TOO_LARGE")


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
