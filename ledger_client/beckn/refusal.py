"""How a Beckn node says no: one of the network's codes, its HTTP status, words, and where in the message.

Source: beckn-onix error codes and the HTTP statuses it answers them with; DEG Ledger API 0.4.0 for `PRC_CONFLICT`.
"""

from dataclasses import dataclass
from enum import Enum

from ledger_client.ledger import LedgerError


class Code(Enum):
    """The network's error codes that this node answers with."""

    SIGNATURE_MISSING = "AUT_SIGNATURE_MISSING"
    SIGNATURE_INVALID = "AUT_SIGNATURE_INVALID"
    UNAUTHORIZED_ACTION = "AUT_UNAUTHORIZED_ACTION"
    KEY_NOT_FOUND = "AUT_KEY_NOT_FOUND"
    KEY_EXPIRED_OR_REVOKED = "AUT_KEY_EXPIRED_OR_REVOKED"
    REPLAY_DETECTED = "AUT_REPLAY_DETECTED"
    INVALID_JSON = "SCH_INVALID_JSON"
    REQUIRED_FIELD_MISSING = "SCH_REQUIRED_FIELD_MISSING"
    INVALID_FORMAT = "SCH_INVALID_FORMAT"
    INVALID_ENUM = "SCH_INVALID_ENUM"
    TYPE_NOT_SUPPORTED = "SCH_TYPE_NOT_SUPPORTED"
    SCHEMA_VALIDATION_FAILED = "SCH_SCHEMA_VALIDATION_FAILED"
    POLICY = "POL_GENERIC_ERROR"
    INTERNAL_ERROR = "NET_INTERNAL_ERROR"
    DOWNSTREAM_UNAVAILABLE = "NET_DOWNSTREAM_UNAVAILABLE"
    ENTITY_NOT_FOUND = "NET_ENTITY_NOT_FOUND"
    CONFLICT = "PRC_CONFLICT"
    """Of the ledger API: what is stated once does not change any more."""


_STATUS_OF_CODE = {
    Code.INTERNAL_ERROR: 500,
    Code.DOWNSTREAM_UNAVAILABLE: 503,
    Code.ENTITY_NOT_FOUND: 404,
    Code.CONFLICT: 409,
}
_STATUS_OF_FAMILY = {"AUT": 401, "SCH": 400, "POL": 400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One no."""

    code: Code
    message: str
    """What was expected and what came, without anybody's data."""
    path: str = ""
    """Where in the message, e.g. ``context.bapId``; empty where it is the whole."""

    @property
    def http_status(self) -> int:
        """The HTTP status of an answer that carries this refusal."""
        return _STATUS_OF_CODE.get(self.code) or _STATUS_OF_FAMILY[self.code.value[:3]]

    def __str__(self) -> str:
        place = f" in '{self.path}'" if self.path else ""
        return f"{self.code.value}: {self.message}{place}"


class RefusedError(LedgerError):
    """A message that is answered with a NACK and has no effect."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def refused(code: Code, message: str, path: str = "") -> RefusedError:
    """The error that carries this refusal."""
    return RefusedError(Refusal(code=code, message=message, path=path))
