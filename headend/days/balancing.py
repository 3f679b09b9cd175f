"""Balances of transformers and feeders (V29), kept up with the validated days: what each gave beyond what its meters took, day by day.

A day of a line is summed once some time after any day of its meters was validated, so a line of a thousand meters is not summed a thousand
times. Where that changes what V29 says, of this day or of later ones whose history it is in, the days of the line's meters are validated again
and note it. Source: VEE §A V29.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from headend.days.lines import difference_wh, line_named, lines_at, lines_of, meters_on, own_meters
from headend.founding import LOG
from headend.onboarding.known import Registry
from headend.registry.supply import By
from headend.series import Day
from headend.store.sqlite import actuals, balance_rows, day_rows
from headend.store.sqlite.balance_rows import Line, Moved
from headend.store.sqlite.database import Database
from headend.vee.declared import FeederBalance
from headend.vee.ruleset import stated_by
from headend.vee.stated_rules import feeder
from signing.interval import DAY_S, Interval, ist_day_start
from signing.keys import PublicKey
from signing.statements.meter_record import Fact
from signing.statements.rule_set import Rule

_RULE = "V29"
_AT_ONCE = 4
_MOVES_AT_ONCE = 200
_HISTORY_DAYS = 35
_BACK_DAYS = 45
"""How many days a move, which may be stated late, is taken back to."""
_WORDS = {By.DT: "transformer", By.FEEDER: "feeder"}


class Balancing:
    """Keeps the balances of one database. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_key", "_quiet_s", "_registry")

    def __init__(self, *, database: Database, registry: Registry, key: PublicKey, quiet_s: int) -> None:
        """`key` is the discom's statement key: rule sets are read with it. `quiet_s` is how long a line waits for more of its meters."""
        self._database = database
        self._registry = registry
        self._key = key
        self._quiet_s = quiet_s

    def collect(self, now_utc: int) -> None:
        """Makes the days due that meters' moves between lines may change."""
        reached = balance_rows.looked_through(self._database.connection)
        moves = balance_rows.moved_after(self._database.connection, reached, limit=_MOVES_AT_ONCE)
        if not moves:
            return
        with self._database.transaction() as connection:
            for move in moves:
                self._moved(connection, move, now_utc)
            balance_rows.put_looked_through(connection, moves[-1].change)

    def touch(self, connection: sqlite3.Connection, day: Day, now_utc: int) -> None:
        """Has the lines summed that a validated day bears on; in the caller's transaction."""
        meter = self._registry.meter(day.meter)
        if meter is None:
            return
        held = meter.record.fact(day.start_utc)
        later = (fact for fact in meter.record.facts if day.start_utc < fact.from_utc < day.span.end_utc)
        # Whatever its role is by now: what it was before may stand in a balance.
        points = {fact.connection_point for fact in (*(() if held is None else (held,)), *later)}
        self._put_due(connection, points, day.start_utc, now_utc)

    def step(self, now_utc: int) -> int:
        """Sums some of the days that are due; how many.

        Raises:
            FatalError: stored statements cannot be read.
            RuleSetError: this program cannot judge by the newest rule set.
            StoreUnavailableError: what was not stored is done by a later step.
        """
        wanted = balance_rows.due(self._database.connection, now_utc, limit=_AT_ONCE)
        rules = actuals.newest_rule_set(self._database.connection, self._key, LOG) if wanted else None
        _, rule = (None, None) if rules is None else stated_by(rules.signed.statement).get(_RULE, (None, None))
        for line, start in wanted:
            found = difference_wh(self._database.connection, self._registry, line, start)
            with self._database.transaction() as connection:
                days = self._changed(connection, line, start, found, rule)
                balance_rows.put(connection, line, start, found)
                balance_rows.done(connection, line, start)
                for at_utc in days:
                    day_rows.put_due(connection, self._days(connection, line, at_utc, now_utc))
        return len(wanted)

    def _changed(
        self, connection: sqlite3.Connection, line: Line, start: int, found: int | None, rule: Rule | None
    ) -> list[int]:
        """The days of which V29 says something else once a day's difference is `found`."""
        if rule is None:
            return []
        reach = Interval(max(0, start - _HISTORY_DAYS * DAY_S), start + _HISTORY_DAYS * DAY_S + 1)
        before = balance_rows.differences(connection, line, reach)
        after = dict(before)
        after.pop(start, None)
        if found is not None:
            after[start] = found
        if after == before:
            return []
        return [
            at_utc
            for at_utc in sorted(before.keys() | after.keys())
            if at_utc >= start and _said(line, before, at_utc, rule) != _said(line, after, at_utc, rule)
        ]

    def _days(
        self, connection: sqlite3.Connection, line: Line, start: int, now_utc: int
    ) -> Iterator[tuple[str, int, int]]:
        """The validated days of a line's meters."""
        for meter in sorted(set(meters_on(connection, self._registry, line, start))):
            if day_rows.starts_in(connection, meter, Interval(start, start + 1)):
                yield meter, start, now_utc

    def _moved(self, connection: sqlite3.Connection, move: Moved, now_utc: int) -> None:
        """Has the days of a moved meter, and of the lines that it left and came to, looked at again."""
        today = ist_day_start(now_utc)
        since = max(ist_day_start(move.from_utc), today - _BACK_DAYS * DAY_S, 0)
        is_metered = False
        for start in range(since, today + 1, DAY_S):
            points = move.names if move.is_of_point else ()
            is_metered |= self._put_due(connection, points, start, now_utc, () if move.is_of_point else move.names)
        if is_metered:
            own = day_rows.starts_in(connection, move.meter, Interval(since, today + 1))
            day_rows.put_due(connection, [(move.meter, start, now_utc + self._quiet_s) for start in own])

    def _put_due(
        self,
        connection: sqlite3.Connection,
        points: Iterable[str],
        start: int,
        now_utc: int,
        names: Iterable[str] = (),
    ) -> bool:
        """Has a day summed of the metered lines of these names, and of those that connection points are or hang on; whether there are any."""
        lines = {Line(what, name) for name in names if any(own_meters(self._registry, name)) for what in _WORDS}
        for point in points:
            own = line_named(connection, point, start)
            lines |= {*lines_at(connection, self._registry, point, start), *(() if own is None else (own,))}
        known = [line for line in lines if self._is_known(connection, line, start)]
        balance_rows.put_due(connection, [(line, start, now_utc + self._quiet_s) for line in known])
        return bool(known)

    def _is_known(self, connection: sqlite3.Connection, line: Line, start: int) -> bool:
        """Whether a day of a line can have a balance, or has one: its own meter's day makes it due when that comes."""
        day = Interval(start, start + 1)
        own = (meter.record.meter for meter in own_meters(self._registry, line.name))
        return any(day_rows.starts_in(connection, meter, day) for meter in own) or bool(
            balance_rows.differences(connection, line, day)
        )


def balances(
    connection: sqlite3.Connection, registry: Registry, fact: Fact, midnight: int
) -> tuple[FeederBalance, ...]:
    """The balances of a day that a meter with this fact bears on, each with those of the days before it."""
    reach = Interval(max(0, midnight - _HISTORY_DAYS * DAY_S), midnight + 1)
    found = (
        _balance(line, balance_rows.differences(connection, line, reach), midnight)
        for line in lines_of(connection, registry, fact, midnight)
    )
    return tuple(one for one in found if one is not None)


def _balance(line: Line, differences: Mapping[int, int], midnight: int) -> FeederBalance | None:
    """The balance of a day, with those of the days before it; none where the day has none."""
    if midnight not in differences:
        return None
    since = midnight - _HISTORY_DAYS * DAY_S
    return FeederBalance(
        name=f"{_WORDS[line.what]} {line.name}",
        difference_wh=differences[midnight],
        history_wh=tuple(wh for at_utc, wh in sorted(differences.items()) if since <= at_utc < midnight),
    )


def _said(line: Line, differences: Mapping[int, int], midnight: int, rule: Rule) -> tuple[str, ...]:
    """What V29 says of a day."""
    declared = _balance(line, differences, midnight)
    return () if declared is None else tuple(one.because for one in feeder(declared, rule, midnight))
