"""The order of changes: whoever follows `next` misses nothing and is told nothing twice, whatever is committed meanwhile."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headend.config import parse
from headend.log.logbook import Logbook
from headend.reads import market
from headend.reads.market import StoredMarket
from headend.store.sqlite import actuals
from headend.store.sqlite.database import open_database
from headend.store.sqlite.published_log import PublishedLog
from headend.store.sqlite.read_pool import ReadPool
from signing.envelope import sign
from signing.statements.window_actual import WindowActual
from tests.headend.discom import LATER, SUBJECT, attestor, log_rules
from tests.headend.premises import Headend, gateway
from tests.headend.test_config import GOOD

_WRITERS = 3
_COMMITS = 12

write = st.tuples(st.just("write"), st.integers(1, 3))
other = st.tuples(st.just("other"), st.integers(1, 3))
read = st.tuples(st.sampled_from(["read", "read stale"]), st.integers(1, 4))


@pytest.fixture
def sample(headend: Headend) -> WindowActual:
    """An actual to be said of other meters."""
    log_rules(headend)
    headend.enrol(gateway())
    return attestor(headend).attest([SUBJECT], at_utc=LATER)[0].statement


@pytest.fixture
def pool(headend: Headend) -> Iterator[ReadPool]:
    found = ReadPool(headend.folder / "headend.db", 2)
    yield found
    found.close()


def reader(headend: Headend, pool: ReadPool, folder: Path) -> StoredMarket:
    """What the web reads changes through, where the published checkpoint is the one in `folder`."""
    log = PublishedLog(log=0, key=headend.key.verifier, folder=folder)
    return StoredMarket(config=parse(GOOD, "headend.toml", headend.folder), pool=pool, log=log)


def say(headend: Headend, book: Logbook, actual: WindowActual, *names: str) -> list[bytes]:
    """Logs an actual of each of some meters, in one commit."""
    signed = [sign(replace(actual, posted_as=name), headend.statement_signer) for name in names]
    with book.transaction() as transaction:
        for one in signed:
            actuals.put(transaction.connection, transaction.append(0, [one.digest]), one, at_utc=LATER)
    return [one.digest for one in signed]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(write, other, read), min_size=1, max_size=12))
def test_whatever_is_committed_between_pages_and_however_late_it_is_published_nothing_is_missed_or_told_twice(
    headend: Headend,
    sample: WindowActual,
    pool: ReadPool,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[str, int]],
) -> None:
    monkeypatch.setattr(market, "_AT_ONCE", 3)
    stale = headend.folder / "stale"
    stale.mkdir(exist_ok=True)
    readers = {"read": reader(headend, pool, headend.folder), "read stale": reader(headend, pool, stale)}
    first = after = headend.book.size(0)
    said: list[bytes] = []
    told: list[bytes] = []
    indices: list[int] = []
    shutil.copy(headend.folder / "checkpoint-0", stale)
    for verb, number in [*steps, ("read", 100)]:
        if verb in {"write", "other"}:
            # What the file said before this commit is what a reader sees between the commit and the publication.
            shutil.copy(headend.folder / "checkpoint-0", stale)
        if verb == "write":
            names = [f"M-{headend.book.size(0)}-{at}" for at in range(number)]
            said += say(headend, headend.book, sample, *names)
        elif verb == "other":
            with headend.book.transaction() as transaction:
                transaction.append(0, [os.urandom(32) for _ in range(number)])
        else:
            is_end = False
            while not is_end:
                page = readers[verb].changes(None, after, number, LATER)
                published = readers[verb]._published()
                assert len(page.items) <= number
                assert all(view.actual.index < published for view in page.items)
                assert after <= page.next_index <= max(after, published)
                told += [view.actual.digest for view in page.items]
                indices += [view.actual.index for view in page.items]
                after, is_end = page.next_index, page.is_end
    assert told == said
    assert indices == sorted(set(indices))
    assert all(index >= first for index in indices)


def test_a_reader_that_pages_while_several_programs_commit_misses_none(
    headend: Headend, sample: WindowActual, pool: ReadPool
) -> None:
    first = headend.book.size(0)
    said: list[list[bytes]] = [[] for _ in range(_WRITERS)]
    begin = threading.Barrier(_WRITERS + 1)

    def writes(number: int) -> None:
        with closing(open_database(headend.folder / "headend.db")) as database:
            book = Logbook(database, {0: headend.key}, headend.folder)
            begin.wait()
            for at in range(_COMMITS):
                said[number] += say(headend, book, sample, *(f"W-{number}-{at}-{n}" for n in range(1 + at % 3)))

    threads = [threading.Thread(target=writes, args=(number,)) for number in range(_WRITERS)]
    for thread in threads:
        thread.start()
    begin.wait()
    one = reader(headend, pool, headend.folder)
    told: list[tuple[int, bytes]] = []
    after, pages, is_end = first, 0, False
    while any(thread.is_alive() for thread in threads) or not is_end:
        is_quiet = not any(thread.is_alive() for thread in threads)
        page = one.changes(None, after, 1 + pages % 4, LATER)
        told += [(view.actual.index, view.actual.digest) for view in page.items]
        after, pages = page.next_index, pages + 1
        # An end counts only where nobody wrote before it was looked at.
        is_end = page.is_end and is_quiet
    for thread in threads:
        thread.join()
    assert pages > 1
    assert [index for index, _ in told] == list(range(first, first + sum(len(one) for one in said)))
    for written in said:
        mine = set(written)
        assert [digest for _, digest in told if digest in mine] == written
    assert {digest for _, digest in told} == {digest for written in said for digest in written}


def test_a_stranger_comes_to_the_end_through_what_is_not_its_own(
    headend: Headend, sample: WindowActual, pool: ReadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market, "_AT_ONCE", 3)
    say(headend, headend.book, sample, *(f"M-{at}" for at in range(10)))
    one = reader(headend, pool, headend.folder)
    after, cursors = 0, []
    for _ in range(20):
        page = one.changes("stranger.example.org", after, 5, LATER)
        assert page.items == ()
        after = page.next_index
        cursors.append(after)
        if page.is_end:
            break
    assert cursors[-1] == headend.book.size(0)
    assert cursors == sorted(set(cursors))
