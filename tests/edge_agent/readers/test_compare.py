"""Two stacks on one meter: what they agree on is silent, what they differ in is named with both words."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge_agent.errors import MeterUnavailableError, ReaderUrlError
from edge_agent.readers.compare import compare
from firmware_sim.dlms.server import serve
from firmware_sim.meter import Category, Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import DAY_S, Interval, ist_day_start, parse_instant
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
from tests.edge_agent.readers.peers import listening, read_frame

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
TODAY = ist_day_start(NOW)


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "lls").write_bytes(b"sakshi-1\n")
    return f"file:{tmp_path}/lls"


@contextlib.asynccontextmanager
async def answering(meter_of: Callable[[int], ScriptedMeter]) -> AsyncIterator[int]:
    """A port at which every connection meets the meter of its number."""
    connections = 0

    async def peer(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        scripted, connections = meter_of(connections), connections + 1
        while True:
            writer.write(scripted.answer(await read_frame(stream)))

    async with listening(peer) as port:
        yield port


def scripted(second: int) -> ScriptedMeter:
    """Three half-hours, the second with so much import; no days."""
    rows = [
        structure(stamp(26, n // 2, n % 2 * 30), u16(2301), u32(wh), u32(9)) for n, wh in ((1, 1), (2, second), (3, 3))
    ]
    made, daily = meter(rows), "1.0.99.2.0.255"
    for attribute in (4, 5, 7, 8):
        made.objects[7, daily, attribute] = made.objects[7, BLOCK, attribute]
    made.objects[7, daily, 3] = array(capture(8, "0.0.1.0.0.255"), capture(3, "1.0.1.8.0.255"))
    made.objects[7, daily, 2] = array()
    made.objects[3, "1.0.1.8.0.255", 3] = scaler(0, 30)
    return made


@pytest.mark.parametrize("category", Category)
async def test_two_stacks_agree_on_a_meter(password: str, category: Category) -> None:
    spec = MeterSpec(serial="12345678", category=category)
    async with serve(Meter(spec, Home(seed=7, array_w=5000)), now=lambda: NOW) as port:
        url = f"dlms+tcp://127.0.0.1:{port}?password={password}"
        assert await compare(url, Interval(TODAY - DAY_S, NOW)) == []


async def test_a_row_that_one_of_them_does_not_see_is_named_with_both_words(password: str) -> None:
    async with answering(lambda connection: scripted(7 if connection else 2)) as port:
        differences = await compare(f"dlms+tcp://127.0.0.1:{port}?password={password}", Interval(TODAY, TODAY + 3600))
    (block,) = differences
    assert block.what == "block 2026-04-25T19:30:00Z"
    ours, other = block.as_json()["ours"], block.as_json()["dlms-cosem"]
    assert isinstance(ours, dict)
    assert isinstance(other, dict)
    assert (ours["imported_wh"], other["imported_wh"]) == ("2", "7")


async def test_a_meter_that_the_other_stack_cannot_speak_to_is_refused_before_it_is_asked() -> None:
    with pytest.raises(
        ReaderUrlError, match=r"expected dlms\+tcp: for a comparison with dlms-cosem, got 'modbus\+tcp:'"
    ):
        await compare("modbus+tcp://127.0.0.1:1?map=sdm630", Interval(0, 1))
    with pytest.raises(MeterUnavailableError):
        await compare("dlms+tcp://127.0.0.1:1?client=16", Interval(0, 1))
