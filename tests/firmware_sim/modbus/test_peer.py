"""Independent clients, pymodbus and mbpoll, against the meter over TCP."""

import asyncio
import struct

import pytest
from pymodbus.client import AsyncModbusTcpClient

from firmware_sim.modbus.sdm630 import Sdm630
from firmware_sim.modbus.server import MAPS, serve
from tests.firmware_sim.meters import NOW, now, solar
from tests.system import require


def exported_wh() -> int:
    wh = solar().registers(NOW).exported_wh
    assert wh is not None
    return wh


async def test_pymodbus_reads_energies_and_serial() -> None:
    async with serve(Sdm630(solar(), 1), now=now) as port:
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        energies = await client.read_input_registers(0x48, count=4, device_id=1)
        assert client.convert_from_registers(energies.registers, client.DATATYPE.FLOAT32) == [
            struct.unpack(">f", struct.pack(">f", wh / 1000))[0]
            for wh in (solar().registers(NOW).imported_wh, exported_wh())
        ]
        serial = await client.read_holding_registers(0xFC00, count=2, device_id=1)
        assert client.convert_from_registers(serial.registers, client.DATATYPE.UINT32) == 40_000_001
        client.close()


async def test_pymodbus_is_told_what_it_may_not_ask() -> None:
    async with serve(MAPS["sdm630"](solar(), 5), now=now, unit=5) as port:
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        assert (await client.read_input_registers(0x1000, count=2, device_id=5)).exception_code == 2
        assert (await client.read_coils(0, count=1, device_id=5)).exception_code == 1
        assert (await client.read_input_registers(0x48, count=2, device_id=6)).exception_code == 11
        client.close()


@pytest.mark.system
async def test_mbpoll_reads_the_same() -> None:
    mbpoll = require("mbpoll")
    async with serve(Sdm630(solar(), 1), now=now) as port:
        command = f"{mbpoll} -m tcp -p {port} -a 1 -t 3:float -B -0 -r 74 -c 1 -1 127.0.0.1"
        process = await asyncio.create_subprocess_exec(*command.split(), stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    assert process.returncode == 0
    line = next(line for line in output.decode().splitlines() if line.startswith("[74]"))
    assert float(line.split()[1]) == pytest.approx(exported_wh() / 1000, rel=1e-5)
