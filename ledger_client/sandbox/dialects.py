"""ACKs as the ledger provider writes them, in the dialect that it is set to, and as it finds them in what a discom answers."""

from enum import Enum

from ledger_client.exact_json import JsonError, dumps, loads


class Dialect(Enum):
    """The three forms that are in use on the network."""

    A = "a"
    """``{"status": "ACK"}``, the specification's tag."""
    B = "b"
    """``{"message": {"status": "ACK", "messageId": "..."}}``, beckn-onix."""
    C = "c"
    """``{"message": {"ack": {"status": "ACK"}}}``, before version 2."""


def ack(message_id: str, dialect: Dialect, ledger: dict[str, object] | None = None) -> bytes:
    """An ACK; in dialect b it says what the ledger wrote."""
    wrote = {} if ledger is None else {"ledger": ledger}
    bodies: dict[Dialect, object] = {
        Dialect.A: {"status": "ACK"},
        Dialect.B: {"message": {"status": "ACK", "messageId": message_id, **wrote}},
        Dialect.C: {"message": {"ack": {"status": "ACK"}}},
    }
    return dumps(bodies[dialect])


def nack(code: str, message: str, dialect: Dialect) -> bytes:
    """A NACK with its error."""
    error = {"code": code, "message": message}
    bodies: dict[Dialect, object] = {
        Dialect.A: {"status": "NACK", "error": {"errorCode": code, "errorMessage": message}},
        Dialect.B: {"message": {"status": "NACK", "error": error}},
        Dialect.C: {"message": {"ack": {"status": "NACK"}}, "error": error},
    }
    return dumps(bodies[dialect])


def found(body: bytes) -> tuple[str, str]:
    """The status word (ACK, NACK or empty) and the error code of an answer, whatever dialect it is in."""
    try:
        value = loads(body)
    except JsonError:
        return "", ""
    words, codes = [], []
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            words.append(one.get("status"))
            codes.append(one.get("code") or one.get("errorCode"))
            todo += [one[name] for name in ("message", "ack", "error") if name in one]
    status = next((word for word in words if word in ("ACK", "NACK")), "")
    return str(status), str(next((code for code in codes if isinstance(code, str)), ""))
