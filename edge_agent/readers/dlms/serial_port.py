"""Bytes to and from a meter over a serial port; nothing else.

The port is opened for this process alone and never blocks: the loop tells when there is something to read or room to write.
"""

import asyncio
import os
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import serial  # type: ignore[import-untyped]

from edge_agent.errors import MeterUnavailableError

READ_OCTETS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSettings:
    """How a serial port is set. Source: METERS §4 (9600 8N1)."""

    device: str
    """Path of the device."""
    baud: int = 9600
    parity: str = "N"
    """``N``, ``E`` or ``O``."""
    stop_bits: int = 1

    @property
    def line(self) -> str:
        """One name for all paths of one device."""
        return os.path.realpath(self.device)

    def __str__(self) -> str:
        """As it is written by hand: ``/dev/ttyUSB0 at 9600 8N1``."""
        return f"{self.device} at {self.baud} 8{self.parity}{self.stop_bits}"


class SerialTransport:
    """An open serial port. Deadlines are the caller's."""

    def __init__(self, port: serial.Serial, settings: SerialSettings) -> None:
        self._port = port
        self._settings = settings

    async def send(self, data: bytes) -> None:
        """See `Transport.send`."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._fd(), left) :]
            except BlockingIOError:
                loop = asyncio.get_running_loop()
                await _ready(self._fd(), loop.add_writer, loop.remove_writer)
            except OSError as error:
                raise self._gone(error) from error

    async def receive(self) -> bytes:
        """See `Transport.receive`."""
        # Noise without end must not keep the loop from its deadlines.
        await asyncio.sleep(0)
        data = self._read()
        if not data:
            loop = asyncio.get_running_loop()
            await _ready(self._fd(), loop.add_reader, loop.remove_reader)
            data = self._read()
        if not data:
            # Ready, and nothing to read: a port that was unplugged.
            raise self._gone(None)
        return data

    async def close(self) -> None:
        """See `Transport.close`."""
        self._port.close()

    def _fd(self) -> int:
        if not self._port.is_open:
            raise self._gone(None)
        return int(self._port.fileno())

    def _gone(self, error: OSError | None) -> MeterUnavailableError:
        return MeterUnavailableError(f"the serial port {self._settings} is gone: {error or 'it hung up'}")

    def _read(self) -> bytes:
        """What is there already. A port set as pyserial does gives nothing, or says that it would block."""
        try:
            return os.read(self._fd(), READ_OCTETS)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._gone(error) from error


async def _ready(fd: int, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], bool]) -> None:
    """Returns when the loop says that `fd` is ready."""
    ready = asyncio.Event()
    watch(fd, ready.set)
    try:
        await ready.wait()
    finally:
        unwatch(fd)


async def open_serial(settings: SerialSettings) -> SerialTransport:
    """The port, open for this process alone, without what came before.

    Raises:
        MeterUnavailableError: when it cannot be had, with the remedy.
    """
    try:
        port = serial.Serial(
            settings.device,
            baudrate=settings.baud,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as error:
        raise MeterUnavailableError(
            f"cannot open the serial port {settings}: {error}: check that the device exists, that the agent may use it, and "
            "that no other program holds it"
        ) from error
    return SerialTransport(port, settings)
