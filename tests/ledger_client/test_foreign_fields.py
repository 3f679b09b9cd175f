"""Lenient readers: numbers in either spelling, exactly, and bounded."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.foreign_fields import energy_wh, member, number, optional_text, plain, positive_wh, text
from ledger_client.ledger import LedgerProtocolError, Side
from signing.energy import MAX_WH, kwh_text


@pytest.mark.parametrize(
    ("value", "wh"),
    [
        ("2.099", 2099),
        (Decimal("2.099"), 2099),
        (6, 6000),
        ("-19.2", -19200),
        ("1.5e1", 15000),
        (Decimal("6.000000"), 6000),
        (Decimal("3.8890000000000002"), 3889),
        ("0.30000000000000004", 300),
        ("1.000000001", 1000),
        (Decimal("9007199254740.991"), MAX_WH),
    ],
)
def test_energies_are_read_as_number_or_text_without_binary_noise(value: object, wh: int) -> None:
    assert energy_wh(value, "x") == wh


@pytest.mark.parametrize(
    "value",
    [
        "1.0005", "1.0000000011", Decimal("0.0001"), None, True, [], {}, "", " 1", "1 ", "1,5", "0x10", "NaN", "\u0661",
        Decimal("1E+999999"), Decimal("1E-999999"), "1e999999", "9" * 5000, "9007199254740.992", 10**4000,
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_path(value: object) -> None:
    with pytest.raises(LedgerProtocolError, match=r"'records\.x'") as caught:
        energy_wh(value, "records.x")
    assert len(str(caught.value)) < 300


@given(st.integers(-MAX_WH, MAX_WH))
def test_every_energy_survives_its_text(wh: int) -> None:
    assert energy_wh(kwh_text(wh), "x") == wh
    assert energy_wh(Decimal(kwh_text(wh)), "x") == wh


@given(st.text(max_size=40) | st.decimals() | st.integers() | st.none())
def test_any_value_is_a_number_or_refused(value: object) -> None:
    with contextlib.suppress(LedgerProtocolError):
        number(value, "x")


def test_a_bound_is_checked() -> None:
    assert positive_wh("0", "x", least=0) == 0
    for value, least in (("-0.001", 0), ("0", 1)):
        with pytest.raises(LedgerProtocolError, match="at least"):
            positive_wh(value, "x", least=least)


def test_texts_are_required_not_empty_and_encodable() -> None:
    for whole in ("µ", "\ud7ff", "\ue000"):
        assert text({"a": whole}, "a") == whole
    for fields in ({}, {"a": ""}, {"a": 1}, {"a": None}, {"a": "\ud800"}, {"a": "x\udfff"}):
        with pytest.raises(LedgerProtocolError, match="'a'"):
            text(fields, "a")
    assert optional_text({"a": 5}, "a") is None


def test_a_word_outside_the_set_is_refused_naming_the_set() -> None:
    assert member(Side, "BUYER", "side") is Side.BUYER
    wrong: tuple[object, ...] = ("buyer", None, [], {})
    for value in wrong:
        with pytest.raises(LedgerProtocolError, match="expected one of BUYER, SELLER"):
            member(Side, value, "side")


def test_foreign_words_become_one_printable_line() -> None:
    assert plain("a\nb\x1b[31m") == "a b [31m"
    assert len(plain("x" * 5000)) == 300
    assert plain(None) == "no reason given"
