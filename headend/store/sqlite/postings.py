"""Rows of trades and postings. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from headend.trading.posting import PostingRecord, PostingState
from headend.trading.trades import Delivery
from ledger_client.deg import MAX_DELIVERY_S
from ledger_client.ledger import Trade, TradeStatus, TradeType, UnreadableRecord
from signing.interval import Interval

TRADE_COLUMNS = (
    "record_id, transaction_id, order_item_id, platform_id_buyer, platform_id_seller, discom_id_buyer, discom_id_seller, "
    "buyer_id, seller_id, delivery_start, delivery_end, start_utc, end_utc, quantity_wh, price_inr_per_kwh, trade_type, "
    "status_buyer_discom, status_seller_discom, pushed_wh, pulled_wh, row_digest"
)
_TRADE_CHANGES = ", ".join(f"{column} = excluded.{column}" for column in TRADE_COLUMNS.split(", ")[1:])
POSTING = (
    "posted_as, delivery_start, delivery_end, start_utc, end_utc, actual, revision, net_wh, state, attempts, next_try_utc, "
    "note, allocated_wh, status"
)
"""The columns that `posting_of` reads."""


def put_trades(connection: sqlite3.Connection, trades: Iterable[Trade], seen_utc: int) -> None:
    """Stores what the ledger shows now; when a trade was first seen stays."""
    connection.executemany(
        f"INSERT INTO trades ({TRADE_COLUMNS}, first_seen_utc, seen_utc) VALUES ({', '.join('?' * 23)}) "  # noqa: S608 - constants
        f"ON CONFLICT (record_id) DO UPDATE SET {_TRADE_CHANGES}, seen_utc = excluded.seen_utc",
        [(*_trade_row(trade), seen_utc, seen_utc) for trade in trades],
    )


def kept_from(connection: sqlite3.Connection, start_utc: int) -> dict[str, tuple[object, ...]]:
    """What is kept of each trade whose delivery begins at or after `start_utc`, by record id, to be compared with `kept`."""
    rows = connection.execute(f"SELECT {TRADE_COLUMNS} FROM trades WHERE start_utc >= ?", (start_utc,))  # noqa: S608 - constants
    return {row[0]: row for row in rows}


def kept(trade: Trade) -> tuple[object, ...]:
    """What would be kept of a trade."""
    return _trade_row(trade)


def put_unreadable(connection: sqlite3.Connection, records: Iterable[UnreadableRecord], seen_utc: int) -> None:
    """Keeps the ledger's rows that are no trade visible, with why."""
    connection.executemany(
        "INSERT INTO unreadable_trades (record_id, reason, seen_utc) VALUES (?, ?, ?) "
        "ON CONFLICT (record_id) DO UPDATE SET reason = excluded.reason, seen_utc = excluded.seen_utc",
        [(record.record_id, record.reason, seen_utc) for record in records],
    )


def trades_from(connection: sqlite3.Connection, start_utc: int) -> tuple[Trade, ...]:
    """The trades whose delivery begins at or after `start_utc`, ascending."""
    rows = connection.execute(
        f"SELECT {TRADE_COLUMNS} FROM trades WHERE start_utc >= ? ORDER BY start_utc, record_id",  # noqa: S608 - constants
        (start_utc,),
    )
    return tuple(trade_of_row(row) for row in rows)


def trade(connection: sqlite3.Connection, record_id: str) -> Trade | None:
    """The trade of one record, or none."""
    row = connection.execute(f"SELECT {TRADE_COLUMNS} FROM trades WHERE record_id = ?", (record_id,)).fetchone()  # noqa: S608 - constants
    return None if row is None else trade_of_row(row)


def trades_overlapping(connection: sqlite3.Connection, span: Interval) -> tuple[Trade, ...]:
    """The trades whose delivery shares an instant with `span`, ascending."""
    # No delivery is longer than `MAX_DELIVERY_S`, so the index by start bounds the search.
    rows = connection.execute(
        f"SELECT {TRADE_COLUMNS} FROM trades WHERE start_utc > ? AND start_utc < ? AND end_utc > ? "  # noqa: S608 - constants
        "ORDER BY start_utc, record_id",
        (span.start_utc - MAX_DELIVERY_S, span.end_utc, span.start_utc),
    )
    return tuple(trade_of_row(row) for row in rows)


def deliveries_from(connection: sqlite3.Connection, discom: str, start_utc: int) -> dict[Delivery, int]:
    """Every delivery of a meter of `discom` in an energy trade that begins at or after `start_utc`, with when its trade was first seen.

    Asked at every poll over weeks of trades: nothing is made of what several trades share.
    """
    sides = (
        "SELECT {side}_id, delivery_start, delivery_end, start_utc, end_utc, min(first_seen_utc) FROM trades "
        "WHERE start_utc >= ?1 AND discom_id_{side} = ?2 AND trade_type = 'ENERGY' GROUP BY 1, 2, 3, 4, 5"
    )
    found: dict[Delivery, int] = {}
    for side in ("seller", "buyer"):
        for name, start, end, start_at, end_at, seen in connection.execute(
            sides.format(side=side), (start_utc, discom)
        ):
            delivery = Delivery(
                posted_as=name, delivery_start=start, delivery_end=end, window=Interval(start_at, end_at)
            )
            found[delivery] = min(seen, found.get(delivery, seen))
    return found


def put_posting(connection: sqlite3.Connection, record: PostingRecord) -> None:
    """Stores a posting, or how far it got now. The key is delivery and actual."""
    delivery = record.delivery
    connection.execute(
        f"INSERT INTO postings ({POSTING}) VALUES ({', '.join('?' * 14)}) "  # noqa: S608 - constants
        "ON CONFLICT (posted_as, delivery_start, delivery_end, actual) DO UPDATE SET state = excluded.state, "
        "attempts = excluded.attempts, next_try_utc = excluded.next_try_utc, note = excluded.note, "
        "allocated_wh = excluded.allocated_wh",
        (
            delivery.posted_as,
            delivery.delivery_start,
            delivery.delivery_end,
            delivery.window.start_utc,
            delivery.window.end_utc,
            record.actual,
            record.revision,
            record.net_wh,
            record.state.value,
            record.attempts,
            record.next_try_utc,
            record.note,
            record.allocated_wh,
            None if record.status is None else record.status.value,
        ),
    )


def postings_to_do(connection: sqlite3.Connection, now_utc: int, *, most: int) -> tuple[PostingRecord, ...]:
    """The open postings whose next try has come, oldest window first, `most` of them."""
    rows = connection.execute(
        f"SELECT {POSTING} FROM postings WHERE state IN ('DUE', 'WAITING', 'POSTED') AND next_try_utc <= ? "  # noqa: S608 - constants
        "ORDER BY start_utc, end_utc, posted_as LIMIT ?",
        (now_utc, most),
    )
    return tuple(posting_of(row) for row in rows)


def postings_in(connection: sqlite3.Connection, states: frozenset[PostingState]) -> tuple[PostingRecord, ...]:
    """The postings in some states, oldest window first."""
    marks = ", ".join("?" for _ in states)
    rows = connection.execute(
        f"SELECT {POSTING} FROM postings WHERE state IN ({marks}) ORDER BY start_utc, end_utc, posted_as",  # noqa: S608 - marks
        sorted(state.value for state in states),
    )
    return tuple(posting_of(row) for row in rows)


def postings_from(connection: sqlite3.Connection, span: Interval) -> tuple[PostingRecord, ...]:
    """The postings of windows that begin in `span`, by window, name and revision."""
    rows = connection.execute(
        f"SELECT {POSTING} FROM postings WHERE start_utc >= ? AND start_utc < ? "  # noqa: S608 - constants
        "ORDER BY start_utc, end_utc, posted_as, revision",
        (span.start_utc, span.end_utc),
    )
    return tuple(posting_of(row) for row in rows)


def postings_of(connection: sqlite3.Connection, delivery: Delivery) -> tuple[PostingRecord, ...]:
    """Every posting to one delivery, by revision."""
    rows = connection.execute(
        f"SELECT {POSTING} FROM postings WHERE posted_as = ? AND delivery_start = ? AND delivery_end = ? "  # noqa: S608 - constants
        "ORDER BY revision",
        (delivery.posted_as, delivery.delivery_start, delivery.delivery_end),
    )
    return tuple(posting_of(row) for row in rows)


def _trade_row(trade: Trade) -> tuple[object, ...]:
    return (
        trade.record_id,
        trade.transaction_id,
        trade.order_item_id,
        trade.platform_id_buyer,
        trade.platform_id_seller,
        trade.discom_id_buyer,
        trade.discom_id_seller,
        trade.buyer_id,
        trade.seller_id,
        trade.delivery_start,
        trade.delivery_end,
        trade.window.start_utc,
        trade.window.end_utc,
        trade.quantity_wh,
        None if trade.price_inr_per_kwh is None else str(trade.price_inr_per_kwh),
        trade.trade_type.value,
        None if trade.status_buyer_discom is None else trade.status_buyer_discom.value,
        None if trade.status_seller_discom is None else trade.status_seller_discom.value,
        trade.pushed_wh,
        trade.pulled_wh,
        trade.row_digest,
    )


def trade_of_row(row: tuple[Any, ...]) -> Trade:
    """The trade in a row of `TRADE_COLUMNS`."""
    record_id, transaction, item, platform_b, platform_s, discom_b, discom_s, buyer, seller, *rest = row
    start, end, start_utc, end_utc, quantity, price, kind, status_b, status_s, pushed, pulled, digest = rest
    return Trade(
        transaction_id=transaction,
        order_item_id=item,
        record_id=record_id,
        platform_id_buyer=platform_b,
        platform_id_seller=platform_s,
        discom_id_buyer=discom_b,
        discom_id_seller=discom_s,
        buyer_id=buyer,
        seller_id=seller,
        delivery_start=start,
        delivery_end=end,
        window=Interval(start_utc, end_utc),
        quantity_wh=quantity,
        price_inr_per_kwh=None if price is None else Decimal(price),
        trade_type=TradeType(kind),
        status_buyer_discom=None if status_b is None else TradeStatus(status_b),
        status_seller_discom=None if status_s is None else TradeStatus(status_s),
        pushed_wh=pushed,
        pulled_wh=pulled,
        row_digest=digest,
    )


def posting_of(row: Sequence[Any]) -> PostingRecord:
    """The posting in a row of `POSTING`."""
    posted_as, start, end, start_utc, end_utc, actual, revision, net_wh, state, *rest = row
    attempts, next_try, note, allocated, status = rest
    return PostingRecord(
        delivery=Delivery(
            posted_as=posted_as, delivery_start=start, delivery_end=end, window=Interval(start_utc, end_utc)
        ),
        actual=actual,
        revision=revision,
        net_wh=net_wh,
        state=PostingState(state),
        attempts=attempts,
        next_try_utc=next_try,
        note=note,
        allocated_wh=allocated,
        status=None if status is None else TradeStatus(status),
    )
