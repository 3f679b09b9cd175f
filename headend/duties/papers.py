"""A proposal on its way between two machines: what is to be signed, or what a person signed of it. Pure.

A private key that stays on its person's machine signs there: a draft goes there and a signed paper comes back, as JSON. ``proposal`` is
the hex of the bytes that are signed; ``name``, ``key`` (a COSE_Key) and ``signature``, both hex, are there once somebody signed. Other
fields say the same to people and are not read. Source: docs/wire-format.md §4.9.
"""

import json
from dataclasses import dataclass

from signing import fields
from signing.errors import DecodeError
from signing.keys import SIGNATURE_SIZE, parse_cose_key
from signing.statements.edit import EditProposal
from signing.statements.persons import Person

MAX_BYTES = 64 * 1024
"""Longest paper: an edit has at most 96 blocks."""

_SIGNED = ("name", "key", "signature")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What one person signs, or signed. Nobody's signature is checked."""

    proposal: EditProposal
    person: Person | None
    """None on a draft."""


def fields_of(paper: Paper) -> dict[str, str]:
    """A paper as its JSON has it."""
    said = {"proposal": paper.proposal.payload().hex()}
    person = paper.person
    if person is not None:
        said |= {"name": person.name, "key": person.key.cose_key.hex(), "signature": person.signature.hex()}
    return said


def read(content: bytes) -> Paper:
    """The paper in JSON.

    Raises:
        DecodeError: naming the field.
    """
    if len(content) > MAX_BYTES:
        raise DecodeError(f"expected a paper of at most {MAX_BYTES} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DecodeError("expected a paper as JSON: `sakshi-headend edit propose --draft` writes one") from error
    if not isinstance(found, dict):
        raise DecodeError("expected a JSON object with 'proposal'")
    proposal = EditProposal.parse(_bytes(found, "proposal"))
    given = [name for name in _SIGNED if name in found]
    if not given:
        return Paper(proposal=proposal, person=None)
    if len(given) != len(_SIGNED):
        raise DecodeError(f"expected all of {', '.join(_SIGNED)} or none, got {', '.join(given)}")
    return Paper(
        proposal=proposal,
        person=Person(
            key=parse_cose_key(_bytes(found, "key"), "key"),
            name=fields.label(found["name"], "name"),
            signature=fields.fixed_bytes(_bytes(found, "signature"), SIGNATURE_SIZE, "signature"),
        ),
    )


def _bytes(found: dict[str, object], name: str) -> bytes:
    text = found.get(name)
    try:
        return bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError as error:
        raise DecodeError(f"expected hexadecimal digits in '{name}'") from error
