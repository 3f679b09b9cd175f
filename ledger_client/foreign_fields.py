"""Lenient readers of the fields of foreign JSON: numbers as numbers or strings, exact, and bounded before any arithmetic.

Everything here raises `LedgerProtocolError` and nothing else, and names the field.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TypeVar

from ledger_client.ledger import LedgerProtocolError
from signing.energy import MAX_WH

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?")
_NOISE_KWH = Fraction(1, 10**9)

E = TypeVar("E", bound=Enum)


def json_object(value: object, path: str) -> Mapping[str, object]:
    """`value` as a JSON object."""
    if not isinstance(value, dict):
        raise LedgerProtocolError(f"expected an object, got {type(value).__name__} in '{path}'")
    return value


def json_array(value: object, path: str) -> Sequence[object]:
    """`value` as a JSON array."""
    if not isinstance(value, list):
        raise LedgerProtocolError(f"expected an array, got {type(value).__name__} in '{path}'")
    return value


def text(fields: Mapping[str, object], name: str) -> str:
    """A required text, not empty."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise LedgerProtocolError(f"expected a text that is not empty, got {value!r:.80} in '{name}'")
    if not _is_unicode(value):
        raise LedgerProtocolError(f"expected Unicode text, got a lone surrogate in '{name}'")
    return value


def optional_text(fields: Mapping[str, object], name: str) -> str | None:
    """A text, or None where it is absent, null, empty or something else. One with a lone surrogate is none: no database could keep it."""
    value = fields.get(name)
    return value if isinstance(value, str) and value and _is_unicode(value) else None


def _is_unicode(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def number(value: object, path: str) -> Fraction:
    """A JSON number or a string that holds one, exactly, and bounded before any arithmetic."""
    text = value if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or not _NUMBER.fullmatch(text):
        raise LedgerProtocolError(f"expected a decimal number, got {value!r:.80} in '{path}'")
    return Fraction(text)


def energy_wh(value: object, path: str) -> int:
    """A number of kWh as whole Wh; at most 10^-9 kWh of binary noise is removed.

    Raises:
        LedgerProtocolError: naming `path`, when it is no number, finer than one Wh, or out of range.
    """
    energy = number(value, path)
    wh = round(energy * 1000)
    if abs(energy - Fraction(wh, 1000)) > _NOISE_KWH:
        raise LedgerProtocolError(f"expected kWh with at most three decimals, got {value!s:.80} in '{path}'")
    if abs(wh) > MAX_WH:
        raise LedgerProtocolError(f"expected at most {MAX_WH} Wh, got {value!s:.80} in '{path}'")
    return wh


def positive_wh(value: object, path: str, *, least: int) -> int:
    """An energy of at least `least` Wh."""
    wh = energy_wh(value, path)
    if wh < least:
        raise LedgerProtocolError(f"expected at least {least} Wh, got {value!s:.80} in '{path}'")
    return wh


def member(kind: type[E], value: object, path: str) -> E:
    """`value` as a member of `kind`."""
    try:
        return kind(value)
    except ValueError as error:
        words = ", ".join(str(member.value) for member in kind)
        raise LedgerProtocolError(f"expected one of {words}, got {value!r:.80} in '{path}'") from error


def plain(value: object) -> str:
    """Foreign text for a log line or a console: one line, printable, at most 300 characters."""
    text = value if isinstance(value, str) else ""
    return "".join(letter if letter.isprintable() else " " for letter in text[:300]) or "no reason given"
