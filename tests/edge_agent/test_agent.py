"""The agent as wired: its own faults kept apart, with meters in memory and no broker."""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent import agent, enrol
from edge_agent.agent import BOOT_ID, LEAST_PAUSE_S, Agent, clock_reference, only_one, software_digest, uptime_clock
from edge_agent.clock import Uptime
from edge_agent.config import Config
from edge_agent.errors import CounterBackError, CounterJumpError, MeterUnavailableError
from edge_agent.journal import TextLines
from edge_agent.outbox.errors import StateError
from edge_agent.outbox.outbox import Outbox
from edge_agent.push_desk import Heard
from edge_agent.push_settings import Address, PushSettings
from edge_agent.readers.access import MeterKeys
from edge_agent.readers.dlms.push import EventBit, Kind
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.sampled import SampledMeter
from edge_agent.schedule import Held
from signing.interval import Interval, ist_day_start
from signing.signer import open_signer
from signing.statements.reading_batch import ClockSource
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import MIDNIGHT, to_send
from tests.edge_agent.meters import MemoryBench, SampledBench
from tests.edge_agent.settings import config, text

TEN = MIDNIGHT + 10 * 3600
SECOND = '[[meter]]\nid = "M2"\nserial = "SERIAL1"\nurl = "dlms+tcp://127.0.0.1:4060?client=16"\nbackfill_days = 1'


@pytest.fixture
def settings(tmp_path: Path, discom: Discom) -> Config:
    content = text(discom, port=1, extra="backfill_days = 1\n" + SECOND.replace("SERIAL1", "SERIAL2"))
    made = config(tmp_path, content)
    enrol.initialise(made, agent.fresh_salt)
    return made


class Enough:
    """Is set when something has happened `left` times: a hook of the outbox, or a handler of log lines."""

    def __init__(self) -> None:
        self.left = 0
        self._event = asyncio.Event()

    def __call__(self, reached: str) -> None:
        if reached == "put:committed":
            self.count()

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            self._event.set()

    async def during(self, running: Agent) -> None:
        """Runs the agent until then."""
        task = asyncio.create_task(running.run())
        try:
            async with asyncio.timeout(20):
                await self._event.wait()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Listener(logging.Handler):
    def __init__(self, enough: Enough) -> None:
        super().__init__(logging.WARNING)
        self._enough = enough

    def emit(self, record: logging.LogRecord) -> None:
        self._enough.count()


@pytest.fixture
def enough() -> Enough:
    return Enough()


@pytest.fixture
def outbox(settings: Config, enough: Enough) -> Iterator[Outbox]:
    with Outbox(settings.database, capacity=settings.capacity, hook=enough) as opened:
        yield opened


class Wall:
    """Meters by URL; what stands in a meter's place may also be an error that opening it raises."""

    def __init__(self, by_port: dict[str, MemoryBench | Exception]) -> None:
        self._by_port = by_port

    def open_reader(self, url: str) -> Reader | SampledReader:
        found = self._by_port[url.split(":")[2][:4]]
        if isinstance(found, Exception):
            raise found
        found.now_ms = int(time.time() * 1000)
        return found


def meter(serial: str) -> MemoryBench:
    bench = MemoryBench(serial)
    now = int(time.time())
    bench.fill(ist_day_start(now) - 2 * 86_400, now)
    return bench


async def test_every_meter_is_read_and_signed_by_its_own_task(settings: Config, outbox: Outbox, enough: Enough) -> None:
    wall = Wall({"4059": meter("SERIAL1"), "4060": meter("SERIAL2")})
    running = Agent(settings, outbox, open_signer(settings.key), wall.open_reader)
    enough.left = 4
    await enough.during(running)
    assert {entry.meter for entry in outbox.report.unanswered()} == {"M1", "M2"}


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), meter("SERIAL9")])
async def test_no_error_of_one_meter_delays_anothers(
    settings: Config, outbox: Outbox, enough: Enough, fault: MemoryBench | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    wall = Wall({"4059": fault, "4060": meter("SERIAL2")})
    running = Agent(settings, outbox, open_signer(settings.key), wall.open_reader)
    with caplog.at_level(logging.ERROR, "sakshi"):
        enough.left = 2
        await enough.during(running)
    assert {entry.meter for entry in outbox.report.unanswered()} == {"M2"}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_meter_without_memory_is_sampled_at_its_boundaries_whatever_goes_wrong(
    settings: Config, outbox: Outbox, enough: Enough
) -> None:
    now = [float(TEN - 5)]
    bench = SampledBench(serial="SERIAL1")

    async def look(at: float, import_wh: int) -> float:
        now[0], bench.now_ms, bench.import_wh = at, int(at * 1000), import_wh
        return await running._sample(sampled, settings.meters[0], bench)

    def up() -> Uptime:
        return Uptime(boot="boot", ms=int(now[0] * 1000))

    running = Agent(settings, outbox, open_signer(settings.key), lambda _: bench, lambda: now[0], uptime=up)
    sampled = SampledMeter(running._site, settings.meters[0])
    assert await look(TEN - 500, 1) == 500
    assert await look(TEN, 10) == 900
    bench.is_away = True
    assert await look(TEN + 900, 30) == LEAST_PAUSE_S
    bench.is_away = False
    assert await look(TEN + 901, 30) == 899
    (entry,) = outbox.report.unanswered()
    assert (entry.meter, entry.span) == ("M1", Interval(TEN, TEN + 900))
    assert outbox.memory.known("M1", TEN)[TEN].held is Held.PRESENT
    bench.is_away = True
    assert await look(TEN + 1800, 40) == LEAST_PAUSE_S
    assert await look(TEN + 1811, 40) == 889
    assert len(outbox.report.unanswered()) == 2


async def test_a_state_that_is_gone_ends_the_process(settings: Config, outbox: Outbox) -> None:
    wall = Wall({"4059": meter("SERIAL1"), "4060": StateError("the disk is gone")})
    running = Agent(settings, outbox, open_signer(settings.key), wall.open_reader)
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(20):
            await running.run()
    assert caught.group_contains(StateError, match="the disk is gone")


async def test_a_full_outbox_leaves_the_meter_in_peace_and_says_so(
    settings: Config, outbox: Outbox, enough: Enough, caplog: pytest.LogCaptureFixture
) -> None:
    outbox._capacity = 1
    first, second = meter("SERIAL1"), meter("SERIAL2")
    running = Agent(settings, outbox, open_signer(settings.key), Wall({"4059": first, "4060": second}).open_reader)
    with caplog.at_level(logging.WARNING, "sakshi"):
        enough.left = 2  # one batch, and the line that says why there is no more; or two lines
        logging.getLogger("sakshi").addHandler(listener := Listener(enough))
        await enough.during(running)
        logging.getLogger("sakshi").removeHandler(listener)
    assert {record.message for record in caplog.records} == {"reading stopped"}
    assert len(to_send(outbox)) == 1


def test_only_one_agent_runs_on_a_state(settings: Config) -> None:
    with only_one(settings), pytest.raises(StateError, match="another agent runs"), only_one(settings):
        pass
    with pytest.raises(BlockingIOError), only_one(settings):
        raise BlockingIOError
    with only_one(settings):
        pass


def test_a_state_that_was_never_made_cannot_be_held(tmp_path: Path, discom: Discom) -> None:
    with pytest.raises(StateError, match="sakshi-agent init"), only_one(config(tmp_path, text(discom))):
        pass


def test_the_software_digest_is_that_of_the_source() -> None:
    assert len(software_digest()) == 32
    assert software_digest() == software_digest()


def test_the_gateways_clock_is_worth_something() -> None:
    assert clock_reference() in {ClockSource.GATEWAY, ClockSource.NTP}


def test_the_time_since_boot_goes_on_and_names_the_boot_over_restarts_of_the_process(tmp_path: Path) -> None:
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("0f4c7a1e\n")
    up, again = uptime_clock(boot_id), uptime_clock(boot_id)
    first, second = up(), again()
    assert (first.boot, second.boot) == ("0f4c7a1e", "0f4c7a1e")
    assert 0 < first.ms <= second.ms <= first.ms + 60_000


@pytest.mark.parametrize("content", [None, "", "\xff"])
def test_without_a_kernel_that_names_the_boot_every_process_is_one(tmp_path: Path, content: str | None) -> None:
    boot_id = tmp_path / "boot_id"
    if content is not None:
        boot_id.write_text(content, "latin-1")
    up, another = uptime_clock(boot_id), uptime_clock(boot_id)
    assert up().boot == up().boot
    assert up().boot != another().boot


@pytest.mark.skipif(not BOOT_ID.exists(), reason="needs Linux")
def test_this_kernel_names_its_boot() -> None:
    assert uptime_clock()().boot == BOOT_ID.read_text("ascii").strip()


async def test_a_push_wakes_its_meter_but_not_while_it_must_be_left_alone(settings: Config, outbox: Outbox) -> None:
    now = [float(TEN)]
    running = Agent(settings, outbox, open_signer(settings.key), Wall({}).open_reader, lambda: now[0])
    running._meter_step(settings.meters[0])

    def is_woken(*, is_authentic: bool = True) -> bool:
        running._announced(
            Heard(meter="M1", kind=Kind.INSTANT, events=frozenset(), is_authentic=is_authentic, is_occasion=True)
        )
        woken = running._wake["M1"].is_set()
        running._wake["M1"].clear()
        return woken

    assert is_woken()
    assert running._memories["M1"]._is_announced
    running._held_until_s["M1"] = TEN + 300
    assert not is_woken()
    now[0] = TEN + 300
    assert is_woken()
    now[0] = TEN - 7200  # a clock that was set back
    assert is_woken()
    assert not running._wake["M2"].is_set()


@pytest.mark.parametrize(
    ("bit", "is_authentic", "is_woken"),
    [
        (EventBit.FIRST_BREATH, True, True),
        (EventBit.FIRST_BREATH, False, False),
        (EventBit.LAST_GASP, True, False),
    ],
)
async def test_a_meter_whose_power_came_back_holds_on_to_nobody(
    settings: Config, outbox: Outbox, bit: EventBit, *, is_authentic: bool, is_woken: bool
) -> None:
    running = Agent(settings, outbox, open_signer(settings.key), Wall({}).open_reader, lambda: float(TEN))
    running._held_until_s["M1"] = TEN + 300
    running._announced(
        Heard(meter="M1", kind=Kind.ALERT, events=frozenset({bit}), is_authentic=is_authentic, is_occasion=True)
    )
    assert running._wake["M1"].is_set() is is_woken


async def test_a_hint_wakes_a_meter_and_hurries_nothing(settings: Config, outbox: Outbox) -> None:
    running = Agent(settings, outbox, open_signer(settings.key), Wall({}).open_reader, lambda: float(TEN))
    running._meter_step(settings.meters[0])
    running._announced(Heard(meter="M1", kind=Kind.ALERT, events=frozenset(), is_authentic=False, is_occasion=True))
    assert running._wake["M1"].is_set()
    assert not running._memories["M1"]._is_announced


async def test_a_meter_that_holds_on_to_us_is_left_alone_for_as_long_as_it_takes(
    settings: Config, outbox: Outbox, enough: Enough
) -> None:
    wall = Wall({"4059": MeterUnavailableError("locked", retry_after_s=300), "4060": meter("SERIAL2")})
    running = Agent(settings, outbox, open_signer(settings.key), wall.open_reader, lambda: float(TEN))
    enough.left = 1
    await enough.during(running)
    assert running._held_until_s["M1"] == TEN + 300


@pytest.mark.parametrize("error", [CounterBackError("it went back"), CounterJumpError("it is far ahead")])
async def test_a_counter_that_went_back_or_far_ahead_is_alarmed(
    settings: Config, outbox: Outbox, enough: Enough, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    wall = Wall({"4059": error, "4060": meter("SERIAL2")})
    running = Agent(settings, outbox, open_signer(settings.key), wall.open_reader, lambda: float(TEN))
    enough.left = 1
    with caplog.at_level(logging.ERROR, "sakshi"):
        await enough.during(running)
    (alarm,) = caplog.records
    assert alarm.message == "the meter's invocation counter is not what it can be"
    assert str(error) in TextLines().format(alarm)


async def test_nothing_is_listened_for_that_is_not_configured_or_has_no_vault(settings: Config, outbox: Outbox) -> None:
    here = replace(settings, push=PushSettings(tcp=Address(host="127.0.0.1", port=1)))
    for made, vault in ((settings, _Vault()), (here, None)):
        assert Agent(made, outbox, open_signer(settings.key), Wall({}).open_reader, push_vault=vault)._pushes is None
    assert Agent(here, outbox, open_signer(settings.key), Wall({}).open_reader, push_vault=_Vault())._pushes is not None


class _Vault:
    def unlock(self, uri: str) -> MeterKeys:
        raise NotImplementedError

    def hear(self, uri: str, title: bytes, counter: int) -> bool:
        raise NotImplementedError
