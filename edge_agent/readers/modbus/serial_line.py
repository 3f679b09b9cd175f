"""Block reads over Modbus RTU: one owner per serial port, any number of units on its line.

Requests of all units queue in the order they came. A unit that did not answer is left alone until it must have finished, and is
asked last; the other units of its line are asked meanwhile, since every RTU answer names its unit and is checked to.

Source: MODBUS over Serial Line V1.02, 2.5.1.1 (3.5 characters between frames) and 2.4.1 (the master waits for its answer).
"""

import asyncio
import os
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusSerialClient

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.modbus.exchange import QUIET_S, ask, leave_alone, name, until_quiet, words_of
from edge_agent.readers.modbus.register_map import Block
from edge_agent.readers.modbus.turns import Turns

LONGEST_FRAME: Final = 256
"""Octets of the longest RTU frame. Source: MODBUS over Serial Line V1.02, 2.5.1."""
_LIBRARY_S: Final = 120.0
"""The library's own deadline, which is one for all units: never the first to pass."""
_LEAST_GAP_S: Final = 0.00175
"""Above 19200 baud the gap no longer shrinks. Source: as above, 2.5.1.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """How a serial line is set: the same for every meter on it."""

    device: str
    """Path of the device."""
    baud: int
    parity: str
    """``N``, ``E`` or ``O``."""
    stop_bits: int

    @property
    def character_s(self) -> float:
        """How long one octet takes: start bit, 8 data bits, parity, stop bits."""
        return (9 + (self.parity != "N") + self.stop_bits) / self.baud

    @property
    def gap_s(self) -> float:
        """The silence that ends a frame."""
        return max(3.5 * self.character_s, _LEAST_GAP_S)

    def __str__(self) -> str:
        """As it is written by hand: ``/dev/ttyUSB0 at 9600 8E1``."""
        return f"{self.device} at {self.baud} 8{self.parity}{self.stop_bits}"


class SerialLine:
    """The owner of one serial port in this process. Open while anybody uses it."""

    def __init__(self, settings: LineSettings) -> None:
        self.settings = settings
        self._client: AsyncModbusSerialClient | None = None
        self._users = 0
        self._turns = Turns()
        self._ended = 0.0

    @property
    def is_used(self) -> bool:
        """Whether anybody is connected."""
        return self._users > 0

    async def join(self) -> None:
        """Open the port for one more user.

        Raises:
            MeterUnavailableError: when the port cannot be had, or another program holds it.
        """
        # Counted before anything is awaited: a second meter must not find the port free meanwhile.
        self._users += 1
        try:
            async with self._turns.turn(None):
                await self._open()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """One user less; the last one closes the port."""
        self._users -= 1
        if not self._users:
            self._close()

    async def read(self, block: Block, *, unit: int, timeout_s: float, quiet_s: float) -> Sequence[int]:
        """As `BlockTransport.read`, when it is this request's turn. `timeout_s` counts from then, to the first octet."""
        peer = f"{self.settings.device} unit {unit}"
        # Outside of the line's turn: a meter that is left alone does not hold up the others.
        await until_quiet(peer)
        async with self._turns.turn(unit):
            # The answer's own length is no lateness: at 1200 baud 125 registers take more than two seconds.
            whole_s = timeout_s + LONGEST_FRAME * self.settings.character_s
            client = await self._open()
            await self._gap()
            try:
                async with asyncio.timeout(whole_s):
                    answer = await ask(client, block, unit)
                self._turns.was_there(unit)
                return words_of(answer, block, unit=unit, peer=self.settings.device)
            except (TimeoutError, OSError, ModbusException) as error:
                self._drop(peer, quiet_s)
                self._turns.was_late(unit)
                raise MeterUnavailableError(f"no answer from {peer} to {name(block)} within {timeout_s} s") from error
            except (asyncio.CancelledError, MeterDecodeError):
                self._drop(peer, quiet_s)
                raise
            finally:
                self._ended = asyncio.get_running_loop().time()

    async def _open(self) -> AsyncModbusSerialClient:
        """The port, open. Opening it throws away what came before."""
        if self._client is not None and self._client.connected:
            return self._client
        self._client = AsyncModbusSerialClient(
            self.settings.device,
            baudrate=self.settings.baud,
            parity=self.settings.parity,
            stopbits=self.settings.stop_bits,
            timeout=_LIBRARY_S,
            retries=0,
            reconnect_delay=0,
        )
        try:
            connected = await self._client.connect()
        except (OSError, ValueError, termios.error, ModbusException) as error:
            # A port that cannot be set so, as a pseudo-terminal with parity, raises termios' own.
            raise MeterUnavailableError(f"cannot open the serial line {self.settings}: {error}") from error
        if not connected:
            raise MeterUnavailableError(
                f"cannot open the serial line {self.settings}: check that the device exists, that the agent may use it, "
                "and that no other program holds it"
            )
        return self._client

    async def _gap(self) -> None:
        wait_s = self._ended + self.settings.gap_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def _drop(self, peer: str, quiet_s: float) -> None:
        """Forget the port, so that what is under way finds no listener."""
        self._close()
        leave_alone(peer, quiet_s)

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


_LINES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SerialLine]]] = WeakKeyDictionary()
"""The owner of every port, by its real path: two names of one device are one line."""


def line_of(settings: LineSettings) -> SerialLine:
    """The one owner of this port.

    Raises:
        MeterRefusedError: it is in use with other settings.
    """
    lines = _LINES.setdefault(asyncio.get_running_loop(), {})
    path = os.path.realpath(settings.device)
    line = lines.get(path)
    if line is not None and _alike(line.settings, settings):
        # Kept while nobody uses it: who did not answer at the last boundary is asked last at the next.
        return line
    if line is not None and line.is_used:
        raise MeterRefusedError(
            f"expected one setting for every meter on one line, got {settings} beside {line.settings}: correct the urls"
        )
    lines[path] = SerialLine(settings)
    return lines[path]


def _alike(one: LineSettings, other: LineSettings) -> bool:
    return (one.baud, one.parity, one.stop_bits) == (other.baud, other.parity, other.stop_bits)


class SerialBlocks:
    """One unit on a serial line; a `BlockTransport`."""

    def __init__(self, *, settings: LineSettings, unit: int, timeout_s: float, quiet_s: float = QUIET_S) -> None:
        self._settings = settings
        self._unit = unit
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._line: SerialLine | None = None

    async def connect(self) -> None:
        """See `BlockTransport.connect`.

        Raises:
            MeterRefusedError: another meter on the line has other settings.
        """
        if self._line is None:
            line = line_of(self._settings)
            await line.join()
            self._line = line

    async def read(self, block: Block) -> Sequence[int]:
        """See `BlockTransport.read`."""
        await self.connect()
        assert self._line is not None  # connected
        return await self._line.read(block, unit=self._unit, timeout_s=self._timeout_s, quiet_s=self._quiet_s)

    async def close(self) -> None:
        """See `BlockTransport.close`."""
        line, self._line = self._line, None
        if line is not None:
            line.leave()
