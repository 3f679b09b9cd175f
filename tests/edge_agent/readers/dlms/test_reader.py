"""The DLMS reader against meters that refuse, reorder, drop, dawdle and vanish."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.dlms.association import Secret
from edge_agent.readers.dlms.codec import NULL, Data, Tag
from edge_agent.readers.dlms.profile import StampMeans
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.transport import connect_tcp
from edge_agent.readers.dlms.wrapper import WrapperLink
from edge_agent.registers import EXPORT_BLOCK, IMPORT_BLOCK, Origin
from signing.interval import Interval, parse_instant
from tests.edge_agent.readers.dlms.wire import (
    AARE_OK,
    BLOCK,
    DEFAULT_COLUMNS,
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
from tests.edge_agent.readers.peers import Joined, Peer, listening, read_frame

MIDNIGHT = parse_instant("2026-04-26T00:00:00+05:30", "midnight")
HALF = 1800
MORNING = Interval(MIDNIGHT + 20 * HALF, MIDNIGHT + 24 * HALF)
"""10:00 to 12:00 IST; `meter` says it is 12:07."""

NO_SELECTIVE_ACCESS = AARE_OK.replace(bytes.fromhex("001214"), bytes.fromhex("001210"))


def block_row(half_hours: int, imported: int | None = None) -> Data:
    """The row stamped so many half-hours after midnight; its import is that number."""
    at = stamp(26, half_hours // 2, half_hours % 2 * 30)
    return structure(at, u16(2301), u32(half_hours if imported is None else imported), u32(1000 + half_hours))


def reader_of(joined: Joined, means: StampMeans = StampMeans.END) -> DlmsReader:
    async def connect() -> Joined:
        return joined

    session = Session(WrapperLink(client=32, server=1), Secret(b"pw"))
    return DlmsReader(connect=connect, session=session, origin=Origin.LLS, timeout_s=5, stamp_means=means)


async def imports(scripted: ScriptedMeter, span: Interval = MORNING, means: StampMeans = StampMeans.END) -> list[int]:
    """The import of every row in `span`, by the reader."""
    async with reader_of(Joined(scripted.answer), means) as reader:
        rows = await reader.block_rows(span)
    return [row.values[IMPORT_BLOCK].raw or 0 for row in rows]


FULL_DAY = [block_row(n) for n in range(1, 25)]


async def test_rows_are_those_whose_blocks_start_in_the_span() -> None:
    # Blocks 10:00-10:30 … 11:30-12:00 are stamped 10:30 … 12:00: half-hours 21 to 24.
    assert await imports(meter(FULL_DAY)) == [21, 22, 23, 24]


async def test_start_stamped_rows_are_one_block_later() -> None:
    assert await imports(meter(FULL_DAY), means=StampMeans.START) == [20, 21, 22, 23]


@pytest.mark.parametrize(
    ("refuse", "aare", "asked"),
    [
        (lambda _kind, _access: True, AARE_OK, ["range"]),
        (lambda kind, access: kind != "range" or b"\xfe\xb6" in access, AARE_OK, ["range", "range"]),
        (lambda kind, _access: kind != "range", AARE_OK, ["range", "range", "entry"]),
        (lambda kind, _access: kind == "whole", AARE_OK, ["range", "range", "entry", "whole"]),
        (lambda _kind, _access: True, NO_SELECTIVE_ACCESS, ["whole"]),
    ],
    ids=["range", "deviation", "entry", "whole", "no selective access"],
)
async def test_the_ladder_ends_at_the_first_way_the_meter_accepts(
    refuse: Callable[[str, bytes], bool], aare: bytes, asked: list[str]
) -> None:
    scripted = meter(FULL_DAY)
    scripted.answers = refuse
    scripted.aare = aare
    assert await imports(scripted) == [21, 22, 23, 24]
    assert scripted.asked == asked


async def test_a_range_taken_for_another_time_zone_is_no_answer() -> None:
    scripted = meter(FULL_DAY)
    scripted.shift = lambda kind, access: 11 if kind == "range" and b"\x80\x00" in access else 0
    assert await imports(scripted) == [21, 22, 23, 24]
    assert scripted.asked == ["range", "range"]


async def test_a_range_without_rows_is_a_gap() -> None:
    scripted = meter([])
    assert await imports(scripted) == []
    assert scripted.asked == ["range"]


async def test_what_the_meter_accepted_is_asked_first_the_next_time() -> None:
    scripted = meter(FULL_DAY)
    scripted.answers = lambda kind, _access: kind == "entry"
    async with reader_of(Joined(scripted.answer)) as reader:
        await reader.block_rows(MORNING)
        await reader.block_rows(MORNING)
    assert scripted.asked == ["range", "range", "entry", "entry"]


async def test_a_meter_that_accepts_no_way_is_refused_by_name() -> None:
    scripted = meter(FULL_DAY)
    scripted.answers = lambda _kind, _access: False
    with pytest.raises(MeterRefusedError, match=r"refuses 1\.0\.99\.1\.0\.255"):
        await imports(scripted)


async def test_entries_are_asked_for_until_they_reach_back() -> None:
    # The clock was set back at 11:00 and 11:30, 11:00 were written twice more: the estimate falls short.
    doubled = [*FULL_DAY, *(block_row(23), block_row(24)) * 5]
    scripted = meter(doubled)
    scripted.answers = lambda kind, _access: kind == "entry"
    assert await imports(scripted) == [21, 22, *[23] * 6, *[24] * 6]
    assert scripted.asked.count("entry") > 1


async def test_a_newest_first_buffer_is_read_from_its_head() -> None:
    scripted = meter(list(reversed(FULL_DAY)), sort=2)
    scripted.answers = lambda kind, _access: kind == "entry"
    assert await imports(scripted) == [21, 22, 23, 24]


async def test_an_empty_buffer_has_no_rows() -> None:
    scripted = meter([])
    scripted.answers = lambda kind, _access: kind == "entry"
    assert await imports(scripted) == []


async def test_gaps_and_duplicates_are_given_as_the_meter_has_them() -> None:
    rows = [block_row(21), block_row(23, 5), block_row(23, 6)]
    assert await imports(meter(rows)) == [21, 5, 6]


async def test_a_null_clock_row_keeps_its_place() -> None:
    following = [structure(NULL, u16(2301), u32(number), u32(0)) for number in (22, 23, 24, 25)]
    assert await imports(meter([block_row(21), *following])) == [21, 22, 23, 24]


@pytest.mark.parametrize("lists", [True, False])
async def test_identity_is_what_the_meter_has(*, lists: bool) -> None:
    scripted = meter(FULL_DAY)
    scripted.lists = lists
    async with reader_of(Joined(scripted.answer)) as reader:
        identity = await reader.identity()
        await reader.identity()
    assert (identity.serial, identity.manufacturer, identity.firmware, identity.category) == (
        "GX1234",
        None,
        None,
        None,
    )
    assert sum(apdu[:2] == b"\xc0\x03" for apdu in scripted.seen) == (2 if lists else 1)


async def test_columns_are_never_assumed() -> None:
    shuffled = (DEFAULT_COLUMNS[3], DEFAULT_COLUMNS[2], DEFAULT_COLUMNS[0])
    scripted = meter([structure(u32(7), u32(5), stamp(26, 11, 0))], shuffled)
    async with reader_of(Joined(scripted.answer)) as reader:
        (row,) = await reader.block_rows(MORNING)
    assert (row.values[IMPORT_BLOCK].raw, row.values[EXPORT_BLOCK].raw) == (5, 7)


async def test_a_profile_that_does_not_say_its_order_is_oldest_first() -> None:
    scripted = meter(FULL_DAY)
    del scripted.objects[7, BLOCK, 5]
    assert await imports(scripted) == [21, 22, 23, 24]


@pytest.mark.parametrize("attribute", [3, 4, 7, 8])
async def test_a_profile_without_columns_period_or_depth_is_refused_by_name(attribute: int) -> None:
    scripted = meter(FULL_DAY)
    del scripted.objects[7, BLOCK, attribute]
    with pytest.raises(MeterRefusedError, match=rf"1\.0\.99\.1\.0\.255 \(class 7\) attribute {attribute}"):
        await imports(scripted)


async def test_an_identity_refused_for_now_is_not_an_absent_one() -> None:
    scripted = meter(FULL_DAY)
    scripted.refusal = 2
    async with reader_of(Joined(scripted.answer)) as reader:
        with pytest.raises(MeterUnavailableError, match=r"0\.0\.96\.1\.1\.255 .*temporary failure"):
            await reader.identity()


async def test_a_span_before_the_memory_ends_the_search_by_entries() -> None:
    scripted = meter(FULL_DAY)
    scripted.answers = lambda kind, _access: kind == "entry"
    assert await imports(scripted, Interval(MIDNIGHT - 86_400, MIDNIGHT - 82_800)) == []
    assert scripted.asked.count("entry") == 1


async def test_a_rejected_association_has_nothing_to_release() -> None:
    scripted = meter(FULL_DAY)
    scripted.aare = AARE_OK.replace(
        bytes.fromhex("a203020100a305a103020100"), bytes.fromhex("a203020101a305a10302010d")
    )
    joined = Joined(scripted.answer)
    with pytest.raises(MeterRefusedError, match="check the password"):
        async with reader_of(joined):
            pass
    assert [apdu[0] for apdu in scripted.seen] == [0x60]
    assert joined.closed


async def test_a_connection_that_is_out_of_step_is_closed_at_once() -> None:
    scripted = meter(FULL_DAY)
    joined = Joined(lambda frame: b"HTTP/1.1" if frame[8] == 0xC0 else scripted.answer(frame))
    async with reader_of(joined) as reader:
        with pytest.raises(MeterDecodeError, match="wrapper header"):
            await reader.clock()
        assert joined.closed


async def test_scalers_that_the_registers_give_are_not_asked_for_twice() -> None:
    scripted = meter(FULL_DAY)
    await imports(scripted)
    assert not any(bytes([1, 0, 94, 91, 4, 255]) in apdu for apdu in scripted.seen)


async def test_an_attribute_refused_for_now_is_asked_again_later() -> None:
    scripted = meter(FULL_DAY)
    del scripted.objects[7, BLOCK, 4]
    scripted.refusal = 2
    with pytest.raises(MeterUnavailableError, match="temporary failure"):
        await imports(scripted)


async def test_scalers_come_from_the_scaler_profile_where_registers_keep_theirs() -> None:
    scripted = meter(FULL_DAY)
    for _, obis in DEFAULT_COLUMNS[1:]:
        del scripted.objects[3, obis, 3]
    profile = "1.0.94.91.4.255"
    reordered = (EXPORT_BLOCK, IMPORT_BLOCK)
    scripted.objects[7, profile, 3] = array(*(capture(3, obis, 3) for obis in reordered))
    scripted.objects[7, profile, 2] = array(structure(scaler(1, 30), scaler(2, 30)))
    async with reader_of(Joined(scripted.answer)) as reader:
        layout = await reader.layout()
    found = {column.register: column.scaler for column in layout.columns}
    assert (found[EXPORT_BLOCK], found[IMPORT_BLOCK]) == (1, 2)


async def test_an_energy_without_a_unit_is_refused_by_name() -> None:
    scripted = meter(FULL_DAY)
    del scripted.objects[3, IMPORT_BLOCK, 3]
    async with reader_of(Joined(scripted.answer)) as reader:
        with pytest.raises(MeterRefusedError, match=r"expected unit 30 .Wh., got None for column 1\.0\.1\.29\.0\.255"):
            await reader.layout()


async def test_an_energy_in_another_unit_is_refused_by_name() -> None:
    scripted = meter(FULL_DAY)
    scripted.objects[3, EXPORT_BLOCK, 3] = scaler(0, 31)
    async with reader_of(Joined(scripted.answer)) as reader:
        with pytest.raises(MeterRefusedError, match=r"got 31 for column 1\.0\.2\.29\.0\.255"):
            await reader.layout()


def _with_totals(scripted: ScriptedMeter) -> ScriptedMeter:
    scripted.objects |= {
        (3, "1.0.1.8.0.255", 2): Data(Tag.UINT64, 123456),
        (3, "1.0.1.8.0.255", 3): scaler(-1, 30),
    }
    return scripted


async def test_registers_are_exact_and_an_import_only_meter_has_no_export() -> None:
    async with reader_of(Joined(_with_totals(meter(FULL_DAY)).answer)) as reader:
        registers = await reader.registers()
    assert registers.imported_wh == Decimal("12345.6")
    assert registers.exported is None
    assert registers.stamp_utc == MIDNIGHT + 12 * 3600 + 7 * 60


async def test_a_total_in_another_unit_is_refused_by_name() -> None:
    scripted = _with_totals(meter(FULL_DAY))
    scripted.objects[3, "1.0.1.8.0.255", 3] = scaler(0, 31)
    async with reader_of(Joined(scripted.answer)) as reader:
        with pytest.raises(MeterRefusedError, match=r"got 31 for 1\.0\.1\.8\.0\.255"):
            await reader.registers()


async def test_a_meter_without_the_import_register_is_refused_by_name() -> None:
    async with reader_of(Joined(meter(FULL_DAY).answer)) as reader:
        with pytest.raises(MeterRefusedError, match=r"refuses 1\.0\.1\.8\.0\.255 .* attribute 3"):
            await reader.registers()


async def test_a_daily_profile_without_import_is_refused_by_name() -> None:
    scripted = meter(FULL_DAY)
    daily = "1.0.99.2.0.255"
    for attribute in (4, 5, 7, 8):
        scripted.objects[7, daily, attribute] = scripted.objects[7, BLOCK, attribute]
    scripted.objects[7, daily, 3] = array(capture(8, "0.0.1.0.0.255"))
    async with reader_of(Joined(scripted.answer)) as reader:
        with pytest.raises(MeterRefusedError, match=r"1\.0\.1\.8\.0\.255 in 1\.0\.99\.2\.0\.255"):
            await reader.daily_registers(MORNING)


async def test_a_clock_with_a_wildcard_is_refused_by_name() -> None:
    scripted = meter(FULL_DAY, now=octets(bytes.fromhex("07ea041affffff00ff8000ff")))
    async with reader_of(Joined(scripted.answer)) as reader:
        with pytest.raises(MeterDecodeError, match=r"in 'hour' .* in 0\.0\.1\.0\.0\.255"):
            await reader.clock()


async def test_leaving_releases_the_meter_whatever_happened() -> None:
    scripted = meter(FULL_DAY)
    joined = Joined(scripted.answer)
    with pytest.raises(RuntimeError, match="something else"):
        async with reader_of(joined):
            raise RuntimeError("something else")
    assert scripted.seen[-1][0] == 0x62
    assert joined.closed


async def test_only_reading_ever_reaches_the_wire() -> None:
    scripted = _with_totals(meter(FULL_DAY))
    async with reader_of(Joined(scripted.answer, chunk=1)) as reader:
        await reader.identity()
        await reader.clock()
        await reader.block_rows(MORNING)
        await reader.registers()
    assert {apdu[0] for apdu in scripted.seen} == {0x60, 0x62, 0xC0}


async def test_after_close_nothing_is_asked() -> None:
    scripted = meter(FULL_DAY)
    reader = reader_of(Joined(scripted.answer))
    async with reader:
        pass
    await reader.close()
    with pytest.raises(MeterUnavailableError, match="open association"):
        await reader.clock()
    assert len(scripted.seen) == 2


# Peers on a real socket.


def tcp_reader(port: int, timeout_s: float = 0.2) -> DlmsReader:
    session = Session(WrapperLink(client=32, server=1), Secret(b"pw"))
    return DlmsReader(
        connect=lambda: connect_tcp("127.0.0.1", port), session=session, origin=Origin.LLS, timeout_s=timeout_s
    )


def grant_then(more: Peer) -> Peer:
    """A peer that grants the association and goes on as `more`."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ScriptedMeter().answer(await read_frame(reader)))
        await more(reader, writer)

    return peer


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the client has gone."""
    while await reader.read(1000):
        pass


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take one request and close."""
    await read_frame(reader)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin an answer and never end it."""
    await read_frame(reader)
    writer.write(bytes.fromhex("00010001002000ff"))
    await hang(reader, writer)


async def talk_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in another protocol."""
    await read_frame(reader)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await hang(reader, writer)


@pytest.mark.parametrize("peer", [hang, hang_up, drip])
async def test_a_meter_that_does_not_answer_is_unavailable_and_left_alone(peer: Peer) -> None:
    async with listening(grant_then(peer)) as port, tcp_reader(port) as reader:
        with pytest.raises(MeterUnavailableError, match=r"0\.0\.1\.0\.0\.255") as caught:
            await reader.clock()
        assert (caught.value.retry_after_s or 0) > 120
        with pytest.raises(MeterUnavailableError, match="open association"):
            await reader.clock()


@pytest.mark.parametrize("peer", [hang, hang_up, drip])
async def test_a_meter_that_does_not_grant_is_unavailable(peer: Peer) -> None:
    async with listening(peer) as port:
        with pytest.raises(MeterUnavailableError, match="associate"):
            async with tcp_reader(port):
                pass


async def test_another_protocol_is_refused_and_the_connection_given_up() -> None:
    async with listening(grant_then(talk_garbage)) as port, tcp_reader(port) as reader:
        with pytest.raises(MeterDecodeError, match="wrapper header"):
            await reader.clock()
        with pytest.raises(MeterUnavailableError, match="open association"):
            await reader.clock()


async def test_nobody_listening_is_unavailable() -> None:
    async with listening(hang) as port:
        pass
    with pytest.raises(MeterUnavailableError, match=f"no connection to the meter at 127.0.0.1:{port}"):
        async with tcp_reader(port):
            pass


async def test_a_connection_that_takes_too_long_is_unavailable() -> None:
    async def connect() -> Joined:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    session = Session(WrapperLink(client=32, server=1), None)
    reader = DlmsReader(connect=connect, session=session, origin=Origin.PLAIN, timeout_s=0.01)
    with pytest.raises(MeterUnavailableError, match=r"within 0\.01 s"):
        async with reader:
            pass


async def test_a_reader_that_is_cancelled_releases_the_meter() -> None:
    released = asyncio.Event()
    asked = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_frame(reader)
        asked.set()
        if (await read_frame(reader))[8] == 0x62:
            released.set()

    async def read(port: int) -> None:
        async with tcp_reader(port, timeout_s=30) as reader:
            await reader.clock()

    async with listening(grant_then(peer)) as port:
        task = asyncio.create_task(read(port))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await released.wait()


async def test_a_slow_meter_that_keeps_sending_blocks_is_waited_for() -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Four blocks, each within the deadline, together beyond it.
        for number in range(1, 5):
            await read_frame(reader)
            await asyncio.sleep(0.3)
            part = bytes.fromhex("0904") if number == 1 else bytes([number])
            last = b"\x01" if number == 4 else b"\x00"
            apdu = b"\xc4\x02\xc1" + last + number.to_bytes(4) + b"\x00" + bytes([len(part)]) + part
            writer.write(b"\x00\x01\x00\x01\x00\x20" + len(apdu).to_bytes(2) + apdu)
        await hang(reader, writer)

    async with listening(grant_then(peer)) as port, tcp_reader(port, timeout_s=1) as reader:
        with pytest.raises(MeterDecodeError, match="expected 4 more octets, got 3"):
            await reader.clock()
