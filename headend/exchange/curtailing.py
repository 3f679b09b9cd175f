"""What a curtailment that is entered or taken back changes: the windows that it bears on, and what is said of their trades before and after."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from headend.attest import Attestor
from headend.duties.outage import Curtailment
from headend.exchange.terms import DeliveryTerms
from headend.onboarding.known import Registry
from headend.store.sqlite import curtailment_rows, postings, supply_rows
from headend.store.sqlite.database import Database
from headend.trading.trades import Delivery, deliveries, own_sides
from ledger_client.ledger import TradeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Excused:
    """One window of a trade on which a curtailment bears."""

    delivery: Delivery
    connection_point: str
    before: TradeStatus | None
    """What is said of its trades as things stand; none while its figure is not final."""
    after: TradeStatus | None


class Curtailing:
    """Finds the windows. Reads only; owned by the thread that owns the database's connection."""

    __slots__ = ("_attestor", "_database", "_discom", "_registry", "_terms")

    def __init__(self, *, database: Database, registry: Registry, attestor: Attestor, discom: str) -> None:
        self._database = database
        self._registry = registry
        self._attestor = attestor
        self._discom = discom
        self._terms = DeliveryTerms(discom=discom, registry=registry, attestor=attestor)

    def entering(self, entered: Curtailment) -> Iterator[Excused]:
        """The windows of trades on which a curtailment bears once it is entered, by window.

        Raises:
            FatalError, RuleSetError: as `Attestor.case`.
        """
        return self._changed(entered, lambda standing: [*standing, entered])

    def taking_back(self, entered: Curtailment) -> Iterator[Excused]:
        """The same of one that stands and is taken back; raises as `entering`."""

        def without(standing: Iterable[Curtailment]) -> list[Curtailment]:
            left = list(standing)
            # The same may have been entered twice, and the other one stays.
            left.remove(entered)
            return left

        return self._changed(entered, without)

    def _changed(
        self, entered: Curtailment, change: Callable[[Iterable[Curtailment]], list[Curtailment]]
    ) -> Iterator[Excused]:
        connection = self._database.connection
        trades = postings.trades_overlapping(connection, entered.span)
        for delivery in deliveries(own_sides(trades, self._discom)):
            point = self._registry.connection_point(delivery.posted_as, delivery.window.start_utc)
            if point is None:
                continue
            supply = supply_rows.supply_at(connection, point, delivery.window.start_utc)
            if not entered.covers(point, None if supply is None else supply.feeder, delivery.window):
                continue
            standing = curtailment_rows.overlapping(connection, delivery.window)
            before, after = (self._status(delivery, found) for found in (standing, change(standing)))
            yield Excused(delivery=delivery, connection_point=point, before=before, after=after)

    def _status(self, delivery: Delivery, entered: Iterable[Curtailment]) -> TradeStatus | None:
        ready = self._attestor.ready(delivery.posted_as, delivery.window)
        if ready is None:
            return None
        return self._terms.given(self._database.connection, delivery, ready.actual.statement, entered).status
