"""What goes wrong between a Modbus meter and its reader, by name. Never what the registers say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from firmware_sim.errors import SetupError

_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An answer on its way: `octets`, `after_s` seconds after it was ready. No octets: silence."""

    octets: bytes
    after_s: float = 0.0


class LineFault(Protocol):
    """One defect of one line."""

    def on(self, sent: Sent) -> Sent:
        """What becomes of an answer. Called once for each, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """Every answer comes `seconds` later."""

    seconds: float

    def on(self, sent: Sent) -> Sent:
        """See `LineFault.on`."""
        return Sent(octets=sent.octets, after_s=sent.after_s + self.seconds)


class Late:
    """The first answer, and every second one after it, comes `seconds` later: after its reader gave up."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._answers: Iterator[int] = count()

    def on(self, sent: Sent) -> Sent:
        """See `LineFault.on`."""
        later = self._seconds if next(self._answers) % 2 == 0 else 0.0
        return Sent(octets=sent.octets, after_s=sent.after_s + later)


class Noisy:
    """Every second answer, from the first on, has one bit turned and stray octets behind it."""

    def __init__(self) -> None:
        self._answers: Iterator[int] = count()

    def on(self, sent: Sent) -> Sent:
        """See `LineFault.on`."""
        number = next(self._answers)
        if number % 2 or not sent.octets:
            return sent
        at = number * 7 % len(sent.octets)
        turned = bytes([sent.octets[at] ^ 1 << number % 8])
        return Sent(octets=sent.octets[:at] + turned + sent.octets[at + 1 :] + b"\xff\x00\x7e", after_s=sent.after_s)


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing is ever answered."""

    def on(self, sent: Sent) -> Sent:
        """See `LineFault.on`."""
        return Sent(octets=b"", after_s=sent.after_s)


def _seconds(name: str, argument: str) -> float:
    try:
        seconds = float(argument)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= _LONGEST_S:
        raise SetupError(f"expected {name}=SECONDS with more than 0 and at most {_LONGEST_S:g}, got {argument!r}")
    return seconds


def _bare(name: str, argument: str) -> None:
    if argument:
        raise SetupError(f"expected nothing after {name!r}, got {argument!r}")


def _silent(argument: str) -> LineFault:
    _bare("silent", argument)
    return Silent()


def _noisy(argument: str) -> LineFault:
    _bare("noisy", argument)
    return Noisy()


LINE_FAULTS: dict[str, Callable[[str], LineFault]] = {
    "slow": lambda argument: Slow(seconds=_seconds("slow", argument)),
    "late": lambda argument: Late(_seconds("late", argument)),
    "noisy": _noisy,
    "silent": _silent,
}
"""Every fault of a line by its name on the command line, made from what stands after the ``=``."""


def parse_line_fault(text: str) -> LineFault:
    """The fault written as ``name`` or ``name=argument``.

    Raises:
        SetupError: when the name is unknown or the argument is not what the fault needs.
    """
    name, _, argument = text.partition("=")
    if name not in LINE_FAULTS:
        raise SetupError(f"expected one of {', '.join(sorted(LINE_FAULTS))}, got {name!r}")
    return LINE_FAULTS[name](argument)


def on_line(octets: bytes, faults: Sequence[LineFault]) -> Sent:
    """What becomes of an answer under all of `faults`, in their order."""
    sent = Sent(octets=octets)
    for fault in faults:
        sent = fault.on(sent)
    return sent
