"""What goes wrong inside a meter, by name. A fault changes what a meter tells, never what flowed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from firmware_sim.errors import SetupError
from firmware_sim.instants import parse_instant


class Fault(Protocol):
    """One defect of one meter."""

    def keeps_row(self, start: int, length_s: int) -> bool:
        """Whether the load profile has the row of the block that begins at `start` (UTC seconds)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBlock:
    """The profile lacks the row of the block that holds `at`; the registers go on."""

    at: int

    def keeps_row(self, start: int, length_s: int) -> bool:
        """False for the one block that holds `at`."""
        return not start <= self.at < start + length_s


def _missing_block(argument: str) -> Fault:
    return MissingBlock(at=parse_instant(argument))


FAULTS: dict[str, Callable[[str], Fault]] = {"missing-block": _missing_block}
"""Every fault by its name on the command line, made from what stands after the ``=``."""


def parse_fault(text: str) -> Fault:
    """The fault written as ``name`` or ``name=argument``.

    Raises:
        SetupError: when the name is unknown or the argument is not what the fault needs.
    """
    name, _, argument = text.partition("=")
    if name not in FAULTS:
        raise SetupError(f"expected one of {', '.join(sorted(FAULTS))}, got {name!r}")
    return FAULTS[name](argument)
