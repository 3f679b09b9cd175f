"""Validating whole days: the series that bills and reports use, kept up with the evidence.

Which days a new batch or record changes is found from rows, so nothing is forgotten over a restart. A day is validated some time after
it ended and after its last change; each version is kept. Source: VEE (order: …estimate → re-validate → freeze version).
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from headend.days.balancing import Balancing, balances
from headend.days.neighbours import awaited, skies_of
from headend.days.profiled import borne_on, collect_profiled
from headend.duties.doubts import Doubt
from headend.imports.beside import with_imported
from headend.onboarding.known import Registry
from headend.readings import Quality
from headend.series import Day, Note, SeriesBlock, notes_of, series_blocks
from headend.settings.series import SeriesSettings
from headend.store.sqlite import (
    actuals,
    day_rows,
    disconnection_rows,
    doubt_rows,
    edit_rows,
    import_rows,
    newest_views,
    registry_rows,
)
from headend.store.sqlite.actuals import StoredRuleSet
from headend.store.sqlite.database import Database
from headend.store.sqlite.day_rows import Progress
from headend.store.sqlite.window_cases import StoredRecords, stored_part, stored_records
from headend.vee.declared import Channel, Companion, History, HistoryDay, Sky, TradedExport
from headend.vee.estimate import Task
from headend.vee.estimate_order import Known
from headend.vee.ruleset import stated_by
from headend.vee.skies import Place
from headend.vee.stated_rules import Declared, found_beyond
from headend.vee.validate import validate
from headend.windows import bounded, same_terms
from signing.energy import Fraction, scaled
from signing.interval import DAY_S, Interval, ist_day_start
from signing.keys import PublicKey
from signing.statements.meter_record import Fact, MeterRecord, Role
from signing.statements.rule_set import RuleSet

_BATCHES_AT_ONCE = 5000
_DAYS_AT_ONCE = 16
_BACK_DAYS = 45
"""How many days a record, which may change any of them, is taken back to."""
_HISTORY_DAYS = 35
_NEIGHBOURS_S = 3600
_AGAIN_S = 900
_OFF_S = 600
"""So long after a crash a day that was being validated is due again."""


class Validating:
    """Keeps the validated days of one database. Owned by the thread that owns the database's connection."""

    __slots__ = ("_balancing", "_database", "_drawn", "_key", "_registry", "_settings")

    def __init__(self, *, database: Database, registry: Registry, key: PublicKey, settings: SeriesSettings) -> None:
        """`key` is the discom's statement key: rule sets are read with it."""
        self._database = database
        self._registry = registry
        self._key = key
        self._settings = settings
        self._balancing = Balancing(database=database, registry=registry, key=key, quiet_s=settings.quiet_s)
        self._drawn: set[tuple[str, int]] = set()
        """Days that are due only because another day of their balance was validated: they draw no others."""

    def step(self, now_utc: int) -> int:
        """Looks through new evidence, and validates or sums some of the days that are due; how many.

        Raises:
            FatalError: stored statements cannot be read.
            RuleSetError: this program cannot judge by the newest rule set.
            StoreUnavailableError: what was not stored is done by a later step.
        """
        self._registry.refresh()
        self._collect(now_utc)
        collect_profiled(self._database, self._settings.profiles, now_utc)
        self._balancing.collect(now_utc)
        wanted = day_rows.due(self._database.connection, now_utc, limit=_DAYS_AT_ONCE)
        if wanted:
            with self._database.transaction() as connection:
                day_rows.put_off(connection, wanted, now_utc + _OFF_S)
        for meter, start in wanted:
            day, contexts = self._judged(meter, start)
            with self._database.transaction() as connection:
                if day is not None:
                    day_rows.put(connection, day, at_utc=now_utc, profiles=borne_on(day, self._settings.profiles))
                    self._go_on(connection, day)
                    self._balancing.touch(connection, day, now_utc)
                # What an operator or an import changed meanwhile made it due again, earlier than it was put off to.
                day_rows.done(connection, meter, start, before_utc=now_utc + _OFF_S)
                if day is not None:
                    self._wait(connection, day, now_utc)
                drawn = self._draw(connection, meter, start, contexts, now_utc)
            self._drawn.discard((meter, start))
            self._drawn |= drawn
        return len(wanted) + self._balancing.step(now_utc)

    def day(self, meter: str, start_utc: int) -> Day | None:
        """A day as the evidence has it now; none where no record says anything of the meter in it, or readings of it were erased.

        Raises:
            FatalError, RuleSetError: as `step`.
        """
        return self._judged(meter, start_utc)[0]

    def _judged(self, meter: str, start_utc: int) -> tuple[Day | None, list[Interval]]:
        """A day as the evidence has it now, and the spans of registers that it was balanced over."""
        connection, contexts = self._database.connection, list[Interval]()
        records = stored_records(connection, meter)
        rules = None if records is None else actuals.newest_rule_set(connection, self._key, records.records[-1].log)
        if records is None or rules is None:
            return None, contexts
        blocks: list[SeriesBlock] = []
        notes: list[Note] = []
        for span, fact in _spans(records, Interval(start_utc, start_utc + DAY_S)):
            part = bounded(stored_part(connection, records, span).case)
            if any(batch.opening is None for batch in part.context_batches()):
                return None, []
            judged = validate(part, fact.period_s, rules.signed.statement)
            contexts.append(judged.context)
            known = self._known(connection, records.records[-1], span, fact, judged.context)
            known = replace(known, skies=self._skies(connection, fact, judged.tasks, rules.signed.statement))
            used = series_blocks(judged, span, fact.period_s, known, rules.signed.statement)
            blocks += with_imported(used, import_rows.blocks(connection, meter, span))
            notes += notes_of(judged.findings, span)
            declared = self._declared(connection, fact, known, start_utc, _day(meter, start_utc, rules, [*used], []))
            beyond = found_beyond(rules.signed.statement, declared, span, judged.intervals, ())
            notes += notes_of(beyond, span)
            notes += _doubted(doubt_rows.of(connection, meter), used, rules.signed.statement)
        return _day(meter, start_utc, rules, blocks, notes), contexts

    def _draw(
        self, connection: sqlite3.Connection, meter: str, start_utc: int, contexts: Iterable[Interval], now_utc: int
    ) -> set[tuple[str, int]]:
        """Makes the known days due that share a balance with one for which something came: what came is shared by all of them."""
        if (meter, start_utc) in self._drawn:
            return set()
        found = {
            (meter, at)
            for span in contexts
            for at in day_rows.starts_in(connection, meter, Interval(ist_day_start(span.start_utc), span.end_utc))
            if at != start_utc
        }
        day_rows.put_due(connection, [(name, at, now_utc) for name, at in found])
        return found

    def _collect(self, now_utc: int) -> None:
        """Makes the days due that new batches, edits and records may change."""
        reached = day_rows.progress(self._database.connection)
        found = day_rows.batches_after(self._database.connection, reached.batch_leaf, limit=_BATCHES_AT_ONCE)
        recorded = registry_rows.meters_recorded_after(self._database.connection, reached.record)
        edited = edit_rows.after(self._database.connection, edit_rows.looked_through(self._database.connection))
        if not found and not recorded and not edited:
            return
        # An edit is of one IST day.
        days: set[tuple[str, int]] = {(meter, ist_day_start(span.start_utc)) for _, meter, span in edited}
        for batch in found:
            span = Interval(batch.start_utc, batch.end_utc)
            own = {ist_day_start(day.start_utc) for day in span.ist_days()}
            # A register at a midnight belongs to the balance of both of its days.
            beside = {ist_day_start(max(0, batch.start_utc - 1)), ist_day_start(batch.end_utc)} - own
            known = {at for at in beside if day_rows.newest(self._database.connection, batch.meter, at) is not None}
            days.update((batch.meter, at) for at in own | known)
        today = ist_day_start(now_utc)
        for meter in recorded:
            back = Interval(max(0, today - _BACK_DAYS * DAY_S), today + DAY_S)
            days.update(
                (meter, one.day.start_utc) for one in day_rows.newest_in(self._database.connection, meter, back)
            )
        settings = self._settings
        rows = [
            (meter, start, max(now_utc + settings.quiet_s, start + DAY_S + settings.after_s)) for meter, start in days
        ]
        self._drawn -= days
        with self._database.transaction() as connection:
            day_rows.put_due(connection, rows)
            leaf = found[-1].leaf if found else reached.batch_leaf
            if edited:
                edit_rows.put_looked_through(connection, edited[-1][0])
            day_rows.put_progress(connection, Progress(leaf, max([reached.record, *recorded.values()])))

    def _wait(self, connection: sqlite3.Connection, day: Day, now_utc: int) -> None:
        """Has a day without all of its exports validated again once its neighbours' are: all come due together after midnight.

        No longer than some time, since neighbours may wait for one another.
        """
        meter, first = self._registry.meter(day.meter), day.span.end_utc + self._settings.after_s
        fact = None if meter is None else meter.record.fact(day.start_utc)
        lacks = any(block.export_wh is None or block.export_method == "E6" for block in day.blocks)
        if fact is None or not lacks or now_utc >= first + _NEIGHBOURS_S:
            return
        if awaited(connection, self._registry, fact, day.start_utc):
            day_rows.put_due(connection, [(day.meter, day.start_utc, now_utc + _AGAIN_S)])

    def _go_on(self, connection: sqlite3.Connection, day: Day) -> None:
        """Makes the next day due where the connection stays open: its meter may send nothing that would."""
        meter, start = self._registry.meter(day.meter), day.span.end_utc
        fact = None if meter is None else meter.record.fact(start)
        if fact is None or day_rows.newest(connection, day.meter, start) is not None:
            return
        following = Interval(start, start + DAY_S)
        entries = disconnection_rows.standing(connection, fact.connection_point)
        if any(entry.within(following) is not None for entry in entries):
            day_rows.put_due(connection, [(day.meter, start, following.end_utc + self._settings.after_s)])

    def _known(
        self, connection: sqlite3.Connection, record: MeterRecord, span: Interval, fact: Fact, context: Interval
    ) -> Known:
        """What estimates may rest on: earlier validated days of the meter, a check meter beside it, its category's day, and when its connection was open."""
        midnight = ist_day_start(span.start_utc)
        before = Interval(max(0, midnight - _HISTORY_DAYS * DAY_S), midnight + 1)
        stored = [one.day for one in day_rows.newest_in(connection, record.meter, before)]
        found = [
            _as_now(day.history(self._settings.kind(day.start_utc)), _factors_of(record, day.span), fact)
            for day in stored
            if day.start_utc < midnight
        ]
        days = tuple(day for day in found if day is not None)
        return Known(
            companion=self._companion(connection, span, fact),
            history=History(days=days),
            kinds={midnight: self._settings.kind(midnight)},
            profile=self._settings.profiles.profile(fact.sanctioned_w, fact.period_s, days),
            disconnections=tuple(
                spell
                for entry in disconnection_rows.standing(connection, fact.connection_point)
                if (spell := entry.within(context)) is not None
            ),
        )

    def _skies(
        self, connection: sqlite3.Connection, fact: Fact, tasks: Iterable[Task], rule_set: RuleSet
    ) -> dict[int, Sky]:
        """What the neighbours say of the sun over the exports that lack; nothing in a set without V19, which says where the discom is."""
        starts = [
            start
            for task in tasks
            if task.channel is Channel.EXPORT and task.rise_wh is not None
            for start in task.holes
        ]
        where = next((rule.parameters for rule in rule_set.rules if rule.id == "V19"), None)
        if not starts or where is None:
            return {}
        place = Place(latitude_mdeg=where["latitude_mdeg"], longitude_mdeg=where["longitude_mdeg"])
        return skies_of(connection, self._registry, fact, starts, place)

    def _declared(
        self, connection: sqlite3.Connection, fact: Fact, known: Known, midnight: int, day: Day | None
    ) -> Declared:
        """What rules are told that no evidence holds: the days before, a check meter, what was sold, balances of the network.

        Their findings are notes of the day.
        """
        return Declared(
            day=None if day is None else day.history(self._settings.kind(day.start_utc)),
            history=known.history,
            companion=known.companion,
            balances=balances(connection, self._registry, fact, midnight),
            traded=None if day is None else self._traded(connection, fact, day.span),
        )

    def _traded(self, connection: sqlite3.Connection, fact: Fact, day: Interval) -> TradedExport | None:
        """What the connection point sold in trades that begin in the day; none without registered generation."""
        if fact.installed_w is None:
            return None
        sold = sum(
            trade.quantity_wh
            for name in self._registry.posted_as(fact.connection_point)
            for trade in newest_views.trades_of(connection, name, day)
            if trade.seller_id == name and day.start_utc <= trade.window.start_utc
        )
        return TradedExport(traded_wh=sold, installed_w=fact.installed_w) if sold else None

    def _companion(self, connection: sqlite3.Connection, span: Interval, fact: Fact) -> Companion | None:
        """The first check meter at the connection point with measured blocks of the day."""
        midnight = ist_day_start(span.start_utc)
        for meter in self._registry.companions(fact.connection_point, span.start_utc):
            beside = meter.record.fact(span.start_utc)
            if beside is None or beside.role is not Role.CHECK:
                continue
            stored = day_rows.newest(connection, meter.record.meter, midnight)
            if stored is None:
                continue
            measured = [
                block
                for block in stored.day.blocks
                if block.quality is Quality.VALID and block.period_s == fact.period_s
            ]
            if measured:
                # The two may stand behind other transformers: one's Wh are not the other's.
                ratio = _ratio(_factors(beside), fact)
                return Companion(
                    meter=meter.record.meter,
                    import_wh={
                        one.start_utc: scaled(one.import_wh, *ratio) for one in measured if one.import_wh is not None
                    },
                    export_wh={
                        one.start_utc: scaled(one.export_wh, *ratio) for one in measured if one.export_wh is not None
                    },
                )
        return None


def _factors(fact: Fact) -> tuple[Fraction, ...]:
    return fact.ct, fact.pt, fact.factor


def _factors_of(record: MeterRecord, span: Interval) -> tuple[Fraction, ...] | None:
    """What multiplied the meter's Wh throughout a span; none where nothing did, or it changed."""
    starts = [span.start_utc, *(one.from_utc for one in record.facts if span.start_utc < one.from_utc < span.end_utc)]
    found = {None if (fact := record.fact(at)) is None else _factors(fact) for at in starts}
    return found.pop() if len(found) == 1 else None


def _ratio(theirs: tuple[Fraction, ...], fact: Fact) -> tuple[Fraction, ...]:
    """What makes Wh under other factors Wh as the meter of `fact` states them."""
    return *theirs, *(Fraction(one.denominator, one.numerator) for one in _factors(fact))


def _as_now(day: HistoryDay | None, factors: tuple[Fraction, ...] | None, fact: Fact) -> HistoryDay | None:
    """A day before, in Wh as the meter states them now; none where that cannot be said."""
    if day is None or factors is None:
        return None
    if factors == _factors(fact):
        return day
    ratio = _ratio(factors, fact)
    return replace(
        day,
        blocks=tuple(
            replace(
                block,
                import_wh=None if block.import_wh is None else scaled(block.import_wh, *ratio),
                export_wh=None if block.export_wh is None else scaled(block.export_wh, *ratio),
            )
            for block in day.blocks
        ),
    )


def _spans(records: StoredRecords, day: Interval) -> Iterator[tuple[Interval, Fact]]:
    """The runs of the day in which nothing of the meter changed that its blocks rest on."""
    record = records.records[-1]
    cuts = [fact.from_utc for fact in record.facts if day.start_utc < fact.from_utc < day.end_utc]
    started: int | None = None
    for start, end in pairwise([day.start_utc, *cuts, day.end_utc]):
        fact = record.fact(start)
        if fact is None:
            continue
        started = start if started is None else started
        if end == day.end_utc or not same_terms(record, start, end):
            found = record.fact(started)
            if found is not None:
                yield Interval(started, end), found
            started = None


def _doubted(doubts: Iterable[Doubt], blocks: Iterable[SeriesBlock], rule_set: RuleSet) -> Iterator[Note]:
    """Each doubt once, at the first block that it covers: bills and work orders show it, the energies stay as they are."""
    rows, known = tuple(blocks), stated_by(rule_set)
    for doubt in doubts:
        first = next((block.start_utc for block in rows if doubt.covers(block.span)), None)
        if first is not None and doubt.rule in known and known[doubt.rule][1].version == doubt.version:
            yield Note(
                rule=doubt.rule,
                version=doubt.version,
                block_utc=first,
                verdict=doubt.verdict,
                code=known[doubt.rule][0].code,
                because=doubt.because,
            )


def _day(meter: str, start_utc: int, rules: StoredRuleSet, blocks: list[SeriesBlock], notes: list[Note]) -> Day | None:
    if not blocks:
        return None
    return Day(
        meter=meter,
        start_utc=start_utc,
        rule_set=rules.signed.digest,
        blocks=tuple(blocks),
        notes=tuple(notes),
    )
