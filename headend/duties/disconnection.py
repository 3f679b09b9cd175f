"""A connection that was open for a time, by the discom's own record of the work, and the days whose estimates it bears on. Pure.

Nothing here switches anything. Source: VEE §B E8; docs/vee-rules.md "Estimates".
"""

from dataclasses import dataclass

from headend.duties.holds import said
from headend.errors import RefusedError
from headend.vee.declared import Disconnection
from signing.interval import DAY_S, Interval, ist_day_start

_BACK_DAYS = 400
"""Days before that are billed and closed; they are validated again only when their evidence changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConnection:
    """What an operator enters: nothing can have flowed through a connection point from an instant on."""

    connection_point: str
    since_utc: int
    until_utc: int | None
    """None: until further notice."""
    reference: str
    """The order or the report of the work."""
    by: str
    reason: str

    def __post_init__(self) -> None:
        if self.until_utc is not None and self.until_utc <= self.since_utc:
            raise RefusedError("expected 'until' after 'since': correct one of them, or leave 'until' out")
        said(self.reference, "reference")
        said(self.by, "by")
        said(self.reason, "reason")

    def within(self, span: Interval) -> Disconnection | None:
        """What it says of a span: the common time, or nothing where there is none."""
        end = span.end_utc if self.until_utc is None else min(span.end_utc, self.until_utc)
        start = max(span.start_utc, self.since_utc)
        return Disconnection(span=Interval(start, end), reference=self.reference) if start < end else None

    def days(self, now_utc: int) -> tuple[int, ...]:
        """The IST midnights of the days up to today that it bears on, ascending."""
        today = ist_day_start(now_utc)
        known = self.within(Interval(max(0, today - _BACK_DAYS * DAY_S), today + DAY_S))
        return () if known is None else tuple(ist_day_start(day.start_utc) for day in known.span.ist_days())
