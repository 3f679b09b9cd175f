"""`DutyReads` over the SQLite store: gates, holds, alerts, outcomes, bills and validated days, each read from one state.

The published checkpoint is read first and the database after it: what is said to be logged is.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping

from headend.billing.document import document
from headend.billing.month import Month
from headend.billing.tariff import NO_CHARGES, Tariff, parse
from headend.config import Config
from headend.duties.alerts import Alert
from headend.duties.holds import Hold, Holds
from headend.duties.operators import Pending, Refusal
from headend.errors import FatalError
from headend.onboarding.known import Registry
from headend.registry.dated import holding
from headend.store.sqlite import (
    alert_rows,
    day_rows,
    edit_rows,
    hold_rows,
    hunt_rows,
    newest_views,
    operator_rows,
    outcome_rows,
    postings,
    refusal_rows,
    registry_rows,
)
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.database import Database
from headend.store.sqlite.day_rows import StoredDay
from headend.store.sqlite.log_rows import leaf_place, leaf_row
from headend.store.sqlite.outcome_rows import StoredOutcome
from headend.store.sqlite.published_log import PublishedLog
from headend.store.sqlite.read_pool import ReadPool
from headend.trading.forecast import forecast
from headend.trading.trades import Delivery, deliveries, own_sides
from headend.views.duty import (
    ActView,
    BatchPlace,
    DayEvidence,
    DayView,
    DutyCounts,
    EditView,
    ForecastView,
    HuntView,
    NoticeView,
    OutcomeView,
    OutlookView,
    TradeSlot,
)
from signing.errors import DecodeError
from signing.interval import DAY_S, MAX_INSTANT, Interval
from signing.keys import PublicKey
from signing.statements.window_actual import Status

_READY = frozenset({Status.FINAL, Status.TRUE_UP})


def charges(config: Config) -> Tariff:
    """The tariff that the configuration names.

    Raises:
        FatalError: it cannot be read, with every fault.
    """
    path = config.billing.tariff
    if path is None:
        return NO_CHARGES
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, DecodeError) as error:
        raise FatalError(f"cannot use '{path}' ({error}): correct billing.tariff") from error


class StoredDuty:
    """What the web reads of a discom's duty, from a pool of read-only connections. Safe to call from several threads."""

    __slots__ = ("_config", "_key", "_log", "_pool", "_tariff")

    def __init__(self, *, config: Config, pool: ReadPool, log: PublishedLog, key: PublicKey) -> None:
        """`key` is the discom's statement key: what it did not sign is not shown as its word.

        Raises:
            FatalError: the tariff cannot be read.
        """
        self._config = config
        self._pool = pool
        self._log = log
        self._key = key
        self._tariff = charges(config)

    def forecast(self, now_utc: int) -> ForecastView:
        """The windows that have ended and whose next gate is still to come. Of those that are ready only the number is told."""
        gates, below = self._config.gates, self._below()
        latest_s = max(gates.data_s, *gates.rounds_s) + DAY_S
        with self._pool.borrowed() as connection:
            # A window whose last gate has passed ended longer ago than this.
            span = Interval(max(now_utc - latest_s, 0), max(now_utc, 1))
            trades = postings.trades_overlapping(connection, span)
            awaited = [
                one
                for one in deliveries(own_sides(trades, self._config.discom))
                if one.window.end_utc <= now_utc and gates.next_utc(one.window, now_utc) is not None
            ]
            found = {one: newest_views.newest(connection, one.posted_as, one.window, below=below) for one in awaited}
            aliases = registry_rows.aliases(connection)
        ready: Counter[int] = Counter()
        unready: list[Delivery] = []
        for one in awaited:
            said = found[one]
            gate_utc = gates.next_utc(one.window, now_utc)
            if said is not None and said.status in _READY and gate_utc is not None:
                ready[gate_utc] += 1
            else:
                unready.append(one)
        known = frozenset(
            one.posted_as
            for one in unready
            if holding(aliases.get(one.posted_as, ()), one.window.start_utc) is not None
        )
        statements = {one: said.statement() for one in unready if (said := found[one]) is not None}
        return ForecastView(
            gates=gates,
            ready=dict(ready),
            outlooks=tuple(
                OutlookView(outlook=one, actual=None if (said := found[one.delivery]) is None else said.digest)
                for one in forecast(unready, statements, known, gates, now_utc)
            ),
        )

    def alerts(self, *, after: int | None, limit: int) -> tuple[Alert, ...]:
        """Alerts, latest first."""
        with self._pool.borrowed() as connection:
            return alert_rows.latest(connection, below=after, limit=limit)

    def holds(self, *, after: int | None, limit: int) -> tuple[Hold, ...]:
        """Holds, latest first."""
        with self._pool.borrowed() as connection:
            return hold_rows.holds(connection, below=after, limit=limit)

    def hold(self, number: int) -> Hold | None:
        """The hold with this number."""
        with self._pool.borrowed() as connection:
            return hold_rows.hold(connection, number)

    def refusal(self, number: int) -> Refusal | None:
        """The refusal of the dispute with this number, signed by one person or two."""
        with self._pool.borrowed() as connection:
            return refusal_rows.of_dispute(connection, number)

    def proposals(self, *, after: int | None, limit: int) -> tuple[Pending, ...]:
        """Proposed edits, whatever became of them, latest first."""
        with self._pool.borrowed() as connection:
            return operator_rows.proposals(connection, below=after, limit=limit)

    def edit(self, number: int) -> EditView | None:
        """The proposal with this number and its edit."""
        below = self._below()
        with self._pool.borrowed() as connection:
            pending = operator_rows.any_proposal(connection, number)
            leaf = None if pending is None else pending.leaf
            stored = None if leaf is None or leaf >= below else edit_rows.at(connection, leaf)
        if pending is None:
            return None
        return EditView(
            pending=pending,
            edit=None if stored is None else stored.edit,
            index=None if stored is None else leaf_place(stored.leaf)[1],
            digest=None if stored is None else stored.envelope.digest,
        )

    def held_by(self, deliveries: Iterable[Delivery]) -> Mapping[Delivery, Hold]:
        """Which open hold keeps each of some deliveries back, as the settlement decides it."""
        held = tuple(deliveries)
        if not held:
            return {}
        with self._pool.borrowed() as connection:
            holds = Holds(hold_rows.open_holds(connection))
            aliases = registry_rows.aliases(connection)
        found: dict[Delivery, Hold] = {}
        for delivery in held:
            point = holding(aliases.get(delivery.posted_as, ()), delivery.window.start_utc)
            hold = holds.over(point, delivery.window)
            if hold is not None:
                found[delivery] = hold
        return found

    def acts(self, *, after: int | None, limit: int) -> tuple[ActView, ...]:
        """What operators did by hand, latest first."""
        with self._pool.borrowed() as connection:
            return tuple(
                ActView(
                    number=number, verb=act.verb, about=act.about, by=act.by, reason=act.reason, done_utc=act.done_utc
                )
                for number, act in hold_rows.numbered_acts(connection, below=after, limit=limit)
            )

    def outcomes(self, *, after: int | None, limit: int) -> tuple[OutcomeView, ...]:
        """Published outcomes, in the order of the log."""
        below = self._below()
        leaf = leaf_row(self._log.log, 0) - 1 if after is None else leaf_row(self._log.log, after)
        with self._pool.borrowed() as connection:
            found = outcome_rows.after(connection, self._key, leaf, limit=limit)
        return tuple(_outcome(one) for one in found if one.leaf < below)

    def latest_outcomes(self, *, after: int | None, limit: int) -> tuple[OutcomeView, ...]:
        """Published outcomes, latest logged first."""
        below = self._below()
        leaf = below if after is None else min(below, leaf_row(self._log.log, after))
        with self._pool.borrowed() as connection:
            return tuple(_outcome(one) for one in outcome_rows.latest(connection, self._key, below=leaf, limit=limit))

    def outcome(self, index: int) -> OutcomeView | None:
        """The outcome at a published log index, or none when another statement stands there."""
        leaf = leaf_row(self._log.log, index)
        if leaf >= self._below():
            return None
        with self._pool.borrowed() as connection:
            found = outcome_rows.at_leaf(connection, self._key, leaf)
        return None if found is None else _outcome(found)

    def notices(self, *, after: int | None, limit: int) -> tuple[NoticeView, ...]:
        """Notices, latest first."""
        with self._pool.borrowed() as connection:
            rows = outcome_rows.notices(connection, below=after, limit=limit)
        return tuple(NoticeView(number=number, notice=notice) for number, notice in rows)

    def slots(self, posted_as: str, span: Interval) -> tuple[TradeSlot, ...]:
        """The trades that a ledger's meter takes part in during `span`, by window."""
        below = self._below()
        with self._pool.borrowed() as connection:
            trades = newest_views.trades_of(connection, posted_as, span)
            sides = [own for own in own_sides(trades, self._config.discom) if own.delivery.posted_as == posted_as]
            found = [
                (own, newest_views.newest(connection, posted_as, own.delivery.window, below=below)) for own in sides
            ]
        slots = (
            TradeSlot(
                record_id=own.trade.record_id,
                side=own.side.value,
                window=own.trade.window,
                quantity_wh=own.trade.quantity_wh,
                actual=None if said is None else said.digest,
            )
            for own, said in found
        )
        return tuple(sorted(slots, key=lambda slot: (slot.window, slot.record_id, slot.side)))

    def names_a_place(self, posted_as: str) -> bool:
        """Whether a ledger's id names, or ever named, a connection point."""
        with self._pool.borrowed() as connection:
            return Registry(Database(connection)).connection_point(posted_as) is not None

    def bills(self, month: str, *, after: str | None, limit: int) -> tuple[Mapping[str, object], ...]:
        """Determinants of a month as JSON has them, by connection point."""
        with self._pool.borrowed() as connection:
            database = Database(connection)
            reading = Month(
                database=database, registry=Registry(database), discom=self._config.discom, tariff=self._tariff
            )
            points = [point for point in reading.points() if after is None or point > after][:limit]
            return tuple(document(reading.determinants(point, month)) for point in points)

    def days(self, meter: str, span: Interval) -> tuple[DayView, ...]:
        """The newest versions of the validated days of a meter that begin in `span`, ascending."""
        with self._pool.borrowed() as connection:
            return tuple(_day(stored) for stored in day_rows.newest_in(connection, meter, span))

    def latest_days(self, meter: str, *, after: int | None, limit: int) -> tuple[DayView, ...]:
        """The newest versions of the validated days of a meter, latest first."""
        before = MAX_INSTANT + 1 if after is None else after
        with self._pool.borrowed() as connection:
            return tuple(_day(stored) for stored in day_rows.newest_before(connection, meter, before, limit=limit))

    def day(self, meter: str, start_utc: int) -> DayEvidence:
        """What is known of the day of a meter that begins at an IST midnight."""
        span, below = Interval(start_utc, start_utc + DAY_S), self._below()
        with self._pool.borrowed() as connection:
            return DayEvidence(
                versions=tuple(_day(stored) for stored in day_rows.versions(connection, meter, start_utc)),
                batches=_places(connection, meter, span, below),
                hunts=tuple(
                    HuntView(span=hunt.span, asked=hunt.asked, due_utc=hunt.due_utc)
                    for hunt in hunt_rows.hunts(connection, meter)
                    if hunt.span.overlaps(span)
                ),
            )

    def standing(self) -> DutyCounts:
        """What stands open."""
        with self._pool.borrowed() as connection:
            return DutyCounts(
                alerts=len(alert_rows.open_alerts(connection)),
                holds=hold_rows.open_holds(connection),
                notices=outcome_rows.counted_notices(connection),
            )

    def _below(self) -> int:
        """The leaf behind the last published one."""
        tree = self._log.tree()
        return leaf_row(self._log.log, 0 if tree is None else tree.checkpoint.size)


def _places(connection: sqlite3.Connection, meter: str, span: Interval, below: int) -> tuple[BatchPlace, ...]:
    return tuple(
        BatchPlace(index=leaf_place(leaf)[1], sequence=sequence, span=covered)
        for leaf, sequence, covered in SqliteBatches(connection).places(meter, span)
        if leaf < below
    )


def _outcome(stored: StoredOutcome) -> OutcomeView:
    return OutcomeView(index=leaf_place(stored.leaf)[1], signed=stored.signed)


def _day(stored: StoredDay) -> DayView:
    return DayView(day=stored.day, row=stored.row, revision=stored.revision, decided_utc=stored.decided_utc)
