"""Modbus meters on a TCP port."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

from firmware_sim.modbus.line_faults import LineFault, on_line
from firmware_sim.modbus.personalities import MAPS
from firmware_sim.modbus.session import Others, ServerSession
from firmware_sim.modbus.table import Registers
from firmware_sim.tcp import listen

__all__ = ["MAPS", "serve"]


def serve(
    registers: Registers,
    *,
    now: Callable[[], int],
    unit: int = 1,
    others: Others = Others.GATEWAY,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Sequence[LineFault] = (),
) -> AbstractAsyncContextManager[int]:
    """One meter on `host`:`port` while the context is open; gives the port. `now` is in UTC seconds."""
    return serve_units({unit: registers}, now=now, others=others, host=host, port=port, faults=faults)


def serve_units(
    units: Mapping[int, Registers],
    *,
    now: Callable[[], int],
    others: Others = Others.GATEWAY,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Sequence[LineFault] = (),
) -> AbstractAsyncContextManager[int]:
    """The meters behind one gateway, by unit id; as `serve`."""

    def session() -> ServerSession:
        return ServerSession(units, now=now, others=others)

    return _listen_badly(session, host, port, faults) if faults else listen(session, host, port)


class _BadConnection(asyncio.Protocol):
    """A connection through which answers come as `faults` let them."""

    def __init__(self, session: ServerSession, faults: Sequence[LineFault], opened: set[asyncio.Transport]) -> None:
        self._session = session
        self._faults = faults
        self._open = opened
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        answer = self._session.receive(data)
        if answer:
            sent = on_line(answer, self._faults)
            asyncio.get_running_loop().call_later(sent.after_s, self._write, sent.octets)
        if self._session.closed:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._transport is not None:
            self._open.discard(self._transport)

    def _write(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)


@asynccontextmanager
async def _listen_badly(
    session: Callable[[], ServerSession], host: str, port: int, faults: Sequence[LineFault]
) -> AsyncIterator[int]:
    opened: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _BadConnection(session(), faults, opened), host, port)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for transport in list(opened):
            transport.abort()
        await server.wait_closed()
        # An aborted transport closes its socket in the loop's next turn.
        await asyncio.sleep(0)
