"""Tokens and sessions: what holds when, that secrets are not stored, and that nothing is told apart."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from headend.errors import FatalError, StoreUnavailableError
from headend.store.sqlite import tokens as rows
from headend.store.sqlite.read_pool import ReadPool
from headend.store.sqlite.tokens import StoredTokens
from headend.tokens import (
    MAX_LIFE_S,
    MAX_SECRET_LENGTH,
    Scope,
    Session,
    Token,
    TokenRefusedError,
    admitted,
    fingerprint,
    mint,
    new_secret,
    resumed,
    scope,
)
from tests.headend.premises import NOW, Headend

CONSOLE = frozenset({Scope.CONSOLE})


@pytest.fixture
def stored(headend: Headend) -> "Stored":
    return Stored(headend)


class Stored:
    """Tokens of one database."""

    def __init__(self, headend: Headend) -> None:
        self.headend = headend
        self.path = headend.folder / "headend.db"

    def put(self, token: Token) -> None:
        with self.headend.database.transaction() as connection:
            rows.put_token(connection, token)

    def admits(self, secret: str, now_utc: int) -> bool:
        pool = ReadPool(self.path, 1)
        try:
            return admitted(StoredTokens(pool), secret, now_utc) is not None
        finally:
            pool.close()

    def resumes(self, secret: str, now_utc: int) -> bool:
        pool = ReadPool(self.path, 1)
        try:
            return resumed(StoredTokens(pool), secret, now_utc) is not None
        finally:
            pool.close()

    def open_session(self, token: Token, *, expires_utc: int, now_utc: int = NOW) -> str:
        secret = new_secret()
        pool = ReadPool(self.path, 1)
        try:
            session = Session(fingerprint=fingerprint(secret), token=token, expires_utc=expires_utc)
            StoredTokens(pool).open_session(session, now_utc)
        finally:
            pool.close()
        return secret


def test_a_token_holds_from_its_making_until_just_before_its_end(stored: Stored) -> None:
    minted = mint("exchange", CONSOLE, now_utc=NOW, life_s=60)
    stored.put(minted.token)
    held = [stored.admits(minted.secret, at) for at in (NOW - 1, NOW, NOW + 59, NOW + 60)]
    assert held == [False, True, True, False]


def test_another_secret_opens_nothing(stored: Stored) -> None:
    minted = mint("exchange", CONSOLE, now_utc=NOW, life_s=60)
    stored.put(minted.token)
    assert not stored.admits(new_secret(), NOW)
    assert not stored.admits("", NOW)
    assert not stored.admits(minted.secret + "x", NOW)
    assert not stored.admits("\udcff", NOW)


def test_a_store_that_gives_another_token_than_was_asked_for_opens_nothing() -> None:
    minted = mint("exchange", CONSOLE, now_utc=NOW, life_s=60)
    other = mint("other", CONSOLE, now_utc=NOW, life_s=60)

    class Confused:
        def token(self, fingerprint: bytes) -> Token:
            return other.token

        def session(self, fingerprint: bytes) -> Session:
            return Session(fingerprint=bytes(32), token=other.token, expires_utc=NOW + 60)

        def open_session(self, session: Session, now_utc: int) -> None: ...

        def close_session(self, fingerprint: bytes) -> None: ...

    assert admitted(Confused(), minted.secret, NOW) is None
    assert resumed(Confused(), minted.secret, NOW) is None


def test_an_overlong_secret_is_refused_before_it_is_hashed(stored: Stored) -> None:
    secret = "s" * (MAX_SECRET_LENGTH + 1)
    token = replace(mint("long", CONSOLE, now_utc=NOW, life_s=60).token, fingerprint=fingerprint(secret))
    stored.put(token)
    assert not stored.admits(secret, NOW)
    assert not stored.resumes(secret, NOW)


def test_a_revoked_token_and_its_sessions_end_at_once(stored: Stored) -> None:
    minted = mint("operator", CONSOLE, now_utc=NOW, life_s=600)
    stored.put(minted.token)
    cookie = stored.open_session(minted.token, expires_utc=NOW + 600)
    assert stored.resumes(cookie, NOW)
    with stored.headend.database.transaction() as connection:
        rows.revoke(connection, "operator", at_utc=NOW + 1)
    assert not stored.admits(minted.secret, NOW + 1)
    assert not stored.resumes(cookie, NOW + 1)
    (left,) = stored.headend.database.connection.execute("SELECT count(*) FROM sessions").fetchone()
    assert left == 0


def test_revoking_twice_keeps_the_first_time(stored: Stored) -> None:
    stored.put(mint("operator", CONSOLE, now_utc=NOW, life_s=600).token)
    for at in (NOW + 1, NOW + 2):
        with stored.headend.database.transaction() as connection:
            rows.revoke(connection, "operator", at_utc=at)
    (token,) = rows.tokens(stored.headend.database.connection)
    assert token.revoked_utc == NOW + 1


def test_revoking_what_does_not_exist_is_refused_with_the_remedy(stored: Stored) -> None:
    with (
        pytest.raises(TokenRefusedError, match="sakshi-headend token list"),
        stored.headend.database.transaction() as connection,
    ):
        rows.revoke(connection, "nobody", at_utc=NOW)


def test_a_session_ends_with_its_own_time_or_with_its_token(stored: Stored) -> None:
    minted = mint("operator", CONSOLE, now_utc=NOW, life_s=100)
    stored.put(minted.token)
    short = stored.open_session(minted.token, expires_utc=NOW + 50)
    long = stored.open_session(minted.token, expires_utc=NOW + 500)
    assert [stored.resumes(short, at) for at in (NOW + 49, NOW + 50)] == [True, False]
    assert [stored.resumes(long, at) for at in (NOW + 99, NOW + 100)] == [True, False]


def test_a_session_secret_is_no_token_and_a_token_no_session(stored: Stored) -> None:
    minted = mint("operator", CONSOLE, now_utc=NOW, life_s=100)
    stored.put(minted.token)
    cookie = stored.open_session(minted.token, expires_utc=NOW + 50)
    assert not stored.admits(cookie, NOW)
    assert not stored.resumes(minted.secret, NOW)


def test_ended_sessions_are_dropped_when_one_opens(stored: Stored) -> None:
    minted = mint("operator", CONSOLE, now_utc=NOW, life_s=1000)
    stored.put(minted.token)
    stored.open_session(minted.token, expires_utc=NOW + 10)
    stored.open_session(minted.token, expires_utc=NOW + 500, now_utc=NOW + 10)
    (left,) = stored.headend.database.connection.execute("SELECT count(*) FROM sessions").fetchone()
    assert left == 1


def test_a_name_is_never_used_twice(stored: Stored) -> None:
    stored.put(mint("operator", CONSOLE, now_utc=NOW, life_s=100).token)
    with pytest.raises(TokenRefusedError, match="exists already"):
        stored.put(mint("operator", CONSOLE, now_utc=NOW, life_s=100).token)


def test_no_file_of_the_database_holds_a_secret(stored: Stored) -> None:
    minted = mint("operator", CONSOLE, now_utc=NOW, life_s=100)
    stored.put(minted.token)
    cookie = stored.open_session(minted.token, expires_utc=NOW + 50)
    content = b"".join(file.read_bytes() for file in stored.path.parent.iterdir() if file.is_file())
    assert hashlib.sha256(minted.secret.encode()).digest() in content
    assert minted.secret.encode() not in content
    assert cookie.encode() not in content


def test_a_minted_token_does_not_show_its_secret() -> None:
    minted = mint("operator", CONSOLE, now_utc=NOW, life_s=100)
    assert minted.secret not in repr(minted)
    assert minted.secret not in repr(minted.token)


def test_secrets_have_256_bits_and_differ() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(secret) == len("sakshi_") + 43 for secret in secrets)


@pytest.mark.parametrize("life_s", [0, -1, MAX_LIFE_S + 1])
def test_a_token_without_an_end_is_refused(life_s: int) -> None:
    with pytest.raises(TokenRefusedError, match="every token ends"):
        mint("operator", CONSOLE, now_utc=NOW, life_s=life_s)


@pytest.mark.parametrize("life_s", [1, MAX_LIFE_S])
def test_the_shortest_and_the_longest_life_are_accepted(life_s: int) -> None:
    assert mint("operator", CONSOLE, now_utc=NOW, life_s=life_s).token.expires_utc == NOW + life_s


@pytest.mark.parametrize("name", ["", "a" * 65, "two\nlines"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(TokenRefusedError, match="name its holder"):
        mint(name, CONSOLE, now_utc=NOW, life_s=60)


def test_a_token_without_scopes_is_refused() -> None:
    with pytest.raises(TokenRefusedError, match="read:meters"):
        mint("operator", frozenset(), now_utc=NOW, life_s=60)


def test_scopes_are_named_and_an_unknown_one_lists_them() -> None:
    assert scope("read:windows") is Scope.READ_WINDOWS
    with pytest.raises(TokenRefusedError, match="console, got 'write'"):
        scope("write")


def test_stored_tokens_read_back_whole(stored: Stored) -> None:
    minted = mint("operator", frozenset({Scope.CONSOLE, Scope.READ_METERS}), now_utc=NOW, life_s=60)
    stored.put(minted.token)
    assert rows.tokens(stored.headend.database.connection) == (minted.token,)


def test_the_pool_cannot_write_whatever_it_is_asked(stored: Stored) -> None:
    pool = ReadPool(stored.path, 1)
    try:
        with pytest.raises(StoreUnavailableError), pool.borrowed() as connection:
            connection.execute("DELETE FROM tokens")
        with pool.borrowed() as connection:
            assert connection.execute("SELECT count(*) FROM tokens").fetchone() == (0,)
    finally:
        pool.close()


def test_a_borrower_sees_one_state_until_it_returns_the_connection(stored: Stored) -> None:
    pool = ReadPool(stored.path, 1)
    try:
        with pool.borrowed() as connection:
            before = connection.execute("SELECT count(*) FROM tokens").fetchone()
            stored.put(mint("operator", CONSOLE, now_utc=NOW, life_s=100).token)
            assert connection.execute("SELECT count(*) FROM tokens").fetchone() == before
        with pool.borrowed() as connection:
            assert connection.execute("SELECT count(*) FROM tokens").fetchone() == (1,)
    finally:
        pool.close()


def test_a_pool_on_no_database_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="sakshi-headend init"):
        ReadPool(tmp_path / "nowhere.db", 2)
    assert not (tmp_path / "nowhere.db").exists()
