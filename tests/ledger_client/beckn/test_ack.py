"""ACKs and NACKs: one dialect is written by default, three are read, and what is none is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.beckn.ack import Dialect, ack_body, nack_body, read_ack
from ledger_client.beckn.refusal import Code, Refusal
from ledger_client.exact_json import dumps
from ledger_client.ledger import LedgerProtocolError
from ledger_client.sandbox import dialects

REFUSAL = Refusal(code=Code.INVALID_FORMAT, message="expected a UUID", path="context.messageId")


def test_the_default_dialect_is_the_one_that_is_spoken() -> None:
    assert ack_body("m") == b'{"message":{"status":"ACK","messageId":"m"}}'
    assert json.loads(nack_body("m", REFUSAL)) == {
        "message": {
            "status": "NACK",
            "messageId": "m",
            "error": {
                "code": "SCH_INVALID_FORMAT",
                "message": "expected a UUID",
                "details": {"path": "context.messageId"},
            },
        }
    }


def test_the_other_dialects_are_as_their_speakers_write_them() -> None:
    error = {"code": "SCH_INVALID_FORMAT", "message": "expected a UUID", "details": {"path": "context.messageId"}}
    assert json.loads(nack_body(None, REFUSAL, Dialect.MESSAGE_ACK)) == {
        "message": {"ack": {"status": "NACK"}}, "error": error,
    }  # fmt: skip
    assert json.loads(nack_body("m", REFUSAL, Dialect.STATUS)) == {
        "status": "NACK",
        "messageId": "m",
        "error": {"errorCode": "SCH_INVALID_FORMAT", "errorMessage": "expected a UUID", "paths": "context.messageId"},
    }
    assert json.loads(ack_body(None, Dialect.STATUS)) == {"status": "ACK"}
    bare = Refusal(code=Code.INVALID_JSON, message="no JSON")
    assert json.loads(nack_body(None, bare))["message"]["error"] == {"code": "SCH_INVALID_JSON", "message": "no JSON"}


def test_ids_and_paths_are_found_wherever_they_are() -> None:
    assert read_ack(b'{"status":"ACK","messageId":"m"}').message_id == "m"
    assert read_ack(b'{"status":"ACK"}').message_id is None
    for error in ({"path": "a.b"}, {"paths": "a.b"}, {"details": {"path": "a.b"}}):
        assert read_ack(dumps({"status": "NACK", "error": error})).path == "a.b"


@pytest.mark.parametrize("dialect", list(Dialect))
def test_what_is_written_is_read_by_another_reader_too(dialect: Dialect) -> None:
    assert dialects.found(ack_body("m", dialect)) == ("ACK", "")
    assert dialects.found(nack_body("m", REFUSAL, dialect)) == ("NACK", "SCH_INVALID_FORMAT")
    assert read_ack(ack_body("m", dialect)).is_ack
    read = read_ack(nack_body(None, REFUSAL, dialect))
    assert (read.is_ack, read.code, read.message, read.path) == (
        False, "SCH_INVALID_FORMAT", "expected a UUID", "context.messageId",
    )  # fmt: skip


@pytest.mark.parametrize("dialect", list(dialects.Dialect))
def test_what_another_writer_writes_is_read(dialect: dialects.Dialect) -> None:
    assert read_ack(dialects.ack("m", dialect)).is_ack
    read = read_ack(dialects.nack("NET_TIMEOUT", "later", dialect))
    assert (read.is_ack, read.code, read.message) == (False, "NET_TIMEOUT", "later")


def test_a_status_is_read_in_any_case() -> None:
    assert read_ack(b'{"message":{"status":"ack"}}').is_ack
    assert not read_ack(b'{"message":{"status":"Nack"}}').is_ack


def test_what_a_ledger_wrote_is_kept() -> None:
    wrote = {"success": True, "recordId": "r", "creationTime": "t", "rowDigest": "d"}
    found = read_ack(dumps({"message": {"status": "ACK", "messageId": "m", "ledger": wrote}}))
    assert found.message_id == "m"
    assert found.ledger is not None
    assert (found.ledger.record_id, found.ledger.row_digest) == ("r", "d")
    bare = read_ack(dumps({"message": {"status": "ACK", "ledger": {"success": True, "recordId": "r"}}})).ledger
    assert bare is not None
    assert bare.row_digest is None
    for other in ({}, wrote | {"success": False}, wrote | {"success": "true"}, wrote | {"recordId": 7}):
        assert read_ack(dumps({"message": {"status": "ACK", "ledger": other}})).ledger is None


def test_foreign_words_are_one_bounded_line() -> None:
    found = read_ack(dumps({"message": {"status": "NACK", "error": {"code": "X", "message": "a\nb" + "c" * 999}}}))
    assert found.message.startswith("a b")
    assert len(found.message) == 300


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b'{"status":1}', b'{"status":"OK"}', b'{"message":"ACK"}', b"<html>"]
)
def test_what_is_no_ack_is_refused(body: bytes) -> None:
    with pytest.raises(LedgerProtocolError, match="ACK"):
        read_ack(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["ACK", "NACK", "x"]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["message", "status", "ack", "error", "code", "details", "ledger"]), inner
            )
        ),
        max_leaves=10,
    )
)
def test_any_json_is_an_ack_or_refused(value: object) -> None:
    try:
        read_ack(dumps(value))
    except LedgerProtocolError:
        return
