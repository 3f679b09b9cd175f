"""Clock evidence: how far the meter's clock stood from the gateway's when it was read, and whether the gateway's own clock ran
or was set between two instants. Pure.

Source: EVIDENCE §1; docs/wire-format.md §4.1 (`clock`).
"""

from dataclasses import dataclass
from enum import Enum

from signing.statements.reading_batch import ClockSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEvidence:
    """The meter's clock against a reference."""

    offset_ms: int | None
    """Meter minus reference; None when the meter has no clock."""
    source: ClockSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptime:
    """An instant of the one clock of a gateway that nobody can set."""

    boot: str
    """Which start of the gateway it counts from."""
    ms: int
    """Milliseconds since then, suspended ones too."""


class Pace(Enum):
    """What the time since boot says of the time that the wall clock showed between two instants."""

    EVEN = "EVEN"
    """As much went by."""
    STEPPED = "STEPPED"
    """More or less went by: the wall clock was set."""
    UNKNOWN = "UNKNOWN"
    """The two count from different starts, or one is not known: any time may lie between."""


HOLDOVER_MS = 7 * 86_400_000
"""How long a clock that a time service set right keeps time by itself: 100 ppm, a poor crystal, make 60 s in a week, a third of what
rule V09 allows."""


def evidence(*, meter_ms: int, asked_ms: int, answered_ms: int, reference: ClockSource) -> ClockEvidence:
    """The offset of a meter whose answer `meter_ms` was asked for and received at these instants of `reference`.

    The meter is taken to have looked at its clock half-way: the error is at most half the time between the two.
    """
    return ClockEvidence(offset_ms=meter_ms - (asked_ms + answered_ms) // 2, source=reference)


def pace(before: Uptime | None, after: Uptime | None, *, wall_s: int, tolerance_s: int) -> Pace:
    """Whether the wall clock, which went from `before` to `after` by `wall_s` seconds, was right to do so within `tolerance_s`.

    NTP that slews a clock changes the pace of both; only what was set shows.
    """
    if before is None or after is None or before.boot != after.boot:
        return Pace.UNKNOWN
    apart_ms = abs(after.ms - before.ms - wall_s * 1000)
    return Pace.EVEN if apart_ms <= tolerance_s * 1000 else Pace.STEPPED


SET_MS = 2_000
"""Less than this a time service slews, and two clocks read one after the other differ by."""


def was_set(before: Uptime | None, after: Uptime | None, *, wall_ms: int) -> bool:
    """Whether a wall clock that went on by `wall_ms` between two instants was set meanwhile; False where that is not known."""
    if before is None or after is None or before.boot != after.boot:
        return False
    return abs(after.ms - before.ms - wall_ms) > SET_MS


def right_ms(
    now: Uptime, reference: ClockSource, before: Uptime | None, before_ms: int | None, even: Pace
) -> int | None:
    """When, by the clock that nobody sets, the wall clock was last known to be right, at `now`; None when it never was since boot.

    It is when a time service disciplines it; what was known `before` goes on while the wall clock runs `even`ly, and ends
    when somebody sets it.
    """
    if reference is ClockSource.NTP:
        return now.ms
    return before_ms if before is not None and even is Pace.EVEN else None


def is_right(at: Uptime | None, known_ms: int | None) -> bool:
    """Whether a wall clock that was known to be right at `known_ms` of the boot still was `at`."""
    return at is not None and known_ms is not None and 0 <= at.ms - known_ms <= HOLDOVER_MS


def reference_of(timex_state: int) -> ClockSource:
    """What the gateway's clock is worth, from the state that `adjtimex` returns: 5 is TIME_ERROR, not synchronised.

    Source: adjtimex(2), return value; the kernel sets STA_UNSYNC until a time service disciplines the clock.
    """
    return ClockSource.NTP if 0 <= timex_state <= 4 else ClockSource.GATEWAY
