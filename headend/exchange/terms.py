"""What is said to a ledger with a figure: which of our sides it is for, and how the delivery went.

Source: EXCHANGE §2 (allocate, tradeStatus).
"""

import sqlite3
from collections.abc import Iterable

from headend.attest import Attestor, Subject
from headend.duties.outage import Curtailment, delivery_status, is_unsupplied
from headend.onboarding.known import Registry
from headend.store.sqlite import curtailment_rows, newest_views, supply_rows
from headend.trading.posting import Terms
from headend.trading.trades import Delivery, own_sides
from headend.windows import validated
from ledger_client.ledger import Side, TradeStatus
from signing.statements.window_actual import WindowActual


class DeliveryTerms:
    """The terms of deliveries. Owned by the thread that owns the database's connection."""

    __slots__ = ("_attestor", "_discom", "_registry")

    def __init__(self, *, discom: str, registry: Registry, attestor: Attestor) -> None:
        self._discom = discom
        self._registry = registry
        self._attestor = attestor

    def __call__(self, connection: sqlite3.Connection, delivery: Delivery, actual: WindowActual) -> Terms:
        """The terms of one delivery, from its trades, its blocks and what operators entered.

        Raises:
            FatalError, RuleSetError: as `Attestor.case`.
        """
        return self.given(connection, delivery, actual, curtailment_rows.overlapping(connection, delivery.window))

    def given(
        self, connection: sqlite3.Connection, delivery: Delivery, actual: WindowActual, entered: Iterable[Curtailment]
    ) -> Terms:
        """As a call, were `entered` all that operators entered of this window."""
        trades = newest_views.trades_of(connection, delivery.posted_as, delivery.window)
        here = [own for own in own_sides(trades, self._discom) if own.delivery == delivery]
        sides = frozenset(own.side for own in here)
        # A meter that sells and buys in one window has one figure; its sale is what an outage would have cut.
        side = Side.SELLER if Side.SELLER in sides else Side.BUYER
        contracted = sum(own.trade.quantity_wh for own in here if own.side is side)
        measured = _measured(actual, side)
        if not here or measured is None:
            return Terms(sides=sides, status=None)
        point = actual.connection_point
        supply = supply_rows.supply_at(connection, point, delivery.window.start_utc)
        curtailments = [
            curtailment
            for curtailment in entered
            if curtailment.covers(point, None if supply is None else supply.feeder, delivery.window)
        ]
        status = delivery_status(
            actual.status,
            contracted_wh=contracted,
            delivered_wh=measured,
            # Only a shortfall is looked into: it costs a decision.
            unsupplied=measured < contracted and self._is_unsupplied(actual),
            curtailments=curtailments,
        )
        return Terms(sides=sides, status=status)

    def status(self, connection: sqlite3.Connection, delivery: Delivery, actual: WindowActual) -> TradeStatus | None:
        """How one delivery went; none while its figure is not final. Raises as a call does."""
        return self(connection, delivery, actual).status

    def _is_unsupplied(self, actual: WindowActual) -> bool:
        subject = Subject(connection_point=actual.connection_point, posted_as=actual.posted_as, window=actual.window)
        return any(is_unsupplied(part.intervals) for part in validated(self._attestor.case(subject)))


def _measured(actual: WindowActual, side: Side) -> int | None:
    if actual.totals is None:
        return None
    return actual.totals.export_wh if side is Side.SELLER else actual.totals.import_wh
