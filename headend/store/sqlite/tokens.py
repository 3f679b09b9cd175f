"""The rows of tokens and console sessions."""

import sqlite3
from typing import Any

from headend.store.sqlite.database import open_database
from headend.store.sqlite.read_pool import ReadPool
from headend.tokens import Scope, Session, Token, TokenRefusedError

_TOKEN = "name, tokens.fingerprint, scopes, created_utc, tokens.expires_utc, revoked_utc"  # noqa: S105 - columns


def put_token(connection: sqlite3.Connection, token: Token) -> None:
    """Stores a new token.

    Raises:
        TokenRefusedError: the name is taken.
    """
    try:
        connection.execute(
            "INSERT INTO tokens (name, fingerprint, scopes, created_utc, expires_utc) VALUES (?, ?, ?, ?, ?)",
            (token.name, token.fingerprint, _scopes_text(token.scopes), token.created_utc, token.expires_utc),
        )
    except sqlite3.IntegrityError as error:
        raise TokenRefusedError(f"a token named {token.name!r} exists already: choose another name") from error


def tokens(connection: sqlite3.Connection) -> tuple[Token, ...]:
    """Every token ever made, oldest first."""
    return tuple(_token(row) for row in connection.execute(f"SELECT {_TOKEN} FROM tokens ORDER BY token"))  # noqa: S608 - constants


def revoke(connection: sqlite3.Connection, name: str, *, at_utc: int) -> int:
    """Ends a token and its sessions now; how many sessions. One that is revoked already keeps its time.

    Raises:
        TokenRefusedError: there is no such token.
    """
    cursor = connection.execute(
        "UPDATE tokens SET revoked_utc = coalesce(revoked_utc, ?) WHERE name = ?", (at_utc, name)
    )
    if cursor.rowcount == 0:
        raise TokenRefusedError(f"there is no token named {name!r:.80}: list them with `sakshi-headend token list`")
    ended = connection.execute("DELETE FROM sessions WHERE token = (SELECT token FROM tokens WHERE name = ?)", (name,))
    return ended.rowcount


class StoredTokens:
    """`Tokens` in the database. Reads come from the pool; the rare writes open the database for themselves."""

    __slots__ = ("_pool",)

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def token(self, fingerprint: bytes) -> Token | None:
        """The token with this fingerprint, whether it holds or not."""
        with self._pool.borrowed() as connection:
            row = connection.execute(
                f"SELECT {_TOKEN} FROM tokens WHERE fingerprint = ?",  # noqa: S608 - constants
                (fingerprint,),
            ).fetchone()
        return None if row is None else _token(row)

    def session(self, fingerprint: bytes) -> Session | None:
        """The session with this fingerprint, with its token as it is now."""
        with self._pool.borrowed() as connection:
            row = connection.execute(
                f"SELECT sessions.expires_utc, {_TOKEN} FROM sessions JOIN tokens USING (token) "  # noqa: S608 - constants
                "WHERE sessions.fingerprint = ?",
                (fingerprint,),
            ).fetchone()
        return None if row is None else Session(fingerprint=fingerprint, token=_token(row[1:]), expires_utc=row[0])

    def open_session(self, session: Session, now_utc: int) -> None:
        """Stores a session, and drops those that ended."""
        database = open_database(self._pool.path)
        try:
            with database.transaction() as connection:
                connection.execute("DELETE FROM sessions WHERE expires_utc <= ?", (now_utc,))
                connection.execute(
                    "INSERT INTO sessions (fingerprint, token, expires_utc) "
                    "SELECT ?, token, ? FROM tokens WHERE fingerprint = ?",
                    (session.fingerprint, session.expires_utc, session.token.fingerprint),
                )
        finally:
            database.close()

    def close_session(self, fingerprint: bytes) -> None:
        """Drops a session; one that is not there is dropped already."""
        database = open_database(self._pool.path)
        try:
            with database.transaction() as connection:
                connection.execute("DELETE FROM sessions WHERE fingerprint = ?", (fingerprint,))
        finally:
            database.close()


def _scopes_text(scopes: frozenset[Scope]) -> str:
    return " ".join(sorted(scope.value for scope in scopes))


def _token(row: tuple[Any, ...]) -> Token:
    name, fingerprint, scopes, created, expires, revoked = row
    return Token(
        name=name,
        fingerprint=bytes(fingerprint),
        scopes=frozenset(Scope(text) for text in scopes.split(" ")),
        created_utc=created,
        expires_utc=expires,
        revoked_utc=revoked,
    )
