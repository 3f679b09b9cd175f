"""Transformers and feeders with a meter of their own: who hangs on them, and what one gave in a day beyond what its meters took.

The meter of a line is a CHECK meter whose connection point is called as the registry calls the transformer or feeder. Import is energy that
flows toward consumers, in it as in theirs. Source: VEE §A V29; docs/operating.md, On-boarding.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from headend.onboarding.known import RegisteredMeter, Registry
from headend.registry.supply import By
from headend.series import SeriesBlock
from headend.store.sqlite import day_rows, supply_rows
from headend.store.sqlite.balance_rows import Line
from headend.windows import same_terms, settling_spans
from signing.energy import scaled
from signing.interval import DAY_S, Interval, ist_day_start
from signing.statements.meter_record import Fact, MeterRecord, Role


def line_named(connection: sqlite3.Connection, name: str, at_utc: int) -> Line | None:
    """The line of this name at an instant; none where no connection point hangs on one.

    A name that is a transformer's and a feeder's means the transformer.
    """
    for what in (By.DT, By.FEEDER):
        if supply_rows.any_by(connection, what, name, at_utc) is not None:
            return Line(what, name)
    return None


def lines_at(connection: sqlite3.Connection, registry: Registry, point: str, at_utc: int) -> tuple[Line, ...]:
    """The metered lines that a connection point hangs on at an instant, by the registry."""
    supply = supply_rows.supply_at(connection, point, at_utc)
    named = () if supply is None else ((By.DT, supply.dt), (By.FEEDER, supply.feeder))
    return tuple(
        line
        for what, name in named
        if name is not None
        and any(own_meters(registry, name))
        and (line := Line(what, name)) == line_named(connection, name, at_utc)
    )


def lines_of(connection: sqlite3.Connection, registry: Registry, fact: Fact, at_utc: int) -> tuple[Line, ...]:
    """The metered lines in whose balance a meter with this fact stands: as their own, or as a consumer's on them."""
    if fact.role is Role.CHECK:
        own = line_named(connection, fact.connection_point, at_utc)
        return () if own is None else (own,)
    return lines_at(connection, registry, fact.connection_point, at_utc) if fact.role is Role.REVENUE else ()


def own_meters(registry: Registry, name: str) -> Iterator[RegisteredMeter]:
    """The meters that any fact places at a line itself, by name."""
    for meter in registry.meters_at(name):
        if any(fact.role is Role.CHECK and fact.connection_point == name for fact in meter.record.facts):
            yield meter


def meters_on(connection: sqlite3.Connection, registry: Registry, line: Line, at_utc: int) -> Iterator[str]:
    """The meters on whose days a line's balance is noted: those that any fact places at its connection points, and its own."""
    for point in supply_rows.points_by(connection, line.what, line.name, at_utc):
        yield from (meter.record.meter for meter in registry.meters_at(point))
    yield from (meter.record.meter for meter in own_meters(registry, line.name))


def difference_wh(connection: sqlite3.Connection, registry: Registry, line: Line, midnight: int) -> int | None:
    """What a line gave in an IST day less what its meters took, in Wh after factors; below 0 where they took more.

    None where that cannot be said: a block of any of them lacks, or a meter or connection point came or went in the day. A connection point
    without a REVENUE meter takes part in no sum: what it uses is in the difference.
    """
    day = Interval(midnight, midnight + DAY_S)
    meter = _meter_of(registry, line, day)
    points = supply_rows.points_by(connection, line.what, line.name, midnight)
    if meter is None or line != line_named(connection, line.name, midnight):
        return None
    if points != supply_rows.points_by(connection, line.what, line.name, day.end_utc - 1):
        return None
    given = _net_wh(connection, meter, day)
    if given is None:
        return None
    for point in points:
        taken = _taken_wh(connection, registry, point, day)
        if taken is None:
            return None
        given -= taken
    return given


def _meter_of(registry: Registry, line: Line, day: Interval) -> MeterRecord | None:
    """The line's own meter, the first by name of several; none for a day in which it was put up, changed or taken down."""
    found = (meter.record for meter in registry.companions(line.name, day.start_utc))
    return next(
        (
            record
            for record in found
            if (fact := record.fact(day.start_utc)) is not None
            and fact.role is Role.CHECK
            and same_terms(record, day.start_utc, day.end_utc - 1)
        ),
        None,
    )


def _taken_wh(connection: sqlite3.Connection, registry: Registry, point: str, day: Interval) -> int | None:
    """What the REVENUE meters of a connection point took in a day; 0 where it has none, none where a block lacks."""
    records = [meter.record for meter in registry.meters_at(point)]
    if not _is_metered(records, point, day):
        return 0
    spans = settling_spans(point, day, records)
    taken = [_net_wh(connection, record, span) for record, span in spans]
    known = [wh for wh in taken if wh is not None]
    return sum(known) if spans and len(known) == len(taken) else None


def _is_metered(records: Iterable[MeterRecord], point: str, day: Interval) -> bool:
    """Whether any REVENUE meter is recorded at a connection point at any time of a day."""
    for record in records:
        changes = (fact.from_utc for fact in record.facts if day.start_utc < fact.from_utc < day.end_utc)
        for at_utc in (day.start_utc, *changes):
            fact = record.fact(at_utc)
            if fact is not None and fact.role is Role.REVENUE and fact.connection_point == point:
                return True
    return False


def _net_wh(connection: sqlite3.Connection, record: MeterRecord, span: Interval) -> int | None:
    """Import less export of a meter in a span of one day, after the factors that hold in it; none where a block lacks."""
    fact, stored = record.fact(span.start_utc), day_rows.newest(connection, record.meter, ist_day_start(span.start_utc))
    if fact is None or stored is None:
        return None
    blocks = [block for block in stored.day.blocks if span.contains(block.span)]
    imported, exported = _sum(block.import_wh for block in blocks), _exported_wh(blocks, fact)
    if imported is None or exported is None or sum(block.period_s for block in blocks) != span.length_s:
        return None
    factors = (fact.ct, fact.pt, fact.factor)
    return scaled(imported, *factors) - scaled(exported, *factors)


def _exported_wh(blocks: Sequence[SeriesBlock], fact: Fact) -> int | None:
    """The export of some blocks: 0 of a meter that states none where no generation stands behind it, which has no such register."""
    if fact.installed_w is None and all(block.export_wh is None for block in blocks):
        return 0
    return _sum(block.export_wh for block in blocks)


def _sum(energies: Iterable[int | None]) -> int | None:
    """The sum; none where any is absent."""
    rows = tuple(energies)
    known = [wh for wh in rows if wh is not None]
    return sum(known) if len(known) == len(rows) else None
