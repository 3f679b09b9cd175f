"""A month of bills beside the ledger: every way in which they can differ is said, and nothing else."""

from dataclasses import replace
from decimal import Decimal

import pytest

from headend.billing.monthly import compared
from headend.trading.trades import TradeSide, own_sides
from ledger_client.ledger import Trade
from tests.headend.trading.test_posting import TRADE

SETTLED = replace(TRADE, pushed_wh=6000, pulled_wh=2346, price_inr_per_kwh=Decimal(5))


def sides(*trades: Trade) -> tuple[TradeSide, ...]:
    return own_sides(trades, TRADE.discom_id_seller)


def test_what_is_billed_as_the_ledger_shows_it_agrees() -> None:
    (line,) = compared(sides(SETTLED), sides(SETTLED))
    assert (line.billed_wh, line.ledger_wh, line.difference) == (2346, 2346, "")
    assert (line.record_id, line.side, line.posted_as) == (TRADE.record_id, "SELLER", TRADE.seller_id)


def test_an_open_trade_that_is_open_at_the_ledger_agrees() -> None:
    (line,) = compared(sides(TRADE), sides(TRADE))
    assert (line.billed_wh, line.ledger_wh, line.difference) == (None, None, "")


@pytest.mark.parametrize(
    ("billed", "shown", "words"),
    [
        ([], [SETTLED], "the ledger shows it and no bill rests on it"),
        ([SETTLED], [], "a bill rests on it and the ledger does not show it"),
        ([SETTLED], [replace(SETTLED, pulled_wh=2345)], "billed: 2.346 kWh; the ledger shows: 2.345 kWh"),
        ([TRADE], [SETTLED], "billed: open; the ledger shows: 2.346 kWh"),
        ([SETTLED], [TRADE], "billed: 2.346 kWh; the ledger shows: open"),
        (
            [SETTLED],
            [replace(SETTLED, price_inr_per_kwh=Decimal("5.10"))],
            "billed at 5 INR/kWh, the ledger shows 5.10",
        ),
    ],
)
def test_a_difference_is_said_in_words(billed: list[Trade], shown: list[Trade], words: str) -> None:
    (line,) = compared(sides(*billed), sides(*shown))
    assert line.difference == words


def test_both_sides_of_a_trade_within_one_discom_are_compared() -> None:
    inner = replace(SETTLED, discom_id_buyer=TRADE.discom_id_seller)
    assert [line.side for line in compared(sides(inner), sides(inner))] == ["BUYER", "SELLER"]
