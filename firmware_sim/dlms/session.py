"""One client's connection over the TCP wrapper, without a socket: bytes in, bytes out.

Source: IEC 62056-4-7, 4: version 0001, source port, destination port, length, each 16 bits big-endian, then the APDU.
"""

from collections.abc import Callable

from firmware_sim.dlms.application import Application
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, SERVER_SAP, Access
from firmware_sim.dlms.device import DEFAULT_MAX_PDU, Device
from firmware_sim.meter import Meter

__all__ = ["DEFAULT_PASSWORD", "ServerSession", "WrapperSession"]

_HEADER = 8
_VERSION = 1


class WrapperSession:
    """A meter at the far end of one connection. Holds at most one incomplete frame (64 KiB)."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._buffer = b""
        self._out_of_step = False

    @property
    def closed(self) -> bool:
        """Whether the stream has lost its framing, or the meter gave up: the transport sends what it has and closes."""
        return self._out_of_step or self._application.closed

    def receive(self, data: bytes) -> bytes:
        """The answers to whatever `data` completes, in order; empty while a frame is incomplete. Never raises."""
        if self.closed:
            return b""
        self._buffer += data
        answers = []
        while len(self._buffer) >= _HEADER:
            version, source, destination, size = (int.from_bytes(self._buffer[i : i + 2], "big") for i in (0, 2, 4, 6))
            if version != _VERSION:
                # Nothing marks the start of the next frame: a stream that is out of step stays so.
                self._out_of_step = True
                self._buffer = b""
                break
            if len(self._buffer) < _HEADER + size:
                break
            apdu = self._buffer[_HEADER : _HEADER + size]
            self._buffer = self._buffer[_HEADER + size :]
            answers.append(self._frame(source, destination, apdu))
        return b"".join(answers)

    def quiet(self) -> None:
        """Nothing: a stream may pause anywhere."""

    def _frame(self, source: int, destination: int, apdu: bytes) -> bytes:
        if destination != SERVER_SAP:
            return b""  # no such logical device here: it cannot answer
        answer = self._application.answer(source, apdu)
        if not answer:
            return b""
        header = (_VERSION, destination, source, len(answer))
        return b"".join(part.to_bytes(2, "big") for part in header) + answer


class ServerSession(WrapperSession):
    """A meter without ciphering, whose only connection this is, or whose counters nobody looks at."""

    def __init__(
        self,
        meter: Meter,
        *,
        now: Callable[[], int],
        password: bytes = DEFAULT_PASSWORD,
        max_pdu: int = DEFAULT_MAX_PDU,
    ) -> None:
        super().__init__(Application(Device(meter, now=now, access=Access(password=password), max_pdu=max_pdu)))
