"""A month of one head-end, read for billing: validated blocks, trades and facts become determinants."""

from collections.abc import Iterator
from dataclasses import dataclass

from headend.billing.determinants import Determinants, MeteredRun, determinants, month_span
from headend.billing.dre import Prosumer
from headend.billing.tariff import Tariff
from headend.onboarding.known import Registry
from headend.store.sqlite import day_rows, newest_views
from headend.store.sqlite.database import Database
from headend.trading.trades import TradeSide, own_sides
from headend.vee.declared import Channel
from headend.windows import settling_spans, starts_in
from signing.energy import scaled
from signing.interval import Interval, ist_day_start
from signing.statements.meter_record import MeterRecord, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One trade that a meter takes part in at a time: its energy there is billed by the trade."""

    record_id: str
    side: str
    start_utc: int
    end_utc: int
    quantity_wh: int


class Month:
    """The months of one database. Owned by the thread that owns the database's connection; changes nothing."""

    __slots__ = ("_database", "_discom", "_registry", "_tariff")

    def __init__(self, *, database: Database, registry: Registry, discom: str, tariff: Tariff) -> None:
        self._database = database
        self._registry = registry
        self._discom = discom
        self._tariff = tariff

    def determinants(self, connection_point: str, month: str) -> Determinants:
        """The determinants of one connection point.

        Raises:
            DecodeError: it is no month, or the tariff names no state for a discom.
        """
        span = month_span(month)
        runs = tuple(self._runs(connection_point, span))
        return determinants(connection_point, month, runs, self.sides(connection_point, span), self._tariff)

    def points(self) -> tuple[str, ...]:
        """Every connection point that a REVENUE meter ever stood at, sorted."""
        found = {
            fact.connection_point
            for name in self._registry.meters()
            if (meter := self._registry.meter(name)) is not None
            for fact in meter.record.facts
            if fact.role is Role.REVENUE
        }
        return tuple(sorted(found))

    def sides(self, connection_point: str, span: Interval) -> tuple[TradeSide, ...]:
        """Our sides of the trades of a connection point whose delivery begins in `span`, by every name that it had when it began."""
        names = frozenset(self._registry.posted_as(connection_point))
        trades = {
            trade.record_id: trade
            for name in names
            for trade in newest_views.trades_of(self._database.connection, name, span)
            if trade.window.start_utc >= span.start_utc
        }
        return tuple(
            own
            for own in own_sides(trades.values(), self._discom)
            if own.delivery.posted_as in names
            # A name that moved to another place is billed once: where it was.
            and self._registry.connection_point(own.delivery.posted_as, own.trade.window.start_utc) == connection_point
        )

    def slots(self, posted_as: str, span: Interval) -> tuple[Slot, ...]:
        """The trades that a ledger's meter takes part in during `span`: whether there is a P2P trade for this meter and slot."""
        trades = newest_views.trades_of(self._database.connection, posted_as, span)
        return tuple(
            Slot(
                record_id=own.trade.record_id,
                side=own.side.value,
                start_utc=own.trade.window.start_utc,
                end_utc=own.trade.window.end_utc,
                quantity_wh=own.trade.quantity_wh,
            )
            for own in own_sides(trades, self._discom)
            if own.delivery.posted_as == posted_as
        )

    def prosumer(self, connection_point: str, month: str) -> Prosumer:
        """The month of one connection point for renewable returns. Raises as `determinants`."""
        span = month_span(month)
        facts = [
            fact
            for meter in self._registry.meters_at(connection_point)
            if (fact := meter.record.fact(span.end_utc - 1)) is not None and fact.role is Role.REVENUE
        ]
        return Prosumer(
            determinants=self.determinants(connection_point, month),
            installed_w=max((fact.installed_w for fact in facts if fact.installed_w is not None), default=None),
            generated_wh=self._generated(connection_point, span),
        )

    def _runs(self, connection_point: str, span: Interval) -> Iterator[MeteredRun]:
        """The runs of the month, day by day: a day that nobody settled wholly has no run, and its blocks are missing.

        Nothing is expected of the time before a connection began.
        """
        newest = [meter.record for meter in self._registry.meters_at(connection_point)]
        began = [
            fact.from_utc
            for record in newest
            for fact in record.facts
            if fact.role is Role.REVENUE and fact.connection_point == connection_point
        ]
        start = max(span.start_utc, min(began, default=span.start_utc))
        for day in Interval(start, span.end_utc).ist_days() if start < span.end_utc else ():
            settled = settling_spans(connection_point, day, newest)
            if not settled:
                yield MeteredRun(meter="", factors=(), blocks=(), expected=1)
            for record, part in settled:
                run = self._run(record, part)
                if run is not None:
                    yield run

    def _run(self, record: MeterRecord, part: Interval) -> MeteredRun | None:
        fact = record.fact(part.start_utc)
        if fact is None:
            return None
        days = day_rows.newest_in(self._database.connection, record.meter, _days(part))
        blocks = tuple(block for stored in days for block in stored.day.blocks if block.is_of(part))
        return MeteredRun(
            meter=record.meter,
            factors=(fact.ct, fact.pt, fact.factor),
            blocks=blocks,
            expected=len(starts_in(part, fact.period_s)),
        )

    def _generated(self, connection_point: str, span: Interval) -> int | None:
        """What the generation meter at a connection point made: the energy that it counts as export, else as import."""
        total, seen = 0, False
        for meter in self._registry.companions(connection_point, span.end_utc - 1):
            fact = meter.record.fact(span.end_utc - 1)
            if fact is None or fact.role is not Role.GENERATION:
                continue
            days = day_rows.newest_in(self._database.connection, meter.record.meter, span)
            exports = [stored.day.total_wh(Channel.EXPORT) for stored in days]
            imports = [stored.day.total_wh(Channel.IMPORT) for stored in days]
            values = exports if any(exports) else imports
            present = [wh for wh in values if wh is not None]
            if len(present) != len(tuple(span.ist_days())):
                return None
            total, seen = total + scaled(sum(present), fact.ct, fact.pt, fact.factor), True
        return total if seen else None


def _days(part: Interval) -> Interval:
    """A span in which the days begin that hold `part`."""
    return Interval(ist_day_start(part.start_utc), part.end_utc)
