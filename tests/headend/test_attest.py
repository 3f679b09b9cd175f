"""Attestation on a real database and log: idempotent, provable before it is posted, recomputable by a verifier."""

from dataclasses import replace

import pytest

from headend import attest
from headend.attest import Attestor, Subject
from headend.errors import FatalError
from headend.store.sqlite import actuals
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.windows import judge
from signing.bundle import Bundle, Kind
from signing.errors import DecodeError
from signing.interval import Interval
from signing.log.checkpoint import open_checkpoint
from signing.log.merkle import leaf_hash
from signing.log.proofs import verify_inclusion
from signing.statements.meter_record import Place
from signing.statements.rule_set import Rule
from signing.statements.window_actual import Cause, Status, Totals, WindowActual
from signing.verify import Outcome, verify
from signing.verify_lone import confront
from tests.headend.discom import LATER, METER, SUBJECT, attestor, exported, log_rules, stated, trust
from tests.headend.premises import DAY, Gateway, Headend, gateway
from tests.headend.vee import world

HOUR = (100, 110, 90, 100)


def attested(headend: Headend, cause: Cause | None = None) -> WindowActual | None:
    """What the next attestation of the window says, if it says anything; every actual is verified offline."""
    found = attestor(headend).attest([SUBJECT], at_utc=LATER, cause=cause)
    for signed in found:
        verdict = verify(exported(headend, signed.digest), trust(headend), judge)
        assert verdict.outcome is Outcome.VALID
        assert verify(exported(headend, signed.digest, Kind.ACTUAL), trust(headend), judge).outcome is Outcome.ATTESTED
    return found[0].statement if found else None


def test_a_window_with_every_block_and_no_registers_is_provisional(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    actual = attested(headend)
    assert actual is not None
    assert (actual.status, actual.cause, actual.revision) == (Status.PROVISIONAL, Cause.FIRST, 0)
    assert actual.totals is not None
    assert (actual.totals.import_wh, actual.totals.export_wh, actual.totals.net_wh) == (800, 40, 760)


def test_a_window_that_balances_with_its_registers_is_final(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 0, HOUR * 24, registers=((0, 1000), (24, 10_600))))
    actual = attested(headend)
    assert actual is not None
    assert actual.status is Status.FINAL


def test_the_same_evidence_gives_no_second_revision(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    assert attested(headend) is not None
    size = headend.book.tip(0).size
    assert attested(headend) is None
    # A batch of another hour moves the chain's head; of the window it says nothing.
    headend.take_in(stated(premises, 14, HOUR))
    assert attested(headend) is None
    assert headend.book.tip(0).size == size + 1


def test_late_data_revises_with_delta_and_cause(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, (100, None, *HOUR, 100, 100)))
    first = attested(headend)
    assert first is not None
    assert (first.status, first.reason, first.totals) == (Status.PENDING, "1 of 8 blocks missing", None)
    headend.take_in(stated(premises, 10, (100, 60)))
    second = attested(headend)
    assert second is not None
    assert (second.status, second.cause, second.revision) == (Status.PROVISIONAL, Cause.LATE_DATA, 1)
    assert second.delta is None
    assert second.totals is not None
    assert second.totals.import_wh == 760


def test_a_figure_that_was_final_becomes_a_true_up_with_its_delta(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 0, HOUR * 24, registers=((0, 1000), (24, 10_600))))
    assert attested(headend) is not None
    (fact,) = headend.record(METER).facts
    headend.registrar.change_facts(METER, [replace(fact, factor=type(fact.factor)(2, 1))], at_utc=LATER)
    actual = attested(headend)
    assert actual is not None
    assert (actual.status, actual.cause, actual.delta) == (Status.TRUE_UP, Cause.RECORD, (800, 40))
    assert attested(headend) is None


@pytest.mark.parametrize(("factor", "status"), [(1, Status.FINAL), (2, Status.TRUE_UP)])
def test_another_final_figure_is_a_true_up_whatever_was_said_in_between(
    headend: Headend, premises: Gateway, factor: int, status: Status
) -> None:
    headend.take_in(stated(premises, 0, HOUR * 24, registers=((0, 1000), (24, 10_600))))
    one = attestor(headend)
    (first,) = one.attest([SUBJECT], at_utc=LATER)
    assert first.statement.status is Status.FINAL
    one.withdraw(SUBJECT, "looked into", at_utc=LATER)
    (fact,) = headend.record(METER).facts
    headend.registrar.change_facts(METER, [replace(fact, factor=type(fact.factor)(factor, 1))], at_utc=LATER)
    assert (ahead := one.preview(SUBJECT, Cause.OPERATOR)) is not None
    (again,) = one.attest([SUBJECT], at_utc=LATER, cause=Cause.OPERATOR)
    assert (again.statement.status, ahead.status) == (status, status)
    assert verify(exported(headend, again.digest), trust(headend), judge).outcome is Outcome.VALID


def test_a_figure_that_was_final_long_ago_is_a_true_up_of_the_one_that_was_final_last(
    headend: Headend, premises: Gateway
) -> None:
    headend.take_in(stated(premises, 0, HOUR * 24, registers=((0, 1000), (24, 10_600))))
    one, said = attestor(headend), []
    (fact,) = headend.record(METER).facts
    for factor in (1, 2, 1):
        headend.registrar.change_facts(METER, [replace(fact, factor=type(fact.factor)(factor, 1))], at_utc=LATER)
        (signed,) = one.attest([SUBJECT], at_utc=LATER, cause=Cause.OPERATOR)
        said.append(signed.statement.status)
        one.withdraw(SUBJECT, "looked into", at_utc=LATER)
    assert said == [Status.FINAL, Status.TRUE_UP, Status.TRUE_UP]


def test_a_fork_revises_a_figure_until_the_record_names_the_good_branch(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 8, HOUR))
    clone = replace(premises, chains={METER: list(premises.chains[METER])})
    good = stated(premises, 10, HOUR * 2)
    headend.take_in(good)
    final = attested(headend)
    assert final is not None
    assert final.status is Status.PROVISIONAL
    headend.take_in(stated(clone, 10, (90,) * 8))
    forked = attested(headend)
    assert forked is not None
    assert (forked.status, forked.cause) == (Status.PENDING, Cause.FORK)
    assert forked.reason is not None
    assert "8 of 8 blocks suspect; fork in chain" in forked.reason
    assert forked.reason.endswith("at sequence 1; 2 values that differ")
    headend.registrar.name_good(METER, premises.kid, Place(sequence=1, digest=good.digest), at_utc=LATER)
    healed = attested(headend)
    assert healed is not None
    assert (healed.status, healed.cause, healed.totals) == (Status.PROVISIONAL, Cause.RECORD, final.totals)


def test_rules_that_judge_otherwise_give_a_revision_that_says_so(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    assert attested(headend) is not None
    rules = tuple(
        Rule(id=rule.id, version=rule.version, parameters={"least_wh": 101}) if rule.id == "V16" else rule
        for rule in DEFAULT_RULE_SET.rules
    )
    log_rules(headend, replace(DEFAULT_RULE_SET, version=2, rules=rules))
    actual = attested(headend)
    assert actual is not None
    assert (actual.status, actual.cause) == (Status.PENDING, Cause.RULES)
    assert attested(headend) is None


def test_a_balance_that_fails_later_gives_a_revision(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2, registers=((10, 1000), (12, 1800))))
    first = attested(headend)
    assert first is not None
    assert first.status is Status.FINAL
    headend.take_in(stated(premises, 12, HOUR, registers=((12, 1900),)))
    second = attested(headend)
    assert second is not None
    assert (second.status, second.reason) == (
        Status.PENDING,
        "8 of 8 blocks suspect; import register at 2026-04-26 12:00:00 IST is 1800 and 1900 Wh",
    )


def test_a_window_that_cuts_a_block_is_said_once(headend: Headend, premises: Gateway) -> None:
    cut = replace(SUBJECT, window=Interval(SUBJECT.window.start_utc, SUBJECT.window.end_utc + 1))
    one = attestor(headend)
    (signed,) = one.attest([cut], at_utc=LATER)
    assert signed.statement.status is Status.NOT_MEASURABLE
    assert signed.statement.reason == "2026-04-26 12:00:01 IST cuts a block of 900 s"
    headend.take_in(stated(premises, 10, HOUR * 2))
    assert one.attest([cut], at_utc=LATER) == ()
    assert verify(exported(headend, signed.digest), trust(headend), judge).outcome is Outcome.VALID


def test_a_window_of_an_unknown_place_is_pending_without_parts(headend: Headend, premises: Gateway) -> None:
    nowhere = Subject(connection_point="CP-?", posted_as="LEDGER-?", window=SUBJECT.window)
    (signed,) = attestor(headend).attest([nowhere], at_utc=LATER)
    assert (signed.statement.status, signed.statement.parts) == (Status.PENDING, ())
    assert signed.statement.reason == "no revenue meter is recorded for 2026-04-26 10:00:00 IST"
    assert verify(exported(headend, signed.digest), trust(headend), judge).outcome is Outcome.VALID


def test_what_an_operator_withdrew_stays_withdrawn_until_an_operator_attests_again(
    headend: Headend, premises: Gateway
) -> None:
    one = attestor(headend)
    assert one.withdraw(SUBJECT, "disputed", at_utc=LATER) is None
    headend.take_in(stated(premises, 10, HOUR * 2))
    attested(headend)
    with pytest.raises(DecodeError, match="printable characters"):
        one.withdraw(SUBJECT, "", at_utc=LATER)
    headend.take_in(stated(premises, 12, HOUR))
    withdrawn = one.withdraw(SUBJECT, "disputed", at_utc=LATER)
    assert withdrawn is not None
    assert (withdrawn.statement.status, withdrawn.statement.totals) == (Status.WITHDRAWN, None)
    assert verify(exported(headend, withdrawn.digest), trust(headend), judge).outcome is Outcome.VALID
    headend.take_in(stated(premises, 10, (100,)))
    assert attested(headend) is None
    again = attested(headend, Cause.OPERATOR)
    assert again is not None
    assert (again.status, again.cause, again.revision) == (Status.PROVISIONAL, Cause.OPERATOR, 2)


def test_p18_an_actual_is_ready_only_with_a_proof_that_a_stranger_can_check(
    headend: Headend, premises: Gateway
) -> None:
    one = attestor(headend)
    headend.take_in(stated(premises, 10, HOUR * 2))
    assert one.ready(SUBJECT.posted_as, SUBJECT.window) is None
    (signed,) = one.attest([SUBJECT], at_utc=LATER)
    ready = one.ready(SUBJECT.posted_as, SUBJECT.window)
    assert ready is not None
    assert ready.actual.digest == signed.digest
    tree = open_checkpoint(ready.checkpoint, headend.key.verifier).checkpoint
    verify_inclusion(leaf=leaf_hash(signed.digest), index=ready.index, size=tree.size, path=ready.path, root=tree.root)


def test_p18_an_actual_that_the_published_tree_does_not_reach_is_not_ready(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    one = attestor(headend)
    (signed,) = one.attest([SUBJECT], at_utc=LATER)
    with headend.database.transaction() as connection:
        # As when the row is there and its checkpoint never got out.
        connection.execute("PRAGMA defer_foreign_keys = ON")
        beyond = headend.book.tip(0).size
        for table in ("statements", "actuals"):
            connection.execute(f"UPDATE {table} SET leaf = ? WHERE digest = ?", (beyond, signed.digest))
    assert one.ready(SUBJECT.posted_as, SUBJECT.window) is None


def test_p18_an_actual_whose_leaf_is_another_statement_is_fatal(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    one = attestor(headend)
    (signed,) = one.attest([SUBJECT], at_utc=LATER)
    with headend.database.transaction() as connection:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        taken = 2**20
        for table in ("statements", "actuals"):
            connection.execute(f"UPDATE {table} SET leaf = ? WHERE leaf = 0", (taken,))
            connection.execute(f"UPDATE {table} SET leaf = 0 WHERE digest = ?", (signed.digest,))
    with pytest.raises(FatalError, match="does not prove leaf 0"):
        one.ready(SUBJECT.posted_as, SUBJECT.window)


def test_a_stored_actual_that_somebody_changed_is_fatal(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    one = attestor(headend)
    one.attest([SUBJECT], at_utc=LATER)
    with headend.database.transaction() as connection:
        connection.execute(
            "UPDATE statements SET sign1 = CAST(substr(sign1, 1, length(sign1) - 1) || x'00' AS BLOB) "
            "WHERE leaf = (SELECT leaf FROM actuals)"
        )
    with pytest.raises(FatalError, match="not this discom's"):
        one.ready(SUBJECT.posted_as, SUBJECT.window)


def test_without_a_logged_rule_set_nothing_is_attested(headend: Headend) -> None:
    one = gateway()
    headend.enrol(one)
    with pytest.raises(FatalError, match="holds no rule set"):
        attestor(headend).attest([SUBJECT], at_utc=LATER)
    assert headend.book.tip(0).size == 1


def test_subjects_are_attested_together_and_listed_in_the_order_of_the_log(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    earlier = replace(SUBJECT, window=Interval(DAY + 9 * 3600, DAY + 10 * 3600))
    signed = attestor(headend).attest([SUBJECT, earlier, SUBJECT], at_utc=LATER)
    assert [entry.statement.window for entry in signed] == [earlier.window, SUBJECT.window]
    key = headend.statement_signer.public_key
    rows = list(actuals.after(headend.database.connection, key, -1, limit=10))
    assert [row.signed.digest for row in rows] == [entry.digest for entry in signed]
    assert [entry.statement.status for entry in signed] == [Status.PENDING, Status.PROVISIONAL]
    assert actuals.by_digest(headend.database.connection, key, bytes(32)) is None
    assert actuals.rule_set(headend.database.connection, key, bytes(32)) is None


def test_case_says_what_the_evidence_comes_to_without_logging_it(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    size = headend.book.tip(0).size
    case = attestor(headend).case(SUBJECT)
    assert judge(case).status is Status.PROVISIONAL
    assert headend.book.tip(0).size == size


def test_a_first_pending_is_not_said_while_blocks_may_be_on_their_way(headend: Headend, premises: Gateway) -> None:
    one = attestor(headend)
    headend.take_in(stated(premises, 10, HOUR))
    assert one.attest([SUBJECT], at_utc=LATER, unsaid=frozenset({SUBJECT})) == ()
    # A figure is said at once, and a PENDING that takes one back too.
    headend.take_in(stated(premises, 11, HOUR))
    (figure,) = one.attest([SUBJECT], at_utc=LATER, unsaid=frozenset({SUBJECT}))
    assert figure.statement.status is Status.PROVISIONAL
    headend.take_in(stated(premises, 11, (101,)))
    (conflict,) = one.attest([SUBJECT], at_utc=LATER, unsaid=frozenset({SUBJECT}))
    assert (conflict.statement.status, conflict.statement.revision) == (Status.PENDING, 1)


def test_a_first_pending_is_said_when_nothing_is_waited_for(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR))
    other = replace(SUBJECT, posted_as="another name")
    (said,) = attestor(headend).attest([SUBJECT], at_utc=LATER, unsaid=frozenset({other}))
    assert said.statement.status is Status.PENDING


def test_a_meter_exchange_makes_two_parts_that_verify(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    (old,) = headend.record(METER).facts
    other = gateway(2, meters=("SKS-NEW",))
    headend.enrol(other)
    since = DAY + 11 * 3600
    exchanged = replace(old, from_utc=since, identity="SKS-NEW", factor=type(old.factor)(1, 2))
    headend.registrar.change_facts("SKS-NEW", [exchanged], at_utc=LATER)
    headend.take_in(stated(other, 11, HOUR, meter="SKS-NEW"), topic="sakshi/1/0/gw-2/up")
    actual = attested(headend)
    assert actual is not None
    assert [(part.meter, part.span.start_utc, part.counts.valid) for part in actual.parts] == [
        (METER, SUBJECT.window.start_utc, 4),
        ("SKS-NEW", since, 4),
    ]
    assert actual.totals is not None
    assert actual.totals.import_wh == 400 + 200


def test_another_device_under_the_same_meter_id_makes_two_parts_that_verify(
    headend: Headend, premises: Gateway
) -> None:
    (old,) = headend.record(METER).facts
    since = DAY + 11 * 3600
    headend.registrar.change_facts(METER, [old, replace(old, from_utc=since, identity="NEW")], at_utc=LATER)
    headend.take_in(
        stated(premises, 10, HOUR, registers=((10, 7000), (11, 7400))),
        stated(premises, 11, (50,) * 4, registers=((11, 0), (12, 200)), identity="NEW"),
        stated(premises, 12, (50,) * 4, registers=((13, 400),), identity="NEW"),
    )
    actual = attested(headend)
    assert actual is not None
    assert (actual.status, actual.totals) == (Status.FINAL, Totals(import_wh=400 + 200, export_wh=40))
    assert [(part.meter, part.span.start_utc, part.counts.valid) for part in actual.parts] == [
        (METER, SUBJECT.window.start_utc, 4),
        (METER, since, 4),
    ]


def test_a_batch_beyond_the_device_of_a_window_is_not_missed_in_its_bundle(headend: Headend, premises: Gateway) -> None:
    (old,) = headend.record(METER).facts
    headend.registrar.change_facts(METER, [old, replace(old, from_utc=DAY + 11 * 3600, identity="NEW")], at_utc=LATER)
    before = stated(premises, 8, HOUR * 2)
    # A register that the new device states of a time before it was there bounds nothing.
    headend.take_in(before, stated(premises, 9, HOUR * 3, registers=((9, 0), (12, 400)), identity="NEW"))
    ((_, receipt),) = headend.transport.take()
    subject = replace(SUBJECT, window=Interval(DAY + 11 * 3600, DAY + 12 * 3600))
    (signed,) = attestor(headend).attest([subject], at_utc=LATER)
    content = exported(headend, signed.digest)
    assert verify(content, trust(headend), judge).outcome is Outcome.VALID
    assert [row.opening is not None for row in Bundle.parse(content).batches] == [True]
    assert confront(content, trust(headend), [receipt], [before.encoded()]) == ()


def test_salts_are_fresh_unless_they_are_given(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    keys = {0: headend.key.verifier}
    one = Attestor(
        database=headend.database,
        book=headend.book,
        log_keys=keys,
        registry=headend.registry,
        signer=headend.statement_signer,
    )
    salts = {one.attest([replace(SUBJECT, posted_as=name)], at_utc=LATER)[0].statement.salt for name in ("one", "two")}
    assert len(salts) == 2
    assert {len(salt) for salt in salts} == {16}


def test_meters_of_one_point_in_two_logs_are_fatal() -> None:
    parts = [world.part([replace(world.record([]), log=log)], ()) for log in (1, 2)]
    with pytest.raises(FatalError, match=r"are in logs \[1, 2\]: enrol them in one log"):
        attest._log_of(parts)
    assert attest._log_of(parts[:1]) == 1
    assert attest._log_of(()) == 0


def test_a_chain_that_does_not_begin_at_its_enrolment_has_no_figure_and_still_verifies(
    headend: Headend, premises: Gateway
) -> None:
    first = stated(premises, 10, HOUR * 2)
    headend.take_in(premises.signed(replace(first.batch, previous=b"x" * 32), first.opening))
    actual = attested(headend)
    assert actual is not None
    assert actual.status is Status.PENDING
    assert actual.reason is not None
    assert actual.reason.startswith("8 of 8 blocks suspect; fork in chain")
