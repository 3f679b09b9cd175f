"""From evidence to ledger, step by step: trades in, windows decided and attested, postings out.

Each step is its own transaction, and every step can be repeated: a crash between two of them is answered by running them again.
After a start everything in the look-back is looked at once, old final figures within hours; from then on only what evidence, a record
or time may have changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from headend import rereading
from headend.agenda import Agenda
from headend.attest import Attestor, Subject
from headend.config import Channel, Config
from headend.duties.holds import Hold
from headend.duties.hunting import AFTER_S
from headend.exchange import legs
from headend.exchange.asked import Asked
from headend.exchange.holding import HoldOver, over_by
from headend.exchange.legs import PostReport, PullReport
from headend.exchange.recording_leg import RecordingLeg
from headend.exchange.terms import DeliveryTerms
from headend.news import News
from headend.onboarding.known import Registry
from headend.store.sqlite import hold_rows
from headend.store.sqlite.database import Database
from headend.touches import Touches
from headend.trading.overlaps import Overlaps
from headend.trading.posting import withheld
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery
from ledger_client.ledger import LedgerError
from ledger_client.recording import RecordingLedger
from signing.envelope import Signed
from signing.interval import DAY_S, Interval, ist_text
from signing.statements.meter_record import Role
from signing.statements.window_actual import Status, WindowActual

_AT_ONCE = 8
"""Intake waits while windows are decided, some 20 ms each, so that is done in small portions."""

_NEAR_S = 2 * DAY_S
"""How far around new batches windows are decided again at once, whatever was said of them."""

_REVIEW_S = 6 * 3600
"""How long a final figure may wait to be decided again after evidence from elsewhere: only a clock's later checks reach so far."""

_SETTLED = frozenset({Status.FINAL, Status.TRUE_UP})


@dataclass(slots=True, kw_only=True)
class SettlementReport:
    """What one step did."""

    pulled: PullReport | None = None
    attested: tuple[Signed[WindowActual], ...] = ()
    posted: PostReport | None = None
    recorded: tuple[Recording, ...] = ()
    """Words of this discom that something was done for, where it allocates by itself."""
    alarms: list[str] = field(default_factory=list)
    """What an operator must look at; each said once."""
    ledger_trouble: str | None = None
    """Why the ledger cannot be used, for as long as it cannot."""


class Settlement:
    """Decides and posts what the trades of one discom await. Owned by the thread that owns its database connection."""

    __slots__ = (
        "_agenda", "_asked", "_attestor", "_by_name", "_config", "_database", "_first_seen", "_ledger", "_names_of", "_news",
        "_next_pull_utc", "_overlaps", "_policy", "_recording", "_registry", "_settled", "_strangers", "_terms", "_told", "_traded", "_trouble",
        "_unplanned", "_unreached", "_unreadable",
    )  # fmt: skip

    def __init__(
        self, *, config: Config, database: Database, registry: Registry, attestor: Attestor, ledger: RecordingLedger
    ) -> None:
        """`attestor` works on `registry`, and both on `database`."""
        self._config = config
        self._database = database
        self._registry = registry
        self._attestor = attestor
        self._ledger = ledger
        self._policy = legs.policy_of(config)
        self._terms = DeliveryTerms(discom=config.discom, registry=registry, attestor=attestor)
        self._recording: RecordingLeg | None = None
        if config.ledger.channel is Channel.RECORD:
            self._recording = RecordingLeg(
                database=database, ledger=ledger, discom=config.discom, policy=self._policy, status=self._terms.status
            )
        self._next_pull_utc = 0
        self._news = News(database)
        self._first_seen: dict[Delivery, int] = {}
        """Every delivery that is followed, with when its trade was first seen."""
        self._by_name: dict[str, set[Delivery]] = {}
        """The same by the ledger's name of the meter."""
        self._names_of: dict[str, set[str]] = {}
        """The ledger's names that a meter was ever found to measure for."""
        self._agenda = Agenda()
        self._unplanned: set[Delivery] = set()
        """Deliveries whose newest actual may not be addressed to the ledger yet."""
        self._unreached: frozenset[Delivery] = frozenset()
        """Deliveries with a trade that no actual was allocated to, as of the newest pull; until it was planned by."""
        self._settled: set[Delivery] = set()
        """Deliveries whose newest figure is final."""
        self._overlaps = Overlaps()
        self._strangers: set[Delivery] = set()
        """Deliveries of meters that the registry does not name at their time."""
        self._told: set[str] = set()
        """Those of them that were said."""
        self._unreadable = 0
        self._trouble: str | None = None
        self._traded: dict[Delivery, int] = {}
        """The deliveries of trades, with when each trade was first seen."""
        self._asked = Asked(database, days=config.followed_days)

    def step(self, now_utc: int, touched: Touches | None = None) -> SettlementReport:
        """Does what is due. `touched` is what new evidence came for since the last step; records are seen by themselves.

        Raises:
            FatalError: the process must end.
            StoreUnavailableError: nothing more was stored; try again later, with the same `touched`.
        """
        report = SettlementReport()
        if now_utc >= self._next_pull_utc:
            self._pull(report, now_utc)
            self._next_pull_utc = now_utc + self._config.ledger.poll_s
        elif self._asked.has_news():
            self._follow(self._asked.beside(self._traded, now_utc), now_utc)
        with self._news.of_meters(self._registry) as changed:
            self._mark_recorded(changed, now_utc)
        if touched is not None:
            self._mark_touched(touched, now_utc)
        self._mark_edited(now_utc)
        self._decide(report, now_utc)
        self._mark_said()
        self._plan(report, now_utc)
        self._hold(now_utc)
        self._post(report, now_utc)
        report.ledger_trouble = self._trouble
        return report

    def _pull(self, report: SettlementReport, now_utc: int) -> None:
        config = self._config
        try:
            report.pulled = legs.pull(
                self._database,
                self._ledger,
                config.discom,
                look_back_days=config.ledger.look_back_days,
                now_utc=now_utc,
            )
        except LedgerError as error:
            # What is known already is followed all the same.
            self._trouble = f"trades cannot be read: {error}"
        else:
            self._trouble = None
            if report.pulled.unreadable > self._unreadable:
                report.alarms.append(f"{report.pulled.unreadable} row(s) of the ledger are no trade: see its operator")
            self._unreadable = report.pulled.unreadable
            self._unreached = report.pulled.unreached
            report.alarms += [
                f"the terms of trade {one.record_id} changed after its delivery began ({one.changes}): the first ones stay; ask the ledger"
                for one in report.pulled.late
            ]
        # More than is asked for: what was awaited before is followed for as long as something may come of it.
        self._traded = legs.followed(
            self._database, config.discom, look_back_days=config.followed_days, now_utc=now_utc
        )
        self._follow(self._asked.beside(self._traded, now_utc), now_utc)
        # Where the discom allocates by itself, what the other side has said since may change its own word.
        is_turn = self._recording is not None and report.pulled is not None
        self._unplanned |= (self._traded.keys() if is_turn else self._unreached) & self._first_seen.keys()
        self._warn_of_overlaps(report)

    def _follow(self, wanted: dict[Delivery, int], now_utc: int) -> None:
        for delivery in self._first_seen.keys() - wanted.keys():
            self._agenda.done(delivery)
            self._unplanned.discard(delivery)
            self._settled.discard(delivery)
            self._by_name[delivery.posted_as].discard(delivery)
        new = sorted(wanted.keys() - self._first_seen.keys())
        for place, delivery in enumerate(new, start=1):
            self._by_name.setdefault(delivery.posted_as, set()).add(delivery)
            self._unplanned.add(delivery)
            # After a start old final figures take turns, so that what is new needs not wait for all of them.
            old = delivery.window.end_utc + _NEAR_S < now_utc and self._is_settled(delivery)
            self._agenda.put(delivery, now_utc + _REVIEW_S * place // len(new) if old else now_utc)
        self._first_seen = wanted

    def _warn_of_overlaps(self, report: SettlementReport) -> None:
        by_point: dict[str, list[Delivery]] = {}
        for name, deliveries in self._by_name.items():
            for delivery in deliveries & self._traded.keys():
                point = self._registry.connection_point(name, delivery.window.start_utc)
                if point is not None:
                    by_point.setdefault(point, []).append(delivery)
        report.alarms += self._overlaps.alarms(by_point)

    def _mark_recorded(self, changed: set[str], now_utc: int) -> None:
        """Marks what the registry may change: the windows of meters with a new record, and those of names that are known now."""
        names = {name for meter in changed for name in self._names_of.get(meter, ())}
        if changed:
            found = (self._registry.meter(meter) for meter in changed)
            points = {fact.connection_point for meter in found if meter is not None for fact in meter.record.facts}
            names |= {name for name in self._by_name if self._registry.connection_point(name) in points}
        for delivery in (*self._deliveries(names), *filter(self._point, self._strangers & self._first_seen.keys())):
            self._agenda.put(delivery, now_utc)

    def _point(self, delivery: Delivery) -> str | None:
        """The connection point that the ledger's id names when the delivery begins."""
        return self._registry.connection_point(delivery.posted_as, delivery.window.start_utc)

    def _mark_touched(self, touched: Touches, now_utc: int) -> None:
        """Marks what new evidence may change."""
        for meter in touched:
            span = touched.span(meter)
            for delivery in self._deliveries(self._names_of.get(meter, ())):
                can_wait = span is not None and delivery in self._settled and _apart(delivery, span)
                self._agenda.put(delivery, now_utc + _REVIEW_S if can_wait else now_utc)

    def _mark_edited(self, now_utc: int) -> None:
        """Marks what edits may change, by whichever program they were logged."""
        found = Touches()
        for meter, span in self._news.edits():
            found.add(meter, span)
        self._mark_touched(found, now_utc)

    def _deliveries(self, names: Iterable[str]) -> Iterator[Delivery]:
        return (delivery for name in names for delivery in self._by_name.get(name, ()))

    def _decide(self, report: SettlementReport, now_utc: int) -> None:
        ready: list[tuple[Delivery, Subject]] = []
        for delivery in self._agenda.due(now_utc):
            subject = self._subject(report, delivery)
            if subject is None:
                self._agenda.done(delivery)
            elif self._is_time(subject, now_utc):
                ready.append((delivery, subject))
            else:
                self._agenda.done(delivery)
                self._agenda.put(delivery, delivery.window.end_utc)
        for first in range(0, len(ready), _AT_ONCE):
            portion = ready[first : first + _AT_ONCE]
            report.attested += self._attest(portion, now_utc)
            # At once, while what was read for the decision is at hand: terms need it again.
            self._address(report, [delivery for delivery, _ in portion if delivery in self._traded], now_utc)
        for signed in report.attested:
            why = withheld(signed.statement, self._policy)
            if why is not None:
                window = signed.statement.window
                report.alarms.append(
                    f"{signed.statement.posted_as} from {ist_text(window.start_utc)} is not posted: {why}"
                )

    def _attest(self, portion: Sequence[tuple[Delivery, Subject]], now_utc: int) -> tuple[Signed[WindowActual], ...]:
        early = {subject for delivery, subject in portion if self._pending_from(delivery) > now_utc}
        attested = self._attestor.attest({subject for _, subject in portion}, at_utc=now_utc, unsaid=frozenset(early))
        whole = {
            (one.statement.posted_as, one.statement.window) for one in attested if one.statement.status in _SETTLED
        }
        for delivery, subject in portion:
            self._agenda.done(delivery)
            self._unplanned.add(delivery)
            if subject in early and (subject.posted_as, subject.window) not in whole:
                self._wait(delivery, subject, now_utc)
            elif (gate_utc := self._config.gates.next_utc(delivery.window, now_utc)) is not None:
                # What may be posted then may not be posted now.
                self._agenda.put(delivery, gate_utc)
        for signed in attested:
            rereading.note_said(self._database, self._attestor, signed.statement)
        return attested

    def _wait(self, delivery: Delivery, subject: Subject, now_utc: int) -> None:
        """Looks again when the window may be said to be PENDING; what it lacks is asked for before that."""
        hunted_utc = delivery.window.end_utc + AFTER_S[0]
        if now_utc >= hunted_utc:
            rereading.note(self._database, self._attestor, subject)
            self._agenda.put(delivery, self._pending_from(delivery))
        else:
            self._agenda.put(delivery, min(hunted_utc, self._pending_from(delivery)))

    def _subject(self, report: SettlementReport, delivery: Delivery) -> Subject | None:
        name = delivery.posted_as
        point = self._point(delivery)
        if point is None:
            self._strangers.add(delivery)
            if name not in self._told:
                self._told.add(name)
                report.alarms.append(
                    f"a trade names the meter '{name}', which no enrolment does: add it to `posted_as`"
                )
            return None
        self._strangers.discard(delivery)
        for meter in self._registry.meters_at(point):
            self._names_of.setdefault(meter.record.meter, set()).add(name)
        return Subject(connection_point=point, posted_as=name, window=delivery.window)

    def _is_time(self, subject: Subject, now_utc: int) -> bool:
        """Whether the window has ended, or cannot be measured, which is said when its trade is first seen."""
        window = subject.window
        if window.end_utc <= now_utc:
            return True
        facts = (meter.record.fact(window.start_utc) for meter in self._registry.meters_at(subject.connection_point))
        return any(
            fact is not None
            and fact.role is Role.REVENUE
            and fact.connection_point == subject.connection_point
            and not window.is_measurable(fact.period_s)
            for fact in facts
        )

    def _pending_from(self, delivery: Delivery) -> int:
        """When a window that is not whole is said to be PENDING: until then blocks may still be on their way."""
        return max(delivery.window.end_utc, self._first_seen[delivery]) + self._config.windows.pending_after_s

    def _plan(self, report: SettlementReport, now_utc: int) -> None:
        # What only a question names is no delivery of the ledger's: it is answered, and not posted.
        self._unplanned &= self._traded.keys()
        wanted = sorted(self._unplanned)
        for first in range(0, len(wanted), _AT_ONCE):
            self._address(report, wanted[first : first + _AT_ONCE], now_utc)
        self._unreached = frozenset()

    def _address(self, report: SettlementReport, portion: Sequence[Delivery], now_utc: int) -> None:
        if self._recording is not None:
            report.alarms += self._recording.plan(portion, self._newest_ready, now_utc)
        elif self._config.ledger.channel is Channel.ALLOCATE:
            legs.plan(
                self._database,
                portion,
                self._newest_ready,
                self._policy,
                now_utc,
                unreached=self._unreached,
                terms=self._terms,
            )
        self._unplanned.difference_update(portion)

    def _mark_said(self) -> None:
        """Marks what was attested since, by an operator's command too."""
        for name, window in self._news.said():
            self._unplanned |= {delivery for delivery in self._by_name.get(name, ()) if delivery.window == window}

    def _hold(self, now_utc: int) -> None:
        over = self._over()
        legs.hold(self._database, over, now_utc)
        if self._recording is not None:
            self._recording.hold(over, now_utc)

    def _held_now(self, delivery: Delivery) -> Hold | None:
        """The hold over a delivery, also one that came since this step began."""
        over = self._over()
        return None if over is None else over(delivery)

    def _over(self) -> HoldOver | None:
        """What operators hold back now."""
        return over_by(hold_rows.open_holds(self._database.connection), self._registry)

    def _post(self, report: SettlementReport, now_utc: int) -> None:
        # What was addressed before the channel changed is still posted: it was said to nobody else.
        report.posted = legs.post(
            self._database, self._ledger, self._config.discom, self._policy, now_utc, over=self._held_now
        )
        written = None if self._recording is None else self._recording.write(now_utc, over=self._held_now)
        report.recorded = () if written is None else written.moved
        trouble = report.posted.trouble or (None if written is None else written.trouble)
        if trouble is not None:
            self._trouble = f"the ledger does not answer a post: {trouble}"
        elif report.posted.moved or report.recorded:
            self._trouble = None

    def _newest_ready(self, delivery: Delivery) -> Signed[WindowActual] | None:
        ready = self._attestor.ready(delivery.posted_as, delivery.window)
        if ready is None:
            return None
        if ready.actual.statement.status in _SETTLED:
            self._settled.add(delivery)
        else:
            self._settled.discard(delivery)
        return ready.actual

    def _is_settled(self, delivery: Delivery) -> bool:
        return self._newest_ready(delivery) is not None and delivery in self._settled


def _apart(delivery: Delivery, span: Interval) -> bool:
    """Whether a window is farther from new batches than their neighbourhood."""
    window = delivery.window
    return window.end_utc + _NEAR_S < span.start_utc or span.end_utc + _NEAR_S < window.start_utc
