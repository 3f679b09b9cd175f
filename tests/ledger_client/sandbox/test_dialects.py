"""ACKs in three dialects, as the ledger provider writes and finds them."""

import json

import pytest

from ledger_client.sandbox.dialects import Dialect, ack, found, nack

FORMS = {
    Dialect.A: {"status": "ACK"},
    Dialect.B: {"message": {"status": "ACK", "messageId": "m"}},
    Dialect.C: {"message": {"ack": {"status": "ACK"}}},
}


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_ack_has_the_form_of_its_dialect(dialect: Dialect) -> None:
    assert json.loads(ack("m", dialect)) == FORMS[dialect]
    assert found(ack("m", dialect, {"success": True})) == ("ACK", "")


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_nack_is_found_with_its_code(dialect: Dialect) -> None:
    assert found(nack("SCH_INVALID_FORMAT", "why", dialect)) == ("NACK", "SCH_INVALID_FORMAT")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"status":"OK"}', b'{"message":{"status":1}}'])
def test_what_is_no_ack_is_none(body: bytes) -> None:
    assert found(body) == ("", "")
