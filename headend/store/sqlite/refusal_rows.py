"""Rows of refused disputes: what two persons signed. Every function works inside the caller's transaction."""

import sqlite3

from headend.duties.operators import Refusal
from signing.keys import parse_cose_key
from signing.statements.dispute_refusal import DisputeRefusal
from signing.statements.persons import Person


def put(connection: sqlite3.Connection, refusal: DisputeRefusal, author: Person) -> None:
    """Keeps a refusal with its author's signature; one of the same dispute that nobody approved is replaced."""
    connection.execute(
        "INSERT OR REPLACE INTO dispute_refusals (hold, payload, author, author_key, author_signature) VALUES (?, ?, ?, ?, ?)",
        (refusal.dispute, refusal.payload(), author.name, author.key.cose_key, author.signature),
    )


def approve(connection: sqlite3.Connection, dispute: int, approver: Person) -> None:
    """Adds the other person's signature."""
    connection.execute(
        "UPDATE dispute_refusals SET approver = ?, approver_key = ?, approver_signature = ? WHERE hold = ?",
        (approver.name, approver.key.cose_key, approver.signature, dispute),
    )


def of_dispute(connection: sqlite3.Connection, dispute: int) -> Refusal | None:
    """The refusal of a dispute, or none."""
    row = connection.execute(
        "SELECT payload, author, author_key, author_signature, approver, approver_key, approver_signature "
        "FROM dispute_refusals WHERE hold = ?",
        (dispute,),
    ).fetchone()
    if row is None:
        return None
    payload, author, author_key, author_signature, approver, approver_key, approver_signature = row
    other = None
    if approver is not None:
        other = Person(key=parse_cose_key(approver_key), name=approver, signature=approver_signature)
    return Refusal(
        refusal=DisputeRefusal.parse(payload),
        author=Person(key=parse_cose_key(author_key), name=author, signature=author_signature),
        approver=other,
    )
