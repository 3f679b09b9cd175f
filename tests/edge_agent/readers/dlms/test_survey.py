"""Profiles of any kind from meters that give them whole, by range, or not at all."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from edge_agent.errors import MeterRefusedError
from edge_agent.readers.dlms import objects, survey
from edge_agent.readers.dlms.client import DlmsClient
from edge_agent.readers.dlms.codec import NULL, Data, Tag
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.wrapper import WrapperLink
from signing.interval import Interval, parse_instant
from tests.edge_agent.readers.dlms.wire import (
    AARE_OK,
    BLOCK,
    ScriptedMeter,
    array,
    capture,
    meter,
    octets,
    scaler,
    stamp,
    structure,
    u16,
    u32,
)
from tests.edge_agent.readers.peers import Joined

MIDNIGHT = parse_instant("2026-04-26T00:00:00+05:30", "midnight")
VOLTAGE_LOG = "0.0.99.98.0.255"
OBJECT_UNDEFINED = 4


@contextlib.asynccontextmanager
async def asking(scripted: ScriptedMeter) -> AsyncIterator[DlmsClient]:
    joined = Joined(scripted.answer)

    async def connect() -> Joined:
        return joined

    client = DlmsClient(connect=connect, session=Session(WrapperLink(client=32, server=1), None), timeout_s=5)
    await client.open()
    try:
        yield client
    finally:
        await client.close()


def with_profile(obis: str, columns: list[Data], rows: list[Data]) -> ScriptedMeter:
    scripted = meter([])
    scripted.objects[7, obis, 3] = array(*columns)
    scripted.objects[7, obis, 2] = array(*rows)
    return scripted


async def test_instantaneous_values_are_read_with_their_scalers() -> None:
    columns = [capture(8, "0.0.1.0.0.255"), capture(3, "1.0.12.7.0.255"), capture(1, "0.0.96.7.0.255")]
    scripted = with_profile(survey.INSTANTANEOUS.obis, columns, [structure(stamp(26, 12, 7), u16(2301), u16(4))])
    scripted.objects[3, "1.0.12.7.0.255", 3] = scaler(-1, 35)
    async with asking(scripted) as client:
        found = await survey.generic_profile(client, survey.INSTANTANEOUS.obis)
    (row,) = found.rows
    shown = [objects.shown(cell, column) for cell, column in zip(row.cells, found.columns, strict=True)]
    assert shown == ["2026-04-26T06:37:00Z", "230.1", 4]


async def test_a_billing_row_has_demands_with_their_times_in_place() -> None:
    demand = "1.0.1.6.0.255"
    columns = [
        capture(3, objects.BILLING_DATE),
        capture(4, demand),
        capture(4, demand, 5),
        capture(5, "1.0.1.4.0.255", 3),
    ]
    row = structure(stamp(1, 0, 0), u16(1234), stamp(12, 19, 30), u16(7))
    unfinished = structure(octets(bytes.fromhex("ffffffffffffffffff8000ff")), NULL, NULL, NULL)
    scripted = with_profile(survey.BILLING.obis, columns, [row, unfinished])
    scripted.objects[4, demand, 3] = scaler(0, 27)
    scripted.objects[5, "1.0.1.4.0.255", 4] = scaler(2, 27)
    async with asking(scripted) as client:
        found = await survey.generic_profile(client, survey.BILLING.obis)
    assert [column.register for column in found.columns] == [
        objects.BILLING_DATE,
        demand,
        f"{demand}/5",
        "1.0.1.4.0.255/3",
    ]
    first, last = found.rows
    shown = [objects.shown(cell, column) for cell, column in zip(first.cells, found.columns, strict=True)]
    assert shown == ["2026-03-31T18:30:00Z", "1234", "2026-04-12T14:00:00Z", "700"]
    assert last.clock is None
    assert last.cells[1:] == (NULL, NULL, NULL)


def event(hour: int, code: int) -> Data:
    return structure(stamp(26, hour, 0), u16(code))


LOG_COLUMNS = [capture(8, "0.0.1.0.0.255"), capture(1, "0.0.96.11.0.255")]


@pytest.mark.parametrize("aare", [AARE_OK, AARE_OK.replace(bytes.fromhex("001214"), bytes.fromhex("001210"))])
async def test_events_of_a_span_are_those_whose_clock_lies_in_it(aare: bytes) -> None:
    scripted = with_profile(VOLTAGE_LOG, LOG_COLUMNS, [event(9, 101), event(10, 102), event(11, 101), event(12, 102)])
    scripted.aare = aare
    async with asking(scripted) as client:
        found = await survey.generic_profile(client, VOLTAGE_LOG, Interval(MIDNIGHT + 10 * 3600, MIDNIGHT + 11 * 3600))
    assert [row.cells[1] for row in found.rows] == [u16(102), u16(101)]


@pytest.mark.parametrize("accepts", ["whole", "range"])
async def test_a_log_is_asked_for_by_range_and_whole_where_the_meter_knows_none(accepts: str) -> None:
    scripted = meter([structure(stamp(26, 1, 0), u16(1), u32(1), u32(1))])
    scripted.answers = lambda kind, _access: kind == accepts
    async with asking(scripted) as client:
        found = await survey.generic_profile(client, BLOCK, Interval(MIDNIGHT, MIDNIGHT + 7200))
    assert len(found.rows) == 1
    assert scripted.asked == (["range"] if accepts == "range" else ["range", "range", "whole"])


async def test_a_profile_without_a_clock_has_no_span() -> None:
    scripted = with_profile(
        survey.NAMEPLATE.obis, [capture(1, "0.0.96.1.0.255")], [structure(Data(Tag.VISIBLE_STRING, "A"))]
    )
    async with asking(scripted) as client:
        assert len((await survey.generic_profile(client, survey.NAMEPLATE.obis)).rows) == 1
        with pytest.raises(MeterRefusedError, match="expected a clock column"):
            await survey.generic_profile(client, survey.NAMEPLATE.obis, Interval(0, 1))


async def test_a_profile_that_the_meter_has_not_is_refused_by_name() -> None:
    async with asking(meter([])) as client:
        with pytest.raises(MeterRefusedError, match=r"0\.0\.99\.98\.0\.255 \(class 7\) attribute 3"):
            await survey.generic_profile(client, VOLTAGE_LOG)


async def test_scalers_come_from_the_scaler_profile_where_the_registers_give_none() -> None:
    columns = [capture(8, "0.0.1.0.0.255"), capture(3, "1.0.12.7.0.255")]
    scripted = with_profile(VOLTAGE_LOG, columns, [])
    scripted.objects[7, "1.0.94.91.7.255", 3] = array(capture(3, "1.0.12.7.0.255", 3))
    scripted.objects[7, "1.0.94.91.7.255", 2] = array(structure(scaler(-2, 35)))
    async with asking(scripted) as client:
        found = await survey.generic_profile(client, VOLTAGE_LOG)
    assert (found.columns[1].scaler, found.columns[1].unit) == (-2, 35)


async def test_a_profile_whose_rows_are_undefined_is_not_asked_for_in_other_ways() -> None:
    scripted = meter([])
    scripted.refusal = OBJECT_UNDEFINED
    scripted.objects[7, VOLTAGE_LOG, 3] = array(*LOG_COLUMNS)
    async with asking(scripted) as client:
        with pytest.raises(MeterRefusedError, match=r"0\.0\.99\.98\.0\.255 \(class 7\) attribute 2: object undefined"):
            await survey.generic_profile(client, VOLTAGE_LOG, Interval(MIDNIGHT, MIDNIGHT + 7200))
    # The AARQ, the columns, the rows, the RLRQ.
    assert len(scripted.seen) == 4
