"""Whether a clock was set between two looks at a meter: the gateway's, by the clock that nobody sets; the meter's, by what is left. Pure.

Nothing here changes what is signed: every header carries the offset of its own look, and rule V10 finds the step between two.
"""

from dataclasses import dataclass
from typing import Final

from edge_agent.clock import Uptime

LEAST_MS: Final = 9_000
"""A smaller step is what clocks do by themselves, and an answer that took long. Source: rule V09, ``warn_s``."""
_DRIFT: Final = 5_000
"""A clock that nobody sets drifts by less than one part in so many: 200 ppm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Both clocks of one look."""

    wall_ms: int
    """The gateway's clock, UTC."""
    uptime: Uptime
    offset_ms: int
    """Meter minus gateway."""


class ClockWatch:
    """The clocks of one meter and its gateway, between looks."""

    def __init__(self) -> None:
        self._last: Look | None = None

    def steps(self, look: Look) -> list[str]:
        """Which clocks were set since the look before, in words for an operator."""
        before, self._last = self._last, look
        return [] if before is None else _steps(before, look)


def _steps(before: Look, after: Look) -> list[str]:
    moved_ms = after.offset_ms - before.offset_ms
    if before.uptime.boot != after.uptime.boot:
        if abs(moved_ms) <= LEAST_MS + abs(after.wall_ms - before.wall_ms) // _DRIFT:
            return []
        return [
            f"meter minus gateway moved by {_text(moved_ms)} over a restart of the gateway: one of their clocks was set"
        ]
    passed_ms = after.uptime.ms - before.uptime.ms
    gateway_ms = after.wall_ms - before.wall_ms - passed_ms
    least_ms = LEAST_MS + passed_ms // _DRIFT
    found = []
    if abs(gateway_ms) > least_ms:
        found.append(f"the gateway's clock was set by {_text(gateway_ms)} since the last look")
    # A gateway that is set forward sees every meter go back by as much.
    if abs(moved_ms + gateway_ms) > least_ms:
        found.append(
            f"the meter's clock was set by {_text(moved_ms + gateway_ms)} since the last look: blocks between are in doubt (V10)"
        )
    return found


def _text(step_ms: int) -> str:
    return f"{step_ms / 1000:+.0f} s"
