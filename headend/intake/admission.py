"""Checks 5 to 7, and what an admitted batch does: inside the transaction that logs it.

The newest record in the log at that moment decides, so the registry is refreshed in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from headend.intake.answers import Receipted, Refused
from headend.intake.authentic import Authentic, authenticate
from headend.intake.chain import Chain, judge, place
from headend.intake.claims import Claim
from headend.logbook import LogTransaction
from headend.registry import RegisteredKey, RegisteredMeter, Registry
from headend.store.sqlite.log_rows import leaf_place
from headend.store.store import BatchStore, Fork, Link, NewBatch, Put
from signing.topics import GatewayAddress


@dataclass(slots=True)
class Group:
    """The claims of one step that belong to one chain."""

    meter: str
    key: RegisteredKey
    claims: list[Claim]
    stored: dict[int, list[Link]] = field(default_factory=dict)
    """Admitted batches at and beside the claims' sequences; grows while claims are admitted."""
    same: list[tuple[Claim, int]] = field(default_factory=list)
    """Claims that are admitted already, with their leaf."""
    authentic: Authentic = field(default_factory=lambda: Authentic([], [], []))

    @property
    def address(self) -> GatewayAddress:
        """Where the answers go."""
        return self.key.address


@dataclass(slots=True)
class Admission:
    """What one transaction admits."""

    rows: list[NewBatch] = field(default_factory=list)
    receipts: list[tuple[GatewayAddress, int, Receipted]] = field(default_factory=list)
    """With the gateway and the log."""
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
        speaker = None if registered is None else registered.record.speaker(kid)
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
        old = sorted({claim.header.sequence for claim in claims if claim.header.sequence <= head})
        if (
            len(old) == len(claims) == 1
            and old[0] == head
            and any(link.digest == claims[0].digest for link in chain.head)
        ):
            # The newest batch, sent again: there is nothing beside it to compare.
            return {head: list(chain.head)}
        for first, last in _runs(old):
            for link in self._store.links(chain.chain, first - 1, last + 1):
                if link not in found.setdefault(link.sequence, []):
                    found[link.sequence].append(link)
        if chain.head:
            found[head] = list(chain.head)
        return found


def examine(group: Group, chains: Chains, registry: Registry) -> None:
    """Sorts out which claims are stored already and which are authentic (check 4)."""
    key = group.key.key
    chain = chains.get(group.meter, key.kid)
    fresh = group.claims
    if chain is not None:
        group.stored = chains.neighbours(chain, group.claims)
        fresh = []
        for claim in group.claims:
            link = _link_to(claim, group.stored)
            # Its digest was found authentic before: another signature over the same bytes adds and changes nothing.
            if link is None:
                fresh.append(claim)
            else:
                group.same.append((claim, link.leaf))
    if fresh:
        registered = registry.meter(group.meter)
        record = None if registered is None else registered.record
        group.authentic = authenticate(
            fresh, key, group.stored, lambda sequence: record is not None and record.vouches(key.kid, sequence)
        )


def admit(groups: Sequence[Group], chains: Chains, registry: Registry, transaction: LogTransaction) -> Admission:
    """Admits or refuses every authentic claim (checks 5 to 7) and gives the admitted ones their leaves."""
    admission = Admission()
    for group in groups:
        for claim, leaf in group.same:
            _receipt(admission, group, claim, leaf)
            admission.again += 1
        if group.authentic.claims:
            _admit_group(group, chains, registry, transaction, admission)
    return admission


def _admit_group(
    group: Group, chains: Chains, registry: Registry, transaction: LogTransaction, admission: Admission
) -> None:
    kid = group.key.key.kid
    meter = registry.meter(group.meter)
    speaker = None if meter is None else meter.record.speaker(kid)
    chain = chains.get(group.meter, kid)
    if meter is None or speaker is None or chain is None:
        _refuse(admission, group, group.authentic.claims, 5)
        return
    gaps_changed = False
    for claim in reversed(group.authentic.claims):
        sequence = claim.header.sequence
        if not meter.record.vouches(kid, sequence):
            _refuse(admission, group, [claim], 6)
            continue
        known = group.stored.get(sequence, [])
        put = judge(known, claim.digest)
        if put is Put.REFUSED:
            _refuse(admission, group, [claim], 7)
            continue
        gaps_changed |= _put(group, chain, claim, meter, transaction, admission)
    if gaps_changed:
        admission.gaps.append((group, chain))
    # Further copies of what was admitted: answered by the same receipt, counted as sent again.
    for claim in group.authentic.again:
        if _link_to(claim, group.stored) is not None:
            admission.again += 1
        else:
            admission.refused.extend((group, Refused(claim, number)) for number in _refused_as(admission, claim))


def _put(  # noqa: PLR0917 - one place that joins chain, row and leaf
    group: Group,
    chain: Chain,
    claim: Claim,
    meter: RegisteredMeter,
    transaction: LogTransaction,
    admission: Admission,
) -> bool:
    """Gives a claim its leaf and its row; whether the chain's gaps changed."""
    header = claim.header
    leaf = transaction.append(meter.record.log, [claim.digest])
    link = Link(header.sequence, claim.digest, header.previous, header.reach_utc, header.end_utc, leaf)
    here = group.stored.setdefault(header.sequence, [])
    placed = place(chain, link, group.stored)
    row = NewBatch(
        leaf,
        chain.chain,
        header.sequence,
        len(here),
        claim.digest,
        header.start_utc,
        header.end_utc,
        header.reach_utc,
        claim.up.envelope.encoded(),
        claim.up.opening,
    )
    here.append(link)
    admission.rows.append(row)
    admission.admitted.append(claim)
    admission.forks.extend((group, chain, fork) for fork in placed.forks)
    _receipt(admission, group, claim, leaf)
    return placed.gaps_changed


def _receipt(admission: Admission, group: Group, claim: Claim, leaf: int) -> None:
    log, index = leaf_place(leaf)
    admission.receipts.append((group.address, log, Receipted(claim, index)))


def _refuse(admission: Admission, group: Group, claims: Sequence[Claim], number: int) -> None:
    admission.refused.extend((group, Refused(claim, number)) for claim in claims)


def _refused_as(admission: Admission, claim: Claim) -> list[int]:
    """The number under which the same batch was refused in this step."""
    return [one.number for _, one in admission.refused if one.claim.digest == claim.digest][:1]


def _link_to(claim: Claim, stored: dict[int, list[Link]]) -> Link | None:
    return next((link for link in stored.get(claim.header.sequence, ()) if link.digest == claim.digest), None)


def _runs(sequences: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as ranges of neighbours."""
    runs: list[tuple[int, int]] = []
    for sequence in sequences:
        if runs and sequence == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], sequence)
        else:
            runs.append((sequence, sequence))
    return runs
