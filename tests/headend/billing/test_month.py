"""A month read from a real head-end: validated days, trades of the ledger, factors and exchanges of meters."""

from dataclasses import replace

import pytest

from headend.billing.determinants import Completeness, month_span
from headend.billing.month import Month
from headend.billing.tariff import NO_CHARGES
from headend.days.validating import Validating
from headend.onboarding.device_exchange import Order, exchange_of, exchange_sheet
from headend.onboarding.enrol import Application, MeterFacts
from headend.readings import Quality
from headend.registry.supply import RegisterPair
from headend.settings.series import SeriesSettings
from headend.store.sqlite import postings
from signing.interval import DAY_S, Interval
from tests.headend.days.test_validating import FULL, REGISTERS
from tests.headend.discom import METER, SUBJECT, log_rules, stated
from tests.headend.premises import DAY, Headend, fact, gateway
from tests.headend.settling import NAME, Settling
from tests.headend.sheets import applied, importer, row
from tests.headend.two_persons import edited, register
from tests.ledger_client.rehearsal import NOW, SELLER_DISCOM

POINT = SUBJECT.connection_point
APRIL_26 = "2026-04"


def month(settling: Settling) -> Month:
    return Month(
        database=settling.headend.database,
        registry=settling.headend.registry,
        discom=SELLER_DISCOM,
        tariff=NO_CHARGES,
    )


def validated(settling: Settling) -> None:
    work = Validating(
        database=settling.headend.database,
        registry=settling.headend.registry,
        key=settling.headend.statement_signer.public_key,
        settings=SeriesSettings(after_s=0, quiet_s=0, holidays=frozenset()),
    )
    work.step(DAY)
    while work.step(DAY + 2 * DAY_S):
        pass


def test_a_month_with_one_day_of_blocks_is_incomplete_and_says_what_is_known(settling: Settling) -> None:
    settling.headend.take_in(stated(settling.gateway, 0, FULL, registers=REGISTERS))
    validated(settling)
    found = month(settling).determinants(POINT, APRIL_26)
    assert found.completeness is Completeness.INCOMPLETE
    assert (found.known_import_wh, found.known_export_wh) == (9600, 480)
    assert (found.blocks[Quality.VALID], found.blocks[Quality.MISSING]) == (96, 29 * 96)
    assert found.meters == (METER,)


def test_the_trades_of_the_month_stand_beside_the_meter(settling: Settling) -> None:
    settling.headend.take_in(stated(settling.gateway, 0, FULL, registers=REGISTERS))
    settling.trade()
    settling.step(NOW)
    found = month(settling).determinants(POINT, APRIL_26)
    assert len(found.open_trades) == 1
    trades = postings.trades_from(settling.headend.database.connection, 0)
    with settling.headend.database.transaction() as connection:
        postings.put_trades(connection, [replace(one, pushed_wh=40, pulled_wh=30) for one in trades], NOW)
    found = month(settling).determinants(POINT, APRIL_26)
    assert (found.sold_wh, found.bought_wh, found.open_trades) == (30, 0, ())


@pytest.mark.parametrize(
    ("start", "end", "seen"),
    [
        (SUBJECT.window.start_utc - 900, SUBJECT.window.start_utc, 0),
        (SUBJECT.window.start_utc - 900, SUBJECT.window.start_utc + 1, 1),
        (SUBJECT.window.end_utc - 1, SUBJECT.window.end_utc + 900, 1),
        (SUBJECT.window.end_utc, SUBJECT.window.end_utc + 900, 0),
    ],
)
def test_the_look_up_finds_a_trade_exactly_where_it_is(settling: Settling, start: int, end: int, seen: int) -> None:
    settling.trade()
    settling.step(NOW)
    slots = month(settling).slots(NAME, Interval(start, end))
    assert [slot.side for slot in slots] == ["SELLER"] * seen
    assert month(settling).slots("OTHER", Interval(start, end)) == ()


@pytest.mark.parametrize(("start", "seen"), [(-1, 0), (0, 1), (30 * DAY_S - 1, 1), (30 * DAY_S, 0)])
def test_a_trade_belongs_to_the_month_in_which_its_delivery_begins(settling: Settling, start: int, seen: int) -> None:
    april = DAY - 25 * DAY_S
    settling.trade()
    settling.step(NOW)
    (trade,) = postings.trades_from(settling.headend.database.connection, 0)
    window = Interval(april + start, april + start + 3600)
    with settling.headend.database.transaction() as connection:
        postings.put_trades(connection, [replace(trade, window=window)], NOW)
    sides = month(settling).sides(POINT, Interval(april, april + 30 * DAY_S))
    assert len(sides) == seen


def test_every_connection_point_with_a_revenue_meter_is_billed(settling: Settling) -> None:
    assert month(settling).points() == (POINT,)


def test_a_connection_point_that_nobody_knows_is_incomplete(settling: Settling) -> None:
    assert month(settling).determinants("CP-NOBODY", APRIL_26).completeness is Completeness.INCOMPLETE


def test_a_prosumer_has_its_installed_power_and_no_generation_without_a_meter_for_it(settling: Settling) -> None:
    found = month(settling).prosumer(POINT, APRIL_26)
    assert (found.installed_w, found.generated_wh) == (None, None)


def test_nothing_is_expected_of_the_time_before_a_connection_began(headend: Headend) -> None:
    log_rules(headend)
    one = gateway()
    began = DAY + 2 * DAY_S
    facts = MeterFacts(facts=(fact(METER, from_utc=began),), blocks_from_utc=0)
    headend.registrar.enrol(Application(file=one.file(), meters={METER: facts}, shard=0), at_utc=DAY)
    found = Month(database=headend.database, registry=headend.registry, discom=SELLER_DISCOM, tariff=NO_CHARGES)
    left = month_span(APRIL_26).end_utc - began
    assert found.determinants(POINT, APRIL_26).blocks[Quality.MISSING] == left // 900
    assert found.determinants(POINT, "2026-03").completeness is Completeness.INCOMPLETE


def test_the_block_that_an_exchange_cuts_is_missing_until_two_persons_say_what_it_is_worth(settling: Settling) -> None:
    # At 11:07 the device changes under the same id: the block from 11:00 is neither device's.
    headend, at_utc = settling.headend, DAY + 11 * 3600 + 420
    order = Order(
        connection_point=POINT,
        old_meter=METER,
        new_meter=METER,
        at_utc=at_utc,
        closing=RegisterPair(import_wh=5440, export_wh=220),
        opening=RegisterPair(import_wh=0, export_wh=0),
        cells={"identity": "NEW"},
    )
    exchange = exchange_of(order, by="asha", now_utc=at_utc)
    importer(headend).apply(exchange_sheet(headend.registry, order), by="asha", at_utc=at_utc, exchange=exchange)
    headend.take_in(
        stated(settling.gateway, 0, FULL[:44]),
        stated(settling.gateway, 11, (None, *FULL[45:]), identity="NEW"),
    )
    validated(settling)
    found = month(settling).determinants(POINT, APRIL_26)
    assert (found.blocks[Quality.VALID], found.blocks[Quality.MISSING]) == (95, 29 * 96 + 1)
    register(headend)
    edited(headend, {DAY + 11 * 3600: (77, 3)})
    validated(settling)
    found = month(settling).determinants(POINT, APRIL_26)
    assert (found.blocks[Quality.MANUAL], found.blocks[Quality.MISSING]) == (1, 29 * 96)
    assert (found.known_import_wh, found.known_export_wh) == (9600 - 99 + 77, 480 - 5 + 3)


@pytest.mark.parametrize(("begins", "point"), [(-1, POINT), (0, "CP-2")])
def test_a_trade_under_a_name_that_moved_is_billed_where_the_name_was_when_it_began(
    settling: Settling, begins: int, point: str
) -> None:
    moved = "2026-04-27"
    applied(
        settling.headend,
        {**row(1, since=moved, identity=METER, connection_point=POINT), "posted_as": "-"},
        {**row(2, since=moved), "posted_as": NAME},
    )
    settling.trade()
    settling.step(NOW)
    (trade,) = postings.trades_from(settling.headend.database.connection, 0)
    start = DAY + DAY_S + begins
    with settling.headend.database.transaction() as connection:
        postings.put_trades(connection, [replace(trade, window=Interval(start, start + 3600))], NOW)
    reader, april = month(settling), month_span(APRIL_26)
    assert [one for one in (POINT, "CP-2") if reader.sides(one, april)] == [point]
