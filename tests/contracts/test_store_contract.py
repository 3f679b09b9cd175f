"""What every store of batches keeps, whatever its engine."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from headend.errors import FatalError
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.store import BatchStore, Fork, ForkKind, Gap, Link, NewBatch
from signing.interval import Interval
from tests.headend.premises import DAY, NOW, Gateway, Headend, Message, gateway

METER = "SKS00000001"


@dataclass
class Site:
    """A store with one enrolled chain, and the gateway that speaks on it."""

    store: BatchStore
    gateway: Gateway
    chain: int


@pytest.fixture(params=["sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    headend = Headend(tmp_path)
    one = gateway()
    headend.enrol(one)
    registered = headend.registry.meter(METER)
    assert registered is not None
    yield Site(SqliteBatches(headend.database.connection), one, registered.chains[one.kid])
    headend.close()


def row(site: Site, message: Message, leaf: int, branch: int = 0) -> NewBatch:
    batch = message.batch
    return NewBatch(
        leaf=leaf,
        chain=site.chain,
        sequence=batch.sequence,
        branch=branch,
        digest=message.digest,
        start_utc=batch.start_utc,
        end_utc=batch.end_utc,
        reach_utc=batch.reach_utc,
        sign1=message.envelope.encoded(),
        opening=message.opening.encoded(),
    )


def link(message: Message, leaf: int) -> Link:
    batch = message.batch
    return Link(batch.sequence, message.digest, batch.previous, batch.reach_utc, batch.end_utc, leaf)


def filled(site: Site, count: int) -> list[Message]:
    messages = [site.gateway.next() for _ in range(count)]
    site.store.put([row(site, message, 10 + place) for place, message in enumerate(messages)])
    return messages


def test_an_empty_chain_has_no_head(site: Site) -> None:
    assert site.store.head(site.chain) == ()
    assert site.store.links(site.chain, 0, 100) == ()
    assert site.store.places(METER, Interval(0, 2**32 - 1)) == ()


def test_the_head_is_the_greatest_sequence_with_both_branches(site: Site) -> None:
    messages = filled(site, 3)
    assert site.store.head(site.chain) == (link(messages[2], 12),)
    other = site.gateway.after(messages[1], METER, wh=5)
    site.store.put([row(site, other, 20, branch=1)])
    assert site.store.head(site.chain) == (link(messages[2], 12), link(other, 20))


def test_links_are_given_by_sequence(site: Site) -> None:
    messages = filled(site, 5)
    assert site.store.links(site.chain, 1, 3) == tuple(link(messages[place], 10 + place) for place in (1, 2, 3))
    assert site.store.links(site.chain, -1, 0) == (link(messages[0], 10),)


def test_a_batch_is_stored_once(site: Site) -> None:
    messages = filled(site, 2)
    with pytest.raises(FatalError, match="give each shard to one worker"):
        site.store.put([row(site, messages[1], 50)])
    assert len(site.store.links(site.chain, 0, 9)) == 2


def test_gaps_keep_their_age_while_they_are_filled(site: Site) -> None:
    site.store.replace_gaps(site.chain, [Gap(2, 9), Gap(20, 20)], at_utc=NOW)
    assert site.store.gaps(site.chain) == (Gap(2, 9), Gap(20, 20))
    site.store.replace_gaps(site.chain, [Gap(2, 4), Gap(6, 9), Gap(30, 31)], at_utc=NOW + 5)
    assert site.store.gaps(site.chain) == (Gap(2, 4), Gap(6, 9), Gap(30, 31))
    site.store.replace_gaps(site.chain, [], at_utc=NOW)
    assert site.store.gaps(site.chain) == ()


def test_a_fork_is_told_as_it_first_showed(site: Site) -> None:
    site.store.put_fork(site.chain, Fork(5, ForkKind.PREVIOUS, 3), at_utc=NOW)
    site.store.put_fork(site.chain, Fork(5, ForkKind.TWO_DIGESTS, 4), at_utc=NOW)
    site.store.put_fork(site.chain, Fork(2, ForkKind.REACH, 9), at_utc=NOW)
    assert site.store.forks(site.chain) == (Fork(2, ForkKind.REACH, 9), Fork(5, ForkKind.PREVIOUS, 3))


@pytest.mark.parametrize(
    ("start", "end", "sequences"),
    [
        (DAY, DAY + 3600, [0]),
        (DAY + 3599, DAY + 3601, [0, 1]),
        (DAY + 3600, DAY + 7200, [1]),
        (DAY + 7200, DAY + 7201, [2]),
        (DAY - 900, DAY, []),
        (DAY + 5 * 3600, DAY + 6 * 3600, []),
        (0, 2**32 - 1, [0, 1, 2, 3, 4]),
    ],
)
def test_what_touches_a_span_is_found(site: Site, start: int, end: int, sequences: list[int]) -> None:
    messages = filled(site, 5)
    found = site.store.places(METER, Interval(start, end))
    assert [sequence for _, sequence, _ in found] == sequences
    for leaf, sequence, covered in found:
        message, batch = messages[sequence], site.store.at_leaf(leaf)
        assert batch is not None
        assert (batch.leaf, batch.sequence, batch.header.span) == (leaf, sequence, covered)
        assert (batch.header, batch.opening, batch.digest) == (message.batch, message.opening, message.digest)
        assert (batch.kid, batch.sign1) == (site.gateway.kid, message.envelope.encoded())
        assert [reading.reading for reading in batch.readings()] == list(message.opening.readings)
        assert batch.readings()[0].block == Interval(message.batch.start_utc, message.batch.start_utc + 900)


def test_a_late_batch_that_reaches_back_is_found(site: Site) -> None:
    messages = filled(site, 5)
    late = site.gateway.after(messages[4], METER, start_utc=DAY)
    site.store.put([row(site, late, 30)])
    assert [sequence for _, sequence, _ in site.store.places(METER, Interval(DAY, DAY + 900))] == [0, 5]


def test_a_forked_or_gapped_chain_hides_nothing_behind_a_false_reach(site: Site) -> None:
    messages = filled(site, 3)
    liar = site.gateway.after(messages[2], METER, reach_utc=0)
    site.store.put([row(site, liar, 30)])
    site.store.put_fork(site.chain, Fork(3, ForkKind.REACH, 30), at_utc=NOW)
    assert [sequence for _, sequence, _ in site.store.places(METER, Interval(DAY, DAY + 900))] == [0]
    ahead = site.gateway.after(liar, METER, sequence=9, reach_utc=0)
    site.store.put([row(site, ahead, 31)])
    site.store.replace_gaps(site.chain, [Gap(4, 8)], at_utc=NOW)
    assert [sequence for _, sequence, _ in site.store.places(METER, Interval(DAY, DAY + 900))] == [0]


def test_an_unknown_meter_has_nothing(site: Site) -> None:
    assert site.store.places("SKS99999999", Interval(0, 1)) == ()


def test_rows_are_values(site: Site) -> None:
    message = site.gateway.next()
    assert row(site, message, 3) == row(site, replace(message, seen_size=4), 3)
