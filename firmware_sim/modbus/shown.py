"""What a Modbus meter shows of what flows through it, and what goes wrong with that, by name.

A meter's own registers are the truth; a fault here changes what the words say, as a reset, a full counter, a transformer put
on the wrong way round or a firmware with its own idea of word order do.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from firmware_sim.errors import SetupError
from firmware_sim.instants import parse_instant
from firmware_sim.meter import Energies, MeterSpec


class Shown(Protocol):
    """What a personality renders. A `Meter` is one."""

    @property
    def spec(self) -> MeterSpec:
        """The name plate."""
        ...

    def registers(self, at: int) -> Energies:
        """The cumulative registers at `at` (UTC seconds), in Wh."""
        ...

    def power_w(self, at: int) -> int:
        """Active power in W: positive drawn from the grid."""
        ...

    def voltage_dv(self, at: int) -> int:
        """Voltage in tenths of a volt."""
        ...


@dataclass(frozen=True, slots=True)
class _Bent:
    """`of`, with other energies and the power multiplied."""

    of: Shown
    energies: Callable[[int], Energies]
    sign: int = 1

    @property
    def spec(self) -> MeterSpec:
        return self.of.spec

    def registers(self, at: int) -> Energies:
        return self.energies(at)

    def power_w(self, at: int) -> int:
        return self.sign * self.of.power_w(at)

    def voltage_dv(self, at: int) -> int:
        return self.of.voltage_dv(at)


def _changed(energies: Energies, of: Energies, change: Callable[[int, int], int]) -> Energies:
    exported = None
    if energies.exported_wh is not None and of.exported_wh is not None:
        exported = change(energies.exported_wh, of.exported_wh)
    return Energies(imported_wh=change(energies.imported_wh, of.imported_wh), exported_wh=exported)


def reset(meter: Shown, at: int) -> Shown:
    """The meter's registers began again at 0 at the instant `at`."""

    def energies(now: int) -> Energies:
        told = meter.registers(now)
        return told if now < at else _changed(told, meter.registers(at), lambda value, then: value - then)

    return _Bent(meter, energies)


def rolled_over(meter: Shown, at: int, end_wh: int) -> Shown:
    """The meter's registers were full at the instant `at`: they count to `end_wh` and begin again."""

    def energies(now: int) -> Energies:
        return _changed(meter.registers(now), meter.registers(at), lambda value, then: (value - then) % end_wh)

    return _Bent(meter, energies)


def swapped_ct(meter: Shown) -> Shown:
    """The current transformers point the other way: import and export change places."""

    def energies(now: int) -> Energies:
        told = meter.registers(now)
        return Energies(imported_wh=told.exported_wh or 0, exported_wh=told.imported_wh)

    return _Bent(meter, energies, -1)


REGISTER_FAULTS = {"reset": "ISO", "roll-over": "ISO", "swapped-ct": "", "word-order": ""}
"""Every fault of the registers by its name on the command line, and what stands after the ``=``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterFault:
    """One defect of the registers."""

    name: str
    at: int | None
    """UTC seconds, where the fault has a moment."""

    def bend(self, meter: Shown, end_wh: int) -> Shown:
        """What the meter shows under this fault; its registers hold less than `end_wh`."""
        if self.name == "reset" and self.at is not None:
            return reset(meter, self.at)
        if self.name == "roll-over" and self.at is not None:
            return rolled_over(meter, self.at, end_wh)
        return swapped_ct(meter) if self.name == "swapped-ct" else meter


def parse_register_fault(text: str) -> RegisterFault:
    """The fault written as ``name`` or ``name=argument``.

    Raises:
        SetupError: when the name is unknown or the argument is not what the fault needs.
    """
    name, _, argument = text.partition("=")
    if name not in REGISTER_FAULTS:
        raise SetupError(f"expected one of {', '.join(sorted(REGISTER_FAULTS))}, got {name!r}")
    if not REGISTER_FAULTS[name]:
        if argument:
            raise SetupError(f"expected nothing after {name!r}, got {argument!r}")
        return RegisterFault(name=name, at=None)
    return RegisterFault(name=name, at=parse_instant(argument))


def bent(meter: Shown, faults: Iterable[RegisterFault], end_wh: int) -> Shown:
    """What the meter shows under all of `faults`, in their order."""
    for fault in faults:
        meter = fault.bend(meter, end_wh)
    return meter
