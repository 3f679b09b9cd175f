"""The second stack: its process is told secrets by pipe, is killed when it hangs, and never takes the agent with it."""

import asyncio
import contextlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError, ReaderUrlError
from edge_agent.readers import dlms_cosem_child
from edge_agent.readers.dlms.codec import NULL, Data, Tag
from edge_agent.readers.dlms_cosem import CosemReader
from edge_agent.readers.dlms_cosem_process import integers, octets, parts
from edge_agent.readers.open import open_reader
from edge_agent.registers import IMPORT_BLOCK
from signing.interval import Interval, parse_instant
from tests.edge_agent.readers.dlms.wire import BLOCK, ScriptedMeter, array, meter, stamp, structure, u16, u32
from tests.edge_agent.readers.peers import listening, read_frame

MIDNIGHT = parse_instant("2026-04-26T00:00:00+05:30", "midnight")
SPAN = Interval(MIDNIGHT, MIDNIGHT + 4 * 1800)


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "lls").write_bytes(b"hunter2\n")
    return f"file:{tmp_path}/lls"


def reader(port: int, password: str, extra: str = "") -> CosemReader:
    made = open_reader(f"dlms-cosem+tcp://127.0.0.1:{port}?password={password}{extra}")
    assert isinstance(made, CosemReader)
    return made


def process_id(of: CosemReader) -> int:
    child = of._process._child
    assert child is not None
    return child.pid


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}/stat").exists()


@contextlib.asynccontextmanager
async def serving(scripted: ScriptedMeter) -> Any:
    async def peer(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(scripted.answer(await read_frame(stream)))

    async with listening(peer) as port:
        yield port


async def test_a_secret_is_in_no_argument_and_no_environment_of_the_process(password: str) -> None:
    async with serving(meter([])) as port, reader(port, password) as opened:
        folder = Path(f"/proc/{process_id(opened)}")
        shown = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    assert b"hunter2" not in shown
    assert b"hunter2".hex().encode() not in shown


async def silent(stream: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await stream.read()


async def test_a_silent_meter_ends_at_the_deadline_and_leaves_no_process(password: str) -> None:
    async with listening(silent) as port:
        opened = reader(port, password, "&timeout=300&deadline=1")
        with pytest.raises(MeterUnavailableError, match="has not answered for the request to associate within 1 s"):
            async with opened:
                pass
    assert opened._process._child is None


async def test_a_meter_that_closes_the_connection_makes_it_spin_and_it_is_killed(password: str) -> None:
    scripted = meter([])

    async def peer(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(scripted.answer(await read_frame(stream)))
        await read_frame(stream)

    async with listening(peer) as port, reader(port, password) as opened:
        process = process_id(opened)
        assert is_alive(process)
        opened._process._deadline_s = 0.5
        with pytest.raises(MeterUnavailableError, match="was ended"):
            await opened.clock()
        assert not is_alive(process)
        with pytest.raises(MeterUnavailableError, match="expected an open connection"):
            await opened.clock()


async def test_a_cancelled_question_leaves_no_answer_for_the_next_one(password: str) -> None:
    scripted, heard = meter([]), asyncio.Event()

    async def peer(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(scripted.answer(await read_frame(stream)))
        await read_frame(stream)
        heard.set()
        await stream.read()

    async with listening(peer) as port, reader(port, password) as opened:
        process = process_id(opened)
        asked = asyncio.ensure_future(opened.clock())
        await heard.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert not is_alive(process)


async def test_a_process_that_ends_by_itself_is_an_unavailable_meter(password: str) -> None:
    async with serving(meter([])) as port, reader(port, password) as opened:
        os.kill(process_id(opened), 9)
        with pytest.raises(MeterUnavailableError, match=r"ended during 0\.0\.1\.0\.0\.255"):
            await opened.clock()


async def test_a_refused_object_is_named_and_an_absent_meter_is_unavailable(password: str, unused_port: int) -> None:
    async with serving(meter([])) as port, reader(port, password) as opened:
        with pytest.raises(MeterRefusedError, match=r"1\.0\.99\.2\.0\.255 \(class 7\) attribute 3"):
            await opened.daily_registers(SPAN)
    with pytest.raises(MeterUnavailableError, match="the request to associate"):
        async with reader(unused_port, password):
            pass


@pytest.fixture
def unused_port() -> int:
    """One on which nothing listens: it is reserved for no one."""
    return 1


def row(half_hours: int, clock: Data | None = None) -> Data:
    at = clock or stamp(26, half_hours // 2, half_hours % 2 * 30)
    return structure(at, u16(2301), u32(half_hours), u32(1000 + half_hours))


@pytest.mark.parametrize("accepts", ["range", "whole"])
async def test_rows_are_those_of_the_span_whether_the_meter_knows_a_range_or_not(password: str, accepts: str) -> None:
    scripted = meter([row(n) for n in range(1, 9)])
    scripted.answers = lambda kind, _access: kind == accepts
    async with serving(scripted) as port, reader(port, password) as opened:
        rows = await opened.block_rows(SPAN)
    assert [each.values[IMPORT_BLOCK].raw for each in rows] == [1, 2, 3, 4]


async def test_a_row_without_a_clock_follows_the_one_before_it(password: str) -> None:
    scripted = meter([row(1), row(2, NULL), row(3)])
    async with serving(scripted) as port, reader(port, password) as opened:
        rows = await opened.block_rows(SPAN)
    assert [each.stamp_utc - MIDNIGHT for each in rows] == [1800, 3600, 5400]


async def test_a_daily_profile_without_import_is_refused_by_name(password: str) -> None:
    scripted, daily = meter([]), "1.0.99.2.0.255"
    scripted.objects |= {(7, daily, number): scripted.objects[7, BLOCK, number] for number in (3, 4, 5, 7, 8)}
    scripted.objects[7, daily, 2] = array(row(1))
    async with serving(scripted) as port, reader(port, password) as opened:
        with pytest.raises(MeterRefusedError, match=r"expected a column 1\.0\.1\.8\.0\.255 in 1\.0\.99\.2\.0\.255"):
            await opened.daily_registers(SPAN)


async def test_nothing_but_reading_reaches_the_meter(password: str) -> None:
    scripted = meter([row(n) for n in range(1, 9)])
    async with serving(scripted) as port, reader(port, password) as opened:
        await opened.identity()
        await opened.block_rows(SPAN)
        await opened.clock()
    # AARQ, GET-Request and RLRQ.
    assert {apdu[0] for apdu in scripted.seen} == {0x60, 0xC0, 0x62}


@pytest.mark.parametrize(
    ("rows", "message"),
    [([structure(u32(1))], "a list of 4"), ([row(1, NULL)], "a clock in the first row")],
)
async def test_rows_of_another_shape_are_wrong_by_name(password: str, rows: list[Data], message: str) -> None:
    async with serving(meter(rows)) as port, reader(port, password) as opened:
        with pytest.raises(MeterDecodeError, match=message):
            await opened.block_rows(SPAN)


async def test_octets_that_the_package_cannot_take_are_wrong_and_not_repeated(password: str) -> None:
    scripted = meter([])
    scripted.objects[8, "0.0.1.0.0.255", 2] = Data(Tag.COMPACT_ARRAY, None)
    async with serving(scripted) as port, reader(port, password) as opened:
        with pytest.raises(MeterDecodeError, match="could not take the meter's octets"):
            await opened.clock()


@pytest.mark.parametrize(
    "check", [lambda: octets("text", "x"), lambda: parts(5, "x"), lambda: integers([1, None], 2, "x")]
)
def test_an_answer_of_another_type_is_wrong_by_name(check: Callable[[], object]) -> None:
    with pytest.raises(MeterDecodeError, match="in x, got"):
        check()


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ("auth=hls5", "expected no password for auth=hls5"),
        ("auth=none", "expected no password for auth=none"),
        ("suite=0", "expected keys=store:METER"),
        ("auth=hls2", "shows the secret of auth=hls2 in clear: use dlms\\+tcp:"),
        ("pdu=512", "unknown key 'pdu'"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(password: str, extra: str, fault: str) -> None:
    with pytest.raises(ReaderUrlError, match=fault):
        open_reader(f"dlms-cosem+tcp://h?password={password}&{extra}")


def test_what_a_url_says_of_a_plain_association_is_taken(password: str) -> None:
    assert isinstance(open_reader(f"dlms-cosem+tcp://h?password={password}&auth=lls&suite=none"), CosemReader)
    assert isinstance(open_reader("dlms-cosem+tcp://h?client=16&auth=none"), CosemReader)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ReaderUrlError, match=r"install `sakshi\[dlms-cosem\]`"):
        open_reader("dlms-cosem+tcp://h?client=16")


def test_what_the_package_raises_is_sorted_by_what_the_caller_does_next() -> None:
    class CommunicationError(Exception):
        pass

    class DataResultError(Exception):
        pass

    class DlmsClientException(Exception):  # noqa: N818 - the package's own name
        pass

    raised = (CommunicationError(), DataResultError(), DlmsClientException(), ValueError("secret"))
    assert [dlms_cosem_child._kind(error) for error in raised] == ["unavailable", "refused", "excepted", "wrong"]
    assert "secret" not in dlms_cosem_child._text(ValueError("secret"))
