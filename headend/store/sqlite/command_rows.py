"""The rows of commands to gateways."""

import sqlite3


def next_number(connection: sqlite3.Connection, gateway: str) -> int:
    """A number that no command to this gateway had before, from 1."""
    (number,) = connection.execute(
        "UPDATE gateways SET commands = commands + 1 WHERE name = ? RETURNING commands", (gateway,)
    ).fetchone()
    return int(number)


def put(connection: sqlite3.Connection, gateway: str, number: int, sign1: bytes, *, at_utc: int) -> None:
    """Stores a command that is about to be published."""
    connection.execute(
        "INSERT INTO commands (gateway, number, sign1, issued_utc) SELECT gateway, ?, ?, ? FROM gateways WHERE name = ?",
        (number, sign1, at_utc, gateway),
    )


def commands(connection: sqlite3.Connection, gateway: str) -> tuple[tuple[int, bytes], ...]:
    """Number and COSE_Sign1 of every command to a gateway, by number."""
    rows = connection.execute(
        "SELECT number, sign1 FROM commands JOIN gateways USING (gateway) WHERE name = ? ORDER BY number", (gateway,)
    )
    return tuple((int(number), bytes(sign1)) for number, sign1 in rows)
