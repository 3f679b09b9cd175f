"""Chains: base, head, gaps, forks, and what stands after one. Order of arrival means nothing."""

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.canonical import encode
from signing.chain import AdmittedBatch, Chain, evidence_bytes, touches
from signing.interval import Interval
from signing.statements.meter_record import Place
from signing.statements.reading_batch import ClockSource, Origin, ReadingBatch

HOUR = 3600
TEN = 1_777_177_800
KID = bytes(32)


@dataclass
class History:
    """Makes the batches of one branch."""

    sequence: int = 0
    previous: bytes = b"e" * 32
    reach: int = 0

    def batch(self, start: int, *, length: int = HOUR, salt: str = "", **wrong: int) -> AdmittedBatch:
        header = ReadingBatch(
            meter="M",
            sequence=self.sequence,
            previous=self.previous,
            start_utc=start,
            period_s=900,
            count=length // 900,
            reach_utc=wrong.get("reach", self.reach),
            read_at_utc=start + length,
            clock_offset_ms=None,
            clock_source=ClockSource.NONE,
            origin=Origin.LLS,
            software=bytes(32),
            contents=hashlib.sha256(salt.encode()).digest(),
        )
        digest = hashlib.sha256(header.payload()).digest()
        self.sequence, self.previous = self.sequence + 1, digest
        self.reach = max(header.reach_utc, header.end_utc)
        return AdmittedBatch(kid=KID, digest=digest, header=header, opening=None)

    def copy(self) -> "History":
        return History(self.sequence, self.previous, self.reach)


def hours(first: int, count: int, history: History | None = None, salt: str = "") -> list[AdmittedBatch]:
    history = history or History()
    return [history.batch(TEN + (first + number) * HOUR, salt=salt) for number in range(count)]


CONTEXT = Interval(TEN, TEN + 2 * HOUR)


@given(st.permutations(hours(-6, 10)))
def test_p6_a_chain_is_the_same_in_every_order(batches: list[AdmittedBatch]) -> None:
    chain = Chain(KID, batches)
    assert chain.batches == tuple(sorted(batches, key=lambda batch: batch.header.sequence))
    assert chain.head == Place(sequence=9, digest=chain.batches[9].digest)
    # 09:00 to 10:00 ends where the context starts: it may hold the register there.
    assert chain.base(CONTEXT) == 5
    assert chain.gaps(5) == ()
    assert chain.fork_point() is None
    assert chain.standing(None) == (chain.batches, ())


def test_an_empty_chain_has_neither_head_nor_gaps() -> None:
    chain = Chain(KID, [])
    assert (chain.head, chain.base(CONTEXT), chain.gaps(0), chain.fork_point()) == (None, 0, (), None)
    state = chain.state(CONTEXT)
    assert (state.head, state.gaps, state.missing) == (None, (), 0)


def test_each_digest_counts_once() -> None:
    batches = hours(0, 2)
    assert Chain(KID, [*batches, *batches]).batches == tuple(batches)


@pytest.mark.parametrize(
    ("kept", "base", "gaps"),
    [
        ([0, 1, 2, 3, 4, 5], 3, ()),
        ([0, 1, 2, 3, 5], 3, ((4, 4),)),
        ([0, 1, 2, 5], 2, ((3, 4),)),
        ([2, 4, 5], 2, ((3, 3),)),
        ([4, 5], 0, ((0, 3),)),
        ([0, 5], 0, ((1, 4),)),
    ],
)
def test_gaps_are_the_sequences_between_base_and_head_that_are_not_admitted(
    kept: list[int], base: int, gaps: tuple[tuple[int, int], ...]
) -> None:
    batches = hours(-4, 6)
    chain = Chain(KID, [batches[place] for place in kept])
    assert chain.base(CONTEXT) == base
    assert chain.gaps(base) == gaps
    assert chain.state(CONTEXT).gaps == gaps
    assert chain.state(CONTEXT).missing == sum(last - first + 1 for first, last in gaps)


def test_a_late_batch_keeps_the_base_down() -> None:
    history = History()
    batches = [history.batch(TEN - 9 * HOUR), history.batch(TEN), *hours(-8, 5, history)]
    assert Chain(KID, batches).base(CONTEXT) == 1


def test_the_base_stays_below_a_fork() -> None:
    history = History()
    trunk = hours(-9, 2, history)
    branch = history.copy()
    one, other = hours(-7, 9, history, "one"), hours(-7, 1, branch, "other")
    assert Chain(KID, trunk + one).base(CONTEXT) == 8
    assert Chain(KID, trunk + one + other).base(CONTEXT) == 1


def forked(*, at: int = 2, length: int = 3) -> tuple[list[AdmittedBatch], list[AdmittedBatch], list[AdmittedBatch]]:
    """A trunk and two branches of it."""
    history = History()
    trunk = hours(0, at, history)
    branch = history.copy()
    return trunk, hours(at, length, history, "one"), hours(at, length - 1, branch, "other")


def test_p7_two_digests_for_one_sequence_are_a_fork() -> None:
    trunk, one, other = forked()
    chain = Chain(KID, trunk + one + other)
    assert chain.fork_point() == 2
    counting, suspect = chain.standing(None)
    assert counting == tuple(trunk)
    assert set(suspect) == {*one, *other}


def test_a_successor_that_names_another_batch_is_a_fork() -> None:
    trunk, one, other = forked(length=4)
    assert Chain(KID, [*trunk, one[0], other[1]]).fork_point() == 2


def test_a_reach_that_does_not_follow_is_a_fork() -> None:
    history = History()
    first = history.batch(TEN)
    wrong = history.batch(TEN + HOUR, reach=TEN)
    assert Chain(KID, [first, wrong]).fork_point() == 1


def test_a_beginning_that_strays_is_a_fork() -> None:
    batches = hours(0, 3)
    assert Chain(KID, batches, enrolment=b"e" * 32).fork_point() is None
    assert Chain(KID, batches, enrolment=bytes(32)).fork_point() == 0
    assert Chain(KID, batches[1:], enrolment=bytes(32)).fork_point() is None
    assert Chain(KID, [History().batch(TEN, reach=TEN)]).fork_point() == 0


def test_a_hole_hides_nothing_and_is_no_fork() -> None:
    batches = hours(0, 5)
    assert Chain(KID, [batches[0], batches[2], batches[4]]).fork_point() is None


def test_the_head_of_two_branches_is_the_lesser_digest() -> None:
    trunk, one, other = forked(length=2)
    chain = Chain(KID, [*trunk, one[0], other[0]])
    assert chain.head == Place(sequence=2, digest=min(one[0].digest, other[0].digest))


def place(batch: AdmittedBatch) -> Place:
    return Place(sequence=batch.header.sequence, digest=batch.digest)


def test_the_branch_that_holds_the_good_batch_counts_and_the_other_is_nothing() -> None:
    trunk, one, other = forked()
    chain = Chain(KID, trunk + one + other)
    for good in one:
        assert chain.standing(place(good)) == ((*trunk, *one), ())
    assert chain.standing(place(other[0])) == ((*trunk, *other), ())


def test_what_cannot_be_tied_to_the_good_branch_stays_suspect() -> None:
    trunk, one, other = forked(length=5)
    chain = Chain(KID, [*trunk, one[0], one[1], one[4], *other[:2]])
    assert chain.standing(place(one[0])) == ((*trunk, *one[:2]), (one[4],))


def test_a_good_batch_that_is_not_there_ties_nothing() -> None:
    trunk, one, other = forked()
    chain = Chain(KID, trunk + one + other)
    counting, suspect = chain.standing(Place(sequence=2, digest=bytes(32)))
    assert (counting, len(suspect)) == (tuple(trunk), 5)


def test_a_good_branch_that_forks_again_counts_up_to_there_and_is_suspect_beyond() -> None:
    history = History()
    trunk = hours(0, 1, history)
    clone = history.copy()
    one = hours(1, 1, history, "one")
    again = history.copy()
    left, right = hours(2, 2, history, "left"), hours(2, 1, again, "right")
    chain = Chain(KID, trunk + one + left + right + hours(1, 2, clone, "clone"))
    counting, suspect = chain.standing(place(one[0]))
    assert counting == (*trunk, *one)
    assert set(suspect) == {*left, *right}


def test_touching_is_half_open() -> None:
    batch = hours(0, 1)[0]
    assert touches(batch, Interval(TEN + HOUR - 1, TEN + HOUR))
    assert touches(batch, Interval(TEN - 5, TEN + 1))
    assert not touches(batch, Interval(TEN + HOUR, TEN + 2 * HOUR))
    assert not touches(batch, Interval(TEN - HOUR, TEN))


def test_evidence_is_sorted_and_each_batch_once() -> None:
    batches = hours(0, 3)
    rows = [["M", KID, batch.header.sequence, batch.digest] for batch in batches]
    assert evidence_bytes([*batches[::-1], batches[0]]) == encode(rows)
    assert evidence_bytes([]) == encode([])
