"""No counter twice, whatever happens and whenever."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.counters import BLOCK, FIRST_HIGHEST, LONGEST_JUMP, CounterJournal, counter_key
from edge_agent.errors import CounterBackError, CounterJumpError, MeterRefusedError
from edge_agent.outbox.database import Database
from edge_agent.readers.dlms.security import MAX_COUNTER
from signing.interval import DAY_S

KEY = counter_key(bytes(16), b"SAK00001")
STEPS = [
    f"counter-{name}:{step}"
    for name in ("reserve", "confirm", "close", "learn", "alarm")
    for step in ("begun", "written", "committed")
]


class CrashError(Exception):
    """The power goes."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "agent.db"
    made.touch()
    with Database(made) as database:
        database.migrate()
    return made


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with Database(path) as opened:
        yield opened


def row(database: Database) -> tuple[object, ...]:
    return database.one("SELECT reserved, verified, heard, others_utc FROM invocation_counter WHERE key = ?", KEY)


def associate(journal: CounterJournal, count: int) -> list[int]:
    """The counters of one association, each proven."""
    lease = journal.lease("M1", KEY)
    taken = []
    for _ in range(count):
        taken.append(lease.take())
        lease.confirm(own=taken[-1], heard=taken[-1])
    lease.settle()
    return taken


def test_counters_start_at_zero_and_rise_over_associations(database: Database) -> None:
    journal = CounterJournal(database, block=4)
    assert [taken for _ in range(3) for taken in associate(journal, 3)] == list(range(9))
    assert row(database)[0] == 12
    journal.close()
    journal.close()
    assert row(database) == (9, 8, 8, None)


def test_a_block_serves_many_associations_and_the_disk_is_written_for_the_first_proof_only(path: Path) -> None:
    written: list[str] = []
    with Database(path, written.append) as database:
        journal = CounterJournal(database, block=100)
        for _ in range(10):
            associate(journal, 9)
    assert [step for step in written if step.endswith(":committed")] == [
        "counter-reserve:committed",
        "counter-confirm:committed",
    ]


def test_a_crash_loses_the_rest_of_a_block_and_no_more(path: Path) -> None:
    with Database(path) as database:
        assert associate(CounterJournal(database, block=10), 1) == [0]
    with Database(path) as database:
        assert associate(CounterJournal(database, block=10), 1) == [10]


def test_the_rest_of_a_block_is_given_back_at_the_end_unless_another_reserved_behind_it(path: Path) -> None:
    with Database(path) as one, Database(path) as other:
        first, second = CounterJournal(one, block=10), CounterJournal(other, block=10)
        assert associate(first, 2) + associate(second, 3) == [0, 1, 10, 11, 12]
        first.close()
        assert row(one)[0] == 20
        second.close()
        assert row(one)[0] == 13


def test_a_journal_whose_closing_failed_takes_nothing_of_what_it_may_have_given_back(path: Path) -> None:
    def crash(step: str) -> None:
        if step == "counter-close:committed":
            raise CrashError

    with Database(path, crash) as database, Database(path) as elsewhere:
        journal = CounterJournal(database, block=10)
        associate(journal, 1)
        with pytest.raises(CrashError):
            journal.close()
        assert associate(CounterJournal(elsewhere, block=10), 1) == [1]
        assert associate(journal, 1) == [11]


def test_an_association_that_outlives_its_journal_takes_nothing_of_what_was_given_back(path: Path) -> None:
    with Database(path) as database, Database(path) as elsewhere:
        journal = CounterJournal(database, block=10)
        lease = journal.lease("M1", KEY)
        assert lease.take() == 0
        journal.close()
        assert associate(CounterJournal(elsewhere, block=10), 3) == [1, 2, 3]
        assert lease.take() == 11


def test_whoever_finds_that_another_reserved_leaves_the_rest_of_its_block(path: Path) -> None:
    with Database(path) as one, Database(path) as other:
        first, second = CounterJournal(one, block=10), CounterJournal(other, block=10)
        # The second takes one, and gives the rest back: its counter lies above the first one's block all the same.
        assert associate(first, 2) + associate(second, 1) == [0, 1, 10]
        second.close()
        assert associate(first, 2) == [11, 12]
        # One that reserved and used nothing has had nothing accepted.
        second.lease("M1", KEY).settle()
        second.close()
        assert associate(first, 1) == [13]


def test_a_lease_that_is_settled_gives_nothing_any_more(database: Database) -> None:
    lease = CounterJournal(database).lease("M1", KEY)
    lease.take()
    lease.settle()
    lease.settle()
    with pytest.raises(MeterRefusedError, match="over"):
        lease.take()


def test_two_leases_never_meet(path: Path) -> None:
    with Database(path) as one, Database(path) as other:
        journal = CounterJournal(one, block=10)
        first, second = journal.lease("M1", KEY), journal.lease("M1", KEY)
        third = CounterJournal(other, block=10).lease("M1", KEY)
        taken = [lease.take() for _ in range(2) for lease in (first, third, second)]
        assert taken == [0, 10, 1, 2, 11, 3]


@given(
    actions=st.lists(
        st.tuples(
            st.integers(0, 2),  # which process
            st.integers(0, 8),  # counters taken
            st.sampled_from([*STEPS, None]),  # where it crashes
            st.one_of(st.none(), st.integers(0, 60)),  # what the meter says
            st.booleans(),  # whether the process ends afterwards
        ),
        max_size=14,
    ),
    block=st.integers(1, 5),
)
def test_processes_that_crash_at_any_step_never_use_a_counter_twice_nor_a_lower_one_later(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[int, int, str | None, int | None, bool]], block: int
) -> None:
    path = tmp_path_factory.mktemp("counters") / "agent.db"
    path.touch()
    with Database(path) as database:
        database.migrate()
    taken: list[int] = []
    crash_at: list[str | None] = [None]

    def hook(step: str) -> None:
        if step == crash_at[0]:
            raise CrashError

    with contextlib.ExitStack() as stack:
        running: dict[int, CounterJournal] = {}
        for process, count, crash, said, ends in actions:
            crash_at[0] = crash
            try:
                if process not in running:
                    running[process] = CounterJournal(stack.enter_context(Database(path, hook)), block=block)
                journal = running[process]
                if said is not None and journal.take_look("M1", KEY, now_utc=1 << 20):
                    with contextlib.suppress(CounterBackError):
                        journal.learn("M1", KEY, counter=said, now_utc=1)
                lease = journal.lease("M1", KEY)
                for _ in range(count):
                    taken.append(lease.take())
                    lease.confirm(own=taken[-1], heard=taken[-1])
                lease.settle()
                if ends:
                    journal.close()
                    del running[process]
            except CrashError:
                del running[process]
    assert len(set(taken)) == len(taken)
    assert taken == sorted(taken)


def test_a_stale_journal_continues_above_the_meter(database: Database) -> None:
    journal = CounterJournal(database)
    assert journal.learn("M1", KEY, counter=4999, now_utc=1)
    assert journal.shared_since("M1") is None  # the first look knows of nobody's use but the meter's past
    assert journal.lease("M1", KEY).take() == 5000


def test_a_meter_that_is_behind_moves_nothing(path: Path) -> None:
    with Database(path) as database:
        journal = CounterJournal(database, block=10)
        associate(journal, 5)
        assert not journal.learn("M1", KEY, counter=4, now_utc=1)
        assert associate(journal, 1) == [5]
    with Database(path) as database:
        # Nobody knows how far the block was used before the crash.
        journal = CounterJournal(database, block=10)
        assert not journal.learn("M1", KEY, counter=9, now_utc=1)
        assert associate(journal, 1) == [10]
        assert journal.shared_since("M1") is None


def test_counters_of_another_user_in_our_block_are_left_out(database: Database) -> None:
    journal = CounterJournal(database, block=10)
    associate(journal, 3)
    assert journal.learn("M1", KEY, counter=3, now_utc=77)
    assert journal.shared_since("M1") == 77
    assert associate(journal, 1) == [4]
    assert journal.learn("M1", KEY, counter=9, now_utc=78)
    assert associate(journal, 1) == [10]


def test_counters_that_we_never_used_tell_of_another_user(database: Database) -> None:
    journal = CounterJournal(database, block=10)
    lease = journal.lease("M1", KEY)
    lease.confirm(own=lease.take(), heard=1)
    assert journal.learn("M1", KEY, counter=10, now_utc=77)
    assert journal.shared_since("M1") == 77
    assert journal.shared_since("M2") is None


def test_a_counter_below_what_is_proven_is_refused_and_noted(database: Database) -> None:
    journal = CounterJournal(database)
    associate(journal, 5)
    before = row(database)
    assert not journal.learn("M1", KEY, counter=4, now_utc=1)  # the last good
    with pytest.raises(CounterBackError, match=r"is 3, it had accepted 4.*accept-counter"):
        journal.learn("M1", KEY, counter=3, now_utc=9)
    assert row(database) == before
    assert database.all("SELECT at_utc, meter, kind FROM meter_key_event") == [(9, "M1", "COUNTER_BACK")]


def test_what_was_proven_last_outlives_a_restart(path: Path) -> None:
    with Database(path) as database:
        journal = CounterJournal(database)
        associate(journal, 5)
        journal.close()
    with Database(path) as database:
        journal = CounterJournal(database)
        assert journal.lease("M1", KEY).heard == 4
        with pytest.raises(CounterBackError, match=r"is 3, it had accepted 4"):
            journal.learn("M1", KEY, counter=3, now_utc=9)


def test_what_was_proven_rides_with_another_transaction_on_the_state(path: Path) -> None:
    with Database(path) as database, Database(path) as outbox:
        journal = CounterJournal(database)
        associate(journal, 5)
        assert row(database)[1:3] == (0, 0)
        with outbox.transaction("put"):
            journal.ride(outbox)
        journal.arrived()
        assert row(database)[1:3] == (4, 4)
        changed = outbox.one("SELECT total_changes()")
        with outbox.transaction("nothing new"):
            journal.ride(outbox)
        assert outbox.one("SELECT total_changes()") == changed


def test_an_operator_may_accept_lower_counters_and_none_is_used_again(path: Path) -> None:
    with Database(path) as database, Database(path) as elsewhere:
        journal, desk = CounterJournal(database), CounterJournal(elsewhere)
        associate(journal, 40)
        assert desk.accept_lower("M1", who="A. Rao", now_utc=9) == 1
        assert not journal.learn("M1", KEY, counter=0, now_utc=10)
        assert journal.lease("M1", KEY).heard == -1
        assert associate(journal, 1) == [40]
        assert database.all("SELECT kind, who FROM meter_key_event") == [("COUNTER_ACCEPTED", "A. Rao")]


def test_what_was_proven_before_an_operator_accepted_is_never_written_over_it(path: Path) -> None:
    with Database(path) as database, Database(path) as elsewhere:
        journal, desk = CounterJournal(database), CounterJournal(elsewhere)
        associate(journal, 40)
        running = journal.lease("M1", KEY)
        desk.accept_lower("M1", who="A. Rao", now_utc=9)
        journal.close()
        assert row(database)[1:3] == (-1, -1)
        journal.lease("M1", KEY).settle()
        # An association that began before says nothing of the meter that was accepted.
        running.confirm(own=40, heard=40)
        assert journal.lease("M1", KEY).heard == -1
        assert row(database)[1:3] == (-1, -1)


def test_the_first_proof_is_durable_at_once(database: Database) -> None:
    journal = CounterJournal(database)
    lease = journal.lease("M1", KEY)
    lease.confirm(own=lease.take(), heard=7)
    assert row(database)[1:3] == (0, 7)
    lease.confirm(own=lease.take(), heard=8)
    assert (row(database)[1:3], lease.heard) == ((0, 7), 8)
    journal.close()
    assert row(database)[1:3] == (1, 8)


def test_a_key_is_used_to_its_last_counter_and_no_further(database: Database) -> None:
    journal = CounterJournal(database)
    associate(CounterJournal(database), 1)
    with database.transaction("test"):
        database.run("UPDATE invocation_counter SET reserved = ?", MAX_COUNTER)
    lease = journal.lease("M1", KEY)
    assert lease.take() == MAX_COUNTER
    with pytest.raises(MeterRefusedError, match="keys rotated"):
        lease.take()


def test_counters_belong_to_key_and_title() -> None:
    keys = {counter_key(key, title) for key in (bytes(16), bytes([1] * 16)) for title in (b"SAK00001", b"SAK00002")}
    assert len(keys) == 4
    assert all(len(key) == 16 for key in keys)


def test_a_meter_is_looked_at_first_and_then_once_a_day(database: Database) -> None:
    journal = CounterJournal(database)
    looks = [journal.take_look("M1", KEY, now_utc=at) for at in (10, 11, 10 + DAY_S - 1, 10 + DAY_S, 11 + DAY_S, 5)]
    assert looks == [True, False, False, True, False, True]
    assert not journal.learn("M1", KEY, counter=-1, now_utc=1)


def test_a_look_is_written_with_something_else_and_known_to_other_processes_then(path: Path) -> None:
    written: list[str] = []
    with Database(path, written.append) as database, Database(path) as elsewhere:
        journal, other = CounterJournal(database), CounterJournal(elsewhere)
        assert journal.take_look("M1", KEY, now_utc=10)
        assert not journal.learn("M1", KEY, counter=-1, now_utc=10)
        assert written == []
        journal.close()
        assert not other.take_look("M1", KEY, now_utc=11)
        assert other.take_look("M1", KEY, now_utc=10 + DAY_S)
        other.close()
        assert not journal.take_look("M1", KEY, now_utc=11 + DAY_S)


@pytest.mark.parametrize(("is_proven", "highest"), [(False, FIRST_HIGHEST), (True, BLOCK + LONGEST_JUMP)])
def test_a_counter_that_would_use_the_key_up_is_refused_and_noted(
    database: Database, *, is_proven: bool, highest: int
) -> None:
    journal = CounterJournal(database)
    lease = journal.lease("M1", KEY)
    own = lease.take()
    if is_proven:
        lease.confirm(own=own, heard=1)
    with pytest.raises(CounterJumpError, match=f"is {highest + 1}, expected at most {highest}.*accept-counter"):
        journal.learn("M1", KEY, counter=highest + 1, now_utc=9)
    assert row(database)[0] == BLOCK
    assert database.all("SELECT kind FROM meter_key_event") == [("COUNTER_JUMP",)]
    assert journal.learn("M1", KEY, counter=highest, now_utc=9)


def test_jumps_that_no_answer_proves_do_not_add_up(database: Database) -> None:
    journal = CounterJournal(database)
    lease = journal.lease("M1", KEY)
    lease.confirm(own=lease.take(), heard=1)
    assert journal.learn("M1", KEY, counter=LONGEST_JUMP, now_utc=9)
    with pytest.raises(
        CounterJumpError, match=f"expected at most {BLOCK + LONGEST_JUMP}: following it would use the key up"
    ):
        journal.learn("M1", KEY, counter=LONGEST_JUMP + LONGEST_JUMP, now_utc=10)
    # What is reserved anyway is no jump.
    with database.transaction("test"):
        database.run("UPDATE invocation_counter SET reserved = ?", 5 * LONGEST_JUMP)
    assert not journal.learn("M1", KEY, counter=5 * LONGEST_JUMP - 1, now_utc=10)
    with pytest.raises(CounterJumpError, match=f"expected at most {5 * LONGEST_JUMP}:"):
        journal.learn("M1", KEY, counter=5 * LONGEST_JUMP + 1, now_utc=10)
    with database.transaction("test"):
        database.run("UPDATE invocation_counter SET reserved = ?", LONGEST_JUMP + 1)
    again = journal.lease("M1", KEY)
    proven = again.take()
    again.confirm(own=proven, heard=2)
    assert proven == LONGEST_JUMP + 1
    assert journal.learn("M1", KEY, counter=LONGEST_JUMP + LONGEST_JUMP, now_utc=11)


def test_an_operator_may_accept_a_jump(database: Database) -> None:
    journal = CounterJournal(database)
    lease = journal.lease("M1", KEY)
    lease.confirm(own=lease.take(), heard=1)
    with pytest.raises(CounterJumpError):
        journal.learn("M1", KEY, counter=LONGEST_JUMP * 2, now_utc=9)
    journal.accept_lower("M1", who="A. Rao", now_utc=9)
    assert journal.learn("M1", KEY, counter=LONGEST_JUMP * 2, now_utc=9)


def test_a_pushs_counter_must_rise_and_is_noted_on_disk(path: Path) -> None:
    with Database(path) as database:
        journal = CounterJournal(database)
        assert [journal.hear("M1", KEY, counter) for counter in (0, 0, 7, 6, 7)] == [True, False, True, False, False]
    with Database(path) as database:
        journal = CounterJournal(database)
        assert not journal.hear("M1", KEY, 7)
        assert journal.hear("M1", KEY, MAX_COUNTER)
        assert not journal.hear("M1", KEY, MAX_COUNTER)


def test_pushes_of_another_key_or_title_have_counters_of_their_own(database: Database) -> None:
    journal = CounterJournal(database)
    assert journal.hear("M1", KEY, 7)
    assert journal.hear("M2", counter_key(bytes(16), b"SAK00002"), 7)


def test_an_operator_may_accept_that_pushes_began_anew(database: Database) -> None:
    journal = CounterJournal(database)
    journal.hear("M1", KEY, 7)
    journal.accept_lower("M1", who="A. Rao", now_utc=9)
    assert journal.hear("M1", KEY, 0)


@pytest.mark.parametrize(("step", "is_new"), [("begun", True), ("written", True), ("committed", False)])
def test_a_push_is_heard_once_whenever_the_power_goes(path: Path, step: str, *, is_new: bool) -> None:
    def crash(reached: str) -> None:
        if reached == f"counter-hear:{step}":
            raise CrashError

    with Database(path, crash) as database, pytest.raises(CrashError):
        CounterJournal(database).hear("M1", KEY, 7)
    with Database(path) as database:
        assert CounterJournal(database).hear("M1", KEY, 7) is is_new
