"""A serial port: raw octets both ways, one owner, and a clear word when it is gone. The wire is a pseudo-terminal."""

import asyncio
import contextlib
import os
import termios
import threading
import tty
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from edge_agent.errors import MeterUnavailableError
from edge_agent.readers.dlms.serial_port import SerialSettings, SerialTransport, open_serial
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.registers import Origin
from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.application import Application
from firmware_sim.dlms.ciphering import Counters as MeterCounters
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.hdlc import HdlcServerSession
from firmware_sim.dlms.serial import serve_port, serve_pty
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant
from tests.edge_agent.readers.dlms.ciphered import AK, EK
from tests.edge_agent.readers.test_access import TITLE, OpenVault

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
EVERY_OCTET = bytes(range(256))


@pytest.fixture
def wire() -> Iterator[tuple[int, str]]:
    """The meter's end, and the path of the client's port."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    with contextlib.suppress(OSError):
        yield ours, os.ttyname(theirs)
    for end in (ours, theirs):
        with contextlib.suppress(OSError):
            os.close(end)


@contextlib.asynccontextmanager
async def port_at(path: str, baud: int = 9600, parity: str = "N", stop_bits: int = 1) -> AsyncIterator[SerialTransport]:
    port = await open_serial(SerialSettings(device=path, baud=baud, parity=parity, stop_bits=stop_bits))
    try:
        yield port
    finally:
        await port.close()


async def received(port: SerialTransport, count: int) -> bytes:
    data = b""
    async with asyncio.timeout(5):
        while len(data) < count:
            data += await port.receive()
    return data


async def test_every_octet_goes_through_both_ways(wire: tuple[int, str]) -> None:
    meter, path = wire
    async with port_at(path) as port:
        await port.send(EVERY_OCTET)
        assert os.read(meter, 1000) == EVERY_OCTET
        os.write(meter, EVERY_OCTET)
        assert await received(port, 256) == EVERY_OCTET


async def test_what_does_not_fit_at_once_waits_for_room(wire: tuple[int, str]) -> None:
    meter, path = wire
    async with port_at(path) as port:
        sending = asyncio.create_task(port.send(bytes(200_000)))
        await asyncio.sleep(0.01)
        assert not sending.done()
        taken = 0
        os.set_blocking(meter, False)
        async with asyncio.timeout(20):
            while taken < 200_000:
                with contextlib.suppress(BlockingIOError):
                    taken += len(os.read(meter, 65_536))
                await asyncio.sleep(0)
        await sending


async def test_waiting_for_octets_can_be_cancelled_and_nothing_is_lost(wire: tuple[int, str]) -> None:
    meter, path = wire
    async with port_at(path) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await port.receive()
        os.write(meter, b"later")
        assert await received(port, 5) == b"later"


async def test_octets_that_are_there_already_do_not_hold_the_loop(wire: tuple[int, str]) -> None:
    meter, path = wire
    async with port_at(path) as port:
        os.write(meter, b"noise")
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        assert await port.receive() == b"noise"
        assert turns == [1]


async def test_what_came_before_the_port_was_opened_is_nobodys_answer(wire: tuple[int, str]) -> None:
    meter, path = wire
    os.write(meter, b"stale")
    async with port_at(path) as port:
        os.write(meter, b"fresh")
        assert await received(port, 5) == b"fresh"


@pytest.mark.parametrize(
    ("baud", "parity", "stop_bits", "flags"),
    [
        (9600, "N", 1, termios.CS8),
        (1200, "E", 1, termios.CS8 | termios.PARENB),
        (19200, "O", 2, termios.CS8 | termios.PARENB | termios.PARODD | termios.CSTOPB),
    ],
)
async def test_the_line_is_set_as_asked(
    wire: tuple[int, str], baud: int, parity: str, stop_bits: int, flags: int
) -> None:
    _, path = wire
    async with port_at(path, baud, parity, stop_bits) as port:
        _, _, cflag, _, speed, _, _ = termios.tcgetattr(port._fd())
        # A pseudo-terminal has no parity and says so; everything else is as on a port.
        kept = termios.CSIZE | termios.CSTOPB
        assert cflag & kept == flags & kept
        assert speed == getattr(termios, f"B{baud}")
        assert port._port.parity == parity


async def test_a_port_has_one_owner(wire: tuple[int, str]) -> None:
    _, path = wire
    async with port_at(path):
        with pytest.raises(MeterUnavailableError, match="that no other program holds it"):
            await open_serial(SerialSettings(device=path))
    async with port_at(path):
        pass


@pytest.mark.parametrize("name", ["none", "file"])
async def test_what_is_no_port_is_named_with_its_settings(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MeterUnavailableError, match=rf"cannot open the serial port .*{name} at 9600 8N1: .*check that"):
        await open_serial(SerialSettings(device=str(tmp_path / name)))


async def test_a_port_that_is_pulled_out_is_gone(wire: tuple[int, str]) -> None:
    meter, path = wire
    async with port_at(path) as port:
        waiting = asyncio.create_task(port.receive())
        await asyncio.sleep(0.01)
        os.close(meter)
        with pytest.raises(MeterUnavailableError, match="is gone"):
            async with asyncio.timeout(5):
                await waiting
        with pytest.raises(MeterUnavailableError, match="is gone"):
            await port.send(b"x")


async def test_a_closed_port_is_gone(wire: tuple[int, str]) -> None:
    _, path = wire
    async with port_at(path) as port:
        pass
    await port.close()
    for use in (port.send(b"x"), port.receive()):
        with pytest.raises(MeterUnavailableError, match="is gone"):
            await use


def test_two_names_of_one_device_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "port").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "port")
    lines = {SerialSettings(device=str(tmp_path / name)).line for name in ("port", "by-id")}
    assert lines == {str(tmp_path / "port")}


# Whole readers.


def simulated() -> HdlcServerSession:
    meter = Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000))
    return HdlcServerSession(Application(Device(meter, now=lambda: NOW)))


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    return f"file:{tmp_path}/lls"


async def read_serial(url: str) -> str | None:
    async with open_reader(url) as reader:
        assert isinstance(reader, Reader)
        return (await reader.identity()).serial


async def test_readers_of_one_port_come_one_after_the_other(password: str) -> None:
    async with serve_pty(simulated()) as path:
        url = f"dlms+serial:{path}?password={password}"
        assert await asyncio.gather(*(read_serial(url) for _ in range(3))) == ["12345678"] * 3


async def test_a_reader_that_is_cancelled_leaves_meter_and_port_to_the_next(password: str) -> None:
    async with serve_pty(simulated()) as path:
        url = f"dlms+serial:{path}?password={password}"
        reading = asyncio.Event()

        async def read() -> None:
            async with open_reader(url) as reader:
                assert isinstance(reader, Reader)
                reading.set()
                await asyncio.get_running_loop().create_future()

        task = asyncio.create_task(read())
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await read_serial(url) == "12345678"


async def test_a_port_without_a_meter_is_unavailable_and_left_alone(wire: tuple[int, str]) -> None:
    _, path = wire
    with pytest.raises(MeterUnavailableError, match="no answer to the request to associate within 1 s") as caught:
        await read_serial(f"dlms+serial:{path}?client=16&timeout=1")
    assert (caught.value.retry_after_s or 0) > 120


class LearningVault(OpenVault):
    """Goes on from what the meter accepted last."""

    def learn(self, uri: str, title: bytes, counter: int) -> bool:
        super().learn(uri, title, counter)
        self.counters.own = counter + 1
        return True


async def test_a_stale_counter_is_recovered_over_the_same_port() -> None:
    # The public association, and then the same one again, use the port one after the other.
    meter = Meter(MeterSpec(serial="12345678", days=2), Home(seed=7))
    keys = Access(keys=Keys(encryption=EK, authentication=AK), ciphering=Ciphering.REQUIRED, hls=Mechanism.GMAC)
    device = Device(meter, now=lambda: NOW, access=keys, counters=MeterCounters(accepted={48: 1000}))
    vault = LearningVault(encryption=EK, authentication=AK)
    async with serve_pty(HdlcServerSession(Application(device))) as path:
        url = f"dlms+serial:{path}?client=48&auth=hls5&keys=store:M1&title={TITLE}"
        async with asyncio.timeout(20), open_reader(url, vault) as reader:
            assert isinstance(reader, Reader)
            assert reader.origin is Origin.GMAC
            assert (await reader.identity()).serial == "12345678"
    assert vault.learned == [1000]


async def test_noise_without_end_ends_at_the_deadline(wire: tuple[int, str]) -> None:
    meter, path = wire
    os.set_blocking(meter, False)
    done = threading.Event()

    def flood() -> None:
        while not done.is_set():
            with contextlib.suppress(BlockingIOError):
                os.write(meter, b"\x7e\xa0\x07" + bytes(500))

    noise = threading.Thread(target=flood)
    noise.start()
    try:
        with pytest.raises(MeterUnavailableError, match="no answer to the request to associate within 1 s"):
            async with asyncio.timeout(20):
                await read_serial(f"dlms+serial:{path}?client=16&timeout=1")
    finally:
        done.set()
        noise.join()


@pytest.mark.system
async def test_a_meter_is_read_over_a_line_of_two_ports(cable: tuple[Path, Path], password: str) -> None:
    meter, gateway = cable
    async with serve_port(simulated(), str(meter)):
        assert await read_serial(f"dlms+serial:{gateway}?baud=9600&password={password}") == "12345678"
