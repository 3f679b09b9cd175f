"""Which trades an id of a ledger names a meter of ours for: from its time on, and until it was ended."""

import pytest

from headend.registry.sheet import parse_csv
from headend.registry.sheet_columns import instant_cell
from headend.windows import judge
from signing.interval import ist_text
from signing.statements.meter_record import Role
from signing.statements.window_actual import Status
from tests.headend.discom import METER, SUBJECT
from tests.headend.settling import NAME, Settling
from tests.headend.sheets import importer, sheet
from tests.ledger_client.rehearsal import NOW

START = SUBJECT.window.start_utc


def stated(settling: Settling, since_utc: int, **cells: str) -> None:
    """Applies one row of the meter."""
    content = sheet({"meter": METER, "from": instant_cell(since_utc), **cells})
    assert importer(settling.headend).apply(parse_csv(content), by="asha", at_utc=NOW).is_applied


@pytest.mark.parametrize(("ended_utc", "is_named"), [(START, False), (START + 1, True)])
def test_an_id_names_a_meter_for_trades_that_begin_before_it_was_ended(
    settling: Settling, ended_utc: int, *, is_named: bool
) -> None:
    stated(settling, ended_utc, posted_as="")
    settling.whole_day()
    settling.trade()
    report = settling.step()
    assert [name for name, _, _ in settling.said(report)] == ([NAME] if is_named else [])
    assert bool(report.alarms) is not is_named


def test_a_trade_of_an_id_that_is_named_later_is_decided_then(settling: Settling) -> None:
    stated(settling, START - 900, posted_as="")
    settling.whole_day()
    settling.trade()
    assert settling.said(settling.step()) == []
    assert settling.said(settling.step(NOW + 1)) == []
    stated(settling, START + 900, posted_as=NAME)
    assert settling.said(settling.step(NOW + 2)) == []
    stated(settling, START, posted_as=NAME)
    assert settling.said(settling.step(NOW + 3)) == [(NAME, Status.FINAL, 0)]


@pytest.mark.parametrize("role", [Role.CHECK, Role.GENERATION])
def test_only_revenue_meters_settle(settling: Settling, role: Role) -> None:
    settling.whole_day()
    stated(settling, START, role=role.name)
    judgement = judge(settling.attestor.case(SUBJECT))
    assert (judgement.status, judgement.parts, judgement.totals) == (Status.PENDING, (), None)
    assert judgement.reason == f"no revenue meter is recorded for {ist_text(START)}"
    assert [one.record.meter for one in settling.headend.registry.companions(SUBJECT.connection_point, START)] == [
        METER
    ]


def test_a_change_of_the_past_gives_a_revision(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    assert settling.said(settling.step()) == [(NAME, Status.FINAL, 0)]
    stated(settling, START - 900, factor="2")
    assert settling.said(settling.step(NOW + 1)) == [(NAME, Status.TRUE_UP, 1)]
