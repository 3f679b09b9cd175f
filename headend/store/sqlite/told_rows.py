"""What the ledger is told of deliveries, by whichever channel: postings, and words of the discom's own allocation."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from headend.trading.trades import Delivery
from signing.interval import Interval

_DELIVERY = "posted_as, delivery_start, delivery_end, start_utc, end_utc"
_TOLD = f"(SELECT {_DELIVERY}, state FROM postings UNION ALL SELECT {_DELIVERY}, state FROM recordings)"  # noqa: S608 - constants


def addressed(connection: sqlite3.Connection, span: Interval) -> frozenset[Delivery]:
    """The deliveries that begin in `span` and of which something is said that nothing later replaced."""
    rows = connection.execute(
        f"SELECT DISTINCT {_DELIVERY} FROM {_TOLD} WHERE start_utc >= ? AND start_utc < ? AND state <> 'SUPERSEDED'",  # noqa: S608 - constants
        (span.start_utc, span.end_utc),
    )
    return frozenset(_deliveries(rows))


def confirmed(connection: sqlite3.Connection) -> int:
    """How much of what was said the ledger has confirmed."""
    (number,) = connection.execute(f"SELECT count(*) FROM {_TOLD} WHERE state = 'CONFIRMED'").fetchone()  # noqa: S608 - constants
    return int(number)


def confirmed_as(connection: sqlite3.Connection, names: Sequence[str]) -> tuple[Delivery, ...]:
    """The deliveries of what the ledger has confirmed by some of its names for meters, one each."""
    marks = ", ".join("?" for _ in names)
    rows = connection.execute(
        f"SELECT {_DELIVERY} FROM {_TOLD} WHERE state = 'CONFIRMED' AND posted_as IN ({marks})",  # noqa: S608 - marks
        names,
    )
    return tuple(_deliveries(rows))


def _deliveries(rows: Iterable[tuple[Any, ...]]) -> Iterable[Delivery]:
    return (
        Delivery(posted_as=name, delivery_start=first, delivery_end=last, window=Interval(start, end))
        for name, first, last, start, end in rows
    )
