"""Rows of disclosures and of credentials. Every function works inside the caller's transaction."""

import sqlite3
from dataclasses import dataclass

from headend.errors import RefusedError
from signing.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One disclosure."""

    what: str
    grantee: str
    purpose: str
    holder: str
    """Whose token, or which operator."""
    meters: tuple[str, ...]
    span: Interval
    records: int
    disclosed_utc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredential:
    """A credential as it is kept: not what it says."""

    number: str
    subject: str
    grantee: str
    issued_utc: int
    until_utc: int
    digest: bytes
    revoked_utc: int | None = None
    reason: str | None = None


def put(connection: sqlite3.Connection, given: Given) -> None:
    """Notes a disclosure. Nothing is ever taken out again."""
    connection.execute(
        "INSERT INTO disclosures (what, grantee, purpose, holder, meters, start_utc, end_utc, records, disclosed_utc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            given.what,
            given.grantee,
            given.purpose,
            given.holder,
            " ".join(given.meters),
            given.span.start_utc,
            given.span.end_utc,
            given.records,
            given.disclosed_utc,
        ),
    )


def disclosures(connection: sqlite3.Connection, *, limit: int) -> tuple[Given, ...]:
    """Disclosures, latest first."""
    rows = connection.execute(
        "SELECT what, grantee, purpose, holder, meters, start_utc, end_utc, records, disclosed_utc FROM disclosures "
        "ORDER BY disclosure DESC LIMIT ?",
        (limit,),
    )
    return tuple(
        Given(
            what=what,
            grantee=grantee,
            purpose=purpose,
            holder=holder,
            meters=tuple(meters.split(" ")),
            span=Interval(start, end),
            records=records,
            disclosed_utc=disclosed,
        )
        for what, grantee, purpose, holder, meters, start, end, records, disclosed in rows
    )


def put_credential(connection: sqlite3.Connection, issued: IssuedCredential) -> None:
    """Notes a credential before it leaves: one that nobody knows of could not be revoked."""
    connection.execute(
        "INSERT INTO credentials (number, subject, grantee, issued_utc, until_utc, digest) VALUES (?, ?, ?, ?, ?, ?)",
        (issued.number, issued.subject, issued.grantee, issued.issued_utc, issued.until_utc, issued.digest),
    )


def credential(connection: sqlite3.Connection, number: str) -> IssuedCredential | None:
    """The credential with this number."""
    row = connection.execute(
        "SELECT number, subject, grantee, issued_utc, until_utc, digest, revoked_utc, reason FROM credentials "
        "WHERE number = ?",
        (number,),
    ).fetchone()
    if row is None:
        return None
    name, subject, grantee, issued, until, digest, revoked, reason = row
    return IssuedCredential(
        number=name,
        subject=subject,
        grantee=grantee,
        issued_utc=issued,
        until_utc=until,
        digest=bytes(digest),
        revoked_utc=revoked,
        reason=reason,
    )


def revocations(connection: sqlite3.Connection, *, skip: int, limit: int) -> tuple[tuple[str, int], ...]:
    """Revoked credentials by number, each with since when, earliest first: a later revocation moves none to another page."""
    rows = connection.execute(
        "SELECT number, revoked_utc FROM credentials WHERE revoked_utc IS NOT NULL ORDER BY revoked_utc, number LIMIT ? OFFSET ?",
        (limit, skip),
    )
    return tuple((number, since) for number, since in rows)


def count_revoked(connection: sqlite3.Connection) -> int:
    """How many credentials are revoked."""
    (number,) = connection.execute("SELECT count(*) FROM credentials WHERE revoked_utc IS NOT NULL").fetchone()
    return int(number)


def revoke(connection: sqlite3.Connection, number: str, *, by: str, reason: str, at_utc: int) -> None:
    """Revokes a credential, for ever.

    Raises:
        RefusedError: there is none with this number, or it is revoked already.
    """
    cursor = connection.execute(
        "UPDATE credentials SET revoked_utc = ?, revoked_by = ?, reason = ? WHERE number = ? AND revoked_utc IS NULL",
        (at_utc, by, reason, number),
    )
    if not cursor.rowcount:
        raise RefusedError(f"no credential {number} can be revoked: there is none, or it is revoked already")
