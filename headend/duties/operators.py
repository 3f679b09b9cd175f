"""The persons whose signatures the discom takes for theirs, and what one of them proposed and another has yet to approve. Pure.

A person is known by one name and one key at a time; a key stays one person's for ever. Private keys stay with the persons.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headend.errors import RefusedError
from signing.keys import PublicKey
from signing.statements.dispute_refusal import DisputeRefusal
from signing.statements.edit import EditProposal
from signing.statements.persons import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Somebody who may edit and refuse."""

    name: str
    key: PublicKey
    added_utc: int
    removed_utc: int | None
    """None while they may sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An edit that one person proposed."""

    number: int
    """By which an operator names it: counts the proposals of all meters."""
    proposal: EditProposal
    author: Person
    proposed_utc: int
    closed_utc: int | None
    """None while it waits."""
    outcome: str | None
    """What became of it, in words."""
    leaf: int | None
    """Row id of the leaf of the edit that it became; None while it waits, and where it was dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The refusal of one dispute, signed by one person or by both."""

    refusal: DisputeRefusal
    author: Person
    approver: Person | None
    """None until another person signed."""


def acting(operators: Iterable[Operator], name: str, key: PublicKey) -> Operator:
    """The operator of this name who holds this key now.

    Raises:
        RefusedError: there is none with this name, or the key is not theirs.
    """
    found = next((one for one in operators if one.name == name and one.removed_utc is None), None)
    if found is None:
        raise RefusedError(f"no operator is called {name!r} now: see `sakshi-headend operator list`")
    if found.key.kid != key.kid:
        raise RefusedError(
            f"the key {key.kid.hex()[:16]} is not that of {name!r}: give the key of this person, or register it by `operator add`"
        )
    return found


def require_other(author: Person, approver: Operator) -> None:
    """That another person approves than proposed.

    Raises:
        RefusedError: one name, or one key, would stand for both.
    """
    if author.name == approver.name or author.key.kid == approver.key.kid:
        raise RefusedError(f"{approver.name!r} proposed it: another person has to approve it")
