"""Simulated meters push to an agent over real sockets: it reads them at once, once, and nobody else can make it."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from deploy.demo import ports
from edge_agent.agent import Agent
from edge_agent.cli import main
from edge_agent.config import Config, load
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.outbox.outbox import Outbox
from edge_agent.push_desk import Refusal
from edge_agent.readers.dlms.security import Secret
from edge_agent.readers.open import open_reader
from edge_agent.vault import GatewayVault
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import parse_dlms_fault, spoil
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.notification import Notifier
from firmware_sim.dlms.push import push_once, pushing
from firmware_sim.dlms.push_setup import Push
from firmware_sim.dlms.server import serve_device
from firmware_sim.faults import Outage
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant
from signing.signer import open_signer
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import text

QUARTER = parse_instant("2026-04-26T12:15:00+05:30", "a boundary")
SERIALS = {"M1": "12345678", "M2": "12345679"}
AK = bytes(range(16))
EARLY_S = 15
"""Real seconds within which something happens that the schedule would have done after more than that."""


def key_of(meter: str) -> bytes:
    """Every meter has its own."""
    return meter.encode().ljust(16, b"\x01")


class World:
    """Two meters and their agent, and the one clock of all three, which stands still until a test moves it."""

    def __init__(self, settings: Config, outbox: Outbox, vault: GatewayVault, devices: dict[str, Device]) -> None:
        self.now = QUARTER - 10
        self.push_port = 0 if settings.push is None or settings.push.tcp is None else settings.push.tcp.port
        self.outbox = outbox
        self.devices = devices
        self.agent = Agent(
            settings,
            outbox,
            open_signer(settings.key),
            lambda url: open_reader(url, vault),
            lambda: float(self.now),
            push_vault=vault,
        )

    def has_block(self, meter: str, end_utc: int) -> bool:
        """Whether the block that ends there is signed."""
        return end_utc - 900 in self.outbox.memory.known(meter, end_utc - 900)

    @property
    def refusals(self) -> Counter[Refusal]:
        assert self.agent._pushes is not None
        return self.agent._pushes.refusals

    def notifier(self, meter: str = "M1", *, is_ciphered: bool = True) -> Notifier:
        device = self.devices[meter]
        return Notifier(device, device.access.keys if is_ciphered else None)

    async def push(self, notifier: Notifier, push: Push = Push.INSTANT) -> None:
        assert await push_once(notifier, "127.0.0.1", self.push_port, push)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Waits until then, for as long as nothing happens by the schedule."""
        async with asyncio.timeout(EARLY_S):
            while not is_so():  # noqa: ASYNC110 - what is waited for is in a database, or a count
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The agent runs, and has read all of the past."""
        task = asyncio.create_task(self.agent.run())
        try:
            await self.until(lambda: all(self.has_block(meter, QUARTER - 900) for meter in SERIALS))
            await self.until(self._can_listen)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _can_listen(self) -> bool:
        assert self.agent._pushes is not None
        return self.agent._pushes._listener is not None


def device(meter: str, now: Callable[[], int], *faults: str) -> Device:
    dark = Outage(start=QUARTER - 1800, end=QUARTER, zero_rows=True)
    made = Device(
        Meter(MeterSpec(serial=SERIALS[meter], days=2), Home(seed=7, array_w=5000), (dark,)),
        now=now,
        access=Access(keys=Keys(encryption=key_of(meter), authentication=AK), ciphering=Ciphering.REQUIRED),
    )
    return spoil(made, [parse_dlms_fault(fault) for fault in faults])


@pytest.fixture
def free_port() -> int:
    return ports.reserve()


@pytest.fixture
def faults() -> tuple[str, ...]:
    """Of the first meter; tests name others."""
    return ()


@pytest.fixture
async def world(tmp_path: Path, free_port: int, faults: tuple[str, ...]) -> AsyncIterator[World]:
    clock: list[World] = []
    devices = {meter: device(meter, lambda: clock[0].now, *(faults if meter == "M1" else ())) for meter in SERIALS}
    async with serve_device(devices["M1"]) as first, serve_device(devices["M2"]) as second:
        with _agent(tmp_path, free_port, devices, (first, second)) as made:
            clock.append(made)
            async with made.running():
                yield made


@contextmanager
def _agent(directory: Path, push_port: int, devices: dict[str, Device], ports: tuple[int, int]) -> Iterator[World]:
    path = directory / "agent.toml"
    path.write_text(_configuration(Discom(directory), push_port, devices, ports))
    assert main(["init", "--config", str(path)]) == 0
    settings = load(path)
    public = open_wrapping_key(settings.wrapping_key).public
    with (
        Outbox(settings.database, capacity=settings.capacity) as outbox,
        GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: QUARTER) as vault,
    ):
        for meter in SERIALS:
            keys = {
                Role.ENCRYPTION: Secret(key_of(meter)),
                Role.AUTHENTICATION: Secret(AK),
                Role.LLS: Secret(DEFAULT_PASSWORD),
            }
            vault.take_in(parse(seal(meter, keys, public), "file"), who="A. Rao")
        yield World(settings, outbox, vault, devices)


def _configuration(discom: Discom, push_port: int, devices: dict[str, Device], ports: tuple[int, int]) -> str:
    def url(meter: str, port: int) -> str:
        return f"dlms+tcp://127.0.0.1:{port}?client=32&auth=lls&suite=0&keys=store:{meter}&title=53414b0000000001"

    titles = {meter: f'backfill_days = 1\npush_title = "{devices[meter].title.hex()}"\n' for meter in SERIALS}
    second = f'[[meter]]\nid = "M2"\nserial = "{SERIALS["M2"]}"\nurl = "{url("M2", ports[1])}"\n{titles["M2"]}'
    push = f'[push]\ntcp = "127.0.0.1:{push_port}"\n'
    made = text(discom, port=1, url=url("M1", ports[0]), extra=titles["M1"] + second + push)
    return made.replace('serial = "SERIAL1"', f'serial = "{SERIALS["M1"]}"')


async def test_a_push_at_the_end_of_a_block_has_it_signed_before_its_time_and_no_other_meters(world: World) -> None:
    world.now = QUARTER + 1
    async with pushing(world.notifier(), "127.0.0.1", world.push_port, interval_s=None, beat_s=0.01):
        await asyncio.sleep(0)  # the meter has seen its clock
        world.now = QUARTER + 900 + 1
        await world.until(lambda: world.has_block("M1", QUARTER + 900))
    # It is signed 29 s before the schedule would have asked for it: the other meter's is not.
    assert not world.has_block("M2", QUARTER + 900)
    assert world.refusals == Counter()


async def test_an_alert_is_told_and_has_the_meter_read(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.now = QUARTER + 1
    with caplog.at_level(logging.WARNING, "sakshi"):
        await world.push(world.notifier(), Push.ALERT)
        await world.until(lambda: world.has_block("M1", QUARTER))
    assert not world.has_block("M2", QUARTER)
    (alert,) = (record for record in caplog.records if record.message == "meter alert")
    told = alert.journal_fields  # type: ignore[attr-defined]  # put there by `journal.fields`
    assert (told["meter"], told["events"]) == ("M1", "first breath")


@pytest.mark.parametrize("faults", [("push-replayed",)])
async def test_a_replayed_push_is_refused_and_counted(world: World) -> None:
    world.now = QUARTER + 1
    notifier = world.notifier()
    await world.push(notifier)
    await world.until(lambda: world.has_block("M1", QUARTER))
    await world.until(lambda: world.refusals[Refusal.REPLAYED] == 1)
    await world.push(notifier)
    await world.until(lambda: world.refusals[Refusal.REPLAYED] == 2)
    assert world.refusals.total() == 2


@pytest.mark.parametrize("faults", [("push-wrong-tag",)])
async def test_a_push_under_a_wrong_tag_has_nothing_read(world: World) -> None:
    world.now = QUARTER + 1
    await world.push(world.notifier())
    await world.until(lambda: world.refusals[Refusal.FORGED] == 1)
    # What comes after it from the other meter is served, so that the first would have been too.
    await world.push(world.notifier("M2"))
    await world.until(lambda: world.has_block("M2", QUARTER))
    assert not world.has_block("M1", QUARTER)


@pytest.mark.parametrize("faults", [("push-garbage",)])
async def test_garbage_in_place_of_a_push_is_counted_and_hinders_nobody(world: World) -> None:
    world.now = QUARTER + 1
    await world.push(world.notifier())
    await world.until(lambda: world.refusals[Refusal.MALFORMED] == 2)
    await world.push(world.notifier("M2"))
    await world.until(lambda: world.has_block("M2", QUARTER))
    assert not world.has_block("M1", QUARTER)


async def test_a_plain_push_has_no_ciphered_meter_read(world: World) -> None:
    world.now = QUARTER + 1
    await world.push(world.notifier(is_ciphered=False))
    await world.until(lambda: world.refusals[Refusal.PLAIN] == 1)
    await world.push(world.notifier("M2"))
    await world.until(lambda: world.has_block("M2", QUARTER))
    assert not world.has_block("M1", QUARTER)


async def test_one_meters_push_under_its_own_key_is_not_anothers(world: World) -> None:
    world.now = QUARTER + 1
    world.devices["M1"].title = world.devices["M2"].title
    await world.push(world.notifier())
    await world.until(lambda: world.refusals[Refusal.FORGED] == 1)
    assert not world.has_block("M2", QUARTER)
