"""Meters that share a line, as the agent is wired: who has something due goes first, and nobody's trouble is another's delay."""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent import agent, enrol
from edge_agent.agent import LEAST_PAUSE_S, Agent
from edge_agent.config import Config
from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError, ReaderError
from edge_agent.outbox.outbox import Outbox
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.registers import ProfileRow
from signing.interval import DAY_S, Interval, ist_day_start
from signing.signer import open_signer
from tests.edge_agent.discom import Discom
from tests.edge_agent.meters import MemoryBench
from tests.edge_agent.settings import config, text

LINE = "dlms+hdlc+tcp://127.0.0.1:4059?client=16&physical="
DAYS = 3


class Shared:
    """The line, as its meters see it: what was asked of whom, and when enough was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Interval]] = []
        self.connected: list[str] = []
        self.until = asyncio.Event()
        self.meters: dict[str, OnLine] = {}

    def open_reader(self, url: str) -> Reader | SampledReader:
        return self.meters[url.rpartition("=")[2]]


_BEHIND_S = time.time() - (ist_day_start(int(time.time())) - DAY_S // 2)


def now_s() -> float:
    """The clock of gateway and meters, which began at a noon: the last hour is of one day, whenever the test runs."""
    return time.time() - _BEHIND_S


class OnLine(MemoryBench):
    """A meter on a line, whose answers take a turn of the loop."""

    def __init__(self, shared: Shared, serial: str, error: ReaderError | None = None) -> None:
        super().__init__(serial)
        self._shared, self._error = shared, error
        now = int(now_s())
        self.now_ms = now * 1000
        self.fill(ist_day_start(now) - (DAYS + 1) * DAY_S, now)

    async def __aenter__(self) -> "OnLine":
        assert not any(meter.is_open for meter in self._shared.meters.values()), "the line has one owner"
        self._shared.connected.append(self.serial or "")
        if self._error is not None:
            raise self._error
        return await super().__aenter__()

    async def block_rows(self, span: Interval) -> tuple[ProfileRow, ...]:
        self._shared.asked.append((self.serial or "", span))
        if {who for who, _ in self._shared.asked} == {meter.serial for meter in self._shared.meters.values()}:
            self._shared.until.set()
        for _ in range(5):
            await asyncio.sleep(0)
        return await super().block_rows(span)


@pytest.fixture
def settings(tmp_path: Path, discom: Discom) -> Config:
    second = f'[[meter]]\nid = "M2"\nserial = "SERIAL2"\nurl = "{LINE}2"\nbackfill_days = {DAYS}'
    made = config(tmp_path, text(discom, port=1, url=f"{LINE}1", extra=f"backfill_days = {DAYS}\n{second}"))
    enrol.initialise(made, agent.fresh_salt)
    return made


@pytest.fixture
def outbox(settings: Config) -> Iterator[Outbox]:
    with Outbox(settings.database, capacity=settings.capacity) as opened:
        yield opened


@pytest.fixture
def shared() -> Shared:
    return Shared()


async def run(running: Agent, until: asyncio.Event) -> None:
    task = asyncio.create_task(running.run())
    try:
        async with asyncio.timeout(20):
            await until.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_last_hour_of_every_meter_of_a_line_goes_before_anybodys_past(
    settings: Config, outbox: Outbox, shared: Shared
) -> None:
    shared.meters = {"1": OnLine(shared, "SERIAL1"), "2": OnLine(shared, "SERIAL2")}
    await run(Agent(settings, outbox, open_signer(settings.key), shared.open_reader, now_s), shared.until)
    assert [who for who, _ in shared.asked[:2]] == shared.connected == ["SERIAL1", "SERIAL2"]


@pytest.mark.parametrize(
    "error",
    [MeterUnavailableError("away"), MeterRefusedError("no"), MeterDecodeError("garbage"), RuntimeError("a bug")],
)
async def test_a_meter_that_fails_passes_its_line_on_at_once(
    settings: Config, outbox: Outbox, shared: Shared, error: ReaderError
) -> None:
    failing = OnLine(shared, "SERIAL1", error)
    reading = OnLine(shared, "SERIAL2")
    shared.meters = {"1": failing, "2": reading}
    began = time.monotonic()

    class Committed:
        def __call__(self, reached: str) -> None:
            if reached == "put:committed":
                shared.until.set()

    outbox._database._hook = Committed()
    await run(Agent(settings, outbox, open_signer(settings.key), shared.open_reader, now_s), shared.until)
    assert time.monotonic() - began < settings.poll.interval_s / 4
    assert {entry.meter for entry in outbox.report.unanswered()} == {"M2"}


class Pausing(Agent):
    """An agent whose meters are looked at once; how long they would be left alone is noted."""

    pauses: list[float]

    async def _pause(self, meter: str, pause_s: float) -> None:
        assert meter
        self.pauses.append(pause_s)


async def pause_after(settings: Config, outbox: Outbox, reader: OnLine) -> float:
    running = Pausing(settings, outbox, open_signer(settings.key), lambda _: reader, now_s)
    running.pauses = []
    await running._meter_step(settings.meters[0])()
    (pause_s,) = running.pauses
    return pause_s


@pytest.mark.parametrize(("retry_after_s", "pause_s"), [(None, 60), (30, 60), (180, 180)])
async def test_a_meter_that_was_left_without_release_is_left_alone_for_longer_than_its_time_out(
    settings: Config, outbox: Outbox, shared: Shared, retry_after_s: int | None, pause_s: int
) -> None:
    error = MeterUnavailableError("no answer", retry_after_s=retry_after_s)
    assert await pause_after(settings, outbox, OnLine(shared, "SERIAL1", error)) == pause_s


@pytest.mark.parametrize(("seconds", "pause_s"), [((180, 100), 180), ((180, 600), 601), ((None, 600), 60)])
async def test_a_meter_that_is_known_to_hold_on_for_long_is_left_alone_for_longer_still(
    settings: Config, outbox: Outbox, shared: Shared, seconds: tuple[int | None, int], pause_s: int
) -> None:
    retry_after_s, inactivity_s = seconds
    error = MeterUnavailableError("no answer", retry_after_s=retry_after_s)
    meters = tuple(replace(meter, inactivity_s=inactivity_s) for meter in settings.meters)
    known = replace(settings, meters=meters)
    assert await pause_after(known, outbox, OnLine(shared, "SERIAL1", error)) == pause_s


async def test_a_look_that_gave_way_goes_on_as_soon_as_it_may(settings: Config, outbox: Outbox, shared: Shared) -> None:
    shared.meters = {"1": OnLine(shared, "SERIAL1")}
    running = Pausing(settings, outbox, open_signer(settings.key), shared.open_reader, now_s)
    running.pauses = []
    step = running._meter_step(settings.meters[0])

    async def come() -> None:
        async with asyncio.timeout(10):
            await shared.until.wait()
        async with running._lines["127.0.0.1:4059"].turn(lambda: True, within_s=10):
            pass

    coming = asyncio.create_task(come())
    await step()
    await coming
    assert running.pauses == [LEAST_PAUSE_S]
    assert len(outbox.report.unanswered()) == 1


async def test_a_command_wakes_no_meter_that_must_be_left_alone(
    settings: Config, outbox: Outbox, shared: Shared
) -> None:
    now = 1_800_000_000.0
    running = Agent(settings, outbox, open_signer(settings.key), shared.open_reader, lambda: now)
    running._held_until_s["M1"] = now + 1
    running._wake_up("M1")
    running._wake_up("M2")
    assert (running._wake["M1"].is_set(), running._wake["M2"].is_set()) == (False, True)


class Breaking(OnLine):
    """A meter whose link breaks inside its past."""

    async def block_rows(self, span: Interval) -> tuple[ProfileRow, ...]:
        if span.end_utc <= ist_day_start(self.now_ms // 1000):
            raise MeterUnavailableError("the link broke")
        return await super().block_rows(span)


async def test_what_was_signed_before_a_link_broke_is_told_and_sent(
    settings: Config, outbox: Outbox, shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sakshi"):
        await pause_after(settings, outbox, Breaking(shared, "SERIAL1"))
    assert [record.message for record in caplog.records] == ["signed", "meter not read"]
