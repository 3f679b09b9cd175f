"""From evidence to ledger, step by step: trades in, windows decided and attested, postings out.

Each step is its own transaction, and every step can be repeated: a crash between two of them is answered by running them again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from headend import exchange
from headend.attest import Attestor, Subject
from headend.config import Config
from headend.exchange import PostReport, PullReport
from headend.posting import Policy
from headend.registry import Registry
from headend.store.sqlite.database import Database
from headend.trades import Delivery
from ledger_client.ledger import Ledger, LedgerError, Trade
from signing.envelope import Signed
from signing.interval import DAY_S
from signing.statements.window_actual import WindowActual

_SUBJECTS_AT_ONCE = 32
"""Intake waits while windows are decided, so that is done in small portions."""


@dataclass(slots=True, kw_only=True)
class SettlementReport:
    """What one step did."""

    pulled: PullReport | None = None
    attested: tuple[Signed[WindowActual], ...] = ()
    posted: PostReport | None = None
    alarms: list[str] = field(default_factory=list)
    """What an operator must look at."""


class Settlement:
    """Decides and posts what the trades of one discom await. Owned by the thread that owns its database connection."""

    def __init__(
        self, *, config: Config, database: Database, registry: Registry, attestor: Attestor, ledger: Ledger
    ) -> None:
        self._config = config
        self._database = database
        self._registry = registry
        self._attestor = attestor
        self._ledger = ledger
        self._policy = Policy(
            statuses=config.posting.statuses,
            retry_s=config.posting.retry_s,
            give_up_s=config.posting.give_up_days * DAY_S,
        )
        self._next_pull_utc = 0
        self._first_seen: dict[Delivery, int] = {}
        self._undecided: set[Delivery] = set()
        """What new evidence, or time, may have changed."""
        self._waiting: dict[Delivery, int] = {}
        """Windows that are not whole and not said to be PENDING yet, with the time when they will be."""
        self._unplanned: set[Delivery] = set()
        """Deliveries whose newest actual may not be addressed to the ledger yet."""
        self._strangers: set[str] = set()

    def step(self, now_utc: int, touched: Iterable[str]) -> SettlementReport:
        """Does what is due. `touched` are the meters that new evidence or a new record came for since the last step.

        Raises:
            FatalError: the process must end.
            StoreUnavailableError: nothing more was stored; try again later.
        """
        report = SettlementReport()
        if now_utc >= self._next_pull_utc:
            self._next_pull_utc = now_utc + self._config.ledger.poll_s
            self._pull(report, now_utc)
        self._registry.refresh()
        self._mark(touched)
        report.attested = self._attest(report, now_utc)
        exchange.plan(self._database, sorted(self._unplanned), self._newest_ready, self._policy, now_utc)
        self._unplanned.clear()
        report.posted = exchange.post(self._database, self._ledger, self._config.discom, self._policy, now_utc)
        return report

    def _pull(self, report: SettlementReport, now_utc: int) -> None:
        try:
            report.pulled = exchange.pull(
                self._database,
                self._ledger,
                self._config.discom,
                look_back_days=self._config.ledger.look_back_days,
                now_utc=now_utc,
            )
        except LedgerError as error:
            report.alarms.append(f"trades cannot be read: {error}")
        for delivery in exchange.awaited(self._trades(now_utc), self._config.discom):
            if delivery not in self._first_seen:
                self._first_seen[delivery] = now_utc
                self._undecided.add(delivery)
                self._unplanned.add(delivery)

    def _trades(self, now_utc: int) -> tuple[Trade, ...]:
        # A little more than is asked for: what was awaited yesterday is still followed.
        days = self._config.ledger.look_back_days + self._config.posting.give_up_days
        return exchange.known_trades(self._database, look_back_days=days, now_utc=now_utc)

    def _mark(self, touched: Iterable[str]) -> None:
        """Marks what new evidence may change."""
        meters = set(touched)
        if not meters:
            return
        for delivery in self._first_seen:
            point = self._registry.connection_point(delivery.posted_as)
            if point is not None and any(m.record.meter in meters for m in self._registry.meters_at(point)):
                self._undecided.add(delivery)

    def _attest(self, report: SettlementReport, now_utc: int) -> tuple[Signed[WindowActual], ...]:
        self._undecided |= {delivery for delivery, due_utc in self._waiting.items() if due_utc <= now_utc}
        subjects = {delivery: self._subject(report, delivery) for delivery in sorted(self._undecided)}
        ready = [(d, subject) for d, subject in subjects.items() if subject and self._is_time(d, subject, now_utc)]
        attested: list[Signed[WindowActual]] = []
        for first in range(0, len(ready), _SUBJECTS_AT_ONCE):
            portion = ready[first : first + _SUBJECTS_AT_ONCE]
            early = {subject for delivery, subject in portion if self._pending_from(delivery) > now_utc}
            chosen = {subject for _, subject in portion}
            attested += self._attestor.attest(chosen, at_utc=now_utc, unsaid=frozenset(early))
            for delivery, subject in portion:
                self._undecided.discard(delivery)
                self._waiting.pop(delivery, None)
                self._unplanned.add(delivery)
                if subject in early:
                    self._waiting[delivery] = self._pending_from(delivery)
        return tuple(attested)

    def _subject(self, report: SettlementReport, delivery: Delivery) -> Subject | None:
        point = self._registry.connection_point(delivery.posted_as)
        if point is None:
            if delivery.posted_as not in self._strangers:
                self._strangers.add(delivery.posted_as)
                report.alarms.append(
                    f"a trade names the meter '{delivery.posted_as}', which no enrolment does: add it to `posted_as`"
                )
            return None
        self._strangers.discard(delivery.posted_as)
        return Subject(connection_point=point, posted_as=delivery.posted_as, window=delivery.window)

    def _is_time(self, delivery: Delivery, subject: Subject, now_utc: int) -> bool:
        """Whether the window has ended, or cannot be measured, which is said when its trade is first seen."""
        if delivery.window.end_utc <= now_utc:
            return True
        facts = (
            meter.record.fact(delivery.window.start_utc) for meter in self._registry.meters_at(subject.connection_point)
        )
        return any(fact is not None and not delivery.window.is_measurable(fact.period_s) for fact in facts)

    def _pending_from(self, delivery: Delivery) -> int:
        """When a window that is not whole is said to be PENDING: until then blocks may still be on their way."""
        return max(delivery.window.end_utc, self._first_seen[delivery]) + self._config.windows.pending_after_s

    def _newest_ready(self, delivery: Delivery) -> Signed[WindowActual] | None:
        ready = self._attestor.ready(delivery.posted_as, delivery.window)
        return None if ready is None else ready.actual
