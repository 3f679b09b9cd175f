import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headend.errors import FatalError, StoreUnavailableError
from headend.store.sqlite import database as module
from headend.store.sqlite import hold_rows
from headend.store.sqlite.database import (
    Database,
    Migration,
    create_database,
    migrations,
    open_database,
    open_rehearsal,
)
from headend.store.sqlite.hold_rows import Act


def test_opening_never_creates(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"no database .*init"):
        open_database(tmp_path / "typo.db")
    assert list(tmp_path.iterdir()) == []


def test_creating_never_overwrites(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    with pytest.raises(FatalError, match="exists already"):
        create_database(tmp_path / "one.db")


def test_creating_needs_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="create its folder first"):
        create_database(tmp_path / "missing" / "one.db")


def test_a_new_database_has_every_migration_and_is_sound(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    database = open_database(tmp_path / "one.db")
    try:
        rows = database.administration().query("SELECT number, name FROM migrations ORDER BY number")
        assert [(row["number"], row["name"]) for row in rows] == [(step.number, step.name) for step in migrations()]
        assert database.integrity() == ()
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        assert [database.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas] == ["wal", 2, 1]
    finally:
        database.close()


def test_every_table_is_strict(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    database = open_database(tmp_path / "one.db")
    rows = database.connection.execute("SELECT name, strict FROM pragma_table_list WHERE name NOT LIKE 'sqlite_%'")
    assert [name for name, strict in rows if not strict] == []
    database.close()


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE notes (text)")
    other.close()
    with pytest.raises(FatalError, match="not a head-end's database"):
        open_database(tmp_path / "other.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello " * 1000)
    with pytest.raises(FatalError, match="not a usable SQLite database"):
        open_database(tmp_path / "text.db")


def test_a_newer_programs_database_is_refused(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    connection = sqlite3.connect(tmp_path / "one.db")
    with connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_future.sql')")
    connection.close()
    with pytest.raises(FatalError, match=r"\[9999\]: install a newer one"):
        open_database(tmp_path / "one.db")


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_database(tmp_path / "one.db")
    known = migrations()
    broken = Migration(
        9000, "9000_broken.sql", "CREATE TABLE half (a INTEGER) STRICT;\nCREATE TABLE half (a INTEGER) STRICT;\n"
    )
    monkeypatch.setattr(module, "migrations", lambda: (*known, broken))
    with pytest.raises(sqlite3.OperationalError, match="half already exists"):
        open_database(tmp_path / "one.db")
    unfinished = Migration(9000, "9000_broken.sql", "CREATE TABLE half (a INTEGER) STRICT")
    monkeypatch.setattr(module, "migrations", lambda: (*known, unfinished))
    with pytest.raises(FatalError, match="ends inside a statement"):
        open_database(tmp_path / "one.db")
    monkeypatch.undo()
    database = open_database(tmp_path / "one.db")
    assert "half" not in database.administration().table_names()
    database.close()


def test_a_later_migration_is_applied_on_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_database(tmp_path / "one.db")
    later = Migration(
        9000, "9000_later.sql", "-- a comment; with a semicolon\nCREATE TABLE later (a INTEGER) STRICT;\n"
    )
    known = migrations()
    monkeypatch.setattr(module, "migrations", lambda: (*known, later))
    database = open_database(tmp_path / "one.db")
    assert "later" in database.administration().table_names()
    database.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    database = open_database(tmp_path / "one.db")
    put = "INSERT INTO turned_away (number, total) VALUES (?, 1)"
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
        connection.executemany(put, [(1,), (1,)])
    with database.transaction() as connection:
        connection.execute(put, (2,))
    assert database.connection.execute("SELECT number FROM turned_away").fetchall() == [(2,)]
    database.close()


def test_a_full_disk_is_unavailable_and_writes_nothing(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    database = open_database(tmp_path / "one.db")
    (pages,) = database.connection.execute("PRAGMA page_count").fetchone()
    database.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailableError, match=r"full.*free space"), database.transaction() as connection:
        connection.execute("INSERT INTO tiles VALUES (1, zeroblob(1000000))")
    assert database.connection.execute("SELECT count(*) FROM tiles").fetchone() == (0,)
    database.close()


def test_a_database_held_by_another_program_is_unavailable(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    one, two = open_database(tmp_path / "one.db"), open_database(tmp_path / "one.db")
    two.connection.execute("PRAGMA busy_timeout = 1")
    with one.transaction(), pytest.raises(StoreUnavailableError, match="locked"), two.transaction():
        pass
    one.close()
    two.close()


def test_wrong_sql_is_a_defect_and_seen_as_one(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    database = open_database(tmp_path / "one.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table"), database.transaction() as connection:
        connection.execute("SELECT * FROM missing")
    database.close()


def number(path: Path) -> int:
    with closing(open_database(path)) as database:
        return int(database.connection.execute("SELECT count(*) FROM acts").fetchone()[0])


def put(database: Database) -> int:
    with database.transaction() as connection:
        hold_rows.put_act(connection, Act(verb="v", about="a", by="b", reason="r", done_utc=1))
        return int(connection.execute("SELECT count(*) FROM acts").fetchone()[0])


def test_a_rehearsal_sees_what_it_did_and_leaves_nothing(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    with closing(open_rehearsal(tmp_path / "one.db")) as database:
        assert (put(database), put(database)) == (1, 2)
    assert number(tmp_path / "one.db") == 0
    with closing(open_database(tmp_path / "one.db")) as database:
        put(database)
    assert number(tmp_path / "one.db") == 1


def fail_after_putting(database: Database) -> None:
    with database.transaction() as connection:
        hold_rows.put_act(connection, Act(verb="v", about="a", by="b", reason="r", done_utc=1))
        _ = 1 // 0


def test_a_rehearsed_transaction_that_fails_is_undone_alone(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    with closing(open_rehearsal(tmp_path / "one.db")) as database:
        put(database)
        with pytest.raises(ZeroDivisionError):
            fail_after_putting(database)
        assert put(database) == 2


def test_a_rehearsal_keeps_nobody_waiting_before_it_writes(tmp_path: Path) -> None:
    create_database(tmp_path / "one.db")
    with closing(open_rehearsal(tmp_path / "one.db")) as rehearsal:
        assert number(tmp_path / "one.db") == 0
        assert not rehearsal.connection.in_transaction
        with closing(open_database(tmp_path / "one.db")) as database:
            assert put(database) == 1
        assert put(rehearsal) == 2
