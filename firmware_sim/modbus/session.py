"""One client's Modbus TCP connection, without a socket: bytes in, bytes out.

Source: Modbus Messaging on TCP/IP V1.0b, 3.1.3 (MBAP header).
"""

from collections.abc import Callable, Mapping
from enum import Enum

from firmware_sim.modbus.pdu import ModbusError, answer, exception
from firmware_sim.modbus.table import Registers

_HEADER = 7
_LONGEST = 254
"""The most that may follow the length field: unit id and a PDU of 253 bytes."""


class Others(Enum):
    """What happens to requests for unit ids that no meter here has."""

    SILENT = "silent"
    """As slaves on RS-485 do."""
    GATEWAY = "gateway"
    """Exception 11, as a TCP gateway in front of them does."""


class ServerSession:
    """The meters at the far end of one connection, by unit id. Holds at most one incomplete frame."""

    def __init__(
        self, units: Mapping[int, Registers], *, now: Callable[[], int], others: Others = Others.GATEWAY
    ) -> None:
        self._units = dict(units)
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
        registers = self._units.get(unit)
        if registers is not None:
            content = answer(registers, pdu, self._now)
        elif self._others is Others.SILENT or unit == 0:  # 0 is a broadcast: never answered
            return b""
        else:
            content = exception(pdu[0], ModbusError.NO_TARGET)
        return transaction + bytes(2) + (len(content) + 1).to_bytes(2, "big") + bytes([unit]) + content
