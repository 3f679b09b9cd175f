"""Slaves on one RS-485 line, without a line: a frame in, a frame out or silence.

Source: MODBUS over Serial Line V1.02, 2.5.1 (frame and CRC) and 2.4.1 (nobody else speaks, and nobody answers a broadcast).
"""

from collections.abc import Callable, Mapping

from firmware_sim.modbus.pdu import answer
from firmware_sim.modbus.table import Registers

_SHORTEST, _LONGEST = 4, 256


def crc(octets: bytes) -> bytes:
    """The check of a frame, low octet first. Source: as above, 6.2.2."""
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register.to_bytes(2, "little")


class Slaves:
    """The meters on one line, by unit id (1 to 247)."""

    def __init__(self, units: Mapping[int, Registers], *, now: Callable[[], int]) -> None:
        self._units = dict(units)
        self._now = now

    def hear(self, frame: bytes) -> bytes:
        """What is said to `frame`, the octets between two silences; empty when nobody answers. Never raises.

        Nobody answers a frame with a wrong check, a broadcast, or a unit that is not on this line.
        """
        if not _SHORTEST <= len(frame) <= _LONGEST or crc(frame[:-2]) != frame[-2:]:
            return b""
        registers = self._units.get(frame[0])
        if registers is None:
            return b""
        content = frame[:1] + answer(registers, frame[1:-2], self._now)
        return content + crc(content)
