"""The two legs to the ledger, against the sandbox exchange over HTTP and a real database."""

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headend.exchange import legs
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import Database, create_database, open_database
from headend.trading.posting import NO_TERMS, Policy, PostingState, Terms
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


@pytest.fixture
def ledger(exchange: Rehearsal) -> Iterator[HttpLedger]:
    with exchange.ledger() as found:
        yield found


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    create_database(tmp_path / "headend.db")
    found = open_database(tmp_path / "headend.db")
    yield found
    found.close()


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    return statement_key(tmp_path)


def pulled(database: Database, ledger: HttpLedger) -> tuple[Delivery, ...]:
    legs.pull(database, ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW)
    return tuple(sorted(legs.followed(database, SELLER_DISCOM, look_back_days=7, now_utc=NOW)))


def exported(signer: FileSigner, delivery: Delivery, export_wh: int = 6400, **changes: object) -> Signed[WindowActual]:
    totals = Totals(import_wh=0, export_wh=export_wh)
    return actual(signer, delivery.window, posted_as=SELLER_METER, totals=totals, **changes)  # type: ignore[arg-type]


def test_a_trade_is_pulled_planned_posted_and_read_back(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery)
    (planned,) = legs.plan(database, [delivery], lambda _: ready, POLICY, NOW)
    assert planned.net_wh == -6400
    (after,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved
    assert (after.state, after.allocated_wh) == (PostingState.CONFIRMED, 6000)
    assert rows.postings_of(database.connection, delivery) == (after,)
    (trade,) = exchange.settlement()
    assert client_reference(ready.digest) in str(trade)


def test_p18_an_actual_without_its_inclusion_proof_is_not_addressed(
    exchange: Rehearsal, ledger: HttpLedger, database: Database
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    assert legs.plan(database, [delivery], lambda _: None, POLICY, NOW) == ()
    assert legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved == ()


@pytest.mark.parametrize("status", [Status.PROVISIONAL, Status.PENDING])
def test_a_status_that_the_policy_does_not_post_is_not_addressed(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner, status: Status
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    totals = Totals(import_wh=0, export_wh=1) if status is Status.PROVISIONAL else None
    other = actual(signer, delivery.window, posted_as=SELLER_METER, totals=totals, status=status)
    assert legs.plan(database, [delivery], lambda _: other, POLICY, NOW) == ()


@pytest.mark.parametrize(("late_s", "planned"), [(-1, 1), (0, 0)])
def test_a_figure_stops_changing_at_the_ledger_when_its_true_up_is_over(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner, *, late_s: int, planned: int
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery)
    at_utc = POLICY.gates.true_up_ends_utc(delivery.window) + late_s
    assert len(legs.plan(database, [delivery], lambda _: ready, POLICY, at_utc)) == planned


def test_planning_again_addresses_nothing_twice(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery)
    assert len(legs.plan(database, [delivery], lambda _: ready, POLICY, NOW)) == 1
    assert legs.plan(database, [delivery], lambda _: ready, POLICY, NOW) == ()


def test_a_later_revision_is_posted_and_supersedes(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery, 4000)
    legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    second = exported(signer, delivery, 5000, supersedes=first)
    legs.plan(database, [delivery], lambda _: second, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    states = [record.state for record in rows.postings_of(database.connection, delivery)]
    assert states == [PostingState.SUPERSEDED, PostingState.CONFIRMED]
    pulled(database, ledger)
    (trade,) = rows.trades_from(database.connection, 0)
    assert trade.pushed_wh == 5000


@pytest.mark.parametrize("status", [Status.PENDING, Status.WITHDRAWN])
def test_a_figure_that_a_later_revision_took_back_is_not_posted_any_more(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner, status: Status
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery, 4000)
    legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    taken_back = actual(signer, delivery.window, posted_as=SELLER_METER, totals=None, status=status, supersedes=first)
    legs.plan(database, [delivery], lambda _: taken_back, POLICY, NOW)
    assert legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved == ()
    (before,) = rows.postings_of(database.connection, delivery)
    assert (before.state, before.note) == (PostingState.SUPERSEDED, "superseded by revision 1")


def test_what_the_ledger_confirmed_stays_confirmed_until_a_figure_replaces_it(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery, 4000)
    legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    doubtful = actual(
        signer, delivery.window, posted_as=SELLER_METER, totals=None, status=Status.PENDING, supersedes=first
    )
    legs.plan(database, [delivery], lambda _: doubtful, POLICY, NOW)
    (before,) = rows.postings_of(database.connection, delivery)
    assert before.state is PostingState.CONFIRMED


def test_a_trade_that_is_put_after_the_posting_is_reached_by_the_same_post(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery, 12_000)
    legs.plan(database, [delivery], lambda _: ready, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    exchange.put_both(transaction_id="tx-2")
    found = legs.pull(database, ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW)
    assert found.unreached == {delivery}
    assert legs.plan(database, [delivery], lambda _: ready, POLICY, NOW, unreached=found.unreached) == ()
    (after,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved
    assert (after.state, after.allocated_wh, after.attempts) == (PostingState.CONFIRMED, 12_000, 2)
    found = legs.pull(database, ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW)
    assert found.unreached == frozenset()
    assert [trade.pushed_wh for trade in rows.trades_from(database.connection, 0)] == [6000, 6000]


def test_a_figure_that_a_revision_made_doubtful_does_not_go_to_a_trade_that_is_put_after_it(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery, 4000)
    legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    doubtful = actual(
        signer, delivery.window, posted_as=SELLER_METER, totals=None, status=Status.PENDING, supersedes=first
    )
    legs.plan(database, [delivery], lambda _: doubtful, POLICY, NOW, unreached=frozenset({delivery}))
    assert legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved == ()


def test_rows_that_change_after_they_were_confirmed_are_an_operators_business(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery)
    legs.plan(database, [delivery], lambda _: ready, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    pulled(database, ledger)
    (before,) = rows.postings_of(database.connection, delivery)
    assert before.state is PostingState.CONFIRMED
    other = posting(-1000, evidence="another", meter_id=delivery.posted_as)
    ledger.post(other)
    pulled(database, ledger)
    (after,) = rows.postings_of(database.connection, delivery)
    assert (after.state, after.note) == (
        PostingState.DIFFERS,
        "confirmed 6.000 kWh, the ledger shows 1.000 kWh now",
    )


def test_a_silent_ledger_ends_the_round_and_the_other_postings_keep_their_turn(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    unknown = replace(delivery, posted_as="TEST_OTHER")
    ready = {delivery: exported(signer, delivery), unknown: exported(signer, unknown)}
    legs.plan(database, ready, ready.__getitem__, POLICY, NOW)
    exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    report = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    assert [record.delivery for record in report.moved] == [delivery]
    assert report.trouble is not None
    report = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    assert [record.delivery for record in report.moved] == [unknown]
    assert report.trouble is None


def test_a_round_does_no_more_than_it_is_told(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    unknown = replace(delivery, posted_as="TEST_OTHER")
    ready = {delivery: exported(signer, delivery), unknown: exported(signer, unknown)}
    legs.plan(database, ready, ready.__getitem__, POLICY, NOW)
    assert len(legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW, most=1).moved) == 1
    assert len(legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW, most=1).moved) == 1
    assert legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved == ()


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


def addressed(database: Database, ledger: HttpLedger, signer: FileSigner, count: int) -> None:
    """Postings to one delivery of a trade and, by other names, to others of none."""
    (delivery,) = pulled(database, ledger)
    wanted = [delivery, *(replace(delivery, posted_as=f"TEST_OTHER_{number}") for number in range(count - 1))]
    legs.plan(database, wanted, lambda one: exported(signer, one), POLICY, NOW)


def test_several_wait_for_the_ledger_at_once_and_each_gets_its_own_answer(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    addressed(database, ledger, signer, 1 + legs.POSTS_ABREAST)
    report = legs.post(database, Abreast(exchange, ledger), SELLER_DISCOM, POLICY, NOW)
    assert report.trouble is None
    found = {record.delivery.posted_as: record.state for record in report.moved}
    others = {f"TEST_OTHER_{number}": PostingState.WAITING for number in range(legs.POSTS_ABREAST)}
    assert found == {SELLER_METER: PostingState.CONFIRMED} | others


def test_a_ledger_that_falls_silent_is_asked_by_no_more_than_wait_already(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    addressed(database, ledger, signer, 1 + 2 * legs.POSTS_ABREAST)
    silent = Abreast(exchange, ledger)
    silent.silent_from = 1
    report = legs.post(database, silent, SELLER_DISCOM, POLICY, NOW)
    assert len(report.moved) == 1 + legs.POSTS_ABREAST
    assert report.trouble is not None
    after = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    assert (len(after.moved), after.trouble) == (legs.POSTS_ABREAST, None)


def test_terms_are_asked_for_what_may_be_addressed_and_not_again_for_what_was(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery)
    asked: list[Delivery] = []

    def terms(_: sqlite3.Connection, delivery: Delivery, __: WindowActual) -> Terms:
        asked.append(delivery)
        return NO_TERMS

    for _ in range(2):
        legs.plan(database, [delivery], lambda _: ready, POLICY, NOW, unreached=frozenset({delivery}), terms=terms)
    assert asked == [delivery]
    # What the ledger confirmed may have to go again, with its terms.
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    legs.plan(database, [delivery], lambda _: ready, POLICY, NOW, unreached=frozenset({delivery}), terms=terms)
    assert asked == [delivery, delivery]


def test_a_trade_is_followed_from_when_it_was_first_seen(
    exchange: Rehearsal, ledger: HttpLedger, database: Database
) -> None:
    exchange.put_both()
    legs.pull(database, ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW)
    # A second trade of the same meter and window comes later, and the first is seen again.
    exchange.put_both(order_item_id="it-2")
    legs.pull(database, ledger, SELLER_DISCOM, look_back_days=7, now_utc=NOW + 100)
    assert list(legs.followed(database, SELLER_DISCOM, look_back_days=7, now_utc=NOW + 100).values()) == [NOW]
    assert legs.followed(database, BUYER_DISCOM, look_back_days=7, now_utc=NOW).keys() != set()
    assert legs.followed(database, "another", look_back_days=7, now_utc=NOW) == {}


def test_a_lost_answer_is_tried_again_with_the_same_reference_and_has_one_effect(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery)
    legs.plan(database, [delivery], lambda _: ready, POLICY, NOW)
    exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    (lost,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved
    assert (lost.state, lost.next_try_utc) == (PostingState.DUE, NOW + 30)
    assert legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW + 29).moved == ()
    (after,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW + 30).moved
    assert (after.state, after.attempts) == (PostingState.CONFIRMED, 2)


def test_a_trade_that_is_not_put_yet_is_waited_for_until_the_deadline(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    unknown = Delivery(
        posted_as="TEST_OTHER",
        delivery_start=delivery.delivery_start,
        delivery_end=delivery.delivery_end,
        window=delivery.window,
    )
    ready = exported(signer, unknown)
    legs.plan(database, [unknown], lambda _: ready, POLICY, NOW)
    (waiting,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved
    assert waiting.state is PostingState.WAITING
    assert "PRC_NOT_FOUND" in waiting.note
    deadline = delivery.window.end_utc + POLICY.give_up_s
    exchange.clock[0] = deadline
    (expired,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, deadline).moved
    assert expired.state is PostingState.EXPIRED


def test_a_refusal_is_recorded_and_never_tried_again(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery)
    legs.plan(database, [delivery], lambda _: ready, POLICY, NOW)
    (refused,) = legs.post(database, ledger, BUYER_DISCOM, POLICY, NOW).moved
    assert refused.state is PostingState.REFUSED
    assert legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW + 10**6).moved == ()


def test_a_crash_after_the_post_was_recorded_reads_back_without_a_second_effect(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    ready = exported(signer, delivery)
    (planned,) = legs.plan(database, [delivery], lambda _: ready, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    with database.transaction() as connection:
        connection.execute("UPDATE postings SET state = 'POSTED', next_try_utc = ?", (NOW,))
    (after,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved
    assert after.state is PostingState.CONFIRMED
    assert after.actual == planned.actual


def test_the_same_figure_over_more_evidence_is_not_posted_again(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery)
    legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    second = exported(signer, delivery, supersedes=first)
    assert legs.plan(database, [delivery], lambda _: second, POLICY, NOW) == ()
    assert [record.state for record in rows.postings_of(database.connection, delivery)] == [PostingState.CONFIRMED]


def test_a_refused_figure_waits_for_an_operator_and_another_figure_is_posted(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery)
    legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    legs.post(database, ledger, BUYER_DISCOM, POLICY, NOW)
    same = exported(signer, delivery, supersedes=first)
    assert legs.plan(database, [delivery], lambda _: same, POLICY, NOW) == ()
    other = exported(signer, delivery, 5000, supersedes=same)
    assert len(legs.plan(database, [delivery], lambda _: other, POLICY, NOW)) == 1


def test_a_figure_that_came_back_after_another_is_posted_again(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    revisions: list[Signed[WindowActual]] = []
    for export_wh in (4000, 5000, 4000):
        before = revisions[-1] if revisions else None
        revisions.append(exported(signer, delivery, export_wh, supersedes=before))
        legs.plan(database, [delivery], lambda _: revisions[-1], POLICY, NOW)
        legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    pulled(database, ledger)
    (trade,) = rows.trades_from(database.connection, 0)
    assert trade.pushed_wh == 4000


@pytest.mark.parametrize("fate", [PostingState.REFUSED, PostingState.DIFFERS])
def test_a_figure_that_was_refused_before_another_one_is_posted_when_it_comes_again(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner, fate: PostingState
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery, 4000)
    (planned,) = legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    with database.transaction() as connection:
        rows.put_posting(connection, replace(planned, state=fate))
    second = exported(signer, delivery, 5000, supersedes=first)
    legs.plan(database, [delivery], lambda _: second, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    third = exported(signer, delivery, 4000, supersedes=second)
    legs.plan(database, [delivery], lambda _: third, POLICY, NOW)
    (after,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved
    assert (after.revision, after.state, after.allocated_wh) == (2, PostingState.CONFIRMED, 4000)


def test_more_evidence_for_what_was_said_keeps_a_late_trade_within_reach(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery, 12_000)
    legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW)
    second = exported(signer, delivery, 12_000, supersedes=first)
    legs.plan(database, [delivery], lambda _: second, POLICY, NOW, unreached=frozenset({delivery}))
    (after,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved
    assert (after.revision, after.attempts) == (0, 2)


def test_what_an_operator_attests_again_goes_to_the_ledger_that_refused_the_same_figure(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery, 4000)
    (planned,) = legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    with database.transaction() as connection:
        rows.put_posting(connection, replace(planned, state=PostingState.REFUSED))
    again = exported(signer, delivery, 4000, supersedes=first)
    assert legs.plan(database, [delivery], lambda _: again, POLICY, NOW) == ()
    asked = sign(replace(again.statement, cause=Cause.OPERATOR), signer)
    legs.plan(database, [delivery], lambda _: asked, POLICY, NOW)
    (after,) = legs.post(database, ledger, SELLER_DISCOM, POLICY, NOW).moved
    assert (after.actual, after.state) == (asked.digest, PostingState.CONFIRMED)


def test_a_superseded_posting_whose_answer_was_lost_says_that_the_ledger_may_hold_it(
    exchange: Rehearsal, ledger: HttpLedger, database: Database, signer: FileSigner
) -> None:
    exchange.put_both()
    (delivery,) = pulled(database, ledger)
    first = exported(signer, delivery, 4000)
    (planned,) = legs.plan(database, [delivery], lambda _: first, POLICY, NOW)
    with database.transaction() as connection:
        rows.put_posting(connection, replace(planned, attempts=1))
    pending = actual(
        signer, delivery.window, posted_as=SELLER_METER, totals=None, status=Status.PENDING, supersedes=first
    )
    legs.plan(database, [delivery], lambda _: pending, POLICY, NOW)
    (after,) = rows.postings_of(database.connection, delivery)
    assert after.state is PostingState.SUPERSEDED
    assert after.note == "superseded by revision 1; a try got no answer, so the ledger may hold it"
