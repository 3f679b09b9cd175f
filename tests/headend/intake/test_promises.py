"""The promises of EVIDENCE §6 that intake keeps."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cbor2 import CBORTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headend.errors import FatalError
from headend.intake.worker import Step
from headend.store.store import ForkKind, Gap
from signing.canonical import encode
from signing.envelope import from_item
from signing.errors import VerificationError
from signing.log.note import VerifierKey
from signing.log.seen import advance
from signing.messages import Receipts
from signing.statements.meter_record import Place
from tests.headend.premises import NOW, Gateway, Headend, Message, gateway

METER = "SKS00000001"


@pytest.fixture
def one(headend: Headend) -> Gateway:
    enrolled = gateway()
    headend.enrol(enrolled)
    return enrolled


def chain_of(headend: Headend, one: Gateway, meter: str = METER) -> int:
    registered = headend.registry.meter(meter)
    assert registered is not None
    return registered.chains[one.kid]


def test_p1_any_flipped_bit_of_header_or_opening_is_refused(headend: Headend, one: Gateway) -> None:
    payload = one.next().encoded()
    # The last three bytes are seen_size, which nobody signs; the signature's own bits are check 4's.
    flips = [place for place in range(len(payload) - 3) for _ in range(8)]
    for number, place in enumerate(flips):
        altered = bytearray(payload)
        altered[place] ^= 1 << number % 8
        headend.transport.deliver("sakshi/1/0/gw-1/up", bytes(altered))
    report = headend.step()
    while report.settled:
        assert report.admitted == report.again == 0
        report = headend.step()
    assert headend.stored() == []


def test_p4_a_missing_batch_is_named_exactly(headend: Headend) -> None:
    many = [gateway(number, [f"SKS{number:08d}"]) for number in range(1, 9)]
    headend.enrol(*many)
    for missing, one in enumerate(many):
        messages = [one.next() for _ in range(8)]
        del messages[missing]
        headend.take_in(*messages)
        gaps = headend.store.gaps(chain_of(headend, one, one.meters[0]))
        # Behind the newest batch nothing can be known to be missing.
        assert gaps == ((Gap(missing, missing),) if missing < 7 else ())


@pytest.mark.parametrize("missing", [{0}, {3}, {3, 4}, {0, 2, 4}, {1, 2, 5}])
def test_p4_late_batches_close_their_gaps(headend: Headend, one: Gateway, missing: set[int]) -> None:
    messages = [one.next() for _ in range(7)]
    headend.take_in(*(message for message in messages if message.batch.sequence not in missing))
    gaps = headend.store.gaps(chain_of(headend, one))
    assert {sequence for gap in gaps for sequence in range(gap.first, gap.last + 1)} == missing
    for sequence in sorted(missing, key=lambda number: -number):
        headend.take_in(messages[sequence])
    assert headend.store.gaps(chain_of(headend, one)) == ()
    assert headend.store.forks(chain_of(headend, one)) == ()


def test_p5_a_batch_sent_again_has_one_effect_and_one_leaf(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(3)]
    headend.take_in(*messages)
    first = headend.receipts()
    report = headend.take_in(*messages, *messages)
    assert (report.admitted, report.again) == (0, 6)
    assert headend.receipts() == first
    again = headend.restarted()
    try:
        assert again.take_in(messages[1], topic="sakshi/1/0/gw-2/up").again == 1
        assert again.receipts() == {messages[1].digest: first[messages[1].digest]}
        assert again.book.size(0) == 4
    finally:
        again.close()


def test_p5_on_another_topic_the_answer_goes_to_the_registered_one(headend: Headend, one: Gateway) -> None:
    other = gateway(2, ["SKS00000002"])
    headend.enrol(other)
    message = one.next()
    assert headend.take_in(message, topic=other.address.up).admitted == 1
    assert [topic for topic, _ in headend.answers()] == [one.address.down]


def test_p5_twice_in_one_step_is_once(headend: Headend, one: Gateway) -> None:
    message = one.next()
    report = headend.take_in(message, message, message)
    assert (report.admitted, report.again) == (1, 2)
    assert len(headend.stored()) == 1


def test_p7_a_restored_sd_image_forks(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(4)]
    headend.take_in(*messages)
    # The image is of after batch 1; the device reads on and signs another batch 2.
    clone = one.after(messages[1], METER, wh=77)
    report = headend.take_in(clone)
    assert report.admitted == 1
    assert [(fork.meter, fork.kid, fork.sequence) for fork in report.forks] == [(METER, one.kid, 2)]
    (fork,) = headend.store.forks(chain_of(headend, one))
    assert (fork.sequence, fork.kind) == (2, ForkKind.TWO_DIGESTS)


def test_p7_a_clone_that_goes_on_is_found_by_its_first_link(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(3)]
    hidden = one.after(messages[1], METER, wh=77)
    headend.take_in(*messages)
    report = headend.take_in(one.after(hidden, METER))
    assert report.admitted == 1
    (fork,) = headend.store.forks(chain_of(headend, one))
    assert (fork.sequence, fork.kind) == (2, ForkKind.PREVIOUS)


@pytest.mark.parametrize(
    ("changes", "sequence", "kind"),
    [
        ({"reach_utc": 1}, 1, ForkKind.REACH),
        ({"previous": b"x" * 32}, 0, ForkKind.PREVIOUS),
    ],
)
def test_a_disagreement_between_neighbours_is_a_fork(
    headend: Headend, one: Gateway, changes: dict[str, object], sequence: int, kind: ForkKind
) -> None:
    first = one.next()
    headend.take_in(first, one.after(first, METER, **changes))  # type: ignore[arg-type]  # fields of the batch
    (fork,) = headend.store.forks(chain_of(headend, one))
    assert (fork.sequence, fork.kind) == (sequence, kind)


def test_the_first_batch_must_name_its_enrolment(headend: Headend, one: Gateway) -> None:
    headend.take_in(one.next(previous=b"x" * 32))
    (fork,) = headend.store.forks(chain_of(headend, one))
    assert (fork.sequence, fork.kind) == (0, ForkKind.ENROLMENT)


@pytest.mark.parametrize(
    "changes",
    [
        {"meter": "SKS00000002"},
        {"start_utc": 1_777_141_800 + 3600},
        {"period_s": 1800},
        {"origin": 3},
        {"clock_source": 2},
        {"sequence": 1},
    ],
)
def test_p8_a_substituted_field_is_refused(headend: Headend, one: Gateway, changes: dict[str, object]) -> None:
    message = one.next()
    batch = replace(message.batch, **changes)  # type: ignore[arg-type]  # fields of the batch
    forged = replace(one.signed(batch, message.opening).envelope, signature=message.envelope.signature)
    assert headend.take_in(Message(batch, message.opening, forged)).noise == {4: 1}


def test_p8_a_substituted_register_or_flag_is_refused(headend: Headend, one: Gateway) -> None:
    message = one.next()
    for columns in (
        replace(message.opening.columns, flags=(8,) * 4),
        replace(message.opening.columns, import_wh=(9,) * 4),
    ):
        opening = replace(message.opening, columns=columns)
        assert headend.take_in(replace(message, opening=opening)).noise == {2: 1}


def test_p15_receipts_prove_growth_and_a_rewritten_log_is_found(headend: Headend, one: Gateway) -> None:
    key: VerifierKey = headend.key.verifier
    seen = None
    for count in (1, 3, 2):
        messages = [replace(one.next(), seen_size=0 if seen is None else seen.size) for _ in range(count)]
        headend.take_in(*messages)
        ((_, answer),) = headend.answers()
        assert isinstance(answer, Receipts)
        assert answer.old_size == (0 if seen is None else seen.size)
        if seen is not None:
            with pytest.raises(VerificationError):
                advance(replace(seen, root=bytes(32)), answer.checkpoint, answer.consistency, key)
        seen = advance(seen, answer.checkpoint, answer.consistency, key)
    assert seen is not None
    assert seen.size == 7


def test_p15_the_path_starts_from_the_largest_seen_size_answered(headend: Headend, one: Gateway) -> None:
    headend.take_in(*(one.next() for _ in range(5)))
    headend.answers()
    headend.take_in(*(replace(one.next(), seen_size=size) for size in (2, 6, 0)))
    ((_, answer),) = headend.answers()
    assert isinstance(answer, Receipts)
    assert answer.old_size == 6


def test_p15_an_agent_that_saw_more_than_there_is_gets_no_path(headend: Headend, one: Gateway) -> None:
    headend.take_in(replace(one.next(), seen_size=1000))
    ((_, answer),) = headend.answers()
    assert isinstance(answer, Receipts)
    assert (answer.old_size, answer.consistency) == (0, ())


def test_p19_a_second_signature_over_the_same_bytes_is_a_duplicate(headend: Headend, one: Gateway) -> None:
    message = one.next()
    headend.take_in(message)
    first = headend.receipts()
    other = message.with_signature(bytes(64))
    assert headend.take_in(other).again == 1
    assert headend.receipts() == first
    assert len(headend.stored()) == 1


def test_p19_a_flipped_signature_in_a_backlog_loses_nothing(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(6)]
    messages[2] = messages[2].with_signature(bytes(64))
    messages[3] = messages[3].with_signature(bytes(64))
    report = headend.take_in(*messages)
    assert (report.admitted, report.noise.total()) == (6, 0)


def test_p19_a_damaged_newest_signature_costs_that_batch_alone(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(6)]
    damaged = messages[5].with_signature(bytes(64))
    report = headend.take_in(*messages[:5], damaged)
    assert (report.admitted, dict(report.noise)) == (5, {4: 1})
    assert headend.take_in(messages[5]).admitted == 1


def test_p19_a_stored_successor_vouches_for_a_damaged_batch(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(3)]
    headend.take_in(messages[0], messages[2])
    assert headend.take_in(messages[1].with_signature(bytes(64))).admitted == 1
    assert headend.store.gaps(chain_of(headend, one)) == ()


def test_p19_a_forged_copy_does_not_hide_the_genuine_one(headend: Headend, one: Gateway) -> None:
    message = one.next()
    report = headend.take_in(message.with_signature(bytes(64)), message)
    assert (report.admitted, report.again) == (1, 1)
    (row,) = headend.database.connection.execute("SELECT sign1 FROM batches").fetchall()
    assert row[0] == message.envelope.encoded()


def test_a_forged_successor_vouches_for_nothing(headend: Headend, one: Gateway) -> None:
    message = one.next()
    successor = one.next()
    report = headend.take_in(message.with_signature(bytes(64)), successor.with_signature(bytes(64)))
    assert dict(report.noise) == {4: 2}
    assert headend.stored() == []


def test_a_successor_beyond_the_last_batch_vouches_but_is_refused(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(3)]
    headend.take_in(messages[0])
    headend.registrar.retire(METER, one.kid, Place(sequence=1, digest=messages[1].digest), at_utc=NOW)
    report = headend.take_in(messages[1].with_signature(bytes(64)), messages[2])
    assert (report.admitted, dict(report.refused)) == (1, {6: 1})


def test_where_the_successor_is_refused_the_genuine_signature_is_kept(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(2)]
    headend.registrar.retire(METER, one.kid, Place(sequence=0, digest=messages[0].digest), at_utc=NOW)
    report = headend.take_in(messages[0].with_signature(bytes(64)), messages[0], messages[1])
    assert (report.admitted, report.again, dict(report.refused)) == (1, 1, {6: 1})
    (row,) = headend.database.connection.execute("SELECT sign1 FROM batches").fetchall()
    assert row[0] == messages[0].envelope.encoded()


def misnamed(one: Gateway, message: Message) -> Message:
    """The batch under the other algorithm's number, signed as such by the gateway's own key."""
    protected = encode({1: -8, 3: message.batch.CONTENT_TYPE, 4: one.kid})
    to_be_signed = encode(["Signature1", protected, b"", message.envelope.payload])
    item = CBORTag(18, [protected, {}, message.envelope.payload, one.signer.sign(to_be_signed)])
    return replace(message, envelope=from_item(item))


def test_p2_an_algorithm_that_is_not_the_keys_is_refused_though_the_key_signed_it(
    headend: Headend, one: Gateway
) -> None:
    assert dict(headend.take_in(misnamed(one, one.next())).noise) == {4: 1}


def test_p2_no_successor_vouches_for_an_algorithm_that_is_not_the_keys(headend: Headend, one: Gateway) -> None:
    first = misnamed(one, one.next())
    report = headend.take_in(first, one.after(first, METER))
    assert (report.admitted, dict(report.noise)) == (1, {4: 1})


def test_p21_a_database_behind_the_checkpoint_file_refuses_to_sign(
    headend: Headend, one: Gateway, tmp_path: Path
) -> None:
    headend.take_in(one.next())
    headend.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = (tmp_path / "headend.db").read_bytes()
    headend.take_in(one.next())
    headend.close()
    for name in ("headend.db-wal", "headend.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "headend.db").write_bytes(backup)
    with pytest.raises(FatalError, match=r"behind .*restore"):
        Headend(tmp_path)


def test_p22_a_full_disk_stops_acknowledging_alarms_and_keeps(headend: Headend, one: Gateway) -> None:
    headend.take_in(one.next())
    before = headend.receipts()
    connection = headend.database.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    messages = [one.next() for _ in range(600)]
    report = headend.take_in(*messages)
    assert report.alarm is not None
    assert "full" in report.alarm
    assert (report.held, report.settled, headend.transport.outstanding()) == (600, 0, 600)
    assert headend.transport.take() == []
    assert headend.worker.totals.alarms == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    assert headend.step().admitted == 600
    assert len(headend.receipts() | before) == 601
    assert headend.transport.outstanding() == 0
    assert headend.store.gaps(chain_of(headend, one)) == ()


def test_p22_a_checkpoint_file_that_cannot_be_written_stops_the_answers(
    headend: Headend, one: Gateway, tmp_path: Path
) -> None:
    beside = tmp_path / "checkpoint-0.new"
    beside.mkdir()
    message = one.next()
    report = headend.take_in(message)
    assert report.alarm is not None
    assert (report.held, headend.transport.take()) == (1, [])
    beside.rmdir()
    assert headend.step().again == 1
    assert headend.receipts() == {message.digest: 1}
    assert (tmp_path / "checkpoint-0").read_bytes() == headend.book.tip(0).checkpoint


def test_a_link_that_cannot_answer_keeps_the_deliveries(headend: Headend, one: Gateway) -> None:
    headend.send(one.next())
    headend.transport.close()
    report = headend.step()
    assert (report.held, report.alarm is not None) == (0, True)


@pytest.mark.parametrize("step", list(Step))
def test_p23_killed_at_any_step_nothing_is_lost_or_doubled(step: Step, tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-m", "tests.headend.intake.killed", str(tmp_path), step.value], check=False
    )
    assert killed.returncode == -9
    headend = Headend(tmp_path)
    try:
        one = gateway()
        messages = [one.next() for _ in range(5)]
        durable = step in {Step.COMMITTED, Step.ANSWERED, Step.ACKNOWLEDGED}
        assert len(headend.stored()) == (5 if durable else 0)
        # The broker, or the agent that has no receipt, sends again.
        report = headend.take_in(*messages)
        assert report.admitted + report.again == 5
        assert (report.again == 5) == durable
        assert sorted(headend.receipts().values()) == [1, 2, 3, 4, 5]
        assert len(headend.stored()) == 5
        assert headend.book.size(0) == 6
    finally:
        headend.close()


def test_p23_the_points_of_a_step_come_in_order(headend: Headend, one: Gateway) -> None:
    headend.take_in(one.next())
    assert headend.steps == list(Step)


def test_p24_refused_and_garbled_messages_block_nobody(headend: Headend, one: Gateway) -> None:
    other = gateway(2, ["SKS00000002"])
    headend.enrol(other)
    headend.registrar.revoke("SKS00000002", other.kid, at_utc=NOW)
    headend.transport.take()
    messages = [one.next() for _ in range(4)]
    headend.transport.deliver("x", b"\x00")
    headend.send(other.next(), messages[0], gateway(3).next(), messages[1].with_signature(bytes(64)))
    headend.transport.deliver("x", b"\xff")
    headend.send(other.next(), messages[2], messages[3])
    report = headend.step()
    assert (report.admitted, dict(report.noise), dict(report.refused)) == (4, {1: 2}, {6: 2, 3: 1})


@given(seed=st.integers(0, 2**32), size=st.integers(1, 7))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_p6_the_admitted_set_does_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int
) -> None:
    one = gateway()
    messages = [one.next() for _ in range(5)]
    # Two branches at 2, one that goes on from the hidden branch, one that lies about its reach.
    hidden = one.after(messages[1], METER, wh=50)
    messages += [hidden, one.after(hidden, METER), one.after(messages[4], METER, reach_utc=3)]
    views = []
    for shuffled in (messages, random.Random(seed).sample(messages, len(messages))):
        headend = Headend(tmp_path_factory.mktemp("order"))
        try:
            headend.enrol(one)
            for start in range(0, len(shuffled), size):
                headend.take_in(*shuffled[start : start + size])
            chain = chain_of(headend, one)
            forks = [fork.sequence for fork in headend.store.forks(chain)]
            views.append((headend.stored(), headend.store.gaps(chain), forks))
        finally:
            headend.close()
    assert views[0] == views[1]
    assert views[0][2] == [2, 3, 5]


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_p14_altered_messages_are_never_accepted_and_never_crash(headend: Headend, data: st.DataObject) -> None:
    one = gateway()
    if headend.registry.meter(METER) is None:
        headend.enrol(one)
    altered = bytearray(one.after(None, METER, wh=data.draw(st.integers(0, 3))).encoded())
    # Not the last byte: seen_size is nobody's word.
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(altered) - 2))
        match data.draw(st.integers(0, 2)):
            case 0:
                altered[place] ^= data.draw(st.integers(1, 255))
            case 1:
                altered.insert(place, data.draw(st.integers(0, 255)))
            case _:
                del altered[place]
    headend.transport.deliver("sakshi/1/0/gw-1/up", bytes(altered))
    assert headend.step().settled == 1
    genuine = {
        (one.after(None, METER, wh=wh).digest, one.after(None, METER, wh=wh).opening.encoded()) for wh in range(4)
    }
    rows = headend.database.connection.execute("SELECT digest, opening FROM batches").fetchall()
    assert set(rows) <= genuine
    assert headend.receipts().keys() <= {digest for digest, _ in rows}


def test_receipts_of_a_backlog_fit_their_messages(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(500)]
    headend.take_in(*messages)
    payloads = [payload for _, payload in headend.transport.sent]
    assert len(payloads) > 1
    assert max(map(len, payloads)) <= 65_536
    assert len(headend.receipts()) == 500
