"""Whether one sample of a meter can follow another: before anything is signed from their difference."""

from enum import Enum
from fractions import Fraction

from edge_agent.registers import RegisterSample


class Break(Enum):
    """Why two samples have no difference that is an energy."""

    METER_SWAPPED = "meter swapped"
    """Another serial number answers, or one where there was none."""
    ROLLED_OVER = "rolled over"
    """A cumulative register is lower, by so much that it is where it would be past its end: its words' or its display's."""
    WAS_RESET = "was reset"
    """A cumulative register is lower, and no higher than one that began at 0 since."""
    WENT_BACK = "went back"
    """A cumulative register is lower, for no reason that shows: a value that belongs elsewhere, or another meter."""
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
    for _, was, became in _pairs(before, after):
        found = _break_of(was, became, _most_wh(before, after, elapsed_s, limit_w), after.ends_wh)
        if found is not None:
            return found
    return None


def finding(before: RegisterSample, after: RegisterSample, *, elapsed_s: int, limit_w: int) -> str | None:
    """Why `after` cannot follow `before`, in words that name the register; None when it can. Arguments as `break_between`."""
    broken = break_between(before, after, elapsed_s=elapsed_s, limit_w=limit_w)
    if broken is None:
        return None
    if broken is Break.METER_SWAPPED:
        return f"the meter was swapped: serial number {before.serial or 'none'} became {after.serial or 'none'}"
    if broken is Break.EXPORT_CHANGED:
        return "the export register came or went: check 'map' and the meter's firmware"
    most_wh = _most_wh(before, after, elapsed_s, limit_w)
    broken_at = ((each, _break_of(each[1], each[2], most_wh, after.ends_wh)) for each in _pairs(before, after))
    name, was, became = next(each for each, found in broken_at if found is not None)
    hint = _HINTS[broken]
    if broken is not Break.ROLLED_OVER and _goes_on_swapped(before, after, most_wh):
        hint = "in the other word order it goes on as it should: correct 'word_order' of its register map"
    return f"register '{name}' {broken.value}: {was} Wh became {became} Wh in {elapsed_s} s; {hint}"


def has_rolled_over(before: tuple[int, int | None], after: RegisterSample, *, elapsed_s: int, limit_w: int) -> bool:
    """Whether a register began again at 0, its counter being full, since import and export were `before`, and nothing else is wrong.

    Arguments as `break_between`.
    """
    most_wh = _most_wh(after, after, elapsed_s, limit_w)
    pairs = zip(before, (after.imported_wh, after.exported_wh), strict=True)
    found = {
        _break_of(was, became, most_wh, after.ends_wh)
        for was, became in pairs
        if was is not None and became is not None
    }
    return found - {None} == {Break.ROLLED_OVER}


_HINTS = {
    Break.ROLLED_OVER: "its counter is full and began again",
    Break.WAS_RESET: "somebody set it to 0, or the meter lost its memory",
    Break.WENT_BACK: "check that nothing else answers as this unit, and the register map",
    Break.TOO_FAST: "more than this connection can carry: check the register map, its unit and its word order",
}
_RESET_SHARE = 10
"""A reset leaves less than this share of what was there: a register that fell by a little was not reset."""


def _pairs(before: RegisterSample, after: RegisterSample) -> tuple[tuple[str, int, int], ...]:
    import_pair = (before.imported.register, before.imported_wh, after.imported_wh)
    if before.exported is None or before.exported_wh is None or after.exported_wh is None:
        return (import_pair,)
    return (import_pair, (before.exported.register, before.exported_wh, after.exported_wh))


def _most_wh(before: RegisterSample, after: RegisterSample, elapsed_s: int, limit_w: int) -> Fraction:
    """The most that can have flowed, and two steps of the register. An energy in Wh takes 3600 watt-seconds."""
    return Fraction(limit_w * elapsed_s, 3600) + 2 * Fraction(max(before.quantum_wh, after.quantum_wh))


def _break_of(was: int, became: int, most_wh: Fraction, ends_wh: tuple[int, ...]) -> Break | None:
    if became >= was:
        return Break.TOO_FAST if became - was > most_wh else None
    if any(was <= end and end - was + became <= most_wh for end in ends_wh):
        return Break.ROLLED_OVER
    if became <= most_wh and became * _RESET_SHARE <= was:
        return Break.WAS_RESET
    return Break.WENT_BACK


def _goes_on_swapped(before: RegisterSample, after: RegisterSample, most_wh: Fraction) -> bool:
    if before.swapped_wh is None or after.swapped_wh is None:
        return False
    pairs = [pair for pair in zip(before.swapped_wh, after.swapped_wh, strict=True) if pair != (None, None)]
    return all(was is not None and became is not None and 0 <= became - was <= most_wh for was, became in pairs)
