"""One question to a Modbus meter through pymodbus, and what its answer is worth.

pymodbus hands a reply that comes after its deadline to the *next* request (asked for register 76, answered with 74's value),
and checks neither how many registers came nor which function answered. So here: no library retries, the line is dropped after
any time-out, a meter that was late is not asked again before it must have finished, and function, unit and count are checked
(the count by `decode`).
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from pymodbus.client.base import ModbusBaseClient
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.modbus.register_map import Block, Function

# Whatever the library has to say reaches the caller as an error; its own lines hold what the meter sent.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

QUIET_S: Final = 5.0
"""Silence after a time-out: longer than the slowest meter takes to say what it was asked before."""
_CODES: Final = {Function.HOLDING: 3, Function.INPUT: 4}
_BUSY: Final = frozenset({5, 6, 10, 11})
"""Exception codes that may be gone at the next poll: acknowledge, busy, gateway path, gateway target."""
_QUIET: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, float]]] = WeakKeyDictionary()
"""By peer, until when it is left alone. Outlives every reader: the next poll opens another one."""


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
            MeterDecodeError: naming the block, when the meter answers another function or another unit.
        """

    async def close(self) -> None:
        """Close. Idempotent."""


def leave_alone(peer: str, quiet_s: float) -> None:
    """Notes that `peer` was late: whoever asks it next waits until it must have finished."""
    loop = asyncio.get_running_loop()
    _QUIET.setdefault(loop, {})[peer] = loop.time() + quiet_s


async def until_quiet(peer: str) -> None:
    """Waits until `peer` may be asked again."""
    loop = asyncio.get_running_loop()
    until = _QUIET.get(loop, {}).get(peer, 0.0)
    if until > loop.time():
        await asyncio.sleep(until - loop.time())
    _QUIET.get(loop, {}).pop(peer, None)


async def ask(client: ModbusBaseClient, block: Block, unit: int) -> ModbusPDU:
    """What comes back for `block` of `unit`, unchecked. Raises whatever pymodbus does."""
    read = client.read_input_registers if block.function is Function.INPUT else client.read_holding_registers
    return await read(block.address, count=block.count, device_id=unit)


def words_of(answer: ModbusPDU, block: Block, *, unit: int, peer: str) -> Sequence[int]:
    """The words of `answer`.

    Raises:
        MeterUnavailableError: the meter, or the gateway before it, is busy.
        MeterRefusedError: naming the block, when the meter refuses it.
        MeterDecodeError: naming the block, when it is the answer to another question.
    """
    if answer.dev_id != unit:
        raise MeterDecodeError(f"expected an answer of unit {unit} at {peer} to {name(block)}, got {answer.dev_id}")
    if isinstance(answer, ExceptionResponse):
        text = f"unit {unit} at {peer} refuses {name(block)}: exception {answer.exception_code}"
        if answer.exception_code in _BUSY:
            raise MeterUnavailableError(text)
        raise MeterRefusedError(text, reason=answer.exception_code)
    if answer.function_code != _CODES[block.function]:
        raise MeterDecodeError(f"expected an answer to {name(block)}, got function {answer.function_code}")
    return tuple(answer.registers)


def name(block: Block) -> str:
    """`block` in words."""
    return f"{block.count} {block.function.value} registers from 0x{block.address:04x}"
