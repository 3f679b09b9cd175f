from dataclasses import replace

import pytest

from headend.store.sqlite import edit_rows
from headend.store.sqlite.postings import put_posting
from headend.trading.posting import Policy, first
from headend.trading.trades import Delivery
from headend.upkeep.fsck import Damage, fsck
from signing.envelope import parse, sign
from signing.statements.edit import Edit
from signing.statements.meter_record import Place
from signing.statements.persons import signed_as
from signing.statements.window_actual import WITH_TOTALS, WindowActual
from tests.headend.discom import SUBJECT, attestor, log_rules, stated
from tests.headend.premises import DAY, NOW, Gateway, Headend, gateway
from tests.headend.two_persons import RAO, SEN, edited, register

METER = "SKS00000001"


@pytest.fixture
def full(headend: Headend) -> tuple[Headend, Gateway]:
    one, two = gateway(), gateway(2, ["SKS00000002", "SKS00000003"])
    headend.enrol(one, two)
    messages = [one.next() for _ in range(6)]
    messages[2] = messages[2].with_signature(bytes(64))
    headend.take_in(*messages, one.after(messages[3], METER, wh=9))
    headend.take_in(one.after(messages[5], METER, sequence=9))
    for _ in range(2):
        headend.take_in(two.next("SKS00000002"), two.next("SKS00000003", previous=bytes(32)))
    headend.registrar.name_good(METER, one.kid, Place(sequence=4, digest=messages[4].digest), at_utc=NOW)
    return headend, one


def found(headend: Headend) -> list[Damage]:
    return list(fsck(headend.database, headend.statement_signer.public_key))


def test_a_sound_database_has_no_findings(full: tuple[Headend, Gateway]) -> None:
    assert found(full[0]) == []


def test_an_empty_database_has_no_findings(headend: Headend) -> None:
    assert found(headend) == []


DAMAGES = [
    (1, "PRAGMA foreign_keys = OFF; DELETE FROM keys WHERE key = 1"),
    (2, "UPDATE logs SET size = size - 1"),
    (2, "UPDATE logs SET checkpoint = x'00'"),
    (2, "UPDATE tiles SET hashes = zeroblob(length(hashes))"),
    (3, "UPDATE statements SET sign1 = x'00' WHERE leaf = 0"),
    (3, "UPDATE statements SET digest = zeroblob(32) WHERE leaf = 0"),
    (
        4,
        "UPDATE records SET number = 7 WHERE meter = 1 AND number = 1; DELETE FROM records WHERE meter = 1 AND number = 0",
    ),
    (5, "UPDATE batches SET sign1 = x'00' WHERE sequence = 1 AND chain = 1"),
    (5, "UPDATE batches SET start_utc = start_utc + 900 WHERE sequence = 1 AND chain = 1"),
    (5, "UPDATE batches SET digest = zeroblob(32) WHERE sequence = 1 AND chain = 1"),
    (5, "UPDATE batches SET chain = 2 WHERE sequence = 5"),
    (7, "UPDATE batches SET opening = x'00' WHERE sequence = 1 AND chain = 1"),
    (
        7,
        "UPDATE batches SET opening = (SELECT opening FROM batches WHERE sequence = 3) WHERE sequence = 1 AND chain = 1",
    ),
    (8, "DELETE FROM gaps"),
    (8, "UPDATE gaps SET last = last - 1"),
    (8, "DELETE FROM forks"),
    (9, "DELETE FROM batches WHERE sequence = 9"),
]


@pytest.mark.parametrize(("check", "sql"), DAMAGES)
def test_damage_is_found_and_has_a_remedy(full: tuple[Headend, Gateway], check: int, sql: str) -> None:
    headend, _ = full
    for statement in sql.split(";"):
        headend.database.connection.execute(statement)
    damages = found(headend)
    assert check in {damage.check for damage in damages}
    assert all(damage.what and damage.remedy for damage in damages)


def test_6_a_batch_that_nobody_signed_is_found(full: tuple[Headend, Gateway]) -> None:
    headend, one = full
    newest = one.chains[METER][5]
    forged = replace(newest.envelope, signature=bytes(64)).encoded()
    headend.database.connection.execute("UPDATE batches SET sign1 = ? WHERE digest = ?", (forged, newest.digest))
    assert [damage.check for damage in found(headend)] == [6]


def test_3_a_record_that_another_key_signed_is_found(full: tuple[Headend, Gateway]) -> None:
    headend, one = full
    assert {damage.check for damage in fsck(headend.database, one.signer.public_key)} == {3}


def test_an_erased_opening_is_no_damage(full: tuple[Headend, Gateway]) -> None:
    headend, _ = full
    headend.database.connection.execute("UPDATE batches SET opening = NULL")
    assert found(headend) == []


@pytest.fixture
def settled(headend: Headend) -> Headend:
    """A database with two revisions of one window and a posting of each."""
    one = gateway()
    headend.enrol(one)
    log_rules(headend)
    attests = attestor(headend)
    delivery = Delivery(posted_as=SUBJECT.posted_as, delivery_start="a", delivery_end="b", window=SUBJECT.window)
    for registers in ((), ((0, 1000), (24, 10_600))):
        headend.take_in(stated(one, 0, (100, 110, 90, 100) * 24, registers=registers))
        (signed,) = attests.attest([SUBJECT], at_utc=NOW)
        record = first(delivery, signed, Policy(statuses=WITH_TOTALS, retry_s=1, give_up_s=1), NOW)
        assert record is not None
        with headend.database.transaction() as connection:
            put_posting(connection, record)
    return headend


@pytest.mark.parametrize(
    ("check", "sql"),
    [
        (10, "DELETE FROM actuals WHERE revision = 0"),
        (10, "UPDATE actuals SET connection_point = 'another'"),
        (10, "UPDATE actuals SET posted_as = 'another'"),
        (10, "UPDATE actuals SET start_utc = start_utc + 900"),
        (10, "UPDATE actuals SET end_utc = end_utc + 900"),
        (10, "UPDATE actuals SET revision = revision + 1 WHERE revision = 1"),
        (10, "UPDATE actuals SET digest = zeroblob(32) WHERE revision = 1"),
        (10, "UPDATE actuals SET status = 5 WHERE revision = 1"),
        (10, "UPDATE actuals SET is_newest = 0"),
        (10, "UPDATE actuals SET is_newest = 0; UPDATE actuals SET is_newest = 1 WHERE revision = 0"),
        (11, "UPDATE postings SET actual = zeroblob(32) WHERE revision = 1"),
        (11, "UPDATE postings SET posted_as = 'another'"),
        (11, "UPDATE postings SET start_utc = start_utc + 900"),
        (11, "UPDATE postings SET end_utc = end_utc + 900"),
        (11, "UPDATE postings SET revision = 7 WHERE revision = 1"),
        (11, "UPDATE postings SET net_wh = net_wh - 1"),
    ],
)
def test_rows_that_say_other_than_the_logged_actuals_are_found(settled: Headend, check: int, sql: str) -> None:
    assert found(settled) == []
    for statement in sql.split(";"):
        settled.database.connection.execute(statement)
    damages = found(settled)
    assert {damage.check for damage in damages} == {check}
    assert all(damage.what and damage.remedy for damage in damages)


def test_10_a_revision_that_does_not_follow_the_one_before_is_found(settled: Headend) -> None:
    (row,) = settled.database.connection.execute(
        "SELECT leaf, sign1 FROM actuals JOIN statements USING (leaf) WHERE revision = 1"
    )
    actual = WindowActual.parse(parse(row[1]).payload)
    forged = sign(replace(actual, supersedes=bytes(32)), settled.statement_signer)
    settled.database.connection.execute(
        "UPDATE statements SET sign1 = ? WHERE leaf = ?", (forged.envelope.encoded(), row[0])
    )
    assert "does not follow the one before" in " ".join(damage.what for damage in found(settled))


def test_10_an_actual_that_does_not_decode_is_found(settled: Headend) -> None:
    settled.database.connection.execute(
        "UPDATE statements SET sign1 = x'00' WHERE leaf = (SELECT max(leaf) FROM actuals)"
    )
    assert 10 in {damage.check for damage in found(settled)}


@pytest.fixture
def with_edits(settled: Headend) -> Headend:
    """A database with two edits of a meter, and a revision on which they bear."""
    register(settled)
    for wh in (7, 8):
        edited(settled, {DAY + 36_000: (wh, 1)})
    (signed,) = attestor(settled).attest([SUBJECT], at_utc=NOW)
    assert signed.statement.edits
    return settled


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE edits SET meter = 'another' WHERE number = 1",
        "UPDATE edits SET number = 2 WHERE number = 1",
        "UPDATE edits SET digest = zeroblob(32) WHERE number = 1",
        "UPDATE edits SET start_utc = start_utc + 1 WHERE number = 1",
        "UPDATE edits SET end_utc = end_utc + 1 WHERE number = 1",
    ],
)
def test_12_rows_that_say_other_than_the_logged_edits_are_found(with_edits: Headend, sql: str) -> None:
    assert found(with_edits) == []
    with_edits.database.connection.execute(sql)
    assert [damage.check for damage in found(with_edits)] == [12]


def test_12_an_edit_that_two_persons_did_not_sign_or_that_does_not_follow_is_found(with_edits: Headend) -> None:
    (newest, _) = edit_rows.newest(with_edits.database.connection, limit=2)
    proposal = newest.edit.proposal
    for edit, message in (
        (replace(newest.edit, approver=newest.edit.author), "expected the keys of two persons"),
        (replace(newest.edit, proposal=replace(proposal, previous=bytes(32))), "did not sign"),
    ):
        forged = sign(edit, with_edits.statement_signer).envelope.encoded()
        with_edits.database.connection.execute("UPDATE statements SET sign1 = ? WHERE leaf = ?", (forged, newest.leaf))
        assert message in " ".join(damage.what for damage in found(with_edits) if damage.check == 12)


def test_12_an_edit_that_does_not_follow_the_one_before_is_found(with_edits: Headend) -> None:
    (newest, _) = edit_rows.newest(with_edits.database.connection, limit=2)
    proposal = replace(newest.edit.proposal, previous=bytes(32))
    author, approver = (signed_as(proposal, hand.signer, hand.name) for hand in (RAO, SEN))
    forged = sign(Edit(proposal=proposal, author=author, approver=approver), with_edits.statement_signer)
    with_edits.database.connection.execute(
        "UPDATE statements SET sign1 = ? WHERE leaf = ?", (forged.envelope.encoded(), newest.leaf)
    )
    said = [damage.what for damage in found(with_edits) if damage.check == 12]
    assert any("does not follow the one before" in what for what in said)
