"""The two legs to the ledger: trades in, postings out. Each leg commits its own rows; a crash between them repeats, and repeating
is harmless because a posting's reference is derived from its evidence.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headend import posting
from headend.posting import OPEN, Policy, PostingRecord, PostingState, Trouble
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import Database
from headend.trades import Delivery, deliveries, own_sides
from ledger_client.ledger import (
    Ledger,
    LedgerProtocolError,
    LedgerRefusedError,
    LedgerUnavailableError,
    Trade,
    TradeQuery,
    TradeUnknownError,
)
from signing.envelope import Signed
from signing.interval import DAY_S
from signing.statements.window_actual import WindowActual

NewestReady = Callable[[Delivery], Signed[WindowActual] | None]
"""The newest actual of a delivery whose inclusion proof exists, or none. Nothing else may be posted (EVIDENCE §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What one pull of trades found."""

    trades: int
    unreadable: int
    """Rows of the ledger that are no trade; an operator looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostReport:
    """What one round of posting did, by the state that each record moved to."""

    moved: tuple[PostingRecord, ...]


def pull(database: Database, ledger: Ledger, discom: str, *, look_back_days: int, now_utc: int) -> PullReport:
    """Reads the trades of `discom` whose delivery began in the look-back, either side, and stores what the ledger shows now.

    Raises:
        LedgerUnavailableError, LedgerRefusedError, LedgerProtocolError: as `Ledger.listing`; nothing is stored.
    """
    since = now_utc - look_back_days * DAY_S
    listings = [
        ledger.listing(TradeQuery(discom_id_seller=discom, delivery_start_from_utc=since)),
        ledger.listing(TradeQuery(discom_id_buyer=discom, delivery_start_from_utc=since)),
    ]
    trades = {trade.record_id: trade for listing in listings for trade in listing.trades}
    unreadable = {record.record_id: record for listing in listings for record in listing.unreadable}
    with database.transaction() as connection:
        rows.put_trades(connection, trades.values(), now_utc)
        rows.put_unreadable(connection, unreadable.values(), now_utc)
    return PullReport(trades=len(trades), unreadable=len(unreadable))


def known_trades(database: Database, *, look_back_days: int, now_utc: int) -> tuple[Trade, ...]:
    """The stored trades whose delivery began in the look-back or is still to come."""
    return rows.trades_from(database.connection, now_utc - look_back_days * DAY_S)


def awaited(trades: Iterable[Trade], discom: str) -> tuple[Delivery, ...]:
    """The deliveries that `trades` await an actual of `discom` for."""
    return deliveries(own_sides(trades, discom))


def plan(
    database: Database, wanted: Iterable[Delivery], newest_ready: NewestReady, policy: Policy, now_utc: int
) -> tuple[PostingRecord, ...]:
    """Addresses every newest provable actual to its delivery, once; a later revision supersedes what was addressed before."""
    added = []
    with database.transaction() as connection:
        for delivery in wanted:
            actual = newest_ready(delivery)
            if actual is None:
                continue
            before = rows.postings_of(connection, delivery)
            record = posting.first(delivery, actual, policy, now_utc)
            if record is None or any(earlier.actual == record.actual for earlier in before):
                continue
            for earlier in before:
                if earlier.state in OPEN or earlier.state is PostingState.CONFIRMED:
                    rows.put_posting(connection, posting.superseded(earlier, record.revision))
            rows.put_posting(connection, record)
            added.append(record)
    return tuple(added)


def post(database: Database, ledger: Ledger, discom: str, policy: Policy, now_utc: int) -> PostReport:
    """Does what is due: posts, reads back, and stores how far each posting got, one transaction each."""
    moved = []
    for record in posting.due(rows.postings_to_do(database.connection, now_utc), now_utc):
        after = _posted_and_read_back(database, ledger, record, discom, policy, now_utc)
        _store(database, after)
        moved.append(after)
    return PostReport(moved=tuple(moved))


def _store(database: Database, record: PostingRecord) -> None:
    with database.transaction() as connection:
        rows.put_posting(connection, record)


def _posted_and_read_back(  # noqa: PLR0917 - the whole of one attempt
    database: Database, ledger: Ledger, record: PostingRecord, discom: str, policy: Policy, now_utc: int
) -> PostingRecord:
    request = record.request(discom)
    try:
        # A record that is POSTED already comes here after a crash or a failed reading back: the same post has no second
        # effect and gives the receipt again.
        receipt = ledger.post(request)
        record = posting.posted(record, receipt, now_utc)
        # The commit point of one post: before it, a crash repeats the same post under the same reference.
        _store(database, record)
        return posting.read_back(record, ledger.confirm(request, receipt))
    except TradeUnknownError as error:
        return posting.troubled(record, Trouble.TRADE_UNKNOWN, str(error), policy, now_utc)
    except LedgerRefusedError as error:
        return posting.troubled(record, Trouble.REFUSED, str(error), policy, now_utc)
    except (LedgerUnavailableError, LedgerProtocolError) as error:
        # An answer that is not understood says as little as none.
        return posting.troubled(record, Trouble.NO_ANSWER, str(error), policy, now_utc)
