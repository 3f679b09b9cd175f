"""What is done with a question: pure moves, at their edges."""

from dataclasses import replace

from headend.trading import questions
from headend.trading.gates import DEFAULT_GATES
from headend.trading.parties import Sight
from headend.trading.questions import AskedWindow, Known, Move, Question, QuestionState
from signing.interval import DAY_S, Interval

DAY = 1_777_141_800
WINDOW = Interval(DAY + 36_000, DAY + 43_200)
NOW = DAY + 60_000
KEY = ("M", WINDOW)
DIGEST, OTHER = bytes(32), bytes([1]) * 32
OVER = DEFAULT_GATES.true_up_ends_utc(WINDOW)
QUESTION = Question(
    number=1,
    subscriber="ledger.example.org",
    message_id="m",
    body=b"{}",
    callback="https://ledger.example.org/on_status",
    received_utc=NOW,
    end_utc=WINDOW.end_utc,
    asks=1,
    answers=0,
    state=QuestionState.OPEN,
    attempts=0,
    next_try_utc=NOW,
    note="",
)
ANSWERED = replace(QUESTION, answers=1, state=QuestionState.ANSWERED)
ROW = AskedWindow(posted_as="M", window=WINDOW, sight=Sight.TRADE, told=None, is_own=True)
NOTHING = Known(figures={}, undecided=0)
FIGURE = Known(figures={KEY: DIGEST}, undecided=0)


def move(
    question: Question = QUESTION, row: AskedWindow = ROW, known: Known = FIGURE, *, now: int = NOW, pushes: bool = True
) -> Move:
    return questions.move(question, [row], known, gates=DEFAULT_GATES, patience_s=300, now_utc=now, pushes=pushes)


def test_a_question_with_figures_is_answered() -> None:
    assert move() is Move.SEND
    assert move(known=NOTHING) is Move.REST


def test_what_is_being_decided_is_waited_for_up_to_the_patience() -> None:
    undecided = replace(FIGURE, undecided=1)
    assert move(known=undecided, now=NOW + 299) is Move.WAIT
    assert move(known=undecided, now=NOW + 300) is Move.SEND
    # A figure that changed waits for no other: it was answered before.
    assert move(ANSWERED, known=undecided, now=NOW) is Move.SEND


def test_what_was_told_is_told_again_only_when_it_changed_and_changes_are_pushed() -> None:
    told = replace(ROW, told=DIGEST)
    assert move(ANSWERED, told) is Move.REST
    changed = replace(ROW, told=OTHER)
    assert move(ANSWERED, changed) is Move.SEND
    assert move(ANSWERED, changed, pushes=False) is Move.REST
    assert move(ANSWERED, replace(changed, is_own=False)) is Move.REST
    assert move(replace(ANSWERED, asks=2), told) is Move.SEND


def test_a_question_ends_with_the_true_up_of_its_windows_unless_it_was_asked_again() -> None:
    assert move(ANSWERED, now=OVER - 1) is Move.SEND
    assert move(ANSWERED, now=OVER) is Move.EXPIRE
    assert move(now=OVER) is Move.SEND
    assert move(known=NOTHING, now=OVER) is Move.EXPIRE


def test_rest_lasts_to_the_next_gate_and_never_longer_than_six_hours() -> None:
    gate = DEFAULT_GATES.data_utc(WINDOW)
    assert questions.resting(ANSWERED, [ROW], DEFAULT_GATES, gate - 60).next_try_utc == gate
    late = gate + 10 * DAY_S
    assert questions.resting(ANSWERED, [ROW], DEFAULT_GATES, late).next_try_utc == late + questions.LOOK_AGAIN_S
    assert questions.resting(QUESTION, [ROW], DEFAULT_GATES, late).state is QuestionState.OPEN


def test_an_ack_answers_the_asking_that_was_seen_and_ends_the_trouble() -> None:
    tried = questions.unanswered(QUESTION, "nobody there", NOW)
    assert (tried.state, tried.attempts, tried.next_try_utc) == (QuestionState.OPEN, 1, NOW + 5)
    done = questions.acknowledged(tried, 3, NOW + 5)
    assert (done.state, done.attempts, done.answers, done.note) == (QuestionState.ANSWERED, 0, 1, "3 figure(s) told")
    assert not done.is_due


def test_waits_double_to_an_hour() -> None:
    question, waits = QUESTION, []
    for _ in range(12):
        question = questions.unanswered(question, "x" * 900, NOW)
        waits.append(question.next_try_utc - NOW)
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 3600
    assert len(question.note) == 500
