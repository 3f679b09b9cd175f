"""Block reads over Modbus TCP through pymodbus, made safe.

pymodbus hands a reply that comes after its deadline to the *next* request (asked for register 76, answered with 74's value)
and does not check how many registers came. So here: no library retries, the connection is dropped after any time-out, a quiet
period passes before the next, and the count is checked by `decode`.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.modbus.register_map import Block, Function

QUIET_S: Final = 5.0
"""Silence after a time-out: longer than the slowest meter takes to say what it was asked before."""
_CODES: Final = {Function.HOLDING: 3, Function.INPUT: 4}
_BUSY: Final = frozenset({5, 6, 10, 11})
"""Exception codes that may be gone at the next poll: acknowledge, busy, gateway path, gateway target."""


class BlockTransport(Protocol):
    """Something that reads blocks of words from one meter."""

    async def connect(self) -> None:
        """Connect.

        Raises:
            MeterUnavailableError: when there is no connection to be had.
        """

    async def read(self, block: Block) -> Sequence[int]:
        """The words that the meter answered, of whatever count.

        Raises:
            MeterUnavailableError: no answer in time, or the meter is busy.
            MeterRefusedError: naming the block, when the meter refuses it.
            MeterDecodeError: naming the block, when the meter answers another function.
        """

    async def close(self) -> None:
        """Close. Idempotent."""


class TcpBlocks:
    """Modbus TCP. One request at a time; deadlines inside."""

    def __init__(self, *, host: str, port: int, unit: int, timeout_s: float, quiet_s: float = QUIET_S) -> None:
        self._peer = f"{host}:{port}"
        self._host = host
        self._port = port
        # Made at the first use: the library wants a running loop, and a URL is also checked without one.
        self._made: AsyncModbusTcpClient | None = None
        self._unit = unit
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._quiet_until = 0.0
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
        wait_s = self._quiet_until - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
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
                    answer = await self._ask(block)
            except (TimeoutError, OSError, ModbusException) as error:
                self._drop()
                raise MeterUnavailableError(
                    f"no answer from {self._peer} unit {self._unit} to {_name(block)} within {self._timeout_s} s"
                ) from error
            except asyncio.CancelledError:
                self._drop()
                raise
        return self._words(answer, block)

    async def close(self) -> None:
        """See `BlockTransport.close`."""
        if self._made is not None:
            self._made.close()

    async def _ask(self, block: Block) -> ModbusPDU:
        ask = (
            self._client.read_input_registers
            if block.function is Function.INPUT
            else self._client.read_holding_registers
        )
        return await ask(block.address, count=block.count, device_id=self._unit)

    def _drop(self) -> None:
        """Forget the connection, so that a late reply finds no listener."""
        self._client.close()
        self._quiet_until = asyncio.get_running_loop().time() + self._quiet_s

    def _words(self, answer: ModbusPDU, block: Block) -> Sequence[int]:
        if isinstance(answer, ExceptionResponse):
            text = f"unit {self._unit} at {self._peer} refuses {_name(block)}: exception {answer.exception_code}"
            if answer.exception_code in _BUSY:
                raise MeterUnavailableError(text)
            raise MeterRefusedError(text, reason=answer.exception_code)
        if answer.function_code != _CODES[block.function]:
            self._drop()
            raise MeterDecodeError(f"expected an answer to {_name(block)}, got function {answer.function_code}")
        return tuple(answer.registers)


def _name(block: Block) -> str:
    return f"{block.count} {block.function.value} registers from 0x{block.address:04x}"
