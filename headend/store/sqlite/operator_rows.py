"""Rows of operators and of what they proposed. Every function works inside the caller's transaction."""

import sqlite3
from typing import Any

from headend.duties.operators import Operator, Pending
from headend.errors import RefusedError
from signing.keys import PublicKey, parse_cose_key
from signing.statements.edit import EditProposal
from signing.statements.persons import Person

_PENDING = (
    "SELECT proposal, payload, author, cose_key, signature, proposed_utc, closed_utc, outcome, leaf FROM proposals"
)


def operators(connection: sqlite3.Connection) -> tuple[Operator, ...]:
    """Everybody who ever was an operator, by name and time."""
    rows = connection.execute("SELECT name, cose_key, added_utc, removed_utc FROM operators ORDER BY name, operator")
    return tuple(
        Operator(name=name, key=parse_cose_key(key), added_utc=added, removed_utc=removed)
        for name, key, added, removed in rows
    )


def add_operator(connection: sqlite3.Connection, name: str, key: PublicKey, *, at_utc: int) -> None:
    """Takes a key for a person's.

    Raises:
        RefusedError: the key was registered before, or somebody is called so now.
    """
    held = connection.execute("SELECT name FROM operators WHERE kid = ?", (key.kid,)).fetchone()
    if held is not None:
        raise RefusedError(f"the key is that of {held[0]!r}, for ever: make another one")
    if any(one.name == name and one.removed_utc is None for one in operators(connection)):
        raise RefusedError(f"somebody is called {name!r} now: `operator remove` them first, or choose another name")
    connection.execute(
        "INSERT INTO operators (name, kid, cose_key, added_utc) VALUES (?, ?, ?, ?)",
        (name, key.kid, key.cose_key, at_utc),
    )


def remove_operator(connection: sqlite3.Connection, name: str, *, at_utc: int) -> None:
    """From now on the person signs nothing more; what they signed stays.

    Raises:
        RefusedError: nobody is called so now.
    """
    cursor = connection.execute(
        "UPDATE operators SET removed_utc = ? WHERE name = ? AND removed_utc IS NULL", (at_utc, name)
    )
    if not cursor.rowcount:
        raise RefusedError(f"no operator is called {name!r} now: see `sakshi-headend operator list`")


def put_proposal(connection: sqlite3.Connection, proposal: EditProposal, author: Person, *, at_utc: int) -> int:
    """Keeps a proposal until somebody approves or drops it; its number."""
    cursor = connection.execute(
        "INSERT INTO proposals (meter, payload, author, cose_key, signature, proposed_utc) VALUES (?, ?, ?, ?, ?, ?) "
        "RETURNING proposal",
        (proposal.meter, proposal.payload(), author.name, author.key.cose_key, author.signature, at_utc),
    )
    (number,) = cursor.fetchone()
    return int(number)


def proposal(connection: sqlite3.Connection, number: int) -> Pending:
    """The proposal that waits under a number.

    Raises:
        RefusedError: there is none, or it waits no more.
    """
    row = connection.execute(f"{_PENDING} WHERE proposal = ? AND closed_utc IS NULL", (number,)).fetchone()
    if row is None:
        raise RefusedError(f"proposal {number} does not wait for anybody: see `sakshi-headend edit list`")
    return _pending(row)


def waiting(connection: sqlite3.Connection, meter: str) -> Pending | None:
    """The proposal of a meter that waits, or none."""
    row = connection.execute(f"{_PENDING} WHERE meter = ? AND closed_utc IS NULL", (meter,)).fetchone()
    return None if row is None else _pending(row)


def all_waiting(connection: sqlite3.Connection) -> tuple[Pending, ...]:
    """Every proposal that waits for another person, by number."""
    rows = connection.execute(f"{_PENDING} WHERE closed_utc IS NULL ORDER BY proposal")
    return tuple(_pending(row) for row in rows)


def proposals(connection: sqlite3.Connection, *, limit: int, below: int | None = None) -> tuple[Pending, ...]:
    """Every proposal, or those with a lesser number than `below`, latest first."""
    rows = connection.execute(
        f"{_PENDING} WHERE proposal < ? ORDER BY proposal DESC LIMIT ?", (2**63 - 1 if below is None else below, limit)
    )
    return tuple(_pending(row) for row in rows)


def any_proposal(connection: sqlite3.Connection, number: int) -> Pending | None:
    """The proposal with this number, whatever became of it; or none."""
    row = connection.execute(f"{_PENDING} WHERE proposal = ?", (number,)).fetchone()
    return None if row is None else _pending(row)


def close(connection: sqlite3.Connection, number: int, *, outcome: str, at_utc: int, leaf: int | None = None) -> None:
    """Ends a proposal: `leaf` is that of the edit that it became."""
    connection.execute(
        "UPDATE proposals SET closed_utc = ?, outcome = ?, leaf = ? WHERE proposal = ?", (at_utc, outcome, leaf, number)
    )


def _pending(row: tuple[Any, ...]) -> Pending:
    number, payload, author, key, signature, proposed, closed, outcome, leaf = row
    return Pending(
        number=number,
        proposal=EditProposal.parse(payload),
        author=Person(key=parse_cose_key(key), name=author, signature=signature),
        proposed_utc=proposed,
        closed_utc=closed,
        outcome=outcome,
        leaf=leaf,
    )
