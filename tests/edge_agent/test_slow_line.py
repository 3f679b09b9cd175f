"""35 days of a meter on a line of 9600 bit/s, and whoever has something due meanwhile. Simulated time; nothing waits."""

import asyncio
import re
from pathlib import Path

import pytest

from edge_agent.backfill import Pace
from edge_agent.config import MeterSettings, PollSettings
from edge_agent.lines import Line, wire_of
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import MemoryMeter
from edge_agent.site import Outcome, Site
from firmware_sim.dlms.device import Device
from signing.interval import DAY_S, Interval, ist_day_start, parse_instant
from signing.statements.reading_batch import ClockSource, ReadingBatch
from tests.edge_agent.gateway import SOFTWARE, Gateway, to_send
from tests.edge_agent.slow_line import SlowTransport, Timeline, meter_on, reader_on

START = parse_instant("2026-04-26T12:15:05+05:30", "start")
DUE = parse_instant("2026-04-26T12:15:30+05:30", "due")
"""When the block of a quarter past has settled."""
TODAY = ist_day_start(START)
BPS = 9600
HOLD_S = 20
TURNAROUND_MS = 20
POLL = PollSettings(interval_s=60, settle_s=30, patience_s=1800, absent_retry_s=21_600, witness_s=10, hold_s=HOLD_S)


def settings(meter: str, serial: str, *, bps: int | None = BPS, days: int = 35) -> MeterSettings:
    return MeterSettings(
        id=meter,
        serial=serial,
        url="dlms+hdlc+tcp://192.0.2.7:4059?physical=17",
        period_s=None,
        backfill_days=days,
        max_block_wh=None,
        line_bps=bps,
    )


def site(gateway: Gateway, outbox: Outbox, timeline: Timeline) -> Site:
    return Site(
        poll=POLL,
        outbox=outbox,
        signer=gateway.signer,
        software=SOFTWARE,
        now_ms=timeline.now_ms,
        reference=lambda: ClockSource.NTP,
        uptime=timeline.uptime,
        salt=lambda: bytes(16),
    )


class Bus:
    """One line, and the meters on it."""

    def __init__(self, gateway: Gateway, outbox: Outbox, bps: int = BPS) -> None:
        self.timeline = Timeline(START)
        self.outbox = outbox
        self.bps = bps
        self.line = Line()
        self.site = site(gateway, outbox, self.timeline)

    def add(self, meter: str, serial: str, *faults: str, days: int = 35) -> "OnBus":
        return OnBus(
            self, settings(meter, serial, bps=self.bps, days=days), meter_on(self.timeline, *faults, serial=serial)
        )

    def batches(self, meter: str) -> list[ReadingBatch]:
        batches = [ReadingBatch.parse(each.envelope.payload) for each in to_send(self.outbox, limit=10_000)]
        return [batch for batch in batches if batch.meter == meter]


class OnBus:
    """A meter on a bus, and the agent's side of it."""

    def __init__(self, bus: Bus, settings: MeterSettings, device: Device) -> None:
        self.bus, self.device, self.id = bus, device, settings.id
        self.meter = MemoryMeter(bus.site, settings)
        self.waited_s: list[float] = []
        self.held_s: list[float] = []
        self.plan: str | None = None

    async def look(self) -> Outcome:
        """One turn at the line."""
        bus, asked_ms = self.bus, self.bus.timeline.now_ms()
        async with bus.line.turn(self.meter.is_live_due, within_s=600):
            self.waited_s.append((bus.timeline.now_ms() - asked_ms) / 1000)
            reader = reader_on(
                lambda: SlowTransport(self.device, bus.timeline, bps=bus.bps, turnaround_ms=TURNAROUND_MS)
            )
            began_ms = bus.timeline.now_ms()
            async with reader:
                outcome = await self.meter.look(reader, bus.line.is_wanted)
            self.held_s.append((bus.timeline.now_ms() - began_ms) / 1000)
        self.plan = self.plan or outcome.plan
        return outcome

    async def look_until_whole(self) -> None:
        """Turn after turn, until the past is read."""
        is_whole = False
        while not is_whole:
            is_whole = (await self.look()).next_utc > self.bus.timeline.now_utc()
            await asyncio.sleep(0)  # others come to the line

    async def look_when_due(self, working: asyncio.Task[None]) -> None:
        """As the agent does between back-fills: a turn for every block that is due, for as long as others work."""
        while not working.done():
            if self.meter.is_live_due():
                await self.look()
            await asyncio.sleep(0)


@pytest.fixture
def bus(gateway: Gateway, outbox: Outbox) -> Bus:
    return Bus(gateway, outbox)


async def test_a_block_that_comes_due_amid_35_days_of_the_same_meter_is_read_within_the_hold(bus: Bus) -> None:
    meter = bus.add("M1", "12345678")
    await meter.look_until_whole()
    batches = bus.batches("M1")
    (live,) = [batch for batch in batches if batch.end_utc == DUE - POLL.settle_s]
    assert live.count == 1
    assert live.read_at_utc - DUE <= HOLD_S
    after = batches[batches.index(live) + 1 :]
    assert sum(batch.count for batch in after) > 30 * 96


@pytest.mark.parametrize("bps", [9600, 1200])
async def test_a_block_of_one_meter_waits_for_no_more_than_one_piece_of_anothers_35_days(
    gateway: Gateway, outbox: Outbox, bps: int
) -> None:
    bus = Bus(gateway, outbox, bps)
    present, past = bus.add("M2", "87654321", days=0), bus.add("M1", "12345678")
    await present.look()
    await past.look()  # live rows, and what a row costs
    working = asyncio.create_task(past.look_until_whole())
    await present.look_when_due(working)
    await working
    waited = present.waited_s[1:]
    assert waited
    assert max(waited) <= HOLD_S
    assert sum(batch.count for batch in bus.batches("M1")) >= 35 * 96
    assert past.plan is not None
    assert f" at {bps} bps, in pieces of at most " in past.plan


async def test_with_four_meters_to_back_fill_a_due_block_still_goes_before_all_of_them(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, meters=[f"M{number}" for number in range(2, 7)])
    with gateway.open() as outbox:
        bus = Bus(gateway, outbox)
        others = [bus.add(f"M{number}", f"1234567{number}", days=12) for number in (3, 4, 5, 6)]
        present = bus.add("M2", "87654321", days=0)
        for meter in (present, *others):
            await meter.look()

        async def all_of_them() -> None:
            await asyncio.gather(*(meter.look_until_whole() for meter in others))

        working = asyncio.create_task(all_of_them())
        await present.look_when_due(working)
        await working
        read = [sum(batch.count for batch in bus.batches(meter.id)) for meter in others]
    assert max(present.waited_s[1:]) <= HOLD_S
    assert min(read) >= 12 * 96


async def test_35_days_are_estimated_from_columns_frames_and_line(bus: Bus) -> None:
    """Octets within a twentieth; seconds are those octets, doubled while the meter's own pauses are not known."""
    span, wire = Interval(TODAY - 35 * DAY_S, TODAY), wire_of(settings("M1", "").url, BPS)
    device = meter_on(bus.timeline)
    async with reader_on(lambda: SlowTransport(device, bus.timeline, bps=BPS)) as reader:
        layout = await reader.layout()
        before, began_ms = reader.octets, bus.timeline.now_ms()
        rows = await reader.block_rows(span)
        octets, ms = reader.octets - before, bus.timeline.now_ms() - began_ms
    assert len(rows) == 35 * 96
    estimate = Pace(wire, hold_s=HOLD_S).estimate(len(rows), layout, is_ciphered=False)
    assert estimate.octets == pytest.approx(octets, rel=0.05)
    assert estimate.ms == pytest.approx(2 * ms, rel=0.05)
    measured = Pace(wire, hold_s=HOLD_S)
    measured.survived(96, rows=96, octets=octets * 96 // len(rows), elapsed_ms=ms * 96 // len(rows))
    assert measured.estimate(len(rows), layout, is_ciphered=False).ms == pytest.approx(ms, rel=0.01)


@pytest.mark.parametrize(("bps", "blocks"), [(9600, 96), (2400, 72)])
async def test_the_plan_names_days_octets_seconds_and_pieces(
    gateway: Gateway, outbox: Outbox, bps: int, blocks: int
) -> None:
    bus = Bus(gateway, outbox, bps)
    meter = bus.add("M1", "12345678")
    await meter.look()
    assert meter.plan is not None
    days, octets, seconds, pieces = map(
        float, re.findall(r"[0-9]+\.?[0-9]*(?= days| octets| s at| blocks$)", meter.plan)
    )
    assert days == pytest.approx(35.5, abs=0.1)
    assert octets == pytest.approx(161_000, rel=0.1)
    assert seconds == pytest.approx(octets * 10 / bps * (1.15 if bps == BPS else 1.05), rel=0.1)
    assert blocks / 2 < pieces <= blocks
    assert (await meter.look()).plan is None


@pytest.mark.parametrize("fault", ["no-selective-access", "no-selective-access=unsaid", "no-range"])
async def test_a_meter_that_gives_no_parts_is_read_once_for_all_its_past(bus: Bus, fault: str) -> None:
    """Asked for a piece it gives everything since, or all it has: minutes of the line, which nothing makes shorter."""
    meter = bus.add("M1", "12345678", fault, days=10)
    await meter.look_until_whole()
    whole = Interval(TODAY - 10 * DAY_S, TODAY + 12 * 3600)
    read = sorted(start for batch in bus.batches("M1") for start in batch.span.block_starts(900))
    assert read[: len(whole.block_starts(900))] == list(whole.block_starts(900))
    assert len(read) == len(set(read))
    assert meter.plan is not None
    assert meter.plan.startswith("3456 blocks (36.0 days), about 17")  # 170 thousand octets
    assert meter.plan.endswith(" in pieces of at most 3456 blocks")
    # Its memory of 36 days: once for the last hour, once for the past, once for the block that came due meanwhile.
    assert sum(meter.held_s) <= 4 * 36 * 96 * 50 * 10 / BPS
