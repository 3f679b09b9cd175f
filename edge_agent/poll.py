"""One look at one meter: read what is due, assemble it, sign it into the outbox.

Time comes from the `Site`; nothing here sleeps. Every error of the meter leaves with the meter released and everything that was
read so far signed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge_agent.assemble import (
    Sampling,
    Witnessed,
    profile_readings,
    profile_registers,
    require_period,
    sampled_readings,
    sampled_registers,
    settled_span,
    span_to_prove,
    span_to_read,
)
from edge_agent.clock import NO_METER_CLOCK, ClockEvidence, Uptime, evidence
from edge_agent.config import MeterSettings, PollSettings
from edge_agent.drafts import Draft, Sealed, seal
from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.outbox.outbox import Outbox
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.readers.succession import finding
from edge_agent.recollection import Beginning, Recollection
from edge_agent.registers import Origin, ProfileLayout, ProfileRow, RegisterSample
from edge_agent.schedule import Rules, Task, Why, due, last_boundary, next_due_utc
from signing.interval import DAY_S, PERIODS_S, Interval, ist_day_start
from signing.keys import Signer
from signing.statements.reading_batch import ClockSource
from signing.statements.reading_batch import Origin as WireOrigin

DEFAULT_PERIOD_S = 900
"""For a meter without memory whose configuration names no period."""
DEFAULT_MOST_W = 20_000_000
"""The most power behind a sampled register whose configuration names no ``max_block_wh``: more than any premises draws at low or
medium voltage, less than a wrong word order makes of a small home. Above it a difference is no energy."""
COARSE_WH = 10
"""A register whose step is coarser is told to an operator: its blocks are known no better."""
TRUNCATED_S = 1
"""A sample that counts as in time may be this much later: the wall clock is compared in whole seconds."""
CLOCK_APART_MS = 180_000
"""Above this an operator is told that gateway and meter disagree about the time. Source: rule V09."""


class IdentityError(Exception):
    """The meter on the wire is not the configured one: nothing of it is signed. The message carries the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What every meter of a gateway shares."""

    poll: PollSettings
    outbox: Outbox
    signer: Signer
    software: bytes
    now_ms: Callable[[], int]
    """The gateway's clock, UTC milliseconds."""
    reference: Callable[[], ClockSource]
    """What that clock is worth now."""
    uptime: Callable[[], Uptime]
    """The gateway's clock that nobody sets."""
    salt: Callable[[], bytes]
    """16 fresh random bytes."""

    def now_utc(self) -> int:
        """The gateway's clock, UTC seconds."""
        return self.now_ms() // 1000


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a look at a meter brought."""

    batches: int = 0
    blocks: int = 0
    next_utc: int = 0
    """When to look again."""
    faults: list[str] = field(default_factory=list)
    """What is wrong with the meter, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """A span that the meter would not give."""

    until_utc: int
    times: int
    """How often, before this time."""


class MemoryMeter:
    """A meter with a memory, between looks."""

    def __init__(self, site: Site, settings: MeterSettings) -> None:
        self._site = site
        self._settings = settings
        self._refused: dict[Interval, _Refused] = {}
        self._behind_s = 0
        self._recollection = Recollection(site.poll.remember_s)
        self._proved: tuple[int, int] | None = None
        """The capture period that rows have shown, and the day on which they did."""

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
        while task := self._next(period_s, tried):
            tried.add(task.span)
            try:
                draft = await self._draft(reader, layout, task, clock, serial)
            except (MeterDecodeError, MeterRefusedError) as error:
                # The other spans are still to be had: this one is asked for again later, and is missing until then.
                outcome.faults.append(f"{task.span.start_utc}-{task.span.end_utc}: {error}")
                self._put_off(task.span)
                self._recollection.forget()  # what is remembered may be why
                failed = True
                if isinstance(error, MeterDecodeError):
                    break  # the connection may be out of step
                continue
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
        wanted = [task for task in tasks if not self._is_put_off(task.span)]
        # What the meter would not give before comes last: it may end the look again.
        return sorted(wanted, key=lambda task: task.span in self._refused)

    def _put_off(self, span: Interval) -> None:
        """A span that the meter would not give is left alone for a time that doubles: one bad octet costs one interval."""
        earlier, poll, now_utc = self._refused.get(span), self._site.poll, self._site.now_utc()
        times = 0 if earlier is None else earlier.times + 1
        pause_s = min(poll.absent_retry_s, poll.interval_s << min(times, 30))
        recent = now_utc - 2 * poll.absent_retry_s
        self._refused = {key: refused for key, refused in self._refused.items() if refused.until_utc >= recent}
        self._refused[span] = _Refused(until_utc=now_utc + pause_s, times=times)

    def _is_put_off(self, span: Interval) -> bool:
        refused, now_utc = self._refused.get(span), self._site.now_utc()
        # A clock that was set back puts nothing off for longer than the longest pause.
        return refused is not None and 0 < refused.until_utc - now_utc <= self._site.poll.absent_retry_s

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
            readings=profile_readings(span, period_s=period_s, rows=rows, layout=layout),
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

    def _sign(self, draft: Draft | None, outcome: Outcome) -> None:
        if draft is not None and sign_draft(self._site, draft) is not None:
            outcome.batches += 1
            outcome.blocks += len(draft.readings)

    def _reread_done(self, rereads: dict[int, Interval]) -> None:
        for number, span in rereads.items():
            if span.end_utc <= self._now_utc() - self._site.poll.settle_s:
                self._site.outbox.reread_done(number)


class SampledMeter:
    """A meter without memory, between samples: its blocks exist only where a boundary was witnessed."""

    def __init__(self, site: Site, settings: MeterSettings) -> None:
        self._site = site
        self._settings = settings
        self._period_s = settings.period_s or DEFAULT_PERIOD_S
        self._most_wh = settings.max_block_wh or DEFAULT_MOST_W * self._period_s // 3600
        tolerance_s = site.poll.witness_s + TRUNCATED_S
        self._sampling = Sampling(period_s=self._period_s, most_wh=self._most_wh, tolerance_s=tolerance_s)
        self._last: tuple[int, RegisterSample] | None = None
        self._faults: list[str] = []

    def boundary_to_witness(self) -> int | None:
        """The boundary at which the meter is to be sampled now, if there is one that is not witnessed yet."""
        now_utc = self._site.now_utc()
        boundary = last_boundary(now_utc, self._period_s)
        if now_utc - boundary > self._site.poll.witness_s:
            return None
        seen = self._site.outbox.memory.witnessed(self._settings.id, Interval(boundary, boundary + 1))
        return None if boundary in seen else boundary

    def next_boundary_utc(self) -> int:
        """The next boundary."""
        return last_boundary(self._site.now_utc(), self._period_s) + self._period_s

    async def sample(self, reader: SampledReader, boundary: int) -> bool:
        """Samples the meter for `boundary`; gives whether the answer came in time to count.

        Raises:
            IdentityError: it is another meter.
            ReaderError: as the reader.
        """
        sample = await reader.sample()
        require_identity(self._settings, sample.serial)
        self._judge(sample)
        if not 0 <= self._site.now_utc() - boundary <= self._site.poll.witness_s:
            return False
        seen = Witnessed(
            import_wh=sample.imported_wh, export_wh=sample.exported_wh, serial=sample.serial, uptime=self._site.uptime()
        )
        self._site.outbox.memory.witness(self._settings.id, boundary, seen)
        return True

    def sign_due(self) -> Outcome:
        """Signs every block since the first witnessed boundary about which nothing is signed. No sample can come any more for
        boundaries that are past, except the newest: the caller is done with it.

        Raises:
            OutboxFullError: there is no room to sign.
        """
        outcome = Outcome(next_utc=self.next_boundary_utc(), faults=self._faults)
        self._faults = []
        memory, meter = self._site.outbox.memory, self._settings
        since = memory.first_witnessed_utc(meter.id)
        if since is None:
            return outcome
        now_utc = self._site.now_utc()
        rules = Rules(period_s=self._period_s, settle_s=0, backfill_s=meter.backfill_days * DAY_S, absent_retry_s=0)
        known = memory.known(meter.id, since)
        for task in due(now_utc=now_utc, rules=rules, horizon_utc=since, known=known):
            if task.why is not Why.RETRY and sign_draft(self._site, self._draft(task.span, now_utc)) is not None:
                outcome.batches += 1
                outcome.blocks += task.span.length_s // self._period_s
        return outcome

    def _judge(self, sample: RegisterSample) -> None:
        """Notes what is wrong between this sample and the one before. Their difference is signed as absent: `assemble` sees to it
        from the samples alone, over restarts too.
        """
        now_utc, last = self._site.now_utc(), self._last
        self._last = (now_utc, sample)
        if sample.quantum_wh > COARSE_WH and (last is None or last[1].quantum_wh != sample.quantum_wh):
            self._faults.append(
                f"its registers step by {sample.quantum_wh.normalize():f} Wh: blocks are known no better; "
                "read whole-number registers where the meter has them"
            )
        if last is None or now_utc <= last[0]:
            return
        limit_w = self._most_wh * 3600 // self._period_s
        found = finding(last[1], sample, elapsed_s=now_utc - last[0], limit_w=limit_w)
        if found is not None:
            self._faults.append(found)

    def _draft(self, span: Interval, now_utc: int) -> Draft:
        witnessed = self._site.outbox.memory.witnessed(self._settings.id, span)
        serials = {sample.serial for at, sample in witnessed.items() if span.start_utc <= at <= span.end_utc}
        return Draft(
            meter=self._settings.id,
            start_utc=span.start_utc,
            period_s=self._period_s,
            readings=sampled_readings(span, self._sampling, witnessed, now_utc=now_utc, now=self._site.uptime()),
            registers=sampled_registers(span, self._sampling, witnessed),
            identity=serials.pop() if len(serials) == 1 else None,
            read_at_utc=now_utc,
            clock=NO_METER_CLOCK,
            origin=WireOrigin.MODBUS,
            software=self._site.software,
        )


def require_identity(settings: MeterSettings, serial: str | None) -> None:
    """Refuses a meter that gives another serial number than the configured one; one that gives none is signed as such.

    Raises:
        IdentityError: with the remedy.
    """
    if serial is not None and serial != settings.serial:
        raise IdentityError(
            f"meter {settings.id}: expected serial number {settings.serial}, the meter on the wire says {serial}; nothing "
            "of it is signed: check the wiring and the url, or tell the discom of a meter exchange and correct 'serial'"
        )


def sign_draft(site: Site, draft: Draft) -> Sealed | None:
    """The batch of `draft`, signed and stored; None when all of it was signed before."""
    salt = site.salt()
    return site.outbox.put(draft, lambda place: seal(draft, place, salt=salt, signer=site.signer))


def wire_origin(origin: Origin) -> WireOrigin:
    """How the meter authenticated, as the wire numbers it."""
    return WireOrigin[origin.name]


def _is_midnight_of(at_utc: int, span: Interval) -> bool:
    return ist_day_start(at_utc) == at_utc and span.start_utc <= at_utc <= span.end_utc
