"""Finding what somebody must go and look at, from the rows of one head-end."""

from collections.abc import Iterator

from headend.duties.work_orders import ADVISORY, OF_LINE, OF_RULE, Cause, WorkOrder
from headend.onboarding.known import RegisteredMeter, Registry
from headend.registry.supply import NOTHING, By, Supply
from headend.store.sqlite import alert_rows, day_rows, supply_rows
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.database import Database
from signing.interval import DAY_S, Interval, ist_day_start
from signing.statements.meter_record import Role, SpeakerState
from signing.statements.window_actual import Verdict

_BACK_DAYS = 3
"""How many validated days a finding sends somebody for: an older one is over, or still there in a newer day."""


class FieldWork:
    """Work orders of one database. Owned by the thread that owns its connection; changes nothing."""

    __slots__ = ("_database", "_registry", "_silent_after_s")

    def __init__(self, *, database: Database, registry: Registry, silent_after_s: int) -> None:
        self._database = database
        self._registry = registry
        self._silent_after_s = silent_after_s

    def orders(self, now_utc: int) -> Iterator[WorkOrder]:
        """Everything that somebody must go for now.

        Raises:
            StoreUnavailableError: the database cannot be read now.
        """
        reaches = alert_rows.heard(self._database.connection)
        for name in self._registry.meters():
            meter = self._registry.meter(name)
            if meter is not None:
                yield from self._silent(meter, reaches, now_utc)
                yield from self._forks(meter, now_utc)
                yield from self._found(meter, now_utc)

    def _silent(
        self, meter: RegisteredMeter, reaches: dict[tuple[str, bytes], int | None], now_utc: int
    ) -> Iterator[WorkOrder]:
        name = meter.record.meter
        ends = [
            reach
            for kid, speaker in meter.speakers.items()
            if speaker.state is SpeakerState.ACTIVE and (reach := reaches.get((name, kid))) is not None
        ]
        if ends and now_utc - max(ends) > self._silent_after_s:
            yield self._order(meter, Cause.SILENT, max(ends), "no block since then")

    def _forks(self, meter: RegisteredMeter, now_utc: int) -> Iterator[WorkOrder]:
        batches = SqliteBatches(self._database.connection)
        for kid, chain in sorted(meter.chains.items()):
            speaker = meter.speakers.get(kid)
            forks = batches.forks(chain)
            if forks and (speaker is None or speaker.good is None):
                what = f"key {kid.hex()[:16]} has two histories from sequence {forks[0].sequence} on"
                yield self._order(meter, Cause.FORK, now_utc, what)

    def _found(self, meter: RegisteredMeter, now_utc: int) -> Iterator[WorkOrder]:
        """What rules found in the newest validated days, each cause once with its newest words."""
        today = ist_day_start(now_utc)
        days = day_rows.newest_in(
            self._database.connection, meter.record.meter, Interval(max(0, today - _BACK_DAYS * DAY_S), today + DAY_S)
        )
        causes = OF_RULE if meter.record.facts[-1].role is Role.REVENUE else OF_RULE | OF_LINE
        newest: dict[Cause, tuple[int, str]] = {}
        for stored in days:
            for note in stored.day.notes:
                cause = causes.get(note.rule)
                if cause is not None and (note.verdict >= Verdict.SUSPECT or cause in ADVISORY):
                    since, _ = newest.get(cause, (note.block_utc or stored.day.start_utc, ""))
                    newest[cause] = since, note.because
        for cause, (since_utc, because) in newest.items():
            yield self._order(meter, cause, since_utc, because)

    def _order(self, meter: RegisteredMeter, cause: Cause, since_utc: int, what: str) -> WorkOrder:
        fact = meter.record.facts[-1]
        supply = self._supply(fact.connection_point, since_utc)
        active = [speaker.gateway for speaker in meter.speakers.values() if speaker.state is SpeakerState.ACTIVE]
        return WorkOrder(
            cause=cause,
            feeder=supply.feeder,
            dt=supply.dt,
            connection_point=fact.connection_point,
            meter=meter.record.meter,
            gateway=active[-1] if active else None,
            since_utc=since_utc,
            what=what,
        )

    def _supply(self, connection_point: str, at_utc: int) -> Supply:
        """Where a connection point hangs; one that is called as a transformer or feeder is at its head."""
        connection = self._database.connection
        for what in (By.DT, By.FEEDER):
            point = supply_rows.any_by(connection, what, connection_point, at_utc)
            if point is not None:
                below = supply_rows.supply_at(connection, point, at_utc) or NOTHING
                return Supply(feeder=below.feeder, dt=below.dt if what is By.DT else None)
        return supply_rows.supply_at(connection, connection_point, at_utc) or NOTHING
