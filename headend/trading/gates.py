"""By when a window's figure is due, and what happens to it then. Pure.

A deadline chooses only what is posted; it makes no figure better than its evidence. Source: VEE §C 3, 6; EXCHANGE §5 (time gates).
"""

from dataclasses import dataclass
from enum import Enum

from signing.interval import DAY_S, Interval, ist_day_start
from signing.statements.window_actual import Status


class AtGate(Enum):
    """What the discom does at the data gate with a window that is not final."""

    NOTHING = "nothing"
    """It waits until the figure is final."""
    PROVISIONAL = "provisional"
    """A PROVISIONAL figure is posted; what is PENDING has none and waits."""


ROUNDS = 3
"""Rounds of an allocation by the discoms themselves: seller, buyer, seller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The times of day that rule a window, as the day after its delivery has them, and the discom's policy."""

    data_s: int
    """Seconds after IST midnight of the day after delivery: meter data are due."""
    rounds_s: tuple[int, ...]
    """The same for the allocation rounds, ascending, none before `data_s`."""
    at_gate: AtGate
    true_up_days: int
    """Days after delivery during which a figure may still change at the ledger."""
    warn_before_s: int
    """How long before a gate a window that is not whole is called at risk."""

    def data_utc(self, window: Interval) -> int:
        """When the window's meter data are due."""
        return _next_day(window) + self.data_s

    def rounds_utc(self, window: Interval) -> tuple[int, ...]:
        """The window's rounds, ascending."""
        return tuple(_next_day(window) + at for at in self.rounds_s)

    def next_utc(self, window: Interval, now_utc: int) -> int | None:
        """The window's first gate after now, or none when all have passed."""
        times = (self.data_utc(window), *self.rounds_utc(window))
        return next((at for at in times if at > now_utc), None)

    def true_up_ends_utc(self, window: Interval) -> int:
        """When the window's figure stops changing at the ledger."""
        return _next_day(window) - DAY_S + self.true_up_days * DAY_S

    def posts(self, status: Status, window: Interval, now_utc: int, always: frozenset[Status]) -> bool:
        """Whether a figure of this status is posted now; those in `always` are at any time."""
        if status in always:
            return True
        is_past = now_utc >= self.data_utc(window)
        return status is Status.PROVISIONAL and self.at_gate is AtGate.PROVISIONAL and is_past


DEFAULT_GATES = Gates(
    data_s=9 * 3600,
    rounds_s=(9 * 3600 + 3300, 10 * 3600 + 3300, 11 * 3600 + 3300),
    at_gate=AtGate.NOTHING,
    true_up_days=45,
    warn_before_s=7200,
)
"""D+1 09:00 IST, rounds at 09:55, 10:55 and 11:55, nothing but final figures, true-up to D+45."""


def _next_day(window: Interval) -> int:
    """IST midnight after the delivery's last instant."""
    return ist_day_start(window.end_utc - 1) + DAY_S
