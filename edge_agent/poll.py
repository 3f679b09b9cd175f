"""One look at one meter with a memory: read what is due, assemble it, sign it into the outbox.

Time comes from the `Site`; nothing here sleeps. Every error of the meter leaves with the meter released and everything that was
read so far signed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from edge_agent import full_counters
from edge_agent.assemble import has_voltage, profile_readings, profile_registers, settled_span
from edge_agent.backfill import remaining
from edge_agent.balances import Balances
from edge_agent.clock import ClockEvidence, evidence
from edge_agent.clock_watch import ClockWatch, Look
from edge_agent.config import MeterSettings
from edge_agent.drafts import Draft
from edge_agent.errors import CounterRefusedError, MeterDecodeError, MeterRefusedError
from edge_agent.event_memory import EventMemory
from edge_agent.gather import Gatherer
from edge_agent.readers.reader import Reader
from edge_agent.recollection import Beginning, Recollection
from edge_agent.refusals import Refusals
from edge_agent.registers import CumulativeRegisters, ProfileLayout, ProfileRow
from edge_agent.schedule import LIVE_S, Held, Rules, Task, Why, asked_again, due, next_due_utc
from edge_agent.site import Outcome, Site, require_identity, sign_together, wire_origin
from signing.interval import DAY_S, PERIODS_S, Interval, ist_day_start

CLOCK_APART_MS = 180_000
"""Above this an operator is told that gateway and meter disagree about the time. Source: rule V09."""
REGISTER_S = 2 * DAY_S
"""For so long the registers of a midnight are asked for again."""


@dataclass(slots=True, kw_only=True)
class _Visit:
    """One connection to the meter."""

    reader: Reader
    beginning: Beginning
    clock: ClockEvidence
    is_wanted: Callable[[], bool]
    """Whether somebody who has something due waits for the line."""
    since_ms: int
    outcome: Outcome
    tried: list[Interval] = field(default_factory=list)
    """What was asked for on this connection, and is not again."""
    refused: list[Interval] = field(default_factory=list)
    """What the meter would not give on it."""
    steps: int = 0
    failed: bool = False
    """Whether the meter would not give something: what is remembered of it may be why."""

    @property
    def layout(self) -> ProfileLayout:
        return self.beginning.layout

    @property
    def period_s(self) -> int:
        return self.beginning.layout.capture_period_s


class MemoryMeter:
    """A meter with a memory, between looks."""

    def __init__(self, site: Site, settings: MeterSettings) -> None:
        self._site = site
        self._settings = settings
        self._refused = Refusals(site.poll)
        self._behind_s = 0
        self._recollection = Recollection(site.poll.remember_s)
        self._gatherer = Gatherer(site, settings)
        self._balances = Balances(site.outbox.days, settings)
        self._events = EventMemory()
        self._clocks = ClockWatch()
        self._told_blind = False
        self._told_plan = False
        self._refuses_registers = False
        self._period_s: int | None = None
        self._rereads: dict[int, Interval] = {}
        self._reread: list[Interval] = []
        """What was read of `_rereads`, over several looks where it must be."""
        self._outcome = Outcome()
        self._settle_s = site.poll.settle_s
        self._is_announced = False

    def announce(self) -> None:
        """The meter has said by itself, verified, that there is something to read: the next look asks at once for blocks that have
        ended, without leaving the meter time to store them. One that is not there yet is waited for as ever.
        """
        self._is_announced = True

    def is_live_due(self) -> bool:
        """Whether blocks of the last hour are due, or nothing is known of the meter yet."""
        if self._period_s is None:
            return True
        tasks = self._tasks(self._period_s, backfill_s=LIVE_S)
        return any(task.why is Why.LIVE for task in tasks)

    def take_outcome(self) -> Outcome:
        """What the last look brought, also where it ended with an error; nothing when asked again."""
        taken, self._outcome = self._outcome, Outcome()
        return taken

    async def look(self, reader: Reader, is_wanted: Callable[[], bool] = lambda: False) -> Outcome:
        """Reads, signs and stores what is due, live blocks first, until all is done, or the past can wait: somebody who has
        something due waits for the line, or `interval_s` have gone by. It is then to be looked at again at once.

        Raises:
            IdentityError: it is another meter.
            ReaderError: as the reader; what was read before is kept.
            OutboxFullError: there is no room to sign.
        """
        outcome = self._outcome = Outcome()
        self._settle_s, self._is_announced = (0 if self._is_announced else self._site.poll.settle_s), False
        since_ms = self._site.up_ms()
        beginning = await self._recollection.begin(reader, self._site.now_ms)
        require_identity(self._settings, beginning.serial)
        clock = self._clock(beginning)
        self._behind_s = 0 if clock.offset_ms is None else max(0, -clock.offset_ms // 1000)
        period_s = self._period_s = self._period(beginning.layout)
        if clock.offset_ms is not None and abs(clock.offset_ms) > CLOCK_APART_MS:
            outcome.faults.append(f"the clocks are apart: meter minus gateway is {clock.offset_ms // 1000} s")
        if clock.offset_ms is not None:
            seen = Look(wall_ms=self._site.now_ms(), uptime=self._site.uptime(), offset_ms=clock.offset_ms)
            outcome.faults += self._clocks.steps(seen)
        self._balances.begin(self._now_utc(), period_s)
        if self._tasks(period_s):
            # Before the rows: an outage is over and logged when its rows are there to be read.
            outcome.faults += await self._events.refresh(reader, self._site.now_utc())
        visit = _Visit(
            reader=reader, beginning=beginning, clock=clock, is_wanted=is_wanted, since_ms=since_ms, outcome=outcome
        )
        try:
            is_finished = await self._read_due(visit)
        finally:
            # Also when the link is lost: what the meter said of itself is as true as before.
            if not visit.failed:
                self._recollection.keep(reader, beginning)
        outcome.faults += self._balances.judge(self._now_utc(), period_s)
        self._settle_s = self._site.poll.settle_s
        outcome.next_utc = self._next_look_utc(period_s) if is_finished else self._site.now_utc()
        return outcome

    async def _read_due(self, visit: _Visit) -> bool:
        """Piece by piece; gives whether everything was asked for that can be had now."""
        rereads = self._site.outbox.rereads(self._settings.id)
        if rereads != self._rereads:
            self._rereads, self._reread = rereads, []
            self._gatherer.forget(Why.REREAD)
        while task := self._next(visit):
            if task.why is not Why.LIVE and self._can_wait(visit):
                return False
            try:
                await self._step(visit, task)
            except (MeterDecodeError, MeterRefusedError) as error:
                # The other spans are still to be had: this one is asked for again later, and is missing until then.
                visit.outcome.faults.append(f"{task.span.start_utc}-{task.span.end_utc}: {error}")
                self._refused.put_off(task.span, self._site.now_utc())
                visit.refused.append(task.span)
                self._recollection.forget()  # what is remembered may be why
                visit.failed = True
                if isinstance(error, MeterDecodeError):
                    return True  # the connection may be out of step
        self._reread_done(rereads, visit.period_s)
        return True

    async def _step(self, visit: _Visit, task: Task) -> None:
        """One piece of rows, and what can be signed with it."""
        spent_ms = self._site.up_ms() - visit.since_ms if not visit.steps else 0
        blocks = self._gatherer.piece_blocks(visit.reader, visit.layout, spent_ms)
        visit.steps += 1
        if task.why is not Why.LIVE:
            end_utc = min(task.span.end_utc, task.span.start_utc + blocks * visit.period_s)
            task = Task(span=Interval(task.span.start_utc, end_utc), why=task.why)
        rows = await self._gatherer.rows(visit.reader, visit.layout, task, serial=visit.beginning.serial, blocks=blocks)
        if task.why is Why.BACKFILL:
            self._tell_plan(visit)
        if rows is None:
            return
        self._tried(visit, task.why).append(task.span)
        draft = await self._draft(visit, task, rows)
        self._tell_blind(visit.layout, draft, visit.outcome)
        if draft is not None:
            await self._sign(draft, task.why, visit.outcome)

    def _can_wait(self, visit: _Visit) -> bool:
        """Whether what is left can wait for the next connection: something was done on this one, and it is time for others."""
        elapsed_ms = self._site.up_ms() - visit.since_ms
        return visit.steps > 0 and (elapsed_ms >= self._site.poll.interval_s * 1000 or visit.is_wanted())

    def _tried(self, visit: _Visit, why: Why) -> list[Interval]:
        return self._reread if why is Why.REREAD else visit.tried

    def _now_utc(self) -> int:
        """The gateway's clock, or the meter's where that is behind: a block that is not over by the meter's clock has no row,
        and a gateway whose clock ran ahead must not sign years of absence.
        """
        return self._site.now_utc() - self._behind_s

    def _tasks(self, period_s: int, backfill_s: int | None = None) -> list[Task]:
        """What is due and not left alone, in the order in which to read it."""
        now_utc, meter = self._now_utc(), self._settings
        rules = self._rules(period_s, meter.backfill_days * DAY_S if backfill_s is None else backfill_s)
        memory = self._site.outbox.memory
        known = dict(memory.known(meter.id, ist_day_start(max(0, now_utc - rules.backfill_s))))
        for start in self._without_register(now_utc, period_s):
            if start in known:
                known[start] = replace(known[start], held=Held.ABSENT)
        tasks = due(
            now_utc=now_utc,
            rules=rules,
            horizon_utc=memory.horizon_utc(meter.id),
            known=known,
            rereads=self._site.outbox.rereads(meter.id).values(),
        )
        left_alone = self._refused.left_alone(self._site.now_utc())
        wanted = [part for task in tasks for part in _without(task, left_alone)]
        # What the meter would not give before comes last: it may end the look again.
        return sorted(wanted, key=lambda task: task.span in self._refused)

    def _without_register(self, now_utc: int, period_s: int) -> list[int]:
        """Blocks that end at a midnight of the last days whose registers were not there yet: with them they are asked for again."""
        if self._refuses_registers:
            return []
        today = ist_day_start(now_utc)
        registers = self._site.outbox.days.registers(self._settings.id, Interval(max(0, today - REGISTER_S), today))
        return [at - period_s for at in range(today - REGISTER_S, today + 1, DAY_S) if at not in registers]

    def _next(self, visit: _Visit) -> Task | None:
        tasks = self._tasks(visit.period_s)
        parts = (part for task in tasks for part in _without(task, [*self._tried(visit, task.why), *visit.refused]))
        return next(parts, None)

    def _rules(self, period_s: int, backfill_s: int) -> Rules:
        return Rules(
            period_s=period_s,
            settle_s=0 if self._is_announced else self._settle_s,
            backfill_s=backfill_s,
            absent_retry_s=self._site.poll.absent_retry_s,
        )

    def _next_look_utc(self, period_s: int) -> int:
        now_utc = self._site.now_utc()
        if any(task.why is not Why.RETRY for task in self._tasks(period_s)):
            return now_utc + self._site.poll.interval_s
        return next_due_utc(self._now_utc(), self._rules(period_s, 0)) + self._behind_s

    def _clock(self, beginning: Beginning) -> ClockEvidence:
        return evidence(
            meter_ms=beginning.clock.utc_ms,
            asked_ms=beginning.asked_ms,
            answered_ms=beginning.answered_ms,
            reference=self._site.reference(),
        )

    def _period(self, layout: ProfileLayout) -> int:
        said, configured = layout.capture_period_s, self._settings.period_s
        if said not in PERIODS_S or (configured is not None and said != configured):
            expected = "900, 1800 or 3600" if configured is None else str(configured)
            raise MeterRefusedError(
                f"expected blocks of {expected} s in profile {layout.obis}, got {said}: correct 'period_s' of meter "
                f"{self._settings.id}, or the meter"
            )
        return said

    async def _draft(self, visit: _Visit, task: Task, rows: Sequence[ProfileRow]) -> Draft | None:
        read_at_utc = self._site.now_utc()
        memory, poll, period_s = self._site.outbox.memory, self._site.poll, visit.period_s
        is_empty = not any(task.span.start_utc < row.end_utc <= task.span.end_utc for row in rows)
        if task.why is Why.BACKFILL and is_empty and memory.empty_before(self._settings.id, task.span.end_utc):
            return None
        span = settled_span(
            task.span, rows, period_s=period_s, now_utc=self._now_utc(), patience_s=poll.patience_s + poll.settle_s
        )
        if span is None:
            return None
        midnights = [at for at in (ist_day_start(span.start_utc), span.end_utc) if _is_midnight_of(at, span)]
        cumulative = await self._daily_registers(visit, span) if midnights else ()
        days = self._site.outbox.days
        draft = Draft(
            meter=self._settings.id,
            start_utc=span.start_utc,
            period_s=period_s,
            readings=profile_readings(
                span,
                period_s=period_s,
                rows=rows,
                layout=visit.layout,
                marks=self._events.marks,
                signed=days.energies(self._settings.id, span, period_s),
            ),
            registers=profile_registers(cumulative, span),
            identity=visit.beginning.serial,
            read_at_utc=read_at_utc,
            clock=visit.clock,
            origin=wire_origin(visit.reader.origin),
            software=self._site.software,
        )
        day = full_counters.day_of(draft)
        if day is None:
            return draft
        registers, blocks = days.registers(draft.meter, day), days.energies(draft.meter, day, period_s)
        return full_counters.marked(draft, day, registers, blocks)

    async def _daily_registers(self, visit: _Visit, span: Interval) -> Sequence[CumulativeRegisters]:
        """The registers at the midnights of `span`. A meter that refuses them has its blocks signed without: they are no less true,
        and nothing of a window is final before something balances them.
        """
        try:
            return await visit.reader.daily_registers(span)
        except CounterRefusedError:
            raise
        except MeterRefusedError as error:
            self._refuses_registers = True
            visit.outcome.faults.append(f"no registers of midnight, so that no day can be balanced: {error}")
            return ()

    def _tell_plan(self, visit: _Visit) -> None:
        """Says once for each back-fill of a day or more how long it takes. Its first piece has shown by now what a row costs."""
        if self._told_plan:
            return
        spans = [task.span for task in self._tasks(visit.period_s) if task.why is Why.BACKFILL]
        blocks = sum(span.length_s for span in spans) // visit.period_s
        if blocks * visit.period_s >= DAY_S:
            self._told_plan = True
            visit.outcome.plan = self._gatherer.plan(visit.reader, visit.layout, blocks)

    def _tell_blind(self, layout: ProfileLayout, draft: Draft | None, outcome: Outcome) -> None:
        """Says once that nothing tells a zero row of this meter from filler."""
        if draft is None or self._told_blind or has_voltage(layout) or self._events.knows_power:
            return
        if any(reading.import_wh == 0 and not reading.export_wh for reading in draft.readings):
            self._told_blind = True
            outcome.faults.append(
                "neither its rows have a voltage nor does it give a log of power events: its rows of zeros may be no load, no power "
                "or filler, and are signed as they stand; have the discom add the average voltage to the load profile"
            )

    async def _sign(self, draft: Draft, why: Why, outcome: Outcome) -> None:
        if await sign_together(self._site, draft, may_wait=why is Why.LIVE) is not None:
            outcome.batches += 1
            outcome.blocks += len(draft.readings)

    def _reread_done(self, rereads: dict[int, Interval], period_s: int) -> None:
        """Forgets the commands all of whose blocks were read: one that the meter would not give is asked for again later."""
        now_utc = self._now_utc()
        for number, span in rereads.items():
            is_over = span.end_utc <= now_utc - self._site.poll.settle_s
            if is_over and all(
                _covers(self._reread, start, period_s) for start in asked_again([span], now_utc, period_s)
            ):
                self._site.outbox.reread_done(number)


def _covers(spans: Iterable[Interval], start_utc: int, period_s: int) -> bool:
    return any(each.start_utc <= start_utc and start_utc + period_s <= each.end_utc for each in spans)


def _without(task: Task, spans: Iterable[Interval]) -> Iterator[Task]:
    """The parts of `task` that none of `spans` covers."""
    covered = list(spans)
    while (part := remaining(task.span, covered)) is not None:
        yield Task(span=part, why=task.why)
        covered.append(part)


def _is_midnight_of(at_utc: int, span: Interval) -> bool:
    return ist_day_start(at_utc) == at_utc and span.start_utc <= at_utc <= span.end_utc
