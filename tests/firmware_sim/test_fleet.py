"""`sakshi-sim fleet`: as many meters as asked, each on its port, all read at once by the agent's reader."""

import asyncio
import errno
import resource
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from edge_agent.cli import main as agent
from edge_agent.config import load
from edge_agent.errors import MeterRefusedError
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.readers.dlms.security import Secret
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.registers import IMPORT_BLOCK, Origin
from edge_agent.vault import GatewayVault
from firmware_sim.cli import main
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, TEST_AK, TEST_EK, TEST_HLS_SECRET
from firmware_sim.dlms.device import Device
from firmware_sim.errors import SetupError
from firmware_sim.fleet import MOST_METERS, allow_files
from firmware_sim.sibling import Family, serial_of
from signing.interval import Interval, floor_to_block, parse_instant
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import text
from tests.firmware_sim.processes import simulator

NOW = "2026-04-26T12:07:31+05:30"
METERS = 40
CIPHERED = 3


@asynccontextmanager
async def fleet(*arguments: str) -> AsyncIterator[range]:
    """A fleet in its own process; gives its ports."""
    async with simulator("fleet", *arguments) as place:
        assert place.startswith("127.0.0.1:")
        first, last = place.rpartition(":")[2].split("-")
        yield range(int(first), int(last) + 1)


@pytest.mark.parametrize(
    ("options", "scheme", "keys"), [((), "dlms+tcp", ""), (("--hdlc",), "dlms+hdlc+tcp", "&physical=17")]
)
async def test_every_meter_of_a_fleet_is_read_at_once(
    tmp_path: Path, options: tuple[str, ...], scheme: str, keys: str
) -> None:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    end = floor_to_block(parse_instant(NOW, "now"), 900)

    async def hour(port: int) -> tuple[str | None, list[int | None]]:
        url = f"{scheme}://127.0.0.1:{port}?client=32&timeout=60&password=file:{tmp_path}/lls{keys}"
        async with open_reader(url) as reader:
            assert isinstance(reader, Reader)
            serial = (await reader.identity()).serial
            rows = await reader.block_rows(Interval(end - 3600, end))
            return serial, [row.values[IMPORT_BLOCK].raw for row in rows]

    arguments = ["--listen", "127.0.0.1:0", "--meters", str(METERS), "--now", NOW, "--days", "3", *options]
    async with fleet(*arguments, "--first", "7", "--seed", "3") as ports:
        assert len(ports) == METERS
        read = await asyncio.gather(*(hour(port) for port in ports))
    assert [serial for serial, _ in read] == [serial_of(7 + place) for place in range(METERS)]
    family = Family(seed=3, period_s=900, days=3)
    for place, (_, energies) in enumerate(read):
        meter = family.meter(7 + place)
        assert energies == [meter.block(end - 900 * back, 900).energies.imported_wh for back in (4, 3, 2, 1)]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[GatewayVault]:
    """A gateway that holds the keys of the first meters of a fleet."""
    path = tmp_path / "agent.toml"
    path.write_text(text(Discom(tmp_path), port=1))
    assert agent(["init", "--config", str(path)]) == 0
    settings = load(path)
    shared = {
        Role.AUTHENTICATION: Secret(TEST_AK),
        Role.HLS: Secret(TEST_HLS_SECRET),
        Role.LLS: Secret(DEFAULT_PASSWORD),
    }
    at = parse_instant(NOW, "now")
    with GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: at) as opened:
        public = open_wrapping_key(settings.wrapping_key).public
        for place in range(CIPHERED):
            keys = shared | {Role.ENCRYPTION: Secret(TEST_EK[:12] + bytes([0, 0, 0, place]))}
            opened.take_in(parse(seal(f"M{place}", keys, public), "file"), who="A. Rao")
        yield opened


@pytest.mark.parametrize(
    ("options", "query"),
    [
        (("--suite0", "required"), "client=32&auth=lls"),
        (("--suite0", "required", "--hls", "5", "--model", "d2"), "client=48&auth=hls5"),
        (("--suite0", "optional", "--hls", "2", "--hdlc"), "client=48&auth=hls2&physical=17"),
    ],
)
async def test_every_meter_of_a_ciphered_fleet_has_a_key_a_title_and_counters_of_its_own(
    vault: GatewayVault, options: tuple[str, ...], query: str
) -> None:
    scheme = "dlms+hdlc+tcp" if "--hdlc" in options else "dlms+tcp"

    async def read(place: int, port: int) -> tuple[str | None, Decimal | None, Origin]:
        url = f"{scheme}://127.0.0.1:{port}?{query}&suite=0&keys=store:M{place}&title=53414b0000000001&timeout=60"
        async with open_reader(url, vault) as reader:
            assert isinstance(reader, Reader)
            return (await reader.identity()).serial, (await reader.registers()).imported_wh, reader.origin

    at, family = parse_instant(NOW, "now"), Family(seed=1, period_s=900, days=1)
    arguments = ["--listen", "127.0.0.1:0", "--meters", str(CIPHERED), "--now", NOW, "--days", "1"]
    async with fleet(*arguments, *options) as ports:
        for _ in range(2):
            found = await asyncio.gather(*(read(place, port) for place, port in enumerate(ports)))
            for place, (serial, imported, origin) in enumerate(found):
                assert (serial, origin) == (serial_of(place), Origin.GMAC)
                # The meter's clock goes on while it is read.
                assert imported is not None
                assert 0 <= imported - family.meter(place).registers(at).imported_wh < 100


async def test_a_fleet_may_be_locked_with_another_password(tmp_path: Path) -> None:
    (tmp_path / "right").write_bytes(b"monsoon-7")
    (tmp_path / "wrong").write_bytes(DEFAULT_PASSWORD)
    async with fleet("--listen", "127.0.0.1:0", "--meters", "1", "--now", NOW, "--password", "monsoon-7") as ports:
        at = f"dlms+tcp://127.0.0.1:{ports[0]}?client=32&password=file:{tmp_path}"
        async with open_reader(f"{at}/right") as reader:
            assert (await reader.identity()).serial == serial_of(0)
        with pytest.raises(MeterRefusedError, match="password"):
            async with open_reader(f"{at}/wrong"):
                pass


async def test_a_fault_befalls_every_meter_of_a_fleet(tmp_path: Path) -> None:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    async with fleet("--listen", "127.0.0.1:0", "--meters", "2", "--now", NOW, "--fault", "lifo") as ports:
        for port in ports:
            async with open_reader(f"dlms+tcp://127.0.0.1:{port}?client=32&password=file:{tmp_path}/lls") as reader:
                assert isinstance(reader, Reader)
                assert (await reader.layout()).newest_first


async def test_two_fleets_of_a_thousand_find_rows_of_ports_beside_each_other_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    arguments = ["--listen", "127.0.0.1:0", "--meters", "1000", "--now", NOW]
    async with fleet(*arguments) as some, fleet(*arguments, "--first", "1000", "--hdlc") as others:
        assert not set(some) & set(others)
        assert len(some) == len(others) == 1000
        for port, scheme, number in ((some[-1], "dlms+tcp", 999), (others[-1], "dlms+hdlc+tcp", 1999)):
            keys = "&physical=17" if "hdlc" in scheme else ""
            async with open_reader(
                f"{scheme}://127.0.0.1:{port}?client=32&password=file:{tmp_path}/lls{keys}"
            ) as reader:
                assert (await reader.identity()).serial == serial_of(number)


def test_a_meter_of_a_fleet_takes_less_than_a_quarter_of_a_megabyte() -> None:
    """Two thousand of them then take half a gigabyte at most, which this size of machine has."""
    family = Family(seed=1, period_s=900, days=40)
    for number in range(32):  # the homes, which all meters share
        family.meter(number).registers(parse_instant(NOW, "now"))
    tracemalloc.start()
    try:
        kept = [Device(family.meter(number), now=lambda: 0) for number in range(32, 52)]
        assert tracemalloc.get_traced_memory()[0] / len(kept) < 250_000
    finally:
        tracemalloc.stop()


def test_everything_wrong_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--listen", "x", "--meters", "0", "--first", "-", "--seed", "-", "--days", "0", "--period", "1"]
    secure = ["--model", "d9", "--suite0", "x", "--protection", "x", "--hls", "9", "--ek", "x", "--password", ""]
    assert main(["fleet", *wrong, *secure, "--now", "x", "--fault", "gremlins"]) == 2
    told = capsys.readouterr().err
    for option in ("listen", "meters", "first", "seed", "days", "period", "now", "fault", *secure[::2]):
        assert f"sakshi-sim: --{option.removeprefix('--')}: " in told


def test_the_last_port_is_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "--listen", "127.0.0.1:65530", "--meters", "7"]) == 2
    assert "expected a port up to 65529 for 7 meters" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["fleet", "--listen", address, "--meters", "1", "--now", NOW]) == 1
    assert str(errno.EADDRINUSE) in capsys.readouterr().err


def test_files_enough_for_every_meter_are_allowed_or_it_is_told() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] < allow_files(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == allow_files(100)
        if before[1] != resource.RLIM_INFINITY:
            with pytest.raises(SetupError, match="open files"):
                allow_files(before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert MOST_METERS >= 2000
