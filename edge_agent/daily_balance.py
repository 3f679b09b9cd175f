"""The balance of a day from what is signed: the sum of its blocks is what the cumulative registers rose by. Pure.

`balance` proves what stamps mean from a meter's own rows, when a technician asks; this judges every day that was read, so that a
meter that is set up wrong, or changed later, is told within a day. Nothing here changes a figure: what is signed stays signed.

Source: METERS §5; docs/vee-rules.md V23, V24, whose tolerances these are: the agent tells what the head-end will find.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final

from edge_agent.balance import PERMILLE, Reading
from edge_agent.registers import Energies
from signing.interval import Interval, ist_text
from signing.statements.reading_batch import Register

DIGIT_WH: Final = 10
"""What a day may be off by whatever flowed. Source: rule V23, ``digit_wh``."""
COARSEST_WH: Final = 10_000
"""A register that counts in coarser steps is not expected."""
_FACTORS: Final = (Fraction(2), Fraction(4), Fraction(1, 2), Fraction(1, 4))
"""What one of the capture periods is of another."""


class Cause(Enum):
    """What is likely behind a day that does not balance."""

    STAMPS = "stamps"
    PERIOD = "period"
    ROWS = "rows"
    FELL = "fell"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDay:
    """What is signed of an IST day."""

    day: Interval
    period_s: int
    blocks: Mapping[int, Energies]
    """By start; those next to the day too, where they are known."""
    before: Register
    after: Register


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a day's balance says."""

    day: Interval
    cause: Cause | None
    """None when it holds, or nothing can be said against it."""
    stamps_name: Reading | None = None
    """What stamps would have to name for the day to balance to the Wh, where it does not as they are read."""
    refutes: frozenset[Reading] = frozenset()
    """What stamps cannot name: the day is exact as they are read, and would not be then."""
    is_certain: bool = True
    """False where the day is within the tolerance as it is read, and another reading of the stamps is exact: one day may do so
    by chance."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Channel:
    """One direction of energy."""

    name: str
    before_wh: int
    after_wh: int
    wh: Mapping[int, int | None]

    @property
    def rise_wh(self) -> int:
        return self.after_wh - self.before_wh

    @property
    def step_wh(self) -> int:
        """What the registers count in, as far as their last digits show: a coarser one is known no better."""
        step = 1
        while step < COARSEST_WH and self.before_wh % (10 * step) == self.after_wh % (10 * step) == 0:
            step *= 10
        return step

    def sum_wh(self, starts: range) -> int | None:
        """None when a block is absent or unknown."""
        values = [self.wh.get(start) for start in starts]
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    def known_wh(self, starts: range) -> int:
        """The sum of what there is."""
        return sum(self.wh.get(start) or 0 for start in starts)

    def slack_wh(self) -> Fraction:
        """What rule V23 lets pass."""
        return max(Fraction(DIGIT_WH), Fraction(self.step_wh), Fraction(self.rise_wh * PERMILLE, 1000))


def judge(signed: SignedDay) -> Judgement:
    """What the balance of a day says, with its numbers and what to do."""
    channels = _channels(signed)
    starts = signed.day.block_starts(signed.period_s)
    if any(channel.rise_wh < 0 for channel in channels):
        return _found(signed, channels, Cause.FELL)
    if any(channel.sum_wh(starts) is None for channel in channels):
        return _incomplete(signed, channels, starts)
    return _complete(signed, channels, starts)


def _complete(signed: SignedDay, channels: tuple[_Channel, ...], starts: range) -> Judgement:
    """Exact sums decide; where none is exact, close ones, as they are read."""
    others = {
        word: range(starts.start + shift, starts.stop + shift, starts.step)
        for word, shift in ((Reading.START, -signed.period_s), (Reading.END, signed.period_s))
    }
    exact = [word for word, moved in others.items() if all(_is_exact(channel, moved, 1) for channel in channels)]
    if all(_is_exact(channel, starts, 0) for channel in channels):
        return Judgement(day=signed.day, cause=None, refutes=frozenset(Reading) - frozenset(exact))
    sums = [channel.sum_wh(starts) or 0 for channel in channels]
    is_close = all(abs(total - each.rise_wh) <= each.slack_wh() for total, each in zip(sums, channels, strict=True))
    if exact:
        return _found(signed, channels, Cause.STAMPS, stamps_name=exact[0], is_certain=not is_close)
    if is_close:
        return Judgement(day=signed.day, cause=None)
    is_multiple = any(_is_times(channels[0].rise_wh, sums[0], factor) for factor in _FACTORS)
    return _found(signed, channels, Cause.PERIOD if is_multiple else Cause.UNKNOWN)


def _channels(signed: SignedDay) -> tuple[_Channel, ...]:
    """The directions that the registers of both midnights have, import first."""
    found = []
    before, after = signed.before, signed.after
    if before.import_wh is not None and after.import_wh is not None:
        imported = {start: block.import_wh for start, block in signed.blocks.items()}
        found.append(_Channel("import", before.import_wh, after.import_wh, imported))
    has_export = any(block.export_wh is not None for block in signed.blocks.values())
    if has_export and before.export_wh is not None and after.export_wh is not None:
        exported = {start: block.export_wh for start, block in signed.blocks.items()}
        found.append(_Channel("export", before.export_wh, after.export_wh, exported))
    return tuple(found)


def _is_exact(channel: _Channel, starts: range, more_wh: int) -> bool:
    """Whether the blocks sum to the rise. A span that is no whole day is rounded once more: `more_wh`."""
    total = channel.sum_wh(starts)
    return total is not None and abs(total - channel.rise_wh) <= channel.step_wh + more_wh


def _incomplete(signed: SignedDay, channels: tuple[_Channel, ...], starts: range) -> Judgement:
    over = [channel.known_wh(starts) - channel.rise_wh for channel in channels]
    if any(excess > channel.slack_wh() for excess, channel in zip(over, channels, strict=True)):
        return _found(signed, channels, Cause.UNKNOWN)
    if all(-excess <= channel.slack_wh() for excess, channel in zip(over, channels, strict=True)):
        return Judgement(day=signed.day, cause=None)
    return _found(signed, channels, Cause.ROWS)


def _is_times(rise_wh: int, sum_wh: int, factor: Fraction) -> bool:
    return sum_wh > 0 and abs(rise_wh - factor * sum_wh) <= max(Fraction(DIGIT_WH), rise_wh * Fraction(PERMILLE, 1000))


def _found(
    signed: SignedDay,
    channels: tuple[_Channel, ...],
    cause: Cause,
    *,
    stamps_name: Reading | None = None,
    is_certain: bool = True,
) -> Judgement:
    starts = signed.day.block_starts(signed.period_s)
    numbers = "; ".join(
        f"{channel.name} register {channel.rise_wh:+} Wh, blocks {channel.known_wh(starts)} Wh" for channel in channels
    )
    word = "" if stamps_name is None else stamps_name.value
    absent = [start for start in starts if signed.blocks.get(start, Energies(None, None)).import_wh is None]
    remedies = {
        Cause.STAMPS: f'they balance when stamps name the {word} of a block: set stamp = "{word}", and have the days before read again',
        Cause.PERIOD: f"one is a whole multiple of the other: the meter may capture at another period than the {signed.period_s} s that it "
        "says; have the discom correct the meter",
        Cause.ROWS: f"{len(absent)} of {len(starts)} blocks have no figure: rows are missing, and are asked for again; if they stay "
        "missing, see the meter's power events",
        Cause.FELL: "a cumulative register fell: the meter was reset, rolled over or exchanged; tell the discom",
        Cause.UNKNOWN: "neither reading of the stamps balances: check stamp, capture period, missing or repeated rows and the meter's "
        "scalers with `sakshi-agent commission`",
    }
    day = ist_text(signed.day.start_utc)[:10]
    text = f"the balance of {day} fails: {numbers}; {remedies[cause]}"
    return Judgement(day=signed.day, cause=cause, stamps_name=stamps_name, is_certain=is_certain, text=text)
