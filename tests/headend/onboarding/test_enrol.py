from dataclasses import replace

import pytest

from headend.errors import EnrolmentRefusedError
from headend.onboarding.enrol import Application, MeterFacts
from headend.onboarding.known import Registry
from signing.envelope import unseal
from signing.statements.enrolment import Retirement
from signing.statements.meter_record import MeterRecord, Place, SpeakerState
from tests.headend.premises import NOW, Gateway, Headend, fact, gateway, p256

METER = "SKS00000001"


def application(one: Gateway, **changes: object) -> Application:
    plain = Application(
        file=one.file(),
        meters={meter: MeterFacts(facts=(fact(meter),), blocks_from_utc=5) for meter in one.meters},
        shard=one.shard,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # the caller names fields


def assert_nothing_changed(headend: Headend) -> None:
    assert headend.registry.meters() == ()
    assert headend.book.size(0) == 0
    assert headend.database.connection.execute("SELECT count(*) FROM gateways").fetchone() == (0,)


def test_an_enrolment_makes_signed_logged_records(headend: Headend) -> None:
    one = gateway(meters=["SKS00000001", "SKS00000002"])
    enrolled = headend.registrar.enrol(application(one), at_utc=NOW)
    assert [record.statement.meter for record in enrolled.records] == ["SKS00000001", "SKS00000002"]
    assert headend.book.size(0) == 2
    for record in enrolled.records:
        signed = unseal(record.envelope, MeterRecord, headend.statement_signer.public_key).statement
        (speaker,) = signed.speakers
        assert (signed.number, signed.previous, signed.facts) == (0, None, (fact(signed.meter),))
        assert (speaker.key, speaker.gateway, speaker.enrolment) == (one.signer.public_key, "gw-1", one.request.digest)
        assert (speaker.state, speaker.blocks_from_utc) == (SpeakerState.ACTIVE, 5)


def test_enrolling_many_is_one_transaction(headend: Headend) -> None:
    many = [gateway(number, [f"SKS{number:08d}"]) for number in range(1, 20)]
    headend.enrol(*many)
    assert headend.book.size(0) == 19
    again = gateway(30, ["SKS00000099"])
    with pytest.raises(EnrolmentRefusedError, match=r"\(2\)"):
        headend.registrar.enrol_all([application(again), application(many[3])], at_utc=NOW)
    assert headend.registry.meter("SKS00000099") is None


def test_1_a_file_that_is_no_enrolment_is_refused(headend: Headend) -> None:
    one = gateway()
    for file in (b"", b"garbage", one.file()[:-1], one.file() + b"\x00"):
        with pytest.raises(EnrolmentRefusedError, match=r"\(1\)"):
            headend.registrar.enrol(application(one, file=file), at_utc=NOW)
    assert_nothing_changed(headend)


def test_1_a_request_that_another_key_signed_is_refused(headend: Headend) -> None:
    one = gateway()
    stolen = bytearray(one.file())
    stolen[-3] ^= 1
    with pytest.raises(EnrolmentRefusedError, match=r"\(1\)"):
        headend.registrar.enrol(application(one, file=bytes(stolen)), at_utc=NOW)
    assert_nothing_changed(headend)


def test_2_a_registered_key_is_refused(headend: Headend) -> None:
    one = gateway()
    headend.enrol(one)
    with pytest.raises(EnrolmentRefusedError, match=r"\(2\) key .* registered already"):
        headend.registrar.enrol(application(one), at_utc=NOW)


def test_2_a_gateway_keeps_its_shard(headend: Headend) -> None:
    headend.enrol(gateway())
    moved = Gateway("gw-1", p256(9), ("SKS00000009",), shard=4)
    with pytest.raises(EnrolmentRefusedError, match=r"\(2\) .* shard 0, got 4"):
        headend.registrar.enrol(application(moved), at_utc=NOW)


@pytest.mark.parametrize("named", [[], [METER, "SKS00000002"], ["SKS00000002"]])
def test_3_facts_for_other_meters_are_refused(headend: Headend, named: list[str]) -> None:
    meters = {meter: MeterFacts(facts=(fact(meter),), blocks_from_utc=0) for meter in named}
    with pytest.raises(EnrolmentRefusedError, match=r"\(3\) .*SKS"):
        headend.registrar.enrol(application(gateway(), meters=meters), at_utc=NOW)
    assert_nothing_changed(headend)


def test_3_a_new_meter_needs_a_fact(headend: Headend) -> None:
    meters = {METER: MeterFacts(facts=(), blocks_from_utc=0)}
    with pytest.raises(EnrolmentRefusedError, match=r"\(3\) .*no facts"):
        headend.registrar.enrol(application(gateway(), meters=meters), at_utc=NOW)
    assert_nothing_changed(headend)


def rotated(old: Gateway, last: int, *, signed_by: Gateway | None) -> Gateway:
    retirement = Retirement(meter=METER, kid=old.kid, last=last, digest=old.chains[METER][last].digest)
    return Gateway("gw-1", p256(50), (METER,), retires=(retirement,), old=signed_by.signer if signed_by else None)


def test_p11_a_rotation_retires_the_old_key_and_keeps_its_backlog(headend: Headend) -> None:
    old = gateway()
    headend.enrol(old)
    messages = [old.next() for _ in range(4)]
    headend.take_in(messages[0])
    new = rotated(old, 2, signed_by=old)
    headend.enrol(new)
    record = headend.record(METER)
    assert [(speaker.key.kid, speaker.state) for speaker in record.speakers] == [
        (old.kid, SpeakerState.RETIRED),
        (new.kid, SpeakerState.ACTIVE),
    ]
    assert record.number == 1
    report = headend.take_in(new.next(), *messages[1:], new.next())
    assert (report.admitted, dict(report.refused)) == (4, {6: 1})


def test_4_a_retirement_needs_the_old_keys_signature(headend: Headend) -> None:
    old, other = gateway(), gateway(2, ["SKS00000002"])
    headend.enrol(old, other)
    old.next()
    for signed_by in (None, other):
        with pytest.raises(EnrolmentRefusedError, match=r"\(4\) .*did not sign"):
            headend.enrol(rotated(old, 0, signed_by=signed_by))
    assert headend.record(METER).number == 0


def test_4_only_a_speaker_of_the_meter_can_be_retired(headend: Headend) -> None:
    old, other = gateway(), gateway(2, ["SKS00000002"])
    headend.enrol(old, other)
    retirement = Retirement(meter=METER, kid=other.kid, last=0, digest=bytes(32))
    new = Gateway("gw-1", p256(50), (METER,), retires=(retirement,), old=other.signer)
    with pytest.raises(EnrolmentRefusedError, match=r"\(4\) .*does not speak"):
        headend.enrol(new)


def test_5_two_applications_for_one_meter_are_refused(headend: Headend) -> None:
    with pytest.raises(EnrolmentRefusedError, match=r"\(5\)"):
        headend.enrol(gateway(1), gateway(2))
    assert_nothing_changed(headend)


def test_every_change_is_the_next_record_and_names_the_one_before(headend: Headend) -> None:
    one = gateway()
    (enrolled,) = headend.enrol(one)
    previous = enrolled.records[0].digest
    place = Place(sequence=3, digest=bytes(32))
    registrar = headend.registrar
    changes = [
        registrar.name_good(METER, one.kid, place, at_utc=NOW),
        registrar.retire(METER, one.kid, place, at_utc=NOW),
        registrar.change_facts(METER, [fact(METER), fact(METER, from_utc=9, period_s=1800)], at_utc=NOW),
        registrar.revoke(METER, one.kid, at_utc=NOW),
    ]
    for number, record in enumerate(changes, start=1):
        assert (record.statement.number, record.statement.previous) == (number, previous)
        previous = record.digest
    (speaker,) = headend.record(METER).speakers
    assert (speaker.state, speaker.last, speaker.good) == (SpeakerState.REVOKED, None, place)
    assert len(headend.record(METER).facts) == 2
    assert len({record.statement.salt for record in changes}) == 4
    with pytest.raises(EnrolmentRefusedError, match="REVOKED: it cannot be retired"):
        registrar.retire(METER, one.kid, place, at_utc=NOW)


def test_changes_of_what_is_not_there_are_refused(headend: Headend) -> None:
    headend.enrol(gateway())
    with pytest.raises(EnrolmentRefusedError, match="is not listed"):
        headend.registrar.revoke(METER, bytes(32), at_utc=NOW)
    with pytest.raises(EnrolmentRefusedError, match="no record"):
        headend.registrar.revoke("SKS00000009", bytes(32), at_utc=NOW)
    assert headend.book.size(0) == 1


def test_a_ledgers_name_means_one_connection_point(headend: Headend) -> None:
    headend.enrol(gateway())
    headend.registrar.name_alias("other/name", f"CP-{METER}")
    assert headend.registry.posted_as(f"CP-{METER}") == (f"LEDGER-{METER}", "other/name")
    with pytest.raises(EnrolmentRefusedError, match="one id, one place"):
        headend.registrar.name_alias("other/name", "CP-2")
    assert headend.registry.connection_point("other/name") == f"CP-{METER}"
    assert headend.registry.connection_point("OTHER/name") is None


def test_the_registry_is_the_same_after_a_restart(headend: Headend) -> None:
    one, two = gateway(), gateway(2, ["SKS00000002", "SKS00000003"], shard=3)
    headend.enrol(one, two)
    headend.registrar.change_facts(METER, [fact(METER, connection_point="CP-new")], at_utc=NOW)
    fresh = Registry(headend.database)
    for registry in (headend.registry, fresh):
        assert registry.meters() == ("SKS00000001", "SKS00000002", "SKS00000003")
        assert registry.shards() == (0, 3)
        key = registry.key(two.kid)
        assert key is not None
        assert (key.key, key.address, key.down) == (two.signer.public_key, two.address, two.address.down)
        assert [meter.record.meter for meter in registry.meters_at("CP-new")] == [METER]
        assert registry.meters_at(f"CP-{METER}") == ()
        assert registry.gateway("gw-9") is None
        assert registry.meter(METER) == headend.registry.meter(METER)
