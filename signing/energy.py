"""Whole watt-hours, and their exact decimal form at the edges.

Energy is an integer number of watt-hours everywhere inside. Import (drawn from the grid) and export (given to the grid)
are two non-negative energies; only a net figure at an exchange's edge has a sign, and it is `import - export`.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from signing.errors import DecodeError

MAX_WH = 2**53 - 1
"""Largest energy accepted anywhere, in Wh: above any register, and exact in every JSON reader."""

WH_PER_KWH = 1000

_RATIO = re.compile(r"([0-9]{1,10})(?:/([0-9]{1,10}))?")


def watt_hours(value: object, path: str) -> int:
    """`value` as a non-negative energy in Wh, 0…`MAX_WH`.

    Raises:
        DecodeError: naming `path`, when it is not an integer (a bool is not one) or out of range.
    """
    if type(value) is not int:
        raise DecodeError(f"expected whole watt-hours as an integer, got {value!r} in '{path}'")
    if not 0 <= value <= MAX_WH:
        raise DecodeError(f"expected 0 to {MAX_WH} Wh, got {value} in '{path}'")
    return value


def kwh_text(wh: int) -> str:
    """A signed or unsigned energy in Wh as kWh with exactly three decimals, e.g. ``-19200`` → ``"-19.200"``."""
    sign = "-" if wh < 0 else ""
    whole, rest = divmod(abs(wh), WH_PER_KWH)
    return f"{sign}{whole}.{rest:03d}"


def kwh_decimal(wh: int) -> Decimal:
    """An energy in Wh as an exact `Decimal` number of kWh."""
    return Decimal(wh).scaleb(-3)


@dataclass(frozen=True, slots=True, order=True)
class Fraction:
    """A positive exact ratio of two integers, as CT, PT and multiplying factors are: 1…10^9 each."""

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        for name, value in (("numerator", self.numerator), ("denominator", self.denominator)):
            if type(value) is not int or not 1 <= value <= 10**9:
                raise DecodeError(f"expected an integer from 1 to 10^9, got {value!r} in '{name}'")


ONE = Fraction(1, 1)
"""The factor that changes nothing."""


def parse_fraction(text: str, path: str) -> Fraction:
    """The ratio that text such as ``100/5`` or ``2`` states.

    Raises:
        DecodeError: naming `path`, when it is no such ratio.
    """
    found = _RATIO.fullmatch(text)
    if found is None:
        raise DecodeError(f"expected a ratio such as 100/5, got {text!r:.40} in '{path}'")
    return Fraction(int(found[1]), int(found[2] or 1))


def scaled(wh: int, *factors: Fraction) -> int:
    """`wh` times every factor, rounded once, half to even, to whole Wh. `wh` may be negative only as a net."""
    numerator, denominator = wh, 1
    for factor in factors:
        numerator *= factor.numerator
        denominator *= factor.denominator
    quotient, remainder = divmod(numerator, denominator)
    if 2 * remainder > denominator or (2 * remainder == denominator and quotient % 2):
        quotient += 1
    return quotient
