"""Persons who sign beside the discom: what two of them have to agree on is signed by both.

Whose key it is, is the discom's word: it signs what holds both signatures. Source: docs/wire-format.md §4.9; EVIDENCE §1 (two keys).
"""

from dataclasses import dataclass

from signing import fields
from signing.envelope import Statement, rejoined, sign, unseal
from signing.errors import VerificationError
from signing.keys import SIGNATURE_SIZE, PublicKey, Signer, key_from_item, key_item


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who signed a statement, and that signature."""

    key: PublicKey
    name: str
    """By which the discom knows them."""
    signature: bytes
    """Of the COSE_Sign1 of the statement by `key`."""


def signed_as(statement: Statement, signer: Signer, name: str) -> Person:
    """The person `name`, who signs `statement` with `signer`.

    Raises:
        KeyUnavailableError: the key cannot be used now.
    """
    return Person(key=signer.public_key, name=name, signature=sign(statement, signer).envelope.signature)


def require_signed(statement: Statement, person: Person) -> None:
    """That a person signed the statement.

    Raises:
        VerificationError: (4) they did not.
    """
    try:
        unseal(rejoined(statement, person.key, person.signature), type(statement), person.key)
    except VerificationError:
        raise VerificationError(4, f"{person.name!r} did not sign what they are said to have signed") from None


def require_two(statement: Statement, author: Person, approver: Person) -> None:
    """That two different persons signed the same statement.

    Raises:
        VerificationError: (1) one key, or one name, stands for both (4) a signature is not that person's over this statement.
    """
    if author.key.kid == approver.key.kid:
        raise VerificationError(1, f"expected the keys of two persons, got {author.key.kid.hex()[:16]} twice")
    if author.name == approver.name:
        raise VerificationError(1, f"expected two persons, got {author.name!r} twice")
    require_signed(statement, author)
    require_signed(statement, approver)


def person_item(person: Person) -> list[object]:
    """The wire form of a person."""
    return [key_item(person.key), person.name, person.signature]


def parse_person(value: object, path: str) -> Person:
    """The person that a decoded item holds. Raises `DecodeError` naming the field."""
    key, name, signature = fields.array(value, 3, path)
    return Person(
        key=key_from_item(key, f"{path}.key"),
        name=fields.label(name, f"{path}.name"),
        signature=fields.fixed_bytes(signature, SIGNATURE_SIZE, f"{path}.signature"),
    )
