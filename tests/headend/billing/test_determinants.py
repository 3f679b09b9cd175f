"""A month's determinants: peer energy is billed by the trade and never again by the retailer, and what lacks is no zero."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.billing.determinants import Completeness, MeteredRun, determinants, month_span
from headend.billing.dre import HEADER, Prosumer, returns
from headend.billing.tariff import NO_CHARGES, parse
from headend.readings import Quality
from headend.series import SeriesBlock
from headend.trading.trades import TradeSide, own_sides, settled_wh
from ledger_client.ledger import Trade, TradeStatus
from signing.energy import ONE, Fraction
from signing.errors import DecodeError
from signing.interval import parse_instant
from signing.statements.reading_batch import Origin
from tests.headend.billing.test_tariff import PILOT
from tests.headend.trading.test_posting import TRADE

START = parse_instant("2026-04-01T00:00:00+05:30", "t")


def block(place: int, import_wh: int | None, export_wh: int | None, quality: Quality = Quality.VALID) -> SeriesBlock:
    return SeriesBlock(
        start_utc=START + 900 * place,
        period_s=900,
        quality=quality,
        import_wh=import_wh,
        export_wh=export_wh,
        flags=0,
        origin=Origin.GMAC,
        import_method=None,
        export_method=None,
    )


def run(*blocks: SeriesBlock, expected: int | None = None, factor: Fraction = ONE) -> MeteredRun:
    return MeteredRun(
        meter="M1", factors=(factor,), blocks=blocks, expected=len(blocks) if expected is None else expected
    )


DRAWN = run(block(0, 20_000, 0), block(1, 10_000, 0))
GIVEN = run(block(0, 0, 20_000), block(1, 500, 5_000))


def sides(discom: str, *trades: Trade) -> tuple[TradeSide, ...]:
    return own_sides(trades, discom)


SETTLED = replace(TRADE, pushed_wh=6000, pulled_wh=5500)


def test_the_retailer_bills_what_is_left_of_the_meter_after_the_trades() -> None:
    found = determinants("CP", "2026-04", [DRAWN], sides("TPDDL", SETTLED), NO_CHARGES)
    assert (found.import_wh, found.bought_wh, found.residual_import_wh) == (30_000, 5500, 24_500)
    assert (found.completeness, found.is_final, found.faults) == (Completeness.MEASURED, True, ())


def test_the_buyer_pays_and_the_seller_is_paid_the_price_of_what_settled() -> None:
    bought = determinants("CP", "2026-04", [DRAWN], sides("TPDDL", SETTLED), NO_CHARGES)
    sold = determinants("CP", "2026-04", [GIVEN], sides("PaVVNL", SETTLED), NO_CHARGES)
    assert [(line.name, line.amount_inr) for line in bought.lines] == [("energy", Decimal("27.50"))]
    assert [(line.name, line.amount_inr) for line in sold.lines] == [("energy", Decimal("-27.50"))]
    assert sold.residual_export_wh == 25_000 - 5500


def test_charges_stand_beside_the_price_by_the_tariff() -> None:
    found = determinants("CP", "2026-04", [DRAWN], sides("TPDDL", SETTLED), parse(PILOT, "t"))
    assert [(line.name, str(line.amount_inr)) for line in found.lines] == [
        ("energy", "27.50"),
        ("transaction", "1.16"),
        ("wheeling", "5.56"),
    ]


@pytest.mark.parametrize(
    "trade",
    [
        replace(SETTLED, pushed_wh=None),
        replace(SETTLED, pulled_wh=None),
        replace(SETTLED, status_seller_discom=TradeStatus.PENDING),
        replace(SETTLED, status_buyer_discom=TradeStatus.PENDING, status_seller_discom=TradeStatus.COMPLETED),
    ],
)
def test_a_trade_that_is_not_settled_is_open_and_costs_nothing_yet(trade: Trade) -> None:
    assert settled_wh(trade) is None
    found = determinants("CP", "2026-04", [DRAWN], sides("TPDDL", trade), parse(PILOT, "t"))
    assert (found.bought_wh, found.lines, found.open_trades, found.is_final) == (0, (), ("t_i",), False)


def test_a_trade_is_settled_at_the_lesser_of_both_sides() -> None:
    assert settled_wh(SETTLED) == 5500
    assert settled_wh(replace(SETTLED, pulled_wh=7000)) == 6000


@pytest.mark.parametrize(
    ("runs", "completeness"),
    [
        ([DRAWN], Completeness.MEASURED),
        ([run(block(0, 1, 0, Quality.ESTIMATED))], Completeness.ESTIMATED),
        ([run(block(0, 1, 0, Quality.MANUAL))], Completeness.ESTIMATED),
        ([run(block(0, None, None, Quality.MISSING))], Completeness.INCOMPLETE),
        ([run(block(0, None, None, Quality.SUSPECT))], Completeness.INCOMPLETE),
        ([run(block(0, 1, 0), expected=2)], Completeness.INCOMPLETE),
        ([], Completeness.INCOMPLETE),
    ],
)
def test_a_month_is_worth_its_worst_block(runs: list[MeteredRun], completeness: Completeness) -> None:
    found = determinants("CP", "2026-04", runs, (), NO_CHARGES)
    assert found.completeness is completeness
    assert (found.import_wh is None) == (completeness is Completeness.INCOMPLETE)


def test_what_lacks_gives_no_total_and_what_is_known_is_said_apart() -> None:
    found = determinants("CP", "2026-04", [run(block(0, 700, 20), expected=2)], (), NO_CHARGES)
    assert (found.import_wh, found.export_wh, found.residual_import_wh) == (None, None, None)
    assert (found.known_import_wh, found.known_export_wh, found.blocks[Quality.MISSING]) == (700, 20, 1)
    assert not found.is_final


def test_a_meter_without_an_export_register_gave_nothing_that_is_known() -> None:
    found = determinants("CP", "2026-04", [run(block(0, 700, None))], (), NO_CHARGES)
    assert (found.import_wh, found.export_wh, found.residual_export_wh) == (700, None, None)


def test_factors_scale_each_run_once() -> None:
    halves = run(block(0, 1, 1), block(1, 2, 2), factor=Fraction(1, 2))
    found = determinants("CP", "2026-04", [halves, DRAWN], (), NO_CHARGES)
    assert found.import_wh == 2 + 30_000


def test_more_bought_than_drawn_is_a_fault_and_no_negative_bill() -> None:
    small = run(block(0, 5000, 0))
    found = determinants("CP", "2026-04", [small], sides("TPDDL", SETTLED), NO_CHARGES)
    assert found.faults == ("more was bought than the meter drew: see the ledger's allocations",)
    assert not found.is_final


def test_more_sold_than_given_and_selling_without_an_export_register_are_faults() -> None:
    over = determinants("CP", "2026-04", [run(block(0, 0, 5000))], sides("PaVVNL", SETTLED), NO_CHARGES)
    assert over.faults == ("more was sold than the meter gave: see the ledger's allocations",)
    blind = determinants("CP", "2026-04", [run(block(0, 9, None))], sides("PaVVNL", SETTLED), NO_CHARGES)
    assert blind.faults == ("energy was sold and the meter has no export register: see its record",)


@given(
    energies=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=30),
    pushed=st.integers(0, 10**6),
    pulled=st.integers(0, 10**6),
)
def test_bought_and_residual_are_the_whole_meter(energies: list[tuple[int, int]], pushed: int, pulled: int) -> None:
    blocks = [block(place, imported, exported) for place, (imported, exported) in enumerate(energies)]
    traded = replace(TRADE, pushed_wh=pushed, pulled_wh=pulled)
    found = determinants("CP", "2026-04", [run(*blocks)], sides("TPDDL", traded), NO_CHARGES)
    assert found.residual_import_wh is not None
    assert found.residual_import_wh + found.bought_wh == sum(imported for imported, _ in energies)


@pytest.mark.parametrize(
    ("month", "start", "end"),
    [
        ("2026-04", "2026-04-01T00:00:00+05:30", "2026-05-01T00:00:00+05:30"),
        ("2026-12", "2026-12-01T00:00:00+05:30", "2027-01-01T00:00:00+05:30"),
        ("2028-02", "2028-02-01T00:00:00+05:30", "2028-03-01T00:00:00+05:30"),
    ],
)
def test_a_month_is_one_of_indian_time(month: str, start: str, end: str) -> None:
    span = month_span(month)
    assert (span.start_utc, span.end_utc) == (parse_instant(start, "t"), parse_instant(end, "t"))


@pytest.mark.parametrize("text", ["2026-13", "2026", "April", "2026-04-01", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="a month such as 2026-04"):
        month_span(text)


# what returns are told


def test_a_return_has_a_row_for_whoever_generates_or_buys_from_a_peer_and_absent_cells_are_empty() -> None:
    sold = determinants("CP-1", "2026-04", [GIVEN], sides("PaVVNL", SETTLED), NO_CHARGES)
    plain = determinants("CP-2", "2026-04", [run(block(0, 5, 0))], (), NO_CHARGES)
    lacking = determinants("CP-0", "2026-04", [run(block(0, None, None, Quality.MISSING))], (), NO_CHARGES)
    rows = [
        Prosumer(determinants=sold, installed_w=5000, generated_wh=26_000),
        Prosumer(determinants=plain, installed_w=None, generated_wh=None),
        Prosumer(determinants=lacking, installed_w=3000, generated_wh=None),
    ]
    header, *lines = returns(rows).splitlines()
    assert header == ",".join(HEADER)
    assert lines == [
        "2026-04,CP-0,3.000,,,0.000,,0.000,INCOMPLETE",
        "2026-04,CP-1,5.000,26.000,25.000,5.500,19.500,0.000,MEASURED",
    ]
