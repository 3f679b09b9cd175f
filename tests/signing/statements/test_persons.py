"""Two persons: each signs the same proposal, by a key and a name of their own."""

from dataclasses import replace
from typing import Any

import pytest

from signing.backends.file import FileSigner
from signing.errors import VerificationError
from signing.statements.edit import Edit, EditProposal
from signing.statements.persons import Person, require_signed, signed_as
from tests.signing.statements import items
from tests.vectors.world import EdKey, Key, content_type, dumps, to_be_signed

PROPOSAL = EditProposal.parse(dumps(items.PROPOSAL))
RAO, SEN = FileSigner(Key(1)._key), FileSigner(EdKey(2)._key)


def edit(author: Person | None = None, approver: Person | None = None) -> Edit:
    return Edit(
        proposal=PROPOSAL,
        author=author or signed_as(PROPOSAL, RAO, "A. Rao"),
        approver=approver or signed_as(PROPOSAL, SEN, "B. Sen"),
    )


def refused(check: int, message: str, found: Edit) -> None:
    with pytest.raises(VerificationError, match=message) as caught:
        found.require_two_persons()
    assert caught.value.check == check


def test_two_persons_who_signed_make_an_edit_that_survives_its_bytes() -> None:
    found = edit()
    found.require_two_persons()
    again = Edit.parse(found.payload())
    assert again == found
    again.require_two_persons()


def test_what_another_implementation_signed_is_a_persons_word() -> None:
    key: Any
    for key in (Key(1), EdKey(2)):
        protected = dumps({1: key.algorithm, 3: content_type("edit-proposal"), 4: key.kid})
        signature = key.sign(to_be_signed(protected, dumps(items.PROPOSAL)))
        require_signed(PROPOSAL, Person(key=FileSigner(key._key).public_key, name="C", signature=signature))


def test_1_one_key_is_one_person_whatever_its_names() -> None:
    refused(1, "the keys of two persons, got", edit(approver=signed_as(PROPOSAL, RAO, "B. Sen")))


def test_1_one_name_is_one_person_whatever_its_keys() -> None:
    refused(1, "two persons, got 'A. Rao' twice", edit(approver=signed_as(PROPOSAL, SEN, "A. Rao")))


def test_4_each_of_both_signatures_counts() -> None:
    other = replace(PROPOSAL, reason="another")
    refused(4, "'A. Rao' did not sign", edit(author=signed_as(other, RAO, "A. Rao")))
    refused(4, "'B. Sen' did not sign", edit(approver=signed_as(other, SEN, "B. Sen")))


@pytest.mark.parametrize(
    "change", [{"reason": "x"}, {"salt": bytes(15) + b"1"}, {"number": 2}, {"previous": b"1" * 32}]
)
def test_4_what_was_signed_is_every_field(change: dict[str, Any]) -> None:
    refused(4, "did not sign", replace(edit(), proposal=replace(PROPOSAL, **change)))


def test_the_proposal_spans_its_blocks() -> None:
    span = PROPOSAL.span
    assert (span.start_utc, span.end_utc) == (PROPOSAL.blocks[0].start_utc, PROPOSAL.blocks[-1].start_utc + 900)
