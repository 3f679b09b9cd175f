"""Slaves on a pseudo-terminal: frames end with a silence, and independent masters read them."""

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from firmware_sim.errors import SetupError
from firmware_sim.modbus.line_faults import Late, Slow
from firmware_sim.modbus.rtu import Slaves, crc
from firmware_sim.modbus.serial import LEAST_GAP_S, LineSpeed, serve_port, serve_pty
from firmware_sim.modbus.server import MAPS, serve
from firmware_sim.modbus.table import HOLDING, Table, fixed
from tests.firmware_sim.meters import NOW, now, seller, solar
from tests.system import require

SLAVES = Slaves({5: Table(values={HOLDING: {0: fixed(b"\x12\x34")}})}, now=lambda: 0)
ASK = bytes.fromhex("050300000001") + crc(bytes.fromhex("050300000001"))
TOLD = bytes.fromhex("0503021234") + crc(bytes.fromhex("0503021234"))


@contextlib.asynccontextmanager
async def master(path: str) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A reader on the other end, and the descriptor to write to."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(descriptor), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        yield reader, descriptor
    finally:
        transport.close()
        os.close(descriptor)
        await asyncio.sleep(0)


async def told(reader: asyncio.StreamReader, octets: int, within_s: float = 2) -> bytes:
    return await asyncio.wait_for(reader.readexactly(octets), within_s)


async def test_a_frame_is_answered_after_its_silence() -> None:
    async with serve_pty(SLAVES) as path, master(path) as (reader, line):
        os.write(line, ASK[:3])
        os.write(line, ASK[3:])
        assert await told(reader, len(TOLD)) == TOLD


async def test_a_pause_inside_a_frame_breaks_it_and_the_next_one_is_heard() -> None:
    async with serve_pty(SLAVES) as path, master(path) as (reader, line):
        os.write(line, ASK[:3])
        await asyncio.sleep(5 * LEAST_GAP_S)
        os.write(line, ASK[3:])
        await asyncio.sleep(5 * LEAST_GAP_S)
        os.write(line, ASK)
        assert await told(reader, len(TOLD)) == TOLD
        with pytest.raises(TimeoutError):
            await told(reader, 1, within_s=0.05)


async def test_two_frames_without_a_silence_between_are_none() -> None:
    async with serve_pty(SLAVES) as path, master(path) as (reader, line):
        os.write(line, ASK + ASK)
        with pytest.raises(TimeoutError):
            await told(reader, 1, within_s=0.1)


async def test_a_slow_line_answers_late() -> None:
    loop = asyncio.get_running_loop()
    async with serve_pty(SLAVES, faults=(Slow(seconds=0.1),)) as path, master(path) as (reader, line):
        started = loop.time()
        os.write(line, ASK)
        assert await told(reader, len(TOLD)) == TOLD
        assert loop.time() - started >= 0.1


async def test_a_line_that_closes_takes_its_late_answers_with_it() -> None:
    async with serve_pty(SLAVES, faults=(Late(0.05),)) as path, master(path) as (_, line):
        os.write(line, ASK)
        await asyncio.sleep(4 * LEAST_GAP_S)
    await asyncio.sleep(0.06)


def test_a_silence_is_three_and_a_half_characters() -> None:
    assert LineSpeed(baud=1200, parity="E").gap_s == pytest.approx(3.5 * 11 / 1200)
    assert LineSpeed(baud=1200).gap_s == pytest.approx(3.5 * 10 / 1200)
    assert LineSpeed(baud=115200).gap_s == LEAST_GAP_S
    for wrong in ({"baud": 9601}, {"parity": "X"}):
        with pytest.raises(SetupError, match="expected a baud"):
            LineSpeed(**wrong)


async def test_a_serial_port_is_served_as_it_is(tmp_path: Path) -> None:
    async with serve_pty(Slaves({}, now=now)) as path, serve_port(SLAVES, path, speed=LineSpeed(baud=19200)) as same:
        assert same == path
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="expected a serial port"):
        async with serve_port(SLAVES, str(tmp_path / "file")):
            pass


@contextlib.asynccontextmanager
async def modbus_master(path: str) -> AsyncIterator[AsyncModbusSerialClient]:
    client = AsyncModbusSerialClient(path, baudrate=115200, timeout=0.3, retries=0, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


def whole(kwh: int) -> float:
    return float(struct.unpack(">f", struct.pack(">f", kwh / 1000))[0])


async def test_pymodbus_reads_several_units_on_one_line_and_hears_nothing_of_others() -> None:
    units = {3: MAPS["sdm630"](solar(), 3), 4: MAPS["iem3155"](seller(), 4)}
    async with serve_pty(Slaves(units, now=now)) as path, modbus_master(path) as client:
        exported = await client.read_input_registers(0x4A, count=2, device_id=3)
        assert client.convert_from_registers(exported.registers, client.DATATYPE.FLOAT32) == whole(
            solar().registers(NOW).exported_wh or 0
        )
        imported = await client.read_holding_registers(3203, count=4, device_id=4)
        assert (
            client.convert_from_registers(imported.registers, client.DATATYPE.INT64)
            == seller().registers(NOW).imported_wh
        )
        with pytest.raises(ModbusIOException):
            await client.read_holding_registers(3203, count=4, device_id=5)


async def mbpoll(*arguments: str) -> dict[int, str]:
    """What mbpoll (libmodbus) reads, by register."""
    process = await asyncio.create_subprocess_exec(
        require("mbpoll"), "-0", "-1", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, (output + errors).decode()
    lines = (line for line in output.decode().splitlines() if line.startswith("["))
    return {int(line[1 : line.index("]")]): line.split(":", 1)[1].strip() for line in lines}


@contextlib.asynccontextmanager
async def through_socat(path: str, link: Path) -> AsyncIterator[str]:
    """A second pseudo-terminal that socat joins to `path`: the meter's line as another program's port."""
    process = await asyncio.create_subprocess_exec(
        require("socat"), f"PTY,raw,echo=0,link={link}", f"{path},raw,echo=0", stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(10):
            while not os.path.lexists(link):  # noqa: ASYNC110, ASYNC240 - another program's file has no event
                await asyncio.sleep(0.01)
        yield str(link)
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.system
@pytest.mark.parametrize(
    ("model", "arguments", "export_wh"),
    [
        ("sdm630", ["-t", "3:float", "-B", "-r", "74"], 0.5),
        ("adl400", ["-t", "4:int", "-B", "-r", "2134"], 100),
        ("dtsu666", ["-t", "4:float", "-B", "-r", "4136"], 0.5),
        ("sunspec203", ["-t", "4:int", "-B", "-r", "40108"], 10),
        ("sunspec213", ["-t", "4:float", "-B", "-r", "40130"], 0.5),
    ],
)
async def test_libmodbus_reads_the_same_over_a_serial_line_and_over_tcp(
    model: str, arguments: list[str], export_wh: float, tmp_path: Path
) -> None:
    registers = MAPS[model](solar(), 9)
    line = ["-m", "rtu", "-b", "9600", "-P", "none", "-o", "2", "-a", "9", "-c", "1", *arguments]
    async with (
        serve_pty(Slaves({9: registers}, now=now)) as path,
        through_socat(path, tmp_path / "port") as port,
        serve(registers, now=now, unit=9) as tcp_port,
    ):
        over_serial = await mbpoll(*line, port)
        over_tcp = await mbpoll("-m", "tcp", "-p", str(tcp_port), "-a", "9", "-c", "1", *arguments, "127.0.0.1")
    assert over_serial == over_tcp
    (text,) = over_serial.values()
    scale = {0.5: 1 if model == "sunspec213" else 1000}.get(export_wh, export_wh)
    assert float(text) * scale == pytest.approx(solar().registers(NOW).exported_wh, rel=1e-5, abs=export_wh)


async def test_a_tcp_gateway_serves_several_units_with_faults() -> None:
    loop = asyncio.get_running_loop()
    async with serve(MAPS["pm2xxx"](seller(), 1), now=now, faults=(Slow(seconds=0.1),)) as port:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
        await client.connect()
        started = loop.time()
        answer = await client.read_holding_registers(3203, count=4, device_id=1)
        assert loop.time() - started >= 0.1
        assert client.convert_from_registers(answer.registers, client.DATATYPE.INT64) == (
            seller().registers(NOW).imported_wh
        )
        client.close()
