"""The receiver: every request gets a signed reply in the dialect that is set, and only a good one is work."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.beckn.ack import Dialect, read_ack
from ledger_client.beckn.context import Identifiers
from ledger_client.beckn.receiver import MOST_UNVERIFIED, Receiver, Reply
from ledger_client.beckn.refusal import Code, Refusal
from ledger_client.signature import digest, parse_header, public_key, verify
from tests.ledger_client.beckn.messages import NOW, Missing, attributes, changed
from tests.ledger_client.beckn.test_verification import BODY, LEDGER, gate, signed
from tests.ledger_client.rehearsal import signer

DISCOM = signer("discom.example.org")
MESSAGE_ID = "5a2d6940-71cc-44c7-b27b-d38c06ab929b"


def receiver(dialect: Dialect = Dialect.MESSAGE_STATUS, identifiers: Identifiers = Identifiers.ANY) -> Receiver:
    return Receiver(gate=gate(), signer=DISCOM, dialect=dialect, identifiers=identifiers)


def is_signed(reply: Reply, authorization: str | None) -> bool:
    """Whether the reply is the discom's, over the request where that has a signature."""
    named = parse_header(authorization).signature_text if authorization else None
    header = verify(
        reply.headers["Signature"],
        reply.body,
        now=NOW,
        keys=lambda _: public_key(DISCOM.public_key_text),
        request_signature=named,
    )
    return header.names_request == (named is not None)


def test_a_good_question_is_acked_at_once_and_handed_on() -> None:
    received = receiver().status(signed(), BODY, now=NOW)
    assert received.reply.status == 200
    assert received.reply.body == b'{"message":{"status":"ACK","messageId":"%s"}}' % MESSAGE_ID.encode()
    assert received.reply.headers["Content-Type"] == "application/json"
    assert is_signed(received.reply, signed())
    assert received.request is not None
    assert received.request.body_digest == digest(BODY)
    assert received.caller is not None
    assert received.refusal is None


@pytest.mark.parametrize("dialect", list(Dialect))
def test_replies_are_written_in_the_dialect_that_is_set(dialect: Dialect) -> None:
    end = receiver(dialect)
    assert read_ack(end.status(signed(), BODY, now=NOW).reply.body).is_ack
    refused = end.status(signed(), BODY, now=NOW).reply
    assert read_ack(refused.body).code == "AUT_REPLAY_DETECTED"


def test_a_question_that_is_refused_is_no_work() -> None:
    body = changed((("message",), Missing))
    authorization = LEDGER.sign(body, created=NOW, expires=NOW + 300)
    received = receiver().status(authorization, body, now=NOW)
    assert (received.request, received.reply.status) == (None, 400)
    assert received.refusal == Refusal(code=Code.REQUIRED_FIELD_MISSING, message="missing", path="message")
    assert received.caller is not None
    ack = read_ack(received.reply.body)
    assert (ack.is_ack, ack.message_id, ack.code, ack.path) == (
        False,
        MESSAGE_ID,
        "SCH_REQUIRED_FIELD_MISSING",
        "message",
    )
    assert is_signed(received.reply, authorization)
    assert "WWW-Authenticate" not in received.reply.headers


@pytest.mark.parametrize("header", [None, "x", "Signature x"])
def test_a_question_without_a_signature_is_told_how_to_sign(header: str | None) -> None:
    reply = receiver().status(header, BODY, now=NOW).reply
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == (
        'Signature realm="discom.example.org",headers="(created) (expires) digest"'
    )
    assert is_signed(reply, None)


def test_the_body_is_not_looked_at_before_its_signer_is_known() -> None:
    received = receiver().status(LEDGER.sign(b"{}", created=NOW, expires=NOW + 300), b"[", now=NOW)
    assert received.refusal is not None
    assert received.refusal.code is Code.SIGNATURE_INVALID


def test_a_long_body_is_not_read_for_the_id_in_its_refusal_before_its_signer_is_known() -> None:
    def long(length: int) -> bytes:
        body = changed((("message",), Missing))
        return body + b" " * (length - len(body))

    for length, named in ((MOST_UNVERIFIED, MESSAGE_ID), (MOST_UNVERIFIED + 1, None)):
        body = long(length)
        assert read_ack(receiver().status(None, body, now=NOW).reply.body).message_id == named
        # A verified caller's is named however long it is.
        authorization = LEDGER.sign(body, created=NOW, expires=NOW + 300)
        assert read_ack(receiver().status(authorization, body, now=NOW).reply.body).message_id == MESSAGE_ID
        assert read_ack(receiver().internal(authorization, body, now=NOW).body).message_id == MESSAGE_ID


def test_a_context_of_somebody_else_is_refused_though_the_signature_is_good() -> None:
    body = changed((("context", "bapId"), "other.example.org"))
    received = receiver().status(LEDGER.sign(body, created=NOW, expires=NOW + 300), body, now=NOW)
    assert (received.request, received.refusal and received.refusal.path) == (None, "context.bapId")


def test_ids_that_must_be_uuids_are_refused_where_they_are_not() -> None:
    body = changed((("context", "messageId"), "m-1"))
    authorization = LEDGER.sign(body, created=NOW, expires=NOW + 300)
    assert receiver().status(authorization, body, now=NOW).request is not None
    received = receiver(identifiers=Identifiers.UUID).status(authorization, body, now=NOW)
    assert read_ack(received.reply.body).path == "context.messageId"


def test_the_guides_shape_is_acked_too() -> None:
    body = attributes()
    assert receiver().status(LEDGER.sign(body, created=NOW, expires=NOW + 300), body, now=NOW).request is not None


def test_a_failure_of_this_node_is_said_without_details() -> None:
    reply = receiver().internal(signed(), BODY, now=NOW)
    assert reply.status == 500
    assert json.loads(reply.body)["message"]["error"] == {"code": "NET_INTERNAL_ERROR", "message": "this node failed"}
    assert is_signed(reply, signed())


def test_a_refusal_of_the_owners_own_is_signed_too() -> None:
    refusal = Refusal(code=Code.INVALID_FORMAT, message="too long")
    reply = receiver().nack(None, b"", refusal, now=NOW)
    assert (reply.status, read_ack(reply.body).message_id) == (400, None)


@given(st.text(max_size=80) | st.none(), st.binary(max_size=80))
def test_whatever_comes_gets_a_signed_nack(authorization: str | None, body: bytes) -> None:
    received = receiver().status(authorization, body, now=NOW)
    assert received.request is None
    assert received.reply.status == 401
    assert is_signed(received.reply, None)


def test_a_node_is_known_by_its_signers_id() -> None:
    assert receiver().own_id == "discom.example.org"


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_status(code: Code) -> None:
    refusal = Refusal(code=code, message="m", path="p")
    assert refusal.http_status in (400, 401, 404, 500, 503) or (code, refusal.http_status) == (Code.CONFLICT, 409)
    assert str(refusal) == f"{code.value}: m in 'p'"
    assert str(Refusal(code=code, message="m")) == f"{code.value}: m"
