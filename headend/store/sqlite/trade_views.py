"""Trades as whoever is a party to them, or an operator, looks at them. Every function works inside the caller's transaction."""

import sqlite3

from headend.store.sqlite.postings import TRADE_COLUMNS, trade_of_row
from ledger_client.ledger import Trade
from signing.interval import Interval

_SELECT = f"SELECT {TRADE_COLUMNS} FROM trades "  # noqa: S608 - constants


def of_window(connection: sqlite3.Connection, discom: str, posted_as: str, window: Interval) -> tuple[Trade, ...]:
    """The energy trades of a meter of `discom` that are delivered in exactly this window, by record id."""
    rows = connection.execute(
        f"{_SELECT} WHERE seller_id = ?1 AND discom_id_seller = ?4 AND start_utc = ?2 AND end_utc = ?3 AND trade_type = 'ENERGY' "
        f"UNION {_SELECT} WHERE buyer_id = ?1 AND discom_id_buyer = ?4 AND start_utc = ?2 AND end_utc = ?3 "
        "AND trade_type = 'ENERGY' ORDER BY record_id",
        (posted_as, window.start_utc, window.end_utc, discom),
    )
    return tuple(trade_of_row(row) for row in rows)


def by_item(connection: sqlite3.Connection, transaction_id: str, order_item_id: str) -> tuple[Trade, ...]:
    """The trades that a platform calls so, by record id."""
    rows = connection.execute(
        f"{_SELECT} WHERE transaction_id = ? AND order_item_id = ? ORDER BY record_id", (transaction_id, order_item_id)
    )
    return tuple(trade_of_row(row) for row in rows)


def beginning(
    connection: sqlite3.Connection, span: Interval, *, limit: int
) -> tuple[tuple[tuple[Trade, int], ...], int | None]:
    """The trades that begin in `span`, ascending, with when each was first seen; and where more of them begin, or none.

    No more than `limit`, but always all that begin at one instant: half a slot would look like all of it.
    """
    rows = _beginning(connection, span, limit + 1)
    if len(rows) <= limit:
        return rows, None
    following = rows[limit][0].window.start_utc
    whole = tuple(row for row in rows if row[0].window.start_utc < following)
    if not whole:
        following += 1
        whole = _beginning(connection, Interval(span.start_utc, following), -1)
    return whole, following if following < span.end_utc else None


def _beginning(connection: sqlite3.Connection, span: Interval, limit: int) -> tuple[tuple[Trade, int], ...]:
    rows = connection.execute(
        f"SELECT {TRADE_COLUMNS}, first_seen_utc FROM trades WHERE start_utc >= ? AND start_utc < ? "  # noqa: S608 - constants
        "ORDER BY start_utc, end_utc, record_id LIMIT ?",
        (span.start_utc, span.end_utc, limit),
    )
    return tuple((trade_of_row(row[:-1]), int(row[-1])) for row in rows)
