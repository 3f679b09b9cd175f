"""``[retention]``: how long the blocks of households are kept. Nothing is erased unless it says so.

::

    [retention]
    openings_days = 1095                   # blocks as they were signed; at least 180, and 45 more than windows are followed
    days_days = 3650                       # superseded versions of validated days; at least 180
"""

from dataclasses import dataclass

from signing.tables import Table

LEAST_DAYS = 180
"""Windows are decided again, over the days that their balance needs, for about a hundred days: younger blocks are never erased."""

CONTEXT_DAYS = 45
"""How far from a window readings may lie that decide it: registers are looked for 42 days around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """Days after which something is erased; none: never."""

    openings_days: int | None
    days_days: int | None


def retention(table: Table) -> RetentionSettings:
    """The section; without its keys nothing is erased."""
    return RetentionSettings(openings_days=_days(table, "openings_days"), days_days=_days(table, "days_days"))


def _days(table: Table, name: str) -> int | None:
    return table.integer(name, least=LEAST_DAYS, most=36_500) if table.has(name) else None
