"""The synchronous answer to a Beckn message, in its three dialects: one is written by default, all are read.

::

    (a)  {"status": "ACK", ...}                                  the specification's tag
    (b)  {"message": {"status": "ACK", "messageId": "..."}}      beckn-onix since May 2026, and the ledger's recorder
    (c)  {"message": {"ack": {"status": "ACK"}}}                 before version 2, and its sandbox

Source: beckn core-v2.0.0-lts; beckn-onix; DEG ledger recorder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ledger_client.beckn.refusal import Refusal
from ledger_client.contract import WriteReceipt
from ledger_client.exact_json import JsonError, dumps, loads
from ledger_client.ledger import LedgerProtocolError


class Dialect(Enum):
    """How an ACK or NACK is written."""

    STATUS = "status"
    """(a) at the top level. The signature goes into the header in this dialect too: no implementation reads one in the body."""
    MESSAGE_STATUS = "message-status"
    """(b) flat inside ``message``, with the message's id."""
    MESSAGE_ACK = "message-ack"
    """(c) inside ``message.ack``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """What the other side said at once."""

    is_ack: bool
    message_id: str | None = None
    code: str = ""
    """The network's error code of a NACK; empty where none is given."""
    message: str = ""
    path: str = ""
    ledger: WriteReceipt | None = None
    """What a ledger wrote, where its ACK says so."""


def ack_body(message_id: str | None, dialect: Dialect = Dialect.MESSAGE_STATUS) -> bytes:
    """The body of an ACK."""
    return dumps(_envelope("ACK", message_id, None, dialect))


def nack_body(message_id: str | None, refusal: Refusal, dialect: Dialect = Dialect.MESSAGE_STATUS) -> bytes:
    """The body of a NACK."""
    return dumps(_envelope("NACK", message_id, refusal, dialect))


def _envelope(status: str, message_id: str | None, refusal: Refusal | None, dialect: Dialect) -> dict[str, object]:
    named = {} if message_id is None else {"messageId": message_id}
    error: dict[str, object] = {}
    if refusal is not None:
        error = {"error": _error(refusal, dialect)}
    match dialect:
        case Dialect.STATUS:
            return {"status": status, **named, **error}
        case Dialect.MESSAGE_STATUS:
            return {"message": {"status": status, **named, **error}}
        case Dialect.MESSAGE_ACK:
            return {"message": {"ack": {"status": status}}, **error}


def _error(refusal: Refusal, dialect: Dialect) -> dict[str, object]:
    if dialect is Dialect.STATUS:
        # The specification names these fields otherwise than its implementations do.
        return {"errorCode": refusal.code.value, "errorMessage": refusal.message, "paths": refusal.path}
    details = {"details": {"path": refusal.path}} if refusal.path else {}
    return {"code": refusal.code.value, "message": refusal.message, **details}


def read_ack(body: bytes) -> Ack:
    """The ACK or NACK in a body, whichever dialect it is in.

    Raises:
        LedgerProtocolError: it is none.
    """
    try:
        whole = loads(body)
    except JsonError as error:
        raise LedgerProtocolError(f"expected an ACK or a NACK: {error}") from error
    envelope = _object(whole)
    message = _object(envelope.get("message"))
    inner = _object(message.get("ack"))
    status = next((one for one in (envelope, message, inner) if isinstance(one.get("status"), str)), None)
    word = str(status["status"]).upper() if status else ""
    if word not in ("ACK", "NACK"):
        raise LedgerProtocolError("expected an answer whose status is ACK or NACK")
    error_fields = next((found for one in (message, envelope, inner) if (found := _object(one.get("error")))), {})
    details = _object(error_fields.get("details"))
    return Ack(
        is_ack=word == "ACK",
        message_id=_text(message, "messageId") or _text(envelope, "messageId") or None,
        code=_text(error_fields, "code") or _text(error_fields, "errorCode"),
        message=_text(error_fields, "message") or _text(error_fields, "errorMessage"),
        path=_text(details, "path") or _text(error_fields, "path") or _text(error_fields, "paths"),
        ledger=_ledger(_object(message.get("ledger"))),
    )


def _ledger(fields: Mapping[str, object]) -> WriteReceipt | None:
    """What a ledger wrote, where it says that it succeeded."""
    record_id = _text(fields, "recordId")
    if fields.get("success") is not True or not record_id:
        return None
    return WriteReceipt(record_id=record_id, row_digest=_text(fields, "rowDigest") or None)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(fields: Mapping[str, object], name: str) -> str:
    """A foreign text for a log line: printable, one line, bounded; empty where there is none."""
    value = fields.get(name)
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in value[:300])
