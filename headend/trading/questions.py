"""A question of the exchange and how far its answer got. Pure: a question is a value, and each event moves it.

::

    asked ──▶ OPEN ──ACK──▶ ANSWERED ──a figure changed, or asked again──▶ OPEN
               │ └─ no answer, "later": OPEN again, later
               └─── NACK: REFUSED, until it is asked again (an operator looks)
    both ──────── the true-up is over: EXPIRED
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from headend.trading.gates import Gates
from headend.trading.parties import Sight
from signing.interval import Interval

MAX_BACKOFF_S = 3600
LOOK_AGAIN_S = 6 * 3600
"""How long at most a question that is answered is not looked at: a consent may have come, or a hold gone."""

_RETRY_S = 5
_BUSY_S = 2


class QuestionState(Enum):
    """Where the answer to one question stands."""

    OPEN = "OPEN"
    ANSWERED = "ANSWERED"
    """The asker has ACKed what there was to tell."""
    REFUSED = "REFUSED"
    """The asker said NACK, and would again."""
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question, as it is kept."""

    number: int
    subscriber: str
    message_id: str
    body: bytes
    callback: str
    received_utc: int
    """When it was asked last."""
    end_utc: int
    """End of its last window."""
    asks: int
    answers: int
    """The asking that was answered last; 0 before the first answer."""
    state: QuestionState
    attempts: int
    """Since the last ACK."""
    next_try_utc: int
    note: str
    is_push: bool = False
    """Whether nobody asked: this head-end began it itself."""

    @property
    def is_due(self) -> bool:
        """Whether it was asked and not answered since."""
        return self.asks > self.answers


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedWindow:
    """One figure that a question asks for."""

    posted_as: str
    window: Interval
    sight: Sight | None
    """None while the asker may not see it."""
    told: bytes | None
    """Evidence digest of the figure that the asker ACKed last."""
    is_own: bool
    """Whether no later live question of the same asker asks for it too: only the last one is answered again, and none that it refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the windows of one question now."""

    figures: dict[tuple[str, Interval], bytes]
    """Evidence digest of every figure that may be told."""
    undecided: int
    """Windows that the asker may see, that have ended, and of which nothing was attested yet."""


class Move(Enum):
    """What is done with a question now."""

    SEND = "SEND"
    WAIT = "WAIT"
    """There is something to come soon."""
    REST = "REST"
    """There is nothing to tell."""
    EXPIRE = "EXPIRE"


def has_news(windows: Iterable[AskedWindow], known: Known) -> bool:
    """Whether some figure is another than the asker was told, in a window that no later question of its asks for."""
    return any(
        one.is_own and (digest := known.figures.get((one.posted_as, one.window))) is not None and digest != one.told
        for one in windows
    )


def move(
    question: Question,
    windows: Iterable[AskedWindow],
    known: Known,
    *,
    gates: Gates,
    patience_s: int,
    now_utc: int,
    pushes: bool,
) -> Move:
    """What is done with a question now. `pushes`: whether a figure that changed is told without being asked again."""
    rows = tuple(windows)
    over = max((gates.true_up_ends_utc(one.window) for one in rows), default=question.end_utc)
    if now_utc >= over and not question.is_due:
        return Move.EXPIRE
    if question.is_due and known.undecided and now_utc < question.received_utc + patience_s:
        return Move.WAIT
    if known.figures and (question.is_due or (pushes and has_news(rows, known))):
        return Move.SEND
    return Move.EXPIRE if now_utc >= over else Move.REST


def waiting(question: Question, patience_s: int, now_utc: int) -> Question:
    """`question` while windows of it are being decided."""
    at_utc = min(now_utc + _BUSY_S, question.received_utc + patience_s)
    return replace(question, next_try_utc=at_utc, note="windows are being decided")


def resting(question: Question, windows: Iterable[AskedWindow], gates: Gates, now_utc: int) -> Question:
    """`question` while there is nothing to tell; looked at again at the next gate of a window, or when a figure comes."""
    times = (gates.next_utc(window, now_utc) for window in {one.window for one in windows})
    soonest = min((at for at in times if at is not None), default=now_utc + LOOK_AGAIN_S)
    state = QuestionState.OPEN if question.is_due else QuestionState.ANSWERED
    note = "no figure that may be told yet" if question.is_due else question.note
    return replace(question, state=state, next_try_utc=min(soonest, now_utc + LOOK_AGAIN_S), note=note)


def expired(question: Question, now_utc: int) -> Question:
    """`question` after its windows' figures stopped changing."""
    return replace(
        question, state=QuestionState.EXPIRED, next_try_utc=now_utc, note="the true-up of its windows is over"
    )


def acknowledged(question: Question, told: int, now_utc: int) -> Question:
    """`question` after the asker ACKed its answer of `told` figures."""
    return replace(
        question,
        state=QuestionState.ANSWERED,
        answers=question.asks,
        attempts=0,
        next_try_utc=now_utc,
        note=f"{told} figure(s) told",
    )


def unanswered(question: Question, note: str, now_utc: int) -> Question:
    """`question` after an answer that the asker did not take, or said nothing to: the same again, later."""
    attempts = question.attempts + 1
    wait_s = min(_RETRY_S * 2 ** min(attempts - 1, 12), MAX_BACKOFF_S)
    return replace(
        question,
        state=QuestionState.OPEN,
        attempts=attempts,
        next_try_utc=now_utc + wait_s,
        note=note[:500],
    )


def refused(question: Question, note: str) -> Question:
    """`question` after a NACK that would be one again."""
    return replace(question, state=QuestionState.REFUSED, attempts=question.attempts + 1, note=note[:500])
