"""A recorded home in place of the simulated one.

The record is CSV with the header ``block,local_start,load_wh,solar_wh``: half-hours without a hole, whole days, whole
Wh. Its local time is taken as the IST wall clock. Recorded days repeat end to end over the calendar, anchored at the
record's own dates, so every day is covered and a day's energies never depend on when they are asked for.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fractions import Fraction

from firmware_sim.errors import SetupError
from firmware_sim.world import QUARTERS, DayEnergy

HEADER = ["block", "local_start", "load_wh", "solar_wh"]
HALVES = 48
MAX_HALF_HOUR_WH = 50_000
"""A hundred kilowatts for half an hour: more is a wrong unit."""


class RecordedHome:
    """The days of a record, split into quarters."""

    def __init__(self, first_day: int, halves: list[tuple[int, int]], solar_scale: Fraction) -> None:
        self._first_day = first_day
        self._halves = halves
        self._scale = solar_scale
        self._days = len(halves) // HALVES

    def day(self, day: int) -> DayEnergy:
        """The energies of an IST day."""
        at = (day - self._first_day) % self._days * HALVES
        load: list[int] = []
        solar: list[int] = []
        made = 0
        for used_wh, made_wh in self._halves[at : at + HALVES]:
            # Scaled while cumulative and differenced after, so the day's solar is the scaled day's solar.
            before = made * self._scale.numerator // self._scale.denominator
            made += made_wh
            scaled = made * self._scale.numerator // self._scale.denominator - before
            # The odd Wh of load and of solar goes to the same half: then the two quarters never have opposite signs
            # and their net energies add up to the net energy of the half-hour.
            load += (used_wh // 2, used_wh - used_wh // 2)
            solar += (scaled // 2, scaled - scaled // 2)
        assert len(load) == QUARTERS
        return DayEnergy(load_wh=tuple(load), solar_wh=tuple(solar))


def _energy(text: str, name: str, line: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > MAX_HALF_HOUR_WH:
        raise SetupError(f"expected 0 to {MAX_HALF_HOUR_WH} whole Wh, got {text!r} in '{name}' of line {line}")
    return int(text)


def _half_hour(text: str, line: int) -> int:
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise SetupError(f"expected YYYY-MM-DD HH:MM:SS, got {text!r} in 'local_start' of line {line}") from None
    seconds = int(moment.timestamp())
    if seconds % 1800:
        raise SetupError(f"expected a half-hour, got {text!r} in 'local_start' of line {line}")
    return seconds // 1800


def parse_record(lines: Iterable[str], solar_scale: Fraction) -> RecordedHome:
    """The home recorded in `lines` of CSV, its solar multiplied by `solar_scale`.

    Raises:
        SetupError: naming the line, when the header, a value, the order or the number of half-hours is wrong.
    """
    try:
        return _parse_rows(csv.reader(lines), solar_scale)
    except csv.Error as problem:
        raise SetupError(f"expected CSV, got {problem}") from None


def _parse_rows(rows: Iterator[list[str]], solar_scale: Fraction) -> RecordedHome:
    header = next(rows, [])
    if header != HEADER:
        raise SetupError(f"expected the header {','.join(HEADER)}, got {','.join(header)!r}")
    halves: list[tuple[int, int]] = []
    first = 0
    for line, row in enumerate(rows, start=2):
        if len(row) != len(HEADER):
            raise SetupError(f"expected {len(HEADER)} columns, got {len(row)} in line {line}")
        at = _half_hour(row[1], line)
        if not halves:
            first = at
        if at != first + len(halves):
            raise SetupError(f"expected half-hours without a hole, got {row[1]!r} out of order in line {line}")
        halves.append((_energy(row[2], "load_wh", line), _energy(row[3], "solar_wh", line)))
    if not halves or len(halves) % HALVES or first % HALVES:
        raise SetupError(f"expected whole days from midnight to midnight, got {len(halves)} half-hours")
    return RecordedHome(first // HALVES, halves, solar_scale)
