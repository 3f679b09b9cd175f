"""Bytes to a meter: counted, one user to a line, and an end that is named."""

import asyncio

import pytest

from edge_agent.errors import MeterUnavailableError
from edge_agent.readers.dlms.transport import Metered, Traffic, Transport, alone
from tests.edge_agent.readers.peers import Joined


def echo() -> Joined:
    return Joined(lambda data: data * 2)


async def connect() -> Transport:
    return echo()


async def test_octets_and_turns_are_counted_both_ways() -> None:
    traffic = Traffic()
    stream = Metered(echo(), traffic)
    await stream.send(b"abc")
    await stream.send(b"d")
    while traffic.received_octets < 8:
        await stream.receive()
    await stream.close()
    assert traffic == Traffic(sent_octets=4, received_octets=8, turns=2)


async def test_a_line_has_one_user_and_the_others_come_in_order() -> None:
    order: list[int] = []

    async def use(number: int) -> None:
        stream = await alone("line", connect, 1)
        order.append(number)
        await asyncio.sleep(0)
        order.append(number)
        await stream.close()
        await stream.close()

    await asyncio.gather(*(use(number) for number in range(4)))
    assert order == [0, 0, 1, 1, 2, 2, 3, 3]


async def test_lines_do_not_wait_for_each_other() -> None:
    async with asyncio.timeout(5):
        streams = [await alone(line, connect, 1) for line in ("one", "other")]
    for stream in streams:
        await stream.close()


async def test_an_owned_line_carries_what_the_stream_does() -> None:
    stream = await alone("line", connect, 1)
    await stream.send(b"abc")
    assert await stream.receive() == b"abcabc"
    await stream.close()


@pytest.mark.parametrize("error", [MeterUnavailableError("no"), asyncio.CancelledError()])
async def test_a_connection_that_fails_leaves_the_line_free(error: BaseException) -> None:
    async def refuse() -> Transport:
        raise error

    with pytest.raises(type(error)):
        await alone("line", refuse, 1)
    async with asyncio.timeout(5):
        await (await alone("line", connect, 1)).close()


async def test_a_connection_that_takes_too_long_is_named_and_leaves_the_line_free() -> None:
    async def dawdle() -> Transport:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    with pytest.raises(MeterUnavailableError, match=r"no connection to line within 0\.01 s"):
        await alone("line", dawdle, 0.01)
    async with asyncio.timeout(5):
        await (await alone("line", connect, 1)).close()


async def test_waiting_for_the_line_does_not_count_against_the_connection() -> None:
    first = await alone("line", connect, 1)
    second = asyncio.create_task(alone("line", connect, 0.02))
    await asyncio.sleep(0.05)
    assert not second.done()
    await first.close()
    await (await second).close()


async def test_a_stream_that_fails_to_close_leaves_the_line_free() -> None:
    class Stuck(Joined):
        async def close(self) -> None:
            raise ZeroDivisionError

    async def stuck() -> Transport:
        return Stuck(bytes)

    stream = await alone("line", stuck, 1)
    with pytest.raises(ZeroDivisionError):
        await stream.close()
    async with asyncio.timeout(5):
        await (await alone("line", connect, 1)).close()
