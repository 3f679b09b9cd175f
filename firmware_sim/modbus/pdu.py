"""What a meter answers to one request, whatever frame it came in.

Source: Modbus Application Protocol V1.1b3, 6.3, 6.4 and 7.
"""

from collections.abc import Callable
from enum import IntEnum

from firmware_sim.modbus.table import HOLDING, INPUT, IllegalAddressError, Registers


class ModbusError(IntEnum):
    """Modbus exception codes."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    NO_TARGET = 11


def answer(registers: Registers, pdu: bytes, now: Callable[[], int]) -> bytes:
    """The answer to `pdu`, of at least one octet, `now` in UTC seconds. Never raises: what cannot be is an exception code."""
    function = pdu[0]
    if function not in (HOLDING, INPUT):
        return exception(function, ModbusError.ILLEGAL_FUNCTION)
    if len(pdu) != 5:
        return exception(function, ModbusError.ILLEGAL_VALUE)
    address, words = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    if not 1 <= words <= registers.max_words:
        return exception(function, ModbusError.ILLEGAL_VALUE)
    try:
        content = registers.read(function, address, words, now)
    except IllegalAddressError:
        return exception(function, ModbusError.ILLEGAL_ADDRESS)
    return bytes([function, len(content)]) + content


def exception(function: int, code: ModbusError) -> bytes:
    """The refusal of a request of `function`."""
    return bytes([function & 0x7F | 0x80, code])
