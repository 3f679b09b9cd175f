"""An exchange of devices, from the operator's order to a window of two parts that verifies."""

from dataclasses import replace

import pytest

from headend.onboarding.device_exchange import ExchangeRefusedError, Order, cut_block, exchange_of, exchange_sheet
from headend.onboarding.enrol import Application, MeterFacts
from headend.registry.report import Outcome as Imported
from headend.registry.supply import RegisterPair
from headend.store.sqlite import supply_rows
from headend.windows import judge
from signing.statements.meter_record import Role
from signing.statements.window_actual import Status, WindowActual
from signing.verify import Outcome, verify
from tests.headend.discom import LATER, METER, SUBJECT, attestor, exported, log_rules, stated, trust
from tests.headend.premises import DAY, NOW, Gateway, Headend, gateway
from tests.headend.sheets import importer
from tests.headend.two_persons import edited, register

ELEVEN = DAY + 11 * 3600
POINT = SUBJECT.connection_point
HOUR = (100,) * 4


@pytest.fixture
def premises(headend: Headend) -> Gateway:
    log_rules(headend)
    one = gateway()
    headend.enrol(one)
    return one


def order(at_utc: int = ELEVEN, *, new_meter: str = METER, identity: str = "NEW", **cells: str) -> Order:
    return Order(
        connection_point=POINT,
        old_meter=METER,
        new_meter=new_meter,
        at_utc=at_utc,
        closing=RegisterPair(import_wh=7400, export_wh=0),
        opening=RegisterPair(import_wh=0, export_wh=0),
        cells={"identity": identity} | cells,
    )


def exchanged(headend: Headend, what: Order) -> Imported:
    outcome = importer(headend).apply(
        exchange_sheet(headend.registry, what),
        by="asha",
        at_utc=NOW,
        exchange=exchange_of(what, by="asha", now_utc=NOW),
    )
    assert outcome.is_applied
    return outcome


def attested(headend: Headend) -> WindowActual:
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    assert verify(exported(headend, signed.digest), trust(headend), judge).outcome is Outcome.VALID
    return signed.statement


def test_a_device_under_the_same_id_settles_its_own_part(headend: Headend, premises: Gateway) -> None:
    outcome = exchanged(headend, order(factor="1/2"))
    assert outcome.records == 1
    headend.take_in(
        stated(premises, 10, HOUR, registers=((10, 7000), (11, 7400))),
        stated(premises, 11, HOUR, registers=((11, 0), (12, 400)), identity="NEW"),
    )
    actual = attested(headend)
    assert actual.status is Status.FINAL
    assert actual.totals is not None
    assert actual.totals.import_wh == 400 + 200
    assert [(part.meter, part.span.start_utc) for part in actual.parts] == [(METER, DAY + 36_000), (METER, ELEVEN)]


def test_a_device_under_another_id_settles_its_own_part(headend: Headend, premises: Gateway) -> None:
    exchanged(headend, order(new_meter="SKS-NEW", identity="SKS-NEW"))
    other = gateway(2, ["SKS-NEW"])
    keeping = {"SKS-NEW": MeterFacts(facts=(), blocks_from_utc=ELEVEN)}
    headend.registrar.enrol(Application(file=other.file(), meters=keeping, shard=0), at_utc=NOW)
    headend.take_in(stated(premises, 10, HOUR, registers=((10, 7000), (11, 7400))))
    headend.take_in(
        stated(other, 11, HOUR, registers=((11, 0), (12, 400)), meter="SKS-NEW"), topic="sakshi/1/0/gw-2/up"
    )
    actual = attested(headend)
    assert actual.status is Status.FINAL
    assert [part.meter for part in actual.parts] == [METER, "SKS-NEW"]
    assert headend.record(METER).number == 0


def test_the_block_that_it_cuts_is_missing_and_its_registers_are_kept(headend: Headend, premises: Gateway) -> None:
    what = order(ELEVEN + 420)
    assert cut_block(headend.registry, what) == (
        "2026-04-26 11:07:00 IST cuts a block of 900 s: it is missing until two persons edit it by these registers"
    )
    assert cut_block(headend.registry, order()) is None
    outcome = exchanged(headend, what)
    assert any("cuts a block" in warning for warning in outcome.plan.warnings)
    headend.take_in(stated(premises, 10, HOUR), stated(premises, 11, (None, *HOUR[1:]), identity="NEW"))
    actual = attested(headend)
    assert (actual.status, actual.reason) == (Status.PENDING, "1 of 8 blocks missing")
    assert [part.counts.missing for part in actual.parts] == [1, 0]
    (kept,) = supply_rows.exchanges(headend.database.connection, POINT)
    assert (kept.closing, kept.opening, kept.stated_by, kept.stated_utc) == (what.closing, what.opening, "asha", NOW)


def test_registers_that_were_misread_are_corrected_by_the_same_order_again(headend: Headend, premises: Gateway) -> None:
    exchanged(headend, order())
    again = Order(
        connection_point=POINT,
        old_meter=METER,
        new_meter=METER,
        at_utc=ELEVEN,
        closing=RegisterPair(import_wh=7401, export_wh=None),
        opening=RegisterPair(import_wh=1, export_wh=None),
        cells={"identity": "NEW"},
    )
    assert exchanged(headend, again).records == 0
    (kept,) = supply_rows.exchanges(headend.database.connection, POINT)
    assert (kept.closing.import_wh, kept.closing.export_wh) == (7401, None)


def test_1_a_check_meter_is_not_exchanged_as_a_revenue_meter(headend: Headend, premises: Gateway) -> None:
    (fact,) = headend.record(METER).facts

    headend.registrar.change_facts(METER, [replace(fact, role=Role.CHECK)], at_utc=NOW)
    with pytest.raises(ExchangeRefusedError, match=r"\(1\) .*got CHECK at CP-"):
        exchange_sheet(headend.registry, order())


def test_an_edit_gives_the_block_that_it_cuts_its_value(headend: Headend, premises: Gateway) -> None:
    exchanged(headend, order(ELEVEN + 420))
    headend.take_in(stated(premises, 10, HOUR), stated(premises, 11, (None, *HOUR[1:]), identity="NEW"))
    register(headend)
    edited(headend, {ELEVEN: (95, 4)})
    actual = attested(headend)
    assert actual.status is Status.PROVISIONAL
    assert [(part.counts.expected, part.counts.manual, part.counts.valid) for part in actual.parts] == [
        (5, 1, 4),
        (3, 0, 3),
    ]
    assert actual.parts[0].manual_import_wh == 95
    assert actual.totals is not None
    assert actual.totals.import_wh == 795
