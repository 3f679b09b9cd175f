"""Peers on 127.0.0.1 that do as a test says, and a byte stream joined in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from edge_agent.errors import MeterUnavailableError

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[int]:
    """`peer` on a free port, which is given; every connection is closed at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await peer(reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """One whole wrapper frame."""
    header = await reader.readexactly(8)
    return header + await reader.readexactly(int.from_bytes(header[6:8]))


class Joined:
    """A `Transport` whose far end is a function from frames to bytes."""

    def __init__(self, answer: Callable[[bytes], bytes], *, chunk: int = 1 << 20) -> None:
        self._answer = answer
        self._chunk = chunk
        self._pending = b""
        self.closed = False

    async def send(self, data: bytes) -> None:
        """Answered at once."""
        self._pending += self._answer(data)

    async def receive(self) -> bytes:
        """What was answered, `chunk` octets at a time."""
        if not self._pending:
            raise MeterUnavailableError("the meter closed the connection")
        data, self._pending = self._pending[: self._chunk], self._pending[self._chunk :]
        return data

    async def close(self) -> None:
        """Remembered."""
        self.closed = True
