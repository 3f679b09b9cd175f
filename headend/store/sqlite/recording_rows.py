"""Rows of a discom's own allocations. Every function works inside the caller's transaction."""

import sqlite3
from typing import Any

from headend.trading.posting import PostingState
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery
from ledger_client.ledger import Side, TradeStatus
from signing.interval import Interval

_COLUMNS = (
    "record_id, transaction_id, order_item_id, side, round, posted_as, delivery_start, delivery_end, start_utc, end_utc, actual, "
    "allocated_wh, status, state, attempts, next_try_utc, note"
)
_SELECT = f"SELECT {_COLUMNS} FROM recordings "  # noqa: S608 - constants


def put(connection: sqlite3.Connection, one: Recording) -> None:
    """Stores a recording, or how far it got now. The key is trade, side, actual and round."""
    delivery = one.delivery
    connection.execute(
        f"INSERT INTO recordings ({_COLUMNS}) VALUES ({', '.join('?' * 17)}) "  # noqa: S608 - constants
        "ON CONFLICT (record_id, side, actual, round) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, "
        "next_try_utc = excluded.next_try_utc, note = excluded.note",
        (
            one.record_id,
            one.transaction_id,
            one.order_item_id,
            one.side.value,
            one.round,
            delivery.posted_as,
            delivery.delivery_start,
            delivery.delivery_end,
            delivery.window.start_utc,
            delivery.window.end_utc,
            one.actual,
            one.allocated_wh,
            one.status.value,
            one.state.value,
            one.attempts,
            one.next_try_utc,
            one.note,
        ),
    )


def of_side(connection: sqlite3.Connection, record_id: str, side: Side) -> tuple[Recording, ...]:
    """Every word on one side of one trade, in the order said."""
    rows = connection.execute(f"{_SELECT} WHERE record_id = ? AND side = ? ORDER BY recording", (record_id, side.value))
    return tuple(_recording(row) for row in rows)


def to_do(connection: sqlite3.Connection, now_utc: int, *, most: int) -> tuple[Recording, ...]:
    """The open recordings whose next try has come, oldest window first, `most` of them."""
    rows = connection.execute(
        f"{_SELECT} WHERE state IN ('DUE', 'WAITING', 'POSTED') AND next_try_utc <= ? "
        "ORDER BY start_utc, end_utc, record_id, side, round LIMIT ?",
        (now_utc, most),
    )
    return tuple(_recording(row) for row in rows)


def in_states(connection: sqlite3.Connection, states: frozenset[PostingState]) -> tuple[Recording, ...]:
    """The recordings in some states, in the order said."""
    marks = ", ".join("?" for _ in states)
    rows = connection.execute(
        f"{_SELECT} WHERE state IN ({marks}) ORDER BY recording", sorted(state.value for state in states)
    )
    return tuple(_recording(row) for row in rows)


def latest(
    connection: sqlite3.Connection, state: PostingState | None, *, below: int | None, limit: int
) -> tuple[tuple[int, Recording], ...]:
    """The recordings of one state, or of any, below a row, latest first, each with its row."""
    least, narrowed = (2**63 - 1 if below is None else below), "" if state is None else "state = ? AND "
    rows = connection.execute(
        f"SELECT recording, {_COLUMNS} FROM recordings WHERE {narrowed}recording < ? ORDER BY recording DESC LIMIT ?",  # noqa: S608 - constants
        (*(() if state is None else (state.value,)), least, limit),
    )
    return tuple((row, _recording(tuple(rest))) for row, *rest in rows)


def of_actual(connection: sqlite3.Connection, actual: bytes) -> tuple[tuple[int, Recording], ...]:
    """The recordings that rest on one evidence digest, in the order said, each with its row."""
    rows = connection.execute(
        f"SELECT recording, {_COLUMNS} FROM recordings WHERE actual = ? ORDER BY recording",  # noqa: S608 - constants
        (actual,),
    )
    return tuple((row, _recording(tuple(rest))) for row, *rest in rows)


def beginning(connection: sqlite3.Connection, span: Interval) -> tuple[Recording, ...]:
    """The words on windows that begin in `span`, in the order said."""
    rows = connection.execute(
        f"{_SELECT} WHERE start_utc >= ? AND start_utc < ? ORDER BY recording", (span.start_utc, span.end_utc)
    )
    return tuple(_recording(row) for row in rows)


def _recording(row: tuple[Any, ...]) -> Recording:
    record_id, transaction, item, side, number, posted_as, start, end, start_utc, end_utc, actual, *rest = row
    allocated, status, state, attempts, next_try, note = rest
    return Recording(
        record_id=record_id,
        transaction_id=transaction,
        order_item_id=item,
        side=Side(side),
        round=number,
        delivery=Delivery(
            posted_as=posted_as, delivery_start=start, delivery_end=end, window=Interval(start_utc, end_utc)
        ),
        actual=actual,
        allocated_wh=allocated,
        status=TradeStatus(status),
        state=PostingState(state),
        attempts=attempts,
        next_try_utc=next_try,
        note=note,
    )
