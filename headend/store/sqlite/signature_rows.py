"""Rows of signatures that are good no more: those of kept questions. Every function works inside the caller's transaction."""

import sqlite3

from ledger_client.signature import KeyId, SignatureHeader


def put(connection: sqlite3.Connection, header: SignatureHeader, now_utc: int) -> bool:
    """Remembers a signature until it expires, and forgets those that have. False when it is remembered already."""
    connection.execute("DELETE FROM signatures WHERE expires_utc < ?", (now_utc,))
    done = connection.execute(
        "INSERT INTO signatures (key_id, signature, created_utc, expires_utc) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (str(header.key_id), header.signature, header.created, header.expires),
    )
    return done.rowcount == 1


def remembered(connection: sqlite3.Connection, now_utc: int) -> tuple[SignatureHeader, ...]:
    """The signatures that have not expired, by expiry."""
    rows = connection.execute(
        "SELECT key_id, signature, created_utc, expires_utc FROM signatures WHERE expires_utc >= ? ORDER BY expires_utc",
        (now_utc,),
    )
    return tuple(
        SignatureHeader(
            key_id=KeyId.parsed(key_id), created=created, expires=expires, names_request=False, signature=signature
        )
        for key_id, signature, created, expires in rows
    )
