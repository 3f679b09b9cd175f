"""What is remembered between looks, and every surprise that makes a meter be read anew. The reader and its bytes are real."""

from collections.abc import Callable

import pytest

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.wrapper import WrapperLink
from edge_agent.readers.reader import Recalling
from edge_agent.recollection import Beginning, Recollection
from edge_agent.registers import EXPORT_BLOCK, IMPORT_BLOCK, Origin
from signing.interval import DAY_S, Interval, parse_instant
from tests.edge_agent.meters import MemoryBench
from tests.edge_agent.readers.dlms.wire import (
    BLOCK,
    ScriptedMeter,
    array,
    capture,
    meter,
    scaler,
    stamp,
    structure,
    u16,
    u32,
)
from tests.edge_agent.readers.peers import Joined

NOW = parse_instant("2026-04-26T12:07:00+05:30", "now")
MIDNIGHT = parse_instant("2026-04-26T00:00:00+05:30", "midnight")
SPAN = Interval(MIDNIGHT, MIDNIGHT + 4 * 1800)


def row(half_hours: int) -> Data:
    return structure(stamp(26, half_hours // 2, half_hours % 2 * 30), u16(2301), u32(half_hours), u32(9))


@pytest.fixture
def scripted() -> ScriptedMeter:
    return meter([row(n) for n in range(1, 25)])


class Visits:
    """Connections to one meter, each with a reader of its own, at times that a test sets."""

    def __init__(self, scripted: ScriptedMeter, keep_s: int = DAY_S) -> None:
        self.scripted = scripted
        self.recollection = Recollection(keep_s)
        self.now_utc = NOW

    async def visit(self, span: Interval | None = SPAN) -> tuple[Beginning, list[int]]:
        """What the look begins with, and the imports of the rows."""
        self.scripted.seen.clear()
        joined = Joined(self.scripted.answer)

        async def connect() -> Joined:
            return joined

        session = Session(WrapperLink(client=32, server=1))
        async with DlmsReader(connect=connect, session=session, origin=Origin.LLS, timeout_s=5) as reader:
            assert isinstance(reader, Recalling)
            beginning = await self.recollection.begin(reader, lambda: self.now_utc * 1000)
            rows = () if span is None else await reader.block_rows(span)
            self.recollection.keep(reader, beginning)
        return beginning, [each.values[IMPORT_BLOCK].raw or 0 for each in rows]

    @property
    def requests(self) -> list[str]:
        """What was asked on the last connection: L a list, N one attribute, B a block."""
        return ["NBL"[apdu[1] - 1] for apdu in self.scripted.seen if apdu[0] == 0xC0]


async def test_a_second_look_is_one_list_and_one_range(scripted: ScriptedMeter) -> None:
    visits = Visits(scripted)
    first, rows = await visits.visit()
    asked_first, bytes_first = visits.requests, sum(map(len, scripted.seen))
    second, again = await visits.visit()
    assert rows == again == [1, 2, 3, 4]
    assert (first.is_recalled, second.is_recalled) == (False, True)
    assert second.layout == first.layout
    assert (second.serial, second.clock.utc_s) == ("GX1234", NOW)
    assert visits.requests == ["L", "N"]
    assert len(asked_first) > 4
    assert sum(map(len, scripted.seen)) < bytes_first


async def test_the_way_that_the_meter_takes_is_remembered_with_the_columns(scripted: ScriptedMeter) -> None:
    scripted.answers = lambda kind, _access: kind == "whole"
    visits = Visits(scripted)
    await visits.visit()
    scripted.asked.clear()
    _, rows = await visits.visit()
    assert rows == [1, 2, 3, 4]
    assert scripted.asked == ["whole"]


Change = Callable[[ScriptedMeter], object]


def set_to(obis: str, class_id: int, attribute: int, value: Data) -> Change:
    return lambda scripted: scripted.objects.__setitem__((class_id, obis, attribute), value)


def serial_of(scripted: ScriptedMeter) -> object:
    data = scripted.objects.get((1, "0.0.96.1.0.255", 2))
    return None if data is None else data.value


@pytest.mark.parametrize(
    "change",
    [
        set_to("0.0.96.1.0.255", 1, 2, Data(Tag.VISIBLE_STRING, "OTHER")),
        set_to(BLOCK, 7, 4, u32(900)),
        set_to(BLOCK, 7, 7, u32(23)),
        lambda scripted: scripted.objects.pop((1, "0.0.96.1.0.255", 2)),
    ],
    ids=["serial", "period", "emptied buffer", "no serial any more"],
)
async def test_a_surprise_makes_all_of_it_be_read_again(scripted: ScriptedMeter, change: Change) -> None:
    visits = Visits(scripted)
    await visits.visit()
    change(scripted)
    beginning, _ = await visits.visit(None)
    assert not beginning.is_recalled
    period = scripted.objects[7, BLOCK, 4].value
    assert (beginning.layout.capture_period_s, beginning.serial) == (period, serial_of(scripted))
    again, _ = await visits.visit(None)
    assert again.is_recalled


async def test_rows_that_are_added_are_no_surprise(scripted: ScriptedMeter) -> None:
    visits = Visits(scripted)
    await visits.visit()
    set_to(BLOCK, 7, 7, u32(25))(scripted)
    assert (await visits.visit())[0].is_recalled


async def test_another_column_is_wrong_by_name_and_read_the_next_time(scripted: ScriptedMeter) -> None:
    visits = Visits(scripted)
    await visits.visit()
    scripted.rows = [structure(stamp(26, 0, 30), u32(5))]
    scripted.objects[7, BLOCK, 3] = array(capture(8, "0.0.1.0.0.255"), capture(3, IMPORT_BLOCK))
    with pytest.raises(MeterDecodeError, match="expected 4 parts"):
        await visits.visit()
    visits.recollection.forget()
    beginning, rows = await visits.visit()
    assert rows == [5]
    assert not beginning.layout.has(EXPORT_BLOCK)


@pytest.mark.parametrize("later_s", [DAY_S, -1])
async def test_it_is_remembered_for_a_bounded_time_by_any_clock(scripted: ScriptedMeter, later_s: int) -> None:
    visits = Visits(scripted)
    await visits.visit()
    visits.now_utc = NOW + DAY_S - 1
    assert (await visits.visit())[0].is_recalled
    visits.now_utc = NOW + later_s
    assert not (await visits.visit())[0].is_recalled


async def test_nothing_is_remembered_where_that_is_configured(scripted: ScriptedMeter) -> None:
    visits = Visits(scripted, keep_s=0)
    await visits.visit()
    assert not (await visits.visit())[0].is_recalled


async def test_a_meter_that_refuses_the_glance_is_read_whole_the_next_time(scripted: ScriptedMeter) -> None:
    visits = Visits(scripted)
    await visits.visit()
    clock = scripted.objects.pop((8, "0.0.1.0.0.255", 2))
    with pytest.raises(MeterRefusedError, match=r"0\.0\.1\.0\.0\.255"):
        await visits.visit()
    scripted.objects[8, "0.0.1.0.0.255", 2] = clock
    assert not (await visits.visit())[0].is_recalled


async def test_daily_columns_are_remembered_too(scripted: ScriptedMeter) -> None:
    daily = "1.0.99.2.0.255"
    scripted.objects |= {(7, daily, attribute): scripted.objects[7, BLOCK, attribute] for attribute in (4, 5, 7, 8)}
    scripted.objects[7, daily, 3] = array(capture(8, "0.0.1.0.0.255"), capture(3, "1.0.1.8.0.255"))
    scripted.objects[7, daily, 2] = array(structure(stamp(26, 0, 0), u32(5000)))
    scripted.objects[3, "1.0.1.8.0.255", 3] = scaler(0, 30)
    visits = Visits(scripted)
    joined = Joined(scripted.answer)

    async def connect() -> Joined:
        return joined

    session = Session(WrapperLink(client=32, server=1))
    async with DlmsReader(connect=connect, session=session, origin=Origin.LLS, timeout_s=5) as reader:
        beginning = await visits.recollection.begin(reader, lambda: NOW * 1000)
        await reader.daily_registers(SPAN)
        visits.recollection.keep(reader, beginning)
        assert set(reader.learned().layouts) == {BLOCK, daily}
    assert (await visits.visit())[0].is_recalled


async def test_a_reader_that_cannot_recall_is_read_whole_every_time() -> None:
    recollection, bench = Recollection(DAY_S), MemoryBench()
    for _ in range(2):
        beginning = await recollection.begin(bench, lambda: NOW * 1000)
        recollection.keep(bench, beginning)
        assert not beginning.is_recalled
