"""Spans that a meter would not give, and for how long each is left alone. Pure."""

from dataclasses import dataclass

from edge_agent.config import PollSettings
from signing.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """A span that the meter would not give."""

    until_utc: int
    times: int
    """How often, before this time."""


class Refusals:
    """What one meter would not give. One bad octet costs one interval, a habit costs ever longer ones."""

    def __init__(self, poll: PollSettings) -> None:
        self._poll = poll
        self._refused: dict[Interval, _Refused] = {}

    def __contains__(self, span: Interval) -> bool:
        """Whether the meter would not give some of `span` of late."""
        return any(span.overlaps(each) for each in self._refused)

    def put_off(self, span: Interval, now_utc: int) -> None:
        """The meter would not give `span` now: it is left alone for a time that doubles."""
        poll = self._poll
        # Pieces change their size: what was refused as part of a larger one, or as parts of this one, counts.
        times = max((refused.times + 1 for key, refused in self._refused.items() if key.overlaps(span)), default=0)
        pause_s = min(poll.absent_retry_s, poll.interval_s << min(times, 30))
        recent = now_utc - 2 * poll.absent_retry_s
        self._refused = {key: refused for key, refused in self._refused.items() if refused.until_utc >= recent}
        self._refused[span] = _Refused(until_utc=now_utc + pause_s, times=times)

    def left_alone(self, now_utc: int) -> tuple[Interval, ...]:
        """What is not asked for at `now_utc`."""
        # A clock that was set back puts nothing off for longer than the longest pause.
        longest_s = self._poll.absent_retry_s
        return tuple(key for key, refused in self._refused.items() if 0 < refused.until_utc - now_utc <= longest_s)
