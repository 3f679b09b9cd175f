"""One chain in memory: what a batch means at its place, without any I/O.

What is found is a function of the admitted batches and not of their order of arrival: a sequence is a fork point when it has
two digests, or when a batch after it names a digest that is not there. Source: docs/wire-format.md §4.1; EVIDENCE §3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headend.store.store import Fork, ForkKind, Gap, Link, Put


@dataclass(slots=True)
class Chain:
    """A chain's newest end and its open gaps. Owned by the intake worker; dropped when a transaction fails."""

    chain: int
    """Row id."""
    enrolment: bytes
    """What sequence 0 names."""
    head: tuple[Link, ...]
    """The batches with the greatest sequence: none, one, or two branches."""
    gaps: list[Gap] = field(default_factory=list)

    @property
    def head_sequence(self) -> int:
        """The greatest admitted sequence, -1 when there is none."""
        return self.head[0].sequence if self.head else -1


class Placed(NamedTuple):
    """What admitting one batch does to its chain."""

    forks: tuple[Fork, ...]
    gaps_changed: bool


def judge(known: Sequence[Link], digest: bytes) -> Put:
    """What storing `digest` comes to, when `known` stands at its sequence (check 7)."""
    if not known:
        return Put.NEW
    if any(link.digest == digest for link in known):
        return Put.SAME
    return Put.CONFLICT if len(known) == 1 else Put.REFUSED


def follows(chain: Chain, link: Link) -> bool:
    """Whether `link` is simply the next batch: behind a single head that it agrees with. Then `place` finds nothing."""
    if len(chain.head) != 1:
        return False
    (head,) = chain.head
    return (
        link.sequence == head.sequence + 1
        and link.previous == head.digest
        and link.reach_utc == max(head.end_utc, head.reach_utc)
    )


def place(chain: Chain, link: Link, stored: Mapping[int, Sequence[Link]]) -> Placed:
    """Puts an admitted batch into `chain`, which is changed.

    `stored` has the admitted batches at the sequences before, at and after it, by sequence, without `link`.
    """
    before, here, after = (stored.get(link.sequence + step, ()) for step in (-1, 0, 1))
    forks = list(_own_forks(chain, link, before))
    if here:
        forks.append(Fork(link.sequence, ForkKind.TWO_DIGESTS, link.leaf))
    for successor in after:
        forks.extend(_forks_between((*here, link), successor))
    return Placed(tuple(forks), _extend(chain, link))


def _own_forks(chain: Chain, link: Link, before: Sequence[Link]) -> Iterable[Fork]:
    """What disagrees between a batch and whatever stands before it."""
    if link.sequence == 0:
        if link.previous != chain.enrolment or link.reach_utc != 0:
            yield Fork(0, ForkKind.ENROLMENT, link.leaf)
    elif before:
        yield from _forks_between(before, link)


def _forks_between(before: Sequence[Link], link: Link) -> Iterable[Fork]:
    """What disagrees between a batch and the batches of the sequence before it."""
    named = [link_before for link_before in before if link_before.digest == link.previous]
    if not named:
        # There is another batch of that sequence somewhere: the histories part there.
        yield Fork(link.sequence - 1, ForkKind.PREVIOUS, link.leaf)
    elif link.reach_utc != named[0].next_reach_utc:
        yield Fork(link.sequence, ForkKind.REACH, link.leaf)


def _extend(chain: Chain, link: Link) -> bool:
    """Moves head and gaps; whether the gaps changed."""
    head = chain.head_sequence
    if link.sequence == head + 1:
        chain.head = (link,)
        return False
    if link.sequence > head:
        chain.gaps.append(Gap(head + 1, link.sequence - 1))
        chain.head = (link,)
        return True
    if link.sequence == head:
        chain.head = (*chain.head, link)
        return False
    return _fill(chain.gaps, link.sequence)


def _fill(gaps: list[Gap], sequence: int) -> bool:
    for place, gap in enumerate(gaps):
        if gap.first <= sequence <= gap.last:
            gaps[place : place + 1] = [
                part for part in (Gap(gap.first, sequence - 1), Gap(sequence + 1, gap.last)) if part.first <= part.last
            ]
            return True
    return False
