from dataclasses import replace

import pytest

from headend.fsck import Damage, fsck
from signing.statements.meter_record import Place
from tests.headend.premises import NOW, Gateway, Headend, gateway

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
