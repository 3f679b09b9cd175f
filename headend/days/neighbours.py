"""The other roofs on a meter's feeder, and what they were measured to give on a day.

Only VALID blocks with supply count, and only of meters that settle. Source: VEE §B E5.
"""

import sqlite3
from collections.abc import Collection, Iterator

from headend.onboarding.known import Registry
from headend.readings import Quality
from headend.registry.supply import By
from headend.store.sqlite import day_rows, supply_rows
from headend.vee.declared import Sky
from headend.vee.estimate_span import UNSUPPLIED
from headend.vee.skies import Neighbour, Place, skies
from signing.energy import scaled
from signing.interval import ist_day_start
from signing.statements.meter_record import Fact, Role

_MOST = 24
"""So many roofs know the sky; a feeder may have thousands, and each is a day to be read."""


def skies_of(
    connection: sqlite3.Connection, registry: Registry, fact: Fact, starts: Collection[int], place: Place
) -> dict[int, Sky]:
    """The skies of some blocks of a meter with generation; none where nothing is known of its feeder.

    E5 scales them to registers, so they are after factors, as the neighbours' are.
    """
    found: dict[int, Sky] = {}
    if fact.installed_w is None:
        return found
    for midnight in sorted({ist_day_start(start) for start in starts}):
        near = tuple(_neighbours(connection, registry, fact, midnight))
        own = [start for start in starts if ist_day_start(start) == midnight]
        found |= skies(fact.installed_w, own, fact.period_s, near, place)
    return found


def awaited(connection: sqlite3.Connection, registry: Registry, fact: Fact, midnight: int) -> bool:
    """Whether the day of another roof on the feeder of this one is yet to be validated."""
    return fact.installed_w is not None and any(
        day_rows.is_due(connection, meter, midnight) for meter, _ in _roofs(connection, registry, fact, midnight)
    )


def _roofs(connection: sqlite3.Connection, registry: Registry, fact: Fact, midnight: int) -> Iterator[tuple[str, Fact]]:
    """The other meters with generation on the feeder of that day, by connection point, up to as many as know the sky."""
    supply = supply_rows.supply_at(connection, fact.connection_point, midnight)
    if supply is None or supply.feeder is None:
        return
    found = 0
    for point in supply_rows.points_by(connection, By.FEEDER, supply.feeder, midnight):
        for meter in registry.meters_at(point) if point != fact.connection_point else ():
            beside = meter.record.fact(midnight)
            if beside is None or not beside.installed_w or beside.connection_point != point:
                continue
            if beside.role is Role.REVENUE and found < _MOST:
                found += 1
                yield meter.record.meter, beside


def _neighbours(connection: sqlite3.Connection, registry: Registry, fact: Fact, midnight: int) -> Iterator[Neighbour]:
    for meter, beside in _roofs(connection, registry, fact, midnight):
        stored = day_rows.newest(connection, meter, midnight)
        if stored is not None and beside.installed_w is not None:
            yield Neighbour(
                installed_w=beside.installed_w,
                export_wh={
                    block.start_utc: scaled(block.export_wh, beside.ct, beside.pt, beside.factor)
                    for block in stored.day.blocks
                    if block.quality is Quality.VALID
                    and block.export_wh is not None
                    and block.period_s == fact.period_s
                    and not block.flags & UNSUPPLIED
                },
            )
