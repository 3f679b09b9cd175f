"""Work orders: each cause is found where it is, and a round goes along one feeder."""

from dataclasses import replace

import pytest

from headend.duties.work_orders import HEADER, OF_RULE, Cause, WorkOrder, sheet
from headend.registry.dated import Dated
from headend.registry.supply import Supply
from headend.series import Day, Note
from headend.store.sqlite import day_rows, supply_rows
from headend.watching.field_work import FieldWork
from signing.interval import DAY_S
from signing.statements.meter_record import Place
from signing.statements.window_actual import Verdict
from tests.headend.days.network import DT, OWN, Network, connected
from tests.headend.days.test_validating import FULL, REGISTERS, settle, stored, validating
from tests.headend.discom import METER, log_rules, stated
from tests.headend.premises import DAY, NOW, Gateway, Headend, gateway
from tests.headend.sheets import applied
from tests.headend.sheets import row as sheet_row

MORNING = DAY + DAY_S + 3600


@pytest.fixture
def one(headend: Headend) -> Gateway:
    log_rules(headend)
    found = gateway()
    headend.enrol(found)
    return found


def orders(headend: Headend, at: int = MORNING) -> list[tuple[Cause, str]]:
    work = FieldWork(database=headend.database, registry=headend.registry, silent_after_s=7200)
    return [(order.cause, order.what) for order in work.orders(at)]


def test_a_meter_that_works_sends_nobody(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    settle(validating(headend))
    assert orders(headend) == []


@pytest.mark.parametrize(("late_s", "seen"), [(7200, 0), (7201, 1)])
def test_a_silent_meter_sends_somebody(headend: Headend, one: Gateway, late_s: int, seen: int) -> None:
    headend.take_in(stated(one, 0, FULL))
    assert orders(headend, DAY + DAY_S + late_s) == [(Cause.SILENT, "no block since then")] * seen


def test_a_fork_sends_somebody_until_its_good_branch_is_named(headend: Headend, one: Gateway) -> None:
    first = stated(one, 0, FULL)
    one.chains[METER].clear()
    other = stated(one, 0, [wh + 1 for wh in FULL if wh is not None])
    headend.take_in(first, other)
    assert [cause for cause, _ in orders(headend)] == [Cause.FORK]
    headend.registrar.name_good(METER, one.kid, Place(sequence=0, digest=first.digest), at_utc=NOW)
    headend.registry.reload()
    assert orders(headend) == []


@pytest.mark.parametrize(("rule", "cause"), sorted(OF_RULE.items()))
def test_a_finding_of_the_last_days_sends_somebody_and_an_old_one_does_not(
    headend: Headend,
    one: Gateway,
    rule: str,
    cause: Cause,
) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    settle(validating(headend))
    note = Note(rule=rule, version=1, block_utc=DAY + 900, verdict=Verdict.SUSPECT, code="X", because="why")
    with headend.database.transaction() as connection:
        day_rows.put(connection, replace(stored(headend), notes=(note,)), at_utc=NOW)
    assert (cause, "why") in orders(headend)
    assert (cause, "why") not in orders(headend, DAY + 4 * DAY_S)


def test_a_balance_that_was_never_seen_sends_somebody_to_the_transformer_and_to_no_consumer(headend: Headend) -> None:
    connected(headend)
    network = Network(headend)
    network.history()
    network.gave(0, 100)
    network.settle()
    work = FieldWork(database=headend.database, registry=headend.registry, silent_after_s=7200)
    assert Cause.LOSS not in {order.cause for order in work.orders(MORNING)}
    network.gave(0, 400)
    network.settle()
    (order,) = [order for order in work.orders(MORNING) if order.cause is Cause.LOSS]
    assert (order.meter, order.connection_point) == (OWN, DT)
    assert (order.feeder, order.dt) == ("F7", DT)
    assert order.what == "transformer DT-7 lacks 400 Wh, 1200 Wh in the 12 days before"


def test_a_feeders_order_names_the_feeder_and_no_transformer(headend: Headend) -> None:
    connected(headend)
    applied(headend, sheet_row(98, connection_point="F7", role="CHECK"))
    note = Note(rule="V29", version=1, block_utc=DAY, verdict=Verdict.VALID, code="BALANCE", because="why")
    day = Day(meter="SKS00000098", start_utc=DAY, rule_set=bytes(32), blocks=(), notes=(note,))
    with headend.database.transaction() as connection:
        day_rows.put(connection, day, at_utc=NOW)
    (order,) = FieldWork(database=headend.database, registry=headend.registry, silent_after_s=7200).orders(MORNING)
    assert (order.cause, order.feeder, order.dt) == (Cause.LOSS, "F7", None)


def test_a_note_that_takes_nothing_away_sends_nobody(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    settle(validating(headend))
    note = Note(rule="V23", version=1, block_utc=None, verdict=Verdict.VALID, code="SUM", because="balances")
    with headend.database.transaction() as connection:
        day_rows.put(connection, replace(stored(headend), notes=(note,)), at_utc=NOW)
    assert orders(headend) == []


def test_an_order_names_feeder_transformer_and_gateway(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL))
    with headend.database.transaction() as connection:
        supply_rows.put_supplies(connection, f"CP-{METER}", (Dated(from_utc=0, value=Supply(feeder="F7", dt="T3")),))
    work = FieldWork(database=headend.database, registry=headend.registry, silent_after_s=7200)
    (order,) = work.orders(DAY + 2 * DAY_S)
    assert (order.feeder, order.dt, order.gateway) == ("F7", "T3", "gw-1")


def test_a_sheet_goes_along_feeders_and_names_no_customer() -> None:
    first = WorkOrder(
        cause=Cause.SILENT,
        feeder="F7",
        dt=None,
        connection_point="CP-1",
        meter="M1",
        gateway=None,
        since_utc=DAY,
        what="no block, since then",
    )
    rows = sheet([replace(first, feeder="F8"), first, replace(first, cause=Cause.FORK)]).splitlines()
    assert rows[0] == ",".join(HEADER)
    assert [row.split(",")[:2] for row in rows[1:]] == [["FORK", "F7"], ["SILENT", "F7"], ["SILENT", "F8"]]
    assert rows[2] == 'SILENT,F7,,CP-1,M1,,2026-04-26 00:00:00 IST,"no block, since then"'
