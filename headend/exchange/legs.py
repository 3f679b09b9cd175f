"""The two legs to the ledger: trades in, postings out. Each leg commits its own rows; a crash between them repeats, and repeating
is harmless because a posting's reference is derived from its evidence.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

from headend.config import Config
from headend.exchange.holding import HoldOver
from headend.store.sqlite import amendment_rows
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import Database
from headend.trading import posting
from headend.trading.amendments import Agreed, Amending, Amendment, agreed
from headend.trading.posting import NO_TERMS, OPEN, STUCK, Policy, PostingRecord, PostingState, Terms, Trouble
from headend.trading.trades import Delivery, own_sides
from ledger_client.ledger import (
    Ledger,
    LedgerError,
    LedgerRefusedError,
    LedgerUnavailableError,
    Receipt,
    Trade,
    TradeQuery,
    TradeUnknownError,
)
from signing.envelope import Signed
from signing.interval import DAY_S, Interval
from signing.statements.window_actual import Cause, WindowActual

POSTS_AT_ONCE = 64
"""Postings of one round: settlement goes on with other things in between."""

POSTS_ABREAST = 8
"""How many of them wait for the ledger at the same time: it is far away, and a gate may be near."""

_TRADES_AT_ONCE = 500
"""Trades that changed, in one transaction: intake waits meanwhile."""

_UNSENT = frozenset(
    {PostingState.DUE, PostingState.WAITING, PostingState.HELD, PostingState.REFUSED, PostingState.EXPIRED}
)
_REPLACED = OPEN | STUCK | {PostingState.CONFIRMED, PostingState.HELD}
"""What stands still too: an operator who has it tried again would put an older figure over a newer one."""

_SAID = frozenset({PostingState.POSTED, PostingState.CONFIRMED, PostingState.DIFFERS, PostingState.REFUSED})
"""States in which the ledger has the figure, or an operator has to look before it is given again."""

TermsOf = Callable[[sqlite3.Connection, Delivery, WindowActual], Terms]
"""What is said with a figure; asked inside the transaction that addresses it."""

NewestReady = Callable[[Delivery], Signed[WindowActual] | None]
"""The newest actual of a delivery whose inclusion proof exists, or none. Nothing else may be posted (EVIDENCE §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What one pull of trades found."""

    trades: int
    unreadable: int
    """Rows of the ledger that are no trade; an operator looks."""
    unreached: frozenset[Delivery]
    """Deliveries with a trade that no actual of ours was allocated to yet, as far as the ledger shows."""
    late: tuple[Amendment, ...] = ()
    """Terms that changed after their delivery began, each the first time it is seen: they are no basis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostReport:
    """What one round of posting did."""

    moved: tuple[PostingRecord, ...]
    """Every posting that something was done for, as it stands after."""
    trouble: str | None
    """Why the round ended early: the ledger gave no answer, and the others need not wait for the same."""


def policy_of(config: Config) -> Policy:
    """What a configuration lets out to the exchange, and how long it tries."""
    return Policy(
        statuses=config.posting.statuses,
        retry_s=config.posting.retry_s,
        give_up_s=config.posting.give_up_days * DAY_S,
        gates=config.gates,
        least_origin=config.posting.least_origin,
    )


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
    known = rows.kept_from(database.connection, since)
    changed = [trade for name, trade in trades.items() if known.get(name) != rows.kept(trade)]
    late: list[Amendment] = []
    for first in range(0, len(changed), _TRADES_AT_ONCE):
        with database.transaction() as connection:
            portion = changed[first : first + _TRADES_AT_ONCE]
            basis = [agreed(rows.trade(connection, trade.record_id), trade, now_utc) for trade in portion]
            late += _amended(connection, basis, now_utc)
            rows.put_trades(connection, (one.trade for one in basis), now_utc)
        trades.update((one.trade.record_id, one.trade) for one in basis)
    if unreadable:
        with database.transaction() as connection:
            rows.put_unreadable(connection, unreadable.values(), now_utc)
    shown = _shown(trades.values(), discom)
    _require_confirmed(database, shown)
    unreached = frozenset(delivery for delivery, total_wh in shown.items() if total_wh is None)
    return PullReport(trades=len(trades), unreadable=len(unreadable), unreached=unreached, late=tuple(late))


def _amended(connection: sqlite3.Connection, basis: Iterable[Agreed], now_utc: int) -> tuple[Amendment, ...]:
    """Keeps every change of terms; the late ones that are new."""
    found = [
        one.amendment
        for one in basis
        if one.amendment is not None and amendment_rows.put_amendment(connection, one.amendment, now_utc)
    ]
    return tuple(one for one in found if one.amending is Amending.LATE)


def trades_of(ledger: Ledger, discom: str, span: Interval) -> tuple[Trade, ...]:
    """What a ledger shows of the trades of `discom`, either side, whose delivery begins in `span`; nothing is stored.

    Raises:
        LedgerError: as `Ledger.listing`.
    """
    query = TradeQuery(delivery_start_from_utc=span.start_utc, delivery_start_to_utc=span.end_utc - 1)
    listings = (
        ledger.listing(replace(query, discom_id_seller=discom)),
        ledger.listing(replace(query, discom_id_buyer=discom)),
    )
    found = {trade.record_id: trade for listing in listings for trade in listing.trades}
    return tuple(found[name] for name in sorted(found))


def _shown(trades: Iterable[Trade], discom: str) -> dict[Delivery, int | None]:
    """What a ledger shows as allocated to our side of each delivery; none while one of its trades got nothing said."""
    found: dict[Delivery, int | None] = {}
    for own in own_sides(trades, discom):
        total_wh, more_wh = found.get(own.delivery, 0), own.trade.allocated_wh(own.side)
        found[own.delivery] = None if total_wh is None or more_wh is None else total_wh + more_wh
    return found


def _require_confirmed(database: Database, shown: Mapping[Delivery, int | None]) -> None:
    """Notes where the ledger's rows no longer say what it confirmed."""
    for delivery, total_wh in shown.items():
        if total_wh is None or not any(
            _differs(one, total_wh) for one in rows.postings_of(database.connection, delivery)
        ):
            continue
        with database.transaction() as connection:
            for record in rows.postings_of(connection, delivery):
                if _differs(record, total_wh):
                    rows.put_posting(connection, posting.contradicted(record, total_wh))


def _differs(record: PostingRecord, shown_wh: int) -> bool:
    return record.state is PostingState.CONFIRMED and record.allocated_wh != shown_wh


def followed(database: Database, discom: str, *, look_back_days: int, now_utc: int) -> dict[Delivery, int]:
    """The deliveries that the stored trades of the look-back await an actual of `discom` for, with when each was first seen."""
    return rows.deliveries_from(database.connection, discom, now_utc - look_back_days * DAY_S)


def plan(
    database: Database,
    wanted: Iterable[Delivery],
    newest_ready: NewestReady,
    policy: Policy,
    now_utc: int,
    *,
    unreached: frozenset[Delivery] = frozenset(),
    terms: TermsOf | None = None,
) -> tuple[PostingRecord, ...]:
    """Addresses every newest provable actual to its delivery, once; a later revision supersedes what was addressed before.

    What a ledger confirmed before another trade of the delivery was put goes again where `unreached` says so: a ledger spreads an
    actual over the trades that it holds at that moment.
    """
    added = []
    with database.transaction() as connection:
        for delivery in wanted:
            actual = newest_ready(delivery)
            if actual is None:
                continue
            before = rows.postings_of(connection, delivery)
            is_addressed = any(earlier.actual == actual.digest for earlier in before)
            # Asked before its terms are, which cost a decision.
            if is_addressed and not (delivery in unreached and _is_confirmed(before)):
                continue
            said = NO_TERMS if terms is None else terms(connection, delivery, actual.statement)
            wish = posting.first(delivery, actual, policy, now_utc, said)
            record = None if is_addressed else _planned(connection, before, actual, wish)
            if record is not None:
                added.append(record)
            elif delivery in unreached:
                _again(connection, wish, now_utc)
    return tuple(added)


def _is_confirmed(records: Iterable[PostingRecord]) -> bool:
    return any(record.state is PostingState.CONFIRMED for record in records)


def _again(connection: sqlite3.Connection, wanted: PostingRecord | None, now_utc: int) -> None:
    if wanted is None:
        return
    for record in rows.postings_of(connection, wanted.delivery):
        if record.net_wh == wanted.net_wh and record.state is PostingState.CONFIRMED:
            rows.put_posting(connection, posting.reopened(record, now_utc))


def _is_said(before: Iterable[PostingRecord], record: PostingRecord) -> bool:
    """Whether the newest post that still holds says the same: one that was refused before another figure was posted says nothing."""
    holding = [earlier for earlier in before if earlier.state is not PostingState.SUPERSEDED]
    return (
        bool(holding)
        and (holding[-1].net_wh, holding[-1].status) == (record.net_wh, record.status)
        and holding[-1].state in _SAID
    )


def _planned(
    connection: sqlite3.Connection,
    before: Iterable[PostingRecord],
    actual: Signed[WindowActual],
    record: PostingRecord | None,
) -> PostingRecord | None:
    """`record`, stored, unless it says nothing new; what it replaces of `before` is superseded."""
    is_asked = actual.statement.cause is Cause.OPERATOR
    if record is not None and not is_asked and _is_said(before, record):
        # One post per meter, window and figure: more evidence for what was said is no other figure. An operator who attests again,
        # after a refusal was put right, means it.
        return None
    # What a revision took back, or made doubtful, is not posted any more; what the ledger holds stays there until a figure replaces it.
    outdated = _UNSENT if record is None else _REPLACED
    for earlier in before:
        if earlier.state in outdated:
            rows.put_posting(connection, posting.superseded(earlier, actual.statement.revision))
    if record is not None:
        rows.put_posting(connection, record)
    return record


def hold(database: Database, over: HoldOver | None, now_utc: int) -> None:
    """Holds back the open postings that an operator's hold is over, and lets go of those that none is over any more.

    Without `over` nothing is held.
    """
    waiting = rows.postings_in(database.connection, frozenset({PostingState.HELD}))
    if over is None and not waiting:
        return
    with database.transaction() as connection:
        for record in rows.postings_in(connection, OPEN) if over is not None else ():
            found = None if over is None else over(record.delivery)
            if found is not None:
                rows.put_posting(connection, posting.held(record, found.note))
        for record in waiting:
            if over is None or over(record.delivery) is None:
                rows.put_posting(connection, posting.released(record, now_utc))


def post(
    database: Database,
    ledger: Ledger,
    discom: str,
    policy: Policy,
    now_utc: int,
    *,
    most: int = POSTS_AT_ONCE,
    over: HoldOver | None = None,
) -> PostReport:
    """Does what is due, `most` of it: posts, reads back, and stores how far each posting got, a few abreast.

    A ledger that does not answer ends the round: each of the others would wait as long, so the first goes alone. The posting that
    got no answer waits for its next try, so that it never stands in the way of the others. `over` is asked shortly before each: a round
    may last minutes, and what an operator stops stops at once.
    """
    moved: list[PostingRecord] = []
    trouble: str | None = None
    attempts = _Attempts(ledger, discom, policy, now_utc)
    waiting = posting.due(rows.postings_to_do(database.connection, now_utc, most=most), now_utc)
    with ThreadPoolExecutor(POSTS_ABREAST, thread_name_prefix="post") as pool:
        for portion in _portions(waiting):
            free = [record for record in portion if over is None or over(record.delivery) is None]
            sent = tuple(pool.map(attempts.sent, free))
            # The commit point of these posts: before it, a crash repeats the same posts under the same references.
            _store(database, sent)
            after = tuple(pool.map(attempts.read_back, sent))
            _store(database, after)
            moved += (one.record for one in after)
            trouble = next((one.silence for one in after if one.silence is not None), None)
            if trouble is not None:
                break
    return PostReport(moved=tuple(moved), trouble=trouble)


def _portions(waiting: Sequence[PostingRecord]) -> Iterator[Sequence[PostingRecord]]:
    edges = (0, *range(1, len(waiting), POSTS_ABREAST), len(waiting))
    return (waiting[start:end] for start, end in pairwise(edges) if start < end)


def _store(database: Database, attempts: Iterable["_Attempt"]) -> None:
    with database.transaction() as connection:
        for attempt in attempts:
            rows.put_posting(connection, attempt.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """How far one try of one posting got."""

    record: PostingRecord
    receipt: Receipt | None = None
    """What the ledger answered the post, which is still to be read back; none after trouble."""
    silence: str | None = None
    """Why there was no answer at all."""


class _Attempts:
    """Tries of postings, each of them in a thread that touches nothing but the ledger."""

    __slots__ = ("_discom", "_ledger", "_now_utc", "_policy")

    def __init__(self, ledger: Ledger, discom: str, policy: Policy, now_utc: int) -> None:
        self._ledger = ledger
        self._discom = discom
        self._policy = policy
        self._now_utc = now_utc

    def sent(self, record: PostingRecord) -> _Attempt:
        """The posting as posted.

        A record that is POSTED already comes here after a crash or a failed reading back: the same post has no second effect and gives
        the receipt again.
        """
        try:
            receipt = self._ledger.post(record.request(self._discom))
        except LedgerError as error:
            return self._troubled(record, error)
        return _Attempt(record=posting.posted(record, receipt, self._now_utc), receipt=receipt)

    def read_back(self, sent: _Attempt) -> _Attempt:
        """A posted one as the ledger's rows show it; what met trouble before as it is."""
        if sent.receipt is None:
            return sent
        try:
            confirmation = self._ledger.confirm(sent.record.request(self._discom), sent.receipt)
        except LedgerError as error:
            return self._troubled(sent.record, error)
        return _Attempt(record=posting.read_back(sent.record, confirmation))

    def _troubled(self, record: PostingRecord, error: LedgerError) -> _Attempt:
        silence = str(error) if isinstance(error, LedgerUnavailableError) else None
        after = posting.troubled(record, _trouble(error), str(error), self._policy, self._now_utc)
        return _Attempt(record=after, silence=silence)


def _trouble(error: LedgerError) -> Trouble:
    """By what is done next. An answer that is not understood says as little as none."""
    if isinstance(error, TradeUnknownError):
        return Trouble.TRADE_UNKNOWN
    return Trouble.REFUSED if isinstance(error, LedgerRefusedError) else Trouble.NO_ANSWER
