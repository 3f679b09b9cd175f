"""The Eastron SDM630's registers.

Input registers (function 4) are 32-bit floats, high word first, at even addresses; holding registers (function 3) are
settings, floats too, and the serial number, an unsigned 32-bit integer at 0xFC00. At most 40 values a request.
Source: Eastron SDM630-Modbus V2 protocol; the addresses as in METERS §8.
"""

import struct
from collections.abc import Callable

from firmware_sim.errors import SetupError
from firmware_sim.modbus.shown import Shown
from firmware_sim.modbus.table import INPUT, IllegalAddressError

MAX_WORDS = 80
INPUT_END = 0x0182
"""First input register that the meter does not have; below it, values that it does not measure read as zero."""
SERIAL = 0xFC00
MAX_SERIAL = 2**32 - 1


def _float(value: float) -> bytes:
    return struct.pack(">f", value)


def _kwh(wh: int) -> bytes:
    # The wire's own type: a float of kWh, correctly rounded from whole Wh.
    return _float(wh / 1000)


class Sdm630:
    """The registers of one meter. Implements `table.Registers`."""

    max_words = MAX_WORDS

    def __init__(self, meter: Shown, unit: int) -> None:
        if not (meter.spec.serial.isdigit() and int(meter.spec.serial) <= MAX_SERIAL):
            raise SetupError(f"expected a serial number from 0 to {MAX_SERIAL}, got {meter.spec.serial!r}")
        self._meter = meter
        self._inputs: dict[int, Callable[[int], bytes]] = {
            0x0000: lambda now: _float(meter.voltage_dv(now) / 10),
            0x0006: lambda now: _float(abs(meter.power_w(now)) * 10 / meter.voltage_dv(now)),
            0x000C: lambda now: _float(meter.power_w(now)),
            0x0034: lambda now: _float(meter.power_w(now)),
            0x0046: lambda _: _float(49.98),
            0x0048: lambda now: _kwh(meter.registers(now).imported_wh),
            0x004A: lambda now: _kwh(meter.registers(now).exported_wh or 0),
            0x0156: lambda now: _kwh(self._total(now)),
        }
        self._settings = {
            0x000A: _float(3),  # system type: three phases, four wires
            0x0014: _float(unit),
            0x001C: _float(2),  # 9600 baud
            SERIAL: int(meter.spec.serial).to_bytes(4, "big"),
        }

    def read(self, function: int, address: int, words: int, now: Callable[[], int]) -> bytes:
        """See `table.Registers.read`."""
        return self.inputs(address, words, now()) if function == INPUT else self.holdings(address, words)

    def inputs(self, address: int, words: int, now: int) -> bytes:
        """The input registers from `address` on, two bytes a word, at `now` (UTC seconds).

        Raises:
            IllegalAddressError: when the span leaves the map or starts or ends inside a value.
        """
        if address % 2 or words % 2 or address + words > INPUT_END:
            raise IllegalAddressError
        return b"".join(self._inputs.get(at, _unmeasured)(now) for at in range(address, address + words, 2))

    def holdings(self, address: int, words: int) -> bytes:
        """The holding registers from `address` on.

        Raises:
            IllegalAddressError: when one of them is not there.
        """
        if words % 2:
            raise IllegalAddressError
        try:
            return b"".join(self._settings[at] for at in range(address, address + words, 2))
        except KeyError:
            raise IllegalAddressError from None

    def _total(self, now: int) -> int:
        energies = self._meter.registers(now)
        return energies.imported_wh + (energies.exported_wh or 0)


def _unmeasured(_: int) -> bytes:
    return bytes(4)
