"""The intake worker: drains the transport in batches; each batch becomes durable in one transaction before anything is answered.

The order of a step, and what a crash after each point leaves (EVIDENCE §3):

- FETCHED, VERIFIED, WRITTEN: nothing is durable; the broker or the agent sends again
- COMMITTED: everything is durable and the checkpoint is on the disk twice; nobody was told, the agents send again and get
  receipts for the same leaves
- ANSWERED: the broker may deliver again what was not acknowledged; it is answered with the same leaves
- ACKNOWLEDGED: done
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from headend.errors import UnavailableError
from headend.intake import answers
from headend.intake.admission import Admission, Chains, Group, admit, examine
from headend.intake.answers import Receipted, Receipter, Refused
from headend.intake.claims import Claim, Noise, read
from headend.intake.report import ForkPoint, IntakeReport, IntakeTotals, Touched
from headend.log.logbook import Appended, Logbook
from headend.onboarding.known import RegisteredKey, Registry
from headend.store.sqlite import turned_away_rows
from headend.store.sqlite.turned_away_rows import Sample
from headend.store.store import BatchStore
from headend.transport.transport import Delivery, Transport
from signing.errors import DecodeError
from signing.keys import Signer
from signing.topics import GatewayAddress, parse_up

DEFAULT_MOST = 4096
"""Deliveries of one step: enough to share one fsync, few enough to answer within a second."""


MOST_UNKNOWN_ANSWERED = 256
"""Refusals 3 of one step: anybody can make keys that nobody registered, and each answer costs a signature. Whoever gets none asks again."""


class Step(Enum):
    """The points of a step, in order; see the module."""

    FETCHED = "fetched"
    VERIFIED = "verified"
    WRITTEN = "written"
    COMMITTED = "committed"
    ANSWERED = "answered"
    ACKNOWLEDGED = "acknowledged"


@dataclass(slots=True)
class _Sorted:
    """The deliveries of one step after checks 1 to 4."""

    groups: list[Group]
    noise: list[Noise]
    unknown: list[Claim]
    """Claims whose key is not registered (check 3)."""


class IntakeWorker:
    """Takes in the batches of the shards that its transport delivers. Owned by one thread, with its database connection."""

    __slots__ = (
        "_book",
        "_chains",
        "_held",
        "_most",
        "_passed",
        "_registry",
        "_signer",
        "_store",
        "_transport",
        "totals",
    )

    def __init__(
        self,
        *,
        transport: Transport,
        store: BatchStore,
        registry: Registry,
        book: Logbook,
        signer: Signer,
        most: int = DEFAULT_MOST,
        passed: Callable[[Step], None] = lambda _: None,
    ) -> None:
        """`signer` is the discom's statement key, for refusals. `passed` is told each point of a step as it is passed."""
        self._transport = transport
        self._store = store
        self._registry = registry
        self._book = book
        self._signer = signer
        self._most = most
        self._passed = passed
        self._chains = Chains(registry, store)
        self._held: list[Delivery] = []
        self.totals = IntakeTotals()

    def step(self, now_utc: int, timeout_s: float = 0.05) -> IntakeReport:
        """Takes in what has arrived, waiting up to `timeout_s` for the first message. `now_utc` only dates rows.

        A database that cannot be written, or a link that cannot be answered on, is reported as an alarm: the deliveries are
        kept, not acknowledged, and tried again by the next step, which then fetches nothing new.

        Raises:
            FatalError: the process must end.
        """
        with _uncollected():
            report = self._step(now_utc, timeout_s)
        self.totals.add(report)
        return report

    def _step(self, now_utc: int, timeout_s: float) -> IntakeReport:
        report = IntakeReport()
        try:
            if not self._held:
                self._held = self._transport.fetch(self._most, timeout_s)
            if self._held:
                self._passed(Step.FETCHED)
                self._take_in(self._held, report, now_utc)
                self._held = []
        except UnavailableError as error:
            return IntakeReport(held=len(self._held), alarm=str(error))
        return report

    def _take_in(self, deliveries: Sequence[Delivery], report: IntakeReport, now_utc: int) -> None:
        found = self._sort(deliveries)
        self._passed(Step.VERIFIED)
        try:
            admission, appended = self._store_all(found, now_utc)
        except BaseException:
            self._chains.forget(found.groups)
            raise
        self._passed(Step.COMMITTED)
        self._answer(found, admission, appended)
        self._passed(Step.ANSWERED)
        noise = {one.delivery.token for one in found.noise}
        self._transport.reject([delivery for delivery in deliveries if delivery.token in noise])
        # Not before the commit: an acknowledged delivery never comes again.
        self._transport.ack([delivery for delivery in deliveries if delivery.token not in noise])
        self._passed(Step.ACKNOWLEDGED)
        _fill(report, found, admission, appended)

    def _sort(self, deliveries: Sequence[Delivery]) -> _Sorted:
        """Checks 1 to 4."""
        found = _Sorted([], [], [])
        groups: dict[tuple[str, bytes], Group] = {}
        for delivery in deliveries:
            claim = read(delivery)
            if isinstance(claim, Noise):
                found.noise.append(claim)
                continue
            chain = (claim.batch.meter, claim.batch.kid)
            group = groups.get(chain)
            if group is not None:
                group.claims.append(claim)
                continue
            key = self._registry.key(claim.batch.kid) or self._new_key(claim.batch.kid)
            if key is None:
                found.unknown.append(claim)
                continue
            groups[chain] = Group(claim.batch.meter, key, claim)
        found.groups = list(groups.values())
        for group in found.groups:
            examine(group, self._chains, self._registry)
            found.noise.extend(group.noise)
        return found

    def _store_all(self, found: _Sorted, now_utc: int) -> tuple[Admission, dict[int, Appended]]:
        with self._book.transaction() as transaction:
            self._registry.refresh()
            admission = admit(found.groups, self._chains, self._registry, transaction)
            self._store.put(admission.rows)
            for _, chain, fork in admission.forks:
                self._store.put_fork(chain.chain, fork, at_utc=now_utc)
            for _, chain in admission.gaps:
                self._store.replace_gaps(chain.chain, chain.gaps, at_utc=now_utc)
            turned_away = [*_noise_samples(found.noise), *_refusal_samples(found.unknown, admission)]
            if turned_away:
                totals: dict[int, int] = {}
                for sample in turned_away:
                    totals[sample.number] = totals.get(sample.number, 0) + 1
                turned_away_rows.count(transaction.connection, totals)
                turned_away_rows.keep(transaction.connection, turned_away, at_utc=now_utc)
            self._passed(Step.WRITTEN)
            # The commit point is the end of this block.
        return admission, transaction.appended

    def _answer(self, found: _Sorted, admission: Admission, appended: dict[int, Appended]) -> None:
        receipters: dict[int, Receipter] = {}
        for (topic, log), batches in admission.receipts.items():
            receipter = receipters.get(log)
            if receipter is None:
                receipter = receipters[log] = Receipter(self._book, log, appended.get(log))
            for message in receipter.messages(batches if len(batches) == 1 else _once(batches)):
                self._transport.publish(topic, message)
        answered: set[bytes] = set()
        for group, refused in admission.refused:
            if refused.claim.batch.digest not in answered:
                answered.add(refused.claim.batch.digest)
                self._refuse(group.key.address, refused)
        left = MOST_UNKNOWN_ANSWERED
        for claim in found.unknown:
            address = self._named_by_topic(claim)
            if left and address is not None and claim.batch.digest not in answered:
                left -= 1
                answered.add(claim.batch.digest)
                self._refuse(address, Refused(claim, 3))

    def _refuse(self, address: GatewayAddress, refused: Refused) -> None:
        meter = self._registry.meter(refused.claim.batch.meter)
        size = self._book.size(0 if meter is None else meter.record.log)
        self._transport.publish(address.down, answers.refusal(refused, self._signer, tree_size=size))

    def _named_by_topic(self, claim: Claim) -> GatewayAddress | None:
        """Where the gateway that a message's topic names is spoken to, if it is registered."""
        try:
            return self._registry.gateway(parse_up(claim.delivery.topic).gateway)
        except DecodeError:
            return None

    def _new_key(self, kid: bytes) -> RegisteredKey | None:
        """A key that was registered since the last step."""
        self._registry.refresh()
        return self._registry.key(kid)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic collector: what a step makes dies by reference counts, and a collector that walks the registry of
    every meter while it grows would cost as much as a signature check for each batch.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _once(batches: Iterable[Receipted]) -> list[Receipted]:
    """Each batch once, with the message that had seen most."""
    newest: dict[bytes, Receipted] = {}
    for batch in batches:
        digest = batch.claim.batch.digest
        other = newest.get(digest)
        if other is None or other.claim.batch.seen_size < batch.claim.batch.seen_size:
            newest[digest] = batch
    return list(newest.values())


def _noise_samples(noise: Iterable[Noise]) -> Iterable[Sample]:
    return (Sample(one.check, one.delivery.topic, one.reason, one.delivery.payload) for one in noise)


def _refusal_samples(unknown: Iterable[Claim], admission: Admission) -> Iterable[Sample]:
    refused = [Refused(claim, 3) for claim in unknown] + [one for _, one in admission.refused]
    return (
        Sample(one.number, one.claim.delivery.topic, answers.REASONS[one.number][0], one.claim.delivery.payload)
        for one in refused
    )


def _fill(report: IntakeReport, found: _Sorted, admission: Admission, appended: dict[int, Appended]) -> None:
    report.admitted = len(admission.admitted)
    report.again = admission.again
    report.noise.update(one.check for one in found.noise)
    report.refused.update(one.number for _, one in admission.refused)
    if found.unknown:
        report.refused[3] += len(found.unknown)
    report.touched = [
        Touched(claim.batch.meter, claim.batch.start_utc, claim.batch.end_utc) for claim in admission.admitted
    ]
    report.forks = [ForkPoint(group.meter, group.key.key.kid, fork.sequence) for group, _, fork in admission.forks]
    report.gaps_changed = {group.meter for group, _ in admission.gaps}
    report.tree_size = {log: change.tip.size for log, change in appended.items()}
