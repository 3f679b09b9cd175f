"""Strict readers of request fields: every field known, every required one there, every value of its type.

Source: DEG Ledger API 0.4.0: ``additionalProperties: false`` everywhere.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import TypeVar

from ledger_client.exact_json import JsonError, loads_strict
from ledger_client.foreign_fields import energy_wh
from ledger_client.ledger import LedgerProtocolError
from ledger_client.sandbox.refusal import RequestRefusedError
from signing.errors import SigningError
from signing.interval import parse_instant

T = TypeVar("T")
MAX_TEXT = 512
"""Longest text accepted, characters."""


def bad_format(path: str, expected: str, got: object) -> RequestRefusedError:
    """A value of the wrong form."""
    return RequestRefusedError("SCH_INVALID_FORMAT", f"expected {expected}, got {got!r:.80} in '{path}'")


class Fields:
    """The fields of one request object, taken one by one; what is left over at the end is refused."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise bad_format(path or "body", "an object", value)
        self._left: dict[str, object] = dict(value)
        self._path = f"{path}." if path else ""

    def path(self, name: str) -> str:
        """`name` with the path of this object."""
        return self._path + name

    def optional(self, name: str, read: Callable[[object, str], T]) -> T | None:
        """The field read by `read`, or None where it is absent. An explicit null is a value, and refused by `read`."""
        if name not in self._left:
            return None
        return read(self._left.pop(name), self.path(name))

    def required(self, name: str, read: Callable[[object, str], T]) -> T:
        """The field read by `read`."""
        if name not in self._left:
            raise RequestRefusedError("SCH_MISSING_REQUIRED", f"missing '{self.path(name)}'")
        return read(self._left.pop(name), self.path(name))

    def end(self) -> None:
        """Refuse every field that nobody took."""
        for name in self._left:
            raise RequestRefusedError("SCH_FIELD_NOT_ALLOWED", f"unknown or forbidden field '{self.path(name)[:120]}'")


def fields(body: bytes) -> Fields:
    """The fields of a request body."""
    try:
        return Fields(loads_strict(body))
    except JsonError as error:
        raise RequestRefusedError("SCH_INVALID_JSON", str(error)) from error


def text(value: object, path: str) -> str:
    """A text of 1 to `MAX_TEXT` characters."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise bad_format(path, f"a text of 1 to {MAX_TEXT} characters", value)
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise bad_format(path, "Unicode text without lone surrogates", value)
    return value


def moment(value: object, path: str) -> str:
    """An RFC 3339 date-time, kept as it is spelled."""
    spelled = text(value, path)
    seconds(spelled, path)
    return spelled


def seconds(value: object, path: str) -> int:
    """An RFC 3339 date-time as UTC seconds."""
    try:
        return parse_instant(text(value, path), path)
    except SigningError as error:
        raise RequestRefusedError("SCH_INVALID_FORMAT", str(error)) from error


def member(kind: type[Enum]) -> Callable[[object, str], str]:
    """A reader of the values of `kind`."""
    words = tuple(str(item.value) for item in kind)

    def read(value: object, path: str) -> str:
        if value not in words:
            raise RequestRefusedError(
                "SCH_INVALID_ENUM", f"expected one of {', '.join(words)}, got {value!r:.80} in '{path}'"
            )
        return str(value)

    return read


def one_of(*words: str) -> Callable[[object, str], str]:
    """A reader of one of `words`."""

    def read(value: object, path: str) -> str:
        if value not in words:
            raise RequestRefusedError(
                "SCH_INVALID_ENUM", f"expected one of {', '.join(words)}, got {value!r:.80} in '{path}'"
            )
        return str(value)

    return read


def signed_energy(value: object, path: str) -> int:
    """A JSON number of kWh with at most three decimals, as Wh."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise bad_format(path, "a JSON number of kWh", value)
    if isinstance(value, Decimal) and isinstance(exponent := value.as_tuple().exponent, int) and exponent < -3:
        raise bad_format(path, "kWh with at most three decimals", str(value))
    try:
        return energy_wh(value, path)
    except LedgerProtocolError as error:
        raise RequestRefusedError("SCH_INVALID_FORMAT", str(error)) from error


def energy(value: object, path: str) -> int:
    """A JSON number of kWh, not negative, as Wh."""
    wh = signed_energy(value, path)
    if wh < 0:
        raise bad_format(path, "a number of at least 0", str(value))
    return wh


def price(value: object, path: str) -> str:
    """A JSON number of INR per kWh, not negative, as exact text."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= 10**6:
        raise bad_format(path, "a JSON number from 0 to 10^6", value)
    spelled = format(Decimal(value), "f")
    if len(spelled) > 40:
        raise bad_format(path, "a price of at most 40 characters", spelled)
    return spelled


def whole(least: int, most: int) -> Callable[[object, str], int]:
    """A reader of JSON integers from `least` to `most`."""

    def read(value: object, path: str) -> int:
        if type(value) is not int or not least <= value <= most:
            raise bad_format(path, f"an integer from {least} to {most}", value)
        return value

    return read


def array(value: object, path: str) -> list[object]:
    """A JSON array with at least one entry."""
    if not isinstance(value, list) or not value:
        raise bad_format(path, "an array with at least one entry", value)
    return value
