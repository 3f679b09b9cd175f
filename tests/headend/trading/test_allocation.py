"""The rules of allocation and settlement: every published vector, and the laws that hold for all."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.trading.allocation import (
    NET_RATIO,
    PRO_RATA,
    RULES,
    VARIANTS,
    Basis,
    Deviation,
    Leg,
    Measured,
    Rates,
    SettledInterval,
    Tariff,
    amount,
    capped,
    compared,
    deviation,
    net_ratio,
    pro_rata,
    residual_wh,
    revenue_flows,
    round2,
    settled_wh,
    three_rounds,
)
from ledger_client.ledger import Side
from ledger_client.sandbox import allocation as sandbox
from signing.energy import MAX_WH


def buy(wh: int, trade: str = "t") -> Leg:
    return Leg(trade=trade, side=Side.BUYER, quantity_wh=wh)


def sell(wh: int, trade: str = "t") -> Leg:
    return Leg(trade=trade, side=Side.SELLER, quantity_wh=wh)


INR = Fraction

# --- the vectors of the settlement note, the guide, the ledger and the contract policy, by their numbers


def test_vector_1_one_trade_settles_at_what_the_seller_gave() -> None:
    (bought,), (sold,) = pro_rata([10_000], 15_000), pro_rata([10_000], 8000)
    assert (bought, sold) == (10_000, 8000)
    settled = settled_wh(pushed_wh=sold, pulled_wh=bought)
    assert settled == 8000
    assert amount(settled, INR(6)) == 48
    grid = residual_wh(15_000, [settled])
    assert grid == 7000
    assert amount(grid, INR(10)) == 70


def test_vector_2_two_trades_share_a_meter_alike() -> None:
    assert pro_rata([10_000, 10_000], 15_000) == (7500, 7500)


def test_vector_3_the_published_market_settles_at_22_and_a_half() -> None:
    seller_1, seller_2 = pro_rata([10_000, 10_000], 15_000), pro_rata([10_000], 10_000)
    buyer_1, buyer_2 = pro_rata([10_000, 10_000], 15_000), pro_rata([10_000], 10_000)
    sold = (seller_1[0], *seller_2, seller_1[1])
    bought = (*buyer_1, *buyer_2)
    assert (sold, bought) == ((7500, 10_000, 7500), (7500, 7500, 10_000))
    rounds = three_rounds(sold, bought)
    assert [one.settled_wh for one in rounds] == [7500, 7500, 7500]
    assert sum(one.settled_wh for one in rounds) == 22_500


def test_vector_4_the_tight_market_settles_at_its_optimum_where_first_come_first_served_gives_100() -> None:
    of_both = pro_rata([100_000, 100_000], 100_000)
    of_one = pro_rata([100_000], 100_000)
    rounds = three_rounds((of_both[0], *of_one, of_both[1]), (*of_both, *of_one))
    assert sum(one.settled_wh for one in rounds) == 150_000


def test_vector_5_three_rounds_of_one_trade() -> None:
    (sold,), (bought,) = pro_rata([100_000], 70_000), pro_rata([100_000], 80_000)
    (rounds,) = three_rounds([sold], [bought])
    assert (rounds.first_pushed_wh, rounds.pulled_wh, rounds.pushed_wh) == (70_000, 70_000, 70_000)
    assert rounds.settled_wh == 70_000
    trade = amount(rounds.settled_wh, INR(6))
    grid = amount(residual_wh(80_000, [rounds.settled_wh]), INR(10))
    assert [trade, grid, trade + grid] == [INR(420), INR(100), INR(520)]


@pytest.mark.parametrize(
    ("traded_kwh", "load_kwh", "generation_kwh", "expected"),
    [(100, 80, 70, (520, 360, -80, 240)), (10, 8, 7, (52, 36, -8, 24))],
    ids=["vector 6", "vector 7"],
)
def test_vectors_6_and_7_the_deviation_method(
    traded_kwh: int, load_kwh: int, generation_kwh: int, expected: tuple[int, ...]
) -> None:
    found = deviation(
        traded_wh=traded_kwh * 1000,
        price=INR(6),
        load_wh=load_kwh * 1000,
        generation_wh=generation_kwh * 1000,
        buyer_tariff=Tariff(import_inr_per_kwh=INR(10), export_inr_per_kwh=INR(4)),
        seller_tariff=Tariff(import_inr_per_kwh=INR(8), export_inr_per_kwh=INR(3)),
    )
    flows = [found.buyer_pays, found.seller_gets, found.buyer_utility_gets, found.seller_utility_gets]
    assert flows == [INR(one) for one in expected]
    assert found.buyer_pays == found.seller_gets + found.buyer_utility_gets + found.seller_utility_gets


def test_vector_8_thirds_are_rounded_to_the_meter() -> None:
    assert pro_rata([5000, 4000], 7000) == (3889, 3111)


@pytest.mark.parametrize(
    ("net_wh", "legs", "expected"),
    [
        (12_500, [buy(7000), buy(3000)], (7000, 3000)),
        (-8000, [sell(6000), sell(4000)], (4800, 3200)),
        (-12_000, [sell(6000), sell(4000)], (6000, 4000)),
        (3000, [sell(6000), sell(4000)], (0, 0)),
        (-1000, [buy(7000)], (0,)),
        (-1500, [buy(5000), sell(8000)], (2500, 4000)),
        (-1500, [buy(5000), sell(5000)], (5000, 5000)),
        (0, [buy(5000), sell(5000)], (5000, 5000)),
        (99_000, [buy(5000), sell(5000)], (5000, 5000)),
    ],
    ids=["9", "10", "11a", "11b", "11c", "12", "13a", "13b", "13c"],
)
def test_vectors_9_to_13_the_net_ratio(net_wh: int, legs: list[Leg], expected: tuple[int, ...]) -> None:
    assert net_ratio(legs, net_wh) == expected


def test_vector_14_the_flows_of_the_settled_example() -> None:
    flows = revenue_flows(
        [
            SettledInterval(requested_wh=20_500, final_wh=18_500, price=INR("12.5")),
            SettledInterval(requested_wh=15_500, final_wh=14_200, price=INR("14.5")),
        ]
    )
    assert [flows.buyer, flows.seller] == [INR("-437.15"), INR("437.15")]
    assert [flows.buyer_discom, flows.seller_discom] == [INR(0), INR(0)]
    assert (flows.final_wh, flows.shortfall_wh) == (32_700, 3300)


def test_vector_15_the_flows_of_the_guides_example() -> None:
    flows = revenue_flows([SettledInterval(requested_wh=20_500, final_wh=20_000, price=INR("12.5"))])
    assert [flows.buyer, flows.seller, flows.buyer_discom, flows.seller_discom] == [INR(-250), INR(250), INR(0), INR(0)]
    assert flows.shortfall_wh == 500


def test_vector_16_the_published_rounding_gives_more_than_was_measured_and_ours_does_not() -> None:
    published = [round(10 * min(1, 20 / 30), 3) for _ in range(3)]
    assert sum(Decimal(str(one)) for one in published) == Decimal("20.001")
    assert pro_rata([10_000] * 3, 20_000) == (6667, 6667, 6666)
    assert sum(pro_rata([10_000] * 3, 20_000)) == 20_000


def test_vector_17_the_third_round_gives_nothing_to_whoever_could_take_more() -> None:
    sold = pro_rata([10_000, 10_000], 15_000)
    bought = (*pro_rata([10_000], 5000), *pro_rata([10_000], 10_000))
    rounds = three_rounds(sold, bought)
    assert [one.first_pushed_wh for one in rounds] == [7500, 7500]
    assert [one.pulled_wh for one in rounds] == [5000, 7500]
    assert [one.pushed_wh for one in rounds] == [5000, 7500]
    assert 15_000 - sum(one.settled_wh for one in rounds) == 2500


# --- laws

quantities = st.lists(st.integers(0, 50_000), max_size=8)
meters = st.integers(0, 200_000)
legs = st.lists(
    st.builds(Leg, trade=st.text("abc", max_size=2), side=st.sampled_from(Side), quantity_wh=st.integers(0, 50_000)),
    max_size=8,
    unique_by=lambda leg: (leg.trade, leg.side),
)
measurements = st.builds(Measured, imported_wh=meters, exported_wh=meters)


@given(quantities, meters)
def test_shares_add_up_to_the_meter_or_the_trades_to_the_wh(found: list[int], meter: int) -> None:
    shares = pro_rata(found, meter)
    assert sum(shares) == min(meter, sum(found))
    for share, quantity in zip(shares, found, strict=True):
        assert 0 <= share <= quantity
        if sum(found):
            assert abs(share - Fraction(quantity * min(meter, sum(found)), sum(found))) < 1


@given(legs, measurements, st.sampled_from(Basis))
def test_no_rule_gives_a_leg_more_than_its_contract(found: list[Leg], measured: Measured, basis: Basis) -> None:
    for rule in RULES.values():
        shares = rule.shares(found, measured, basis)
        assert set(shares) == set(found)
        assert all(0 <= share <= leg.quantity_wh for leg, share in shares.items())


@given(legs, measurements, st.sampled_from(Basis))
def test_pro_rata_never_gives_a_side_more_than_was_measured(found: list[Leg], measured: Measured, basis: Basis) -> None:
    shares = PRO_RATA.shares(found, measured, basis)
    for side in Side:
        given = sum(share for leg, share in shares.items() if leg.side is side)
        assert given <= measured.available_wh(side, basis)


@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=8), st.sampled_from(Side), meters)
def test_the_net_ratio_of_one_sided_trades_never_exceeds_the_meter(found: list[int], side: Side, meter: int) -> None:
    net = meter if side is Side.BUYER else -meter
    shares = net_ratio([Leg(trade="t", side=side, quantity_wh=one) for one in found], net)
    assert shares == pro_rata(found, meter)


@given(legs, measurements, st.sampled_from(Basis), st.randoms())
def test_the_order_of_trades_makes_no_difference(
    found: list[Leg], measured: Measured, basis: Basis, random: object
) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for rule in RULES.values():
        assert rule.shares(found, measured, basis) == rule.shares(shuffled, measured, basis)


@given(st.lists(st.tuples(meters, meters), max_size=5))
def test_three_rounds_settle_at_the_lower_word_and_only_ever_go_down(found: list[tuple[int, int]]) -> None:
    rounds = three_rounds([seller for seller, _ in found], [buyer for _, buyer in found])
    for one, (seller, buyer) in zip(rounds, found, strict=True):
        assert one.settled_wh == min(seller, buyer)
        assert one.pushed_wh <= one.first_pushed_wh
        assert one.pulled_wh <= one.first_pushed_wh


@given(
    st.lists(
        st.builds(
            SettledInterval,
            requested_wh=meters,
            final_wh=meters,
            price=st.fractions(0, 100, max_denominator=10_000),
        ),
        max_size=5,
    ),
    st.fractions(0, 2, max_denominator=1000),
)
def test_flows_leave_nothing_over(found: list[SettledInterval], rate: Fraction) -> None:
    flows = revenue_flows(found, Rates(buyer_wheeling=rate, seller_wheeling=rate / 2, penalty=rate / 3))
    assert flows.buyer + flows.seller + flows.buyer_discom + flows.seller_discom == 0
    for one in (flows.buyer, flows.seller, flows.buyer_discom, flows.seller_discom):
        assert (one * 100).denominator == 1


# --- boundaries


def test_nothing_is_spread_where_nothing_was_traded_or_measured() -> None:
    assert pro_rata([], 5000) == ()
    assert pro_rata([0, 0], 5000) == (0, 0)
    assert pro_rata([5000], 0) == (0,)
    assert net_ratio([], 5000) == ()


def test_what_is_over_goes_to_the_largest_remainder_and_then_to_the_earlier_trade() -> None:
    assert pro_rata([1, 1, 1], 1) == (1, 0, 0)
    assert pro_rata([1, 2], 2) == (1, 1)
    shares = PRO_RATA.shares([sell(1, "b"), sell(1, "a")], Measured(imported_wh=0, exported_wh=1), Basis.NET)
    assert {leg.trade: share for leg, share in shares.items()} == {"a": 1, "b": 0}


def test_a_discom_that_hears_nothing_keeps_its_own_share() -> None:
    assert capped(5, None) == 5
    assert (capped(5, 4), capped(4, 5), capped(5, 0)) == (4, 4, 0)


def test_the_basis_decides_what_a_meter_that_imports_and_exports_can_sell() -> None:
    measured = Measured(imported_wh=3000, exported_wh=5000)
    assert measured.net_wh == -2000
    assert (measured.available_wh(Side.SELLER, Basis.NET), measured.available_wh(Side.SELLER, Basis.GROSS)) == (
        2000, 5000,
    )  # fmt: skip
    assert (measured.available_wh(Side.BUYER, Basis.NET), measured.available_wh(Side.BUYER, Basis.GROSS)) == (0, 3000)


def test_the_report_shows_where_the_rules_disagree() -> None:
    measured = Measured(imported_wh=3000, exported_wh=5000)
    (line,) = compared([sell(4000)], measured)
    assert line.differs
    assert {str(variant): share for variant, share in line.shares_wh.items()} == {
        "pro-rata-3-rounds v1, net": 2000,
        "pro-rata-3-rounds v1, gross": 4000,
        "net-ratio v1, net": 2000,
    }
    assert [str(one) for one in line.explained_by(2000)] == ["pro-rata-3-rounds v1, net", "net-ratio v1, net"]
    assert line.explained_by(1) == ()


def test_the_rules_agree_on_a_meter_that_only_sells_and_only_exports() -> None:
    lines = compared([sell(6000, "a"), sell(4000, "b")], Measured(imported_wh=0, exported_wh=8000))
    assert [line.leg.trade for line in lines] == ["a", "b"]
    assert not any(line.differs for line in lines)
    assert [set(line.shares_wh.values()) for line in lines] == [{4800}, {3200}]


def test_the_rules_disagree_on_trades_that_net_to_nothing() -> None:
    bought, sold = compared([sell(5000), buy(5000)], Measured(imported_wh=0, exported_wh=0))
    assert [set(line.shares_wh.values()) for line in (bought, sold)] == [{0, 5000}, {0, 5000}]
    assert bought.explained_by(5000) == (VARIANTS[2],)


def test_the_rules_are_named_and_versioned() -> None:
    assert RULES == {"pro-rata-3-rounds v1": PRO_RATA, "net-ratio v1": NET_RATIO}


@pytest.mark.parametrize(
    ("value", "expected"), [("0.005", "0.01"), ("-0.005", "-0.01"), ("0.0049", "0"), ("1.234", "1.23")]
)
def test_paise_are_rounded_half_away_from_zero(value: str, expected: str) -> None:
    assert round2(Fraction(value)) == Fraction(expected)


def test_only_totals_are_rounded() -> None:
    third = SettledInterval(requested_wh=1, final_wh=1, price=INR(4))
    assert revenue_flows([third] * 2).seller == Fraction("0.01")
    assert revenue_flows([third]).seller == 0


def test_rates_are_charged_to_who_pays_them() -> None:
    settled = [SettledInterval(requested_wh=3000, final_wh=2000, price=INR(10))]
    flows = revenue_flows(settled, Rates(buyer_wheeling=INR("0.42"), seller_wheeling=INR("0.1"), penalty=INR(2)))
    assert [flows.buyer, flows.seller] == [INR(-20) + 2 - INR("0.84"), INR(20) - 2 - INR("0.2")]
    assert [flows.buyer_discom, flows.seller_discom] == [INR("0.84"), INR("0.2")]


def test_a_retailer_is_left_with_nothing_rather_than_less() -> None:
    assert residual_wh(5, [3, 3]) == 0


def test_whoever_draws_more_or_gives_more_than_traded_deals_at_the_other_rate() -> None:
    tariff = Tariff(import_inr_per_kwh=INR(10), export_inr_per_kwh=INR(4))
    found = deviation(
        traded_wh=1000, price=INR(6), load_wh=2000, generation_wh=3000, buyer_tariff=tariff, seller_tariff=tariff
    )
    assert found == Deviation(
        buyer_pays=INR(16), seller_gets=INR(14), buyer_utility_gets=INR(10), seller_utility_gets=INR(-8)
    )


@pytest.mark.parametrize("wrong", [-1, MAX_WH + 1, 1.0, True])
def test_an_energy_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="imported_wh"):
        Measured(imported_wh=wrong, exported_wh=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="exported_wh"):
        Measured(imported_wh=0, exported_wh=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="quantity_wh"):
        buy(wrong)  # type: ignore[arg-type]
    buy(MAX_WH)
    assert Measured(imported_wh=MAX_WH, exported_wh=MAX_WH).net_wh == 0


@given(legs, meters, st.sampled_from(Side))
def test_the_sandbox_that_shares_no_code_comes_to_the_same(found: list[Leg], meter: int, side: Side) -> None:
    ordered = [sandbox.Leg(side=leg.side, quantity_wh=leg.quantity_wh) for leg in found]
    net = meter if side is Side.BUYER else -meter
    assert net_ratio(found, net) == sandbox.allocated(ordered, net)
    amounts = [leg.quantity_wh for leg in found]
    assert pro_rata(amounts, meter) == sandbox.pro_rata(amounts, meter)
