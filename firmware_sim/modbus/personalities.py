"""The meters that this server can be, by name: where each keeps its registers.

Written down here a second time and from the makers' documents, so that a mistake in the agent's own maps shows.
Source of the addresses: METERS §8.
"""

import struct
from collections.abc import Callable

from firmware_sim.errors import SetupError
from firmware_sim.modbus import sunspec
from firmware_sim.modbus.sdm630 import MAX_SERIAL, Sdm630
from firmware_sim.modbus.shown import Shown
from firmware_sim.modbus.table import HOLDING, INPUT, Registers, Table, Value, fixed


def _float32(value: Callable[[int], float]) -> Value:
    return Value(words=2, octets=lambda now: struct.pack(">f", value(now)))


def _int64(value: Callable[[int], int]) -> Value:
    return Value(words=4, octets=lambda now: struct.pack(">q", value(now)))


def _uint32(value: Callable[[int], int]) -> Value:
    # Counters of a meter roll over; nothing here raises for a long life.
    return Value(words=2, octets=lambda now: struct.pack(">I", value(now) % 2**32))


def _imported(meter: Shown) -> Callable[[int], int]:
    return lambda now: meter.registers(now).imported_wh


def _exported(meter: Shown) -> Callable[[int], int]:
    return lambda now: meter.registers(now).exported_wh or 0


def _kwh(wh: Callable[[int], int]) -> Value:
    return _float32(lambda now: wh(now) / 1000)


def _voltage(meter: Shown) -> Value:
    return _float32(lambda now: meter.voltage_dv(now) / 10)


def _serial(meter: Shown) -> bytes:
    if not (meter.spec.serial.isdigit() and int(meter.spec.serial) <= MAX_SERIAL):
        raise SetupError(f"expected a serial number from 0 to {MAX_SERIAL}, got {meter.spec.serial!r}")
    return int(meter.spec.serial).to_bytes(4, "big")


def _sdm120(meter: Shown, unit: int) -> Registers:
    """Eastron SDM120: as the SDM630, one phase."""
    imported, exported = _imported(meter), _exported(meter)
    return Table(
        values={
            INPUT: {
                0x0000: _voltage(meter),
                0x000C: _float32(lambda now: float(meter.power_w(now))),
                0x0046: _float32(lambda _: 49.98),
                0x0048: _kwh(imported),
                0x004A: _kwh(exported),
                0x0156: _kwh(lambda now: imported(now) + exported(now)),
            },
            HOLDING: {0x0014: fixed(struct.pack(">f", unit)), 0xFC00: fixed(_serial(meter))},
        },
        spans={INPUT: (range(0x015A),)},
        max_words=80,
    )


def _schneider(meter: Shown, serial: dict[int, Value]) -> Registers:
    return Table(
        values={
            HOLDING: {
                **serial,
                3027: _voltage(meter),
                3059: _float32(lambda now: meter.power_w(now) / 1000),
                3203: _int64(_imported(meter)),
                3207: _int64(_exported(meter)),
            }
        },
        spans={HOLDING: (range(2999, 3112), range(3203, 3240))},
    )


def _iem3155(meter: Shown, unit: int) -> Registers:  # noqa: ARG001 - the shape of every personality
    """Schneider iEM3155: whole Wh, signed 64 bits; a numeric serial number."""
    return _schneider(meter, {0x0081: fixed(_serial(meter))})


def _pm2xxx(meter: Shown, unit: int) -> Registers:  # noqa: ARG001 - the shape of every personality
    """Schneider PM2xxx and EM6400NG: as the iEM3155, without its serial number."""
    return _schneider(meter, {})


def _dtsu666(meter: Shown, unit: int) -> Registers:  # noqa: ARG001 - the shape of every personality
    """Chint DTSU666."""
    return Table(
        values={HOLDING: {0x101E: _kwh(_imported(meter)), 0x1028: _kwh(_exported(meter))}},
        spans={HOLDING: (range(0x1000, 0x1050),)},
    )


def _adl400(meter: Shown, unit: int) -> Registers:  # noqa: ARG001 - the shape of every personality
    """Acrel ADL400: tenths of a kWh in 32 bits."""
    imported, exported = _imported(meter), _exported(meter)
    return Table(
        values={
            HOLDING: {
                0x0842: _uint32(lambda now: (imported(now) + exported(now)) // 100),
                0x084C: _uint32(lambda now: imported(now) // 100),
                0x0856: _uint32(lambda now: exported(now) // 100),
            }
        },
        spans={HOLDING: (range(0x0800, 0x0880),)},
    )


MAPS: dict[str, Callable[[Shown, int], Registers]] = {
    "sdm630": Sdm630,
    "sdm120": _sdm120,
    "iem3155": _iem3155,
    "pm2xxx": _pm2xxx,
    "em6400ng": _pm2xxx,
    "dtsu666": _dtsu666,
    "adl400": _adl400,
    **{f"sunspec{model}": sunspec.meter_of(model) for model in sunspec.MODELS},
}
"""Every personality by its name on the command line: made from a meter and its unit id."""

ENDS_WH = {"adl400": 2**32 * 100, **dict.fromkeys((f"sunspec{model}" for model in (201, 202, 203, 204)), 2**32 * 10)}
_DISPLAY_END_WH = 10**10


def end_wh(model: str) -> int:
    """Where the counters of a personality begin again: where their words end, or a display of seven digits of kWh."""
    return ENDS_WH.get(model, _DISPLAY_END_WH)


class OtherWordOrder:
    """A meter whose firmware sends the low word of every 32 bits first. Implements `table.Registers`."""

    def __init__(self, of: Registers) -> None:
        self._of = of

    @property
    def max_words(self) -> int:
        """See `table.Registers.max_words`."""
        return self._of.max_words

    def read(self, function: int, address: int, words: int, now: Callable[[], int]) -> bytes:
        """See `table.Registers.read`. An odd word at the end stays where it is."""
        content = self._of.read(function, address, words, now)
        pairs = (content[at : at + 4] for at in range(0, len(content), 4))
        return b"".join(pair[2:] + pair[:2] for pair in pairs)
