"""The rows of what the discom knows beside its records: supplies, dated ledger ids, planned gateways, consents, exchanges, changes.

Every function works inside the caller's transaction. Histories are replaced whole, so that what is written is what was decided.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from headend.consent import Consent
from headend.registry.dated import Dated, History, holding
from headend.registry.supply import NOTHING, By, Exchange, RegisterPair, StatedChange, Supply
from signing.interval import Interval

_CONSENT = "connection_point, consumer, purpose, grantee, from_utc, until_utc"
_EXCHANGE = (
    "connection_point, at_utc, old_meter, new_meter, closing_import_wh, closing_export_wh, opening_import_wh, "
    "opening_export_wh, stated_by, stated_utc"
)


def supplies(connection: sqlite3.Connection, connection_point: str) -> History[Supply]:
    """What is known of a connection point, and since when."""
    rows = connection.execute(
        "SELECT from_utc, consumer, feeder, dt, storage_wh FROM supplies WHERE connection_point = ? ORDER BY from_utc",
        (connection_point,),
    )
    return tuple(
        Dated(since, Supply(consumer=consumer, feeder=feeder, dt=dt, storage_wh=storage_wh))
        for since, consumer, feeder, dt, storage_wh in rows
    )


def supply_at(connection: sqlite3.Connection, connection_point: str, at_utc: int) -> Supply | None:
    """What is known of a connection point at an instant; none before anything was stated."""
    row = connection.execute(
        "SELECT consumer, feeder, dt, storage_wh FROM supplies WHERE connection_point = ? AND from_utc <= ? "
        "ORDER BY from_utc DESC LIMIT 1",
        (connection_point, at_utc),
    ).fetchone()
    return None if row is None else Supply(consumer=row[0], feeder=row[1], dt=row[2], storage_wh=row[3])


def points_by(connection: sqlite3.Connection, what: By, value: str, at_utc: int) -> tuple[str, ...]:
    """The connection points of a consumer, a feeder or a transformer at an instant, sorted."""
    rows = connection.execute(
        f"SELECT connection_point FROM supplies AS held WHERE {what.value} = ? AND from_utc <= ? AND NOT EXISTS ("  # noqa: S608 - a closed set
        "SELECT 1 FROM supplies AS later WHERE later.connection_point = held.connection_point "
        "AND later.from_utc > held.from_utc AND later.from_utc <= ?) ORDER BY connection_point",
        (value, at_utc, at_utc),
    )
    return tuple(point for (point,) in rows)


def any_by(connection: sqlite3.Connection, what: By, value: str, at_utc: int) -> str | None:
    """Any connection point of a consumer, a feeder or a transformer at an instant; none where it has none."""
    row = connection.execute(
        f"SELECT connection_point FROM supplies AS held WHERE {what.value} = ? AND from_utc <= ? AND NOT EXISTS ("  # noqa: S608 - a closed set
        "SELECT 1 FROM supplies AS later WHERE later.connection_point = held.connection_point "
        "AND later.from_utc > held.from_utc AND later.from_utc <= ?) LIMIT 1",
        (value, at_utc, at_utc),
    ).fetchone()
    return None if row is None else str(row[0])


def put_supplies(connection: sqlite3.Connection, connection_point: str, history: History[Supply]) -> None:
    """Replaces what is known of a connection point."""
    connection.execute("DELETE FROM supplies WHERE connection_point = ?", (connection_point,))
    connection.executemany(
        "INSERT INTO supplies (connection_point, from_utc, consumer, feeder, dt, storage_wh) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (connection_point, one.from_utc, one.value.consumer, one.value.feeder, one.value.dt, one.value.storage_wh)
            for one in history
        ],
    )


def gateways(connection: sqlite3.Connection, meter: str) -> History[str | None]:
    """By which gateway a meter is to be read, and since when."""
    rows = connection.execute(
        "SELECT from_utc, gateway FROM meter_gateways WHERE meter = ? ORDER BY from_utc", (meter,)
    )
    return tuple(Dated(since, gateway) for since, gateway in rows)


def put_gateways(connection: sqlite3.Connection, meter: str, history: History[str | None]) -> None:
    """Replaces by which gateway a meter is to be read."""
    connection.execute("DELETE FROM meter_gateways WHERE meter = ?", (meter,))
    connection.executemany(
        "INSERT INTO meter_gateways (meter, from_utc, gateway) VALUES (?, ?, ?)",
        [(meter, entry.from_utc, entry.value) for entry in history],
    )


def put_aliases(connection: sqlite3.Connection, posted_as: str, history: History[str | None]) -> None:
    """Replaces what a ledger's id names; the latest place that it named is what undated questions are answered with."""
    connection.execute("DELETE FROM alias_dates WHERE posted_as = ?", (posted_as,))
    connection.executemany(
        "INSERT INTO alias_dates (posted_as, from_utc, connection_point) VALUES (?, ?, ?)",
        [(posted_as, entry.from_utc, entry.value) for entry in history],
    )
    latest = next((entry.value for entry in reversed(history) if entry.value is not None), None)
    if latest is not None:
        connection.execute(
            "INSERT INTO aliases (posted_as, connection_point) VALUES (?, ?) "
            "ON CONFLICT (posted_as) DO UPDATE SET connection_point = excluded.connection_point",
            (posted_as, latest),
        )


def alias(connection: sqlite3.Connection, posted_as: str) -> History[str | None]:
    """What a ledger's id names, and since when."""
    rows = connection.execute(
        "SELECT from_utc, connection_point FROM alias_dates WHERE posted_as = ? ORDER BY from_utc", (posted_as,)
    )
    return tuple(Dated(since, point) for since, point in rows)


def names(connection: sqlite3.Connection, connection_point: str) -> frozenset[str]:
    """Every id by which a ledger ever called a connection point."""
    rows = connection.execute("SELECT posted_as FROM alias_dates WHERE connection_point = ?", (connection_point,))
    return frozenset(name for (name,) in rows)


def consents(connection: sqlite3.Connection, connection_point: str) -> frozenset[Consent]:
    """Every consent ever given at a connection point."""
    rows = connection.execute(f"SELECT {_CONSENT} FROM consents WHERE connection_point = ?", (connection_point,))  # noqa: S608 - constants
    return frozenset(
        Consent(
            connection_point=point, consumer=consumer, purpose=purpose, grantee=grantee, from_utc=since, until_utc=until
        )
        for point, consumer, purpose, grantee, since, until in rows
    )


def consumers(connection: sqlite3.Connection, connection_point: str, span: Interval) -> frozenset[str | None]:
    """Everybody whose supply a connection point was in a span; none among them for a time without a known consumer."""
    history = supplies(connection, connection_point)
    began = holding(history, span.start_utc) or NOTHING
    later = (entry.value for entry in history if span.start_utc < entry.from_utc < span.end_utc)
    return frozenset(supply.consumer for supply in (began, *later))


def put_consent(connection: sqlite3.Connection, consent: Consent) -> None:
    """Stores a consent, or when one that is there ends."""
    connection.execute(
        f"INSERT INTO consents ({_CONSENT}) VALUES (?, ?, ?, ?, ?, ?) "  # noqa: S608 - constants
        "ON CONFLICT (connection_point, consumer, purpose, grantee, from_utc) "
        "DO UPDATE SET until_utc = excluded.until_utc",
        (
            consent.connection_point,
            consent.consumer,
            consent.purpose,
            consent.grantee,
            consent.from_utc,
            consent.until_utc,
        ),
    )


def exchanges(connection: sqlite3.Connection, connection_point: str) -> tuple[Exchange, ...]:
    """The exchanges of devices at a connection point, earliest first."""
    rows = connection.execute(
        f"SELECT {_EXCHANGE} FROM exchanges WHERE connection_point = ? ORDER BY at_utc",  # noqa: S608 - constants
        (connection_point,),
    )
    return tuple(_exchange(row) for row in rows)


def put_exchange(connection: sqlite3.Connection, exchange: Exchange) -> None:
    """Stores an exchange, or corrects what was read at it."""
    closing, opening = exchange.closing, exchange.opening
    connection.execute(
        f"INSERT OR REPLACE INTO exchanges ({_EXCHANGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        (
            exchange.connection_point,
            exchange.at_utc,
            exchange.old_meter,
            exchange.new_meter,
            closing.import_wh,
            closing.export_wh,
            opening.import_wh,
            opening.export_wh,
            exchange.stated_by,
            exchange.stated_utc,
        ),
    )


def put_changes(connection: sqlite3.Connection, changes: Iterable[StatedChange]) -> None:
    """Adds to the journal."""
    connection.executemany(
        "INSERT INTO registry_changes (stated_by, stated_utc, meter, from_utc, field, before, after) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(one.stated_by, one.stated_utc, one.meter, one.from_utc, one.field, one.before, one.after) for one in changes],
    )


def changes(connection: sqlite3.Connection, meter: str, limit: int) -> tuple[StatedChange, ...]:
    """The journal of a meter, latest first."""
    rows = connection.execute(
        "SELECT stated_by, stated_utc, meter, from_utc, field, before, after FROM registry_changes "
        "WHERE meter = ? ORDER BY change DESC LIMIT ?",
        (meter, limit),
    )
    return tuple(
        StatedChange(
            stated_by=by, stated_utc=stated, meter=name, from_utc=since, field=field, before=before, after=after
        )
        for by, stated, name, since, field, before, after in rows
    )


def attested_since(connection: sqlite3.Connection, connection_point: str, since_utc: int) -> list[tuple[str, int, int]]:
    """Name, start and end of the attested windows of a connection point that end after a time, earliest first."""
    rows = connection.execute(
        "SELECT posted_as, start_utc, end_utc FROM actuals WHERE connection_point = ? AND end_utc > ? AND is_newest = 1 "
        "ORDER BY end_utc, posted_as",
        (connection_point, since_utc),
    )
    return [(str(name), int(start), int(end)) for name, start, end in rows]


def _exchange(row: Sequence[Any]) -> Exchange:
    point, at_utc, old, new, closing_import, closing_export, opening_import, opening_export, by, stated_utc = row
    return Exchange(
        connection_point=point,
        at_utc=at_utc,
        old_meter=old,
        new_meter=new,
        closing=RegisterPair(import_wh=closing_import, export_wh=closing_export),
        opening=RegisterPair(import_wh=opening_import, export_wh=opening_export),
        stated_by=by,
        stated_utc=stated_utc,
    )
