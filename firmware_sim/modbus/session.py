"""One client's Modbus TCP connection, without a socket: bytes in, bytes out.

Source: Modbus Messaging on TCP/IP V1.0b, 3.1.3 (MBAP header); Modbus Application Protocol V1.1b3, 6 and 7.
"""

from collections.abc import Callable
from enum import Enum, IntEnum

from firmware_sim.modbus.sdm630 import MAX_WORDS, IllegalAddressError, Sdm630

_HEADER = 7
_LONGEST = 254
"""The most that may follow the length field: unit id and a PDU of 253 bytes."""


class Others(Enum):
    """What happens to requests for unit ids that are not this meter's."""

    SILENT = "silent"
    """As slaves on RS-485 do."""
    GATEWAY = "gateway"
    """Exception 11, as a TCP gateway in front of them does."""


class ModbusError(IntEnum):
    """Modbus exception codes."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    NO_TARGET = 11


class ServerSession:
    """A meter at the far end of one connection. Holds at most one incomplete frame."""

    def __init__(
        self, registers: Sdm630, *, unit: int, now: Callable[[], int], others: Others = Others.GATEWAY
    ) -> None:
        self._registers = registers
        self._unit = unit
        self._now = now
        self._others = others
        self._buffer = b""
        self.closed = False
        """Whether the stream has lost its framing: the transport closes it."""

    def receive(self, data: bytes) -> bytes:
        """The answers to whatever `data` completes, in order; empty while a frame is incomplete. Never raises."""
        if self.closed:
            return b""
        self._buffer += data
        answers = []
        while len(self._buffer) >= _HEADER:
            protocol, size = (int.from_bytes(self._buffer[at : at + 2], "big") for at in (2, 4))
            if protocol != 0 or not 2 <= size <= _LONGEST:
                self.closed = True
                self._buffer = b""
                break
            end = _HEADER - 1 + size
            if len(self._buffer) < end:
                break
            answers.append(self._frame(self._buffer[:2], self._buffer[6], self._buffer[_HEADER:end]))
            self._buffer = self._buffer[end:]
        return b"".join(answers)

    def _frame(self, transaction: bytes, unit: int, pdu: bytes) -> bytes:
        if unit == self._unit:
            answer = self._answer(pdu)
        elif self._others is Others.SILENT or unit == 0:  # 0 is a broadcast: never answered
            return b""
        else:
            answer = _exception(pdu[0], ModbusError.NO_TARGET)
        return transaction + bytes(2) + (len(answer) + 1).to_bytes(2, "big") + bytes([unit]) + answer

    def _answer(self, pdu: bytes) -> bytes:
        function = pdu[0]
        if function not in (3, 4):
            return _exception(function, ModbusError.ILLEGAL_FUNCTION)
        if len(pdu) != 5:
            return _exception(function, ModbusError.ILLEGAL_VALUE)
        address, words = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        if not 1 <= words <= MAX_WORDS:
            return _exception(function, ModbusError.ILLEGAL_VALUE)
        try:
            if function == 4:
                content = self._registers.inputs(address, words, self._now())
            else:
                content = self._registers.holdings(address, words)
        except IllegalAddressError:
            return _exception(function, ModbusError.ILLEGAL_ADDRESS)
        return bytes([function, len(content)]) + content


def _exception(function: int, code: ModbusError) -> bytes:
    return bytes([function & 0x7F | 0x80, code])
