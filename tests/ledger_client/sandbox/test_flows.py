"""A contract's flows, against the published examples."""

from decimal import Decimal

import pytest

from ledger_client.sandbox.flows import Line, contract, round2


def line(requested_wh: int, final_wh: int, price: str) -> Line:
    return Line(requested_wh=requested_wh, final_wh=final_wh, price_inr_per_kwh=Decimal(price))


def test_the_settled_example() -> None:
    assert contract([line(20_500, 18_500, "12.5"), line(15_500, 14_200, "14.5")]) == {
        "tradeValueInr": "437.15",
        "finalKwh": "32.700",
        "shortfallKwh": "3.300",
        "revenueFlows": {
            "buyerPlatform": "-437.15",
            "sellerPlatform": "437.15",
            "buyerDiscom": "0.00",
            "sellerDiscom": "0.00",
        },
    }


def test_the_guides_example() -> None:
    found = contract([line(20_500, 20_000, "12.5")])
    assert (found["tradeValueInr"], found["shortfallKwh"]) == ("250.00", "0.500")


def test_more_than_requested_is_no_shortfall_of_less_than_nothing() -> None:
    assert contract([line(1000, 2000, "1"), line(2000, 1000, "1")])["shortfallKwh"] == "1.000"


def test_nothing_settled_comes_to_nothing() -> None:
    assert contract([])["tradeValueInr"] == "0.00"


@pytest.mark.parametrize(("value", "expected"), [("0.005", "0.01"), ("-0.005", "-0.01"), ("0.0049", "0.00")])
def test_paise_are_rounded_half_away_from_zero(value: str, expected: str) -> None:
    assert round2(Decimal(value)) == Decimal(expected)
