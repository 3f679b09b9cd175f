"""Terms that change at the ledger: real pulls from the sandbox, whose rows somebody changes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from headend.duties.alerts import AlertKind
from headend.store.sqlite import amendment_rows
from headend.store.sqlite import postings as rows
from headend.trading.amendments import Amending
from headend.watching.watch import Watch
from ledger_client.sandbox.store import DATABASE
from tests.headend.settling import Settling
from tests.ledger_client.rehearsal import NOW, START_UTC

POLL_S = 300
RECORD = "tx-1_it-1"


def change(folder: Path, quantity_wh: int) -> None:
    """Somebody changes what the ledger shows."""
    with closing(sqlite3.connect(folder / "exchange" / DATABASE, isolation_level=None)) as ledger:
        ledger.execute("UPDATE trade SET quantity_wh = ?", (quantity_wh,))


def quantity(settling: Settling) -> int:
    trade = rows.trade(settling.headend.database.connection, RECORD)
    assert trade is not None
    return trade.quantity_wh


def test_a_change_before_delivery_is_the_basis_from_then_on(settling: Settling, tmp_path: Path) -> None:
    settling.trade()
    settling.step(START_UTC - 3600)
    change(tmp_path, 4000)
    report = settling.step(START_UTC - 3600 + POLL_S)
    assert (quantity(settling), report.alarms) == (4000, [])
    (seen,) = amendment_rows.of_record(settling.headend.database.connection, RECORD)
    assert seen.amendment.amending is Amending.SUPERSEDED


def test_a_change_after_delivery_began_is_no_basis_and_an_alarm_once(settling: Settling, tmp_path: Path) -> None:
    settling.trade()
    settling.step(NOW)
    change(tmp_path, 9000)
    (alarm,) = settling.step(NOW + POLL_S).alarms
    assert "tx-1_it-1 changed after its delivery began (quantity 6.000 kWh to 9.000 kWh)" in alarm
    assert settling.step(NOW + 2 * POLL_S).alarms == []
    settling.restart()
    assert settling.step(NOW + 3 * POLL_S).alarms == []
    assert quantity(settling) == 6000


def test_whoever_is_on_duty_is_told_for_a_week(settling: Settling, tmp_path: Path) -> None:
    settling.trade()
    settling.step(NOW)
    change(tmp_path, 9000)
    settling.step(NOW + POLL_S)
    headend = settling.headend
    (headend.folder / "state").mkdir()
    watch = Watch(
        config=settling.config,
        database=headend.database,
        registry=headend.registry,
        key=headend.statement_signer.public_key,
    )

    def late(now_utc: int) -> list[str]:
        return [one.about for one in watch.look((), now_utc) if one.kind is AlertKind.LATE_TERMS]

    assert late(NOW + POLL_S) == ["trade tx-1_it-1"]
    assert late(NOW + POLL_S + 7 * 86_400) == ["trade tx-1_it-1"]
    assert late(NOW + POLL_S + 7 * 86_400 + 1) == []
