"""Rows whose clock is null-data stand one period after the row before them: a claim that a lying period makes wrong. Sans-io.

A run of such rows is believed once something that the meter says by a clock bears out where it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.errors import MeterDecodeError
from edge_agent.registers import ProfileRow
from signing.interval import ist_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The last run of rows without a clock, in the meter's order."""

    place: int
    """Of its last row, from 0."""
    end_utc: int
    """The stamp that follows for that row."""
    next_utc: int | None
    """The stamp of the row behind it, which has a clock; None at the end of the answer."""


def last_run(rows: Sequence[ProfileRow]) -> Run | None:
    """The last run of rows without a clock of their own in `rows`, which are in the meter's order; None without one."""
    for place in range(len(rows) - 1, -1, -1):
        if rows[place].stamp is None:
            following = rows[place + 1].stamp_utc if place + 1 < len(rows) else None
            return Run(place=place, end_utc=rows[place].stamp_utc, next_utc=following)
    return None


def unproved(
    run: Run, *, first_utc: int, last_utc: int, period_s: int, newest_first: bool, of: str
) -> tuple[int, int] | None:
    """The stamps (both included) that must have no row in profile `of` if `run`, in the answer to a range, is as it says.

    None where the run ends at the end of the range: were the period another one, it would end before or behind it.

    Raises:
        MeterDecodeError: the run leads beyond the range, or beyond the row behind it.
    """
    if newest_first:
        bound = first_utc if run.next_utc is None else run.next_utc + 1
        if run.end_utc < bound:
            raise wrong_period(run, of, period_s)
        return None if run.end_utc - period_s < bound else (bound, run.end_utc - 1)
    bound = last_utc if run.next_utc is None else run.next_utc - 1
    if run.end_utc > bound:
        raise wrong_period(run, of, period_s)
    return None if run.end_utc + period_s > bound else (run.end_utc + 1, bound)


def wrong_period(run: Run, of: str, period_s: int) -> MeterDecodeError:
    """What is said of a run that does not end where its period leads."""
    return MeterDecodeError(
        f"expected a row every {period_s} s in profile {of}, as it says, but its rows without a clock, counted so, "
        f"lead to {ist_text(run.end_utc)}, where they do not end: have the discom correct its capture period"
    )
