"""Whether one sample of a meter can follow another: before anything is signed from their difference."""

from enum import Enum

from edge_agent.registers import RegisterSample


class Break(Enum):
    """Why two samples have no difference that is an energy."""

    METER_SWAPPED = "meter swapped"
    """Another serial number answers, or one where there was none."""
    WENT_BACK = "went back"
    """A cumulative register is lower: roll-over, reset, or a value that belongs elsewhere."""
    EXPORT_CHANGED = "export changed"
    """One sample has an export register and the other has none."""
    TOO_FAST = "too fast"
    """More energy than the connection can carry in the time: a wrong word order or a value that belongs elsewhere."""


def break_between(before: RegisterSample, after: RegisterSample, *, elapsed_s: int, limit_w: int) -> Break | None:
    """Why `after` cannot follow `before`; None when it can.

    `elapsed_s` is the time between them by the caller's clock, at least 0; `limit_w` the most power that the connection can
    carry, e.g. twice its sanctioned load. A step of the register itself is never a break.
    """
    if before.serial != after.serial:
        return Break.METER_SWAPPED
    if (before.exported_wh is None) != (after.exported_wh is None):
        return Break.EXPORT_CHANGED
    gains = (after.imported_wh - before.imported_wh, (after.exported_wh or 0) - (before.exported_wh or 0))
    if min(gains) < 0:
        return Break.WENT_BACK
    # In watt-seconds: an energy in Wh takes 3600 of them.
    if (max(gains) - 2 * max(before.quantum_wh, after.quantum_wh)) * 3600 > limit_w * elapsed_s:
        return Break.TOO_FAST
    return None
