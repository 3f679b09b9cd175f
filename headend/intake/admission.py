"""Checks 5 to 7, and what an admitted batch does: inside the transaction that logs it.

The newest record in the log at that moment decides, so the registry is refreshed in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headend.intake.answers import Receipted, Refused
from headend.intake.authentic import authenticate, speaks, unsigned
from headend.intake.chain import Chain, follows, judge, place
from headend.intake.claims import Claim, Noise
from headend.log.logbook import LogTransaction
from headend.onboarding.known import RegisteredKey, RegisteredMeter, Registry
from headend.store.sqlite.log_rows import leaf_place
from headend.store.store import BatchStore, Fork, Link, NewBatch, Put
from signing.fields import MAX_UINT
from signing.statements.meter_record import SpeakerState


class Receiver(NamedTuple):
    """Where receipts go and which log they are from; what has one receiver shares messages."""

    topic: str
    log: int


class Group:
    """The claims of one step that belong to one chain, and what was found out about them."""

    __slots__ = ("again", "authentic", "chain", "claims", "key", "meter", "noise", "same", "stored")

    def __init__(self, meter: str, key: RegisteredKey, claim: Claim) -> None:
        self.meter = meter
        self.key = key
        self.claims = [claim]
        self.chain: Chain | None = None
        self.stored: dict[int, list[Link]] | None = None
        """Admitted batches at and beside the claims' sequences; grows while claims are admitted. None while nothing but the
        head can matter."""
        self.same: Sequence[tuple[Claim, int]] = ()
        """Claims that are admitted already, with their leaf."""
        self.authentic: Sequence[Claim] = ()
        """One for each digest, by descending sequence."""
        self.again: Sequence[Claim] = ()
        """Further messages with the digest of an authentic claim."""
        self.noise: Sequence[Noise] = ()


@dataclass(slots=True)
class Admission:
    """What one transaction admits."""

    rows: list[NewBatch] = field(default_factory=list)
    receipts: dict[Receiver, list[Receipted]] = field(default_factory=dict)
    refused: list[tuple[Group, Refused]] = field(default_factory=list)
    admitted: list[Claim] = field(default_factory=list)
    again: int = 0
    forks: list[tuple[Group, Chain, Fork]] = field(default_factory=list)
    gaps: list[tuple[Group, Chain]] = field(default_factory=list)
    """Chains whose gaps changed."""


class Chains:
    """The chains in memory, loaded when first spoken of. What a failed transaction touched must be forgotten."""

    __slots__ = ("_chains", "_registry", "_store")

    def __init__(self, registry: Registry, store: BatchStore) -> None:
        self._registry = registry
        self._store = store
        self._chains: dict[tuple[str, bytes], Chain] = {}

    def get(self, meter: str, kid: bytes) -> Chain | None:
        """The chain of a meter and a key, or none while no record has listed the key for the meter."""
        chain = self._chains.get((meter, kid))
        if chain is not None:
            return chain
        registered = self._registry.meter(meter)
        row = None if registered is None else registered.chains.get(kid)
        speaker = None if registered is None else registered.speakers.get(kid)
        if row is None or speaker is None:
            return None
        chain = Chain(row, speaker.enrolment, self._store.head(row), list(self._store.gaps(row)))
        self._chains[meter, kid] = chain
        return chain

    def forget(self, groups: Sequence[Group]) -> None:
        """Drops the chains of `groups`: they are loaded again from what is durable."""
        for group in groups:
            self._chains.pop((group.meter, group.key.key.kid), None)

    def neighbours(self, chain: Chain, claims: Sequence[Claim]) -> dict[int, list[Link]]:
        """The admitted batches at the claims' sequences and beside them, by sequence."""
        head = chain.head_sequence
        found: dict[int, list[Link]] = {}
        if all(any(claim.batch.digest == link.digest for link in chain.head) for claim in claims):
            # The newest batch, sent again: there is nothing beside it to compare.
            return {head: list(chain.head)}
        old = sorted({claim.batch.sequence for claim in claims if claim.batch.sequence <= head})
        for first, last in _runs(old):
            # Nothing stands above the greatest sequence, and the database could not be asked for it.
            for link in self._store.links(chain.chain, first - 1, min(last + 1, MAX_UINT)):
                if link not in found.setdefault(link.sequence, []):
                    found[link.sequence].append(link)
        if chain.head:
            found[head] = list(chain.head)
        return found


def examine(group: Group, chains: Chains, registry: Registry) -> None:
    """Sorts out which claims are stored already and which are authentic (check 4)."""
    key, claims = group.key.key, group.claims
    chain = group.chain = chains.get(group.meter, key.kid)
    if len(claims) == 1 and (chain is None or claims[0].batch.sequence > chain.head_sequence):
        # The common case: one batch beyond the head. Nothing stored can be it, or vouch for it.
        if speaks(claims[0], key):
            group.authentic = claims
        else:
            group.noise = (unsigned(claims[0]),)
        return
    stored = {} if chain is None else chains.neighbours(chain, claims)
    same, fresh = [], []
    for claim in claims:
        link = _link_to(claim, stored)
        # Its digest was found authentic before: another signature over the same bytes adds and changes nothing.
        if link is None:
            fresh.append(claim)
        else:
            same.append((claim, link.leaf))
    group.stored, group.same = stored, same
    if fresh:
        registered = registry.meter(group.meter)
        record = None if registered is None else registered.record
        group.authentic, group.again, group.noise = authenticate(
            fresh, key, stored, lambda sequence: record is not None and record.vouches(key.kid, sequence)
        )


def admit(groups: Sequence[Group], chains: Chains, registry: Registry, transaction: LogTransaction) -> Admission:
    """Admits or refuses every authentic claim (checks 5 to 7) and gives the admitted ones their leaves."""
    admission = Admission()
    # In the order of the chains the index by chain is touched page by page; senders come in no order at all.
    for group in sorted(groups, key=_chain_row):
        for claim, leaf in group.same:
            _receipt(admission, group, claim, leaf)
            admission.again += 1
        if group.authentic:
            _admit_group(group, chains, registry, transaction, admission)
    return admission


def _chain_row(group: Group) -> int:
    return 0 if group.chain is None else group.chain.chain


def _admit_group(
    group: Group, chains: Chains, registry: Registry, transaction: LogTransaction, admission: Admission
) -> None:
    kid = group.key.key.kid
    meter = registry.meter(group.meter)
    speaker = None if meter is None else meter.speakers.get(kid)
    chain = group.chain or chains.get(group.meter, kid)
    # Check 5.
    if meter is None or speaker is None or chain is None:
        _refuse(admission, group, group.authentic, 5)
        _refuse(admission, group, group.again, 5)
        return
    gaps_changed = False
    for claim in reversed(group.authentic):
        sequence = claim.batch.sequence
        # Check 6.
        if speaker.state is not SpeakerState.ACTIVE and not meter.record.vouches(kid, sequence):
            _refuse(admission, group, [claim], 6)
        # Check 7.
        elif judge(_at(group, sequence), claim.batch.digest) is Put.REFUSED:
            _refuse(admission, group, [claim], 7)
        else:
            gaps_changed |= _put(group, chain, claim, meter, transaction, admission)
    if gaps_changed:
        admission.gaps.append((group, chain))
    _count_copies(group, admission)


def _put(  # noqa: PLR0917 - one place that joins chain, row and leaf
    group: Group, chain: Chain, claim: Claim, meter: RegisteredMeter, transaction: LogTransaction, admission: Admission
) -> bool:
    """Gives a claim its leaf and its row; whether the chain's gaps changed."""
    batch = claim.batch
    leaf = transaction.append_one(meter.record.log, batch.digest)
    link = Link(batch.sequence, batch.digest, batch.previous, batch.reach_utc, batch.end_utc, leaf)
    here = _at(group, batch.sequence)
    branch = len(here)
    stored = group.stored
    if (stored is None or (not here and batch.sequence + 1 not in stored)) and follows(chain, link):
        chain.head = (link,)
        gaps_changed = False
        if stored is not None:
            stored[batch.sequence] = [link]
    else:
        if stored is None:
            stored = group.stored = {chain.head_sequence: list(chain.head)} if chain.head else {}
        forks, gaps_changed = place(chain, link, stored)
        stored.setdefault(batch.sequence, []).append(link)
        for fork in forks:
            admission.forks.append((group, chain, fork))
    admission.rows.append(
        NewBatch(
            leaf,
            chain.chain,
            batch.sequence,
            branch,
            batch.digest,
            batch.start_utc,
            batch.end_utc,
            batch.reach_utc,
            batch.sign1,
            batch.opening,
        )
    )
    admission.admitted.append(claim)
    _receipt(admission, group, claim, leaf)
    return gaps_changed


def _count_copies(group: Group, admission: Admission) -> None:
    """Further copies share the fate of the one that was looked at."""
    for claim in group.again:
        if _link_to(claim, group.stored or {}) is not None:
            admission.again += 1
        else:
            number = next(one.number for _, one in admission.refused if one.claim.batch.digest == claim.batch.digest)
            _refuse(admission, group, [claim], number)


def _receipt(admission: Admission, group: Group, claim: Claim, leaf: int) -> None:
    log, index = leaf_place(leaf)
    receiver, receipted = Receiver(group.key.down, log), Receipted(claim, index)
    some = admission.receipts.get(receiver)
    if some is None:
        admission.receipts[receiver] = [receipted]
    else:
        some.append(receipted)


def _refuse(admission: Admission, group: Group, claims: Sequence[Claim], number: int) -> None:
    admission.refused.extend((group, Refused(claim, number)) for claim in claims)


def _at(group: Group, sequence: int) -> Sequence[Link]:
    return () if group.stored is None else group.stored.get(sequence, ())


def _link_to(claim: Claim, stored: dict[int, list[Link]]) -> Link | None:
    return next((link for link in stored.get(claim.batch.sequence, ()) if link.digest == claim.batch.digest), None)


def _runs(sequences: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as ranges of neighbours."""
    runs: list[tuple[int, int]] = []
    for sequence in sequences:
        if runs and sequence == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], sequence)
        else:
            runs.append((sequence, sequence))
    return runs
