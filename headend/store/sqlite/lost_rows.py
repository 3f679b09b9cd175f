"""Rows of leaves whose statements a restored database lacks. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

COMMAND_STRIDE = 1_000_000
"""An agent obeys no number twice, and a restored database does not know which it gave last: it goes on far above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """One restore."""

    log: int
    from_size: int
    """Leaves that the backup had."""
    to_size: int
    """Leaves of the published checkpoint."""
    restored_utc: int


def lost(connection: sqlite3.Connection) -> dict[bytes, int]:
    """Leaf by digest of every statement that is lost still."""
    return {bytes(digest): int(leaf) for leaf, digest in connection.execute("SELECT leaf, digest FROM lost_leaves")}


def put_lost(connection: sqlite3.Connection, leaves: Iterable[tuple[int, bytes]]) -> None:
    """Notes leaves with their digests as lost. A digest that stands twice in a log was admitted once: the first place counts."""
    connection.executemany("INSERT OR IGNORE INTO lost_leaves (leaf, digest) VALUES (?, ?)", leaves)


def found(connection: sqlite3.Connection, leaves: Iterable[int]) -> None:
    """Takes leaves off whose statements came again."""
    connection.executemany("DELETE FROM lost_leaves WHERE leaf = ?", [(leaf,) for leaf in leaves])


def put_restore(connection: sqlite3.Connection, restored: Restored) -> None:
    """Notes a restore, and that every chain's gateway is to be asked for what it sent since the backup."""
    connection.execute(
        "INSERT INTO restores (log, from_size, to_size, restored_utc) VALUES (?, ?, ?, ?)",
        (restored.log, restored.from_size, restored.to_size, restored.restored_utc),
    )
    connection.execute("DELETE FROM asked_tails")
    connection.execute("INSERT INTO asked_tails (chain) SELECT chain FROM chains")
    connection.execute("UPDATE gateways SET commands = commands + ?", (COMMAND_STRIDE,))


def newest_known_utc(connection: sqlite3.Connection) -> int | None:
    """When the newest thing happened that the database knows of: a statement of the discom's, an operator's order or act; none in an empty one."""
    (newest,) = connection.execute(
        "SELECT max(at) FROM (SELECT max(logged_utc) AS at FROM statements UNION ALL SELECT max(opened_utc) FROM holds "
        "UNION ALL SELECT max(closed_utc) FROM holds UNION ALL SELECT max(done_utc) FROM acts)"
    ).fetchone()
    return None if newest is None else int(newest)


def count(connection: sqlite3.Connection) -> int:
    """How many statements are lost still."""
    (number,) = connection.execute("SELECT count(*) FROM lost_leaves").fetchone()
    return int(number)


def newest_loss(connection: sqlite3.Connection) -> Restored | None:
    """The latest restore while anything is lost, or none."""
    row = connection.execute(
        "SELECT log, from_size, to_size, restored_utc FROM restores WHERE EXISTS (SELECT 1 FROM lost_leaves) "
        "ORDER BY restore DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Restored(log=row[0], from_size=row[1], to_size=row[2], restored_utc=row[3])


def tails(
    connection: sqlite3.Connection, *, asked_before_utc: int, most: int
) -> tuple[tuple[int, str, bytes, int], ...]:
    """Chain, meter, kid and greatest sequence (-1: none) of chains whose tail nobody asked for since, while anything is lost."""
    rows = connection.execute(
        "SELECT chain, name, kid, coalesce((SELECT max(sequence) FROM batches WHERE batches.chain = chains.chain), -1) "
        "FROM asked_tails JOIN chains USING (chain) JOIN meters USING (meter) JOIN keys USING (key) "
        "WHERE coalesce(asked_utc, -1) < ? AND EXISTS (SELECT 1 FROM lost_leaves) ORDER BY asked_utc, chain LIMIT ?",
        (asked_before_utc, most),
    )
    return tuple((int(chain), str(name), bytes(kid), int(head)) for chain, name, kid, head in rows)


def asked(connection: sqlite3.Connection, chain: int, *, at_utc: int) -> None:
    """Notes that a chain's tail was asked for."""
    connection.execute("UPDATE asked_tails SET asked_utc = ? WHERE chain = ?", (at_utc, chain))
