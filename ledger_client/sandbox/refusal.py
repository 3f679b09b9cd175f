"""How the exchange says no: a code of the API, its HTTP status, and words that name the field."""

from ledger_client.ledger import LedgerError

STATUS = {
    "SCH_INVALID_JSON": 400,
    "SCH_FIELD_NOT_ALLOWED": 400,
    "SCH_MISSING_REQUIRED": 400,
    "SCH_INVALID_FORMAT": 400,
    "SCH_INVALID_ENUM": 400,
    "AUT_SIGNATURE_MISSING": 401,
    "AUT_SIGNATURE_INVALID": 401,
    "AUT_KEY_NOT_FOUND": 401,
    "AUT_REPLAY_DETECTED": 401,
    "AUT_NOT_AUTHORIZED": 403,
    "PRC_NOT_FOUND": 404,
    "PRC_CONFLICT": 409,
    "SCH_BODY_TOO_LARGE": 413,
    "NET_DOWNSTREAM_UNAVAILABLE": 503,
}
"""Every code the exchange answers with. Source: DEG Ledger API 0.4.0 and the network's codes."""


class RequestRefusedError(LedgerError):
    """A request that the exchange answers with an error; it had no effect."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status of this refusal."""
        return STATUS[self.code]
