"""What a curtailment changes is said beforehand by the rule that settlement says it by."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headend.duties.outage import Curtailment, CurtailmentKind
from headend.exchange.curtailing import Curtailing
from headend.registry.dated import Dated
from headend.registry.supply import Supply
from headend.store.sqlite import curtailment_rows, supply_rows
from ledger_client.ledger import TradeStatus
from signing.interval import Interval
from signing.statements.window_actual import Cause
from tests.headend.discom import SUBJECT
from tests.headend.premises import Headend
from tests.headend.settling import Settling
from tests.ledger_client.rehearsal import NOW, Rehearsal, running

COMPLETED, OUTAGE = TradeStatus.COMPLETED, TradeStatus.CURTAILED_OUTAGE
CUT = Curtailment(
    kind=CurtailmentKind.OUTAGE,
    connection_point=SUBJECT.connection_point,
    feeder=None,
    span=SUBJECT.window,
    by="asha",
    reason="a tree on the line",
)
FEEDER = replace(CUT, connection_point=None, feeder="F7")
Said = list[tuple[TradeStatus | None, TradeStatus | None]]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Rehearsal]:
    directory = tmp_path / "exchange"
    directory.mkdir()
    with running(directory) as found:
        yield found


@pytest.fixture
def settling(headend: Headend, exchange: Rehearsal) -> Iterator[Settling]:
    """A shortfall that was posted as delivered."""
    found = Settling(headend, exchange)
    found.whole_day()
    found.trade()
    found.step()
    yield found
    found.close()


def curtailing(settling: Settling) -> Curtailing:
    return Curtailing(
        database=settling.headend.database,
        registry=settling.headend.registry,
        attestor=settling.attestor,
        discom=settling.config.discom,
    )


def entering(settling: Settling, entered: Curtailment) -> Said:
    return [(one.before, one.after) for one in curtailing(settling).entering(entered)]


def taking_back(settling: Settling, entered: Curtailment) -> Said:
    return [(one.before, one.after) for one in curtailing(settling).taking_back(entered)]


def enter(settling: Settling, entered: Curtailment) -> None:
    with settling.headend.database.transaction() as connection:
        curtailment_rows.put(connection, entered, at_utc=NOW)


def test_what_is_said_beforehand_is_what_the_ledger_hears_afterwards(settling: Settling) -> None:
    (one,) = curtailing(settling).entering(CUT)
    assert (one.connection_point, one.delivery.window, one.before, one.after) == (
        SUBJECT.connection_point,
        SUBJECT.window,
        COMPLETED,
        OUTAGE,
    )
    enter(settling, CUT)
    settling.attestor.attest([SUBJECT], at_utc=NOW, cause=Cause.OPERATOR)
    settling.step(NOW + 60)
    assert settling.postings()[-1].status is OUTAGE
    assert taking_back(settling, CUT) == [(OUTAGE, COMPLETED)]


def test_of_two_that_say_the_same_the_other_stays(settling: Settling) -> None:
    enter(settling, CUT)
    assert entering(settling, CUT) == [(OUTAGE, OUTAGE)]
    enter(settling, CUT)
    assert taking_back(settling, CUT) == [(OUTAGE, OUTAGE)]


@pytest.mark.parametrize(
    "entered",
    [
        replace(CUT, connection_point="CP-OTHER"),
        replace(CUT, span=Interval(SUBJECT.window.end_utc, SUBJECT.window.end_utc + 900)),
        FEEDER,
    ],
)
def test_one_of_another_place_or_time_bears_on_no_window(settling: Settling, entered: Curtailment) -> None:
    assert entering(settling, entered) == []


def test_one_of_a_feeder_bears_on_its_connection_points(settling: Settling) -> None:
    with settling.headend.database.transaction() as connection:
        supply_rows.put_supplies(connection, SUBJECT.connection_point, (Dated(0, Supply(feeder="F7")),))
    assert entering(settling, FEEDER) == [(COMPLETED, OUTAGE)]
    assert entering(settling, replace(FEEDER, feeder="F8")) == []


def test_a_window_without_a_figure_is_said_nothing_of(headend: Headend, exchange: Rehearsal) -> None:
    settling = Settling(headend, exchange)
    try:
        settling.trade()
        settling.step(SUBJECT.window.start_utc)
        assert entering(settling, CUT) == [(None, None)]
    finally:
        settling.close()
