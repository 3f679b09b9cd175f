"""The numbered checks of docs/wire-format.md §5, "Intake"; each test goes red when its check is removed."""

import hashlib
from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from headend.intake.worker import MOST_UNKNOWN_ANSWERED
from headend.store.sqlite import turned_away_rows
from signing.backends.file import FileSigner
from signing.canonical import encode
from signing.envelope import unseal
from signing.fields import MAX_UINT
from signing.messages import SignedAnswer, Up, parse_up
from signing.statements.answers import Disposition, Refusal
from signing.statements.meter_record import Place
from tests.headend.premises import NOW, Gateway, Headend, Message, gateway


@pytest.fixture
def one(headend: Headend) -> Gateway:
    enrolled = gateway()
    headend.enrol(enrolled)
    return enrolled


def refusal(headend: Headend, answer: SignedAnswer) -> Refusal:
    return unseal(answer.envelope, Refusal, headend.statement_signer.public_key).statement


def only_refusal(headend: Headend) -> tuple[str, Refusal]:
    ((topic, answer),) = headend.refusals()
    return topic, refusal(headend, answer)


def deliver(headend: Headend, payload: bytes, topic: str = "sakshi/1/0/gw-1/up") -> None:
    headend.transport.deliver(topic, payload)


def changed(message: Message, **parts: bytes) -> bytes:
    """The message with other bytes in its envelope."""
    up = parse_up(message.encoded())
    return Up(replace(up.envelope, **parts), up.opening, up.seen_size).encoded()  # type: ignore[arg-type]  # bytes only


def assert_noise(headend: Headend, check: int) -> None:
    report = headend.step()
    assert report.noise == {check: 1}
    assert report.settled == 1
    assert headend.transport.take() == []
    assert headend.stored() == []
    assert turned_away_rows.totals(headend.database.connection) == {check: 1}
    assert len(turned_away_rows.samples(headend.database.connection, check)) == 1
    assert len(headend.transport.rejected) == 1


@pytest.mark.parametrize("payload", [b"", b"garbage", b"\x84\x01", b"\xff" * 100, encode([1, 2, b"", 0])])
def test_1_garbage_is_noise(headend: Headend, one: Gateway, payload: bytes) -> None:
    deliver(headend, payload)
    assert_noise(headend, 1)


@pytest.mark.parametrize("place", range(4))
def test_1_an_integer_of_thousands_of_digits_is_noise_wherever_it_stands(
    headend: Headend, one: Gateway, place: int
) -> None:
    parts: list[object] = [1, 2, b"", 0]
    parts[place] = 2**20_000
    deliver(headend, encode(parts))
    assert_noise(headend, 1)


def test_1_a_truncated_batch_is_noise(headend: Headend, one: Gateway) -> None:
    deliver(headend, one.next().encoded()[:-1])
    assert_noise(headend, 1)


def test_1_a_batch_with_bytes_behind_it_is_noise(headend: Headend, one: Gateway) -> None:
    deliver(headend, one.next().encoded() + b"\x00")
    assert_noise(headend, 1)


def test_1_a_batch_encoded_another_way_is_noise(headend: Headend, one: Gateway) -> None:
    payload = one.next().encoded()
    # The version as a two-byte integer: the same value, other bytes.
    deliver(headend, payload[:1] + b"\x18\x01" + payload[2:])
    assert_noise(headend, 1)


def test_1_a_message_above_65536_bytes_is_noise(headend: Headend, one: Gateway) -> None:
    up = parse_up(one.next().encoded())
    deliver(headend, Up(up.envelope, bytes(65_536), 0).encoded())
    assert_noise(headend, 1)


def test_1_another_kind_of_statement_is_noise(headend: Headend, one: Gateway) -> None:
    up = Up(one.request.envelope, b"", 0)
    deliver(headend, up.encoded())
    assert_noise(headend, 1)


def test_1_an_unprotected_header_is_noise(headend: Headend, one: Gateway) -> None:
    up = parse_up(one.next().encoded())
    item = cbor2.CBORTag(18, [up.envelope.protected, {1: -7}, up.envelope.payload, up.envelope.signature])
    deliver(headend, encode([1, item, up.opening, 0]))
    assert_noise(headend, 1)


@pytest.mark.parametrize("headers", [{3: "t", 4: bytes(32)}, {1: -257, 3: "t", 4: bytes(32)}, {1: -7, 3: "t"}])
def test_1_a_missing_or_foreign_algorithm_is_noise(headend: Headend, one: Gateway, headers: dict[int, object]) -> None:
    deliver(headend, changed(one.next(), protected=encode(headers)))
    assert_noise(headend, 1)


def test_2_an_opening_that_is_not_the_headers_is_noise(headend: Headend, one: Gateway) -> None:
    message = one.next()
    deliver(headend, Up(message.envelope, one.after(None, "SKS00000001", wh=99).opening.encoded(), 0).encoded())
    assert_noise(headend, 2)


def test_2_an_opening_with_another_number_of_blocks_is_noise(headend: Headend, one: Gateway) -> None:
    message = one.next()
    longer = one.signed(replace(message.batch, count=5), message.opening)
    deliver(headend, longer.encoded())
    assert_noise(headend, 2)


def test_2_an_opening_that_does_not_decode_is_noise(headend: Headend, one: Gateway) -> None:
    message = one.next()
    contents = hashlib.sha256(b"nonsense").digest()
    signed = one.signed(replace(message.batch, contents=contents), message.opening)
    deliver(headend, Up(signed.envelope, b"nonsense", 0).encoded())
    assert_noise(headend, 2)


def test_3_an_unknown_key_is_told_to_try_again_and_nothing_is_stored(headend: Headend, one: Gateway) -> None:
    stranger = gateway(2)
    message = stranger.next()
    report = headend.take_in(message, topic="sakshi/1/0/gw-1/up")
    assert report.refused == {3: 1}
    topic, said = only_refusal(headend)
    assert topic == "sakshi/1/0/gw-1/down"
    assert (said.number, said.disposition, said.statement) == (3, Disposition.RETRY, message.digest)
    assert said.message == parse_up(message.encoded()).identity()
    assert headend.stored() == []


def test_3_an_unknown_key_on_an_unknown_topic_is_not_answered(headend: Headend, one: Gateway) -> None:
    report = headend.take_in(gateway(2).next(), topic="sakshi/1/0/gw-2/up")
    assert report.refused == {3: 1}
    assert headend.transport.take() == []
    assert headend.take_in(gateway(2).next(), topic="nonsense").refused == {3: 1}
    assert headend.transport.take() == []


def test_3_unknown_keys_cost_no_more_signatures_than_a_step_has(headend: Headend, one: Gateway) -> None:
    stranger = gateway(9)
    headend.send(*(stranger.next() for _ in range(MOST_UNKNOWN_ANSWERED + 3)), topic=one.address.up)
    report = headend.step()
    assert report.refused == {3: MOST_UNKNOWN_ANSWERED + 3}
    assert len(headend.refusals()) == MOST_UNKNOWN_ANSWERED


def test_3_a_key_enrolled_by_another_program_is_known_at_once(headend: Headend, one: Gateway) -> None:
    late = gateway(2, ["SKS00000002"])
    other = Headend(headend.folder)
    other.enrol(late)
    other.close()
    assert headend.take_in(late.next()).admitted == 1


def test_4_a_wrong_signature_is_noise(headend: Headend, one: Gateway) -> None:
    deliver(headend, changed(one.next(), signature=bytes(64)))
    assert_noise(headend, 4)


@pytest.mark.parametrize("bit", range(0, 512, 37))
def test_4_a_flipped_bit_of_the_signature_is_noise(headend: Headend, one: Gateway, bit: int) -> None:
    message = one.next()
    signature = bytearray(message.envelope.signature)
    signature[bit // 8] ^= 1 << bit % 8
    deliver(headend, changed(message, signature=bytes(signature)))
    assert_noise(headend, 4)


def test_4_the_algorithm_of_another_kind_of_key_is_noise(headend: Headend, one: Gateway) -> None:
    message = one.next()
    swapped = encode({1: -8, 3: message.batch.CONTENT_TYPE, 4: one.kid})
    deliver(headend, changed(message, protected=swapped))
    assert_noise(headend, 4)


def test_4_ed25519_keys_speak_too(headend: Headend) -> None:
    key = FileSigner(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
    one = Gateway("gw-ed", key, ("SKS00000009",))
    headend.enrol(one)
    assert headend.take_in(one.next()).admitted == 1
    deliver(headend, changed(one.next(), signature=bytes(64)))
    assert headend.step().noise == {4: 1}


def test_4_another_gateways_key_cannot_sign_in_this_ones_name(headend: Headend, one: Gateway) -> None:
    thief = gateway(2, ["SKS00000002"])
    headend.enrol(thief)
    message = one.next()
    forged = thief.signed(message.batch, message.opening)
    deliver(headend, changed(message, signature=forged.envelope.signature))
    assert_noise(headend, 4)


def test_5_a_key_that_does_not_speak_for_the_meter_is_parked(headend: Headend, one: Gateway) -> None:
    other = gateway(2, ["SKS00000002"])
    headend.enrol(other)
    message = other.after(None, "SKS00000001")
    report = headend.take_in(message)
    assert report.refused == {5: 1}
    topic, said = only_refusal(headend)
    assert topic == other.address.down
    assert (said.number, said.disposition, said.kid) == (5, Disposition.PARK, other.kid)
    assert headend.stored() == []


def test_5_a_meter_without_a_record_is_parked(headend: Headend, one: Gateway) -> None:
    assert headend.take_in(one.after(None, "SKS99999999")).refused == {5: 1}
    assert only_refusal(headend)[1].number == 5


def test_6_a_revoked_key_is_parked_whatever_times_it_states(headend: Headend, one: Gateway) -> None:
    before = one.next()
    headend.take_in(before)
    headend.registrar.revoke("SKS00000001", one.kid, at_utc=NOW)
    headend.transport.take()
    report = headend.take_in(one.next(read_at_utc=1))
    assert report.refused == {6: 1}
    assert only_refusal(headend)[1].disposition is Disposition.PARK
    assert len(headend.stored()) == 1


def test_6_what_was_admitted_before_a_revocation_keeps_its_receipt(headend: Headend, one: Gateway) -> None:
    before = one.next()
    headend.take_in(before)
    first = headend.receipts()
    headend.registrar.revoke("SKS00000001", one.kid, at_utc=NOW)
    assert headend.take_in(before).again == 1
    assert headend.receipts() == first


def test_6_a_retired_key_speaks_up_to_its_last_batch(headend: Headend, one: Gateway) -> None:
    messages = [one.next() for _ in range(4)]
    last = messages[2]
    headend.take_in(messages[0])
    headend.registrar.retire("SKS00000001", one.kid, Place(sequence=2, digest=last.digest), at_utc=NOW)
    headend.transport.take()
    report = headend.take_in(*messages[1:])
    assert report.admitted == 2
    assert report.refused == {6: 1}


def test_6_the_record_at_the_commit_decides(headend: Headend, one: Gateway) -> None:
    headend.take_in(one.next())
    other = Headend(headend.folder)
    other.registrar.revoke("SKS00000001", one.kid, at_utc=NOW)
    other.close()
    assert headend.take_in(one.next()).refused == {6: 1}


def test_7_a_third_batch_of_one_sequence_is_parked(headend: Headend, one: Gateway) -> None:
    branches = [one.after(None, "SKS00000001", wh=wh) for wh in (1, 2, 3)]
    assert headend.take_in(branches[0]).admitted == 1
    second = headend.take_in(branches[1])
    assert second.admitted == 1
    assert [point.sequence for point in second.forks] == [0]
    headend.transport.take()
    assert headend.take_in(branches[2]).refused == {7: 1}
    assert only_refusal(headend)[1].number == 7
    assert len(headend.stored()) == 2


def test_7_three_batches_of_one_sequence_at_once_leave_two(headend: Headend, one: Gateway) -> None:
    report = headend.take_in(*(one.after(None, "SKS00000001", wh=wh) for wh in (1, 2, 3)))
    assert report.admitted == 2
    assert report.refused == {7: 1}


def test_everything_else_is_admitted_whatever_it_says(headend: Headend, one: Gateway) -> None:
    odd = [
        one.after(None, "SKS00000001", start_utc=7),
        one.after(None, "SKS00000001", start_utc=4_000_000_000 - 4_000_000_000 % 900, sequence=900),
        one.after(None, "SKS00000001", reach_utc=5, sequence=3),
        one.after(None, "SKS00000001", wh=-5, sequence=4),
        one.after(None, "SKS00000001", wh=2**50, sequence=5, read_at_utc=0),
    ]
    assert headend.take_in(*odd).admitted == 5


def test_the_greatest_sequence_there_is_forks_like_any_other(headend: Headend, one: Gateway) -> None:
    first = one.next()
    top = [one.after(first, one.meters[0], sequence=MAX_UINT, wh=wh) for wh in (10, 11)]
    headend.take_in(first)
    assert headend.take_in(top[0]).admitted == 1
    report = headend.take_in(top[1])
    assert (report.admitted, [fork.sequence for fork in report.forks]) == (1, [MAX_UINT])


def test_a_chain_of_gaps_costs_a_batch_no_more_than_the_gaps_that_it_changes(headend: Headend, one: Gateway) -> None:
    first = one.next()
    headend.take_in(first, *(one.after(first, one.meters[0], sequence=2 * n) for n in range(1, 40)))
    written: list[str] = []
    headend.database.connection.set_trace_callback(written.append)
    headend.take_in(one.after(first, one.meters[0], sequence=21))
    headend.database.connection.set_trace_callback(None)
    assert len([text for text in written if "gaps" in text and not text.startswith("SELECT")]) == 1
    assert [gap.first for gap in headend.store.gaps(1)] == [n for n in range(1, 78, 2) if n != 21]


def test_noise_never_counts_as_stored_already(headend: Headend, one: Gateway) -> None:
    message = one.next()
    deliver(headend, changed(message, signature=bytes(64)))
    headend.step()
    assert headend.take_in(message).admitted == 1


def test_a_refused_batch_blocks_none_behind_it(headend: Headend, one: Gateway) -> None:
    branches = [one.after(None, "SKS00000001", wh=wh) for wh in (1, 2, 3)]
    headend.take_in(*branches[:2])
    later = [one.after(branches[0], "SKS00000001")]
    report = headend.take_in(branches[2], *later)
    assert (report.admitted, report.refused) == (1, {7: 1})


def test_samples_of_noise_stay_within_their_quota(headend: Headend, one: Gateway) -> None:
    for number in range(turned_away_rows.SAMPLES_PER_CHECK + 50):
        deliver(headend, b"garbage %d" % number)
    headend.step()
    deliver(headend, b"x" * 10_000, topic="\ud800")
    headend.step()
    kept = turned_away_rows.samples(headend.database.connection, 1)
    assert len(kept) == turned_away_rows.SAMPLES_PER_CHECK
    assert len(kept[0].payload) == turned_away_rows.SAMPLE_BYTES
    assert turned_away_rows.totals(headend.database.connection) == {1: turned_away_rows.SAMPLES_PER_CHECK + 51}
