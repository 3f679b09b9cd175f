"""Bearer tokens and console sessions: what they may see, until when, and how a secret is compared.

Pure. A secret is 256 random bits, so its SHA-256 may stand in the database: there is nothing to guess, and a stolen database
opens no door. Only the fingerprint is stored; the secret is shown once, when it is made.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from headend.errors import RefusedError

SECRET_PREFIX = "sakshi_"  # noqa: S105 - marks a leaked secret for scanners; it is not one
MAX_SECRET_LENGTH = 128
"""Longer texts are refused before they are hashed."""

SESSION_S = 8 * 3600
"""A console session ends after one shift, or with its token."""

MAX_LIFE_S = 366 * 86_400
"""Longest life of a token."""

MAX_NAME_LENGTH = 64


class Scope(Enum):
    """What a token opens. A token may hold several."""

    READ_METERS = "read:meters"
    """Meters, their keys and chains; no energies."""
    READ_REGISTRY = "read:registry"
    """Consumers, their connection points and consents: who lives where."""
    WRITE_REGISTRY = "write:registry"
    """Registry sheets: records of meters, ids, consents. Its holder's name is kept with every change."""
    READ_WINDOWS = "read:windows"
    """Actuals: totals of windows, as an exchange gets them."""
    READ_EVIDENCE = "read:evidence"
    """Bundles, batches and edits: the blocks of a household."""
    READ_OPERATIONS = "read:operations"
    """Postings, gates, holds, alerts, notices, intake, refusals, health, metrics."""
    READ_OUTCOMES = "read:outcomes"
    """What came of trades: who bought and sold how much, for whoever settles money."""
    WRITE_NOTICES = "write:notices"
    """Notices of default and enforcement. Its holder's name is kept with every notice."""
    READ_BILLING = "read:billing"
    """What bills rest on, and whether a slot was traded."""
    READ_METER_DATA = "read:meter-data"
    """Meter data by consent, as the India Energy Stack asks for them. The token's name is the grantee's."""
    WRITE_IMPORTS = "write:imports"
    """Readings of another system of the discom's. Its holder's name is kept with every file."""
    WRITE_EDITS = "write:edits"
    """Drafts of edits, and papers that operators signed elsewhere: it opens the door, their signatures decide."""
    CONSOLE = "console"
    """The console, which shows all of the above to an operator."""


class TokenRefusedError(RefusedError):
    """A token cannot be made or revoked as asked. The message carries the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is stored: all but its secret."""

    name: str
    """Who holds it, for the operator who revokes it."""
    fingerprint: bytes
    scopes: frozenset[Scope]
    created_utc: int
    expires_utc: int
    """Exclusive."""
    revoked_utc: int | None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= MAX_NAME_LENGTH or not self.name.isprintable():
            raise TokenRefusedError(f"expected a name of 1 to {MAX_NAME_LENGTH} printable characters: name its holder")
        if not self.scopes:
            raise TokenRefusedError(f"expected at least one scope of {', '.join(scope.value for scope in Scope)}")
        if not 0 < self.expires_utc - self.created_utc <= MAX_LIFE_S:
            raise TokenRefusedError(f"expected a life of 1 s to {MAX_LIFE_S // 86_400} days: every token ends")

    def holds(self, now_utc: int) -> bool:
        """Whether it opens anything now."""
        return self.revoked_utc is None and self.created_utc <= now_utc < self.expires_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A console session: it opens what its token opens, and nothing once that ends."""

    fingerprint: bytes
    token: Token
    expires_utc: int
    """Exclusive."""

    def holds(self, now_utc: int) -> bool:
        """Whether it opens anything now."""
        return now_utc < self.expires_utc and self.token.holds(now_utc)


class Tokens(Protocol):
    """Where tokens and sessions are kept. Safe to call from several threads.

    Every method raises `StoreUnavailableError` when the store cannot be used now.
    """

    def token(self, fingerprint: bytes) -> Token | None:
        """The token with this fingerprint, whether it holds or not."""

    def session(self, fingerprint: bytes) -> Session | None:
        """The session with this fingerprint, with its token as it is now."""

    def open_session(self, session: Session, now_utc: int) -> None:
        """Stores a session, and drops those that ended."""

    def close_session(self, fingerprint: bytes) -> None:
        """Drops a session; one that is not there is dropped already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedToken:
    """A new token with its secret. The secret MUST be shown once and stored nowhere."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"MintedToken(name={self.token.name!r})"


def mint(name: str, scopes: frozenset[Scope], *, now_utc: int, life_s: int) -> MintedToken:
    """A new token for `life_s` seconds; nothing is stored yet.

    Raises:
        TokenRefusedError: the name, the scopes or the life cannot be.
    """
    secret = new_secret()
    token = Token(
        name=name,
        fingerprint=fingerprint(secret),
        scopes=scopes,
        created_utc=now_utc,
        expires_utc=now_utc + life_s,
        revoked_utc=None,
    )
    return MintedToken(token=token, secret=secret)


def scope(text: str) -> Scope:
    """The scope that `text` names.

    Raises:
        TokenRefusedError: there is no such scope; the message lists them.
    """
    try:
        return Scope(text)
    except ValueError:
        known = ", ".join(known.value for known in Scope)
        raise TokenRefusedError(f"expected a scope of {known}, got {text!r:.40}") from None


def new_secret() -> str:
    """256 random bits as text."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def fingerprint(secret: str) -> bytes:
    """SHA-256 of a secret: what is stored and looked up."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def admitted(tokens: Tokens, secret: str, now_utc: int) -> Token | None:
    """The token that `secret` opens now, or none: unknown, expired and revoked are not told apart."""
    if len(secret) > MAX_SECRET_LENGTH:
        return None
    presented = fingerprint(secret)
    token = tokens.token(presented)
    # The store finds it by index; this comparison takes the same time wherever the two differ.
    if token is None or not hmac.compare_digest(token.fingerprint, presented) or not token.holds(now_utc):
        return None
    return token


def resumed(tokens: Tokens, secret: str, now_utc: int) -> Session | None:
    """The session that `secret` continues now, or none."""
    if len(secret) > MAX_SECRET_LENGTH:
        return None
    presented = fingerprint(secret)
    session = tokens.session(presented)
    if session is None or not hmac.compare_digest(session.fingerprint, presented) or not session.holds(now_utc):
        return None
    return session
