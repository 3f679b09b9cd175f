"""When a gateway is asked to read blocks again that a window lacks: soon, then less and less often, while the meter remembers. Pure.

Source: VEE §B E0.
"""

from collections.abc import Iterable

from headend.readings import Quality, ValidatedInterval
from signing.interval import DAY_S, Interval

AFTER_S = (300, 1800, 7200)
"""How long after the blocks ended they are asked for; after the last of these once a day. What is missed long after keeps these distances."""

MEMORY_S = 35 * DAY_S
"""How long a meter remembers its blocks: an older one is not asked for. Source: METERS §5 (depth)."""


def next_utc(missing: Interval, asked: int, asked_utc: int) -> int | None:
    """When blocks that were asked for `asked` times, last at `asked_utc`, are asked for again; none when the meter forgot them."""
    at = asked_utc + DAY_S
    if asked < len(AFTER_S):
        since_last_s = AFTER_S[asked] - AFTER_S[asked - 1] if asked else 0
        # Or all three would go at once for a window that is found to lack blocks days later.
        at = max(missing.end_utc + AFTER_S[asked], asked_utc + since_last_s)
    return None if at > missing.start_utc + MEMORY_S else at


def missing_spans(intervals: Iterable[ValidatedInterval]) -> tuple[Interval, ...]:
    """The spans of neighbouring blocks without a value, ascending, each within one IST day: one command asks for each."""
    spans: list[Interval] = []
    for interval in intervals:
        if interval.quality is not Quality.MISSING:
            continue
        block = interval.block
        if spans and spans[-1].end_utc == block.start_utc:
            spans[-1] = Interval(spans[-1].start_utc, block.end_utc)
        else:
            spans.append(block)
    return tuple(day for span in spans for day in span.ist_days())
