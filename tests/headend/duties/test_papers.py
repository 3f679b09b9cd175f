"""Papers on their way: what was written is what is read, and nothing else is."""

import json

import pytest

from headend.duties import papers
from headend.duties.papers import Paper
from signing.errors import DecodeError
from signing.statements.edit import EditedBlock, EditProposal
from signing.statements.persons import Person, signed_as
from tests.headend.premises import p256

PROPOSAL = EditProposal(
    meter="M-1",
    number=0,
    previous=None,
    period_s=900,
    blocks=(EditedBlock(start_utc=900_000, import_wh=1, export_wh=None),),
    reason="seal broken",
    salt=bytes(16),
)
RAO: Person = signed_as(PROPOSAL, p256(501), "A. Rao")
SIGNED = papers.fields_of(Paper(proposal=PROPOSAL, person=RAO))


def said(**changes: object) -> bytes:
    changed = {**SIGNED, **changes}
    return json.dumps({name: value for name, value in changed.items() if value is not None}).encode()


@pytest.mark.parametrize("person", [None, RAO])
def test_a_paper_is_read_as_it_was_written(person: Person | None) -> None:
    paper = Paper(proposal=PROPOSAL, person=person)
    assert papers.read(json.dumps(papers.fields_of(paper)).encode()) == paper


def test_what_is_said_to_people_beside_it_is_not_read() -> None:
    assert papers.read(said(meter="ANOTHER", blocks=[])).proposal == PROPOSAL


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "as JSON"),
        (b"[]", "a JSON object"),
        (b"[" * 50_000, "as JSON"),
        (b"\xff", "as JSON"),
        (said(proposal=None), "edit-proposal"),
        (said(proposal=7), "edit-proposal"),
        (said(proposal="zz"), "in 'proposal'"),
        (said(proposal=SIGNED["proposal"][:-2]), "edit-proposal"),
        (said(proposal=SIGNED["proposal"] + "00"), "edit-proposal"),
        (said(name=None), "expected all of name, key, signature or none, got key, signature"),
        (said(name=""), "in 'name'"),
        (said(key="00"), "'key'"),
        (said(key="x"), "in 'key'"),
        (said(signature=SIGNED["signature"][:-2]), "expected 64 bytes, got bytes of 63 in 'signature'"),
    ],
)
def test_anything_else_is_refused_by_the_name_of_its_field(content: bytes, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        papers.read(content)
    assert message in str(caught.value)


def test_a_paper_is_bounded() -> None:
    content = said(name=None, key=None, signature=None)
    assert papers.read(content + b" " * (papers.MAX_BYTES - len(content))).proposal == PROPOSAL
    with pytest.raises(DecodeError, match="at most 65536 bytes"):
        papers.read(content + b" " * (papers.MAX_BYTES - len(content) + 1))
