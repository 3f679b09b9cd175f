"""Intake without a broker: live batches, and a backlog after an outage."""

import gc
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.anchor import Anchor
from benchmarks.cpu import used_s
from benchmarks.fleet import Fleet, Gateway, Sent
from benchmarks.site import NOW, Ground, Site
from headend.intake.worker import IntakeWorker
from headend.transport.memory import MemoryTransport
from signing.messages import Receipts, parse_down, parse_up


@dataclass(slots=True)
class Rounds:
    """What rounds of one row cost, each beside its own sample of the limit."""

    costs_s: list[float] = field(default_factory=list)
    """CPU seconds of one envelope, by round."""
    limits_s: list[float] = field(default_factory=list)
    """CPU seconds of one verification, sampled right after the round."""
    spent_s: float = 0.0
    envelopes: int = 0

    def add(self, spent_s: float, envelopes: int, limit_s: float) -> None:
        """Counts a round."""
        self.costs_s.append(spent_s / envelopes)
        self.limits_s.append(limit_s)
        self.spent_s += spent_s
        self.envelopes += envelopes

    @property
    def ratio(self) -> float:
        """The limit over the cost of one envelope: the median of the rounds."""
        return statistics.median(limit / cost for limit, cost in zip(self.limits_s, self.costs_s, strict=True))

    @property
    def cost_s(self) -> float:
        """CPU seconds of one envelope: the median of the rounds."""
        return statistics.median(self.costs_s)

    def context(self) -> str:
        """In words."""
        return (
            f"{self.envelopes} envelopes in {len(self.costs_s)} rounds, {self.spent_s:.0f} s of CPU, "
            f"{self.cost_s * 1e6:.1f} us an envelope, {1 / self.cost_s:.0f} a CPU second"
        )


def live(ground: Ground, fleet: Fleet, blocks: int, seconds: float, anchor: Anchor) -> Rounds:
    """Every gateway's next batch in random order, again and again, until intake has used `seconds` of CPU."""
    rounds = Rounds()
    fleet.restart()
    with ground.site() as site:
        transport = MemoryTransport()
        worker = site.worker(transport)
        while rounds.spent_s < seconds:
            messages = fleet.round(blocks)
            _deliver(transport, messages)
            spent = _drain(site, worker, fleet, len(messages))
            _require_receipts(transport.take(), len(messages))
            rounds.add(spent, len(messages), anchor.sample())
    return rounds


@dataclass(frozen=True, slots=True)
class Outage:
    """A backlog as it is sent, and what must be found in it."""

    messages: Sequence[Sent]
    forged: int
    """Messages with a changed header: NOISE, check 4."""
    swapped: int
    """Messages with another opening: NOISE, check 2."""
    flipped: int
    """Messages with a damaged signature whose successor vouches for them: admitted."""


def outage(gateways: Sequence[Gateway], days: int, fleet: Fleet) -> Outage:
    """Whole days of every gateway, one gateway's after the other; one message in a hundred is tampered with."""
    messages: list[Sent] = []
    found = {"forged": 0, "swapped": 0, "flipped": 0}
    for one in gateways:
        run = [one.next(96, fleet.chance) for _ in range(days)]
        if days > 3 and fleet.chance.random() < days / 100:
            kind = fleet.chance.choice(tuple(found))
            # Neither the first nor the last: a run that ends in damage is one more signature to check.
            place = fleet.chance.randrange(1, days - 1)
            run[place] = _tampered(run[place], kind)
            found[kind] += 1
        messages += run
    return Outage(messages, **found)


def backlog(ground: Ground, fleet: Fleet, days: int, seconds: float, anchor: Anchor) -> tuple[Rounds, int]:
    """Runs of `days` batches of 96 blocks; also how many envelopes were tampered with. Every one of them is found."""
    rounds, tampered = Rounds(), 0
    fleet.restart()
    with ground.site() as site:
        transport = MemoryTransport()
        worker = site.worker(transport)
        while rounds.spent_s < seconds:
            sent = outage(fleet.some(max(1, len(fleet.gateways) // days)), days, fleet)
            _deliver(transport, sent.messages)
            before = worker.totals.noise.copy()
            noise = sent.forged + sent.swapped
            spent = _drain(site, worker, fleet, len(sent.messages) - noise)
            found = worker.totals.noise - before
            if (found[4], found[2], found.total()) != (sent.forged, sent.swapped, noise):
                raise AssertionError(f"expected {sent.forged} forged and {sent.swapped} swapped, found {dict(found)}")
            _require_receipts(transport.take(), len(sent.messages) - noise)
            tampered += noise + sent.flipped
            rounds.add(spent, len(sent.messages), anchor.sample())
    return rounds, tampered


def _tampered(sent: Sent, kind: str) -> Sent:
    """One bit of the message flipped: in the header, in the signature, or in the opening's salt."""
    payload = bytearray(sent.payload)
    up = parse_up(sent.payload)
    # The header ends with two digests: the software's, then the opening's. Right after the signature stands the opening.
    signature, opening = payload.index(up.envelope.signature), payload.index(up.opening)
    place = {"forged": signature - 2 - 40, "flipped": signature + 40, "swapped": opening + 8}[kind]
    payload[place] ^= 1
    return Sent(sent.topic, bytes(payload))


def _deliver(transport: MemoryTransport, messages: Sequence[Sent]) -> None:
    for sent in messages:
        transport.deliver(sent.topic, sent.payload)


def _drain(site: Site, worker: IntakeWorker, fleet: Fleet, expected: int) -> float:
    """Takes in everything that was delivered; the CPU seconds of the steps alone."""
    gc.collect()
    spent, admitted = 0.0, 0
    while True:
        before = used_s()
        report = worker.step(NOW, 0)
        spent += used_s() - before
        if not report.settled:
            break
        if report.alarm is not None or report.refused or report.forks:
            raise AssertionError(f"expected a clean step, got {report}")
        admitted += report.admitted
        fleet.receipted((one.meter for one in report.touched), site.book.size(0))
    if admitted != expected:
        raise AssertionError(f"expected {expected} admitted batches, got {admitted}")
    return spent


def _require_receipts(answers: Sequence[tuple[str, bytes]], expected: int) -> None:
    """Every admitted batch has one receipt."""
    digests: list[bytes] = []
    for _, payload in answers:
        answer = parse_down(payload)
        if not isinstance(answer, Receipts):
            raise TypeError(f"expected receipts only, got {answer}")
        digests += [entry.digest for entry in answer.inclusions]
    if len(digests) != expected or len(set(digests)) != expected:
        raise AssertionError(f"expected {expected} receipts, got {len(set(digests))}")
