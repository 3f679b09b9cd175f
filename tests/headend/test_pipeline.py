"""Settlement step by step: real intake, log and attestation, the sandbox exchange over HTTP, hand-set time."""

import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest

from headend.attest import Subject
from headend.errors import StoreUnavailableError
from headend.store.sqlite import postings as rows
from headend.touches import Touches
from headend.trading.posting import PostingState
from ledger_client.ledger import Trade
from ledger_client.sandbox.faults import Fault
from ledger_client.sandbox.store import DATABASE
from signing.interval import DAY_S, Interval, utc_text
from signing.statements.meter_record import Place, Role
from signing.statements.window_actual import Cause, Status
from tests.headend.discom import METER, SUBJECT, stated
from tests.headend.premises import DAY, Headend, fact, p256
from tests.headend.settling import FULL, HOUR, NAME, REGISTERS, Settling, moved, only
from tests.headend.trading.test_posting import TRADE
from tests.headend.two_persons import edited, register
from tests.ledger_client.rehearsal import NOW, SELLER_DISCOM, Rehearsal

POLL_S = 300
END_UTC = SUBJECT.window.end_utc
PENDING_AFTER_S = 900
REVIEW_S = 6 * 3600


def test_a_trade_is_pulled_decided_posted_and_read_back_in_one_step(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    report = settling.step()
    assert settling.said(report) == [(NAME, Status.FINAL, 0)]
    assert moved(report) == [("CONFIRMED", "read back")]
    (posting,) = settling.postings()
    assert (posting.net_wh, posting.actual) == (760, only(report).digest)
    assert (report.alarms, report.ledger_trouble) == ([], None)


def test_an_idle_step_says_and_posts_nothing(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    settling.step()
    report = settling.step(NOW + 1)
    assert (report.pulled, report.attested, moved(report)) == (None, (), [])


def test_trades_are_asked_for_again_after_the_poll_interval(settling: Settling) -> None:
    assert settling.step(NOW).pulled is not None
    assert settling.step(NOW + POLL_S - 1).pulled is None
    assert settling.step(NOW + POLL_S).pulled is not None


def test_a_window_that_is_not_whole_is_said_to_be_pending_only_when_its_time_has_come(settling: Settling) -> None:
    settling.trade()
    assert settling.step(NOW).attested == ()
    assert settling.step(NOW + PENDING_AFTER_S - 1).attested == ()
    assert settling.said(settling.step(NOW + PENDING_AFTER_S)) == [(NAME, Status.PENDING, 0)]
    assert settling.postings() == ()


def test_blocks_that_come_in_time_leave_no_pending_behind(settling: Settling) -> None:
    settling.trade()
    settling.step(NOW)
    settling.whole_day()
    report = settling.step(NOW + 1, (METER,))
    assert settling.said(report) == [(NAME, Status.FINAL, 0)]
    assert settling.step(NOW + PENDING_AFTER_S).attested == ()


def test_the_wait_for_a_window_outlives_a_restart(settling: Settling) -> None:
    settling.trade()
    settling.step(NOW)
    settling.restart()
    settling.step(NOW + PENDING_AFTER_S - 1)
    assert settling.said(settling.step(NOW + PENDING_AFTER_S)) == [(NAME, Status.PENDING, 0)]


def test_a_window_that_has_not_ended_is_decided_at_its_end(settling: Settling) -> None:
    settling.headend.take_in(stated(settling.gateway, 0, FULL, registers=REGISTERS))
    settling.trade()
    assert settling.step(END_UTC - 1).attested == ()
    assert settling.step(END_UTC).attested != ()


def test_a_window_that_cuts_a_block_is_said_to_be_not_measurable_when_its_trade_is_first_seen(
    settling: Settling,
) -> None:
    start = NOW + DAY_S
    settling.trade(delivery_start=utc_text(start + 60), delivery_end=utc_text(start + 3660))
    report = settling.step(NOW)
    assert settling.said(report) == [(NAME, Status.NOT_MEASURABLE, 0)]
    assert settling.step(start + 3660, (METER,)).attested == ()


def test_a_check_meters_blocks_do_not_make_a_window_unmeasurable(settling: Settling) -> None:
    check = replace(settling.gateway, name="gw-2", signer=p256(2), meters=("SKS00000002",), chains={})
    settling.headend.enrol(check)
    checking = fact("SKS00000002", connection_point=f"CP-{METER}", role=Role.CHECK, period_s=3600)
    settling.headend.registrar.change_facts("SKS00000002", [checking], at_utc=NOW)
    start = NOW - NOW % 3600 + DAY_S + 900
    settling.trade(delivery_start=utc_text(start), delivery_end=utc_text(start + 900))
    assert not settling.settlement._is_time(
        Subject(connection_point=f"CP-{METER}", posted_as=NAME, window=Interval(start, start + 900)), NOW
    )
    assert settling.step(NOW).attested == ()


def test_a_meter_that_no_enrolment_names_is_an_alarm_once_and_followed_once_it_is_named(settling: Settling) -> None:
    settling.whole_day()
    settling.trade(seller_id="STRANGER")
    (alarm,) = settling.step(NOW).alarms
    assert "'STRANGER'" in alarm
    assert "posted_as" in alarm
    settling.trade(seller_id="STRANGER", order_item_id="it-2", delivery_start="2026-04-26T10:00:00+05:30")
    assert settling.step(NOW + POLL_S).alarms == []
    settling.headend.registrar.name_alias("STRANGER", f"CP-{METER}")
    report = settling.step(NOW + POLL_S + 1)
    assert settling.said(report) == [("STRANGER", Status.FINAL, 0)]
    assert moved(report) == [("CONFIRMED", "read back")] * 2


def test_new_evidence_of_a_meter_decides_its_windows_again_and_posts_the_revision(settling: Settling) -> None:
    settling.trade()
    late = [*FULL[:41], None, *FULL[42:]]
    settling.headend.take_in(stated(settling.gateway, 0, late, registers=REGISTERS))
    settling.step(NOW)
    assert settling.said(settling.step(NOW + PENDING_AFTER_S)) == [(NAME, Status.PENDING, 0)]
    settling.headend.take_in(stated(settling.gateway, 10, (100, 100)))
    assert settling.step(NOW + PENDING_AFTER_S + 1, ("another",)).attested == ()
    report = settling.step(NOW + PENDING_AFTER_S + 2, (METER,))
    assert settling.said(report) == [(NAME, Status.FINAL, 1)]
    assert only(report).statement.cause is Cause.LATE_DATA
    assert [posting.revision for posting in settling.postings()] == [1]


def test_a_figure_that_changes_after_it_was_posted_is_posted_again_as_a_true_up(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    settling.step(NOW)
    with another_program(settling.headend) as other:
        (fact,) = other.record(METER).facts
        doubled = replace(fact, factor=type(fact.factor)(2, 1))
        other.registrar.change_facts(METER, [doubled], at_utc=NOW)
    report = settling.step(NOW + 1)
    assert settling.said(report) == [(NAME, Status.TRUE_UP, 1)]
    assert [(p.state, p.net_wh) for p in settling.postings()] == [
        (PostingState.SUPERSEDED, 760),
        (PostingState.CONFIRMED, 1520),
    ]
    # One record is looked at once: what changes afterwards without a word is not seen by chance.
    settling.headend.take_in(stated(settling.gateway, 10, (60,) * 4))
    assert settling.step(NOW + 2).attested == ()


def another_program(headend: Headend) -> "OtherProgram":
    return OtherProgram(headend)


class OtherProgram:
    """The same head-end opened by a second program, as the commands do."""

    def __init__(self, headend: Headend) -> None:
        self._folder = headend.folder

    def __enter__(self) -> Headend:
        self._headend = Headend(self._folder)
        return self._headend

    def __exit__(self, *_: object) -> None:
        self._headend.close()


def test_the_good_branch_named_by_another_program_decides_again(settling: Settling) -> None:
    settling.headend.take_in(stated(settling.gateway, 0, HOUR * 8))
    clone = replace(settling.gateway, chains={METER: list(settling.gateway.chains[METER])})
    good = stated(settling.gateway, 8, HOUR * 16, registers=((8, 1000), (24, 7400)))
    settling.headend.take_in(good)
    settling.headend.take_in(stated(clone, 8, (90,) * 64))
    settling.trade()
    settling.step(NOW)
    forked = settling.step(NOW + PENDING_AFTER_S)
    assert settling.said(forked) == [(NAME, Status.PENDING, 0)]
    with another_program(settling.headend) as other:
        other.registrar.name_good(METER, settling.gateway.kid, Place(sequence=1, digest=good.digest), at_utc=NOW)
    report = settling.step(NOW + PENDING_AFTER_S + 1)
    assert settling.said(report) == [(NAME, Status.FINAL, 1)]
    assert only(report).statement.cause is Cause.RECORD


def test_a_key_revoked_by_another_program_changes_no_figure_and_no_posting(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    settling.step(NOW)
    with another_program(settling.headend) as other:
        other.registrar.revoke(METER, settling.gateway.kid, at_utc=NOW)
    # What was admitted before the revocation stays (P12).
    assert settling.step(NOW + 1).attested == ()
    assert [posting.state for posting in settling.postings()] == [PostingState.CONFIRMED]


def test_a_meter_enrolled_by_another_program_is_settled_without_a_restart(settling: Settling) -> None:
    other_meter = "SKS00000002"
    settling.trade(seller_id=f"LEDGER-{other_meter}")
    assert len(settling.step(NOW).alarms) == 1
    with another_program(settling.headend) as other:
        second = replace(settling.gateway, name="gw-2", signer=p256(2), meters=(other_meter,), chains={})
        other.enrol(second)
        other.take_in(stated(second, 0, FULL, registers=REGISTERS, meter=other_meter))
    assert settling.said(settling.step(NOW + 1)) == [(f"LEDGER-{other_meter}", Status.FINAL, 0)]


def batch_of(day: int) -> Touches:
    """One day's batch of the meter, `day` days after the trade's."""
    touched = Touches()
    touched.add(METER, Interval(DAY + day * DAY_S, DAY + (day + 1) * DAY_S))
    return touched


def decided(settling: Settling, at_utc: int, touched: Touches) -> bool:
    """Whether a step decides the window again: its evidence was changed behind its back, so deciding shows."""
    return settling.step(at_utc, touched).attested != ()


def contradicted(settling: Settling) -> None:
    """A posted figure whose evidence has changed since, without anybody having said so."""
    settling.whole_day()
    settling.trade()
    settling.step(NOW)
    settling.headend.take_in(stated(settling.gateway, 10, (60,) * 4))


@pytest.mark.parametrize(("day", "at_once"), [(3, False), (2, True), (0, True), (-2, True), (-3, False)])
def test_a_final_figure_is_decided_again_at_once_only_for_evidence_from_around_it(
    settling: Settling, day: int, *, at_once: bool
) -> None:
    contradicted(settling)
    assert decided(settling, NOW + 1, batch_of(day)) is at_once
    assert decided(settling, NOW + 2, batch_of(day)) is False
    assert decided(settling, NOW + 1 + REVIEW_S, Touches()) is not at_once


def test_a_fork_a_gap_or_a_record_lets_no_figure_wait(settling: Settling) -> None:
    contradicted(settling)
    everything = batch_of(9)
    everything.add_whole(METER)
    assert decided(settling, NOW + 1, everything)


@pytest.mark.parametrize(("days", "at_once"), [(1, True), (5, False)])
def test_after_a_start_an_old_final_figure_is_decided_again_within_hours(
    settling: Settling, days: int, *, at_once: bool
) -> None:
    contradicted(settling)
    settling.restart()
    at = NOW + days * DAY_S
    assert decided(settling, at, Touches()) is at_once
    assert decided(settling, at + REVIEW_S, Touches()) is not at_once


def test_after_a_start_what_is_not_final_is_decided_at_once(settling: Settling) -> None:
    settling.trade()
    settling.step(NOW)
    settling.restart()
    assert settling.said(settling.step(NOW + 5 * DAY_S)) == [(NAME, Status.PENDING, 0)]


def test_rows_of_the_ledger_that_are_no_trade_are_an_alarm_once(settling: Settling) -> None:
    settling.trade()
    with closing(sqlite3.connect(settling.headend.folder / "exchange" / DATABASE, isolation_level=None)) as other:
        other.execute("UPDATE trade SET delivery_end = 'whenever'")
    (alarm,) = settling.step(NOW).alarms
    assert "1 row(s) of the ledger are no trade" in alarm
    assert settling.step(NOW + POLL_S).alarms == []


def test_a_figure_that_is_no_longer_final_waits_for_nothing(settling: Settling) -> None:
    contradicted(settling)
    assert decided(settling, NOW + 1, batch_of(0))
    settling.headend.take_in(stated(settling.gateway, 10, (70,) * 4))
    assert decided(settling, NOW + 2, batch_of(9))


def test_a_window_without_a_final_figure_never_waits(settling: Settling) -> None:
    settling.trade()
    settling.step(NOW)
    settling.whole_day()
    assert decided(settling, NOW + 1, batch_of(9))


def test_a_meter_that_another_program_moves_away_takes_its_figure_with_it(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    settling.step(NOW)
    with another_program(settling.headend) as other:
        (before,) = other.record(METER).facts
        other.registrar.change_facts(METER, [replace(before, connection_point="CP-ELSEWHERE")], at_utc=NOW)
    report = settling.step(NOW + 1)
    assert settling.said(report) == [(NAME, Status.PENDING, 1)]
    assert only(report).statement.reason == "no revenue meter is recorded for 2026-04-26 10:00:00 IST"


def test_a_meter_that_another_program_puts_at_a_named_place_is_settled(settling: Settling) -> None:
    other_meter = "SKS00000002"
    settling.headend.registrar.name_alias("PLACE", f"CP-{other_meter}")
    settling.trade(seller_id="PLACE")
    settling.step(NOW)
    assert settling.said(settling.step(NOW + PENDING_AFTER_S)) == [("PLACE", Status.PENDING, 0)]
    with another_program(settling.headend) as other:
        second = replace(settling.gateway, name="gw-2", signer=p256(2), meters=(other_meter,), chains={})
        other.enrol(second)
        other.take_in(stated(second, 0, FULL, registers=REGISTERS, meter=other_meter))
    assert settling.said(settling.step(NOW + PENDING_AFTER_S + 1)) == [("PLACE", Status.FINAL, 1)]


def test_a_ledger_that_is_down_is_said_for_as_long_as_it_is_and_known_trades_are_followed(settling: Settling) -> None:
    settling.trade()
    settling.step(NOW)
    settling.exchange.faults.switch_on(Fault.DOWN)
    settling.whole_day()
    report = settling.step(NOW + POLL_S, (METER,))
    assert settling.said(report) == [(NAME, Status.FINAL, 0)]
    assert report.ledger_trouble is not None
    assert settling.step(NOW + POLL_S + 1).ledger_trouble is not None
    assert [posting.state for posting in settling.postings()] == [PostingState.DUE]
    settling.exchange.faults.switch_off(Fault.DOWN)
    report = settling.step(NOW + POLL_S + 60)
    assert moved(report) == [("CONFIRMED", "read back")]
    assert report.ledger_trouble is None


def test_a_restart_while_the_ledger_is_down_goes_on_from_the_stored_trades(settling: Settling) -> None:
    settling.trade()
    settling.step(NOW)
    settling.exchange.faults.switch_on(Fault.DOWN)
    settling.whole_day()
    settling.restart()
    assert settling.said(settling.step(NOW + 1)) == [(NAME, Status.FINAL, 0)]


def test_a_crash_between_attestation_and_planning_is_answered_by_a_restart(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    settling.step(NOW)
    with settling.headend.database.transaction() as connection:
        connection.execute("DELETE FROM postings")
    settling.restart()
    report = settling.step(NOW + 1)
    assert (report.attested, moved(report)) == ((), [("CONFIRMED", "read back")])


def test_what_could_not_be_stored_is_done_by_the_next_step(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    holder = sqlite3.connect(settling.headend.folder / "headend.db", isolation_level=None)
    settling.headend.database.connection.execute("PRAGMA busy_timeout = 0")
    try:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError):
            settling.step(NOW)
        holder.execute("ROLLBACK")
    finally:
        holder.close()
    assert settling.said(settling.step(NOW)) == [(NAME, Status.FINAL, 0)]


def test_what_lies_before_the_look_back_is_let_go(settling: Settling) -> None:
    settling.trade()
    settling.step(NOW)
    settling.step(NOW + 60 * DAY_S)
    settling.whole_day()
    assert settling.step(NOW + 60 * DAY_S + 1, (METER,)).attested == ()


def test_a_figure_is_followed_to_the_end_of_its_true_up_however_early_posting_is_given_up(
    headend: Headend, exchange: Rehearsal
) -> None:
    settling = Settling(headend, exchange, "[posting]\ngive_up_days = 1\n[gates]\ntrue_up_days = 30\n")
    try:
        settling.trade()
        settling.whole_day()
        settling.step(NOW)
        settling.step(DAY + 30 * DAY_S - 600)
        headend.take_in(stated(settling.gateway, 10, (1, 2, 3, 4)))
        report = settling.step(DAY + 30 * DAY_S - 1, (METER,))
        assert settling.said(report) == [(NAME, Status.PENDING, 1)]
    finally:
        settling.close()


def test_ten_thousand_deliveries_cost_little_when_there_is_nothing_to_do(settling: Settling) -> None:
    with settling.headend.database.transaction() as connection:
        rows.put_trades(connection, [_future(number) for number in range(10_000)], NOW)
    settling.step(NOW)
    began = time.process_time()
    for second in range(1, 101):
        assert settling.step(NOW + second).attested == ()
    each_s = (time.process_time() - began) / 100
    assert each_s < 0.002


def _future(number: int) -> Trade:
    start = DAY + 10 * DAY_S + number % 96 * 900
    return replace(
        TRADE,
        record_id=f"r-{number}",
        order_item_id=str(number),
        seller_id=NAME,
        discom_id_seller=SELLER_DISCOM,
        delivery_start=f"{utc_text(start)}#{number}",
        window=Interval(start, start + 3600),
    )


def test_deliveries_are_told_apart_by_their_spelling_and_share_one_actual(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    settling.trade(order_item_id="it-2", delivery_start="2026-04-26T10:00:00+05:30")
    report = settling.step(NOW)
    assert len(report.attested) == 1
    counted = settling.headend.database.connection.execute(
        "SELECT count(*) FROM postings WHERE actual = ?", (only(report).digest,)
    )
    assert counted.fetchone() == (2,)


@pytest.mark.parametrize(
    "changes",
    [
        {"delivery_start": "2026-04-26T10:00:00+05:30", "delivery_end": "2026-04-26T12:00:00+05:30"},
        {"delivery_end": "2026-04-26T05:30:00Z"},
        {"seller_id": "did:web:another-name"},
    ],
)
def test_two_trades_that_await_the_same_energy_are_told_of_once(settling: Settling, changes: dict[str, str]) -> None:
    settling.headend.registrar.name_alias("did:web:another-name", SUBJECT.connection_point)
    settling.trade()
    assert settling.step(NOW).alarms == []
    settling.trade(transaction_id="tx-2", **changes)
    (alarm,) = settling.step(NOW + POLL_S).alarms
    assert "await the same energy" in alarm
    assert settling.step(NOW + 2 * POLL_S).alarms == []


def test_a_trade_that_is_put_after_the_posting_of_its_window_is_posted_for(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    assert moved(settling.step(NOW)) == [("CONFIRMED", "read back")]
    assert moved(settling.step(NOW + POLL_S)) == []
    settling.trade(transaction_id="tx-2")
    assert moved(settling.step(NOW + 2 * POLL_S)) == [("CONFIRMED", "read back")]
    assert moved(settling.step(NOW + 3 * POLL_S)) == []


def test_an_edit_by_another_program_decides_its_windows_again_once(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    assert settling.said(settling.step()) == [(NAME, Status.FINAL, 0)]
    register(settling.headend)
    edited(settling.headend, {DAY + 36_000: (500, 5)})
    report = settling.step(NOW + 1)
    assert settling.said(report) == [(NAME, Status.PROVISIONAL, 1)]
    assert only(report).statement.cause is Cause.OPERATOR
    assert settling.step(NOW + 2).attested == ()
    assert settling.settlement._news.edits() == ()
    edited(settling.headend, {DAY + 36_000: (400, 5)})
    settling.restart()
    assert settling.said(settling.step(NOW + 3)) == [(NAME, Status.PROVISIONAL, 2)]
