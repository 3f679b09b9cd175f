"""Spans whose energy is fixed beforehand, so that a demonstration can force over- or under-delivery.

A shape changes the world, not the meter: registers, profiles and neighbouring meters follow it. Export is set by the
sun (the load stays), import by the load (the sun stays).
"""

import itertools
from dataclasses import dataclass
from enum import Enum

from firmware_sim.errors import SetupError
from firmware_sim.instants import day_of, day_start, parse_instant, utc_text
from firmware_sim.world import QUARTER_S, DayEnergy, Premises

MAX_SPAN_S = 7 * 86_400
MAX_SHAPED_WH = 10_000_000


class Direction(Enum):
    """Which of the two energies a shape fixes."""

    IMPORT = "import"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """`total_wh` imported or exported between `start` and `end` (UTC seconds, whole quarters, end outside)."""

    start: int
    end: int
    direction: Direction
    total_wh: int

    def __post_init__(self) -> None:
        """Refuse a span that is empty, too long or off the quarter-hour grid, and energies out of range."""
        text = f"{utc_text(self.start)}/{utc_text(self.end)}"
        if not self.start < self.end <= self.start + MAX_SPAN_S:
            raise SetupError(f"expected a span of at most seven days that ends after it starts, got {text}")
        if self.start % QUARTER_S or self.end % QUARTER_S:
            raise SetupError(f"expected quarter hours at both ends of the span, got {text}")
        if not 0 <= self.total_wh <= MAX_SHAPED_WH:
            raise SetupError(f"expected 0 to {MAX_SHAPED_WH} Wh, got {self.total_wh}")


def parse_shape(text: str) -> Shape:
    """The shape written as ``START/END:export=WH`` or ``START/END:import=WH``.

    Raises:
        SetupError: when it is written otherwise or cannot be.
    """
    span, _, energy = text.rpartition(":")
    start, slash, end = span.partition("/")
    direction, equals, total = energy.partition("=")
    known = {each.value: each for each in Direction}
    if not (slash and equals and direction in known and total.isascii() and total.isdigit()):
        raise SetupError(f"expected START/END:export=WH or START/END:import=WH, got {text!r}")
    return Shape(start=parse_instant(start), end=parse_instant(end), direction=known[direction], total_wh=int(total))


def portions(total: int, weights: list[int]) -> list[int]:
    """`total` in whole parts after `weights`, evenly where all are zero; the parts sum to `total` exactly."""
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    seen = 0
    parts: list[int] = []
    for weight in weights:
        before = total * seen // whole
        seen += weight
        parts.append(total * seen // whole - before)
    return parts


class Shaped:
    """A home some of whose spans have a fixed energy."""

    def __init__(self, premises: Premises, shapes: tuple[Shape, ...]) -> None:
        ordered = sorted(shapes, key=lambda shape: shape.start)
        for earlier, later in itertools.pairwise(ordered):
            if later.start < earlier.end:
                raise SetupError(f"expected spans that do not overlap, but one ends {utc_text(earlier.end)} after the "
                                 f"next begins {utc_text(later.start)}: shorten or drop one")  # fmt: skip
        self._premises = premises
        self._fixed: dict[int, tuple[Direction, int]] = {}
        for shape in ordered:
            self._fix(shape)

    def day(self, day: int) -> DayEnergy:
        """The energies of an IST day, shaped."""
        energy = self._premises.day(day)
        start = day_start(day)
        load, solar = list(energy.load_wh), list(energy.solar_wh)
        for quarter, (used, made) in enumerate(zip(energy.load_wh, energy.solar_wh, strict=True)):
            fixed = self._fixed.get(start + quarter * QUARTER_S)
            if fixed is None:
                continue
            direction, amount = fixed
            if direction is Direction.EXPORT:
                solar[quarter] = used + amount if amount else min(used, made)
            else:
                load[quarter] = made + amount if amount else min(used, made)
        return DayEnergy(load_wh=tuple(load), solar_wh=tuple(solar))

    def _fix(self, shape: Shape) -> None:
        quarters = range(shape.start, shape.end, QUARTER_S)
        weights = []
        for at in quarters:
            day = day_of(at)
            energy, quarter = self._premises.day(day), (at - day_start(day)) // QUARTER_S
            made, used = energy.solar_wh[quarter], energy.load_wh[quarter]
            weights.append(max(0, made - used if shape.direction is Direction.EXPORT else used - made))
        for at, amount in zip(quarters, portions(shape.total_wh, weights), strict=True):
            self._fixed[at] = (shape.direction, amount)
