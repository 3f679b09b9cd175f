"""The exchange's arithmetic, against the published examples and its laws."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.ledger import Side
from ledger_client.sandbox.allocation import Leg, allocated, amount_inr, pro_rata, settled_wh


def buy(wh: int) -> Leg:
    return Leg(side=Side.BUYER, quantity_wh=wh)


def sell(wh: int) -> Leg:
    return Leg(side=Side.SELLER, quantity_wh=wh)


@pytest.mark.parametrize(
    ("actual_wh", "legs", "expected"),
    [
        (12_500, [buy(7000), buy(3000)], (7000, 3000)),
        (-8000, [sell(6000), sell(4000)], (4800, 3200)),
        (-12_000, [sell(6000), sell(4000)], (6000, 4000)),
        (3000, [sell(6000), sell(4000)], (0, 0)),
        (-1000, [buy(7000)], (0,)),
        (-1500, [buy(5000), sell(8000)], (2500, 4000)),
        (0, [buy(5000), sell(5000)], (5000, 5000)),
        (-99_000, [buy(5000), sell(5000)], (5000, 5000)),
        (0, [buy(5000)], (0,)),
        (-7000, [sell(5000), sell(4000)], (3889, 3111)),
        (20_000, [buy(10_000)] * 3, (6667, 6667, 6666)),
        (1, [buy(1)] * 3, (1, 0, 0)),
        (0, [], ()),
    ],
    ids=[
        "9 more than bought", "10 less than sold", "11a more than sold", "11b imports and sells", "11c exports and buys",
        "12 nets to a sale", "13 nets to zero", "13 nets to zero whatever the meter says", "nothing drawn", "8 thirds",
        "16 never above the meter", "one Wh among three", "no trade",
    ],
)  # fmt: skip
def test_published_allocations(actual_wh: int, legs: list[Leg], expected: tuple[int, ...]) -> None:
    assert allocated(legs, actual_wh) == expected


legs = st.lists(st.builds(Leg, side=st.sampled_from(Side), quantity_wh=st.integers(1, 50_000)), max_size=8)
actuals = st.integers(-200_000, 200_000)


@given(legs, actuals)
def test_no_leg_gets_less_than_nothing_or_more_than_its_contract(found: list[Leg], actual: int) -> None:
    shares = allocated(found, actual)
    assert all(0 <= share <= leg.quantity_wh for share, leg in zip(shares, found, strict=True))


@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=8), actuals)
def test_the_sum_of_one_sided_trades_is_exactly_what_the_meter_and_the_contracts_allow(
    quantities: list[int], actual: int
) -> None:
    for side, own in ((Side.BUYER, actual), (Side.SELLER, -actual)):
        shares = allocated([Leg(side=side, quantity_wh=wh) for wh in quantities], actual)
        assert sum(shares) == min(max(own, 0), sum(quantities))


@given(legs, actuals)
def test_what_is_netted_never_exceeds_the_meter(found: list[Leg], actual: int) -> None:
    shares = allocated(found, actual)
    pairs = list(zip(shares, found, strict=True))
    net = sum(share if leg.side is Side.BUYER else -share for share, leg in pairs)
    contracted = sum(leg.quantity_wh if leg.side is Side.BUYER else -leg.quantity_wh for leg in found)
    if contracted == 0:
        assert net == 0
    else:
        clamped = min(max(actual, 0), contracted) if contracted > 0 else max(min(actual, 0), contracted)
        assert net == clamped


@given(legs, actuals)
def test_each_share_is_its_exact_share_rounded_by_less_than_one_wh(found: list[Leg], actual: int) -> None:
    net = sum(leg.quantity_wh if leg.side is Side.BUYER else -leg.quantity_wh for leg in found)
    ratio = Decimal(1) if net == 0 else min(max(Decimal(actual) / net, Decimal(0)), Decimal(1))
    for share, leg in zip(allocated(found, actual), found, strict=True):
        assert abs(share - leg.quantity_wh * ratio) < 1


@pytest.mark.parametrize(
    ("pushed", "pulled", "settled"),
    [(None, None, None), (1, None, None), (None, 1, None), (5000, 4000, 4000), (4000, 5000, 4000), (9000, 8000, 6000), (0, 6000, 0)],
)  # fmt: skip
def test_a_trade_settles_at_the_least_once_both_have_reported(
    pushed: int | None, pulled: int | None, settled: int | None
) -> None:
    assert settled_wh(6000, pushed, pulled) == settled


def test_amounts_are_exact() -> None:
    assert amount_inr(6000, Decimal(5)) == Decimal(30)
    assert amount_inr(18_500, Decimal("12.5")) + amount_inr(14_200, Decimal("14.5")) == Decimal("437.15")
    assert amount_inr(1, Decimal("0.01")) == Decimal("0.00001")


@pytest.mark.parametrize(
    ("quantities", "available", "expected"),
    [
        ([10_000, 10_000], 15_000, (7500, 7500)),
        ([5000, 4000], 7000, (3889, 3111)),
        ([10_000] * 3, 20_000, (6667, 6667, 6666)),
        ([7000, 3000], 12_500, (7000, 3000)),
        ([1, 1], 0, (0, 0)),
        ([0, 0], 5, (0, 0)),
        ([], 5, ()),
    ],
)
def test_a_provider_spreads_what_was_measured_pro_rata(
    quantities: list[int], available: int, expected: tuple[int, ...]
) -> None:
    assert pro_rata(quantities, available) == expected
