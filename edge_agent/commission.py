"""`sakshi-agent commission`: one page, GO or NO-GO, for the technician at the meter.

Reads the meter and never changes it. Every step says what was expected and got, and what to do; the last one is the whole way:
a real batch, signed, sent and receipted.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from edge_agent import agent
from edge_agent.agent import Agent, OpenReader
from edge_agent.balance import DayBalance, Reading, Verdict, day_balance
from edge_agent.check import Finding, broker, key_and_state
from edge_agent.clock import evidence
from edge_agent.config import Config, MeterSettings
from edge_agent.errors import ReaderError
from edge_agent.outbox.errors import AnotherRunsError, OutboxError
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import CLOCK_APART_MS
from edge_agent.readers.modbus.reader import map_doubt
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.readers.report import Json
from edge_agent.registers import EXPORT_BLOCK, IMPORT_BLOCK, MeterIdentity, Origin, ProfileLayout
from signing.errors import SigningError
from signing.interval import DAY_S, PERIODS_S, Interval, ist_day_start, ist_text
from signing.signer import open_signer
from signing.statements.reading_batch import ClockSource

DAYS_TRIED: Final = 3
"""How many days back are looked at while a day says nothing about the stamps."""
LEAST_FREE_BYTES: Final = 200 * 2**20
"""What the disk of the state must have left: the outbox holds 35 days of 8 meters in less."""
FRESH_S: Final = 7200
"""A receipt that is not older than this proves that the way is open now: an hour's blocks and as much patience."""
RECEIPT: Final = "first receipt"
_LOOK_S: Final = 0.2

_STRENGTH: Final = {
    Origin.GMAC: "every answer carries the meter's own tag",
    Origin.LLS: "a password was shown; the answers themselves are not authenticated",
    Origin.PLAIN: "nobody shows anything: have the discom give a meter-reader association",
    Origin.MODBUS: "no authentication, no clock, no memory: blocks are those that this gateway witnesses",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What was found at one meter."""

    meter: str
    findings: tuple[Finding, ...]

    @property
    def is_go(self) -> bool:
        """Whether everything is as it should be."""
        return all(finding.is_good for finding in self.findings)

    def as_json(self) -> dict[str, Json]:
        """The page, for scripts."""
        findings: list[Json] = [
            {"what": each.what, "is_good": each.is_good, "is_warning": each.is_warning, "text": each.text}
            for each in self.findings
        ]
        return {"meter": self.meter, "go": self.is_go, "findings": findings}

    def text(self) -> str:
        """The page, for people."""
        lines = [f"{_label(each):<5} {each.what:<22} {each.text}" for each in self.findings]
        return "\n".join([f"{'GO   ' if self.is_go else 'NO-GO'} meter {self.meter}", *lines])


def _label(finding: Finding) -> str:
    if not finding.is_good:
        return "NO"
    return "warn" if finding.is_warning else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One technician's visit: the configuration, how meters are opened, the clock, and how long a receipt may take."""

    settings: Config
    open_reader: OpenReader
    now_ms: Callable[[], int]
    wait_s: int
    reference: Callable[[], ClockSource] = agent.clock_reference
    """What the gateway's clock is worth now."""

    def now_utc(self) -> int:
        """The gateway's clock, UTC seconds."""
        return self.now_ms() // 1000


async def commission(visit: Visit, meter: MeterSettings) -> Page:
    """The page of one meter. The meter is released before the way to the head-end is tried."""
    findings = await _at_the_meter(visit, meter)
    findings += [key_and_state(visit.settings), disk(visit.settings), await broker(visit.settings)]
    findings.append(await first_receipt(visit, meter))
    return Page(meter=meter.id, findings=tuple(findings))


@dataclass(slots=True)
class _Steps:
    """The steps at one meter: one that fails is a finding, and the next is still taken."""

    findings: list[Finding] = field(default_factory=list)

    def good(self, what: str, text: str) -> None:
        self.findings.append(Finding(what=what, is_good=True, text=text))

    def warn(self, what: str, text: str) -> None:
        self.findings.append(Finding(what=what, is_good=True, is_warning=True, text=text))

    def bad(self, what: str, text: str) -> None:
        self.findings.append(Finding(what=what, is_good=False, text=text))

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A step whose refusal by the meter is its finding."""
        try:
            yield
        except ReaderError as error:
            self.bad(what, str(error))


async def _at_the_meter(visit: Visit, meter: MeterSettings) -> list[Finding]:
    steps = _Steps()
    with steps.step("connection"):
        async with visit.open_reader(meter.url) as reader:
            with steps.step("serial number"):
                _serial(steps, meter, await reader.identity())
            if isinstance(reader, Reader):
                await _memory(steps, visit, meter, reader)
            else:
                await _sampled(steps, visit, reader)
            # What the answers bear is known when they are all there.
            strength = f"{reader.origin.value}: {_STRENGTH[reader.origin]}"
            steps.findings.insert(0, Finding(what="origin", is_good=True, text=strength))
    return steps.findings


def _serial(steps: _Steps, meter: MeterSettings, identity: MeterIdentity) -> None:
    said = ", ".join(text for text in (identity.manufacturer, identity.category, identity.firmware) if text)
    if identity.serial is None:
        steps.good("serial number", f"the meter gives none: compare its plate with {meter.serial} ({said})")
    elif identity.serial == meter.serial:
        steps.good("serial number", f"{identity.serial} ({said})")
    else:
        steps.bad(
            "serial number",
            f"expected {meter.serial}, the meter on the wire says {identity.serial}: check wiring, 'url' and 'serial'",
        )


async def _sampled(steps: _Steps, visit: Visit, reader: SampledReader) -> None:
    _gateway_clock(steps, visit.reference())
    doubt = map_doubt(reader)
    if doubt is not None:
        steps.warn("register map", doubt)
    with steps.step("registers"):
        sample = await reader.sample()
        exported = "no export register" if sample.exported_wh is None else f"export {sample.exported_wh} Wh"
        steps.good(
            "registers", f"import {sample.imported_wh} Wh, {exported}, known to {sample.quantum_wh.normalize():f} Wh"
        )


def _gateway_clock(steps: _Steps, reference: ClockSource) -> None:
    """The clock that dates the blocks of a meter that has none."""
    if reference is ClockSource.NTP:
        steps.good("clock", "the meter has none; the gateway's own is synchronised")
    else:
        steps.bad(
            "clock",
            "the meter has none, and the gateway's own is not synchronised: its blocks would settle nothing; run a time service "
            "(chrony, systemd-timesyncd) that reaches its servers",
        )


async def _memory(steps: _Steps, visit: Visit, meter: MeterSettings, reader: Reader) -> None:
    with steps.step("clock"):
        asked_ms = visit.now_ms()
        clock = await reader.clock()
        known = evidence(
            meter_ms=clock.utc_ms, asked_ms=asked_ms, answered_ms=visit.now_ms(), reference=visit.reference()
        )
        _clock(steps, known.offset_ms or 0, known.source.name)
    with steps.step("columns"):
        layout = await reader.layout()
        _columns(steps, layout)
        _period(steps, meter, layout)
        if layout.capture_period_s in PERIODS_S:
            with steps.step("balance"):
                _balance(steps, meter, *await _decisive_day(visit, reader, layout.capture_period_s))


def _clock(steps: _Steps, offset_ms: int, source: str) -> None:
    text = f"meter minus gateway is {offset_ms / 1000:+.1f} s; the gateway's own clock: {source}"
    if abs(offset_ms) > CLOCK_APART_MS:
        steps.bad("clock", f"{text}: more than {CLOCK_APART_MS // 1000} s; have the discom set the meter's clock")
    else:
        steps.good("clock", text)


def _columns(steps: _Steps, layout: ProfileLayout) -> None:
    if not layout.has(IMPORT_BLOCK):
        names = ", ".join(column.register for column in layout.columns)
        steps.bad("columns", f"expected import per block ({IMPORT_BLOCK}) in {layout.obis}, got {names}")
        return
    export = "import and export" if layout.has(EXPORT_BLOCK) else "import only: export is absent, not zero"
    days = layout.entries * layout.capture_period_s // DAY_S
    steps.good("columns", f"{export}; {len(layout.columns)} columns, {days} days of memory")


def _period(steps: _Steps, meter: MeterSettings, layout: ProfileLayout) -> None:
    said = layout.capture_period_s
    if said not in PERIODS_S:
        steps.bad(
            "capture period", f"expected 900, 1800 or 3600 s, got {said} s: this meter cannot be settled by blocks"
        )
    elif meter.period_s not in {None, said}:
        steps.bad("capture period", f"expected {meter.period_s} s, the meter's is {said} s: correct 'period_s'")
    else:
        steps.good("capture period", f"{said} s")


async def _decisive_day(visit: Visit, reader: Reader, period_s: int) -> tuple[DayBalance, Reading]:
    """Yesterday, or the newest of the days before it that decides where yesterday says nothing; and how stamps are read."""
    today = ist_day_start(visit.now_utc())
    days: list[DayBalance] = []
    configured = Reading.END
    for back in range(1, DAYS_TRIED + 1):
        day = Interval(today - back * DAY_S, today - (back - 1) * DAY_S)
        rows = await reader.block_rows(Interval(day.start_utc - 2 * period_s, day.end_utc + period_s))
        configured = Reading.START if any(row.end_utc != row.stamp_utc for row in rows) else Reading.END
        days.append(day_balance(day, rows, await reader.daily_registers(day), period_s=period_s))
        if days[-1].verdict is not Verdict.EITHER:
            break
    decides = days[-1].verdict in {Verdict.END, Verdict.START}
    return days[-1] if decides else days[0], configured


def _balance(steps: _Steps, meter: MeterSettings, balance: DayBalance, configured: Reading) -> None:
    day, verdict = ist_text(balance.day.start_utc)[:10], balance.verdict
    if balance.reason is not None:
        steps.bad("balance", f"{day}: {balance.reason}: run again when the meter has kept a whole day")
        return
    numbers = "; ".join(_numbers(channel.name, channel.rise_wh, channel.sums_wh) for channel in balance.channels)
    text = f"{day}: {numbers}"
    match verdict:
        case Verdict.NEITHER:
            steps.bad(
                "balance", f"{text}: neither reading of the stamps balances; nothing of this meter can be settled"
            )
        case Verdict.EITHER:
            steps.bad("balance", f"{text}: both readings balance: run again after a midnight at which energy flows")
        case _ if verdict.value == configured.value:
            steps.good("balance", f"{text}; stamps are the {verdict.value} of their blocks, as configured")
        case _:
            steps.bad(
                "balance",
                f"{text}; stamps are the {verdict.value} of their blocks, read as the {configured.value}: set "
                f'stamp = "{verdict.value}" for meter {meter.id}',
            )


def _numbers(name: str, rise: Decimal, sums: Mapping[Reading, Decimal]) -> str:
    parts = ", ".join(f"read as {reading.value} {total:f}" for reading, total in sums.items())
    return f"{name} register +{rise:f} Wh, blocks {parts} Wh"


def disk(settings: Config) -> Finding:
    """Whether the state's disk and the outbox have room."""
    what = "disk and outbox"
    try:
        free = shutil.disk_usage(settings.state).free
        with Outbox(settings.database, capacity=settings.capacity) as outbox:
            backlog = outbox.report.backlog()
        size = settings.database.stat().st_size
    except (OSError, OutboxError) as error:
        return Finding(what=what, is_good=False, text=str(error))
    unanswered = backlog.waiting + backlog.parked
    text = f"{free // 2**20} MiB free, state {size // 2**10} KiB, {backlog.waiting} waiting, {backlog.parked} parked"
    if free < LEAST_FREE_BYTES:
        return Finding(what=what, is_good=False, text=f"{text}: expected {LEAST_FREE_BYTES // 2**20} MiB free")
    if unanswered >= settings.capacity:
        return Finding(what=what, is_good=False, text=f"{text}: the outbox is full; see `sakshi-agent outbox`")
    return Finding(what=what, is_good=True, text=text)


async def first_receipt(visit: Visit, meter: MeterSettings) -> Finding:
    """Whether a batch of `meter` is receipted within the last two hours, or is before the visit's patience ends.

    Where an agent runs, its receipts are waited for; where none does, one runs here for so long, for this meter only.
    """
    try:
        signer = open_signer(visit.settings.key)
        with Outbox(visit.settings.database, capacity=visit.settings.capacity) as outbox:
            outbox.require(gateway=visit.settings.gateway, kid=signer.public_key.kid, meters=[meter.id])
            only = replace(visit.settings, meters=(meter,))
            try:
                with agent.only_one(visit.settings):
                    running = Agent(only, outbox, signer, visit.open_reader, lambda: visit.now_ms() / 1000)
                    return await _while_running(running, visit, meter, outbox)
            except AnotherRunsError:
                return await _awaited(visit, meter, outbox)
    except (OutboxError, SigningError) as error:
        return Finding(what=RECEIPT, is_good=False, text=str(error))


async def _while_running(running: Agent, visit: Visit, meter: MeterSettings, outbox: Outbox) -> Finding:
    works = asyncio.ensure_future(running.run())
    waits = asyncio.ensure_future(_awaited(visit, meter, outbox))
    try:
        await asyncio.wait({works, waits}, return_when=asyncio.FIRST_COMPLETED)
        if waits.done():
            return waits.result()
        return Finding(what=RECEIPT, is_good=False, text=_why_ended(works))
    finally:
        works.cancel()
        waits.cancel()
        await asyncio.gather(works, waits, return_exceptions=True)


def _why_ended(works: asyncio.Future[None]) -> str:
    error = works.exception()
    return "; ".join(str(each) for each in error.exceptions) if isinstance(error, ExceptionGroup) else str(error)


async def _awaited(visit: Visit, meter: MeterSettings, outbox: Outbox) -> Finding:
    try:
        async with asyncio.timeout(visit.wait_s):
            while (finding := _receipt(visit, meter, outbox)) is None:  # noqa: ASYNC110 - a database has no event
                await asyncio.sleep(_LOOK_S)
            return finding
    except TimeoutError:
        waiting = [entry for entry in outbox.report.unanswered() if entry.meter == meter.id]
        refusals = [entry.refusal for entry in waiting if entry.refusal is not None]
        why = f"the head-end says {refusals[-1]}" if refusals else "no answer: is the head-end running?"
        text = f"{len(waiting)} signed, none receipted within {visit.wait_s} s; {why}"
        if not waiting:
            text = f"nothing was signed within {visit.wait_s} s: see the steps above; without memory, wait for two boundaries"
        return Finding(what=RECEIPT, is_good=False, text=text)


def _receipt(visit: Visit, meter: MeterSettings, outbox: Outbox) -> Finding | None:
    receipted = outbox.report.receipted(meter.id)
    if receipted.newest_utc is not None and abs(visit.now_utc() - receipted.newest_utc) <= FRESH_S:
        text = f"batches receipted: {receipted.batches}, the newest at {ist_text(receipted.newest_utc)}"
        return Finding(what=RECEIPT, is_good=True, text=text)
    parked = [entry for entry in outbox.report.unanswered() if entry.meter == meter.id and entry.state == "PARKED"]
    if not parked:
        return None
    why = parked[-1].refusal
    text = "a signed batch is damaged on this disk" if why is None else f"the head-end says {why}"
    text = f"{text}: mend that, then run `sakshi-agent outbox release all`"
    return Finding(what=RECEIPT, is_good=False, text=text)
