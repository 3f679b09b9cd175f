"""One look at one meter with a memory: read what is due, assemble it, sign it into the outbox.

Time comes from the `Site`; nothing here sleeps. Every error of the meter leaves with the meter released and everything that was
read so far signed.
"""

from collections.abc import Sequence

from edge_agent.assemble import (
    has_voltage,
    profile_readings,
    profile_registers,
    require_period,
    settled_span,
    span_to_prove,
    span_to_read,
)
from edge_agent.clock import ClockEvidence, evidence
from edge_agent.config import MeterSettings
from edge_agent.drafts import Draft
from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.event_memory import EventMemory
from edge_agent.readers.reader import Reader
from edge_agent.recollection import Beginning, Recollection
from edge_agent.refusals import Refusals
from edge_agent.registers import ProfileLayout, ProfileRow
from edge_agent.schedule import Rules, Task, Why, due, next_due_utc
from edge_agent.site import Outcome, Site, require_identity, sign_draft, wire_origin
from signing.interval import DAY_S, PERIODS_S, Interval, ist_day_start

CLOCK_APART_MS = 180_000
"""Above this an operator is told that gateway and meter disagree about the time. Source: rule V09."""


class MemoryMeter:
    """A meter with a memory, between looks."""

    def __init__(self, site: Site, settings: MeterSettings) -> None:
        self._site = site
        self._settings = settings
        self._refused = Refusals(site.poll)
        self._behind_s = 0
        self._recollection = Recollection(site.poll.remember_s)
        self._proved: tuple[int, int] | None = None
        """The capture period that rows have shown, and the day on which they did."""
        self._events = EventMemory()
        self._told_blind = False

    async def look(self, reader: Reader) -> Outcome:
        """Reads, signs and stores everything that is due, live blocks first.

        Raises:
            IdentityError: it is another meter.
            ReaderError: as the reader; what was read before is kept.
            OutboxFullError: there is no room to sign.
        """
        beginning = await self._recollection.begin(reader, self._site.now_ms)
        serial, layout = beginning.serial, beginning.layout
        require_identity(self._settings, serial)
        clock = self._clock(beginning)
        self._behind_s = 0 if clock.offset_ms is None else max(0, -clock.offset_ms // 1000)
        period_s = self._period(layout)
        rereads = self._site.outbox.rereads(self._settings.id)
        outcome = Outcome()
        if clock.offset_ms is not None and abs(clock.offset_ms) > CLOCK_APART_MS:
            outcome.faults.append(f"the clocks are apart: meter minus gateway is {clock.offset_ms // 1000} s")
        tried: set[Interval] = set()
        failed = False
        if self._tasks(period_s):
            # Before the rows: an outage is over and logged when its rows are there to be read.
            outcome.faults += await self._events.refresh(reader, self._site.now_utc())
        while task := self._next(period_s, tried):
            tried.add(task.span)
            try:
                draft = await self._draft(reader, layout, task, clock, serial)
            except (MeterDecodeError, MeterRefusedError) as error:
                # The other spans are still to be had: this one is asked for again later, and is missing until then.
                outcome.faults.append(f"{task.span.start_utc}-{task.span.end_utc}: {error}")
                self._refused.put_off(task.span, self._site.now_utc())
                self._recollection.forget()  # what is remembered may be why
                failed = True
                if isinstance(error, MeterDecodeError):
                    break  # the connection may be out of step
                continue
            self._tell_blind(layout, draft, outcome)
            self._sign(draft, outcome)
        else:
            self._reread_done(rereads)
        if not failed:
            self._recollection.keep(reader, beginning)
        outcome.next_utc = self._next_look_utc(period_s)
        return outcome

    def _now_utc(self) -> int:
        """The gateway's clock, or the meter's where that is behind: a block that is not over by the meter's clock has no row,
        and a gateway whose clock ran ahead must not sign years of absence.
        """
        return self._site.now_utc() - self._behind_s

    def _tasks(self, period_s: int) -> list[Task]:
        now_utc, meter = self._now_utc(), self._settings
        rules = self._rules(period_s)
        memory = self._site.outbox.memory
        known = memory.known(meter.id, ist_day_start(max(0, now_utc - rules.backfill_s)))
        tasks = due(
            now_utc=now_utc,
            rules=rules,
            horizon_utc=memory.horizon_utc(meter.id),
            known=known,
            rereads=self._site.outbox.rereads(meter.id).values(),
        )
        wanted = [task for task in tasks if not self._refused.is_put_off(task.span, self._site.now_utc())]
        # What the meter would not give before comes last: it may end the look again.
        return sorted(wanted, key=lambda task: task.span in self._refused)

    def _next(self, period_s: int, tried: set[Interval]) -> Task | None:
        return next((task for task in self._tasks(period_s) if task.span not in tried), None)

    def _rules(self, period_s: int) -> Rules:
        return Rules(
            period_s=period_s,
            settle_s=self._site.poll.settle_s,
            backfill_s=self._settings.backfill_days * DAY_S,
            absent_retry_s=self._site.poll.absent_retry_s,
        )

    def _next_look_utc(self, period_s: int) -> int:
        now_utc = self._site.now_utc()
        if any(task.why is not Why.RETRY for task in self._tasks(period_s)):
            return now_utc + self._site.poll.interval_s
        return next_due_utc(self._now_utc(), self._rules(period_s)) + self._behind_s

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

    async def _draft(
        self, reader: Reader, layout: ProfileLayout, task: Task, clock: ClockEvidence, serial: str | None
    ) -> Draft | None:
        rows = await self._rows(reader, layout, task.span)
        read_at_utc = self._site.now_utc()
        memory, poll, period_s = self._site.outbox.memory, self._site.poll, layout.capture_period_s
        is_empty = not any(task.span.start_utc < row.end_utc <= task.span.end_utc for row in rows)
        if task.why is Why.BACKFILL and is_empty and memory.empty_before(self._settings.id, task.span.end_utc):
            return None
        span = settled_span(
            task.span, rows, period_s=period_s, now_utc=self._now_utc(), patience_s=poll.patience_s + poll.settle_s
        )
        if span is None:
            return None
        midnights = [at for at in (ist_day_start(span.start_utc), span.end_utc) if _is_midnight_of(at, span)]
        cumulative = await reader.daily_registers(span) if midnights else ()
        return Draft(
            meter=self._settings.id,
            start_utc=span.start_utc,
            period_s=period_s,
            readings=profile_readings(span, period_s=period_s, rows=rows, layout=layout, marks=self._events.marks),
            registers=profile_registers(cumulative, span),
            identity=serial,
            read_at_utc=read_at_utc,
            clock=clock,
            origin=wire_origin(reader.origin),
            software=self._site.software,
        )

    async def _rows(self, reader: Reader, layout: ProfileLayout, span: Interval) -> Sequence[ProfileRow]:
        """The rows needed for `span`, from a profile that was seen today to capture as often as it says."""
        wanted = span_to_read(span, layout)
        proof = (layout.capture_period_s, ist_day_start(self._site.now_utc()))
        rows = await reader.block_rows(wanted if self._proved == proof else span_to_prove(wanted))
        if require_period(rows, layout):
            self._proved = proof
        return rows

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

    def _sign(self, draft: Draft | None, outcome: Outcome) -> None:
        if draft is not None and sign_draft(self._site, draft) is not None:
            outcome.batches += 1
            outcome.blocks += len(draft.readings)

    def _reread_done(self, rereads: dict[int, Interval]) -> None:
        for number, span in rereads.items():
            if span.end_utc <= self._now_utc() - self._site.poll.settle_s:
                self._site.outbox.reread_done(number)


def _is_midnight_of(at_utc: int, span: Interval) -> bool:
    return ist_day_start(at_utc) == at_utc and span.start_utc <= at_utc <= span.end_utc
