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
        """Whether the meter would not give `span` of late."""
        return span in self._refused

    def put_off(self, span: Interval, now_utc: int) -> None:
        """The meter would not give `span` now: it is left alone for a time that doubles."""
        earlier, poll = self._refused.get(span), self._poll
        times = 0 if earlier is None else earlier.times + 1
        pause_s = min(poll.absent_retry_s, poll.interval_s << min(times, 30))
        recent = now_utc - 2 * poll.absent_retry_s
        self._refused = {key: refused for key, refused in self._refused.items() if refused.until_utc >= recent}
        self._refused[span] = _Refused(until_utc=now_utc + pause_s, times=times)

    def is_put_off(self, span: Interval, now_utc: int) -> bool:
        """Whether `span` is still left alone at `now_utc`."""
        refused = self._refused.get(span)
        # A clock that was set back puts nothing off for longer than the longest pause.
        return refused is not None and 0 < refused.until_utc - now_utc <= self._poll.absent_retry_s
