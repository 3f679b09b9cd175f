"""Bundles from the store: they verify, they hold exactly what the actual was decided from, and they stay so."""

from dataclasses import replace

from headend.export import Anchoring, bundle
from headend.windows import judge
from signing.bundle import ERASED, Bundle, Kind
from signing.log.checkpoint import open_checkpoint
from signing.statements.enrolment import Retirement
from signing.statements.window_actual import Status
from signing.verify import Outcome, verify
from tests.headend.discom import LATER, METER, SUBJECT, attestor, exported, stated, trust
from tests.headend.premises import DAY, Gateway, Headend, gateway

HOUR = (100, 110, 90, 100)


def test_there_is_no_bundle_of_an_unknown_actual(headend: Headend, premises: Gateway) -> None:
    anchoring = Anchoring(tip=headend.book.tip(0), nodes=headend.book.nodes(0))
    key = headend.statement_signer.public_key
    assert bundle(headend.database.connection, key, anchoring, bytes(32), Kind.WINDOW) is None


def test_a_bundle_opens_the_context_and_shows_the_rest_as_headers(headend: Headend, premises: Gateway) -> None:
    messages = [
        stated(premises, 6, HOUR),
        stated(premises, 8, HOUR, registers=((8, 1000),)),
        stated(premises, 9, HOUR),
        stated(premises, 10, HOUR * 2),
        stated(premises, 12, HOUR, registers=((13, 3000),)),
        stated(premises, 13, HOUR),
        stated(premises, 14, HOUR),
    ]
    headend.take_in(*messages)
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    assert signed.statement.status is Status.FINAL
    parsed = Bundle.parse(exported(headend, signed.digest))
    shown = {entry.envelope.digest: entry for entry in parsed.batches}
    opened = [message.digest for message in messages if shown.get(message.digest) and shown[message.digest].opening]
    assert opened == [message.digest for message in messages[1:5]]
    # Below the base nothing bears on the window; a header that its successor names needs no place in the log.
    assert [message.digest in shown for message in messages] == [False] + [True] * 6
    assert [shown[message.digest].at is not None for message in messages[1:]] == [True] * 4 + [False, True]


def test_a_bundle_of_an_old_actual_shows_what_stood_before_it(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, (100, None, *HOUR, 100, 100)))
    one = attestor(headend)
    (first,) = one.attest([SUBJECT], at_utc=LATER)
    before = exported(headend, first.digest)
    headend.take_in(stated(premises, 10, (100, 60)), stated(premises, 13, HOUR))
    headend.enrol(replace(gateway(2), meters=(METER,)))
    (second,) = one.attest([SUBJECT], at_utc=LATER)
    later = exported(headend, first.digest)
    assert verify(later, trust(headend), judge).outcome is Outcome.VALID
    assert len(Bundle.parse(later).batches) == len(Bundle.parse(before).batches) == 1
    newest = Bundle.parse(exported(headend, second.digest))
    assert [entry.envelope.digest for entry in newest.actuals] == [second.digest, first.digest]
    assert len(newest.records) == 2
    assert verify(newest.encoded(), trust(headend), judge).outcome is Outcome.VALID


def test_a_bundle_shows_that_its_tree_extends_what_a_verifier_pinned(headend: Headend, premises: Gateway) -> None:
    pinned = headend.book.tip(0)
    headend.take_in(stated(premises, 10, HOUR * 2))
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    anchoring = Anchoring(tip=headend.book.tip(0), nodes=headend.book.nodes(0), pinned_sizes=(pinned.size,))
    key = headend.statement_signer.public_key
    content = bundle(headend.database.connection, key, anchoring, signed.digest, Kind.WINDOW)
    assert content is not None
    pin = open_checkpoint(pinned.checkpoint, headend.key.verifier)
    assert verify(content, replace(trust(headend), pin=pin), judge).outcome is Outcome.VALID
    without = exported(headend, signed.digest)
    assert verify(without, replace(trust(headend), pin=pin), judge).outcome is Outcome.UNANCHORED


def test_p4_a_batch_never_admitted_is_stated_and_shown_as_a_gap(headend: Headend, premises: Gateway) -> None:
    messages = [stated(premises, hour, HOUR) for hour in (9, 10, 11, 12)]
    headend.take_in(messages[0], messages[1], messages[3])
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    assert signed.statement.reason == "4 of 8 blocks missing"
    ((chain,),) = [part.chains for part in signed.statement.parts]
    assert chain.gaps == ((2, 2),)
    verdict = verify(exported(headend, signed.digest), trust(headend), judge)
    assert (verdict.outcome, verdict.never_admitted) == (Outcome.VALID, 1)


def test_erased_readings_leave_a_bundle_that_says_so(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 10, HOUR * 2))
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    with headend.database.transaction() as connection:
        connection.execute("UPDATE batches SET opening = NULL")
    content = exported(headend, signed.digest)
    assert [entry.opening for entry in Bundle.parse(content).batches] == [ERASED]
    assert verify(content, trust(headend), judge).outcome is Outcome.ERASED


def test_a_register_far_from_the_window_still_bounds_its_context(headend: Headend, premises: Gateway) -> None:
    days = range(-5, 5)
    energies = (10,) * 96
    messages = [
        stated(premises, 24 * day, energies, registers=((24 * day, 960 * (day + 5)),) if day in {-5, 4} else ())
        for day in days
    ]
    headend.take_in(*messages)
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=DAY + 30 * 86_400)
    assert signed.statement.status is Status.FINAL
    assert len([e for e in Bundle.parse(exported(headend, signed.digest)).batches if e.opening is not None]) == 10
    assert verify(exported(headend, signed.digest), trust(headend), judge).outcome is Outcome.VALID


def test_p19_a_backlog_with_a_damaged_signature_is_proved_by_its_successor(headend: Headend, premises: Gateway) -> None:
    damaged, after = stated(premises, 10, HOUR), stated(premises, 11, HOUR)
    headend.take_in(damaged.with_signature(bytes(64)), after)
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    assert signed.statement.status is Status.PROVISIONAL
    assert verify(exported(headend, signed.digest), trust(headend), judge).outcome is Outcome.VALID


def test_p11_a_window_across_a_rotation_has_two_chains_and_no_hole(headend: Headend, premises: Gateway) -> None:
    headend.take_in(stated(premises, 9, HOUR), stated(premises, 10, HOUR))
    last = premises.chains[METER][-1]
    retirement = Retirement(meter=METER, kid=premises.kid, last=last.batch.sequence, digest=last.digest)
    renewed = gateway(2, meters=(METER,), retires=(retirement,), old=premises.signer)
    headend.enrol(renewed)
    headend.take_in(stated(renewed, 11, HOUR), topic="sakshi/1/0/gw-2/up")
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    assert signed.statement.status is Status.PROVISIONAL
    assert len(signed.statement.parts[0].chains) == 2
    assert verify(exported(headend, signed.digest), trust(headend), judge).outcome is Outcome.VALID
    stray = stated(premises, 12, HOUR)
    headend.take_in(stray)
    assert stray.digest not in {digest for _, _, digest in headend.stored()}
