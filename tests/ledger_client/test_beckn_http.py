"""The way out: one signed POST, and what its answer means by what is done next."""

from collections.abc import Iterator

import pytest

from ledger_client.beckn.ack import Dialect, ack_body, nack_body
from ledger_client.beckn.refusal import Code, Refusal
from ledger_client.beckn_http import MAX_ACK_BYTES, BecknPusher
from ledger_client.ledger import LedgerError, LedgerProtocolError, LedgerRefusedError, LedgerUnavailableError
from ledger_client.signature import parse_header, public_key, verify
from tests.ledger_client.rehearsal import NOW, signer
from tests.ledger_client.served import Canned, canned

DISCOM = signer("discom-s.example.org")
BODY = b'{"context":{}}'


@pytest.fixture(scope="module")
def server() -> Iterator[Canned]:
    with canned(Canned()) as found:
        yield found


@pytest.fixture(scope="module")
def pusher() -> Iterator[BecknPusher]:
    with BecknPusher(signer=DISCOM, now=lambda: NOW, timeout_s=5) as found:
        yield found


def push(server: Canned, pusher: BecknPusher, status: int, body: bytes) -> None:
    server.status, server.body, server.headers = status, body, {}
    pusher.push(f"http://{server.address}/bap/receiver/on_status", BODY)


def nack(code: Code) -> bytes:
    return nack_body("m", Refusal(code=code, message="why", path="a.b"))


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("status", [200, 202])
def test_an_ack_in_any_dialect_is_one(server: Canned, pusher: BecknPusher, dialect: Dialect, status: int) -> None:
    push(server, pusher, status, ack_body("m", dialect))


def test_a_push_is_signed_in_three_lines_and_never_twice_the_same(server: Canned, pusher: BecknPusher) -> None:
    server.authorizations.clear()
    server.paths.clear()
    for _ in range(2):
        push(server, pusher, 200, ack_body("m"))
    assert server.paths[-1] == "/bap/receiver/on_status"
    assert server.bodies[-1] == BODY
    first, second = server.authorizations
    assert parse_header(first).signature != parse_header(second).signature
    for header in (first, second):
        found = verify(header, BODY, now=NOW, keys=lambda _: public_key(DISCOM.public_key_text))
        assert not found.names_request


def test_a_push_signs_a_fourth_line_where_it_is_asked_to(server: Canned, pusher: BecknPusher) -> None:
    server.status, server.body = 200, ack_body("m")
    receipt = pusher.push(f"http://{server.address}/x", BODY, request_signature="AAAA")
    header = server.authorizations[-1]
    assert receipt.request_signature == header
    found = verify(header, BODY, now=NOW, keys=lambda _: public_key(DISCOM.public_key_text), request_signature="AAAA")
    assert found.names_request


def test_a_receipt_keeps_what_proves_it(server: Canned, pusher: BecknPusher) -> None:
    server.status, server.body, server.headers = 200, ack_body("m"), {"Signature": "Signature x"}
    receipt = pusher.push(f"http://{server.address}/x", BODY)
    assert (receipt.body, receipt.signature, receipt.ack.message_id) == (ack_body("m"), "Signature x", "m")
    server.headers = {}
    assert pusher.push(f"http://{server.address}/x", BODY).signature is None


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (400, nack(Code.INVALID_FORMAT), LedgerRefusedError, r"SCH_INVALID_FORMAT: why in 'a\.b'"),
        (200, nack(Code.INVALID_FORMAT), LedgerRefusedError, "SCH_INVALID_FORMAT"),
        (202, nack(Code.POLICY), LedgerRefusedError, "POL_GENERIC_ERROR"),
        (200, b'{"message":{"status":"NACK","error":{"code":"X","message":"y"}}}', LedgerRefusedError, "X: y$"),
        (404, nack(Code.POLICY), LedgerRefusedError, "POL_GENERIC_ERROR"),
        (401, nack(Code.UNAUTHORIZED_ACTION), LedgerRefusedError, "AUT_UNAUTHORIZED_ACTION"),
        (403, nack(Code.UNAUTHORIZED_ACTION), LedgerRefusedError, "AUT_UNAUTHORIZED_ACTION"),
        (401, nack(Code.SIGNATURE_INVALID), LedgerUnavailableError, "AUT_SIGNATURE_INVALID"),
        (200, nack(Code.KEY_NOT_FOUND), LedgerUnavailableError, "AUT_KEY_NOT_FOUND"),
        (200, nack(Code.INTERNAL_ERROR), LedgerUnavailableError, "NET_INTERNAL_ERROR"),
        (500, nack(Code.POLICY), LedgerUnavailableError, "HTTP 500"),
        (429, nack(Code.POLICY), LedgerUnavailableError, "HTTP 429"),
        (400, b'{"message":{"status":"NACK"}}', LedgerRefusedError, "^HTTP_400: NACK$"),
        (503, b'{"message":{"status":"NACK"}}', LedgerUnavailableError, "^HTTP 503: NACK: "),
        (503, b"busy", LedgerUnavailableError, "503 without a NACK"),
        (500, ack_body("m"), LedgerUnavailableError, "500 without a NACK"),
        (401, b"", LedgerUnavailableError, "401 without a NACK"),
        (400, b"<html>", LedgerRefusedError, "HTTP_400: refused without a NACK"),
        (409, ack_body("m"), LedgerRefusedError, "HTTP_409"),
        (404, b"not found", LedgerProtocolError, "check the callback address"),
        (200, b"welcome", LedgerProtocolError, "check the callback address"),
        (301, b"", LedgerProtocolError, "check the callback address"),
        (300, ack_body("m"), LedgerProtocolError, "check the callback address"),
    ],
)
def test_what_an_answer_means_is_what_is_done_next(
    server: Canned, pusher: BecknPusher, status: int, body: bytes, *, error: type[LedgerError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        push(server, pusher, status, body)
    assert type(caught.value) is error


def test_an_answer_above_the_bound_is_not_read(server: Canned, pusher: BecknPusher) -> None:
    with pytest.raises(LedgerProtocolError, match="at most"):
        push(server, pusher, 200, b" " * (MAX_ACK_BYTES + 1))


@pytest.mark.parametrize("url", ["http://ledger.example.org/x", "ledger", "https://a@b.example"])
def test_an_address_that_may_not_be_called_is_not(pusher: BecknPusher, url: str) -> None:
    with pytest.raises(LedgerProtocolError, match="callback address"):
        pusher.push(url, BODY)


def test_nobody_there_is_no_answer(pusher: BecknPusher) -> None:
    with pytest.raises(LedgerUnavailableError, match=r"no answer from http://127\.0\.0\.1:9/"):
        pusher.push("http://127.0.0.1:9/", BODY)
