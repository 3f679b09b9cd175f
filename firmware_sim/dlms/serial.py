"""A meter on a serial line: a port of this machine, or a pseudo-terminal whose other end is the client's port.

Indian meters speak HDLC at once, 9600 bits a second, 8 data bits, no parity, one stop bit, without the opening
sequence of IEC 62056-21.
"""

import asyncio
import contextlib
import errno
import os
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from firmware_sim.dlms.device import Line
from firmware_sim.pace import PacedWriter

QUIET_S = 0.2
"""A pause inside a frame after which its rest does not come."""


class _Line:
    """One session on one descriptor, which it does not own. A line has no end: a session that gave up stays silent."""

    def __init__(self, descriptor: int, session: Line, bps: int | None) -> None:
        self._descriptor = descriptor
        self._session = session
        self._writer = PacedWriter(self._write, bps)
        self._loop = asyncio.get_running_loop()
        self._silence: asyncio.TimerHandle | None = None
        self._unsent = b""
        self._is_open = True
        self._loop.add_reader(descriptor, self._read)

    def close(self) -> None:
        """Hear and say nothing any more."""
        self._writer.stop()
        if self._silence is not None:
            self._silence.cancel()
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)

    def _read(self) -> None:
        try:
            heard = os.read(self._descriptor, 4096)
        except BlockingIOError:
            return
        except OSError:
            # The adapter was pulled out: nothing more comes, and the descriptor would be ready for ever.
            self._is_open = False
            self._loop.remove_reader(self._descriptor)
            return
        if self._silence is not None:
            self._silence.cancel()
        self._writer.send(len(heard), self._session.receive(heard))
        self._silence = self._loop.call_later(QUIET_S, self._session.quiet)

    def _write(self, content: bytes) -> None:
        self._unsent += content
        self._flush()

    def _flush(self) -> None:
        try:
            sent = os.write(self._descriptor, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(self._unsent)  # nobody hears it
        self._unsent = self._unsent[sent:]
        if not self._is_open:
            return
        # A client that asks and does not read is not listened to until it reads.
        if self._unsent:
            self._loop.remove_reader(self._descriptor)
            self._loop.add_writer(self._descriptor, self._flush)
        else:
            self._loop.remove_writer(self._descriptor)
            self._loop.add_reader(self._descriptor, self._read)


@asynccontextmanager
async def serve_pty(session: Line, *, bps: int | None = None) -> AsyncIterator[str]:
    """`session` on a pseudo-terminal while the context is open; gives the path that a client opens as its port.

    A pseudo-terminal has no speed: `bps` gives it one.
    """
    ours, theirs = os.openpty()
    # Their end stays open here: a line does not vanish when nobody has its port open.
    try:
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        with contextlib.closing(_Line(ours, session, bps)):
            yield os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


@asynccontextmanager
async def serve_port(session: Line, path: str, *, bps: int | None = None) -> AsyncIterator[str]:
    """`session` on the serial port at `path`, set to 9600 8N1, while the context is open; gives the path.

    Raises:
        OSError: when the port cannot be had, or is none.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        _set(descriptor, path)
        with contextlib.closing(_Line(descriptor, session, bps)):
            yield path
    finally:
        os.close(descriptor)


def _set(descriptor: int, path: str) -> None:
    try:
        tty.setraw(descriptor)
        iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(descriptor)
        cflag = cflag & ~(termios.PARENB | termios.CSTOPB) | termios.CLOCAL | termios.CREAD
        speed = termios.B9600
        termios.tcsetattr(descriptor, termios.TCSANOW, [iflag, oflag, cflag, lflag, speed, speed, characters])
    except termios.error as error:
        raise OSError(errno.ENOTTY, f"expected a serial port, got {path!r}: {error}") from error
