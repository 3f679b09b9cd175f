"""V32 ORIGIN: registers signed at the premises against those that the discom's other system read of the same meters.

What to compare again is found from rows, so nothing is forgotten over a restart; what differs becomes doubts, which actuals state.
Source: VEE §A V32; EVIDENCE §0 (a simulated meter behind a genuine gateway).
"""

import sqlite3

from headend.duties.doubts import Doubt, doubts_of
from headend.founding import LOG
from headend.store.sqlite import actuals, day_rows, doubt_rows, import_rows, register_rows, registry_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.doubt_rows import Compared
from headend.store.sqlite.window_cases import stored_records
from headend.vee.ruleset import stated_by
from headend.vee.stated_rules import origin_doubts
from signing.interval import DAY_S, Interval, ist_day_start
from signing.keys import PublicKey
from signing.statements.rule_set import Rule

_BATCHES_AT_ONCE = 5000
_IMPORTS_AT_ONCE = 1000
_BACK_DAYS = 45
"""How many validated days are validated again when what is said of their meter changes."""
_RULE = "V32"


class Comparing:
    """Keeps the doubts of one database. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_key")

    def __init__(self, *, database: Database, key: PublicKey) -> None:
        """`key` is the discom's statement key: rule sets are read with it."""
        self._database = database
        self._key = key

    def step(self, now_utc: int) -> tuple[str, ...]:
        """Compares what is new; the meters about which doubts changed.

        Raises:
            FatalError: stored statements cannot be read.
            RuleSetError: this program cannot judge by the newest rule set.
            StoreUnavailableError: what was not stored is done by a later step.
        """
        connection = self._database.connection
        rules = actuals.newest_rule_set(connection, self._key, LOG)
        metered = import_rows.metered(connection)
        if rules is None or not metered:
            return ()
        _, rule = stated_by(rules.signed.statement).get(_RULE, (None, None))
        reached = doubt_rows.compared(connection)
        after, due = self._due(connection, reached, rules.signed.digest)
        if after == reached:
            return ()
        changed = tuple(meter for meter in sorted(due & metered) if self._compare(meter, rule, now_utc))
        with self._database.transaction() as writing:
            doubt_rows.put_compared(writing, after)
        return changed

    def _due(self, connection: sqlite3.Connection, reached: Compared, rule_set: bytes) -> tuple[Compared, set[str]]:
        """How far this step looks, and the meters that have anything new."""
        batches = day_rows.batches_after(connection, reached.batch_leaf, limit=_BATCHES_AT_ONCE)
        imports = import_rows.meters_after(connection, reached.import_leaf, limit=_IMPORTS_AT_ONCE)
        recorded = registry_rows.meters_recorded_after(connection, reached.record)
        due = {one.meter for one in batches} | {meter for _, meter in imports} | recorded.keys()
        if rule_set != reached.rule_set:
            due |= import_rows.metered(connection)
        after = Compared(
            batch_leaf=batches[-1].leaf if batches else reached.batch_leaf,
            import_leaf=imports[-1][0] if imports else reached.import_leaf,
            record=max([reached.record, *recorded.values()]),
            rule_set=rule_set,
        )
        return after, due

    def _compare(self, meter: str, rule: Rule | None, now_utc: int) -> bool:
        """Compares one meter in a transaction of its own, intake waits meanwhile; whether its doubts changed."""
        connection = self._database.connection
        records = stored_records(connection, meter)
        found: tuple[Doubt, ...] = ()
        if rule is not None and records is not None:
            imported = import_rows.registers(connection, meter)
            stamps = [register.stamp_utc for register in imported]
            shown = [one.register for one in register_rows.signed(connection, records.records[-1], stamps)]
            found = doubts_of(origin_doubts(shown, imported, rule), rule)
        if doubt_rows.of(connection, meter, _RULE) == found:
            return False
        today = ist_day_start(now_utc)
        back = Interval(max(0, today - _BACK_DAYS * DAY_S), today + DAY_S)
        days = [(meter, one.day.start_utc, now_utc) for one in day_rows.newest_in(connection, meter, back)]
        with self._database.transaction() as writing:
            # Bills and work orders are told by the validated days.
            day_rows.put_due(writing, days)
            return doubt_rows.replace(writing, meter, _RULE, found, at_utc=now_utc)
