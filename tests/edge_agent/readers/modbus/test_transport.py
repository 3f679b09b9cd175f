"""A late reply never becomes another register's value, and nothing but a reader's error escapes."""

import asyncio

import pytest

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.modbus.register_map import Block, Function
from edge_agent.readers.modbus.transport import TcpBlocks
from tests.edge_agent.readers.peers import Peer, listening

ENERGIES = Block(function=Function.INPUT, address=0x48, count=4)
SERIAL = Block(function=Function.HOLDING, address=0xFC00, count=2)


async def request(reader: asyncio.StreamReader) -> bytes:
    """One whole Modbus TCP request."""
    head = await reader.readexactly(6)
    return head + await reader.readexactly(int.from_bytes(head[4:6]))


def reply(to: bytes, *words: int) -> bytes:
    """The answer to a read, whatever was asked."""
    pdu = bytes([to[7], 2 * len(words)]) + b"".join(word.to_bytes(2) for word in words)
    return to[:4] + (len(pdu) + 1).to_bytes(2) + to[6:7] + pdu


def blocks(port: int, timeout_s: float = 0.2) -> TcpBlocks:
    return TcpBlocks(host="127.0.0.1", port=port, unit=1, timeout_s=timeout_s, quiet_s=0.05)


async def echo_address(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Every word is its own address."""
    while True:
        asked = await request(reader)
        first, count = int.from_bytes(asked[8:10]), int.from_bytes(asked[10:12])
        writer.write(reply(asked, *range(first, first + count)))


async def refuse_as(code: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One exception."""
    asked = await request(reader)
    writer.write(asked[:4] + b"\x00\x03" + asked[6:7] + bytes([asked[7] | 0x80, code]))
    await reader.read()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Nothing."""
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take one request and close."""
    await request(reader)


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another protocol."""
    await request(reader)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read()


async def test_words_come_in_order() -> None:
    async with listening(echo_address) as port:
        meter = blocks(port)
        assert list(await meter.read(ENERGIES)) == [0x48, 0x49, 0x4A, 0x4B]
        assert list(await meter.read(SERIAL)) == [0xFC00, 0xFC01]
        await meter.close()


async def test_a_late_reply_never_answers_the_next_question() -> None:
    late = asyncio.Event()
    connections = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            await echo_address(reader, writer)
        asked = await request(reader)
        await late.wait()
        writer.write(reply(asked, 0xDEAD, 0xDEAD, 0xDEAD, 0xDEAD))
        await reader.read()

    async with listening(slow) as port:
        meter = blocks(port)
        with pytest.raises(MeterUnavailableError, match="4 input registers from 0x0048 within"):
            await meter.read(ENERGIES)
        late.set()
        assert list(await meter.read(ENERGIES)) == [0x48, 0x49, 0x4A, 0x4B]
        await meter.close()
    assert connections == 2


async def test_after_a_time_out_the_line_is_quiet_for_a_while() -> None:
    loop = asyncio.get_running_loop()
    async with listening(silent) as port:
        meter = blocks(port, timeout_s=0.05)
        with pytest.raises(MeterUnavailableError):
            await meter.read(ENERGIES)
        ended = loop.time()
        await meter.connect()
        assert loop.time() - ended >= 0.049
        await meter.close()


async def test_a_cancelled_read_gives_its_connection_up() -> None:
    asked = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked.is_set():
            await echo_address(reader, writer)
        await request(reader)
        asked.set()
        await reader.read()

    async with listening(peer) as port:
        meter = blocks(port, timeout_s=30)
        task = asyncio.create_task(_read(meter))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(await meter.read(SERIAL)) == [0xFC00, 0xFC01]
        await meter.close()


async def _read(meter: TcpBlocks) -> None:
    await meter.read(ENERGIES)


@pytest.mark.parametrize("peer", [silent, hang_up, garbage])
async def test_a_meter_that_does_not_answer_is_unavailable(peer: Peer) -> None:
    async with listening(peer) as port:
        meter = blocks(port, timeout_s=0.1)
        with pytest.raises(MeterUnavailableError, match="no answer"):
            await meter.read(ENERGIES)
        await meter.close()


@pytest.mark.parametrize("code", [1, 2, 3, 4])
async def test_an_exception_is_a_refusal_that_names_the_block(code: int) -> None:
    async with listening(lambda reader, writer: refuse_as(code, reader, writer)) as port:
        meter = blocks(port)
        with pytest.raises(MeterRefusedError, match=f"2 holding registers from 0xfc00: exception {code}") as caught:
            await meter.read(SERIAL)
        assert caught.value.reason == code
        await meter.close()


@pytest.mark.parametrize("code", [5, 6, 10, 11])
async def test_a_busy_meter_or_gateway_is_unavailable(code: int) -> None:
    async with listening(lambda reader, writer: refuse_as(code, reader, writer)) as port:
        meter = blocks(port)
        with pytest.raises(MeterUnavailableError, match=f"exception {code}"):
            await meter.read(SERIAL)
        await meter.close()


async def test_an_answer_of_another_function_is_refused() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await request(reader)
        writer.write(reply(asked[:7] + b"\x03" + asked[8:], 1, 2, 3, 4))
        await reader.read()

    async with listening(other) as port:
        meter = blocks(port)
        with pytest.raises(MeterDecodeError, match="4 input registers from 0x0048, got function 3"):
            await meter.read(ENERGIES)
        await meter.close()


async def test_nobody_listening_is_unavailable() -> None:
    async with listening(silent) as port:
        pass
    meter = blocks(port)
    with pytest.raises(MeterUnavailableError, match=f"no connection to the meter at 127.0.0.1:{port}"):
        await meter.connect()
    await meter.close()
