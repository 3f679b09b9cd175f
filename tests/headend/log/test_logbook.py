from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from headend.errors import FatalError, StoreUnavailableError
from headend.log.logbook import Logbook
from headend.store.sqlite import log_rows
from headend.store.sqlite.database import Database, create_database, open_database, open_rehearsal
from signing.log.checkpoint import open_checkpoint
from signing.log.merkle import leaf_hash
from signing.log.proofs import verify_inclusion
from signing.log.seen import advance
from tests.headend.premises import log_key

KEYS = {0: log_key(0, 7), 1: log_key(1, 8)}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    create_database(tmp_path / "one.db")
    one = open_database(tmp_path / "one.db")
    for log, key in KEYS.items():
        log_rows.add_log(one.connection, log, str(key.verifier))
    yield one
    one.close()


def digest(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


def append(book: Logbook, *numbers: int, log: int = 0) -> None:
    with book.transaction() as transaction:
        transaction.append(log, [digest(number) for number in numbers])


def file_of(folder: Path, log: int = 0) -> bytes:
    return (folder / f"checkpoint-{log}").read_bytes()


def test_the_checkpoint_stands_in_the_database_and_in_a_file_outside(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, KEYS, tmp_path)
    append(book, 1, 2, 3)
    size, note = log_rows.tip(database.connection, 0)
    assert (size, note) == (3, file_of(tmp_path))
    assert open_checkpoint(file_of(tmp_path), KEYS[0].verifier).checkpoint.size == 3
    assert not (tmp_path / "checkpoint-1").exists()


def test_what_is_rehearsed_gets_its_leaf_and_is_never_published(database: Database, tmp_path: Path) -> None:
    append(Logbook(database, KEYS, tmp_path), 1)
    before = file_of(tmp_path), (tmp_path / "entries-0").read_bytes()
    with closing(open_rehearsal(tmp_path / "one.db")) as rehearsal:
        book = Logbook(rehearsal, KEYS, tmp_path)
        append(book, 2)
        assert book.size(0) == 2
    assert (file_of(tmp_path), (tmp_path / "entries-0").read_bytes()) == before
    assert Logbook(database, KEYS, tmp_path).size(0) == 1


def test_leaves_are_given_in_order_and_proved(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, KEYS, tmp_path)
    append(book, 1, 2)
    with book.transaction() as transaction:
        assert transaction.next_index(0) == 2
        assert transaction.append(0, [digest(3), digest(4)]) == log_rows.leaf_row(0, 2)
        assert transaction.append_one(0, digest(5)) == log_rows.leaf_row(0, 4)
        assert transaction.append_one(1, digest(9)) == log_rows.leaf_row(1, 0)
        assert transaction.append_one(1, digest(8)) == log_rows.leaf_row(1, 1)
    appended = transaction.appended[0]
    root = appended.tip.frontier.root()
    for index, number in enumerate((1, 2, 3, 4, 5)):
        path = appended.paths().inclusion(index)
        verify_inclusion(leaf=leaf_hash(digest(number)), index=index, size=5, path=path, root=root)
    assert book.size(1) == 2
    assert book.size(7) == 0


def test_every_checkpoint_extends_the_one_before(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, KEYS, tmp_path)
    seen = None
    for number in range(1, 40):
        before = book.size(0)
        append(book, *range(number))
        path = book.consistency(0, before)
        seen = advance(seen, file_of(tmp_path), path, KEYS[0].verifier)
    assert seen is not None
    assert seen.size == sum(range(40))


def test_nothing_is_kept_of_a_transaction_that_fails(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, KEYS, tmp_path)
    append(book, 1)
    before = file_of(tmp_path)
    (pages,) = database.connection.execute("PRAGMA page_count").fetchone()
    database.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailableError):
        append(book, *range(10_000))
    assert (file_of(tmp_path), book.size(0)) == (before, 1)
    database.connection.execute("PRAGMA max_page_count = 100000")
    append(book, *range(300))
    assert book.size(0) == 301


def test_opening_again_goes_on(database: Database, tmp_path: Path) -> None:
    append(Logbook(database, KEYS, tmp_path), *range(700))
    book = Logbook(database, KEYS, tmp_path)
    append(book, 9)
    assert book.size(0) == 701


def test_a_crash_between_commit_and_file_is_made_good_on_opening(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, KEYS, tmp_path)
    append(book, 1)
    old = file_of(tmp_path)
    append(book, 2)
    (tmp_path / "checkpoint-0").write_bytes(old)
    Logbook(database, KEYS, tmp_path)
    assert file_of(tmp_path) == log_rows.tip(database.connection, 0)[1]


def test_p21_a_database_behind_its_file_is_refused(database: Database, tmp_path: Path) -> None:
    append(Logbook(database, KEYS, tmp_path), 1)
    create_database(tmp_path / "backup.db")
    backup = open_database(tmp_path / "backup.db")
    for log, key in KEYS.items():
        log_rows.add_log(backup.connection, log, str(key.verifier))
    try:
        with pytest.raises(FatalError, match=r"behind .*the log shrank.*restore"):
            Logbook(backup, KEYS, tmp_path)
    finally:
        backup.close()


def test_p21_a_database_with_another_history_is_refused(database: Database, tmp_path: Path) -> None:
    append(Logbook(database, KEYS, tmp_path), 1, 2)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    create_database(elsewhere / "one.db")
    other = open_database(elsewhere / "one.db")
    for log, key in KEYS.items():
        log_rows.add_log(other.connection, log, str(key.verifier))
    try:
        append(Logbook(other, KEYS, elsewhere), 5, 6, 7)
        with pytest.raises(FatalError, match="restore"):
            Logbook(other, KEYS, tmp_path)
    finally:
        other.close()


def test_another_log_key_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="correct the configured log key"):
        Logbook(database, {0: log_key(0, 99)}, tmp_path)


def test_a_file_that_another_key_signed_is_refused(database: Database, tmp_path: Path) -> None:
    append(Logbook(database, KEYS, tmp_path), 1)
    append(Logbook(database, KEYS, tmp_path), 1, log=1)
    (tmp_path / "checkpoint-0").write_bytes(file_of(tmp_path, 1))
    with pytest.raises(FatalError, match="is not signed by"):
        Logbook(database, KEYS, tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM tiles",
        "UPDATE tiles SET hashes = zeroblob(length(hashes))",
        "UPDATE logs SET size = size - 1 WHERE log = 0",
    ],
)
def test_rows_that_are_not_the_signed_tree_are_refused(database: Database, tmp_path: Path, sql: str) -> None:
    append(Logbook(database, KEYS, tmp_path), 1, 2, 3)
    database.connection.execute(sql)
    with pytest.raises(FatalError, match="restore"):
        Logbook(database, KEYS, tmp_path)


def test_what_another_program_appends_is_taken_over(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, KEYS, tmp_path)
    append(book, 1)
    second = open_database(tmp_path / "one.db")
    try:
        append(Logbook(second, KEYS, tmp_path), *range(2, 600))
        append(book, 600)
        assert book.size(0) == 600
        assert open_checkpoint(file_of(tmp_path), KEYS[0].verifier).checkpoint.size == 600
    finally:
        second.close()


def test_a_database_exchanged_under_a_running_program_ends_it(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, KEYS, tmp_path)
    append(book, 1, 2)
    database.connection.execute("UPDATE logs SET size = 0, checkpoint = NULL WHERE log = 0")
    with pytest.raises(FatalError, match="does not extend what this program signed"):
        append(book, 3)


def test_a_log_without_a_key_cannot_be_written(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, {0: KEYS[0]}, tmp_path)
    with pytest.raises(FatalError, match="log 1 is not kept"):
        append(book, 1, log=1)
    assert book.size(0) == 0


def test_a_failed_file_is_written_before_anything_rests_on_it(database: Database, tmp_path: Path) -> None:
    book = Logbook(database, KEYS, tmp_path)
    append(book, 1)
    (tmp_path / "checkpoint-0.new").mkdir()
    with pytest.raises(StoreUnavailableError, match="free space"):
        append(book, 2)
    with pytest.raises(StoreUnavailableError, match="free space"), book.transaction():
        pass
    (tmp_path / "checkpoint-0.new").rmdir()
    with book.transaction():
        pass
    assert open_checkpoint(file_of(tmp_path), KEYS[0].verifier).checkpoint.size == 2
