"""What a head-end comes to know after its windows: trades with allocations and their outcomes, validated days, holds, alerts."""

from dataclasses import replace

from headend.days.validating import Validating
from headend.duties.alerts import Alert, AlertKind, Trouble, changes
from headend.duties.holds import HoldKind, Order
from headend.exchange.outcome_log import OutcomeLog
from headend.onboarding.known import Registry
from headend.settings.series import SeriesSettings
from headend.store.sqlite import alert_rows, hold_rows, outcome_rows, postings
from headend.trading.outcomes import Notice, NoticeKind
from ledger_client.ledger import Trade
from signing.envelope import Signed
from signing.interval import DAY_S, Interval, utc_text
from signing.statements.trade_outcome import TradeOutcome
from tests.headend.discom import LATER, SUBJECT, stated
from tests.headend.premises import DAY
from tests.headend.web.world import HOUR, Served

GATE = DAY + DAY_S + 9 * 3600
"""The data gate of the day of the windows."""
FULL = HOUR * 24
REGISTERS = ((0, 1000), (24, 10_600))


def trade(record_id: str, window: Interval = SUBJECT.window, **changed: object) -> Trade:
    """An energy trade of which the served meter is the seller, settled at 5.500 kWh."""
    return traded(record_id, window, **({"pushed_wh": 6000, "pulled_wh": 5500} | changed))


def traded(record_id: str, window: Interval, **changed: object) -> Trade:
    """The same before any discom allocated."""
    plain = Trade(
        transaction_id="t",
        order_item_id=record_id,
        record_id=record_id,
        platform_id_buyer="pb",
        platform_id_seller="ps",
        discom_id_buyer="TPDDL",
        discom_id_seller="PaVVNL",
        buyer_id="THEIRS",
        seller_id=SUBJECT.posted_as,
        delivery_start=utc_text(window.start_utc),
        delivery_end=utc_text(window.end_utc),
        window=window,
        quantity_wh=6000,
    )
    return replace(plain, **changed)  # type: ignore[arg-type]  # the caller names fields


def put(served: Served, *trades: Trade) -> None:
    """The ledger showed these trades."""
    with served.headend.database.transaction() as connection:
        postings.put_trades(connection, trades, LATER)


def say(served: Served, *trades: Trade) -> tuple[Signed[TradeOutcome], ...]:
    """The outcomes of `trades`, signed and logged."""
    put(served, *trades)
    headend = served.headend
    log = OutcomeLog(database=headend.database, book=headend.book, signer=headend.statement_signer, discom="PaVVNL")
    said, alarms = log.say(0, at_utc=LATER)
    assert alarms == ()
    return said


def validate(served: Served, at_utc: int = DAY + 2 * DAY_S) -> None:
    """Validates every day that evidence came for."""
    headend = served.headend
    work = Validating(
        database=headend.database,
        registry=Registry(headend.database),
        key=headend.statement_signer.public_key,
        settings=SeriesSettings(after_s=0, quiet_s=0, holidays=frozenset()),
    )
    work.step(at_utc)
    while work.step(at_utc):
        pass


def hold(served: Served, kind: HoldKind = HoldKind.HOLD) -> int:
    """The number of a new hold over the served connection point."""
    is_whole, is_dispute = kind is HoldKind.STAND_DOWN, kind is HoldKind.DISPUTE
    order = Order(
        kind=kind,
        connection_point=None if is_whole else SUBJECT.connection_point,
        window=SUBJECT.window if is_dispute else None,
        party="TPDDL, case 7" if is_dispute else None,
        by="asha",
        reason="meter opened",
    )
    with served.headend.database.transaction() as connection:
        return hold_rows.open_hold(connection, order, at_utc=LATER)


def act(served: Served, verb: str = "hold") -> None:
    """One thing that an operator did."""
    done = hold_rows.Act(verb=verb, about="CP-1", by="asha", reason="meter opened", done_utc=LATER)
    with served.headend.database.transaction() as connection:
        hold_rows.put_act(connection, done)


def alert(served: Served, *abouts: str, ended: tuple[Alert, ...] = ()) -> tuple[Alert, ...]:
    """Alerts of silent gateways that began, and others that are over; what is open then."""
    found = [Trouble(kind=AlertKind.SILENT_GATEWAY, about=about, text="nothing since 10:00") for about in abouts]
    with served.headend.database.transaction() as connection:
        still = [one.trouble for one in alert_rows.open_alerts(connection) if one not in ended]
        alert_rows.apply(connection, changes(alert_rows.open_alerts(connection), [*still, *found]), at_utc=LATER)
        return alert_rows.open_alerts(connection)


def noticed(served: Served, *references: str, text: str = "did not pay") -> None:
    """A clearing house tells of defaults."""
    with served.headend.database.transaction() as connection:
        for reference in references:
            notice = Notice(
                kind=NoticeKind.DEFAULT,
                reference=reference,
                sender="clearing",
                record_id="t-1",
                posted_as=SUBJECT.posted_as,
                text=text,
                received_utc=LATER,
            )
            assert outcome_rows.put_notice(connection, notice)


def whole_day(served: Served, *holes: int) -> None:
    """A whole day came, but for some blocks, and is validated."""
    served.found()
    rows: list[int | None] = list(FULL)
    for hole in holes:
        rows[hole] = None
    served.take_in(stated(served.gateway, 0, rows, registers=REGISTERS))
    validate(served)
