"""What is said with a figure: which side it is for on either basis, and how the delivery went."""

from dataclasses import replace
from pathlib import Path

import pytest

from headend.duties.outage import Curtailment, CurtailmentKind
from headend.exchange.terms import DeliveryTerms
from headend.store.sqlite import curtailment_rows, postings
from headend.trading.posting import Policy, figure_wh, first
from headend.trading.trades import own_sides
from ledger_client.ledger import Side, TradeQuery, TradeStatus
from signing.backends.file import FileSigner
from signing.statements.reading import Flag
from signing.statements.window_actual import Basis, Cause, Status, Totals, WindowActual
from tests.headend.actuals import actual, statement_key
from tests.headend.discom import METER, SUBJECT, stated
from tests.headend.premises import Message
from tests.headend.settling import FULL, NAME, REGISTERS, Settling, only
from tests.headend.trading.test_posting import DELIVERY, WINDOW
from tests.ledger_client.rehearsal import NOW, SELLER_DISCOM

SELLER, BUYER, BOTH = frozenset({Side.SELLER}), frozenset({Side.BUYER}), frozenset(Side)


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    return statement_key(tmp_path)


def said(signer: FileSigner, basis: Basis, export_wh: int | None = 6400) -> WindowActual:
    found = actual(signer, WINDOW, posted_as="S", totals=Totals(import_wh=100, export_wh=export_wh)).statement
    return replace(found, basis=basis)


@pytest.mark.parametrize(
    ("basis", "sides", "figure"),
    [
        (Basis.NET, SELLER, -6300),
        (Basis.NET, BUYER, -6300),
        (Basis.GROSS, SELLER, -6400),
        (Basis.GROSS, BUYER, 100),
        (Basis.GROSS, BOTH, -6300),
        (Basis.GROSS, frozenset(), -6300),
    ],
)
def test_the_basis_says_which_energy_is_posted(
    signer: FileSigner, basis: Basis, sides: frozenset[Side], figure: int
) -> None:
    assert figure_wh(said(signer, basis), sides) == figure


def test_a_seller_without_an_export_register_has_no_gross_figure(signer: FileSigner) -> None:
    blind = said(signer, Basis.GROSS, None)
    assert figure_wh(blind, SELLER) is None
    assert figure_wh(blind, BUYER) == 100


def dark(settling: Settling) -> Message:
    """A day in which the power failed in one block of the window."""
    message = stated(settling.gateway, 0, FULL, registers=REGISTERS)
    settling.gateway.chains[METER].clear()
    flags = [0] * 96
    flags[44] = int(Flag.POWER_FAIL)
    opening = replace(message.opening, columns=replace(message.opening.columns, flags=tuple(flags)))
    header = replace(message.batch, contents=opening.contents())
    signed = settling.gateway.signed(header, opening)
    settling.gateway.chains[METER].append(signed)
    return signed


def enter(settling: Settling, kind: CurtailmentKind, point: str = SUBJECT.connection_point) -> None:
    entered = Curtailment(
        kind=kind, connection_point=point, feeder=None, span=SUBJECT.window, by="asha", reason="a tree on the line"
    )
    with settling.headend.database.transaction() as connection:
        curtailment_rows.put(connection, entered, at_utc=NOW)


def status(settling: Settling) -> TradeStatus | None:
    settling.trade()
    settling.step()
    (record,) = settling.postings()
    with settling.exchange.ledger() as ledger:
        (trade,) = ledger.trades(TradeQuery(discom_id_seller=SELLER_DISCOM))
    assert trade.status_seller_discom is record.status
    return record.status


def test_a_shortfall_without_a_cause_is_completed(settling: Settling) -> None:
    settling.whole_day()
    assert status(settling) is TradeStatus.COMPLETED


def test_a_shortfall_in_which_the_power_failed_is_an_outage_that_the_ledger_hears_of(settling: Settling) -> None:
    settling.headend.take_in(dark(settling))
    assert status(settling) is TradeStatus.CURTAILED_OUTAGE


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (CurtailmentKind.OUTAGE, TradeStatus.CURTAILED_OUTAGE),
        (CurtailmentKind.POLICY, TradeStatus.CURTAILED_POL_VIOLATION),
    ],
)
def test_what_an_operator_entered_excuses_a_shortfall(
    settling: Settling, kind: CurtailmentKind, expected: TradeStatus
) -> None:
    settling.whole_day()
    enter(settling, kind)
    assert status(settling) is expected


def test_what_was_entered_for_another_place_excuses_nothing(settling: Settling) -> None:
    settling.whole_day()
    enter(settling, CurtailmentKind.OUTAGE, "CP-OTHER")
    assert status(settling) is TradeStatus.COMPLETED


def test_a_curtailment_that_is_entered_late_is_said_when_the_window_is_attested_again(settling: Settling) -> None:
    settling.whole_day()
    assert status(settling) is TradeStatus.COMPLETED
    enter(settling, CurtailmentKind.OUTAGE)
    settling.attestor.attest([SUBJECT], at_utc=NOW, cause=Cause.OPERATOR)
    settling.step(NOW + 60)
    *_, newest = settling.postings()
    assert newest.status is TradeStatus.CURTAILED_OUTAGE


def test_without_terms_a_posting_says_nothing_of_its_delivery(signer: FileSigner) -> None:
    policy = Policy(statuses=frozenset({Status.FINAL}), retry_s=1, give_up_s=1)
    signed = actual(signer, WINDOW, posted_as=NAME, totals=Totals(import_wh=1, export_wh=0))
    record = first(DELIVERY, signed, policy, NOW)
    assert record is not None
    assert record.status is None


def test_the_terms_of_a_delivery_look_at_its_own_meters_trades_alone(settling: Settling) -> None:
    # Thousands of others are delivered in the same hour; one that nobody can read shows whether they are read.
    settling.whole_day()
    settling.trade()
    said = only(settling.step(NOW)).statement
    (mine,) = postings.trades_from(settling.headend.database.connection, 0)
    (own,) = own_sides([mine], SELLER_DISCOM)
    with settling.headend.database.transaction() as connection:
        postings.put_trades(connection, [replace(mine, record_id="other", seller_id="OTHER", buyer_id="ANOTHER")], NOW)
        connection.execute("UPDATE trades SET trade_type = 'NONSENSE' WHERE record_id = 'other'")
    terms = DeliveryTerms(discom=SELLER_DISCOM, registry=settling.headend.registry, attestor=settling.attestor)
    found = terms(settling.headend.database.connection, own.delivery, said)
    assert (found.sides, found.status) == (SELLER, TradeStatus.COMPLETED)
