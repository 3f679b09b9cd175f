"""One durable step for meters that are looked at at the same time, and nobody waits for long or for nothing."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from edge_agent import together
from edge_agent.drafts import Place, Sealed
from edge_agent.outbox.errors import DiskFullError, OutboxFullError
from edge_agent.outbox.outbox import Entry, Outbox, Outcome
from edge_agent.together import Together
from signing.errors import KeyUnavailableError
from tests.edge_agent.gateway import Gateway, draft, to_send


class Bench:
    """Meters that are looked at together over a real outbox, and what was stored at once."""

    def __init__(self, gateway: Gateway, outbox: Outbox) -> None:
        self.gateway = gateway
        self.outbox = outbox
        self.stored: list[list[str]] = []
        self.together = Together(self.put_all)

    def put_all(self, entries: Sequence[Entry]) -> list[Outcome]:
        self.stored.append([entry.draft.meter for entry in entries])
        return self.outbox.put_all(entries)

    async def look(self, meter: str, *, after: asyncio.Event | None = None, may_wait: bool = True) -> Sealed | None:
        with self.together.looking():
            await asyncio.sleep(0)  # others begin
            if after is not None:
                await after.wait()
            return await self.put(meter, may_wait=may_wait)

    async def put(self, meter: str, block: int = 0, *, may_wait: bool = True) -> Sealed | None:
        entry = self.gateway.entry(draft(block, meter=meter))
        return await self.together.put(entry.draft, entry.build, may_wait=may_wait)


@pytest.fixture
def bench(gateway: Gateway, outbox: Outbox) -> Bench:
    return Bench(gateway, outbox)


async def test_those_who_are_looked_at_together_are_stored_together(bench: Bench) -> None:
    read = asyncio.Event()
    looks = [asyncio.create_task(bench.look("M1")), asyncio.create_task(bench.look("M2", after=read))]
    await asyncio.sleep(0.01)
    assert bench.stored == []
    read.set()
    signed = await asyncio.gather(*looks)
    assert bench.stored == [["M1", "M2"]]
    assert [each.digest for each in to_send(bench.outbox)] == [each.signed.digest for each in signed if each]


async def test_whoever_is_alone_waits_for_nobody(bench: Bench) -> None:
    async with asyncio.timeout(together.WAIT_S / 2):
        assert await bench.look("M1") is not None
        assert await bench.look("M1") is None
        assert await bench.put("M2") is not None


async def test_a_meter_that_gives_nothing_is_not_waited_for(bench: Bench) -> None:
    gone = asyncio.Event()

    async def fails() -> None:
        with bench.together.looking():
            await gone.wait()
            raise TimeoutError

    async with asyncio.timeout(together.WAIT_S / 2):
        other, one = asyncio.create_task(fails()), asyncio.create_task(bench.look("M1"))
        await asyncio.sleep(0)
        gone.set()
        assert await one is not None
        with pytest.raises(TimeoutError):
            await other


async def test_a_meter_that_is_slow_is_waited_for_no_longer_than_a_moment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "WAIT_S", 0.01)
    read = asyncio.Event()
    slow = asyncio.create_task(bench.look("M2", after=read))
    assert await bench.look("M1") is not None
    read.set()
    await slow
    assert bench.stored == [["M1"], ["M2"]]


async def test_the_past_is_stored_at_once_and_takes_along_who_waits(bench: Bench) -> None:
    read = asyncio.Event()
    third = asyncio.create_task(bench.look("M1", after=read))
    one = asyncio.create_task(bench.look("M2"))
    await asyncio.sleep(0.01)
    assert bench.stored == []
    await bench.put("M1", 4, may_wait=False)
    assert bench.stored == [["M2", "M1"]]
    read.set()
    await asyncio.gather(one, third)


async def test_whoever_is_cancelled_signs_nothing_and_hinders_nobody(bench: Bench) -> None:
    read = asyncio.Event()
    one, other = asyncio.create_task(bench.look("M1")), asyncio.create_task(bench.look("M2", after=read))
    await asyncio.sleep(0.01)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    read.set()
    await other
    assert bench.stored == [["M2"]]


async def test_an_error_of_the_disk_is_everybodys_and_a_fault_leaves_nobody_waiting(bench: Bench) -> None:
    def broken(error: Exception) -> Callable[[Sequence[Entry]], list[Outcome]]:
        def put_all(_: Sequence[Entry]) -> list[Outcome]:
            raise error

        return put_all

    for error, expected in (
        (DiskFullError("full"), [DiskFullError] * 2),
        (ValueError("a bug"), [RuntimeError, ValueError]),
    ):
        bench.together = Together(broken(error))
        found = await asyncio.gather(bench.look("M1"), bench.look("M2"), return_exceptions=True)
        assert [type(each) for each in found] == expected


async def test_one_meters_error_is_not_anothers(gateway: Gateway, outbox: Outbox) -> None:
    def no_key(_: Place) -> Sealed:
        raise KeyUnavailableError("the key is gone")

    entries = [Entry(draft=draft(0), build=no_key), gateway.entry(draft(0, meter="M2"))]
    refused, signed = outbox.put_all(entries)
    assert isinstance(refused, KeyUnavailableError)
    assert isinstance(signed, Sealed)
    outbox._capacity = 1
    (full,) = outbox.put_all(entries[:1])
    assert isinstance(full, OutboxFullError)
    assert [each.digest for each in to_send(outbox)] == [signed.signed.digest]


def test_a_disk_that_fills_in_the_middle_stores_none_of_them(gateway: Gateway, outbox: Outbox) -> None:
    outbox.limit_pages(1)
    entries = [gateway.entry(draft(block)) for block in range(200)]
    with pytest.raises(DiskFullError):
        outbox.put_all(entries)
    outbox.limit_pages(100_000)
    assert to_send(outbox) == []
    assert outbox.put_all(entries[:1]) != [None]
