"""Slaves on a real serial line: a port of this machine, or a pseudo-terminal whose other end is the reader's port.

A frame ends with a silence of 3.5 characters, as on any RTU line, and not where its content says: two requests without a pause
are one broken frame. On a pseudo-terminal, which has no speed, the silence is `LEAST_GAP_S`.
"""

import asyncio
import contextlib
import errno
import os
import termios
import tty
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from firmware_sim.errors import SetupError
from firmware_sim.modbus.line_faults import LineFault, on_line
from firmware_sim.modbus.rtu import Slaves

LEAST_GAP_S = 0.005
"""Shorter silences cannot be told from this machine's own pauses."""
_BAUDS = {baud: getattr(termios, f"B{baud}") for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}
BAUDS = tuple(_BAUDS)
PARITIES = ("N", "E", "O")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSpeed:
    """How a serial port is set. 8 data bits; one stop bit."""

    baud: int = 9600
    parity: str = "N"

    def __post_init__(self) -> None:
        """Refuse what no port can be set to."""
        if self.baud not in _BAUDS or self.parity not in PARITIES:
            raise SetupError(f"expected a baud of {', '.join(map(str, BAUDS))} and a parity of N, E, O")

    @property
    def gap_s(self) -> float:
        """The silence that ends a frame: 3.5 characters of 10 or 11 bits."""
        return max(LEAST_GAP_S, 3.5 * (10 + (self.parity != "N")) / self.baud)


class _Line:
    """Reads octets, finds the silences, lets the slaves answer. Owns no descriptor."""

    def __init__(self, descriptor: int, slaves: Slaves, gap_s: float, faults: Sequence[LineFault]) -> None:
        self._descriptor = descriptor
        self._slaves = slaves
        self._gap_s = gap_s
        self._faults = faults
        self._heard = bytearray()
        self._silence: asyncio.TimerHandle | None = None
        self._answers: set[asyncio.TimerHandle] = set()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    def close(self) -> None:
        """Hear and say nothing any more."""
        self._loop.remove_reader(self._descriptor)
        for timer in (self._silence, *self._answers):
            if timer is not None:
                timer.cancel()

    def _read(self) -> None:
        try:
            self._heard += os.read(self._descriptor, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            # The adapter was pulled out: nothing more comes, and the descriptor would be ready for ever.
            if error.errno in (errno.EIO, errno.ENXIO, errno.ENODEV):
                self._loop.remove_reader(self._descriptor)
                return
            raise
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self._loop.call_later(self._gap_s, self._frame)

    def _frame(self) -> None:
        answer = self._slaves.hear(bytes(self._heard))
        self._heard.clear()
        if not answer:
            return
        sent = on_line(answer, self._faults)
        if sent.octets:
            timer = self._loop.call_later(sent.after_s, self._write, sent.octets)
            self._answers = {each for each in self._answers if each.when() > self._loop.time()} | {timer}

    def _write(self, octets: bytes) -> None:
        # A frame is shorter than any port's buffer; where nobody reads it is lost, as on a wire.
        with contextlib.suppress(OSError):
            os.write(self._descriptor, octets)


@asynccontextmanager
async def serve_pty(
    slaves: Slaves, *, speed: LineSpeed | None = None, faults: Sequence[LineFault] = ()
) -> AsyncIterator[str]:
    """`slaves` on a pseudo-terminal while the context is open; gives the path that a reader opens as its serial port."""
    ours, theirs = os.openpty()
    # Their end stays open here: a line does not vanish when nobody has its port open.
    try:
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        line = _Line(ours, slaves, (speed or LineSpeed()).gap_s, faults)
        try:
            yield os.ttyname(theirs)
        finally:
            line.close()
    finally:
        os.close(ours)
        os.close(theirs)


@asynccontextmanager
async def serve_port(
    slaves: Slaves, path: str, *, speed: LineSpeed | None = None, faults: Sequence[LineFault] = ()
) -> AsyncIterator[str]:
    """`slaves` on the serial port at `path` while the context is open; gives the path.

    Raises:
        OSError: when the port cannot be had.
    """
    speed = speed or LineSpeed()
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        _set(descriptor, path, speed)
        line = _Line(descriptor, slaves, speed.gap_s, faults)
        try:
            yield path
        finally:
            line.close()
    finally:
        os.close(descriptor)


def _set(descriptor: int, path: str, speed: LineSpeed) -> None:
    try:
        tty.setraw(descriptor)
        iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(descriptor)
        cflag = cflag & ~(termios.PARENB | termios.PARODD | termios.CSTOPB) | termios.CLOCAL | termios.CREAD
        cflag |= {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}[speed.parity]
        baud = _BAUDS[speed.baud]
        termios.tcsetattr(descriptor, termios.TCSANOW, [iflag, oflag, cflag, lflag, baud, baud, characters])
    except termios.error as error:
        raise OSError(errno.ENOTTY, f"expected a serial port, got {path!r}: {error}") from error
