"""SunSpec meters: a chain of models behind ``SunS``, with integer (201 to 204) or float (211 to 214) energies.

Source: SunSpec Information Model Reference, models 1, 201 to 204 and 211 to 214, as METERS §8 gives their offsets.
"""

import struct
from collections.abc import Callable

from firmware_sim.modbus.shown import Shown
from firmware_sim.modbus.table import HOLDING, Registers, Table, Value, fixed

BASES = (40000, 50000, 0)
"""Where a chain may begin."""
MODELS = (201, 202, 203, 204, 211, 212, 213, 214)
_COMMON_LENGTH = 66
_INTEGER_LENGTH, _FLOAT_LENGTH = 105, 124
_SCALE = 1
"""Power of ten of the integer models: their counters are tens of Wh, so that a long life does not overflow them."""


def _text(text: str, words: int) -> Value:
    return fixed(text.encode("ascii")[: 2 * words].ljust(2 * words, b"\x00"))


def _header(model: int, length: int) -> Value:
    return fixed(struct.pack(">HH", model, length))


def _acc32(wh: Callable[[int], int]) -> Value:
    return Value(words=2, octets=lambda now: struct.pack(">I", wh(now) // 10**_SCALE % 2**32))


def _float32(value: Callable[[int], float]) -> Value:
    return Value(words=2, octets=lambda now: struct.pack(">f", value(now)))


def _common(meter: Shown, unit: int, at: int) -> dict[int, Value]:
    return {
        at: _header(1, _COMMON_LENGTH),
        at + 2: _text("Sakshi", 16),
        at + 18: _text("simulated", 16),
        at + 42: _text("1.0", 8),
        at + 50: _text(meter.spec.serial, 16),
        at + 66: fixed(struct.pack(">H", unit)),
    }


def _imported(meter: Shown) -> Callable[[int], int]:
    return lambda now: meter.registers(now).imported_wh


def _exported(meter: Shown) -> Callable[[int], int]:
    return lambda now: meter.registers(now).exported_wh or 0


def _integers(meter: Shown, model: int, at: int) -> dict[int, Value]:
    return {
        at: _header(model, _INTEGER_LENGTH),
        at + 18: Value(words=1, octets=lambda now: struct.pack(">h", meter.power_w(now) // 10)),
        at + 22: fixed(struct.pack(">h", 1)),
        at + 38: _acc32(_exported(meter)),
        at + 46: _acc32(_imported(meter)),
        at + 54: fixed(struct.pack(">h", _SCALE)),
    }


def _floats(meter: Shown, model: int, at: int) -> dict[int, Value]:
    return {
        at: _header(model, _FLOAT_LENGTH),
        at + 28: _float32(lambda now: float(meter.power_w(now))),
        at + 60: _float32(_exported(meter)),
        at + 68: _float32(_imported(meter)),
    }


def chain(meter: Shown, unit: int, model: int, base: int = BASES[0]) -> Registers:
    """The registers of a SunSpec meter of `model` whose chain begins at `base`."""
    common_at = base + 2
    meter_at = common_at + 2 + _COMMON_LENGTH
    is_float = model >= 211
    end_at = meter_at + 2 + (_FLOAT_LENGTH if is_float else _INTEGER_LENGTH)
    values = {
        base: fixed(b"SunS"),
        **_common(meter, unit, common_at),
        **(_floats(meter, model, meter_at) if is_float else _integers(meter, model, meter_at)),
        end_at: _header(0xFFFF, 0),
    }
    return Table(values={HOLDING: values}, spans={HOLDING: (range(base, end_at + 2),)})


def meter_of(model: int) -> Callable[[Shown, int], Registers]:
    """A maker of SunSpec meters of `model`, at the first base."""
    return lambda meter, unit: chain(meter, unit, model)
