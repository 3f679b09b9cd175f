"""The block that an exchange of devices cuts, from the registers that were read at it."""

from dataclasses import replace

import pytest

from headend.editing.cut_block import CutBlock
from headend.editing.editing import EditRefusedError
from headend.onboarding.device_exchange import Order, exchange_of, exchange_sheet
from headend.onboarding.enrol import Application, MeterFacts
from headend.registry.supply import Exchange, RegisterPair
from signing.energy import Fraction
from signing.statements.edit import EditedBlock
from tests.headend.discom import LATER, METER, SUBJECT, log_rules, stated
from tests.headend.premises import DAY, NOW, Gateway, Headend, gateway
from tests.headend.sheets import importer

AT = DAY + 11 * 3600 + 420
ELEVEN = DAY + 11 * 3600
POINT = SUBJECT.connection_point
HOUR = (100,) * 4
NEW = "SKS-NEW"


@pytest.fixture
def exchanged(headend: Headend) -> tuple[Exchange, Gateway, Gateway]:
    """An exchange at 11:07 for a meter with another id; the gateways of both."""
    log_rules(headend)
    one, other = gateway(), gateway(2, [NEW])
    headend.enrol(one)
    order = Order(
        connection_point=POINT,
        old_meter=METER,
        new_meter=NEW,
        at_utc=AT,
        closing=RegisterPair(import_wh=7440, export_wh=5003),
        opening=RegisterPair(import_wh=10, export_wh=4999),
        cells={"identity": NEW},
    )
    exchange = exchange_of(order, by="asha", now_utc=NOW)
    importer(headend).apply(exchange_sheet(headend.registry, order), by="asha", at_utc=NOW, exchange=exchange)
    keeping = {NEW: MeterFacts(facts=(), blocks_from_utc=AT)}
    headend.registrar.enrol(Application(file=other.file(), meters=keeping, shard=0), at_utc=NOW)
    headend.registry.reload()
    return exchange, one, other


def value(headend: Headend, exchange: Exchange) -> EditedBlock:
    headend.registry.reload()
    key = headend.statement_signer.public_key
    return CutBlock(headend.database.connection, headend.registry, key).value(exchange)


def read_old(headend: Headend, one: Gateway, *, hour: int = 10, export_wh: int = 5, register: int = 7000) -> None:
    headend.take_in(stated(one, hour, HOUR, registers=((hour, register),), export_wh=export_wh))


def read_new(headend: Headend, other: Gateway, first: int | None = None, register: int = 380) -> None:
    # The first block of this hour began before the device came.
    message = stated(other, 11, (None, 100, first or 100, 100), registers=((12, register),), meter=NEW)
    headend.take_in(message, topic="sakshi/1/0/gw-2/up")


def test_both_devices_give_their_share(headend: Headend, exchanged: tuple[Exchange, Gateway, Gateway]) -> None:
    exchange, one, other = exchanged
    read_old(headend, one)
    read_new(headend, other)
    # Old: 7440 - (7000 + 400) = 40 and 5003 - (5000 + 20) < 0, so its export register is set right first.
    right = replace(
        exchange,
        closing=RegisterPair(import_wh=7440, export_wh=5022),
        opening=RegisterPair(import_wh=10, export_wh=5022),
    )
    # New: 380 - 300 - 10 = 70, and (12 + 240) * 4 * 5 - 15 - 5022 = 3.
    assert value(headend, right) == EditedBlock(start_utc=ELEVEN, import_wh=110, export_wh=5)
    assert value(headend, replace(right, closing=RegisterPair(import_wh=7440, export_wh=None))).export_wh is None


def test_what_the_new_device_states_is_told_as_the_old_one_would(
    headend: Headend, exchanged: tuple[Exchange, Gateway, Gateway]
) -> None:
    exchange, one, other = exchanged
    read_old(headend, one)
    read_new(headend, other)
    facts = headend.record(NEW).facts
    headend.registrar.change_facts(NEW, [replace(fact, factor=Fraction(1, 2)) for fact in facts], at_utc=LATER)
    plain = replace(exchange, closing=RegisterPair(import_wh=7440, export_wh=None))
    assert value(headend, plain).import_wh == 40 + 35


def test_4_a_register_that_fell_is_refused(headend: Headend, exchanged: tuple[Exchange, Gateway, Gateway]) -> None:
    exchange, one, other = exchanged
    read_old(headend, one)
    read_new(headend, other)
    with pytest.raises(EditRefusedError, match=r"\(4\) a register fell by 17 Wh"):
        value(headend, exchange)


def test_3_registers_on_both_sides_and_valid_blocks_between_are_needed(
    headend: Headend, exchanged: tuple[Exchange, Gateway, Gateway]
) -> None:
    exchange, one, other = exchanged
    plain = replace(exchange, closing=RegisterPair(import_wh=7440, export_wh=None))
    with pytest.raises(EditRefusedError, match=r"\(3\) no signed register of meter SKS00000001 precedes"):
        value(headend, plain)
    headend.take_in(stated(one, 9, HOUR, registers=((9, 6600),)))
    with pytest.raises(
        EditRefusedError, match=r"\(3\) the block of meter SKS00000001 at 2026-04-26 10:00:00 IST is not VALID"
    ):
        value(headend, plain)
    headend.take_in(stated(one, 10, HOUR))
    with pytest.raises(EditRefusedError, match=r"\(3\) no signed register of meter SKS-NEW follows"):
        value(headend, plain)
    read_new(headend, other)
    assert value(headend, plain).import_wh == 110


def test_3_a_register_with_two_values_is_none(headend: Headend, exchanged: tuple[Exchange, Gateway, Gateway]) -> None:
    exchange, one, other = exchanged
    plain = replace(exchange, closing=RegisterPair(import_wh=7440, export_wh=None))
    read_new(headend, other)
    headend.take_in(
        stated(one, 10, HOUR, registers=((10, 7000), (11, 7400))), stated(one, 10, HOUR, registers=((11, 7410),))
    )
    # The one at 11:00 is 7400 or 7410: the nearest that is one value is at 10:00, and nothing beside the doubtful one is VALID.
    with pytest.raises(
        EditRefusedError, match=r"\(3\) the block of meter SKS00000001 at 2026-04-26 10:00:00 IST is not VALID"
    ):
        value(headend, plain)


def test_2_an_exchange_at_the_edge_of_a_block_cuts_none(
    headend: Headend, exchanged: tuple[Exchange, Gateway, Gateway]
) -> None:
    exchange, _, _ = exchanged
    with pytest.raises(EditRefusedError, match=r"\(2\) the exchange at .* cuts no block of 900 s"):
        value(headend, replace(exchange, at_utc=ELEVEN + 900))


def test_1_both_devices_are_recorded_with_one_block_length(
    headend: Headend, exchanged: tuple[Exchange, Gateway, Gateway]
) -> None:
    exchange, _, _ = exchanged
    with pytest.raises(EditRefusedError, match=r"\(1\) meter NONE is not recorded"):
        value(headend, replace(exchange, old_meter="NONE"))
    facts = headend.record(NEW).facts
    headend.registrar.change_facts(NEW, [replace(fact, period_s=1800) for fact in facts], at_utc=LATER)
    with pytest.raises(EditRefusedError, match=r"\(1\) the two devices have blocks of two lengths"):
        value(headend, exchange)
