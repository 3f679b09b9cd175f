"""Our client at libmodbus, an independent slave in C: over TCP, and over a serial line of two ports."""

import struct
from pathlib import Path

import pytest

from edge_agent.errors import MeterRefusedError, MeterUnavailableError
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import SampledReader
from edge_agent.registers import RegisterSample
from tests.libmodbus import rtu_slave, tcp_slave

pytestmark = pytest.mark.system


def words(address: int, octets: bytes) -> dict[int, int]:
    """`octets` as registers from `address` on."""
    return dict(enumerate(struct.unpack(f">{len(octets) // 2}H", octets), address))


IEM3155 = {**words(129, (12_345_678).to_bytes(4, "big")), **words(3203, struct.pack(">qq", 41_000_123, 7_000_456))}
ADL400 = {**words(0x084C, struct.pack(">I", 410_001)), **words(0x0856, struct.pack(">I", 70_004))}


async def sampled(url: str) -> RegisterSample:
    reader = open_reader(url)
    assert isinstance(reader, SampledReader)
    async with reader:
        await reader.sample()
        return await reader.sample()


async def test_it_is_read_over_tcp_whole_numbers_and_serial() -> None:
    with tcp_slave(IEM3155) as port:
        sample = await sampled(f"modbus+tcp://127.0.0.1:{port}?map=iem3155")
    assert (sample.imported_wh, sample.exported_wh, sample.serial) == (41_000_123, 7_000_456, "12345678")


async def test_it_is_read_over_tcp_floats_of_the_other_table() -> None:
    floats = words(0x48, struct.pack(">ff", 1234.5, 6.25)) | {0xFC00: 0, 0xFC01: 77}
    with tcp_slave(floats) as port:
        sample = await sampled(f"modbus+tcp://127.0.0.1:{port}?map=sdm630")
    assert (sample.imported_wh, sample.exported_wh, sample.serial) == (1_234_500, 6_250, "77")


async def test_what_it_does_not_have_is_refused_by_name() -> None:
    refused = pytest.raises(MeterRefusedError, match=r"refuses 12 holding registers from 0x084c: exception 2")
    with tcp_slave({0: 1}) as port, refused:
        await sampled(f"modbus+tcp://127.0.0.1:{port}?map=adl400")


async def test_it_is_read_over_a_serial_line(cable: tuple[Path, Path]) -> None:
    meter, gateway = cable
    with rtu_slave(str(meter), ADL400, unit=3):
        sample = await sampled(f"modbus+rtu:{gateway}?map=adl400&unit=3")
    assert (sample.imported_wh, sample.exported_wh) == (41_000_100, 7_000_400)


async def test_a_unit_that_it_is_not_is_not_answered_for(cable: tuple[Path, Path]) -> None:
    meter, gateway = cable
    with rtu_slave(str(meter), ADL400, unit=3), pytest.raises(MeterUnavailableError, match="unit 4"):
        await sampled(f"modbus+rtu:{gateway}?map=adl400&unit=4&timeout=1")
