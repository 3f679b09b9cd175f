"""Edits from proposal to window: two persons, their order in the log, and what windows make of them."""

from dataclasses import replace

import pytest

from headend.duties.operators import Operator, require_other
from headend.editing.editing import Hand
from headend.errors import RefusedError
from headend.readings import Quality
from headend.store.sqlite import actual_views, edit_rows, operator_rows
from headend.windows import judge, validated
from signing.energy import Fraction
from signing.keys import Signer
from signing.statements.persons import Person
from signing.statements.window_actual import Cause, EditedActual, Status, WindowActual
from signing.verify import Outcome, verify
from tests.headend.discom import LATER, METER, SUBJECT, attestor, exported, stated, trust
from tests.headend.premises import DAY, Gateway, Headend, p256
from tests.headend.two_persons import NIL, RAO, SEN, approved, edited, editing, proposed, register, wish

TEN = DAY + 36_000
HOUR = (100, 110, 90, 100)
REGISTERS = ((0, 1000), (24, 10_600))


@pytest.fixture
def premises(headend: Headend, premises: Gateway) -> Gateway:
    """With two operators."""
    register(headend)
    return premises


def attested(headend: Headend) -> WindowActual | None:
    """What the next attestation says, if anything; every actual is verified offline."""
    found = attestor(headend).attest([SUBJECT], at_utc=LATER)
    for signed in found:
        assert verify(exported(headend, signed.digest), trust(headend), judge).outcome is Outcome.VALID
    return found[0].statement if found else None


def said(headend: Headend) -> WindowActual:
    actual = attested(headend)
    assert actual is not None
    return actual


def conflicting(headend: Headend, premises: Gateway) -> None:
    """10:15 was read twice, with two values."""
    headend.take_in(stated(premises, 10, HOUR * 2), stated(premises, 10, (100, 111)))


def test_an_edit_resolves_a_conflict_and_is_stated_apart(headend: Headend, premises: Gateway) -> None:
    conflicting(headend, premises)
    assert said(headend).reason == "1 of 8 blocks suspect; 2 values that differ"
    edited(headend, {TEN + 900: (111, 5)})
    actual = said(headend)
    assert isinstance(actual, EditedActual)
    assert (actual.status, actual.cause, actual.revision) == (Status.PROVISIONAL, Cause.OPERATOR, 1)
    (part,) = actual.parts
    assert (part.counts.valid, part.counts.manual, part.counts.suspect) == (7, 1, 0)
    assert (part.measured_import_wh, part.manual_import_wh, part.manual_export_wh) == (690, 111, 5)
    assert actual.totals is not None
    assert (actual.totals.import_wh, actual.totals.export_wh) == (801, 40)
    assert attested(headend) is None


def test_what_rules_found_of_an_edited_block_stays(headend: Headend, premises: Gateway) -> None:
    conflicting(headend, premises)
    edited(headend, {TEN + 900: (111, 5)})
    (part,) = validated(attestor(headend).case(SUBJECT))
    block = part.intervals[1]
    assert (block.quality, block.import_wh, block.origin) == (Quality.MANUAL, 111, None)
    assert [finding.rule for finding in block.findings] == ["V05"]


def test_an_edit_fills_a_hole_and_nothing_that_comes_later_changes_it(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, (None, *HOUR[1:], *HOUR)))
    assert said(headend).status is Status.PENDING
    edited(headend, {TEN: (7, 1)})
    actual = said(headend)
    assert actual.totals is not None
    assert actual.totals.import_wh == 707
    headend.take_in(stated(premises, 10, (500,)))
    later = said(headend)
    assert (later.cause, later.totals, later.parts[0].counts) == (
        Cause.LATE_DATA,
        actual.totals,
        actual.parts[0].counts,
    )


def test_the_newest_edit_of_a_block_holds_and_every_edit_is_a_revision(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, (None, *HOUR[1:], *HOUR)))
    assert said(headend).revision == 0
    for number, wh in enumerate((7, 9, 9)):
        signed = edited(headend, {TEN: (wh, 1)})
        actual = said(headend)
        assert (actual.revision, actual.cause) == (number + 1, Cause.OPERATOR)
        assert [(head.meter, head.number, head.digest) for head in actual.edits] == [(METER, number, signed.digest)]
        assert actual.parts[0].manual_import_wh == wh


def test_what_was_said_before_an_edit_is_shown_and_proved_without_it(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, (None, *HOUR[1:], *HOUR)))
    edited(headend, {TEN: (7, 1)})
    (first,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    edited(headend, {TEN: (9, 1)})
    (second,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    key = headend.statement_signer.public_key
    for signed, wh in ((first, 7), (second, 9)):
        verdict = verify(exported(headend, signed.digest), trust(headend), judge)
        assert [edit.proposal.blocks[0].import_wh for edit in verdict.edits][-1] == wh
        (part,) = actual_views.blocks(headend.database.connection, key, signed.digest)
        assert part.blocks[0].interval.import_wh == wh


def test_an_edit_can_take_a_value_away(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    assert said(headend).status is Status.PROVISIONAL
    edited(headend, {TEN: NIL})
    actual = said(headend)
    assert (actual.status, actual.reason) == (Status.PENDING, "1 of 8 blocks missing")
    assert actual.parts[0].manual_import_wh is None


def test_a_window_with_an_edited_block_is_never_final(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 0, HOUR * 24, registers=REGISTERS))
    assert said(headend).status is Status.FINAL
    edited(headend, {TEN: (100, 5)})
    actual = said(headend)
    assert (actual.status, actual.delta) == (Status.PROVISIONAL, (0, 0))


def test_an_edit_elsewhere_in_the_context_takes_the_balance_away(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 0, HOUR * 24, registers=REGISTERS))
    edited(headend, {DAY: (100, 5)})
    actual = said(headend)
    assert isinstance(actual, EditedActual)
    assert (actual.status, actual.parts[0].counts.valid) == (Status.PROVISIONAL, 8)


def test_an_edit_of_another_day_bears_on_nothing(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 0, HOUR * 24, registers=REGISTERS))
    edited(headend, {DAY + 86_400: (100, 5)})
    actual = said(headend)
    assert (type(actual), actual.status) == (WindowActual, Status.FINAL)


def test_factors_apply_to_what_was_edited_too_and_are_rounded_once(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, (None, *HOUR[1:], *HOUR)))
    (fact,) = headend.record(METER).facts
    headend.registrar.change_facts(METER, [replace(fact, factor=Fraction(1, 2))], at_utc=LATER)
    edited(headend, {TEN: (101, None)})
    actual = said(headend)
    assert (actual.status, actual.reason) == (Status.PENDING, "1 of 8 blocks without export")
    edited(headend, {TEN: (101, 5)})
    totals = said(headend).totals
    assert totals is not None
    assert totals.import_wh == 400  # 801 / 2, half to even


def test_e1_rests_on_what_was_edited(headend: Headend, premises: Gateway) -> None:
    day: list[int | None] = [*HOUR * 24]
    day[40] = day[43] = None
    headend.take_in(stated(premises, 0, day, registers=REGISTERS))
    edited(headend, {TEN: (150, 5)})
    (part,) = said(headend).parts
    assert (part.counts.manual, part.counts.estimated) == (1, 1)
    assert part.estimated is not None
    assert part.estimated.imported is not None
    assert part.estimated.imported.value_wh == 200 - 150


def test_2_one_person_makes_no_edit(headend: Headend, premises: Gateway) -> None:
    number = proposed(headend, {TEN: (1, 1)}).number
    with pytest.raises(RefusedError, match=r"'A\. Rao' proposed it: another person has to approve it"):
        approved(headend, number, by=RAO)
    assert edit_rows.newest(headend.database.connection, limit=9) == ()


@pytest.mark.parametrize(("name", "key"), [("A. Rao", SEN.signer), ("C", RAO.signer)])
def test_2_a_person_is_neither_their_name_nor_their_key_again(name: str, key: Signer) -> None:
    author = Person(key=RAO.signer.public_key, name="A. Rao", signature=bytes(64))
    approver = Operator(name=name, key=key.public_key, added_utc=0, removed_utc=None)
    with pytest.raises(RefusedError, match=r"another person has to approve it"):
        require_other(author, approver)


def test_1_only_operators_propose_and_approve(headend: Headend, premises: Gateway) -> None:
    stranger = Hand(name="D. Eve", signer=p256(77))
    with pytest.raises(RefusedError, match=r"no operator is called 'D. Eve' now"):
        proposed(headend, {TEN: (1, 1)}, by=stranger)
    with pytest.raises(RefusedError, match=r"is not that of 'B. Sen'"):
        proposed(headend, {TEN: (1, 1)}, by=Hand(name="B. Sen", signer=p256(77)))
    number = proposed(headend, {TEN: (1, 1)}).number
    with headend.database.transaction() as connection:
        operator_rows.remove_operator(connection, "A. Rao", at_utc=LATER)
    with pytest.raises(RefusedError, match=r"no operator is called 'A. Rao' now"):
        approved(headend, number)


def test_a_proposal_waits_once_and_is_closed_by_its_approval(headend: Headend, premises: Gateway) -> None:
    number = proposed(headend, {TEN: (1, 1)}).number
    with pytest.raises(RefusedError, match=r"\(4\) proposal 1 of meter SKS00000001 waits"):
        proposed(headend, {TEN: (2, 2)})
    approved(headend, number)
    with pytest.raises(RefusedError, match=r"does not wait for anybody"):
        approved(headend, number)
    (closed,) = operator_rows.proposals(headend.database.connection, limit=9)
    assert closed.outcome == "approved by B. Sen"
    assert proposed(headend, {TEN: (2, 2)}).proposal.number == 1


def test_4_of_two_proposals_at_once_one_is_kept(headend: Headend, premises: Gateway) -> None:
    desk = editing(headend)
    one, other = (desk.proposal(wish({TEN: (wh, 1)}), now_utc=LATER) for wh in (1, 2))
    desk.propose(one, RAO.signs(one), now_utc=LATER)
    with pytest.raises(RefusedError, match=r"\(4\) another proposal of meter SKS00000001 came between"):
        desk.propose(other, SEN.signs(other), now_utc=LATER)


def test_3_a_proposal_that_was_overtaken_is_not_approved(headend: Headend, premises: Gateway) -> None:
    desk = editing(headend)
    stale = desk.proposal(wish({TEN: (1, 1)}), now_utc=LATER)
    edited(headend, {TEN: (2, 2)})
    with pytest.raises(RefusedError, match=r"\(5\) the next edit of meter SKS00000001 is number 1 .* got number 0"):
        desk.propose(stale, RAO.signs(stale), now_utc=LATER)
    with headend.database.transaction() as connection:
        number = operator_rows.put_proposal(connection, stale, RAO.signs(stale), at_utc=LATER)
    with pytest.raises(RefusedError, match=r"\(3\) meter SKS00000001 was edited since"):
        approved(headend, number)


def test_4_a_row_that_somebody_changed_is_not_approved(headend: Headend, premises: Gateway) -> None:
    number = proposed(headend, {TEN: (1, 1)}).number
    other = editing(headend)
    sen = SEN.signs(operator_rows.proposal(headend.database.connection, number).proposal)
    with headend.database.transaction() as connection:
        connection.execute("UPDATE proposals SET signature = ?", (bytes(64),))
    with pytest.raises(RefusedError, match=r"\(4\) .*'A. Rao' did not sign"):
        other.approve(number, sen, book=headend.book, signer=headend.statement_signer, now_utc=LATER)


def test_what_was_signed_elsewhere_is_looked_at_again(headend: Headend, premises: Gateway) -> None:
    desk = editing(headend)
    one, other = (desk.proposal(wish({TEN: (wh, 1)}), now_utc=LATER) for wh in (1, 2))
    late = replace(one, blocks=(replace(one.blocks[0], start_utc=LATER),))
    for proposal, person, message in (
        (one, RAO.signs(other), r"\(6\) .*'A. Rao' did not sign"),
        (one, replace(RAO.signs(one), key=SEN.signer.public_key), r"is not that of 'A. Rao'"),
        (replace(one, period_s=1800), None, r"\(5\) .*with blocks of 900 s, got number 0 with 1800 s"),
        (replace(one, number=1, previous=bytes(32)), None, r"\(5\) .*is number 0 .*got number 1"),
        (late, None, r"\(3\) the block before .* has not ended"),
        (replace(one, meter="NONE"), None, r"\(1\) meter 'NONE' has no record"),
    ):
        with pytest.raises(RefusedError, match=message):
            desk.propose(proposal, person or RAO.signs(proposal), now_utc=LATER)
    assert operator_rows.proposals(headend.database.connection, limit=9) == ()


def test_an_approval_that_was_signed_over_something_else_makes_no_edit(headend: Headend, premises: Gateway) -> None:
    pending = proposed(headend, {TEN: (1, 1)})
    other = replace(pending.proposal, reason="another")
    with pytest.raises(RefusedError, match=r"\(4\) .*'B. Sen' did not sign"):
        editing(headend).approve(
            pending.number, SEN.signs(other), book=headend.book, signer=headend.statement_signer, now_utc=LATER
        )
    assert edit_rows.newest(headend.database.connection, limit=9) == ()


def test_what_cannot_be_is_not_proposed(headend: Headend, premises: Gateway) -> None:
    for values, message in (
        ({TEN + 1: (1, 1)}, r"\(2\) .*on the grid of 900 s"),
        ({TEN: (1, 1), TEN + 86_400: (1, 1)}, r"\(2\) .*of one IST day"),
        ({TEN: (-1, 1)}, r"\(2\) .*blocks\[0\].import"),
        ({LATER: (1, 1)}, r"\(3\) the block before .* has not ended"),
    ):
        with pytest.raises(RefusedError, match=message):
            proposed(headend, values)
    with pytest.raises(RefusedError, match=r"\(1\) meter 'NONE' has no record"):
        proposed(headend, {TEN: (1, 1)}, meter="NONE")
    (fact,) = headend.record(METER).facts
    headend.registrar.change_facts(METER, [replace(fact, from_utc=TEN)], at_utc=LATER)
    with pytest.raises(RefusedError, match=r"\(2\) meter SKS00000001 is not recorded with one block length"):
        proposed(headend, {TEN - 900: (1, 1), TEN: (1, 1)})


def test_an_operator_has_one_name_and_one_key_for_ever(headend: Headend, premises: Gateway) -> None:
    with (
        headend.database.transaction() as connection,
        pytest.raises(RefusedError, match=r"is that of 'A. Rao', for ever"),
    ):
        operator_rows.add_operator(connection, "Z", RAO.signer.public_key, at_utc=LATER)
    with (
        headend.database.transaction() as connection,
        pytest.raises(RefusedError, match=r"somebody is called 'A. Rao'"),
    ):
        operator_rows.add_operator(connection, "A. Rao", p256(9).public_key, at_utc=LATER)
    with headend.database.transaction() as connection, pytest.raises(RefusedError, match=r"no operator is called 'Z'"):
        operator_rows.remove_operator(connection, "Z", at_utc=LATER)
