"""Sessions on TCP sockets: bytes only, any number of connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, cast

from firmware_sim.pace import PacedWriter


class Session(Protocol):
    """One connection without a socket."""

    @property
    def closed(self) -> bool:
        """Whether nothing more is to be said: the transport sends what it has and closes."""
        ...

    def receive(self, data: bytes) -> bytes:
        """What to send for what came."""
        ...


class _Connection(asyncio.Protocol):
    def __init__(self, session: Session, open_connections: set[asyncio.Transport], bps: int | None) -> None:
        self._session = session
        self._open = open_connections
        self._transport: asyncio.Transport | None = None
        self._writer = PacedWriter(self._write, bps)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._writer.send(len(data), self._session.receive(data))
        if self._session.closed:
            self._writer.after(self._transport.close)

    def _write(self, content: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(content)

    # A client that asks and does not read fills the send buffer: it is not listened to until it reads.
    def pause_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._writer.stop()
        if self._transport is not None:
            self._open.discard(self._transport)


@asynccontextmanager
async def listen(
    new_session: Callable[[], Session], host: str, port: int, *, bps: int | None = None
) -> AsyncIterator[int]:
    """Serve a session to every connection while the context is open; gives the port.

    `port` 0 lets the system choose one. With `bps` every connection is as slow as a serial line of that speed.

    Raises:
        OSError: when the address cannot be had.
    """
    connections: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(new_session(), connections, bps), host, port)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for transport in list(connections):
            transport.abort()
        await server.wait_closed()
        # An aborted transport closes its socket in the loop's next turn.
        await asyncio.sleep(0)
