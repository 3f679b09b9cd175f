"""What an estimate is: energies put into the holes of a span so that the span sums to what its registers say, with bounds.

All in whole Wh as the meter states them, before factors. An estimate is never a measurement: nothing here makes a `ValidatedInterval`, and no
method takes an estimate for an input. Source: VEE §B; docs/vee-rules.md "Estimates"; docs/adr/0012-estimates.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from headend.vee.declared import Channel
from headend.vee.shape_rules import spikes
from signing.interval import DAY_S, ist_day_start


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBlock:
    """One block of a span as validation left it."""

    start_utc: int
    wh: int | None
    """Its energy in Wh; absent exactly when the block is to be estimated."""
    is_pattern: bool
    """Whether it is VALID and its supply did not fail: only such a block says anything of its neighbour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What every estimate of a span has to keep: V16 to V18 and V20 for one block."""

    most_wh: int | None
    """The most in one block, by V17 or V18; absent where neither is known."""
    spike_permille: int | None
    """V20's; absent where the rule set leaves V20 out."""
    spike_floor_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One channel of one span with holes."""

    channel: Channel
    period_s: int
    blocks: tuple[KnownBlock, ...]
    """Every block of the span, ascending, without a gap between them."""
    rise_wh: int | None
    """What the registers at both ends of the span say that it sums to; absent where they do not enclose it."""
    tolerance_wh: int
    """By how much blocks and registers may differ without contradicting each other (V23)."""
    limits: Limits

    @property
    def holes(self) -> tuple[int, ...]:
        """Starts of the blocks to be estimated, ascending."""
        return tuple(block.start_utc for block in self.blocks if block.wh is None)

    @property
    def residual_wh(self) -> int | None:
        """What the registers leave for the holes; negative when the blocks sum to more already; absent without registers."""
        return None if self.rise_wh is None else self.rise_wh - sum(block.wh or 0 for block in self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One estimated block."""

    start_utc: int
    method: str
    wh: int
    low_wh: int
    high_wh: int | None
    """The truth lies between `low_wh` and this; absent where nothing bounds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """All holes of a task, estimated by one method."""

    task: Task
    method: str
    values: Mapping[int, int]
    """Wh by block start, ascending."""

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Each block with its own bounds."""
        return tuple(self._estimate(start) for start in self.values)

    def bounds(self, starts: Collection[int]) -> tuple[int, int, int | None]:
        """Lowest, estimated and highest energy of some of the holes together, in Wh.

        What the registers leave is shared by all holes; the others take between nothing and their most.
        """
        chosen = [start for start in self.values if start in starts]
        others = len(self.values) - len(chosen)
        value = sum(self.values[start] for start in chosen)
        most, residual = self.task.limits.most_wh, self.task.residual_wh
        ceiling = None if most is None else most * len(chosen)
        if residual is None or not chosen:
            return 0, value, ceiling if chosen else 0
        spared = most * others if most is not None else 0 if others == 0 else residual
        low = max(0, residual - self.task.tolerance_wh - spared)
        high = residual + self.task.tolerance_wh
        return low, value, high if ceiling is None else min(high, ceiling)

    def _estimate(self, start: int) -> Estimate:
        low, value, high = self.bounds({start})
        return Estimate(start_utc=start, method=self.method, wh=value, low_wh=low, high_wh=high)


def apportioned(total_wh: int, weights: Sequence[int]) -> tuple[int, ...]:
    """`total_wh` in whole parts by `weights`, evenly where all are zero; what rounding leaves goes to the largest part, the first of equals."""
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    parts = [total_wh * weight // whole for weight in weights]
    largest = max(range(len(parts)), key=lambda place: (weights[place], -place))
    parts[largest] += total_wh - sum(parts)
    return tuple(parts)


def filled(task: Task, method: str, weights: Sequence[int]) -> Filled | None:
    """The holes filled by `weights`, one a hole: scaled to what the registers leave, or taken as Wh where no register encloses them.

    None when that leaves no energy to share, or would break a rule that a measurement has to keep.
    """
    if not task.holes or len(weights) != len(task.holes) or min(weights) < 0:
        return None
    residual = task.residual_wh
    values = tuple(weights) if residual is None else apportioned(residual, weights)
    found = Filled(task=task, method=method, values=dict(zip(task.holes, values, strict=True)))
    return found if _keeps(task, found.values) else None


def linear(task: Task, most_s: int) -> Filled | None:
    """E1 LINEAR: what the registers leave, shared along a straight line between the neighbours of each gap.

    Only for gaps of at most `most_s`, both of whose neighbours are VALID blocks in which the supply did not fail, in a span that two registers
    enclose and whose other blocks are all known.
    """
    if task.rise_wh is None:
        return None
    weights: list[int] = []
    for before, gap, after in _gaps(task.blocks):
        edges = [edge.wh for edge in (before, after) if edge is not None and edge.is_pattern and edge.wh is not None]
        if len(edges) != 2 or len(gap) * task.period_s > most_s:
            return None
        weights += _line(edges[0], edges[1], len(gap))
    return filled(task, "E1", weights)


def _line(before_wh: int, after_wh: int, count: int) -> list[int]:
    """Points of the straight line between two neighbours, times the number of steps: whole numbers."""
    return [before_wh * (count - place) + after_wh * (place + 1) for place in range(count)]


def _gaps(
    blocks: Sequence[KnownBlock],
) -> list[tuple[KnownBlock | None, list[KnownBlock], KnownBlock | None]]:
    """Each maximal run of holes with the blocks before and after it."""
    found: list[tuple[KnownBlock | None, list[KnownBlock], KnownBlock | None]] = []
    before: KnownBlock | None = None
    run: list[KnownBlock] = []
    for block in blocks:
        if block.wh is None:
            run.append(block)
            continue
        if run:
            found.append((before, run, block))
        before, run = block, []
    return [*found, (before, run, None)] if run else found


def _keeps(task: Task, values: Mapping[int, int]) -> bool:
    """Whether the estimates pass V16 to V18, and V20 in every day of which enough is known."""
    most = task.limits.most_wh
    if any(wh < 0 or (most is not None and wh > most) for wh in values.values()):
        return False
    if task.limits.spike_permille is None:
        return True
    days: dict[int, dict[int, int]] = {}
    for block in task.blocks:
        wh = values.get(block.start_utc) if block.wh is None else block.wh
        days.setdefault(ist_day_start(block.start_utc), {})[block.start_utc] = wh or 0
    towering = (
        start
        for day in days.values()
        if len(day) * task.period_s == DAY_S
        for start in spikes(day, task.limits.spike_permille, task.limits.spike_floor_wh)
    )
    return not any(start in values for start in towering)
