"""What was said last of single windows, and the trades of single meters: small look-ups for lists of many.

Every function works inside the caller's transaction.
"""

import sqlite3
from dataclasses import dataclass

from headend.store.sqlite.postings import TRADE_COLUMNS, trade_of_row
from ledger_client.deg import MAX_DELIVERY_S
from ledger_client.ledger import Trade
from signing.envelope import parse
from signing.interval import Interval
from signing.statements.window_actual import Status, WindowActual, parse_actual

_TRADES = f"SELECT {TRADE_COLUMNS} FROM trades "  # noqa: S608 - constants


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestActual:
    """The newest actual of a window, its statement not parsed yet."""

    digest: bytes
    status: Status
    sign1: bytes

    def statement(self) -> WindowActual:
        """What it says."""
        envelope = parse(self.sign1)
        return parse_actual(envelope.content_type, envelope.payload)


def newest(connection: sqlite3.Connection, posted_as: str, window: Interval, *, below: int) -> NewestActual | None:
    """The newest actual of a subject and window that stands before leaf `below`, or none."""
    row = connection.execute(
        "SELECT actuals.digest, status, sign1 FROM actuals JOIN statements USING (leaf) "
        "WHERE posted_as = ? AND start_utc = ? AND end_utc = ? AND leaf < ? ORDER BY revision DESC LIMIT 1",
        (posted_as, window.start_utc, window.end_utc, below),
    ).fetchone()
    return None if row is None else NewestActual(digest=bytes(row[0]), status=Status(row[1]), sign1=bytes(row[2]))


def trades_of(connection: sqlite3.Connection, posted_as: str, span: Interval) -> tuple[Trade, ...]:
    """The trades that a meter sells or buys in, whose delivery shares an instant with `span`."""
    # No delivery is longer than `MAX_DELIVERY_S`, so the indexes by meter and start bound the search.
    rows = connection.execute(
        f"{_TRADES} WHERE seller_id = ?1 AND start_utc > ?2 AND start_utc < ?3 AND end_utc > ?4 "
        f"UNION {_TRADES} WHERE buyer_id = ?1 AND start_utc > ?2 AND start_utc < ?3 AND end_utc > ?4",
        (posted_as, span.start_utc - MAX_DELIVERY_S, span.end_utc, span.start_utc),
    )
    return tuple(trade_of_row(row) for row in rows)
