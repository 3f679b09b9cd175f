"""Meters with their records and chains, read for the web. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from headend.store.sqlite.log_rows import leaf_place
from headend.store.store import ForkKind
from headend.views.evidence import ChainView, ForkView, MeterView
from signing.envelope import parse
from signing.statements.meter_record import MeterRecord

MAX_SHOWN_GAPS = 100
"""Ranges of one chain that a view shows; `counts` has the number."""

_RECORD = (
    "SELECT meter, statements.leaf, sign1 FROM meters JOIN records USING (meter) JOIN statements USING (leaf) "
    "WHERE number = (SELECT max(number) FROM records AS newest WHERE newest.meter = meters.meter)"
)
_TROUBLED = "meter IN (SELECT meter FROM chains WHERE chain IN (SELECT chain FROM forks UNION SELECT chain FROM gaps))"


class _Chain(NamedTuple):
    chain: int
    kid: bytes
    gateway: str


def by_name(connection: sqlite3.Connection, *, after: str | None, limit: int) -> tuple[MeterView, ...]:
    """Meters with names above `after`, ascending."""
    rows = connection.execute(f"{_RECORD} AND name > ? ORDER BY name LIMIT ?", (after or "", limit)).fetchall()
    return _views(connection, rows)


def named(connection: sqlite3.Connection, name: str) -> MeterView | None:
    """One meter."""
    views = _views(connection, connection.execute(f"{_RECORD} AND name = ?", (name,)).fetchall())
    return views[0] if views else None


def troubled(connection: sqlite3.Connection, *, limit: int) -> tuple[MeterView, ...]:
    """Meters with a fork or an open gap in some chain, by name."""
    rows = connection.execute(
        f"{_RECORD} AND {_TROUBLED} ORDER BY name LIMIT ?",
        (limit,),
    ).fetchall()
    return _views(connection, rows)


def _views(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, bytes]]) -> tuple[MeterView, ...]:
    return tuple(_view(connection, *row) for row in rows)


def _view(connection: sqlite3.Connection, meter: int, leaf: int, sign1: bytes) -> MeterView:
    envelope = parse(sign1)
    record = MeterRecord.parse(envelope.payload)
    aliases = connection.execute(
        "SELECT posted_as FROM alias_dates AS named WHERE connection_point = ? AND from_utc = ("
        "SELECT max(from_utc) FROM alias_dates AS latest WHERE latest.posted_as = named.posted_as) ORDER BY posted_as",
        (record.facts[-1].connection_point,),
    )
    chains = connection.execute(
        "SELECT chain, kid, gateways.name FROM chains JOIN keys USING (key) JOIN gateways USING (gateway) "
        "WHERE meter = ? ORDER BY kid",
        (meter,),
    ).fetchall()
    return MeterView(
        record=record,
        record_digest=envelope.digest,
        record_index=leaf_place(leaf)[1],
        posted_as=tuple(alias for (alias,) in aliases),
        chains=tuple(_chain(connection, _Chain(*row), record) for row in chains),
    )


def _chain(connection: sqlite3.Connection, chain: _Chain, record: MeterRecord) -> ChainView:
    speaker = record.speaker(chain.kid)
    head = connection.execute(
        "SELECT sequence, leaf, end_utc FROM batches WHERE chain = ? ORDER BY sequence DESC, branch LIMIT 1",
        (chain.chain,),
    ).fetchone()
    sequence, leaf, end_utc = (None, None, None) if head is None else head
    gaps = connection.execute(
        "SELECT first, last FROM gaps WHERE chain = ? ORDER BY first LIMIT ?", (chain.chain, MAX_SHOWN_GAPS)
    )
    forks = connection.execute(
        "SELECT sequence, kind, leaf FROM forks WHERE chain = ? ORDER BY sequence, kind LIMIT ?",
        (chain.chain, MAX_SHOWN_GAPS),
    )
    return ChainView(
        kid=chain.kid,
        gateway=chain.gateway,
        state=None if speaker is None else speaker.state,
        head_sequence=sequence,
        head_index=None if leaf is None else leaf_place(leaf)[1],
        heard_until_utc=end_utc,
        gaps=tuple((first, last) for first, last in gaps),
        forks=tuple(
            ForkView(sequence=at, kind=ForkKind(kind).name, index=leaf_place(shown)[1]) for at, kind, shown in forks
        ),
    )
