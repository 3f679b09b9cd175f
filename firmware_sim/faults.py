"""What goes wrong inside a meter, by name. A fault changes what a meter tells, never what flowed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from firmware_sim.errors import SetupError
from firmware_sim.instants import parse_instant, utc_text
from firmware_sim.world import QUARTER_S

MAX_OUTAGE_S = 7 * 86_400
MAX_CODE = 349
"""The highest event code whose log is known: fifty to a log, seven logs."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """No power from `start` to `end` (UTC seconds, whole quarters): nothing flows, and the meter is off.

    Back on, it writes rows of zeros for the blocks it slept through, or leaves them out; the rows at the edges stay.
    """

    start: int
    end: int
    zero_rows: bool

    def __post_init__(self) -> None:
        """Refuse a span that is empty, too long or off the quarter-hour grid."""
        if not self.start < self.end <= self.start + MAX_OUTAGE_S or self.start % QUARTER_S or self.end % QUARTER_S:
            text = f"{utc_text(self.start)}/{utc_text(self.end)}"
            raise SetupError(f"expected a span of whole quarter hours, at most seven days long, got {text}")

    def keeps_row(self, start: int, length_s: int) -> bool:
        """Whether the block was not wholly within the outage, or is filled with zeros."""
        return self.zero_rows or not self.start <= start <= start + length_s <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An event in the meter's logs at `at`, and nothing else: what caused it changes no figure."""

    code: int
    at: int

    def keeps_row(self, start: int, length_s: int) -> bool:  # noqa: ARG002 - the seam asks with them
        """True."""
        return True


def _outage(argument: str) -> Fault:
    return _span(argument, zero_rows=True)


def _outage_without_rows(argument: str) -> Fault:
    return _span(argument, zero_rows=False)


def _span(argument: str, *, zero_rows: bool) -> Fault:
    start, slash, end = argument.partition("/")
    if not slash:
        raise SetupError(f"expected START/END, got {argument!r}")
    return Outage(start=parse_instant(start), end=parse_instant(end), zero_rows=zero_rows)


def _missing_block(argument: str) -> Fault:
    return MissingBlock(at=parse_instant(argument))


def _event(argument: str) -> Fault:
    code, sign, at = argument.partition("@")
    if not sign or not (code.isascii() and code.isdecimal()) or not 1 <= int(code) <= MAX_CODE:
        raise SetupError(f"expected CODE@ISO with a code from 1 to {MAX_CODE}, got {argument!r}")
    return Logged(code=int(code), at=parse_instant(at))


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """How a fault is made from what stands after the ``=``, and what that is called in help."""

    make: Callable[[str], Fault]
    argument: str


FAULTS: dict[str, FaultKind] = {
    "event": FaultKind(make=_event, argument="CODE@ISO"),
    "missing-block": FaultKind(make=_missing_block, argument="ISO"),
    "outage": FaultKind(make=_outage, argument="START/END"),
    "outage-without-rows": FaultKind(make=_outage_without_rows, argument="START/END"),
}
"""Every fault by its name on the command line."""


def parse_fault(text: str) -> Fault:
    """The fault written as ``name`` or ``name=argument``.

    Raises:
        SetupError: when the name is unknown or the argument is not what the fault needs.
    """
    name, _, argument = text.partition("=")
    if name not in FAULTS:
        raise SetupError(f"expected one of {', '.join(sorted(FAULTS))}, got {name!r}")
    return FAULTS[name].make(argument)
