"""What a polled reading writes: a card of flash wears by commits and by pages."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from edge_agent.cli import main
from edge_agent.clock import Uptime
from edge_agent.config import Config, load
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.outbox.database import PAGE_SIZE
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import MemoryMeter
from edge_agent.readers.dlms.security import Secret
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.site import Site
from edge_agent.together import Together
from edge_agent.vault import GatewayVault
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.server import serve_device
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant
from signing.messages import Up
from signing.signer import open_signer
from signing.statements.reading_batch import ClockSource
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import Gateway, draft, to_send
from tests.edge_agent.outbox.crash import settle_of
from tests.edge_agent.settings import text
from tests.edge_agent.site import POLL

QUARTER = parse_instant("2026-04-26T12:00:00+05:30", "now")
METERS = ("M1", "M2", "M3")
AK = bytes(range(16))
ROUNDS = 6
MOST_LOG_A_READING = 3072
"""Octets in the write-ahead log for a reading of eight meters that are read together, signed, stored and receipted."""


def key_of(meter: str) -> bytes:
    return meter.encode().ljust(16)


class Gate:
    """A gateway of three ciphered meters on an injected clock."""

    def __init__(self, settings: Config, outbox: Outbox, vault: GatewayVault) -> None:
        self.now = QUARTER + 31
        self.outbox = outbox
        self.vault = vault
        self.meters: list[MemoryMeter] = []
        self.urls: list[str] = []
        self.together = Together(outbox.put_all)
        self.site = Site(
            poll=POLL,
            outbox=outbox,
            signer=open_signer(settings.key),
            software=bytes(32),
            now_ms=lambda: self.now * 1000,
            reference=lambda: ClockSource.NTP,
            uptime=lambda: Uptime(boot="boot", ms=self.now * 1000),
            salt=lambda: os.urandom(16),
            together=self.together,
        )
        for meter in settings.meters:
            self.meters.append(MemoryMeter(self.site, meter))
            self.urls.append(meter.url)
        outbox.take_along(vault.journal)

    async def poll(self) -> int:
        """One look at every meter; gives how many batches that were."""
        return sum(await asyncio.gather(*map(self._look, self.meters, self.urls)))

    async def _look(self, meter: MemoryMeter, url: str) -> int:
        with self.together.looking():
            reader = open_reader(url, self.vault)
            assert isinstance(reader, Reader)
            async with reader:
                return (await meter.look(reader)).batches


@pytest.fixture
def steps() -> Counter[str]:
    return Counter()


@pytest.fixture
async def gate(tmp_path: Path, discom: Discom, steps: Counter[str]) -> AsyncIterator[Gate]:
    clock: list[Gate] = []

    def device(number: int, meter: str) -> Device:
        return Device(
            Meter(MeterSpec(serial=f"1234567{number}", days=2), Home(seed=7, array_w=5000)),
            now=lambda: clock[0].now,
            access=Access(keys=Keys(encryption=key_of(meter), authentication=AK), ciphering=Ciphering.REQUIRED),
        )

    def count(step: str) -> None:
        name, _, stage = step.partition(":")
        steps[name] += stage == "committed"

    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serve_device(device(at, meter))) for at, meter in enumerate(METERS)]
        path = tmp_path / "agent.toml"
        path.write_text(_configuration(discom, ports))
        assert main(["init", "--config", str(path)]) == 0
        settings = load(path)
        outbox = stack.enter_context(Outbox(settings.database, capacity=settings.capacity, hook=count))
        vault = stack.enter_context(
            GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: QUARTER, hook=count)
        )
        public = open_wrapping_key(settings.wrapping_key).public
        for meter in METERS:
            keys = {
                Role.ENCRYPTION: Secret(key_of(meter)),
                Role.AUTHENTICATION: Secret(AK),
                Role.LLS: Secret(DEFAULT_PASSWORD),
            }
            vault.take_in(parse(seal(meter, keys, public), "file"), who="A. Rao")
        clock.append(Gate(settings, outbox, vault))
        yield clock[0]


def _configuration(discom: Discom, ports: list[int]) -> str:
    def meter(at: int) -> str:
        url = f"dlms+tcp://127.0.0.1:{ports[at]}?client=32&auth=lls&suite=0&keys=store:{METERS[at]}&title=53414b0000000001"
        return f'[[meter]]\nid = "{METERS[at]}"\nserial = "1234567{at}"\nurl = "{url}"\nbackfill_days = 1\n'

    head = text(discom, port=1).partition("[[meter]]")[0]
    return head + "".join(meter(at) for at in range(len(METERS)))


async def test_the_polls_of_all_meters_are_one_durable_step_and_its_receipts_another(
    gate: Gate, discom: Discom, steps: Counter[str]
) -> None:
    while await gate.poll():
        gate.now += 1
    steps.clear()
    for _ in range(ROUNDS):
        gate.now += 900
        assert await gate.poll() == len(METERS)
        pending = to_send(gate.outbox)
        gate.outbox.settle(
            settle_of(discom.answer(*(Up(each.envelope, each.opening, 0) for each in pending))), gate.now
        )
    assert {name: count for name, count in steps.items() if count} == {"put": ROUNDS, "settle": ROUNDS}


async def test_what_a_meter_has_proven_is_on_disk_with_the_batch_that_it_gave(gate: Gate) -> None:
    await gate.poll()
    gate.now += 900
    await gate.poll()
    rows = gate.outbox._database.all("SELECT verified, heard FROM invocation_counter ORDER BY meter")
    assert len(rows) == len(METERS)
    held = sorted(gate.vault.journal._held.values(), key=lambda each: each.meter)
    # All that was heard before the batch was signed; the release comes after it.
    assert all(each.verified - row[0] <= 1 for each, row in zip(held, rows, strict=True))  # type: ignore[operator]


@pytest.fixture
def eight(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, meters=[f"M{number}" for number in range(8)])


def test_the_pages_of_a_reading_are_few(eight: Gateway, discom: Discom) -> None:
    meters = [f"M{number}" for number in range(8)]
    log = eight.path.with_name("agent.db-wal")
    with eight.open() as outbox:
        assert outbox._database.one("PRAGMA page_size") == (PAGE_SIZE,)

        def poll(block: int) -> None:
            outbox.put_all([eight.entry(draft(block, meter=meter)) for meter in meters])
            ups = [Up(each.envelope, each.opening, 0) for each in to_send(outbox)]
            outbox.settle(settle_of(discom.answer(*ups)), block)

        for block in range(10):
            poll(block)
        before = log.stat().st_size
        for block in range(10, 30):
            poll(block)
        written = log.stat().st_size - before
    assert written / (20 * len(meters)) <= MOST_LOG_A_READING
