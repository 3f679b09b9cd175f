"""Block reads over Modbus TCP."""

import asyncio
from collections.abc import Sequence

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from edge_agent.errors import MeterDecodeError, MeterUnavailableError
from edge_agent.readers.modbus.exchange import QUIET_S, ask, leave_alone, name, until_quiet, words_of
from edge_agent.readers.modbus.register_map import Block


class TcpBlocks:
    """Modbus TCP; a `BlockTransport`. One request at a time; deadlines inside."""

    def __init__(self, *, host: str, port: int, unit: int, timeout_s: float, quiet_s: float = QUIET_S) -> None:
        self._peer = f"{host}:{port}"
        self._host = host
        self._port = port
        # Made at the first use: the library wants a running loop, and a URL is also checked without one.
        self._made: AsyncModbusTcpClient | None = None
        self._unit = unit
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._lock = asyncio.Lock()

    @property
    def _client(self) -> AsyncModbusTcpClient:
        if self._made is None:
            self._made = AsyncModbusTcpClient(
                self._host, port=self._port, timeout=self._timeout_s, retries=0, reconnect_delay=0
            )
        return self._made

    async def connect(self) -> None:
        """See `BlockTransport.connect`."""
        # A gateway may hand a late serial reply to whoever connects next: the unit is left alone until it must have come. The
        # gateway's other units are not, since every answer names its unit and is checked to.
        await until_quiet(f"{self._peer} unit {self._unit}")
        try:
            connected = await self._client.connect()
        except (OSError, ModbusException) as error:
            raise MeterUnavailableError(f"no connection to the meter at {self._peer}: {error}") from error
        if not connected:
            raise MeterUnavailableError(f"no connection to the meter at {self._peer}")

    async def read(self, block: Block) -> Sequence[int]:
        """See `BlockTransport.read`."""
        async with self._lock:
            if not self._client.connected:
                await self.connect()
            try:
                # The library's own deadline comes first; this one also covers what it forgets.
                async with asyncio.timeout(self._timeout_s + 1):
                    answer = await ask(self._client, block, self._unit)
                return words_of(answer, block, unit=self._unit, peer=self._peer)
            except (TimeoutError, OSError, ModbusException) as error:
                self._drop()
                raise MeterUnavailableError(
                    f"no answer from {self._peer} unit {self._unit} to {name(block)} within {self._timeout_s} s"
                ) from error
            except (asyncio.CancelledError, MeterDecodeError):
                self._drop()
                raise

    async def close(self) -> None:
        """See `BlockTransport.close`."""
        if self._made is not None:
            self._made.close()

    def _drop(self) -> None:
        """Forget the connection, so that a late reply finds no listener."""
        self._client.close()
        leave_alone(f"{self._peer} unit {self._unit}", self._quiet_s)
