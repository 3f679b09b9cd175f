from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.outbox.outbox import Outbox
from edge_agent.steps import (
    ROOTS_REMEMBERED,
    Action,
    Alarm,
    AlarmKind,
    Arrived,
    Connect,
    Delay,
    Delays,
    Event,
    Ignored,
    LinkDown,
    LinkUp,
    Obey,
    Offered,
    Park,
    Publish,
    Settle,
    Settled,
    Tick,
    Want,
)
from edge_agent.uplink import STEADY_S, Pinned, Uplink
from signing.backends.file import create_key
from signing.keys import Algorithm
from signing.log.merkle import EMPTY_ROOT
from signing.log.note import SignatureKind, VerifierKey
from signing.messages import DownKind, Receipts, SignedAnswer, Up, encode_down, parse_down, parse_up
from signing.statements.answers import CommandKind, Disposition
from tests.edge_agent.discom import Discom, Log
from tests.edge_agent.gateway import Gateway, draft, to_send

DELAYS = Delays(answer_s=30, first_s=4, longest_s=64, in_flight=4)
NOW = 1000


class Bench:
    """An uplink with its outbox behind it, carried out as the agent does, without network or clock."""

    def __init__(self, gateway: Gateway, outbox: Outbox, discom: Discom, jitter: float = 0.0) -> None:
        self.gateway, self.outbox, self.discom = gateway, outbox, discom
        self.now = NOW
        self.uplink = Uplink(
            pinned=Pinned(
                gateway="gw1",
                log_key=discom.log.public,
                statement_keys=(discom.signer.public_key,),
            ),
            delays=DELAYS,
            seen=outbox.sightings.seen(),
            roots=outbox.sightings.roots(),
            jitter=lambda: jitter,
        )

    def feed(self, event: Event) -> list[Action]:
        """Every action that followed, `Want` answered from the outbox and everything durable done."""
        actions, events = [], [event]
        while events:
            for action in self.uplink.handle(events.pop(0), self.now):
                actions.append(action)
                match action:
                    case Want(count, excluding):
                        batches = self.outbox.to_send(
                            now_utc=self.now, limit=count, excluding=excluding, longest_delay_s=64
                        )
                        if batches:
                            events.append(Offered(batches))
                    case Settle():
                        self.outbox.settle(action, self.now)
                        events.append(Settled(action))
                    case Delay():
                        self.outbox.delay(action)
                    case Park():
                        self.outbox.park(action)
                    case Obey(command):
                        if self.outbox.obey(command):
                            events.append(Tick())
                    case _:
                        pass
        return actions

    def sent(self, event: Event) -> list[Up]:
        return [parse_up(action.payload) for action in self.feed(event) if isinstance(action, Publish)]

    def up(self) -> list[Up]:
        """Connects; what is sent then."""
        assert self.feed(Tick()) == [Connect()]
        return self.sent(LinkUp())

    def put(self, *blocks: int, meter: str = "M1") -> None:
        for block in blocks:
            assert self.gateway.put(self.outbox, draft(block, meter=meter)) is not None

    def waiting(self) -> int:
        return self.outbox.report.backlog().waiting


@pytest.fixture
def bench(gateway: Gateway, outbox: Outbox, discom: Discom) -> Bench:
    return Bench(gateway, outbox, discom)


def reasons(actions: list[Action]) -> list[str]:
    return [action.reason for action in actions if isinstance(action, Ignored)]


def test_nothing_is_sent_before_the_broker_took_connection_and_subscription(bench: Bench) -> None:
    bench.put(0)
    assert bench.feed(Tick()) == [Connect()]
    assert bench.feed(Tick()) == []
    assert len(bench.sent(LinkUp())) == 1


def test_at_most_the_window_is_in_flight_and_each_batch_once(bench: Bench) -> None:
    bench.put(*range(6))
    ups = bench.up()
    assert len(ups) == DELAYS.in_flight
    assert bench.sent(Tick()) == []
    bench.now += 1
    more = bench.sent(Arrived(bench.discom.answer(*ups[:3])))
    assert len(more) == 2
    assert not {up.envelope.digest for up in more} & {up.envelope.digest for up in ups}


def test_a_verified_receipt_frees_and_says_what_was_seen(bench: Bench) -> None:
    bench.put(0, 1)
    ups = bench.up()
    assert [up.seen_size for up in ups] == [0, 0]
    bench.feed(Arrived(bench.discom.answer(*ups)))
    assert bench.waiting() == 0
    assert bench.uplink.seen_size == 2
    bench.put(2)
    (third,) = bench.sent(Tick())
    assert third.seen_size == 2
    bench.feed(Arrived(bench.discom.answer(third)))
    assert bench.waiting() == 0


def test_p5_a_second_receipt_is_harmless(bench: Bench) -> None:
    bench.put(0)
    answer = bench.discom.answer(*bench.up())
    bench.feed(Arrived(answer))
    bench.feed(Arrived(answer))
    assert bench.outbox.report.backlog().receipted == 1
    assert bench.uplink.seen_size == 1


def test_a_late_older_receipt_is_no_log_that_shrank(bench: Bench) -> None:
    bench.put(0)
    older = bench.discom.answer(*bench.up())
    bench.feed(Arrived(older))
    bench.put(1)
    bench.feed(Arrived(bench.discom.answer(*bench.sent(Tick()))))
    assert reasons(bench.feed(Arrived(older))) == ["an older checkpoint again: size 1, seen 2"]
    assert bench.uplink.seen_size == 2


def test_an_unanswered_batch_is_sent_again_after_the_time_for_answers_and_a_pause(bench: Bench) -> None:
    bench.put(0)
    (first,) = bench.up()
    bench.now += DELAYS.answer_s - 1
    assert bench.feed(Tick()) == [Want(3, frozenset({first.envelope.digest}))]
    bench.now += 1
    actions = bench.feed(Tick())
    assert actions[0] == Delay(
        digest=first.envelope.digest, attempts=1, not_before_utc=bench.now + DELAYS.first_s, refusal=None
    )
    bench.now += DELAYS.first_s
    (again,) = bench.sent(Tick())
    assert again.identity() == first.identity()


def seconds_until_it_connects(bench: Bench) -> int:
    """From a `LinkDown` to the next `Connect`."""
    bench.feed(LinkDown("gone"))
    before = bench.now
    while bench.feed(Tick()) != [Connect()]:
        bench.now += 1
    return bench.now - before


@pytest.mark.parametrize(("jitter", "pauses"), [(0.0, [4, 8, 16, 32, 64, 64]), (0.999, [2, 4, 8, 16, 32, 32])])
def test_pauses_double_up_to_the_longest_and_are_shortened_at_random(
    gateway: Gateway, outbox: Outbox, discom: Discom, jitter: float, pauses: list[int]
) -> None:
    bench = Bench(gateway, outbox, discom, jitter)
    bench.feed(Tick())
    assert [seconds_until_it_connects(bench) for _ in pauses] == pauses
    bench.feed(LinkUp())
    bench.now += STEADY_S - 1
    assert seconds_until_it_connects(bench) == pauses[-1]
    bench.feed(LinkUp())
    bench.now += STEADY_S
    assert seconds_until_it_connects(bench) == pauses[0]
    assert seconds_until_it_connects(bench) == pauses[1]
    bench.put(0)
    bench.feed(Arrived(discom.answer(*bench.sent(LinkUp()))))
    assert seconds_until_it_connects(bench) == pauses[0]


def test_a_clock_that_jumps_back_keeps_nobody_waiting(bench: Bench) -> None:
    bench.feed(Tick())
    bench.feed(LinkDown("gone"))
    assert bench.feed(Tick()) == []
    bench.now -= 10_000
    bench.put(0)
    bench.up()
    bench.now -= 10_000
    assert any(isinstance(action, Delay) for action in bench.feed(Tick()))


def test_a_lost_connection_sends_again_what_was_in_flight(bench: Bench) -> None:
    bench.put(0)
    (first,) = bench.up()
    bench.feed(LinkDown("gone"))
    bench.now += DELAYS.first_s
    (again,) = bench.up()
    assert again.identity() == first.identity()


def test_an_answer_that_is_handled_after_the_connection_was_lost_sends_nothing(bench: Bench) -> None:
    bench.put(*range(DELAYS.in_flight + 1))
    first, *_ = bench.up()
    answer = bench.discom.answer(first)
    bench.feed(LinkDown("gone"))
    assert bench.sent(Arrived(answer)) == []


def test_what_is_in_flight_is_not_sent_again_because_it_is_offered_again(bench: Bench) -> None:
    bench.put(0)
    bench.up()
    assert bench.uplink.handle(Offered(to_send(bench.outbox)), bench.now) == ()


def test_what_is_remembered_of_the_log_is_bounded(gateway: Gateway, outbox: Outbox, discom: Discom) -> None:
    bench = Bench(gateway, outbox, discom)
    bench.uplink._roots = {size: bytes(32) for size in range(10, 10 + ROOTS_REMEMBERED - 1)} | {0: EMPTY_ROOT}
    bench.put(0)
    (up,) = bench.up()
    bench.feed(Arrived(discom.answer(up)))
    assert len(bench.uplink._roots) == ROOTS_REMEMBERED
    assert 0 in bench.uplink._roots


def test_p5_after_a_restart_the_same_bytes_are_sent(bench: Bench) -> None:
    bench.put(0)
    (first,) = bench.up()
    restarted = Bench(bench.gateway, bench.outbox, bench.discom)
    (again,) = restarted.up()
    assert again.encoded() == first.encoded()
    assert restarted.feed(Arrived(bench.discom.answer(again, first)))
    assert restarted.waiting() == 0
    assert bench.discom.log.digests == [first.envelope.digest]


def test_a_receipt_that_arrives_after_a_restart_counts(bench: Bench) -> None:
    bench.put(0)
    answer = bench.discom.answer(*bench.up())
    restarted = Bench(bench.gateway, bench.outbox, bench.discom)
    restarted.feed(Arrived(answer))
    assert restarted.waiting() == 0


# Receipts that prove nothing


def test_a_checkpoint_of_another_log_key_frees_nothing(bench: Bench) -> None:
    bench.put(0)
    ups = bench.up()
    foreign = Log(Ed25519PrivateKey.generate(), [up.envelope.digest for up in ups])
    actions = bench.feed(Arrived(encode_down(foreign.receipts(ups[0].envelope.digest, old_size=0))))
    assert len(reasons(actions)) == 1
    assert bench.waiting() == 1


def test_a_path_to_another_leaf_frees_nothing_and_the_good_ones_beside_it_do(bench: Bench) -> None:
    bench.put(0, 1)
    ups = bench.up()
    message = parse_down(bench.discom.answer(*ups))
    assert isinstance(message, Receipts)
    good, bad = message.inclusions
    mangled = replace(message, inclusions=(good, replace(bad, index=0)))
    actions = bench.feed(Arrived(encode_down(mangled)))
    assert "proves nothing" in reasons(actions)[0]
    assert bench.waiting() == 1


def test_garbage_is_ignored_with_words(bench: Bench) -> None:
    bench.up()
    for payload in (b"", b"\x00", b"\xff" * 70_000):
        assert len(reasons(bench.feed(Arrived(payload)))) == 1


@given(st.binary(max_size=200))
def test_no_bytes_on_the_down_topic_do_more_than_be_ignored(payload: bytes) -> None:
    uplink = Uplink(
        pinned=Pinned(
            gateway="gw1",
            log_key=VerifierKey(name="log", kind=SignatureKind.ED25519, public=bytes(32)),
            statement_keys=(),
        ),
        delays=DELAYS,
        seen=None,
        roots={},
        jitter=lambda: 0.0,
    )
    assert all(isinstance(action, Ignored) for action in uplink.handle(Arrived(payload), NOW))


def test_p15_a_log_that_shrank_is_alarmed_and_frees_nothing(bench: Bench) -> None:
    bench.put(0, 1)
    bench.feed(Arrived(bench.discom.answer(*bench.up())))
    bench.put(2)
    (third,) = bench.sent(Tick())
    shrunk = Log(bench.discom.log_key, [third.envelope.digest])
    payload = encode_down(shrunk.receipts(third.envelope.digest, old_size=0))
    (alarm,) = bench.feed(Arrived(payload))
    assert alarm == Alarm(AlarmKind.SHRANK, "(3) the log shrank: seen at size 2, now 1", payload)
    assert bench.waiting() == 1
    assert bench.uplink.seen_size == 2


def test_p15_another_tree_of_the_same_size_is_alarmed(bench: Bench) -> None:
    bench.put(0)
    bench.feed(Arrived(bench.discom.answer(*bench.up())))
    bench.put(1)
    (second,) = bench.sent(Tick())
    forked = Log(bench.discom.log_key, [second.envelope.digest])
    (alarm,) = bench.feed(Arrived(encode_down(forked.receipts(second.envelope.digest, old_size=1))))
    assert isinstance(alarm, Alarm)
    assert (alarm.kind, alarm.message[:13]) == (AlarmKind.FORKED, "(4) two trees")
    assert bench.waiting() == 1


def test_p15_a_rewritten_log_that_grew_is_alarmed(bench: Bench) -> None:
    bench.put(0)
    bench.feed(Arrived(bench.discom.answer(*bench.up())))
    bench.put(1)
    (second,) = bench.sent(Tick())
    rewritten = Log(bench.discom.log_key, [b"x" * 32, second.envelope.digest])
    (alarm,) = bench.feed(Arrived(encode_down(rewritten.receipts(second.envelope.digest, old_size=1))))
    assert isinstance(alarm, Alarm)
    assert (alarm.kind, alarm.message[:3]) == (AlarmKind.FORKED, "(5)")
    assert bench.waiting() == 1
    assert bench.uplink.seen_size == 1


def test_p15_a_rewritten_log_cannot_hide_behind_an_older_size(bench: Bench) -> None:
    bench.put(0)
    bench.feed(Arrived(bench.discom.answer(*bench.up())))
    bench.put(1)
    bench.feed(Arrived(bench.discom.answer(*bench.sent(Tick()))))
    bench.put(2)
    (third,) = bench.sent(Tick())
    first = bench.discom.log.digests[0]
    # Consistent with size 1, which was seen too, and not with size 2.
    rewritten = Log(bench.discom.log_key, [first, b"x" * 32, third.envelope.digest])
    bench.feed(Arrived(encode_down(rewritten.receipts(third.envelope.digest, old_size=1))))
    assert bench.waiting() == 1
    assert bench.uplink.seen_size == 2
    # The honest log's next answer then names a size at which two trees are signed, or goes on: nothing is lost.
    bench.discom.log.admit(third.envelope.digest)
    (alarm,) = bench.feed(Arrived(encode_down(bench.discom.log.receipts(third.envelope.digest, old_size=2))))
    assert isinstance(alarm, Alarm)


def test_p15_not_even_from_nothing_at_all(bench: Bench) -> None:
    bench.put(0)
    bench.feed(Arrived(bench.discom.answer(*bench.up())))
    bench.put(1)
    (second,) = bench.sent(Tick())
    rewritten = Log(bench.discom.log_key, [b"x" * 32, second.envelope.digest])
    actions = bench.feed(Arrived(encode_down(rewritten.receipts(second.envelope.digest, old_size=0))))
    assert bench.waiting() == 1
    assert not any(isinstance(action, Settle) and action.receipts for action in actions)


def test_an_answer_from_an_older_size_makes_the_batch_go_again_once_with_the_newest(bench: Bench) -> None:
    bench.put(0, 1)
    first, second = bench.up()
    late = bench.discom
    early_answer = late.answer(first)
    late_answer = late.answer(second)  # from size 0 too: both were sent before anything was seen
    bench.feed(Arrived(early_answer))
    (again,) = bench.sent(Arrived(late_answer))
    assert (again.identity(), again.seen_size) == (second.identity(), 1)
    assert bench.sent(Arrived(late_answer)) == []
    bench.feed(Arrived(late.answer(again)))
    assert bench.waiting() == 0
    assert bench.uplink.seen_size == 2


def test_a_path_from_a_size_that_was_never_seen_is_ignored(bench: Bench) -> None:
    bench.put(0, 1)
    ups = bench.up()
    bench.discom.answer(*ups)
    payload = encode_down(bench.discom.log.receipts(ups[0].envelope.digest, old_size=1))
    assert reasons(bench.feed(Arrived(payload))) == ["a consistency path from size 1, never seen"]
    assert bench.waiting() == 2


def test_a_settlement_that_was_not_stored_is_not_taken_as_seen(bench: Bench) -> None:
    bench.put(0)
    answer = bench.discom.answer(*bench.up())
    (settle,) = bench.uplink.handle(Arrived(answer), NOW)
    assert isinstance(settle, Settle)
    assert bench.uplink.seen_size == 0
    bench.feed(Arrived(answer))
    assert bench.waiting() == 0


# Refusals


def test_p24_a_parked_batch_never_blocks_those_behind_it(bench: Bench) -> None:
    bench.put(*range(9))
    sent = bench.up()
    for _ in range(20):
        if not sent:
            break
        victim, *others = sent
        refused = bench.sent(Arrived(bench.discom.refuse(victim)))
        sent = refused + (bench.sent(Arrived(bench.discom.answer(*others))) if others else [])
    backlog = bench.outbox.report.backlog()
    assert backlog.waiting == 0
    assert backlog.parked + backlog.receipted == 9


def test_a_window_of_refused_batches_blocks_nothing(bench: Bench) -> None:
    bench.put(*range(DELAYS.in_flight + 1))
    *refused, last = bench.up()
    sent = [up for each in [*refused, last] for up in bench.sent(Arrived(bench.discom.refuse(each)))]
    assert bench.outbox.report.backlog().parked == DELAYS.in_flight
    (behind,) = sent
    bench.feed(Arrived(bench.discom.answer(behind)))
    assert bench.waiting() == 0


def test_a_retry_waits_longer_each_time(bench: Bench) -> None:
    bench.put(0)
    (up,) = bench.up()
    pauses = []
    for _ in range(3):
        payload = bench.discom.refuse(up, number=3, disposition=Disposition.RETRY)
        delay = bench.feed(Arrived(payload))[0]
        assert isinstance(delay, Delay)
        assert delay.refusal is not None
        pauses.append(delay.not_before_utc - bench.now)
        bench.now = delay.not_before_utc
        (up,) = bench.sent(Tick())
    assert pauses == [4, 8, 16]


def test_refusals_that_are_not_for_these_bytes_now_and_here_are_ignored(bench: Bench, tmp_path: Path) -> None:
    bench.put(0)
    bench.feed(Arrived(bench.discom.answer(*bench.up())))
    bench.put(1)
    (up,) = bench.sent(Tick())
    forger = create_key(str(tmp_path / "forger.pem"), Algorithm.ES256)
    good = bench.discom.refuse(up)
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    for payload, words in (
        (bench.discom.refuse(up, signer=forger), "expected a pinned discom key"),
        (flipped, "the signature is not that of key"),
        (bench.discom.refuse(up, message=bytes(32)), "a refusal of other bytes"),
        (bench.discom.refuse(up, kid=bytes(32)), "a refusal of other bytes"),
        (bench.discom.refuse(up, tree_size=0), "a refusal as of size 0, seen 1"),
    ):
        (reason,) = reasons(bench.feed(Arrived(payload)))
        assert words in reason
    assert bench.waiting() == 1
    bench.feed(Arrived(bench.discom.refuse(up, tree_size=1)))
    assert bench.waiting() == 0


def test_a_refusal_of_a_receipted_batch_is_ignored(bench: Bench) -> None:
    bench.put(0)
    (up,) = bench.up()
    bench.feed(Arrived(bench.discom.answer(up)))
    assert reasons(bench.feed(Arrived(bench.discom.refuse(up)))) == ["a refusal of a batch that is not in flight"]
    assert bench.outbox.report.backlog().receipted == 1


def test_a_receipt_wins_over_a_park(bench: Bench) -> None:
    bench.put(0)
    (up,) = bench.up()
    bench.feed(Arrived(bench.discom.refuse(up)))
    bench.feed(Arrived(bench.discom.answer(up)))
    assert bench.outbox.report.backlog().receipted == 1


# Commands


def test_a_resend_sends_receipted_batches_again_for_the_same_leaf(bench: Bench) -> None:
    bench.put(0, 1)
    ups = bench.up()
    bench.feed(Arrived(bench.discom.answer(*ups)))
    payload = bench.discom.command(number=1, kid=bench.outbox.kid, first=0, last=0)
    (again,) = bench.sent(Arrived(payload))
    assert again.envelope.digest == ups[0].envelope.digest
    bench.feed(Arrived(bench.discom.answer(again)))
    assert bench.discom.log.digests == [up.envelope.digest for up in ups]
    assert bench.sent(Arrived(payload)) == []
    assert to_send(bench.outbox) == []


def test_commands_of_others_or_for_others_are_ignored(bench: Bench, tmp_path: Path) -> None:
    bench.put(0)
    bench.feed(Arrived(bench.discom.answer(*bench.up())))
    forger = create_key(str(tmp_path / "forger.pem"), Algorithm.ES256)
    kid = bench.outbox.kid
    for payload in (
        bench.discom.command(number=1, kid=kid, first=0, last=0, gateway="gw2"),
        bench.discom.command(number=1, kid=kid, first=0, last=0, signer=forger),
    ):
        assert len(reasons(bench.feed(Arrived(payload)))) == 1
    assert to_send(bench.outbox) == []


def test_a_refusal_in_the_clothes_of_a_command_is_ignored(bench: Bench) -> None:
    bench.put(0)
    (up,) = bench.up()
    refusal = parse_down(bench.discom.refuse(up))
    assert isinstance(refusal, SignedAnswer)
    swapped = SignedAnswer(DownKind.COMMAND, refusal.envelope)
    assert len(reasons(bench.feed(Arrived(encode_down(swapped))))) == 1


def test_a_reread_reaches_the_outbox(bench: Bench) -> None:
    bench.up()
    payload = bench.discom.command(number=1, kid=bench.outbox.kid, first=900, last=1800, kind=CommandKind.REREAD)
    bench.feed(Arrived(payload))
    assert list(bench.outbox.rereads("M1")) == [1]
