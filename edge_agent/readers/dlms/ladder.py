"""How to ask a profile for a span, most sparing way first, until the meter accepts one.

Some meters refuse a deviation in a range, others its absence, some know no range, some no selective access at all.
Edges are never trusted: one block more is asked for on both sides and the caller filters. Source: METERS §6.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from edge_agent.readers.dlms.apdu import AccessResult
from edge_agent.readers.dlms.association import Conformance
from edge_agent.readers.dlms.cosem import IST_OFFSET_MIN
from edge_agent.readers.dlms.profile import by_entry, by_range
from edge_agent.registers import ProfileRow
from signing.interval import MAX_INSTANT, Interval

FINAL = frozenset({AccessResult.OBJECT_UNDEFINED, AccessResult.OBJECT_UNAVAILABLE})
"""Refusals of the profile itself: another way of asking does not help."""


class Rung(Enum):
    """The ways to ask, in order."""

    RANGE = "range"
    RANGE_WITH_DEVIATION = "range with deviation"
    ENTRY = "entry"
    WHOLE = "whole buffer"


def rungs(granted: Conformance) -> tuple[Rung, ...]:
    """The ways that a meter with this conformance may accept, in order."""
    return tuple(Rung) if Conformance.SELECTIVE_ACCESS in granted else (Rung.WHOLE,)


def range_access(rung: Rung, span: Interval, period_s: int) -> bytes:
    """The descriptor that asks by range for the stamps of `span`, one period more on both sides."""
    return by_range(*range_of(span, period_s), deviation_min=deviation_of(rung))


def range_of(span: Interval, period_s: int) -> tuple[int, int]:
    """The stamps, both included, that are asked for where `span` is wanted."""
    return max(0, span.start_utc - period_s), min(MAX_INSTANT, span.end_utc + period_s)


def deviation_of(rung: Rung) -> int | None:
    """The deviation in the ends of a range, in minutes; None: unspecified."""
    return -IST_OFFSET_MIN if rung is Rung.RANGE_WITH_DEVIATION else None


def any_near(rows: Iterable[ProfileRow], span: Interval, period_s: int) -> bool:
    """Whether any row is stamped in `span` or within two periods of it: the meter understood the range."""
    margin_s = 2 * period_s
    return any(span.start_utc - margin_s <= row.stamp_utc <= span.end_utc + margin_s for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Rows `first`…`last` of a buffer; 1 is its first row."""

    first: int
    last: int

    def access(self) -> bytes:
        """The descriptor that asks for them."""
        return by_entry(self.first, self.last)


def entries(
    *, span: Interval, now_utc: int, period_s: int, in_use: int, newest_first: bool, widen: int = 1
) -> Entries | None:
    """The rows that reach back from the newest to before `span`; None for an empty buffer.

    Missing rows make the estimate reach too far back, which the caller's filter corrects; duplicate rows make it fall short,
    and then the caller asks again with a larger `widen`.
    """
    if in_use <= 0:
        return None
    count = min(in_use, max(2, (max(0, now_utc - span.start_utc) // period_s + 3) * widen))
    return Entries(first=1, last=count) if newest_first else Entries(first=in_use - count + 1, last=in_use)
