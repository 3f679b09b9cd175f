"""Which blocks of a meter are due now, cut into spans that one batch can carry. Pure.

A block is due when it has ended, the meter has had `settle_s` to store it, and nothing about it is signed yet. Blocks of the
last hour come first, so that a long back-fill never delays the present; then what a command asked to read again and the
back-fill, oldest first; last the blocks that are signed as absent, since a meter may yet find them.

Source: EVIDENCE §§1, 3; docs/wire-format.md §4.1 (a span lies inside one IST day, 1 to 96 blocks).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from signing.interval import DAY_S, MAX_INSTANT, Interval, floor_to_block, ist_day_start

LIVE_S = 3600
"""Blocks that end within this many seconds before now are live."""
FARTHEST_S = 100 * DAY_S
"""How far back anything is due, whoever asks: farther than meters remember, and less far than the agent does, so that nothing is signed
twice.
"""


class Why(Enum):
    """Why a span is due, in order of precedence."""

    LIVE = "live"
    REREAD = "reread"
    BACKFILL = "backfill"
    RETRY = "retry"


class Held(Enum):
    """What the newest signed reading of a block holds."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A block about which something is signed."""

    held: Held
    checked_utc: int
    """When the meter was last asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one meter is read."""

    period_s: int
    settle_s: int
    """Seconds that the meter has, after a block's end, to store it."""
    backfill_s: int
    """How far back blocks are due."""
    absent_retry_s: int
    """Seconds between two questions for a block that is signed as absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One span to read: whole blocks of one IST day, at most 96."""

    span: Interval
    why: Why


def due(
    *,
    now_utc: int,
    rules: Rules,
    horizon_utc: int,
    known: Mapping[int, Known],
    rereads: Iterable[Interval] = (),
) -> tuple[Task, ...]:
    """The spans to read now, in the order in which to read them.

    `horizon_utc` is where the meter's memory is known to begin; `known` is keyed by block start; `rereads` are spans that
    a command named, due whatever is known of them, as far back as anything is.
    """
    window = _window(now_utc, rules, horizon_utc)
    if window is None:
        return ()
    unsigned, absent = [], []
    for start in window.block_starts(rules.period_s):
        block = known.get(start)
        if block is None:
            unsigned.append(start)
        elif block.held is Held.ABSENT and abs(now_utc - block.checked_utc) >= rules.absent_retry_s:
            absent.append(start)
    live_from = window.end_utc - LIVE_S
    live = [start for start in unsigned if start >= live_from]
    old = [start for start in unsigned if start < live_from]
    return (
        *_tasks(live, rules.period_s, Why.LIVE),
        *_tasks(asked_again(rereads, now_utc, rules.period_s, settled_utc=window.end_utc), rules.period_s, Why.REREAD),
        *_tasks(old, rules.period_s, Why.BACKFILL),
        *_tasks(absent, rules.period_s, Why.RETRY),
    )


def next_due_utc(now_utc: int, rules: Rules) -> int:
    """The next instant after `now_utc` at which a block settles."""
    settled = floor_to_block(now_utc - rules.settle_s, rules.period_s)
    return settled + rules.period_s + rules.settle_s


def last_boundary(now_utc: int, period_s: int) -> int:
    """The newest block boundary at or before `now_utc`."""
    return floor_to_block(now_utc, period_s)


def asked_again(
    rereads: Iterable[Interval], now_utc: int, period_s: int, *, settled_utc: int = MAX_INSTANT
) -> Sequence[int]:
    """The starts of the blocks, ascending, that any of the spans touches and that begin before `settled_utc`, as far back as anything
    is due. A command may name any span, also all of time.
    """
    farthest_utc = ist_day_start(max(0, now_utc - FARTHEST_S))
    starts = {
        start
        for span in rereads
        for start in range(
            floor_to_block(max(span.start_utc, farthest_utc), period_s), min(span.end_utc, settled_utc), period_s
        )
        if start >= 0
    }
    return sorted(starts)


def _window(now_utc: int, rules: Rules, horizon_utc: int) -> Interval | None:
    end = floor_to_block(max(0, min(now_utc, MAX_INSTANT) - rules.settle_s), rules.period_s)
    start = max(ist_day_start(max(0, now_utc - rules.backfill_s)), horizon_utc, 0)
    return Interval(start, end) if start < end else None


def _tasks(starts: Sequence[int], period_s: int, why: Why) -> Iterable[Task]:
    """Maximal runs of neighbouring blocks, cut at every IST midnight: a day has at most 96 blocks."""
    if not starts:
        return
    first = starts[0]
    for earlier, later in pairwise([*starts, None]):
        assert earlier is not None
        end = earlier + period_s
        if later != end or ist_day_start(earlier) != ist_day_start(end):
            yield Task(span=Interval(first, end), why=why)
            first = later if later is not None else end
