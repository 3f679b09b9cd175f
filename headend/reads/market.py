"""`Market` over the SQLite store: trades with their figures, for subscribers of the exchange and for operators.

A subscriber is shown windows of trades that it is a party to. Whatever else there is does not exist for it: what is unknown and what
is not its own are answered alike.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from headend.config import Config
from headend.duties.holds import Hold, Holds
from headend.exchange.sight import Sights
from headend.registry.dated import holding
from headend.store.sqlite import (
    actual_views,
    amendment_rows,
    contract_rows,
    hold_rows,
    hunt_rows,
    supply_rows,
    trade_views,
)
from headend.store.sqlite.log_rows import leaf_row
from headend.store.sqlite.published_log import PublishedLog
from headend.store.sqlite.read_pool import ReadPool
from headend.trading.amendments import Amending, Amendment
from headend.trading.contracts import KeptContract, Listing, listing, side_contracts
from headend.trading.parties import Party, Sight, sides_of
from headend.trading.trades import TradeSide, own_sides
from headend.views.evidence import ActualView
from headend.views.exchange import ChangesView, ChangeView, Phase, SlotsView, SlotView, StandingView, TradeView
from ledger_client.ledger import Side, Trade
from signing.interval import DAY_S, Interval, ist_day_start

_AT_ONCE = 500
"""Actuals looked at for one page of changes: what a caller may not see costs time too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look at one state of the store."""

    connection: sqlite3.Connection
    holds: Holds
    below: int
    """The leaf behind the last published one."""
    now_utc: int


class StoredMarket:
    """What the web shows of trades, from a pool of read-only connections. Safe to call from several threads."""

    __slots__ = ("_config", "_log", "_pool", "_sights")

    def __init__(self, *, config: Config, pool: ReadPool, log: PublishedLog) -> None:
        self._config = config
        self._pool = pool
        self._log = log
        self._sights = None if config.beckn is None else Sights(settings=config.beckn, discom=config.discom)

    def of_item(
        self, subscriber: str | None, transaction_id: str, order_item_id: str, now_utc: int
    ) -> tuple[StandingView, ...]:
        """How the figures of one trade stand, our side or both."""
        size = self._published()
        party = self._party(subscriber)
        with self._pool.borrowed() as connection:
            look = self._look(connection, size, now_utc)
            found = [
                trade
                for trade in trade_views.by_item(connection, transaction_id, order_item_id)
                if subscriber is None or (party is not None and party.is_in(trade))
            ]
            subjects = sorted(
                {(own.delivery.posted_as, own.delivery.window) for own in own_sides(found, self._config.discom)}
            )
            return tuple(self._standing(look, name, window, found, Sight.TRADE) for name, window in subjects)

    def of_window(self, subscriber: str | None, posted_as: str, window: Interval, now_utc: int) -> StandingView | None:
        """How the figure of a meter and window stands."""
        size = self._published()
        with self._pool.borrowed() as connection:
            sight: Sight | None = Sight.TRADE
            if subscriber is not None:
                sight = self._seen(connection, subscriber, posted_as, window, now_utc)
            if sight is None:
                return None
            party = self._party(subscriber)
            trades = [
                # Whether its meter sells and buys in one window is no business of another trade's platform.
                trade
                for trade in trade_views.of_window(connection, self._config.discom, posted_as, window)
                if subscriber is None or (party is not None and party.is_in(trade))
            ]
            look = self._look(connection, size, now_utc)
            return self._standing(look, posted_as, window, trades, sight)

    def changes(self, subscriber: str | None, after: int, limit: int, now_utc: int) -> ChangesView:
        """What was said from log index `after` on, in the order of the log."""
        size = self._published()
        items: list[ChangeView] = []
        with self._pool.borrowed() as connection:
            holds = Holds(hold_rows.open_holds(connection))
            looked = actual_views.logged_from(
                connection, leaf_row(self._log.log, after), below=leaf_row(self._log.log, size), limit=_AT_ONCE
            )
            reached = size if len(looked) < _AT_ONCE else looked[-1].index + 1
            for view in looked:
                actual = view.statement
                sight: Sight | None = None
                if subscriber is not None:
                    sight = self._seen(connection, subscriber, actual.posted_as, actual.window, now_utc)
                    if sight is None:
                        continue
                if len(items) == limit:
                    reached = view.index
                    break
                is_held = subscriber is not None and _over(holds, view) is not None
                items.append(ChangeView(actual=view, is_held=is_held, sight=sight))
        # A cursor beyond the published log waits there: nothing before it is skipped, nothing is told twice.
        following = max(after, reached)
        return ChangesView(items=tuple(items), next_index=following, is_end=following >= size)

    def sight(self, subscriber: str, actual: ActualView, now_utc: int) -> Sight | None:
        """By what a subscriber may see an actual, or none; one that is held may not be seen."""
        with self._pool.borrowed() as connection:
            if _over(Holds(hold_rows.open_holds(connection)), actual) is not None:
                return None
            return self._seen(connection, subscriber, actual.statement.posted_as, actual.statement.window, now_utc)

    def has_consent(self, subscriber: str, actual: ActualView, span: Interval, now_utc: int) -> bool:
        """Whether the blocks behind an actual, those of a span, may go to a subscriber."""
        if self._sights is None:
            return False
        point = actual.statement.connection_point
        with self._pool.borrowed() as connection:
            return bool(self._sights.consents(connection, subscriber, point, span, now_utc))

    def slots(self, span: Interval, feeder: str | None, now_utc: int, limit: int) -> SlotsView:
        """Trades that begin in `span`, by slot and feeder."""
        with self._pool.borrowed() as connection:
            rows, following = trade_views.beginning(connection, span, limit=limit)
            seen = {trade.record_id: seen_utc for trade, seen_utc in rows}
            views = [
                self._trade(connection, own, seen[own.trade.record_id], now_utc)
                for own in own_sides((trade for trade, _ in rows), self._config.discom)
            ]
        by_slot: dict[tuple[Interval, str], list[TradeView]] = {}
        for view in views:
            if feeder is None or view.feeder == feeder:
                by_slot.setdefault((view.trade.window, view.feeder or ""), []).append(view)
        slots = (_slot(window, found) for (window, _), found in sorted(by_slot.items(), key=lambda item: item[0]))
        return SlotsView(slots=tuple(slots), next_utc=following)

    def contracts(self, transaction_id: str, order_item_id: str, limit: int) -> tuple[KeptContract, ...]:
        """The contracts under a trade's ids, of whatever platform, in the order received."""
        with self._pool.borrowed() as connection:
            return contract_rows.by_item(connection, transaction_id, order_item_id, most=limit)

    def _trade(self, connection: sqlite3.Connection, own: TradeSide, seen_utc: int, now_utc: int) -> TradeView:
        name, window = own.delivery.posted_as, own.delivery.window
        point = holding(supply_rows.alias(connection, name), window.start_utc)
        supply = None if point is None else supply_rows.supply_at(connection, point, window.start_utc)
        amendments = amendment_rows.of_record(connection, own.trade.record_id)
        known = contract_rows.of_trade(connection, own.trade)
        contracts = side_contracts(own.trade, known)
        return TradeView(
            trade=own.trade,
            side=own.side,
            posted_as=name,
            connection_point=point,
            feeder=None if supply is None else supply.feeder,
            phase=_phase(window, now_utc),
            first_seen_utc=seen_utc,
            amendments=(*(seen.amendment for seen in amendments), *_late(own.trade, known)),
            contracts=contracts,
            listing=listing(self._config.ledger.contracts, contracts),
        )

    def _look(self, connection: sqlite3.Connection, size: int, now_utc: int) -> _Look:
        return _Look(
            connection=connection,
            holds=Holds(hold_rows.open_holds(connection)),
            below=leaf_row(self._log.log, size),
            now_utc=now_utc,
        )

    def _standing(
        self, look: _Look, posted_as: str, window: Interval, trades: Iterable[Trade], sight: Sight
    ) -> StandingView:
        connection = look.connection
        revisions = actual_views.revisions(connection, posted_as, window, below=look.below)
        point = holding(supply_rows.alias(connection, posted_as), window.start_utc)
        held = look.holds.over(point, window)
        is_over = window.end_utc <= look.now_utc
        sides = sides_of(posted_as, trades, self._config.discom)
        return StandingView(
            posted_as=posted_as,
            window=window,
            sides=tuple(side for side in Side if side in sides),
            sight=sight,
            revisions=() if held is not None else revisions,
            hold=None if held is None else held.number,
            next_utc=self._next_utc(look, window, revisions) if is_over else window.end_utc,
        )

    def _next_utc(self, look: _Look, window: Interval, revisions: Iterable[ActualView]) -> int | None:
        """When the figure of a window that is over may change next: at its next gate, then as its gateways are asked again."""
        gate_utc = self._config.gates.next_utc(window, look.now_utc)
        if gate_utc is not None:
            return gate_utc
        # The days, since a balance needs them whole.
        span = Interval(ist_day_start(window.start_utc), ist_day_start(window.end_utc - 1) + DAY_S)
        meters = {part.meter for view in revisions for part in view.statement.parts}
        asked = (hunt_rows.next_due(look.connection, meter, span) for meter in meters)
        return min((max(at, look.now_utc) for at in asked if at is not None), default=None)

    def _party(self, subscriber: str | None) -> Party | None:
        if subscriber is None or self._config.beckn is None:
            return None
        return self._config.beckn.party(subscriber)

    def _seen(
        self, connection: sqlite3.Connection, subscriber: str, posted_as: str, window: Interval, now_utc: int
    ) -> Sight | None:
        party = self._party(subscriber)
        if party is None or self._sights is None:
            return None
        seen = self._sights.seen(connection, party, posted_as, window, now_utc)
        return None if seen is None else seen.sight

    def _published(self) -> int:
        tree = self._log.tree()
        return 0 if tree is None else tree.checkpoint.size


def _over(holds: Holds, view: ActualView) -> Hold | None:
    return holds.over(view.statement.connection_point, view.statement.window)


def _phase(window: Interval, now_utc: int) -> Phase:
    if now_utc < window.start_utc:
        return Phase.UPCOMING
    return Phase.DELIVERING if now_utc < window.end_utc else Phase.ENDED


def _late(trade: Trade, known: Iterable[KeptContract]) -> Iterator[Amendment]:
    """The contracts that were refused for changing a trade whose delivery had begun."""
    for one in known:
        if one.late is not None:
            changes = f"contract of {one.terms.platform}: {one.late}"
            yield Amendment(record_id=trade.record_id, amending=Amending.LATE, changes=changes)


def _slot(window: Interval, views: list[TradeView]) -> SlotView:
    counted = [one for one in views if one.listing is Listing.COUNTED]
    return SlotView(
        feeder=views[0].feeder,
        window=window,
        sold_wh=sum(one.trade.quantity_wh for one in counted if one.side is Side.SELLER),
        bought_wh=sum(one.trade.quantity_wh for one in counted if one.side is Side.BUYER),
        trades=tuple(one for one in views if one.listing is not Listing.APART),
        apart=tuple(one for one in views if one.listing is Listing.APART),
    )
