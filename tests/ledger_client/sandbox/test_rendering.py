"""How the exchange spells its answers."""

from decimal import Decimal

import pytest

from ledger_client.sandbox.rendering import as_text, money_text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("30", "30.00"),
        ("30.000", "30.00"),
        ("21.605", "21.605"),
        ("0.00001", "0.00001"),
        ("437.1500", "437.15"),
        ("0", "0.00"),
    ],
)
def test_rupees_have_at_least_two_decimals(amount: str, text: str) -> None:
    assert money_text(Decimal(amount)) == text


def test_numbers_become_text_at_every_depth_and_words_stay() -> None:
    value = {"a": [Decimal("1.500"), {"b": Decimal(2)}], "c": "x", "d": True, "e": None}
    assert as_text(value) == {"a": ["1.500", {"b": "2"}], "c": "x", "d": True, "e": None}
