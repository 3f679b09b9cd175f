"""libmodbus, an independent master in C, against the simulated meters: over TCP, and over a serial line."""

import asyncio
import struct

import pytest

from firmware_sim.modbus.rtu import Slaves
from firmware_sim.modbus.sdm630 import Sdm630
from firmware_sim.modbus.serial import serve_pty
from firmware_sim.modbus.server import MAPS, serve, serve_units
from tests.firmware_sim.meters import NOW, now, seller, solar
from tests.libmodbus import LibmodbusError, Master, rtu_master, tcp_master

pytestmark = pytest.mark.system


def exported_wh() -> int:
    wh = solar().registers(NOW).exported_wh
    assert wh is not None
    return wh


def read_integers(master: Master) -> tuple[int, int]:
    """Import and export of a Schneider meter, whole Wh."""
    words = master.holding(3203, 8)
    first, last = struct.unpack(">qq", struct.pack(">8H", *words))
    return first, last


async def test_it_reads_floats_and_serial_over_tcp() -> None:
    def read(port: int) -> tuple[float, int]:
        with tcp_master(port) as master:
            (_, exported) = struct.unpack(">ff", struct.pack(">4H", *master.inputs(0x48, 4)))
            (serial,) = struct.unpack(">I", struct.pack(">2H", *master.holding(0xFC00, 2)))
        return exported, serial

    async with serve(Sdm630(solar(), 1), now=now) as port:
        exported, serial = await asyncio.to_thread(read, port)
    assert exported == struct.unpack(">f", struct.pack(">f", exported_wh() / 1000))[0]
    assert serial == 40_000_001


async def test_it_reads_whole_numbers_over_a_serial_line_and_each_unit_for_itself() -> None:
    units = {1: MAPS["iem3155"](solar(), 1), 2: MAPS["iem3155"](seller(), 2)}

    def read(path: str, unit: int) -> tuple[int, int]:
        with rtu_master(path, unit) as master:
            return read_integers(master)

    async with serve_pty(Slaves(units, now=now)) as path:
        told = [await asyncio.to_thread(read, path, unit) for unit in units]
    truth = [meter.registers(NOW) for meter in (solar(), seller())]
    assert told == [(each.imported_wh, each.exported_wh) for each in truth]


async def test_it_is_told_what_it_may_not_ask() -> None:
    def refused(port: int, unit: int, address: int) -> int | None:
        with tcp_master(port, unit) as master, pytest.raises(LibmodbusError) as error:
            master.inputs(address, 2)
        return error.value.exception_code

    async with serve_units({5: MAPS["sdm630"](solar(), 5)}, now=now) as port:
        assert await asyncio.to_thread(refused, port, 5, 0x1000) == 2
        assert await asyncio.to_thread(refused, port, 6, 0x48) == 11


async def test_a_unit_that_is_not_on_the_line_says_nothing() -> None:
    def asked(path: str) -> int | None:
        with rtu_master(path, 9) as master, pytest.raises(LibmodbusError, match="timed out") as error:
            master.holding(3203, 8)
        return error.value.exception_code

    async with serve_pty(Slaves({1: MAPS["iem3155"](solar(), 1)}, now=now)) as path:
        assert await asyncio.to_thread(asked, path) is None
