"""Rows of the exchange's questions. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from headend.trading.parties import Sight
from headend.trading.questions import AskedWindow, Question, QuestionState
from signing.interval import Interval
from signing.statements.window_actual import Status

_QUESTION = (
    "SELECT question, subscriber, message_id, body, callback, received_utc, end_utc, asks, answers, state, attempts, "
    "next_try_utc, note, is_push FROM questions"
)
_WITH_TOTALS = (int(Status.PROVISIONAL), int(Status.FINAL), int(Status.TRUE_UP))
_TRADED = (
    "SELECT buyer_id AS posted_as, start_utc, end_utc FROM trades "
    "WHERE discom_id_buyer = ?1 AND trade_type = 'ENERGY' AND start_utc >= ?3 AND end_utc < ?4 UNION "
    "SELECT seller_id, start_utc, end_utc FROM trades "
    "WHERE discom_id_seller = ?1 AND trade_type = 'ENERGY' AND start_utc >= ?3 AND end_utc < ?4"
)
_OWN = (
    "NOT EXISTS (SELECT 1 FROM question_windows AS later JOIN questions AS those ON those.question = later.question "
    "WHERE later.posted_as = asked.posted_as AND later.start_utc = asked.start_utc AND later.end_utc = asked.end_utc "
    "AND later.question > asked.question AND those.subscriber = ? AND those.state IN ('OPEN', 'ANSWERED'))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuestion:
    """A question that was verified and not ACKed yet."""

    subscriber: str
    message_id: str
    body: bytes
    callback: str
    windows: tuple[tuple[str, Interval], ...]
    """Meter as the asker spells it, and window; at least one."""
    is_push: bool = False
    """Whether nobody asked: this head-end begins it itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """Interval data that left by somebody's consent."""

    grantee: str
    purpose: str
    connection_point: str
    window: Interval
    evidence: bytes
    disclosed_utc: int


def put_question(connection: sqlite3.Connection, new: NewQuestion, now_utc: int) -> int:
    """Keeps a question, and gives its number; the same one asked again is answered again, whatever became of it."""
    (number, asks) = connection.execute(
        "INSERT INTO questions (subscriber, message_id, digest, body, callback, received_utc, end_utc, asks, answers, state, "
        "attempts, next_try_utc, note, is_push) VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0, 'OPEN', 0, ?, '', ?) "
        "ON CONFLICT (subscriber, digest) DO UPDATE SET asks = asks + 1, state = 'OPEN', attempts = 0, "
        "callback = excluded.callback, received_utc = excluded.received_utc, next_try_utc = excluded.next_try_utc, note = '' "
        "RETURNING question, asks",
        (
            new.subscriber,
            new.message_id,
            sha256(new.body).digest(),
            new.body,
            new.callback,
            now_utc,
            max(window.end_utc for _, window in new.windows),
            now_utc,
            new.is_push,
        ),
    ).fetchone()
    if asks == 1:
        connection.executemany(
            "INSERT INTO question_windows (posted_as, start_utc, end_utc, question) VALUES (?, ?, ?, ?)",
            [(name, window.start_utc, window.end_utc, number) for name, window in new.windows],
        )
    return int(number)


def untold(
    connection: sqlite3.Connection, discom: str, subscriber: str, span: Interval, *, limit: int
) -> tuple[tuple[str, Interval], ...]:
    """Meter and window of the trades of `discom` that began in `span`, have a figure, and are in no question of a subscriber, ascending."""
    rows = connection.execute(
        f"SELECT posted_as, start_utc, end_utc FROM ({_TRADED}) AS wanted "  # noqa: S608 - constants
        "WHERE EXISTS (SELECT 1 FROM actuals WHERE is_newest = 1 AND status IN (?5, ?6, ?7) "
        "AND actuals.posted_as = wanted.posted_as AND actuals.start_utc = wanted.start_utc AND actuals.end_utc = wanted.end_utc) "
        "AND NOT EXISTS (SELECT 1 FROM question_windows AS asked JOIN questions USING (question) WHERE subscriber = ?2 "
        "AND asked.posted_as = wanted.posted_as AND asked.start_utc = wanted.start_utc AND asked.end_utc = wanted.end_utc) "
        "ORDER BY start_utc, end_utc, posted_as LIMIT ?8",
        (discom, subscriber, span.start_utc, span.end_utc, *_WITH_TOTALS, limit),
    )
    return tuple((name, Interval(start, end)) for name, start, end in rows)


def due(connection: sqlite3.Connection, now_utc: int, *, most: int) -> tuple[Question, ...]:
    """The questions to look at now, those that wait longest first."""
    rows = connection.execute(
        f"{_QUESTION} WHERE state IN ('OPEN', 'ANSWERED') AND next_try_utc <= ? ORDER BY next_try_utc LIMIT ?",
        (now_utc, most),
    )
    return tuple(_question(row) for row in rows)


def question(connection: sqlite3.Connection, number: int) -> Question | None:
    """One question."""
    row = connection.execute(f"{_QUESTION} WHERE question = ?", (number,)).fetchone()
    return None if row is None else _question(row)


def latest(connection: sqlite3.Connection, *, limit: int) -> tuple[Question, ...]:
    """Questions, latest first."""
    return tuple(_question(row) for row in connection.execute(f"{_QUESTION} ORDER BY question DESC LIMIT ?", (limit,)))


def callbacks(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Where each subscriber had the answer to its newest question sent, each address once, sorted."""
    rows = connection.execute(
        "SELECT DISTINCT callback FROM questions WHERE question IN (SELECT max(question) FROM questions GROUP BY subscriber) "
        "ORDER BY callback"
    )
    return tuple(row[0] for row in rows)


def refused(connection: sqlite3.Connection) -> tuple[Question, ...]:
    """The questions whose answer the asker refused, in the order asked."""
    return tuple(_question(row) for row in connection.execute(f"{_QUESTION} WHERE state = 'REFUSED' ORDER BY question"))


def taken_back(connection: sqlite3.Connection) -> tuple[tuple[str, str, Interval], ...]:
    """Subscriber, meter and window of every figure that was told and that no figure stands for any more."""
    without = sorted(int(status) for status in (Status.PENDING, Status.NOT_MEASURABLE, Status.WITHDRAWN))
    # From the few windows without a figure to those that were told: never the other way round.
    rows = connection.execute(
        "SELECT DISTINCT subscriber, posted_as, start_utc, actuals.end_utc FROM actuals "
        "JOIN question_windows USING (posted_as, start_utc, end_utc) JOIN questions USING (question) "
        "WHERE is_newest = 1 AND status IN (?, ?, ?) AND told IS NOT NULL ORDER BY 3, 2, 1",
        without,
    )
    return tuple((subscriber, name, Interval(start, end)) for subscriber, name, start, end in rows)


def trouble(connection: sqlite3.Connection) -> str | None:
    """Why some asker has not taken its answer yet, or none."""
    row = connection.execute(
        "SELECT subscriber, note FROM questions WHERE state = 'OPEN' AND attempts > 0 ORDER BY question LIMIT 1"
    ).fetchone()
    return None if row is None else f"{row[0]} does not take its answer: {row[1]}"


def counts(connection: sqlite3.Connection) -> dict[QuestionState, int]:
    """How many questions are in each state."""
    rows = connection.execute("SELECT state, count(*) FROM questions GROUP BY state")
    return {QuestionState(state): int(number) for state, number in rows}


def windows(connection: sqlite3.Connection, asked: Question) -> tuple[AskedWindow, ...]:
    """What a question asks for."""
    rows = connection.execute(
        f"SELECT posted_as, start_utc, end_utc, sight, told, {_OWN} FROM question_windows AS asked WHERE question = ?",  # noqa: S608 - constants
        (asked.subscriber, asked.number),
    )
    return tuple(
        AskedWindow(
            posted_as=name,
            window=Interval(start, end),
            sight=None if sight is None else Sight(sight),
            told=told,
            is_own=bool(is_own),
        )
        for name, start, end, sight, told, is_own in rows
    )


def put_sights(
    connection: sqlite3.Connection, number: int, sights: Mapping[tuple[str, Interval], Sight | None]
) -> None:
    """Stores by what the asker may see windows of a question."""
    connection.executemany(
        "UPDATE question_windows SET sight = ? WHERE posted_as = ? AND start_utc = ? AND end_utc = ? AND question = ?",
        [
            (None if sight is None else sight.value, name, window.start_utc, window.end_utc, number)
            for (name, window), sight in sights.items()
        ],
    )
    connection.execute(
        "UPDATE questions SET sorted = (SELECT max(sorted) + 1 FROM questions) WHERE question = ?", (number,)
    )


def put_progress(connection: sqlite3.Connection, moved: Question) -> bool:
    """Stores how far a question got; False, and nothing is stored, where it was asked again meanwhile."""
    cursor = connection.execute(
        "UPDATE questions SET answers = ?, state = ?, attempts = ?, next_try_utc = ?, note = ? WHERE question = ? AND asks = ?",
        (
            moved.answers,
            moved.state.value,
            moved.attempts,
            moved.next_try_utc,
            moved.note,
            moved.number,
            moved.asks,
        ),
    )
    return cursor.rowcount == 1


def put_told(connection: sqlite3.Connection, number: int, told: Mapping[tuple[str, Interval], bytes]) -> None:
    """Stores the figures that the asker ACKed."""
    connection.executemany(
        "UPDATE question_windows SET told = ? WHERE posted_as = ? AND start_utc = ? AND end_utc = ? AND question = ?",
        [(digest, name, window.start_utc, window.end_utc, number) for (name, window), digest in told.items()],
    )


def put_disclosures(connection: sqlite3.Connection, disclosed: Iterable[Disclosure], *, again: bool) -> None:
    """Notes what leaves, also what left before where it leaves `again`. Nothing is ever taken out again."""
    connection.executemany(
        "INSERT INTO told_intervals (grantee, purpose, connection_point, start_utc, end_utc, evidence, disclosed_utc) "
        "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ?8 OR NOT EXISTS (SELECT 1 FROM told_intervals WHERE connection_point = ?3 "
        "AND start_utc = ?4 AND end_utc = ?5 AND evidence = ?6 AND grantee = ?1 AND purpose = ?2)",
        [
            (
                one.grantee,
                one.purpose,
                one.connection_point,
                one.window.start_utc,
                one.window.end_utc,
                one.evidence,
                one.disclosed_utc,
                again,
            )
            for one in disclosed
        ],
    )


def disclosures(connection: sqlite3.Connection, connection_point: str) -> tuple[Disclosure, ...]:
    """What left of a connection point, earliest first."""
    rows = connection.execute(
        "SELECT grantee, purpose, connection_point, start_utc, end_utc, evidence, disclosed_utc FROM told_intervals "
        "WHERE connection_point = ? ORDER BY disclosure",
        (connection_point,),
    )
    return tuple(
        Disclosure(
            grantee=grantee,
            purpose=purpose,
            connection_point=point,
            window=Interval(start, end),
            evidence=evidence,
            disclosed_utc=at_utc,
        )
        for grantee, purpose, point, start, end, evidence, at_utc in rows
    )


def put_off(connection: sqlite3.Connection, silent: Question, until_utc: int) -> None:
    """Has the other questions whose answers go where one was not taken wait at least until a time."""
    connection.execute(
        "UPDATE questions SET next_try_utc = max(next_try_utc, ?) "
        "WHERE callback = ? AND question <> ? AND state IN ('OPEN', 'ANSWERED')",
        (until_utc, silent.callback, silent.number),
    )


def expire_refused(connection: sqlite3.Connection, ended_utc: int, now_utc: int) -> None:
    """Lets go of the questions whose answer the asker refused and whose last window ended before a time: nobody asks for it any more."""
    connection.execute(
        "UPDATE questions SET state = 'EXPIRED', next_try_utc = ? WHERE state = 'REFUSED' AND end_utc < ?",
        (now_utc, ended_utc),
    )


def drop_expired(connection: sqlite3.Connection, before_utc: int) -> int:
    """Forgets the questions that expired and were to be looked at before a time; how many they were. What was told by consent stays."""
    gone = "SELECT question FROM questions WHERE state = 'EXPIRED' AND next_try_utc < ?"
    connection.execute(f"DELETE FROM question_windows WHERE question IN ({gone})", (before_utc,))  # noqa: S608 - constants
    return connection.execute(
        "DELETE FROM questions WHERE state = 'EXPIRED' AND next_try_utc < ?", (before_utc,)
    ).rowcount


def wake(connection: sqlite3.Connection, since_leaf: int, now_utc: int) -> None:
    """Has the answered questions looked at whose windows got an actual behind a leaf."""
    connection.execute(
        "UPDATE questions SET next_try_utc = ? WHERE state IN ('OPEN', 'ANSWERED') AND attempts = 0 AND question IN ("
        "SELECT question FROM actuals JOIN question_windows USING (posted_as, start_utc, end_utc) WHERE leaf > ?)",
        (now_utc, since_leaf),
    )


def wake_all(connection: sqlite3.Connection, now_utc: int) -> None:
    """Has every live question looked at, but for those whose asker does not answer."""
    connection.execute(
        "UPDATE questions SET next_try_utc = ? WHERE state IN ('OPEN', 'ANSWERED') AND attempts = 0", (now_utc,)
    )


def last_sorted(connection: sqlite3.Connection) -> int:
    """A number that grows whenever what may be seen changed; 0 before the first question."""
    (number,) = connection.execute("SELECT max(sorted) FROM questions").fetchone()
    return int(number or 0)


def seen_windows(connection: sqlite3.Connection, since_utc: int) -> dict[tuple[str, Interval], int]:
    """The windows that some asker may see and that end at or after a time, with when each was asked for first."""
    rows = connection.execute(
        "SELECT posted_as, start_utc, asked.end_utc, min(received_utc) FROM question_windows AS asked "
        "JOIN questions USING (question) WHERE sight IS NOT NULL AND asked.end_utc >= ? GROUP BY 1, 2, 3",
        (since_utc,),
    )
    return {(name, Interval(start, end)): int(received) for name, start, end, received in rows}


def _question(row: tuple[Any, ...]) -> Question:
    (
        number,
        subscriber,
        message_id,
        body,
        callback,
        received,
        end,
        asks,
        answers,
        state,
        attempts,
        next_try,
        note,
        own,
    ) = row
    return Question(
        number=number,
        subscriber=subscriber,
        message_id=message_id,
        body=body,
        callback=callback,
        received_utc=received,
        end_utc=end,
        asks=asks,
        answers=answers,
        state=QuestionState(state),
        attempts=attempts,
        next_try_utc=next_try,
        note=note,
        is_push=bool(own),
    )
