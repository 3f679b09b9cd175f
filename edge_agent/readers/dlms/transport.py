"""Bytes to and from a meter over TCP; nothing else."""

import asyncio
import contextlib
from typing import Protocol

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
