"""An independent client, dlms-cosem, against the meter over TCP."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

import pytest
from dlms_cosem import cosem, enumerations, exceptions, utils
from dlms_cosem.client import DataResultError, DlmsClient
from dlms_cosem.cosem.attribute_with_selection import CosemAttributeWithSelection
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.io import BlockingTcpIO, TcpTransport
from dlms_cosem.parsers import AssociationObjectListParser, ProfileGenericBufferParser
from dlms_cosem.security import LowLevelSecurityAuthentication, NoSecurityAuthentication
from dlms_cosem.time import datetime_from_bytes

from firmware_sim.dlms.server import serve
from firmware_sim.instants import day_start, utc_text
from firmware_sim.meter import Meter
from tests.firmware_sim.dlms.peer import attribute
from tests.firmware_sim.meters import NOW, import_only, now, seller

T = TypeVar("T")
IST = timezone(timedelta(minutes=330))
BLOCK_LOAD, DAILY_LOAD = (1, 0, 99, 1, 0), (1, 0, 99, 2, 0)


pytestmark = pytest.mark.usefixtures("quiet")


def client(port: int, sap: int, authentication: Any) -> Any:
    return DlmsClient(transport=TcpTransport(sap, 1, BlockingTcpIO("127.0.0.1", port)), authentication=authentication)


def reader(port: int, password: bytes = b"secret-9") -> Any:
    return client(port, 32, LowLevelSecurityAuthentication(secret=password))


async def at_the_meter(meter: Meter, work: Callable[[int], T]) -> T:
    async with serve(meter, now=now, password=b"secret-9") as port:
        return await asyncio.to_thread(work, port)


class RawSelection:
    """The peer cannot write entry access: here it is by hand."""

    def __init__(self, encoded: str) -> None:
        self._encoded = bytes.fromhex(encoded)

    def to_bytes(self) -> bytes:
        return self._encoded


async def test_the_public_client_reads_clock_and_identity_and_nothing_else() -> None:
    def work(port: int) -> None:
        with client(port, 16, NoSecurityAuthentication()).session() as peer:
            moment, status = datetime_from_bytes(utils.parse_as_dlms_data(peer.get(attribute(8, (0, 0, 1, 0, 0), 2))))
            assert moment.timestamp() == NOW
            assert status.to_bytes() == b"\x00"
            assert utils.parse_as_dlms_data(peer.get(attribute(1, (0, 0, 96, 1, 0), 2))) == "10000001"
            with pytest.raises(DataResultError, match="READ_WRITE_DENIED"):
                peer.get(attribute(7, BLOCK_LOAD, 2))
            listed = AssociationObjectListParser.parse_bytes(peer.get(attribute(15, (0, 0, 40, 0, 0), 2)))
            assert {item.interface for item in listed} <= {1, 8, 15, 17}

    await at_the_meter(seller(), work)


async def test_the_reader_reads_registers_with_scaler_and_unit() -> None:
    truth = seller().registers(NOW)

    def work(port: int) -> None:
        with reader(port).session() as peer:
            assert utils.parse_as_dlms_data(peer.get(attribute(3, (1, 0, 1, 8, 0), 2))) == truth.imported_wh
            assert utils.parse_as_dlms_data(peer.get(attribute(3, (1, 0, 2, 8, 0), 2))) == truth.exported_wh
            assert utils.parse_as_dlms_data(peer.get(attribute(3, (1, 0, 2, 8, 0), 3))) == [0, 30]

    await at_the_meter(seller(), work)


async def test_the_reader_reads_the_whole_profile_in_blocks_and_it_is_the_truth() -> None:
    meter = seller()

    def work(port: int) -> None:
        with reader(port).session() as peer:
            columns = [
                cosem.CosemAttribute(enumerations.CosemInterface(entry[0]), cosem.Obis.from_bytes(entry[1]), entry[2])
                for entry in utils.parse_as_dlms_data(peer.get(attribute(7, BLOCK_LOAD, 3)))
            ]
            rows = ProfileGenericBufferParser(columns, 15).parse_bytes(peer.get(attribute(7, BLOCK_LOAD, 2)))
        assert len(rows) == 40 * 96
        for row, stamp in zip(rows, meter.block_stamps(NOW), strict=True):
            cells = {cell.attribute.instance.to_bytes().hex(): cell.value for cell in row}
            block = meter.block(stamp - 900, 900).energies
            assert cells["0000010000ff"].timestamp() == stamp
            assert cells["0100011d00ff"] == block.imported_wh
            assert cells["0100021d00ff"] == block.exported_wh

    await at_the_meter(meter, work)


async def test_the_reader_reads_a_range_and_a_span_of_entries() -> None:
    ten, noon = datetime(2026, 11, 18, 10, tzinfo=IST), datetime(2026, 11, 18, 12, tzinfo=IST)
    clock = CaptureObject(attribute(8, (0, 0, 1, 0, 0), 2))

    def work(port: int) -> None:
        with reader(port).session() as peer:
            chosen = RangeDescriptor(restricting_object=clock, from_value=ten, to_value=noon)
            rows = utils.parse_as_dlms_data(peer.get(attribute(7, BLOCK_LOAD, 2), chosen))
            assert [datetime_from_bytes(bytes(row[0]))[0] for row in rows] == [
                ten + timedelta(minutes=15 * n) for n in range(9)
            ]
            entries: Any = RawSelection("02 0204 0600000002 0600000004 120001 120001")
            rows = utils.parse_as_dlms_data(peer.get(attribute(7, BLOCK_LOAD, 2), entries))
            stamps = seller().block_stamps(NOW)[1:4]
            assert [datetime_from_bytes(bytes(row[0]))[0].timestamp() for row in rows] == stamps
            assert {len(row) for row in rows} == {1}

    await at_the_meter(seller(), work)


async def test_the_reader_reads_days_of_a_meter_without_export() -> None:
    meter = import_only()

    def work(port: int) -> None:
        with reader(port).session() as peer:
            rows = utils.parse_as_dlms_data(peer.get(attribute(7, DAILY_LOAD, 2)))
            last = datetime_from_bytes(bytes(rows[-1][0]))[0].astimezone(UTC)
            assert (
                last.strftime("%Y-%m-%dT%H:%M:%SZ") == utc_text(meter.daily_stamps(NOW)[-1]) == "2026-11-18T18:30:00Z"
            )
            assert rows[-1][1] == meter.registers(day_start(20_776)).imported_wh
            with pytest.raises(DataResultError, match="OBJECT_UNDEFINED"):
                peer.get(attribute(3, (1, 0, 2, 8, 0), 2))

    await at_the_meter(meter, work)


async def test_the_reader_reads_several_attributes_at_once() -> None:
    def work(port: int) -> None:
        with reader(port).session() as peer:
            asked = [
                CosemAttributeWithSelection(attribute(3, (1, 0, 1, 8, 0), 2), None),
                CosemAttributeWithSelection(attribute(3, (1, 0, 13, 8, 0), 2), None),
            ]
            answer = peer.get_many(asked).result
            assert answer == [seller().registers(NOW).imported_wh, enumerations.DataAccessResult.OBJECT_UNDEFINED]

    await at_the_meter(seller(), work)


async def test_a_wrong_password_is_an_authentication_failure() -> None:
    def work(port: int) -> None:
        peer = reader(port, b"secret-8")
        peer.connect()
        try:
            with pytest.raises(exceptions.DlmsClientException, match="AUTHENTICATION_FAILED"):
                peer.associate()
        finally:
            peer.disconnect()

    await at_the_meter(seller(), work)


async def test_setting_the_clock_is_refused() -> None:
    def work(port: int) -> None:
        with reader(port).session() as peer:
            answer = peer.set(attribute(8, (0, 0, 1, 0, 0), 2), bytes.fromhex("090c07ea0b13040c071e00feb600"))
            assert answer.result is enumerations.DataAccessResult.READ_WRITE_DENIED

    await at_the_meter(seller(), work)
