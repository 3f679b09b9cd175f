"""Postings, intake and counts, read for the web. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from headend.store.sqlite import recording_views, turned_away_rows
from headend.store.sqlite.postings import POSTING, posting_of
from headend.trading.posting import OPEN, PostingState
from headend.trading.trades import Delivery
from headend.views.evidence import AwaitedView, CountsView, PostingView, TurnedAway
from ledger_client.ledger import TradeType
from signing.interval import Interval
from signing.statements.window_actual import Status

_POSTING = f"SELECT posting, {POSTING} FROM postings"  # noqa: S608 - columns
_AWAITED = """
    WITH ours AS (
        SELECT seller_id AS posted_as, delivery_start, delivery_end, start_utc, end_utc FROM trades
        WHERE discom_id_seller = :discom AND trade_type = :energy AND start_utc >= :since
        UNION
        SELECT buyer_id, delivery_start, delivery_end, start_utc, end_utc FROM trades
        WHERE discom_id_buyer = :discom AND trade_type = :energy AND start_utc >= :since
    )
    SELECT posted_as, delivery_start, delivery_end, start_utc, end_utc, connection_point
    FROM ours LEFT JOIN aliases USING (posted_as)
    WHERE NOT EXISTS (
        SELECT 1 FROM actuals WHERE actuals.posted_as = ours.posted_as
        AND actuals.start_utc = ours.start_utc AND actuals.end_utc = ours.end_utc
    )
    ORDER BY start_utc, posted_as LIMIT :limit
"""
_SAMPLE = "SELECT sample, number, seen_utc, topic, reason FROM samples"
_OLDEST = "SELECT min(end_utc) FROM postings"


def postings(
    connection: sqlite3.Connection, *, states: frozenset[PostingState] | None, after: int | None, limit: int
) -> tuple[PostingView, ...]:
    """Postings of some states below row `after`, latest first."""
    if states is None:
        rows = connection.execute(f"{_POSTING} WHERE posting < ? ORDER BY posting DESC LIMIT ?", (_below(after), limit))
        return tuple(_posting(row) for row in rows)
    # Each state has its own index range; none of them is longer than the page.
    found = [
        _posting(row)
        for state in states
        for row in connection.execute(
            f"{_POSTING} WHERE state = ? AND posting < ? ORDER BY posting DESC LIMIT ?",
            (state.value, _below(after), limit),
        )
    ]
    return tuple(sorted(found, key=lambda view: view.posting, reverse=True)[:limit])


def postings_of(connection: sqlite3.Connection, actual: bytes) -> tuple[PostingView, ...]:
    """Where one actual was posted, oldest first."""
    return tuple(
        _posting(row) for row in connection.execute(f"{_POSTING} WHERE actual = ? ORDER BY posting", (actual,))
    )


def awaited(connection: sqlite3.Connection, discom: str, *, since_utc: int, limit: int) -> tuple[AwaitedView, ...]:
    """Deliveries of energy trades of `discom` from `since_utc` on that no actual was attested of, earliest first."""
    rows = connection.execute(
        _AWAITED, {"discom": discom, "energy": TradeType.ENERGY.value, "since": since_utc, "limit": limit}
    )
    return tuple(
        AwaitedView(
            delivery=Delivery(
                posted_as=posted_as, delivery_start=start, delivery_end=end, window=Interval(start_utc, end_utc)
            ),
            connection_point=point,
        )
        for posted_as, start, end, start_utc, end_utc, point in rows
    )


def turned_away(
    connection: sqlite3.Connection, *, numbers: frozenset[int] | None, after: int | None, limit: int
) -> tuple[TurnedAway, ...]:
    """Samples of what was not admitted below `after`, latest first, without their payloads."""
    known = turned_away_rows.totals(connection).keys()
    wanted = sorted(known if numbers is None else numbers)
    rows = connection.execute(
        f"{_SAMPLE} WHERE sample < ? AND number IN ({_marks(wanted)}) ORDER BY sample DESC LIMIT ?",
        (_below(after), *wanted, limit),
    )
    return tuple(
        TurnedAway(sample=sample, number=number, seen_utc=seen, topic=topic, reason=reason)
        for sample, number, seen, topic, reason in rows
    )


def counts(connection: sqlite3.Connection, windows: dict[Status, int]) -> CountsView:
    """How much there is of everything; `windows` was counted already."""
    states = connection.execute("SELECT state, count(*) FROM postings GROUP BY state")
    still = sorted(state.value for state in OPEN)
    (posted,) = connection.execute(f"{_OLDEST} WHERE state IN ({_marks(still)})", still).fetchone()
    oldest = [one for one in (posted, recording_views.oldest_open_utc(connection)) if one is not None]
    return CountsView(
        meters=_count(connection, "SELECT count(*) FROM meters"),
        turned_away=turned_away_rows.totals(connection),
        open_gaps=_count(connection, "SELECT count(*) FROM gaps"),
        forks=_count(connection, "SELECT count(*) FROM (SELECT DISTINCT chain, sequence FROM forks)"),
        windows=windows,
        postings={PostingState(state): number for state, number in states},
        recordings=recording_views.counted(connection),
        oldest_open_posting_utc=min(oldest, default=None),
    )


def _count(connection: sqlite3.Connection, question: str) -> int:
    (number,) = connection.execute(question).fetchone()
    return int(number)


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _below(after: int | None) -> int:
    return 2**63 - 1 if after is None else after


def _posting(row: tuple[Any, ...]) -> PostingView:
    posting, *record = row
    return PostingView(posting=posting, record=posting_of(record))
