"""Whole watt-hours and their exact decimals."""

from decimal import Decimal
from fractions import Fraction as Rational

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.energy import MAX_WH, ONE, Fraction, kwh_decimal, kwh_text, parse_fraction, scaled, watt_hours
from signing.errors import DecodeError


@pytest.mark.parametrize(
    ("text", "ratio"), [("100/5", Fraction(100, 5)), ("2", Fraction(2, 1)), ("0003/01", Fraction(3, 1))]
)
def test_a_ratio_is_read_from_text(text: str, ratio: Fraction) -> None:
    assert parse_fraction(text, "ct") == ratio


@pytest.mark.parametrize(
    "text", ["", "100:5", "1/", "/1", "1/2/3", "-1", "1.5", " 1", "1/0", "0", "12345678901", "\u0967"]
)
def test_a_text_that_is_no_ratio_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_fraction(text, "ct")


def test_an_energy_is_a_whole_number_in_range() -> None:
    assert (watt_hours(0, "e"), watt_hours(MAX_WH, "e")) == (0, MAX_WH)
    for bad in (-1, MAX_WH + 1, True, 1.0, "1", None):
        with pytest.raises(DecodeError, match="'e'"):
            watt_hours(bad, "e")


@given(st.integers(-MAX_WH, MAX_WH))
def test_text_and_decimal_and_back_are_exact(wh: int) -> None:
    assert Decimal(kwh_text(wh)) * 1000 == wh
    assert Decimal(kwh_text(wh)) == kwh_decimal(wh)
    assert kwh_decimal(wh) * 1000 == wh


def test_text_has_three_decimals() -> None:
    assert [kwh_text(wh) for wh in (0, 5, -5, 1000, -19_200)] == ["0.000", "0.005", "-0.005", "1.000", "-19.200"]


@pytest.mark.parametrize(
    ("numerator", "denominator"), [(0, 1), (1, 0), (-1, 1), (10**9 + 1, 1), (1, 10**9 + 1), (True, 1)]
)
def test_a_factor_is_a_ratio_of_positive_integers(numerator: int, denominator: int) -> None:
    assert Fraction(10**9, 10**9).numerator == 10**9
    with pytest.raises(DecodeError):
        Fraction(numerator, denominator)


RATIOS = st.builds(Fraction, st.integers(1, 10**9), st.integers(1, 10**9))


@given(st.integers(-(10**12), 10**12), RATIOS, RATIOS)
def test_factors_are_exact_and_rounded_once_half_to_even(wh: int, one: Fraction, other: Fraction) -> None:
    exact = Rational(wh) * Rational(one.numerator, one.denominator) * Rational(other.numerator, other.denominator)
    assert scaled(wh, one, other) == round(exact)
    assert scaled(wh, ONE) == wh


def test_ties_go_to_the_even_number() -> None:
    assert [scaled(wh, Fraction(1, 2)) for wh in (1, 3, 5, -1, -3)] == [0, 2, 2, 0, -2]
