"""The two legs to the ledger, against the sandbox exchange over HTTP and a real database."""

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headend.exchange import legs
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import Database, create_database, open_database
from headend.trading.posting import NO_TERMS, Policy, PostingRecord, PostingState, Terms
from headend.trading.trades import Delivery
from ledger_client.http import HttpLedger
from ledger_client.ledger import Posting, Receipt, client_reference
from ledger_client.sandbox.faults import Fault
from signing.backends.file import FileSigner
from signing.envelope import Signed, sign
from signing.statements.window_actual import Cause, Status, Totals, WindowActual
from tests.headend.actuals import actual, statement_key
from tests.ledger_client.rehearsal import BUYER_DISCOM, NOW, SELLER_DISCOM, SELLER_METER, Rehearsal, posting

POLICY = Policy(statuses=frozenset({Status.FINAL}), retry_s=30, give_up_s=86_400)


class Leg:
    """The seller's discom at the exchange, and the one delivery that both platforms put a trade for."""

    def __init__(self, exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner) -> None:
        self.exchange = exchange
        self.ledger = ledger
        self.database = database
        self._signer = signer
        exchange.put_both()
        self.pull()
        (self.delivery,) = legs.followed(database, SELLER_DISCOM, look_back_days=7, now_utc=NOW)

    def pull(self, now_utc: int = NOW) -> legs.PullReport:
        return legs.pull(self.database, self.ledger, SELLER_DISCOM, look_back_days=7, now_utc=now_utc)

    def actual(self, totals: Totals | None, **changes: Any) -> Signed[WindowActual]:
        return actual(self._signer, self.delivery.window, posted_as=SELLER_METER, totals=totals, **changes)

    def exported(self, export_wh: int = 6400, **changes: Any) -> Signed[WindowActual]:
        return self.actual(Totals(import_wh=0, export_wh=export_wh), **changes)

    def asked(self, said: Signed[WindowActual]) -> Signed[WindowActual]:
        """The same, said once more because an operator asked for it."""
        return sign(replace(said.statement, cause=Cause.OPERATOR), self._signer)

    def plan(
        self, said: Signed[WindowActual] | None, *others: Delivery, now_utc: int = NOW, **more: Any
    ) -> tuple[PostingRecord, ...]:
        """Addresses the figure to the delivery, and to others."""
        return legs.plan(self.database, [self.delivery, *others], lambda _: said, POLICY, now_utc, **more)

    def post(self, now_utc: int = NOW, discom: str = SELLER_DISCOM, **more: Any) -> legs.PostReport:
        return legs.post(self.database, self.ledger, discom, POLICY, now_utc, **more)

    def postings(self) -> tuple[PostingRecord, ...]:
        return rows.postings_of(self.database.connection, self.delivery)

    def put(self, posting: PostingRecord) -> None:
        """What became of a posting meanwhile."""
        with self.database.transaction() as connection:
            rows.put_posting(connection, posting)


@pytest.fixture
def leg(tmp_path: Path, exchange: Rehearsal) -> Iterator[Leg]:
    create_database(tmp_path / "headend.db")
    with exchange.ledger() as ledger, closing(open_database(tmp_path / "headend.db")) as database:
        yield Leg(exchange, ledger, database, statement_key(tmp_path))


def test_a_trade_is_pulled_planned_posted_and_read_back(leg: Leg) -> None:
    ready = leg.exported()
    (planned,) = leg.plan(ready)
    assert planned.net_wh == -6400
    (after,) = leg.post().moved
    assert (after.state, after.allocated_wh) == (PostingState.CONFIRMED, 6000)
    assert leg.postings() == (after,)
    (trade,) = leg.exchange.settlement()
    assert client_reference(ready.digest) in str(trade)


def test_p18_an_actual_without_its_inclusion_proof_is_not_addressed(leg: Leg) -> None:
    assert leg.plan(None) == ()
    assert leg.post().moved == ()


@pytest.mark.parametrize("status", [Status.PROVISIONAL, Status.PENDING])
def test_a_status_that_the_policy_does_not_post_is_not_addressed(leg: Leg, status: Status) -> None:
    totals = Totals(import_wh=0, export_wh=1) if status is Status.PROVISIONAL else None
    other = leg.actual(totals, status=status)
    assert leg.plan(other) == ()


@pytest.mark.parametrize(("late_s", "planned"), [(-1, 1), (0, 0)])
def test_a_figure_stops_changing_at_the_ledger_when_its_true_up_is_over(leg: Leg, *, late_s: int, planned: int) -> None:
    ready = leg.exported()
    at_utc = POLICY.gates.true_up_ends_utc(leg.delivery.window) + late_s
    assert len(leg.plan(ready, now_utc=at_utc)) == planned


def test_planning_again_addresses_nothing_twice(leg: Leg) -> None:
    ready = leg.exported()
    assert len(leg.plan(ready)) == 1
    assert leg.plan(ready) == ()


def test_a_later_revision_is_posted_and_supersedes(leg: Leg) -> None:
    first = leg.exported(4000)
    leg.plan(first)
    leg.post()
    second = leg.exported(5000, supersedes=first)
    leg.plan(second)
    leg.post()
    states = [record.state for record in leg.postings()]
    assert states == [PostingState.SUPERSEDED, PostingState.CONFIRMED]
    leg.pull()
    (trade,) = rows.trades_from(leg.database.connection, 0)
    assert trade.pushed_wh == 5000


@pytest.mark.parametrize("status", [Status.PENDING, Status.WITHDRAWN])
def test_a_figure_that_a_later_revision_took_back_is_not_posted_any_more(leg: Leg, status: Status) -> None:
    first = leg.exported(4000)
    leg.plan(first)
    taken_back = leg.actual(None, status=status, supersedes=first)
    leg.plan(taken_back)
    assert leg.post().moved == ()
    (before,) = leg.postings()
    assert (before.state, before.note) == (PostingState.SUPERSEDED, "superseded by revision 1")


def test_what_the_ledger_confirmed_stays_confirmed_until_a_figure_replaces_it(leg: Leg) -> None:
    first = leg.exported(4000)
    leg.plan(first)
    leg.post()
    doubtful = leg.actual(None, status=Status.PENDING, supersedes=first)
    leg.plan(doubtful)
    (before,) = leg.postings()
    assert before.state is PostingState.CONFIRMED


def test_a_trade_that_is_put_after_the_posting_is_reached_by_the_same_post(leg: Leg) -> None:
    ready = leg.exported(12_000)
    leg.plan(ready)
    leg.post()
    leg.exchange.put_both(transaction_id="tx-2")
    found = leg.pull()
    assert found.unreached == {leg.delivery}
    assert leg.plan(ready, unreached=found.unreached) == ()
    (after,) = leg.post().moved
    assert (after.state, after.allocated_wh, after.attempts) == (PostingState.CONFIRMED, 12_000, 2)
    found = leg.pull()
    assert found.unreached == frozenset()
    assert [trade.pushed_wh for trade in rows.trades_from(leg.database.connection, 0)] == [6000, 6000]


def test_a_figure_that_a_revision_made_doubtful_does_not_go_to_a_trade_that_is_put_after_it(leg: Leg) -> None:
    first = leg.exported(4000)
    leg.plan(first)
    leg.post()
    doubtful = leg.actual(None, status=Status.PENDING, supersedes=first)
    leg.plan(doubtful, unreached=frozenset({leg.delivery}))
    assert leg.post().moved == ()


def test_rows_that_change_after_they_were_confirmed_are_an_operators_business(leg: Leg) -> None:
    ready = leg.exported()
    leg.plan(ready)
    leg.post()
    leg.pull()
    (before,) = leg.postings()
    assert before.state is PostingState.CONFIRMED
    other = posting(-1000, evidence="another", meter_id=leg.delivery.posted_as)
    leg.ledger.post(other)
    leg.pull()
    (after,) = leg.postings()
    assert (after.state, after.note) == (
        PostingState.DIFFERS,
        "confirmed 6.000 kWh, the ledger shows 1.000 kWh now",
    )


def test_a_silent_ledger_ends_the_round_and_the_other_postings_keep_their_turn(leg: Leg) -> None:
    unknown = replace(leg.delivery, posted_as="TEST_OTHER")
    leg.plan(leg.exported(), unknown)
    leg.exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    report = leg.post()
    assert [record.delivery for record in report.moved] == [leg.delivery]
    assert report.trouble is not None
    report = leg.post()
    assert [record.delivery for record in report.moved] == [unknown]
    assert report.trouble is None


def test_a_round_does_no_more_than_it_is_told(leg: Leg) -> None:
    unknown = replace(leg.delivery, posted_as="TEST_OTHER")
    leg.plan(leg.exported(), unknown)
    assert len(leg.post(most=1).moved) == 1
    assert len(leg.post(most=1).moved) == 1
    assert leg.post().moved == ()


class Abreast(HttpLedger):
    """The ledger, which answers the first post at once and the others only when as many wait as may."""

    def __init__(self, exchange: Rehearsal, ledger: HttpLedger) -> None:
        super().__init__(ledger._channel)
        self._exchange = exchange
        self._together = threading.Barrier(legs.POSTS_ABREAST, timeout=20)
        self._numbers = itertools.count()
        self.silent_from: int | None = None
        """The post from which on no answer comes."""

    def post(self, posting: Posting) -> Receipt:
        number = next(self._numbers)
        if number == self.silent_from:
            self._exchange.faults.switch_on(Fault.DOWN, legs.POSTS_ABREAST)
        if number:
            self._together.wait()
        return super().post(posting)


def addressed(leg: Leg, others: int) -> None:
    """Postings to the delivery of a trade and, by other names, to others of none."""
    leg.plan(leg.exported(), *(replace(leg.delivery, posted_as=f"TEST_OTHER_{number}") for number in range(others)))


def test_several_wait_for_the_ledger_at_once_and_each_gets_its_own_answer(leg: Leg) -> None:
    addressed(leg, legs.POSTS_ABREAST)
    report = legs.post(leg.database, Abreast(leg.exchange, leg.ledger), SELLER_DISCOM, POLICY, NOW)
    assert report.trouble is None
    found = {record.delivery.posted_as: record.state for record in report.moved}
    others = {f"TEST_OTHER_{number}": PostingState.WAITING for number in range(legs.POSTS_ABREAST)}
    assert found == {SELLER_METER: PostingState.CONFIRMED} | others


def test_a_ledger_that_falls_silent_is_asked_by_no_more_than_wait_already(leg: Leg) -> None:
    addressed(leg, 2 * legs.POSTS_ABREAST)
    silent = Abreast(leg.exchange, leg.ledger)
    silent.silent_from = 1
    report = legs.post(leg.database, silent, SELLER_DISCOM, POLICY, NOW)
    assert len(report.moved) == 1 + legs.POSTS_ABREAST
    assert report.trouble is not None
    after = leg.post()
    assert (len(after.moved), after.trouble) == (legs.POSTS_ABREAST, None)


def test_terms_are_asked_for_what_may_be_addressed_and_not_again_for_what_was(leg: Leg) -> None:
    ready = leg.exported()
    asked: list[Delivery] = []

    def terms(_: sqlite3.Connection, delivery: Delivery, __: WindowActual) -> Terms:
        asked.append(delivery)
        return NO_TERMS

    for _ in range(2):
        leg.plan(ready, unreached=frozenset({leg.delivery}), terms=terms)
    assert asked == [leg.delivery]
    # What the ledger confirmed may have to go again, with its terms.
    leg.post()
    leg.plan(ready, unreached=frozenset({leg.delivery}), terms=terms)
    assert asked == [leg.delivery, leg.delivery]


def test_a_trade_is_followed_from_when_it_was_first_seen(leg: Leg) -> None:
    # A second trade of the same meter and window comes later, and the first is seen again.
    leg.exchange.put_both(order_item_id="it-2")
    leg.pull(NOW + 100)
    assert list(legs.followed(leg.database, SELLER_DISCOM, look_back_days=7, now_utc=NOW + 100).values()) == [NOW]
    assert legs.followed(leg.database, BUYER_DISCOM, look_back_days=7, now_utc=NOW).keys() != set()
    assert legs.followed(leg.database, "another", look_back_days=7, now_utc=NOW) == {}


def test_a_lost_answer_is_tried_again_with_the_same_reference_and_has_one_effect(leg: Leg) -> None:
    ready = leg.exported()
    leg.plan(ready)
    leg.exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    (lost,) = leg.post().moved
    assert (lost.state, lost.next_try_utc) == (PostingState.DUE, NOW + 30)
    assert leg.post(NOW + 29).moved == ()
    (after,) = leg.post(NOW + 30).moved
    assert (after.state, after.attempts) == (PostingState.CONFIRMED, 2)


def test_a_trade_that_is_not_put_yet_is_waited_for_until_the_deadline(leg: Leg) -> None:
    unknown = Delivery(
        posted_as="TEST_OTHER",
        delivery_start=leg.delivery.delivery_start,
        delivery_end=leg.delivery.delivery_end,
        window=leg.delivery.window,
    )
    legs.plan(leg.database, [unknown], lambda _: leg.exported(), POLICY, NOW)
    (waiting,) = leg.post().moved
    assert waiting.state is PostingState.WAITING
    assert "PRC_NOT_FOUND" in waiting.note
    deadline = leg.delivery.window.end_utc + POLICY.give_up_s
    leg.exchange.clock[0] = deadline
    (expired,) = leg.post(deadline).moved
    assert expired.state is PostingState.EXPIRED


def test_a_refusal_is_recorded_and_never_tried_again(leg: Leg) -> None:
    ready = leg.exported()
    leg.plan(ready)
    (refused,) = leg.post(discom=BUYER_DISCOM).moved
    assert refused.state is PostingState.REFUSED
    assert leg.post(NOW + 10**6).moved == ()


def test_a_crash_after_the_post_was_recorded_reads_back_without_a_second_effect(leg: Leg) -> None:
    ready = leg.exported()
    (planned,) = leg.plan(ready)
    leg.post()
    with leg.database.transaction() as connection:
        connection.execute("UPDATE postings SET state = 'POSTED', next_try_utc = ?", (NOW,))
    (after,) = leg.post().moved
    assert after.state is PostingState.CONFIRMED
    assert after.actual == planned.actual


def test_the_same_figure_over_more_evidence_is_not_posted_again(leg: Leg) -> None:
    first = leg.exported()
    leg.plan(first)
    leg.post()
    second = leg.exported(supersedes=first)
    assert leg.plan(second) == ()
    assert [record.state for record in leg.postings()] == [PostingState.CONFIRMED]


def test_a_refused_figure_waits_for_an_operator_and_another_figure_is_posted(leg: Leg) -> None:
    first = leg.exported()
    leg.plan(first)
    leg.post(discom=BUYER_DISCOM)
    same = leg.exported(supersedes=first)
    assert leg.plan(same) == ()
    other = leg.exported(5000, supersedes=same)
    assert len(leg.plan(other)) == 1


def test_a_figure_that_came_back_after_another_is_posted_again(leg: Leg) -> None:
    revisions: list[Signed[WindowActual]] = []
    for export_wh in (4000, 5000, 4000):
        before = revisions[-1] if revisions else None
        revisions.append(leg.exported(export_wh, supersedes=before))
        leg.plan(revisions[-1])
        leg.post()
    leg.pull()
    (trade,) = rows.trades_from(leg.database.connection, 0)
    assert trade.pushed_wh == 4000


@pytest.mark.parametrize("fate", [PostingState.REFUSED, PostingState.DIFFERS])
def test_a_figure_that_was_refused_before_another_one_is_posted_when_it_comes_again(
    leg: Leg, fate: PostingState
) -> None:
    first = leg.exported(4000)
    (planned,) = leg.plan(first)
    leg.put(replace(planned, state=fate))
    second = leg.exported(5000, supersedes=first)
    leg.plan(second)
    leg.post()
    third = leg.exported(4000, supersedes=second)
    leg.plan(third)
    (after,) = leg.post().moved
    assert (after.revision, after.state, after.allocated_wh) == (2, PostingState.CONFIRMED, 4000)


@pytest.mark.parametrize("fate", [PostingState.REFUSED, PostingState.DIFFERS, PostingState.EXPIRED])
def test_what_stood_still_is_superseded_by_another_figure_so_that_nobody_has_the_older_one_tried_again(
    leg: Leg, fate: PostingState
) -> None:
    first = leg.exported(4000)
    (planned,) = leg.plan(first)
    leg.put(replace(planned, state=fate))
    leg.plan(leg.exported(5000, supersedes=first))
    leg.post()
    assert [record.state for record in leg.postings()] == [PostingState.SUPERSEDED, PostingState.CONFIRMED]


@pytest.mark.parametrize(
    ("fate", "after"),
    [
        (PostingState.REFUSED, PostingState.SUPERSEDED),
        (PostingState.EXPIRED, PostingState.SUPERSEDED),
        # The ledger shows something of it, and somebody still has to look.
        (PostingState.DIFFERS, PostingState.DIFFERS),
    ],
)
def test_what_the_ledger_never_took_is_superseded_when_its_figure_is_taken_back(
    leg: Leg, fate: PostingState, after: PostingState
) -> None:
    first = leg.exported(4000)
    (planned,) = leg.plan(first)
    leg.put(replace(planned, state=fate))
    leg.plan(leg.actual(None, status=Status.PENDING, supersedes=first))
    assert [record.state for record in leg.postings()] == [after]


def test_more_evidence_for_what_was_said_keeps_a_late_trade_within_reach(leg: Leg) -> None:
    first = leg.exported(12_000)
    leg.plan(first)
    leg.post()
    second = leg.exported(12_000, supersedes=first)
    leg.plan(second, unreached=frozenset({leg.delivery}))
    (after,) = leg.post().moved
    assert (after.revision, after.attempts) == (0, 2)


def test_what_an_operator_attests_again_goes_to_the_ledger_that_refused_the_same_figure(leg: Leg) -> None:
    first = leg.exported(4000)
    (planned,) = leg.plan(first)
    leg.put(replace(planned, state=PostingState.REFUSED))
    again = leg.exported(4000, supersedes=first)
    assert leg.plan(again) == ()
    asked = leg.asked(again)
    leg.plan(asked)
    (after,) = leg.post().moved
    assert (after.actual, after.state) == (asked.digest, PostingState.CONFIRMED)


def test_a_superseded_posting_whose_answer_was_lost_says_that_the_ledger_may_hold_it(leg: Leg) -> None:
    first = leg.exported(4000)
    (planned,) = leg.plan(first)
    leg.put(replace(planned, attempts=1))
    pending = leg.actual(None, status=Status.PENDING, supersedes=first)
    leg.plan(pending)
    (after,) = leg.postings()
    assert after.state is PostingState.SUPERSEDED
    assert after.note == "superseded by revision 1; a try got no answer, so the ledger may hold it"


def test_a_pull_of_what_is_known_already_writes_nothing_so_that_intake_need_not_wait(leg: Leg) -> None:
    writes: list[str] = []
    leg.database.connection.set_trace_callback(writes.append)
    assert leg.pull(NOW + 300).trades == 1
    leg.database.connection.set_trace_callback(None)
    assert [one for one in writes if one.startswith(("BEGIN", "INSERT", "UPDATE"))] == []


def test_many_trades_that_changed_are_stored_in_small_transactions(leg: Leg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legs, "_TRADES_AT_ONCE", 2)
    for number in range(5):
        leg.exchange.put_both(transaction_id=f"more-{number}")
    writes: list[str] = []
    leg.database.connection.set_trace_callback(writes.append)
    assert leg.pull(NOW + 300).trades == 6
    leg.database.connection.set_trace_callback(None)
    assert len([one for one in writes if one.startswith("BEGIN")]) == 3
    assert len(rows.trades_from(leg.database.connection, 0)) == 6
