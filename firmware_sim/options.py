"""What was asked on the command line, checked: every fault is found before anything starts."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from firmware_sim.errors import SetupError
from firmware_sim.faults import parse_fault
from firmware_sim.instants import day_start, parse_instant
from firmware_sim.meter import (
    MAX_DAYS,
    ORIGIN_DAY,
    PERIODS_S,
    Category,
    Meter,
    MeterSpec,
    Tap,
    base_registers,
    serial_number,
)
from firmware_sim.replay import parse_record
from firmware_sim.shape import Direction, Shaped, parse_shape
from firmware_sim.world import Dwelling, Home, Premises

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


class Role(Enum):
    """Whose meter it is, and where it hangs."""

    SELLER = "seller"
    """A home with an array of 6 kW; a net meter at its connection."""
    BUYER = "buyer"
    """A shop without an array; a net meter, whose export stays still."""
    IMPORT_ONLY = "import-only"
    """A home without an array; a meter without export registers."""
    SOLAR = "solar"
    """The generation meter of the seller's home: what the array makes is export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to simulate and where to listen."""

    host: str
    port: int
    meter: Meter
    fixed_now: int | None
    """The meter's time at start in UTC seconds, or None for the computer's clock."""
    truth: Path | None


class Checks:
    """Collects what is wrong, so that all of it is told at once."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def take(self, name: str, parse: Callable[[str], T], text: str) -> T | None:
        """`parse(text)`, or None and a problem under the option's `name`."""
        try:
            return parse(text)
        except SetupError as problem:
            self.problems.append(f"{name}: {problem}")
            return None

    def each(self, name: str, parse: Callable[[str], T], texts: Iterable[str]) -> tuple[T, ...]:
        """Every text that parses; a problem for every other."""
        taken = [self.take(name, parse, text) for text in texts]
        return tuple(value for value in taken if value is not None)


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise SetupError(f"expected a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return parse


def one_of(choices: type[E]) -> Callable[[str], E]:
    """A parser of an enum's values."""

    def parse(text: str) -> E:
        known = {str(each.value): each for each in choices}
        if text not in known:
            raise SetupError(f"expected one of {', '.join(known)}, got {text!r}")
        return known[text]

    return parse


def address(text: str) -> tuple[str, int]:
    """Host and port written ``HOST:PORT``; port 0 lets the system choose."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise SetupError(f"expected HOST:PORT such as 127.0.0.1:4059, got {text!r}")
    return host.strip("[]"), int(port)


def _scale(text: str) -> Fraction:
    try:
        scale = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise SetupError(f"expected a decimal such as 4.5, got {text!r}") from None
    if not 0 <= scale <= 1000 or scale.denominator > 1_000_000:
        raise SetupError(f"expected a decimal from 0 to 1000, got {text!r}")
    return scale


def period(text: str) -> int:
    """A block length in seconds."""
    if text not in {str(period) for period in PERIODS_S}:
        raise SetupError(f"expected 900, 1800 or 3600 seconds, got {text!r}")
    return int(text)


def _truth(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir():
        raise SetupError(f"expected a file in a directory that exists, got {text!r}: create {path.parent} first")
    return path


def plan(arguments: argparse.Namespace, default_role: Role, checks: Checks) -> Plan | None:
    """The plan that `arguments` describe, or None once `checks` holds a problem."""
    # A meter on a serial line listens nowhere; who needs an address asks for it.
    where = ("", 0) if arguments.listen is None else checks.take("--listen", address, arguments.listen)
    fixed_now = None if arguments.now is None else checks.take("--now", now, arguments.now)
    truth = None if arguments.truth is None else checks.take("--truth", _truth, arguments.truth)
    role = checks.take("--role", one_of(Role), arguments.role or default_role.value)
    meter = _meter(arguments, role or default_role, checks)
    if checks.problems or where is None or meter is None:
        return None
    return Plan(host=where[0], port=where[1], meter=meter, fixed_now=fixed_now, truth=truth)


def now(text: str) -> int:
    """What the clock of a meter says at start, in UTC seconds."""
    at = parse_instant(text)
    # Every meter's registers count from what they show on this day.
    if at < day_start(ORIGIN_DAY):
        raise SetupError(f"expected 2026 or later, got {text!r}")
    return at


def _meter(arguments: argparse.Namespace, role: Role, checks: Checks) -> Meter | None:
    faults = checks.each("--fault", parse_fault, arguments.fault)
    seed = checks.take("--seed", whole(0, 2**32 - 1), arguments.seed)
    premises = _premises(arguments, role, seed, checks)
    spec = _spec(arguments, role, seed, checks)
    return None if premises is None or spec is None else Meter(spec, premises, faults)


def _spec(arguments: argparse.Namespace, role: Role, seed: int | None, checks: Checks) -> MeterSpec | None:
    period_s = checks.take("--period", period, arguments.period)
    days = checks.take("--days", whole(1, MAX_DAYS), arguments.days)
    serial = None if arguments.serial is None else checks.take("--serial", serial_number, arguments.serial)
    if period_s is None or days is None or seed is None:
        return None
    category = Category.IMPORT_ONLY if role is Role.IMPORT_ONLY else Category.NET
    if arguments.category is not None:
        category = checks.take("--category", one_of(Category), arguments.category) or category
    tap = Tap.SOLAR if role is Role.SOLAR else Tap.GRID
    return MeterSpec(
        serial=serial or f"{_number(role)}{seed % 10**7:07d}",
        period_s=period_s,
        days=days,
        category=category,
        tap=tap,
        base=base_registers(seed, _number(role), tap),
    )


def _number(role: Role) -> int:
    """A digit that tells the meters of one seed apart; it begins the default serial number."""
    return list(Role).index(role) + 1


def _premises(arguments: argparse.Namespace, role: Role, seed: int | None, checks: Checks) -> Premises | None:
    shapes = checks.each("--shape", parse_shape, arguments.shape)
    recorded = _recorded(arguments, checks)
    cannot_export = Category.IMPORT_ONLY.value in (role.value, arguments.category) or (
        role is Role.BUYER and arguments.replay is None
    )
    if cannot_export and any(shape.direction is Direction.EXPORT for shape in shapes):
        checks.problems.append(f"--shape: a {role.value} exports nothing: use import=, or --role seller")
    if seed is None:
        return None
    home = recorded or _home(role, seed)
    return checks.take("--shape", lambda _: Shaped(home, shapes), "") if shapes else home


def _home(role: Role, seed: int) -> Premises:
    if role is Role.BUYER:
        return Home(seed=seed, dwelling=Dwelling.SHOP, name=1)
    if role is Role.IMPORT_ONLY:
        return Home(seed=seed, name=2)
    # Both meters of the seller hang in the same home.
    return Home(seed=seed, array_w=6000)


def _recorded(arguments: argparse.Namespace, checks: Checks) -> Premises | None:
    if arguments.replay is None:
        if arguments.scale_solar is not None:
            checks.problems.append("--scale-solar: it scales a recorded home: give --replay FILE too, or leave it out")
        return None
    scale = checks.take("--scale-solar", _scale, arguments.scale_solar or "1")
    try:
        lines = Path(arguments.replay).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        checks.problems.append(f"--replay: cannot read {arguments.replay!r} ({problem}): give a CSV file that exists")
        return None
    return checks.take("--replay", lambda _: parse_record(lines, Fraction(1) if scale is None else scale), "")
