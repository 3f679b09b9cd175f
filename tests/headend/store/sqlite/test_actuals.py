"""Rows of actuals: one newest revision, one row a revision, read back only under the discom's key."""

import sqlite3
from dataclasses import replace

import pytest

from headend.errors import FatalError
from headend.store.sqlite import actuals
from signing.envelope import Signed, sign
from signing.statements.window_actual import Status, WindowActual
from tests.headend.discom import LATER, METER, SUBJECT, attestor, log_rules, stated
from tests.headend.premises import Gateway, Headend, p256

HOUR = (100, 100, 100, 100)


@pytest.fixture
def revised(headend: Headend, premises: Gateway) -> tuple[Signed[WindowActual], ...]:
    """Two revisions of one window."""
    one = attestor(headend)
    headend.take_in(stated(premises, 10, HOUR))
    (first,) = one.attest([SUBJECT], at_utc=LATER)
    headend.take_in(stated(premises, 11, HOUR))
    (second,) = one.attest([SUBJECT], at_utc=LATER)
    return first, second


def test_the_newest_revision_is_one(headend: Headend, revised: tuple[Signed[WindowActual], ...]) -> None:
    connection, key = headend.database.connection, headend.statement_signer.public_key
    newest = actuals.newest(connection, key, SUBJECT.posted_as, SUBJECT.window)
    assert newest is not None
    assert newest.signed.digest == revised[1].digest
    assert (newest.log, newest.index) == (0, headend.book.tip(0).size - 1)
    every = actuals.revisions(connection, key, SUBJECT.posted_as, SUBJECT.window)
    assert [entry.signed.statement.revision for entry in every] == [1, 0]
    assert newest.signed.statement.status is Status.PROVISIONAL


def test_a_subject_is_compared_exactly(headend: Headend, revised: tuple[Signed[WindowActual], ...]) -> None:
    connection, key = headend.database.connection, headend.statement_signer.public_key
    for posted_as in (SUBJECT.posted_as.lower(), f"{SUBJECT.posted_as} ", METER):
        assert actuals.newest(connection, key, posted_as, SUBJECT.window) is None
        assert actuals.revisions(connection, key, posted_as, SUBJECT.window) == ()


def test_a_revision_is_stored_once(headend: Headend, revised: tuple[Signed[WindowActual], ...]) -> None:
    twin = sign(replace(revised[1].statement, salt=b"s" * 16), headend.statement_signer)

    def store() -> None:
        with headend.book.transaction() as transaction:
            leaf = transaction.append(0, [twin.digest])
            actuals.put(transaction.connection, leaf, twin, at_utc=LATER)

    with pytest.raises(sqlite3.IntegrityError):
        store()
    newest = actuals.newest(
        headend.database.connection, headend.statement_signer.public_key, SUBJECT.posted_as, SUBJECT.window
    )
    assert newest is not None
    assert newest.signed.digest == revised[1].digest


def test_actuals_are_listed_behind_a_place_in_the_log(
    headend: Headend, revised: tuple[Signed[WindowActual], ...]
) -> None:
    connection, key = headend.database.connection, headend.statement_signer.public_key
    everything = list(actuals.after(connection, key, -1, limit=9))
    assert [entry.signed.digest for entry in everything] == [entry.digest for entry in revised]
    (second,) = actuals.after(connection, key, everything[0].leaf, limit=9)
    assert second.signed.digest == revised[1].digest
    assert len(list(actuals.after(connection, key, -1, limit=1))) == 1


def test_another_key_reads_nothing(headend: Headend, revised: tuple[Signed[WindowActual], ...]) -> None:
    connection, stranger = headend.database.connection, p256(5).public_key
    with pytest.raises(FatalError, match="stored WindowActual is not this discom's"):
        actuals.newest(connection, stranger, SUBJECT.posted_as, SUBJECT.window)
    with pytest.raises(FatalError, match="stored RuleSet is not this discom's"):
        actuals.newest_rule_set(connection, stranger, 0)


def test_rule_sets_are_found_by_log_and_by_digest(headend: Headend, premises: Gateway) -> None:
    connection, key = headend.database.connection, headend.statement_signer.public_key
    first = actuals.newest_rule_set(connection, key, 0)
    assert first is not None
    newer = log_rules(headend, replace(first.signed.statement, version=4))
    newest = actuals.newest_rule_set(connection, key, 0)
    assert newest is not None
    assert newest.signed.digest == newer.digest
    assert actuals.newest_rule_set(connection, key, 1) is None
    found = actuals.rule_set(connection, key, first.signed.digest)
    assert found is not None
    assert found.leaf == first.leaf
    record = headend.registry.meter(METER)
    assert record is not None
    assert actuals.rule_set(connection, key, record.digest) is None
