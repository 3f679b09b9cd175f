"""Sessions on sockets: nothing is lost, and nobody's silence fills the memory."""

import asyncio

from firmware_sim.tcp import listen

ANSWER = bytes(range(256)) * 4096
ASKED = 16


class Generous:
    """A session that answers every byte with a mebibyte, and counts what it was given."""

    def __init__(self) -> None:
        self.closed = False
        self.taken = 0

    def receive(self, data: bytes) -> bytes:
        self.taken += len(data)
        self.closed = b"!" in data
        return ANSWER * len(data)


async def test_a_client_that_asks_and_does_not_read_is_not_listened_to() -> None:
    session = Generous()
    async with listen(lambda: session, "127.0.0.1", 0) as port:
        incoming, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        for _ in range(ASKED):
            writer.write(b"?")
            await writer.drain()
            # The meter has had every chance to take the byte before the next is sent.
            for _ in range(50):
                await asyncio.sleep(0)
        assert session.taken < ASKED
        content = await asyncio.wait_for(incoming.readexactly(ASKED * len(ANSWER)), 60)
        assert content == ANSWER * ASKED
        writer.close()
        await writer.wait_closed()


async def test_what_was_answered_is_sent_before_the_connection_closes() -> None:
    async with listen(Generous, "127.0.0.1", 0) as port:
        incoming, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"!")
        assert await asyncio.wait_for(incoming.read(), 60) == ANSWER
        writer.close()
        await writer.wait_closed()


async def test_two_meters_have_two_ports() -> None:
    async with listen(Generous, "127.0.0.1", 0) as first, listen(Generous, "127.0.0.1", 0) as second:
        assert first != second


class Brief:
    """A session that answers ten bytes and closes."""

    def __init__(self) -> None:
        self.closed = False

    def receive(self, data: bytes) -> bytes:
        self.closed = True
        return bytes(10)


async def test_a_connection_can_be_as_slow_as_a_line_and_still_says_all_before_it_closes() -> None:
    loop = asyncio.get_running_loop()
    async with listen(Brief, "127.0.0.1", 0, bps=2400) as port:
        incoming, writer = await asyncio.open_connection("127.0.0.1", port)
        began = loop.time()
        writer.write(b"question__")
        assert await asyncio.wait_for(incoming.read(), 60) == bytes(10)
        assert loop.time() - began >= 20 * 10 / 2400 * 0.99
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_leaves_a_slow_line_is_forgotten() -> None:
    async with listen(Brief, "127.0.0.1", 0, bps=1) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"?")
        await writer.drain()
        writer.transport.abort()
        await asyncio.sleep(0)
