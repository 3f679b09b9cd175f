"""Voltages, currents and power factors of one or three phases."""

from collections.abc import Callable

from firmware_sim.dlms.axdr import integer16, unsigned16
from firmware_sim.dlms.objects import Column, CosemObject, Plain, constant
from firmware_sim.dlms.registers import (
    AMPERE,
    NO_UNIT,
    POWER_FACTOR_PERCENT,
    VOLT,
    Registers,
    apparent,
    column,
    register,
)
from firmware_sim.meter import Meter

Average = Callable[[int], Plain]
"""The cells of one quantity, by phase."""

_OFFSETS_S = (0, 11 * 900, 23 * 900)
"""A phase has the grid's voltage of another quarter: alike, never the same."""
_SHARES_PERCENT = (40, 35, 25)
"""How a three-phase home loads its phases."""


class Phases:
    """The electrical side of one meter with `count` phases, 1 or 3."""

    def __init__(self, meter: Meter, registers: Registers, count: int) -> None:
        self._meter = meter
        self._registers = registers
        self._count = count
        # The C of current, voltage and power factor, phase by phase; C 1x is the only phase, or the whole.
        self._codes = (10,) if count == 1 else (30, 50, 70)

    def instantaneous(self) -> list[CosemObject]:
        """Voltage, current and power factor of every phase now; of three phases the whole power factor too."""
        found = []
        for phase, code in enumerate(self._codes):
            found += [
                register(f"1.0.{code + 2}.7.0.255", self._voltage(phase), VOLT, scaler=-1),
                register(f"1.0.{code + 1}.7.0.255", self._current(phase), AMPERE, scaler=-2),
                self._power_factor(f"1.0.{code + 3}.7.0.255"),
            ]
        return [*found, self._power_factor("1.0.13.7.0.255")] if self._count > 1 else found

    def averages(self) -> list[CosemObject]:
        """Averages of the last completed block: current then voltage of every phase, the power factor last."""
        currents = self._averages(self._average_current, 1, AMPERE, -2)
        voltages = self._averages(self._average_voltage, 2, VOLT, -1)
        return [*currents, *voltages, self._power_factor("1.0.13.27.0.255")]

    def block_columns(self) -> list[Column]:
        """The averages of the block that ends at the stamp: a single-phase meter keeps its voltage only."""
        cells: list[Plain] = [
            *(self._average_current(phase) for phase in range(self._count)),
            *(self._average_voltage(phase) for phase in range(self._count)),
        ]
        columns = [column(each, cell=cell) for each, cell in zip(self.averages(), cells, strict=False)]
        return columns[1:] if self._count == 1 else columns

    def _averages(self, cell_of: Average, offset: int, unit: int, scaler: int) -> list[CosemObject]:
        return [
            register(f"1.0.{code + offset}.27.0.255", self._last(cell_of(phase)), unit, scaler)
            for phase, code in enumerate(self._codes)
        ]

    def _power_factor(self, name: str) -> CosemObject:
        return register(name, constant(integer16(POWER_FACTOR_PERCENT)), NO_UNIT, scaler=-2)

    def _dv(self, at: int, phase: int) -> int:
        # Without power there is none on any phase, whatever the quarter that lends its value had.
        own = self._meter.voltage_dv(at)
        return own and (self._meter.voltage_dv(at + _OFFSETS_S[phase]) or own)

    def _voltage(self, phase: int) -> Plain:
        return lambda at: unsigned16(self._dv(at, phase))

    def _average_voltage(self, phase: int) -> Plain:
        return lambda end: unsigned16(self._dv(end - self._meter.spec.period_s, phase))

    def _current(self, phase: int) -> Plain:
        return lambda at: self._ampere(apparent(abs(self._meter.power_w(at))), phase, self._dv(at, phase))

    def _average_current(self, phase: int) -> Plain:
        period = self._meter.spec.period_s
        return lambda end: self._ampere(self._registers.average_va(end), phase, self._dv(end - period, phase))

    def _ampere(self, va: int, phase: int, dv: int) -> bytes:
        share = 100 if self._count == 1 else _SHARES_PERCENT[phase]
        return unsigned16(va * share * 10 // dv if dv else 0)  # hundredths of an ampere

    def _last(self, cell: Plain) -> Plain:
        return lambda now: cell(self._meter.boundary(now))
