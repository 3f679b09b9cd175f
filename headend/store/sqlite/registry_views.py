"""What is recorded of meters and connection points, read for people and for exports. Works inside the caller's transaction."""

import sqlite3

from headend.registry.dated import holding
from headend.registry.supply import NOTHING
from headend.store.sqlite import supply_rows
from headend.views.evidence import RegisteredView
from signing.envelope import parse
from signing.interval import MAX_INSTANT
from signing.statements.meter_record import Fact, MeterRecord

_FOUND = """
    SELECT name FROM meters WHERE name > :after AND (:search = '' OR name = :search OR meter IN (
        SELECT meter FROM meter_places WHERE connection_point = :search OR identity = :search
        UNION SELECT meter FROM meter_places JOIN supplies USING (connection_point)
            WHERE consumer = :search OR feeder = :search OR dt = :search
        UNION SELECT meter FROM meter_places JOIN alias_dates USING (connection_point) WHERE posted_as = :search
    )) ORDER BY name LIMIT :limit
"""


def facts(connection: sqlite3.Connection, meter: str) -> tuple[Fact, ...]:
    """The facts of a meter's newest record; none for one that has no record."""
    row = connection.execute(
        "SELECT sign1 FROM meters JOIN records USING (meter) JOIN statements USING (leaf) WHERE name = ? "
        "ORDER BY number DESC LIMIT 1",
        (meter,),
    ).fetchone()
    return () if row is None else MeterRecord.parse(parse(row[0]).payload).facts


def meters(connection: sqlite3.Connection) -> list[str]:
    """Every meter that has a record, by name."""
    return [str(name) for (name,) in connection.execute("SELECT name FROM meters ORDER BY name")]


def found(
    connection: sqlite3.Connection, search: str, *, at_utc: int, after: str | None, limit: int
) -> tuple[RegisteredView, ...]:
    """Meters above `after`, by name: all of them, or those to which exactly `search` belongs or belonged.

    It may be a meter, a serial number, a connection point, a consumer, a feeder, a transformer or a ledger's id.
    """
    rows = connection.execute(_FOUND, {"search": search, "after": after or "", "limit": limit}).fetchall()
    return tuple(_view(connection, name, at_utc) for (name,) in rows)


def _view(connection: sqlite3.Connection, meter: str, at_utc: int) -> RegisteredView:
    """A meter as it is at an instant; before its first fact, as it will be."""
    known = facts(connection, meter)
    fact = next((fact for fact in reversed(known) if fact.from_utc <= at_utc), known[0])
    point = fact.connection_point
    names = supply_rows.names(connection, point)
    gateways = supply_rows.gateways(connection, meter)
    return RegisteredView(
        meter=meter,
        fact=fact,
        supply=supply_rows.supply_at(connection, point, at_utc) or NOTHING,
        posted_as=tuple(
            sorted(name for name in names if holding(supply_rows.alias(connection, name), at_utc) == point)
        ),
        gateway=holding(gateways, at_utc) or holding(gateways, MAX_INSTANT),
    )
