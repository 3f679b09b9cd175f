"""`sakshi-sim modbus`: many meters on one line, and everything wrong at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from firmware_sim.cli import main
from tests.firmware_sim.processes import simulator

NOW = "2026-11-19T12:07:30+05:30"


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[str]:
    """A simulator process; gives its place."""
    async with simulator("modbus", "--now", NOW, *arguments) as place:
        yield place


async def test_many_units_share_a_pseudo_terminal_each_a_meter_of_its_own() -> None:
    async with running("--map", "pm2xxx", "--pty", "--unit", "1,2,9", "--role", "seller") as path:
        assert path.startswith("/dev/")
        client = AsyncModbusSerialClient(path, timeout=1, retries=0)
        await client.connect()
        told = [(await client.read_holding_registers(3203, count=4, device_id=unit)).registers for unit in (1, 2, 9)]
        serials = [(await client.read_holding_registers(129, count=2, device_id=unit)) for unit in (1, 2, 9)]
        client.close()
    assert len({tuple(words) for words in told}) == 3
    assert all(serial.exception_code == 2 for serial in serials)


async def test_units_over_tcp_stand_behind_one_port() -> None:
    async with running("--map", "sdm630", "--listen", "127.0.0.1:0", "--unit", "1,2") as place:
        client = AsyncModbusTcpClient("127.0.0.1", port=int(place.rpartition(":")[2]), timeout=2, retries=0)
        await client.connect()
        serials = [
            client.convert_from_registers(
                (await client.read_holding_registers(0xFC00, count=2, device_id=unit)).registers, client.DATATYPE.UINT32
            )
            for unit in (1, 2)
        ]
        assert serials == [40_000_001, 40_000_002]
        assert (await client.read_holding_registers(0xFC00, count=2, device_id=3)).exception_code == 11
        client.close()


async def test_a_line_fault_is_told_to_the_line() -> None:
    async with running("--map", "sdm630", "--listen", "127.0.0.1:0", "--line-fault", "slow=0.2") as place:
        incoming, outgoing = await asyncio.open_connection("127.0.0.1", int(place.rpartition(":")[2]))
        loop = asyncio.get_running_loop()
        asked = loop.time()
        outgoing.write(bytes.fromhex("000100000006010400480002"))
        await incoming.readexactly(13)
        assert loop.time() - asked >= 0.2
        outgoing.close()
        await outgoing.wait_closed()


def test_noise_is_a_serial_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A turned bit that TCP would have kept away is no test of a reader."""
    (problem,) = wrong(capsys, "--map", "sdm630", "--listen", "127.0.0.1:0", "--line-fault", "noisy")
    assert "--line-fault: noisy needs --pty or --serial-port" in problem


def wrong(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["modbus", *arguments]) == 2
    return capsys.readouterr().err.splitlines()


def test_everything_wrong_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    problems = wrong(
        capsys, "--map", "sdm999", "--unit", "1,1", "--others", "loud", "--baud", "9601", "--line-fault", "late", "--pty",
        "--serial-port", "/dev/ttyS0",
    )  # fmt: skip
    for name in ("--map", "--unit", "--others", "--baud", "--line-fault", "--listen"):
        assert sum(f"{name}: expected" in line or f"{name}: give" in line for line in problems) == 1, problems
    assert len(problems) == 6


@pytest.mark.parametrize(
    "places", [[], ["--pty", "--listen", "127.0.0.1:0"], ["--serial-port", "/dev/x", "--listen", "127.0.0.1:0"]]
)
def test_a_meter_stands_in_one_place(places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (problem,) = wrong(capsys, "--map", "sdm630", *places)
    assert "give one of --listen HOST:PORT, --pty and --serial-port PATH" in problem


def test_a_line_carries_thirty_two_units(capsys: pytest.CaptureFixture[str]) -> None:
    (problem,) = wrong(capsys, "--map", "sdm630", "--pty", "--unit", ",".join(str(unit) for unit in range(1, 34)))
    assert "at most 32 unit ids" in problem


def test_a_port_that_is_not_there_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modbus", "--map", "sdm630", "--serial-port", "/dev/nothing", "--now", NOW]) == 1
    assert "/dev/nothing" in capsys.readouterr().err
