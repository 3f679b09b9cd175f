"""Questions of the exchange, from the ledger provider's POST to the settled trade: real HTTP, log and attestation, hand-set time."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from headend.config import Channel
from headend.duties.holds import HoldKind, Order
from headend.store.sqlite import hold_rows, question_rows
from headend.store.sqlite.question_rows import Disclosure
from headend.trading.questions import QuestionState
from headend.watching.watch import Watch
from ledger_client.beckn_http import BecknPusher, PushReceipt
from ledger_client.ledger import LedgerUnavailableError
from ledger_client.sandbox.faults import Fault
from ledger_client.sandbox.question import Form
from signing.interval import DAY_S, Interval, utc_text
from signing.statements.reading_batch import Origin
from signing.statements.window_actual import Cause, Status
from tests.headend.asking import LEDGER, OWN, QUARTERS, SELLER_PLATFORM, WINDOW, Asking, asking
from tests.headend.discom import METER, SUBJECT
from tests.headend.premises import Headend
from tests.headend.settling import NAME
from tests.ledger_client.rehearsal import NOW, signer
from tests.ledger_client.served import Canned, canned

ACK = (200, "ACK", "")


@pytest.fixture
def asked(headend: Headend, tmp_path: Path) -> Iterator[Asking]:
    with asking(headend, tmp_path / "exchange") as found:
        yield found


def seller(asked: Asking) -> dict[str, object]:
    """Our side of the one trade, as the exchange holds it."""
    found = asked.trade_row()["seller"]
    assert isinstance(found, dict)
    return found


def place(asked: Asking, kind: HoldKind, **changes: object) -> int:
    order = Order(
        kind=kind,
        connection_point=None if kind is HoldKind.STAND_DOWN else SUBJECT.connection_point,
        window=SUBJECT.window if kind is HoldKind.DISPUTE else None,
        party="the peer, P-7" if kind is HoldKind.DISPUTE else None,
        by="asha",
        reason="looked into",
    )
    with asked.headend.database.transaction() as connection:
        return hold_rows.open_hold(connection, order, at_utc=NOW)


def told(asked: Asking) -> dict[tuple[str, Interval], bytes | None]:
    """What each window of the newest question was told of."""
    (newest, *_) = asked.questions()
    rows = question_rows.windows(asked.headend.database.connection, newest)
    return {(one.posted_as, one.window): one.told for one in rows}


@contextmanager
def refusing(headend: Headend, folder: Path) -> Iterator[tuple[Asking, Canned]]:
    """A head-end with a figure to tell, and an address that takes no answer."""
    nack = b'{"message":{"status":"NACK","error":{"code":"SCH_INVALID_FORMAT","message":"no"}}}'
    with canned(Canned(status=400, body=nack)) as other, asking(headend, folder) as asked:
        asked.settling.whole_day()
        asked.settling.trade()
        asked.settling.step()
        yield asked, other


def states(asked: Asking) -> list[tuple[QuestionState, int, str]]:
    return [(one.state, one.attempts, one.note) for one in asked.questions()]


# --- from question to answer


def test_a_question_is_acked_kept_answered_and_allocated(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    assert asked.acks(everything=True) == [ACK]
    assert states(asked) == [(QuestionState.OPEN, 0, "")]
    asked.answer()
    assert states(asked) == [(QuestionState.ANSWERED, 0, "1 figure(s) told")]
    (posting,) = asked.settling.postings()
    assert seller(asked)["clientReference"] == f"sk1:{posting.actual.hex()}"
    assert told(asked) == {(NAME, SUBJECT.window): posting.actual}


def test_what_a_look_leaves_as_it_was_is_not_told_to_the_operator(headend: Headend, tmp_path: Path) -> None:
    """A line of the log each second of `patience_s`, or "1 figure(s) told" while everything stands down, would be read as answers."""
    with asking(headend, tmp_path / "exchange", patience_s="300", untraded='"answer"') as asked:
        asked.settling.whole_day()
        asked.settling.trade()
        asked.settling.step()
        asked.send(asked.body({NAME: [WINDOW, QUARTERS[0]]}))
        looks = []
        for at in (NOW, NOW + 299, NOW + 300):
            asked.at(at)
            report = asked.answering.step(at)
            looks.append((report.looked_at, [one.note for one in report.moved]))
        assert looks == [(1, ["windows are being decided"]), (1, []), (1, ["1 figure(s) told"])]
        place(asked, HoldKind.STAND_DOWN)
        held = asked.answering.step(NOW + 301)
        assert (held.looked_at, held.moved) == (1, [])


def test_a_figure_that_is_told_again_is_told_to_the_operator_again(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    for _ in range(2):
        asked.pull(everything=True)
        assert [one.note for one in asked.answering.step(asked.now()).moved] == ["1 figure(s) told"]


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("shape", ["as-asked", "dataset", "attributes"])
def test_every_form_of_question_is_answered_in_every_shape_and_allocated(
    headend: Headend, tmp_path: Path, form: Form, shape: str
) -> None:
    with asking(headend, tmp_path / "exchange", form=form, shape=f'"{shape}"') as asked:
        # Only answered, never posted: what the exchange holds came by the answer.
        asked.settling.settlement._config = replace(
            asked.settling.config, ledger=replace(asked.settling.config.ledger, channel=Channel.NONE)
        )
        asked.settling.whole_day()
        asked.settling.trade()
        asked.settling.step()
        assert asked.acks() == [ACK]
        asked.answer()
        (digest,) = told(asked).values()
        assert digest is not None
        assert seller(asked)["clientReference"] == f"sk1:{digest.hex()}"
        assert asked.settling.postings() == ()


def test_an_ack_is_signed_over_the_question_and_the_provider_has_nothing_to_warn_of(asked: Asking) -> None:
    asked.settling.trade()
    (report,) = asked.pull()
    assert (report["ack"], report["warnings"]) == ("ACK", [])


def test_every_interval_of_the_coverage_is_answered_where_only_the_first_is_listed(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.trade(
        order_item_id="it-2", delivery_start=utc_text(WINDOW[1]), delivery_end=utc_text(WINDOW[1] + 7200)
    )
    asked.exchange.faults.switch_on(Fault.CUT_SHORT, 1)
    assert asked.acks() == [ACK]
    asked.answer()
    windows = {window.start_utc for _, window in told(asked)}
    assert windows == {WINDOW[0], WINDOW[1]}
    assert None not in told(asked).values()


def test_a_window_that_is_not_decided_is_waited_for_and_then_answered_without_it(
    headend: Headend, tmp_path: Path
) -> None:
    with asking(headend, tmp_path / "exchange", patience_s="300", untraded='"answer"') as asked:
        asked.settling.whole_day()
        asked.settling.trade()
        asked.settling.step()
        asked.send(asked.body({NAME: [WINDOW, QUARTERS[0]]}))
        for at in (NOW, NOW + 299):
            asked.at(at)
            asked.answering.step(at)
            assert states(asked) == [(QuestionState.OPEN, 0, "windows are being decided")]
        asked.at(NOW + 300)
        asked.answering.step(NOW + 300)
        assert states(asked) == [(QuestionState.ANSWERED, 0, "1 figure(s) told")]


def test_a_pending_window_is_left_out_and_its_figure_is_pushed_when_it_comes(asked: Asking) -> None:
    asked.partial_day()
    asked.settling.trade()
    asked.settling.step()
    asked.settling.step(NOW + 900)
    asked.at(NOW + 900)
    asked.pull()
    asked.answer(NOW + 900)
    assert states(asked) == [(QuestionState.OPEN, 0, "no figure that may be told yet")]
    assert seller(asked)["clientReference"] is None
    asked.rest()
    (final,) = asked.settling.step(NOW + 901, (METER,)).attested
    assert final.statement.status is Status.FINAL
    asked.answer(NOW + 902)
    assert told(asked) == {(NAME, SUBJECT.window): final.digest}


def revised(asked: Asking) -> bytes:
    """A figure that was told, and its revision by an operator."""
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.pull(everything=True)
    asked.answer()
    (first,) = told(asked).values()
    (signed,) = asked.settling.attestor.attest([SUBJECT], at_utc=NOW, cause=Cause.OPERATOR)
    assert signed.digest != first
    return signed.digest


def test_a_revision_of_what_was_told_is_pushed_without_being_asked(asked: Asking) -> None:
    digest = revised(asked)
    asked.answer(NOW + 1)
    assert set(told(asked).values()) == {digest}


def test_a_revision_waits_for_the_next_question_where_nothing_is_pushed(headend: Headend, tmp_path: Path) -> None:
    with asking(headend, tmp_path / "exchange", revisions='"wait"') as asked:
        digest = revised(asked)
        asked.answer(NOW + 1)
        assert set(told(asked).values()) != {digest}
        asked.send(asked.questions()[0].body, life_s=200)
        asked.answer(NOW + 2)
        assert set(told(asked).values()) == {digest}


def test_only_the_last_question_about_a_window_is_answered_again_by_itself(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    for name in ("1", "2"):
        asked.send(asked.body({NAME: [WINDOW]}, name=name))
        asked.answer()
    first = asked.questions()[1]
    (signed,) = asked.settling.attestor.attest([SUBJECT], at_utc=NOW, cause=Cause.OPERATOR)
    asked.answer(NOW + 1)
    assert set(told(asked).values()) == {signed.digest}
    (row,) = question_rows.windows(asked.headend.database.connection, first)
    assert row.told not in (None, signed.digest)


def test_a_revision_is_told_by_an_earlier_question_where_the_answer_to_the_last_one_was_refused(
    headend: Headend, tmp_path: Path
) -> None:
    with refusing(headend, tmp_path / "exchange") as (asked, other):
        asked.send(asked.body({NAME: [WINDOW]}, name="1"))
        asked.answer()
        asked.send(asked.body({NAME: [WINDOW]}, uri=f"http://{other.address}/bap/receiver", name="2"))
        asked.answer()
        last, first = asked.questions()
        assert (first.state, last.state) == (QuestionState.ANSWERED, QuestionState.REFUSED)
        (signed,) = asked.settling.attestor.attest([SUBJECT], at_utc=NOW, cause=Cause.OPERATOR)
        asked.answer(NOW + 1)
        (row,) = question_rows.windows(asked.headend.database.connection, first)
        assert row.told == signed.digest


def test_an_old_window_is_answered_as_long_as_it_is_asked_about(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.at(NOW + 60 * DAY_S)
    asked.send(asked.body({NAME: [WINDOW]}))
    asked.answering.step(asked.now())
    assert states(asked)[0][0] is QuestionState.ANSWERED
    asked.at(NOW + 61 * DAY_S)
    asked.answering.step(asked.now())
    assert states(asked)[0][0] is QuestionState.EXPIRED
    asked.send(asked.questions()[0].body, life_s=200)
    asked.answering.step(asked.now())
    assert states(asked)[0][0] is QuestionState.ANSWERED


def test_what_expired_long_ago_is_forgotten_and_can_be_asked_anew(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.send(asked.body({NAME: [WINDOW]}))
    asked.answer()
    body = asked.questions()[0].body
    expired = NOW + 50 * DAY_S
    asked.answering.step(expired)
    assert states(asked)[0][0] is QuestionState.EXPIRED
    asked.answering.step(expired + 29 * DAY_S)
    assert len(states(asked)) == 1
    asked.answering.step(expired + 31 * DAY_S)
    assert states(asked) == []
    asked.at(expired + 32 * DAY_S)
    asked.send(body)
    asked.answering.step(asked.now())
    assert states(asked)[0][2] == "1 figure(s) told"


def test_a_figure_that_was_told_and_taken_back_is_told_to_whoever_is_on_duty(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.send(asked.body({NAME: [WINDOW]}))
    asked.answer()
    connection = asked.headend.database.connection
    assert question_rows.taken_back(connection) == ()
    asked.settling.attestor.withdraw(SUBJECT, "another meter's", at_utc=NOW)
    assert question_rows.taken_back(connection) == ((LEDGER, NAME, SUBJECT.window),)
    (asked.headend.folder / "state").mkdir()
    watch = Watch(
        config=asked.settling.config,
        database=asked.headend.database,
        registry=asked.headend.registry,
        key=asked.headend.statement_signer.public_key,
    )
    texts = [one.text for one in watch.look((), NOW) if one.about.endswith(f"at {LEDGER}")]
    assert len(texts) == 1
    assert "taken back" in texts[0]


# --- holds


@pytest.mark.parametrize("kind", list(HoldKind))
def test_a_window_that_is_held_is_left_out_until_it_is_let_go(asked: Asking, kind: HoldKind) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    number = place(asked, kind)
    asked.pull(everything=True)
    asked.answer()
    assert set(told(asked).values()) == {None}
    with asked.headend.database.transaction() as connection:
        hold_rows.close_hold(connection, number, by="ravi", outcome="it was right", at_utc=NOW)
    asked.answer(NOW + 1)
    assert None not in told(asked).values()


def test_a_stand_down_stops_a_round_of_answers_that_has_begun(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    for name in ("1", "2"):
        asked.send(asked.body({NAME: [WINDOW]}, name=name))

    class Stopping(BecknPusher):
        def push(self, url: str, body: bytes, *, request_signature: str | None = None) -> PushReceipt:
            place(asked, HoldKind.STAND_DOWN)
            return super().push(url, body, request_signature=request_signature)

    with closing(Stopping(signer=signer(OWN), now=asked.now)) as stopping:
        asked.answering._pusher = stopping
        asked.answering.step(asked.now())
    asked.restart()
    asked.answer(NOW + 10)
    assert sorted(question.answers for question in asked.questions()) == [0, 1]


def test_a_figure_of_a_weaker_origin_than_the_discom_asks_for_is_not_told(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.pull(everything=True)
    policy = asked.answering._policy
    asked.answering._policy = replace(policy, least_origin=Origin.GMAC)
    asked.answering.step(asked.now())
    assert set(told(asked).values()) == {None}
    asked.restart()
    asked.answering.step(asked.now())
    assert None not in told(asked).values()


# --- who may see what


def test_windows_finer_than_a_trade_are_interval_data_and_stay_without_consent(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.send(asked.body({NAME: QUARTERS}))
    asked.answer()
    assert set(told(asked).values()) == {None}
    assert len(told(asked)) == 8


def test_with_consent_each_interval_is_attested_told_and_logged_and_nothing_of_it_is_posted(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.consent()
    asked.send(asked.body({NAME: QUARTERS}))
    asked.answer()
    asked.answer(NOW + 5)
    assert None not in told(asked).values()
    point = SUBJECT.connection_point
    logged = question_rows.disclosures(asked.headend.database.connection, point)
    assert len(logged) == 8
    assert logged[0] == Disclosure(
        grantee=LEDGER,
        purpose="p2p-settlement",
        connection_point=point,
        window=Interval(*QUARTERS[0]),
        evidence=told(asked)[NAME, Interval(*QUARTERS[0])] or b"",
        disclosed_utc=logged[0].disclosed_utc,
    )
    posted = asked.headend.database.connection.execute("SELECT start_utc, end_utc FROM postings").fetchall()
    assert posted == [WINDOW]


@pytest.mark.parametrize("changes", [{"grantee": "somebody.else"}, {"purpose": "research"}, {"until": NOW - 1}])
def test_consent_for_others_for_else_or_that_ended_opens_nothing(asked: Asking, changes: dict[str, object]) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.consent(**changes)  # type: ignore[arg-type]  # the parameters name them
    asked.send(asked.body({NAME: QUARTERS}))
    asked.answer()
    asked.answer(NOW + 5)
    assert set(told(asked).values()) == {None}


def test_a_discom_may_take_the_providers_question_for_the_word_that_there_is_a_trade(
    headend: Headend, tmp_path: Path
) -> None:
    with asking(headend, tmp_path / "exchange", untraded='"answer"') as asked:
        asked.settling.whole_day()
        asked.settling.step()
        asked.send(asked.body({NAME: [WINDOW], "TEST_NOBODY": [WINDOW]}))
        asked.answer()
        asked.answer(NOW + 5)
        assert [key[0] for key, digest in told(asked).items() if digest is not None] == [NAME]
        # The word of a platform is not taken for it.
        path = f"/v1/actuals?meter={NAME}&start={utc_text(WINDOW[0])}&end={utc_text(WINDOW[1])}"
        assert [asked.get(path, subscriber=one).status_code for one in (LEDGER, SELLER_PLATFORM)] == [200, 404]


def test_a_platform_is_told_of_its_own_trades_only(headend: Headend, tmp_path: Path) -> None:
    with (
        canned(Canned(body=b'{"message":{"status":"ACK"}}')) as platform,
        asking(headend, tmp_path / "exchange", callback_hosts='["127.0.0.1"]') as asked,
    ):
        asked.settling.whole_day()
        asked.settling.trade()
        asked.settling.step()
        uri = f"http://{platform.address}/bap/receiver"
        for subscriber in (SELLER_PLATFORM, "platform-x.example.org"):
            body = asked.body({NAME: [WINDOW]}, subscriber=subscriber, uri=uri)
            assert asked.send(body, subscriber=subscriber).status_code == 200
        asked.answer()
        by_subscriber = {one.subscriber: one for one in asked.questions()}
        assert by_subscriber[SELLER_PLATFORM].note == "1 figure(s) told"
        assert by_subscriber["platform-x.example.org"].note == "no figure that may be told yet"
        assert platform.paths == ["/bap/receiver/on_status"]


# --- what breaks


def test_what_was_acked_is_answered_after_a_crash(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.pull(everything=True)
    asked.restart()
    asked.answer()
    assert states(asked)[0][0] is QuestionState.ANSWERED


class CrashError(Exception):
    """In place of a kill between an answer and its noting."""


def test_a_crash_between_answer_and_noting_answers_again_and_doubles_nothing(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.pull(everything=True)
    before = seller(asked)

    class Crashing(BecknPusher):
        def push(self, url: str, body: bytes, *, request_signature: str | None = None) -> PushReceipt:
            super().push(url, body, request_signature=request_signature)
            raise CrashError

    with closing(Crashing(signer=signer(OWN), now=asked.now)) as crashing:
        asked.answering._pusher = crashing
        with pytest.raises(CrashError):
            asked.answering.step(asked.now())
    after = seller(asked)
    asked.restart()
    asked.answer(NOW + 1)
    assert states(asked)[0][0] is QuestionState.ANSWERED
    assert seller(asked) == after
    assert after["clientReference"] == before["clientReference"]


def test_an_asker_that_does_not_answer_is_tried_again_ever_later_and_others_do_not_wait(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.pull(everything=True)

    class Silent(BecknPusher):
        def push(self, url: str, body: bytes, *, request_signature: str | None = None) -> PushReceipt:
            raise LedgerUnavailableError("nobody there")

    with closing(Silent(signer=signer(OWN), now=asked.now)) as silent:
        asked.answering._pusher = silent
        report = asked.answering.step(NOW)
        assert report.trouble == "ledger.example.org does not take its answer: nobody there"
        waits = []
        for _ in range(12):
            question = asked.questions()[0]
            waits.append(question.next_try_utc - asked.now())
            assert asked.answering.step(question.next_try_utc - 1).moved == []
            asked.at(question.next_try_utc)
            asked.answering.step(asked.now())
        assert waits[:4] == [5, 10, 20, 40]
        assert waits[-1] == 3600
    asked.restart()
    asked.at(asked.questions()[0].next_try_utc)
    assert asked.answering.step(asked.now()).trouble is None
    assert states(asked)[0] == (QuestionState.ANSWERED, 0, "1 figure(s) told")


class Deaf(BecknPusher):
    """Gives no answer where one host is called, and notes every call."""

    silent = ""

    def push(self, url: str, body: bytes, *, request_signature: str | None = None) -> PushReceipt:
        self.calls = [*getattr(self, "calls", []), url]
        if self.silent and self.silent in url:
            raise LedgerUnavailableError("nobody there")
        return super().push(url, body, request_signature=request_signature)


def test_many_questions_of_a_silent_asker_keep_no_other_waiting(headend: Headend, tmp_path: Path) -> None:
    ack = b'{"message":{"status":"ACK"}}'
    with canned(Canned(status=200, body=ack)) as other, asking(headend, tmp_path / "exchange") as asked:
        asked.settling.whole_day()
        asked.settling.trade()
        asked.settling.step()
        for number in range(1, 9):
            asked.send(asked.body({NAME: [WINDOW]}, name=str(number)))
        with closing(Deaf(signer=signer(OWN), now=asked.now)) as deaf:
            asked.answering._pusher, deaf.silent = deaf, asked.exchange.address
            asked.at(NOW + 1)
            asked.send(asked.body({NAME: [WINDOW]}, uri=f"http://{other.address}/bap/receiver", name="9"))
            asked.answering.step(NOW + 1)
            asked.answering.step(NOW + 1)
            # One that nobody takes is tried, and the other asker's is next.
            assert [asked.exchange.address in url for url in deaf.calls] == [True, False]
            asked.answering.step(NOW + 60)
            assert len(deaf.calls) == 3
            deaf.silent, deaf.calls = "", []
            for later in range(121, 125):
                asked.answering.step(NOW + later)
            assert len(deaf.calls) == 8
        assert {state for state, _, _ in states(asked)} == {QuestionState.ANSWERED}


def test_what_leaves_by_consent_is_noted_before_it_leaves_and_once_however_often_it_is_tried(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.consent()
    connection = asked.headend.database.connection
    asked.send(asked.body({NAME: QUARTERS[:2]}))
    with closing(Deaf(signer=signer(OWN), now=asked.now)) as deaf:
        asked.answering._pusher, deaf.silent = deaf, asked.exchange.address
        asked.answer()
        for _ in range(3):
            asked.at(asked.questions()[0].next_try_utc)
            asked.answering.step(asked.now())
        assert len(deaf.calls) > 1
        logged = question_rows.disclosures(connection, SUBJECT.connection_point)
        assert [one.window for one in logged] == [Interval(*quarter) for quarter in QUARTERS[:2]]
        deaf.silent = ""
        asked.at(asked.questions()[0].next_try_utc)
        asked.answering.step(asked.now())
        assert None not in told(asked).values()
        assert len(question_rows.disclosures(connection, SUBJECT.connection_point)) == 2
        # Asked for again, it leaves again.
        asked.send(asked.questions()[0].body, life_s=200)
        asked.answering.step(asked.now())
        assert len(question_rows.disclosures(connection, SUBJECT.connection_point)) == 4


def test_a_final_nack_stops_until_it_is_asked_again(headend: Headend, tmp_path: Path) -> None:
    with refusing(headend, tmp_path / "exchange") as (asked, other):
        body = asked.body({NAME: [WINDOW]}, uri=f"http://{other.address}/bap/receiver")
        asked.send(body)
        asked.answer()
        assert states(asked)[0] == (QuestionState.REFUSED, 1, "SCH_INVALID_FORMAT: no")
        assert asked.answering.step(NOW + 10 * DAY_S).moved == []
        (row,) = question_rows.refused(asked.headend.database.connection)
        assert row.note == "SCH_INVALID_FORMAT: no"
        asked.send(body, life_s=200)
        assert states(asked)[0][0] is QuestionState.OPEN


def test_a_refused_answer_troubles_nobody_once_the_true_up_of_its_windows_is_over(
    headend: Headend, tmp_path: Path
) -> None:
    with refusing(headend, tmp_path / "exchange") as (asked, other):
        asked.send(asked.body({NAME: [WINDOW]}, uri=f"http://{other.address}/bap/receiver"))
        asked.answer()
        connection = asked.headend.database.connection
        for days, refused in ((44, 1), (48, 0)):
            asked.answering.step(NOW + days * DAY_S)
            assert len(question_rows.refused(connection)) == refused
        asked.answering.step(NOW + 79 * DAY_S)
        assert states(asked) == []


def test_a_question_that_comes_again_while_it_is_being_answered_is_answered_again(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.pull(everything=True)

    class Meanwhile(BecknPusher):
        def push(self, url: str, body: bytes, *, request_signature: str | None = None) -> PushReceipt:
            asked.send(asked.questions()[0].body, life_s=200)
            return super().push(url, body, request_signature=request_signature)

    with closing(Meanwhile(signer=signer(OWN), now=asked.now)) as meanwhile:
        asked.answering._pusher = meanwhile
        asked.answering.step(asked.now())
    assert states(asked)[0][0] is QuestionState.OPEN
    asked.restart()
    asked.answer()
    (question,) = asked.questions()
    assert (question.asks, question.answers) == (2, 2)


def test_a_caller_that_is_served_no_more_is_not_answered(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    asked.pull(everything=True)
    asked.answering._settings = replace(asked.settings, parties=())
    asked.answering.step(asked.now())
    assert states(asked)[0] == (QuestionState.REFUSED, 1, "it is no caller that is served any more")


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_figure_whose_proof_the_published_log_does_not_hold_yet_is_not_told(asked: Asking, is_empty: bool) -> None:  # noqa: FBT001 - pytest's own
    file = asked.headend.folder / "checkpoint-0"
    asked.settling.whole_day()
    older = b"" if is_empty else file.read_bytes()
    asked.settling.trade()
    asked.settling.step()
    newest = file.read_bytes()
    assert newest != older
    asked.pull(everything=True)
    file.write_bytes(older)
    asked.answering.step(asked.now())
    assert set(told(asked).values()) == {None}
    file.write_bytes(newest)
    asked.restart()
    asked.answering.step(asked.now())
    assert None not in told(asked).values()
