"""Clock evidence: how far the meter's clock stood from the gateway's when it was read. Pure.

Source: EVIDENCE §1; docs/wire-format.md §4.1 (`clock`).
"""

from dataclasses import dataclass

from signing.statements.reading_batch import ClockSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEvidence:
    """The meter's clock against a reference."""

    offset_ms: int | None
    """Meter minus reference; None when the meter has no clock."""
    source: ClockSource


NO_METER_CLOCK = ClockEvidence(offset_ms=None, source=ClockSource.NONE)
"""For a meter without a clock."""


def evidence(*, meter_ms: int, asked_ms: int, answered_ms: int, reference: ClockSource) -> ClockEvidence:
    """The offset of a meter whose answer `meter_ms` was asked for and received at these instants of `reference`.

    The meter is taken to have looked at its clock half-way: the error is at most half the time between the two.
    """
    return ClockEvidence(offset_ms=meter_ms - (asked_ms + answered_ms) // 2, source=reference)


def reference_of(timex_state: int) -> ClockSource:
    """What the gateway's clock is worth, from the state that `adjtimex` returns: 5 is TIME_ERROR, not synchronised.

    Source: adjtimex(2), return value; the kernel sets STA_UNSYNC until a time service disciplines the clock.
    """
    return ClockSource.NTP if 0 <= timex_state <= 4 else ClockSource.GATEWAY
