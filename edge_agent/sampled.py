"""A meter without memory: sampled at block boundaries, signed from pairs of samples. Time comes from the `Site`; nothing sleeps."""

from dataclasses import replace

from edge_agent.assemble import Sampling, Witnessed, sampled_readings, sampled_registers
from edge_agent.clock import ClockEvidence, Pace, is_right, right_ms
from edge_agent.config import MeterSettings
from edge_agent.drafts import Draft
from edge_agent.readers.reader import SampledReader
from edge_agent.readers.succession import finding, has_rolled_over
from edge_agent.registers import RegisterSample
from edge_agent.schedule import Rules, Why, due, last_boundary
from edge_agent.site import Outcome, Site, require_identity, sign_draft
from signing.interval import DAY_S, Interval, ist_text
from signing.statements.reading import Absence, Flag, Reading
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
        self._told_doubt = False

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
        self._site.outbox.memory.witness(self._settings.id, boundary, self._witnessed(sample, boundary))
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

    def _witnessed(self, sample: RegisterSample, boundary: int) -> Witnessed:
        """`sample` as what `boundary` showed, with what the sample before says of clock and counters."""
        known = self._site.outbox.memory.witnessed(self._settings.id, Interval(boundary, boundary + 1))
        before_utc = max((at for at in known if at < boundary), default=boundary)
        before = known.get(before_utc)
        now, earlier = self._site.uptime(), None if before is None else before.uptime
        elapsed_s = boundary - before_utc
        seen = Witnessed(
            import_wh=sample.imported_wh,
            export_wh=sample.exported_wh,
            serial=sample.serial,
            uptime=now,
            wall_ms=self._site.now_ms(),
        )
        even = self._sampling.pace(earlier, now, elapsed_s)
        if before is not None and seen.is_set_since(before):
            even = Pace.STEPPED
        right = right_ms(now, self._site.reference(), earlier, None if before is None else before.right_ms, even)
        self._tell_clock(before_utc, boundary, even, is_doubtful=not is_right(now, right))
        return replace(
            seen,
            right_ms=right,
            rolled_over=before is not None
            and has_rolled_over(
                (before.import_wh, before.export_wh), sample, elapsed_s=elapsed_s, limit_w=self._limit_w()
            ),
        )

    def _tell_clock(self, since_utc: int, boundary: int, even: Pace, *, is_doubtful: bool) -> None:
        """Says that the gateway's clock was set, every time, and that nobody vouches for it, once until somebody does."""
        if even is Pace.STEPPED:
            self._faults.append(
                f"the gateway's clock was set between {ist_text(since_utc)} and {ist_text(boundary)}: its blocks "
                "between are absent or flagged, and settle nothing; let a time service discipline it, and nobody set it by hand"
            )
        if is_doubtful and not self._told_doubt:
            self._faults.append(
                "the gateway's clock was not synchronised since it started, and this meter has none: its blocks are signed as doubtful, "
                "and settle nothing; run a time service (chrony, systemd-timesyncd) that reaches its servers"
            )
        self._told_doubt = is_doubtful

    def _limit_w(self) -> int:
        return self._most_wh * 3600 // self._period_s

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
        found = finding(last[1], sample, elapsed_s=now_utc - last[0], limit_w=self._limit_w())
        if found is not None:
            self._faults.append(found)

    def _draft(self, span: Interval, now_utc: int) -> Draft:
        witnessed = self._site.outbox.memory.witnessed(self._settings.id, span)
        serials = {sample.serial for at, sample in witnessed.items() if span.start_utc <= at <= span.end_utc}
        readings = sampled_readings(span, self._sampling, witnessed, now_utc=now_utc, now=self._site.uptime())
        return Draft(
            meter=self._settings.id,
            start_utc=span.start_utc,
            period_s=self._period_s,
            readings=readings,
            registers=sampled_registers(span, self._sampling, witnessed),
            identity=serials.pop() if len(serials) == 1 else None,
            read_at_utc=now_utc,
            clock=ClockEvidence(offset_ms=None, source=self._source(readings)),
            origin=WireOrigin.MODBUS,
            software=self._site.software,
        )

    def _source(self, readings: tuple[Reading, ...]) -> ClockSource:
        """What put the boundaries of `readings`: the meter has no clock to compare."""
        if any(reading.flags & Flag.CLOCK_DOUBTFUL for reading in readings):
            return ClockSource.GATEWAY
        is_any_seen = any(reading.absence is not Absence.NOT_WITNESSED for reading in readings)
        return ClockSource.NTP if is_any_seen else self._site.reference()
