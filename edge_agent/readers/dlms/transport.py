"""Bytes to and from a meter over TCP, who may use a line, and how many octets went over it; nothing else."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from edge_agent.errors import MeterUnavailableError

READ_OCTETS = 65_536


class Transport(Protocol):
    """A byte stream to one meter."""

    async def send(self, data: bytes) -> None:
        """Write `data`.

        Raises:
            MeterUnavailableError: when the peer is gone.
        """

    async def receive(self) -> bytes:
        """At least one octet.

        Raises:
            MeterUnavailableError: when the peer closed or reset the connection.
        """

    async def close(self) -> None:
        """Close the stream; never raises for a peer that is gone."""


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Octets on the wire, counted by whoever owns this."""

    sent_octets: int = 0
    received_octets: int = 0
    turns: int = 0
    """How often the client spoke: each costs the meter's and the line's turnaround."""


class Metered:
    """A `Transport` that counts what passes."""

    def __init__(self, transport: Transport, traffic: Traffic) -> None:
        self._transport = transport
        self._traffic = traffic

    async def send(self, data: bytes) -> None:
        """See `Transport.send`."""
        self._traffic.sent_octets += len(data)
        self._traffic.turns += 1
        stream = self._transport
        await stream.send(data)

    async def receive(self) -> bytes:
        """See `Transport.receive`."""
        data = await self._transport.receive()
        self._traffic.received_octets += len(data)
        return data

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._transport.close()


class _Owned:
    """A `Transport` whose line is free for the next user when it is closed."""

    def __init__(self, transport: Transport, line: asyncio.Lock) -> None:
        self._transport = transport
        self._line: asyncio.Lock | None = line

    async def send(self, data: bytes) -> None:
        stream = self._transport
        await stream.send(data)

    async def receive(self) -> bytes:
        return await self._transport.receive()

    async def close(self) -> None:
        line, self._line = self._line, None
        try:
            await self._transport.close()
        finally:
            if line is not None:
                line.release()


_LINES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]]] = WeakKeyDictionary()
"""Who may use a line now, by its name, for every loop of this process."""


async def alone(line: str, connect: Callable[[], Awaitable[Transport]], timeout_s: float) -> Transport:
    """A transport of `connect`, once nobody else in this process uses `line`; they are served in the order they came.

    `timeout_s` counts from then on.

    Raises:
        MeterUnavailableError: as `connect`, or when that takes too long.
    """
    lock = _LINES.setdefault(asyncio.get_running_loop(), {}).setdefault(line, asyncio.Lock())
    await lock.acquire()
    try:
        async with asyncio.timeout(timeout_s):
            transport = await connect()
    except TimeoutError as error:
        lock.release()
        raise MeterUnavailableError(f"no connection to {line} within {timeout_s} s") from error
    except BaseException:
        lock.release()
        raise
    return _Owned(transport, lock)


class TcpTransport:
    """A TCP connection to a meter. Deadlines are the caller's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        self._reader = reader
        self._writer = writer
        self._peer = peer

    async def send(self, data: bytes) -> None:
        """See `Transport.send`."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise MeterUnavailableError(f"the meter at {self._peer} closed the connection: {error}") from error

    async def receive(self) -> bytes:
        """See `Transport.receive`."""
        try:
            data = await self._reader.read(READ_OCTETS)
        except OSError as error:
            raise MeterUnavailableError(f"the meter at {self._peer} closed the connection: {error}") from error
        if not data:
            raise MeterUnavailableError(f"the meter at {self._peer} closed the connection")
        return data

    async def close(self) -> None:
        """See `Transport.close`."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def connect_tcp(host: str, port: int) -> TcpTransport:
    """A connection to `host`:`port`.

    Raises:
        MeterUnavailableError: when there is none to be had.
    """
    peer = f"{host}:{port}"
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise MeterUnavailableError(f"no connection to the meter at {peer}: {error}") from error
    return TcpTransport(reader, writer, peer)
