"""The rows that say who speaks for which meter: gateways, keys, meters, records, chains, ledger ids."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from headend.registry.dated import Dated, History
from signing.envelope import Envelope
from signing.statements.meter_record import Fact


class KeyRow(NamedTuple):
    """A registered key and where its gateway is spoken to."""

    key: int
    cose_key: bytes
    gateway: str
    shard: int


class RecordRow(NamedTuple):
    """One stored MeterRecord."""

    record: int
    meter: int
    name: str
    log: int
    leaf: int
    sign1: bytes


def put_statement(connection: sqlite3.Connection, leaf: int, envelope: Envelope, *, at_utc: int) -> None:
    """Stores a logged statement other than a batch, behind its leaf."""
    connection.execute(
        "INSERT INTO statements (leaf, digest, content_type, sign1, logged_utc) VALUES (?, ?, ?, ?, ?)",
        (leaf, envelope.digest, envelope.content_type, envelope.encoded(), at_utc),
    )


def put_gateway(connection: sqlite3.Connection, name: str, shard: int) -> int:
    """Registers a gateway, or finds it; gives its row id. Its shard is fixed at the first call."""
    connection.execute("INSERT INTO gateways (name, shard) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, shard))
    (row,) = connection.execute("SELECT gateway FROM gateways WHERE name = ?", (name,)).fetchone()
    return int(row)


def put_key(
    connection: sqlite3.Connection, *, kid: bytes, cose_key: bytes, gateway: int, request: bytes, at_utc: int
) -> int:
    """Registers a key of a gateway; gives its row id."""
    cursor = connection.execute(
        "INSERT INTO keys (kid, cose_key, gateway, request, enrolled_utc) VALUES (?, ?, ?, ?, ?)",
        (kid, cose_key, gateway, request, at_utc),
    )
    return int(cursor.lastrowid or 0)


def put_meter(connection: sqlite3.Connection, name: str, log: int) -> int:
    """Registers a meter, or finds it; gives its row id."""
    connection.execute("INSERT INTO meters (name, log) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, log))
    (row,) = connection.execute("SELECT meter FROM meters WHERE name = ?", (name,)).fetchone()
    return int(row)


def put_places(connection: sqlite3.Connection, meter: int, facts: Sequence[Fact]) -> None:
    """Replaces where a meter is found: the places and serial numbers of its newest record."""
    connection.execute("DELETE FROM meter_places WHERE meter = ?", (meter,))
    connection.executemany(
        "INSERT INTO meter_places (meter, from_utc, connection_point, identity) VALUES (?, ?, ?, ?)",
        [(meter, fact.from_utc, fact.connection_point, fact.identity) for fact in facts],
    )


def unplaced(connection: sqlite3.Connection) -> list[str]:
    """Meters that have a record and no place."""
    rows = connection.execute("SELECT name FROM meters WHERE meter NOT IN (SELECT meter FROM meter_places)")
    return [str(name) for (name,) in rows]


def put_record(connection: sqlite3.Connection, *, meter: int, number: int, leaf: int, kids: Sequence[bytes]) -> None:
    """Stores that the statement at `leaf` is record `number` of the meter, and a chain for every key it lists."""
    connection.execute("INSERT INTO records (meter, number, leaf) VALUES (?, ?, ?)", (meter, number, leaf))
    connection.executemany(
        "INSERT INTO chains (meter, key) SELECT ?, key FROM keys WHERE kid = ? ON CONFLICT (meter, key) DO NOTHING",
        [(meter, kid) for kid in kids],
    )


def keys_after(connection: sqlite3.Connection, key: int) -> Iterator[KeyRow]:
    """The keys registered after row `key`, in order."""
    rows = connection.execute(
        "SELECT key, cose_key, name, shard FROM keys JOIN gateways USING (gateway) WHERE key > ? ORDER BY key", (key,)
    )
    return (KeyRow(*row) for row in rows)


def newest_records_after(connection: sqlite3.Connection, record: int) -> Iterator[RecordRow]:
    """The newest record of each meter that got one after row `record`, in order."""
    rows = connection.execute(
        "SELECT max(record), meter, name, log, leaf, sign1 FROM records JOIN meters USING (meter) "
        "JOIN statements USING (leaf) WHERE record > ? GROUP BY meter ORDER BY 1",
        (record,),
    )
    return (RecordRow(*row) for row in rows)


def newest_record(connection: sqlite3.Connection) -> int:
    """The row of the newest record of any meter; 0 when there is none."""
    (row,) = connection.execute("SELECT coalesce(max(record), 0) FROM records").fetchone()
    return int(row)


def meters_recorded_after(connection: sqlite3.Connection, record: int) -> dict[str, int]:
    """The meters that got a record after row `record`, with the row of their newest one."""
    rows = connection.execute(
        "SELECT name, max(record) FROM records JOIN meters USING (meter) WHERE record > ? GROUP BY meter", (record,)
    )
    return {str(name): int(row) for name, row in rows}


def records(connection: sqlite3.Connection, meter: str) -> Iterator[RecordRow]:
    """Every record of a meter, by number."""
    rows = connection.execute(
        "SELECT record, meter, name, log, leaf, sign1 FROM records JOIN meters USING (meter) "
        "JOIN statements USING (leaf) WHERE name = ? ORDER BY number",
        (meter,),
    )
    return (RecordRow(*row) for row in rows)


def chains(connection: sqlite3.Connection) -> Iterator[tuple[int, int, bytes]]:
    """Chain, meter row and kid of every chain."""
    return connection.execute("SELECT chain, meter, kid FROM chains JOIN keys USING (key)")


def chains_of(connection: sqlite3.Connection, meter: int) -> dict[bytes, int]:
    """Chain by kid, of one meter row."""
    rows = connection.execute("SELECT kid, chain FROM chains JOIN keys USING (key) WHERE meter = ?", (meter,))
    return {bytes(kid): int(chain) for kid, chain in rows}


def gateways(connection: sqlite3.Connection) -> dict[str, int]:
    """Shard by gateway."""
    return {str(name): int(shard) for name, shard in connection.execute("SELECT name, shard FROM gateways")}


def aliases(connection: sqlite3.Connection) -> dict[str, History[str | None]]:
    """What each of the ledgers' meter ids names, and since when."""
    rows = connection.execute(
        "SELECT posted_as, from_utc, connection_point FROM alias_dates ORDER BY posted_as, from_utc"
    )
    found: dict[str, History[str | None]] = {}
    for alias, since, point in rows:
        found[alias] = (*found.get(alias, ()), Dated(since, point))
    return found
