"""Changed terms: what supersedes before delivery, what is refused after, and what is no term at all."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.trading.amendments import Amending, agreed
from ledger_client.ledger import Trade, TradeStatus
from signing.interval import Interval
from tests.headend.trading.test_posting import TRADE

START = TRADE.window.start_utc
MORE = replace(TRADE, quantity_wh=TRADE.quantity_wh + 1000)


def moved(by_s: int) -> Trade:
    window = Interval(TRADE.window.start_utc + by_s, TRADE.window.end_utc + by_s)
    return replace(TRADE, window=window, delivery_start="x", delivery_end="y")


def test_a_trade_that_is_new_is_the_basis_whenever_it_comes() -> None:
    found = agreed(None, TRADE, START + 10**6)
    assert (found.trade, found.amendment) == (TRADE, None)


def test_terms_that_change_before_delivery_supersede_and_stay_known() -> None:
    found = agreed(TRADE, MORE, START - 1)
    assert found.trade == MORE
    assert found.amendment is not None
    assert found.amendment.amending is Amending.SUPERSEDED
    assert found.amendment.changes == "quantity 6.000 kWh to 7.000 kWh"


def test_terms_that_change_once_delivery_began_are_refused_and_reported() -> None:
    found = agreed(TRADE, MORE, START)
    assert found.trade == TRADE
    assert found.amendment is not None
    assert found.amendment.amending is Amending.LATE


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"price_inr_per_kwh": Decimal(9)}, "price 5 to 9"),
        ({"price_inr_per_kwh": None}, "price 5 to none"),
        ({"seller_id": "ANOTHER"}, f"seller_id {TRADE.seller_id} to ANOTHER"),
        ({"buyer_id": "ANOTHER"}, f"buyer_id {TRADE.buyer_id} to ANOTHER"),
        ({"discom_id_buyer": "X"}, f"discom_id_buyer {TRADE.discom_id_buyer} to X"),
        ({"platform_id_seller": "X"}, f"platform_id_seller {TRADE.platform_id_seller} to X"),
    ],
)
def test_every_term_counts(changes: dict[str, object], words: str) -> None:
    known = replace(TRADE, price_inr_per_kwh=Decimal(5))
    found = agreed(known, replace(known, **changes), START)  # type: ignore[arg-type]  # the table names fields
    assert found.trade == known
    assert found.amendment is not None
    assert found.amendment.changes == words


def test_a_window_moved_into_the_past_is_late_and_one_moved_ahead_in_time_is_not() -> None:
    assert (late := agreed(TRADE, moved(-7200), START - 7200).amendment) is not None
    assert late.amending is Amending.LATE
    assert (early := agreed(TRADE, moved(-7200), START - 7201).amendment) is not None
    assert early.amending is Amending.SUPERSEDED
    assert (gone := agreed(TRADE, moved(7200), START).amendment) is not None
    assert gone.amending is Amending.LATE


def test_what_discoms_report_and_another_spelling_are_no_terms() -> None:
    reported = replace(
        TRADE, pushed_wh=5, pulled_wh=4, status_seller_discom=TradeStatus.COMPLETED, row_digest="d", delivery_start="z"
    )
    found = agreed(TRADE, reported, START + 1)
    assert (found.trade, found.amendment) == (reported, None)


@given(st.integers(1, 10**6), st.one_of(st.none(), st.integers(0, 10**6)), st.integers(-7200, 7200))
def test_late_terms_never_touch_the_basis_and_reports_always_get_through(
    quantity: int, pushed: int | None, after_s: int
) -> None:
    shown = replace(TRADE, quantity_wh=quantity, pushed_wh=pushed, status_buyer_discom=TradeStatus.PENDING)
    found = agreed(TRADE, shown, START + after_s).trade
    assert (found.pushed_wh, found.status_buyer_discom) == (pushed, TradeStatus.PENDING)
    assert found.quantity_wh == (TRADE.quantity_wh if after_s >= 0 else quantity)
