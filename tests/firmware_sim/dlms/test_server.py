"""The meter on a socket."""

import asyncio
import contextlib

from firmware_sim.dlms.server import serve
from tests.firmware_sim.dlms.wire import AARQ_READER, PASSWORD, frame
from tests.firmware_sim.meters import now, seller


async def test_several_clients_are_served_at_once() -> None:
    async with serve(seller(), now=now, password=PASSWORD) as port:
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for _, writer in streams:
            writer.write(frame(AARQ_READER))
        answers = [await incoming.readexactly(8 + 43) for incoming, _ in streams]
        assert len(set(answers)) == 1
        for _, writer in streams:
            writer.close()
            await writer.wait_closed()


async def test_a_stream_out_of_step_is_closed() -> None:
    async with serve(seller(), now=now, password=PASSWORD) as port:
        incoming, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(AARQ_READER) + b"GET / HTTP/1.1\r\n\r\n")
        assert len(await incoming.read()) == 8 + 43
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_vanishes_leaves_the_meter_alone() -> None:
    async with serve(seller(), now=now, password=PASSWORD) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(AARQ_READER)[:20])
        writer.transport.abort()
        incoming, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(AARQ_READER))
        assert (await incoming.readexactly(9))[8:] == b"\x61"
        writer.close()
        await writer.wait_closed()


async def test_connections_end_with_the_meter() -> None:
    async with serve(seller(), now=now, password=PASSWORD) as port:
        incoming, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(AARQ_READER))
        await incoming.readexactly(8 + 43)
    with contextlib.suppress(ConnectionResetError):
        assert await incoming.read() == b""
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()
