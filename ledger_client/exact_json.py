"""JSON in which a decimal number stays the decimal number it was: no binary float in either direction."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from json.encoder import encode_basestring_ascii as _quoted

from ledger_client.ledger import LedgerError
from signing.energy import kwh_decimal


class JsonError(LedgerError):
    """The bytes are not JSON that this package reads. The message holds no payload."""


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half of a letter, escaped: only so can a lone one come into a text."""

_MOST_DIGITS = 40
"""Longer than any integer that a field holds."""


def decimal_text(value: Decimal) -> str:
    """`value` as a JSON number without exponent and without trailing zeros, e.g. ``-19.2``, ``6``."""
    if not value.is_finite():
        raise JsonError("expected a finite number")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def dumps(value: object) -> bytes:
    """`value` as UTF-8 JSON without insignificant space, keys in their given order.

    Takes dict (text keys), list, tuple, str, int, bool, None and `Decimal`; a float is refused.
    """
    return _text(value).encode()


def _text(value: object) -> str:
    """The JSON text of `value`."""
    match value:
        case str():
            return _quoted(value)
        case dict():
            return "{" + ",".join([f"{_quoted(str(key))}:{_text(item)}" for key, item in value.items()]) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
        case Decimal():
            return decimal_text(value)
        case None | bool() | int():
            return json.dumps(value)
        case _:
            raise TypeError(f"no exact JSON form for {type(value).__name__}")


def _constant(_: str) -> object:
    """Refuse ``NaN`` and ``Infinity``, which Python's reader takes and JSON does not know."""
    raise JsonError("expected a finite number")


def _integer(text: str) -> int | Decimal:
    """An integer; one of more digits than any field has stays a decimal, as `int` refuses thousands of them and their whole page."""
    return int(text) if len(text) <= _MOST_DIGITS else Decimal(text)


def loads(body: bytes) -> object:
    """The JSON value in `body`, decimals as `Decimal`; the last of two equal keys wins.

    Raises:
        JsonError: it is not UTF-8 JSON, or is nested too deeply.
    """
    return _loads(body, None)


def loads_strict(body: bytes) -> object:
    """The JSON value in `body` as `loads` gives it, where an object that names a key twice is refused."""
    return _loads(body, _unique)


def loads_text(body: bytes) -> object:
    """The JSON value in `body` as `loads_strict` gives it, where a text that no UTF-8 can hold is refused: it could be neither kept nor told."""
    value = _loads(body, _unique)
    if _SURROGATE.search(body):
        _require_unicode(value)
    return value


def _require_unicode(value: object) -> None:
    """Refuses a lone surrogate anywhere in a value."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                if any("\ud800" <= letter <= "\udfff" for letter in text):
                    raise JsonError("expected Unicode text, got a lone surrogate")
            case dict() as fields:
                waiting += [*fields.keys(), *fields.values()]
            case list() as entries:
                waiting += entries
            case _:
                pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The pairs as a dict, refused when a key comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("expected every key once in an object")
    return found


def _loads(body: bytes, pairs_hook: Callable[[list[tuple[str, object]]], object] | None) -> object:
    try:
        value: object = json.loads(
            body.decode("utf-8"),
            parse_float=Decimal,
            parse_int=_integer if pairs_hook is None else None,
            parse_constant=_constant,
            object_pairs_hook=pairs_hook,
        )
    except JsonError:
        raise
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise JsonError(f"expected JSON in UTF-8, got {len(body)} bytes that are not") from error
    return value


def kwh(wh: int) -> Decimal:
    """An energy in Wh as the exact kWh number that `dumps` writes with at most three decimals."""
    return kwh_decimal(wh)
