"""What the stamps of a load profile mean, proved by one day: the sum of its blocks is what the cumulative registers rose by.

A stamp names the end of its block, or its start; both readings take the same rows but one. Only where the two rows at the
midnights differ can a day tell them apart. Pure. Source: METERS §5.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.registers import (
    EXPORT_BLOCK,
    IMPORT_BLOCK,
    CumulativeRegisters,
    ProfileRow,
    RegisterValue,
    watt_hours_exact,
)
from signing.interval import Interval, ist_text

PERMILLE = 5
"""What blocks that a meter rounds one by one may differ by from its register. Source: rule V23."""


class Reading(Enum):
    """The two readings of a stamp."""

    END = "end"
    START = "start"


class Verdict(Enum):
    """Which reading of the stamps balances."""

    END = "end"
    START = "start"
    EITHER = "either"
    """The day says nothing: the blocks at its two midnights are equal."""
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One direction of energy over a day, in Wh, exact."""

    name: str
    rise_wh: Decimal
    """What the cumulative register rose by."""
    step_wh: Decimal
    """What both ends of the rise may be off by: a register coarser than the blocks is known no better. 0 otherwise."""
    sums_wh: Mapping[Reading, Decimal]
    """The sum of the blocks, for each reading that has all its rows."""

    def is_exact(self, reading: Reading) -> bool:
        """Whether the blocks sum to the rise."""
        return reading in self.sums_wh and abs(self.sums_wh[reading] - self.rise_wh) <= self.step_wh

    def is_close(self, reading: Reading) -> bool:
        """Whether they do within what rounding each block may cost."""
        slack = max(self.step_wh, self.rise_wh * PERMILLE / 1000)
        return reading in self.sums_wh and abs(self.sums_wh[reading] - self.rise_wh) <= slack


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBalance:
    """What one day proves."""

    day: Interval
    expected: int
    """Blocks of the day."""
    found: Mapping[Reading, int]
    """Rows of the day, for each reading."""
    channels: tuple[Channel, ...]
    reason: str | None
    """Why nothing could be compared; None when something was."""

    @property
    def verdict(self) -> Verdict:
        """Exact sums decide; where none is exact, close ones."""
        for holds in (Channel.is_exact, Channel.is_close):
            readings = [
                reading
                for reading in Reading
                if self.channels and all(holds(channel, reading) for channel in self.channels)
            ]
            if len(readings) == len(Reading):
                return Verdict.EITHER
            if readings:
                return Verdict(readings[0].value)
        return Verdict.NEITHER


def day_balance(
    day: Interval, rows: Iterable[ProfileRow], registers: Sequence[CumulativeRegisters], *, period_s: int
) -> DayBalance:
    """The balance of `day`, an IST day, from its rows and those at both midnights, and the registers at both midnights."""
    expected = day.length_s // period_s
    chosen = {reading: _rows_of(day, rows, reading) for reading in Reading}
    found = {reading: len(each) for reading, each in chosen.items()}
    channels: tuple[Channel, ...] = ()
    reason: str | None = None
    try:
        before, after = (_at(registers, stamp) for stamp in (day.start_utc, day.end_utc))
        channels = _channels(before, after, _whole(chosen, expected))
    except (_IncomparableError, MeterDecodeError, MeterRefusedError) as error:
        reason = str(error)
    return DayBalance(day=day, expected=expected, found=found, channels=channels, reason=reason)


class _IncomparableError(Exception):
    """There is nothing to compare, and why."""


def _rows_of(day: Interval, rows: Iterable[ProfileRow], reading: Reading) -> list[ProfileRow]:
    """One row a stamp; the same row twice counts once, two that differ both count, and so spoil the day."""
    shift_s = 0 if reading is Reading.END else 1
    wanted = [row for row in rows if day.start_utc < row.stamp_utc + shift_s <= day.end_utc]
    kept: dict[tuple[int, tuple[tuple[str, int | None], ...]], ProfileRow] = {}
    for row in wanted:
        energies = tuple((name, row.values[name].raw) for name in (IMPORT_BLOCK, EXPORT_BLOCK) if name in row.values)
        kept.setdefault((row.stamp_utc, energies), row)
    return list(kept.values())


def _whole(chosen: Mapping[Reading, list[ProfileRow]], expected: int) -> dict[Reading, list[ProfileRow]]:
    """The readings that have a row for every block."""
    whole = {reading: rows for reading, rows in chosen.items() if len(rows) == expected}
    if not whole:
        most = max((len(rows) for rows in chosen.values()), key=lambda count: -abs(count - expected))
        raise _IncomparableError(f"{most} rows for {expected} blocks")
    return whole


def _at(registers: Sequence[CumulativeRegisters], stamp_utc: int) -> CumulativeRegisters:
    found = [each for each in registers if each.stamp_utc == stamp_utc]
    if not found:
        raise _IncomparableError(f"no cumulative registers of {ist_text(stamp_utc)}")
    return found[0]


def _channels(
    before: CumulativeRegisters, after: CumulativeRegisters, whole: Mapping[Reading, Sequence[ProfileRow]]
) -> tuple[Channel, ...]:
    channels = [_channel("import", IMPORT_BLOCK, (before.imported, after.imported), whole)]
    has_export = any(EXPORT_BLOCK in row.values for rows in whole.values() for row in rows)
    if has_export and before.exported is not None and after.exported is not None:
        channels.append(_channel("export", EXPORT_BLOCK, (before.exported, after.exported), whole))
    return tuple(channels)


def _channel(
    name: str, column: str, ends: tuple[RegisterValue, RegisterValue], whole: Mapping[Reading, Sequence[ProfileRow]]
) -> Channel:
    first, last = (_energy(value) for value in ends)
    sums = {}
    block_step = Decimal(1)
    for reading, rows in whole.items():
        missing = [row for row in rows if column not in row.values]
        if missing:
            raise _IncomparableError(f"no column {column} in the load profile")
        sums[reading] = sum((_energy(row.values[column]) for row in rows), Decimal(0))
        block_step = min(_step(row.values[column]) for row in rows)
    register_step = max(_step(value) for value in ends)
    return Channel(
        name=name,
        rise_wh=last - first,
        step_wh=register_step if register_step > block_step else Decimal(0),
        sums_wh=sums,
    )


def _energy(value: RegisterValue) -> Decimal:
    energy = watt_hours_exact(value)
    if energy is None:
        raise _IncomparableError(f"null-data in {value.register}")
    return energy


def _step(value: RegisterValue) -> Decimal:
    return Decimal(1).scaleb(value.scaler)
