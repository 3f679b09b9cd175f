"""The exchange's state: made explicitly, opened only where it is, all or nothing."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from ledger_client.sandbox import store
from ledger_client.sandbox.store import Row, StateError, Store

ROW = Row(transaction_id="t", order_item_id="o", record_id="r", creation_utc=1)


def test_a_state_is_made_once(tmp_path: Path) -> None:
    store.create(tmp_path / "new")
    with Store(tmp_path / "new") as state:
        assert state.all_rows() == []
    with pytest.raises(StateError, match="exists already"):
        store.create(tmp_path / "new")


def test_a_missing_state_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="sandbox-init --state"):
        Store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    store.create(tmp_path)
    connection = sqlite3.connect(tmp_path / store.DATABASE)
    connection.execute("PRAGMA user_version=4")
    connection.close()
    with pytest.raises(StateError, match="expected state version 3, got 4"):
        Store(tmp_path)


def test_a_state_of_version_1_is_brought_up_to_date_and_keeps_its_trades(tmp_path: Path) -> None:
    store.create(tmp_path)
    with Store(tmp_path) as state:
        state.save(ROW)
    connection = sqlite3.connect(tmp_path / store.DATABASE)
    connection.executescript("DROP TABLE recorded; DROP TABLE asked; DROP TABLE forward; PRAGMA user_version=1;")
    connection.close()
    for _ in range(2):
        with Store(tmp_path) as state:
            assert state.all_rows() == [ROW]
            assert state.recorded("c", "t", "o") == []


def test_a_row_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    store.create(tmp_path)
    with Store(tmp_path) as state:
        with state.transaction():
            state.save(ROW)
        assert state.row("t", "o") == ROW
        assert state.row("t", "x") is None
        assert state.record_id_taken("r")
        assert not state.record_id_taken("x")


def test_a_change_leaves_a_row_in_its_place(tmp_path: Path) -> None:
    store.create(tmp_path)
    other = replace(ROW, order_item_id="o2", record_id="r2")
    with Store(tmp_path) as state:
        for row in (ROW, other, replace(ROW, quantity_wh=5)):
            state.save(row)
        assert state.all_rows() == [replace(ROW, quantity_wh=5), other]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store.create(tmp_path)
    with Store(tmp_path) as state:

        def spoiled() -> None:
            with state.transaction():
                state.save(ROW)
                raise KeyError

        with pytest.raises(KeyError):
            spoiled()
        assert state.all_rows() == []
        with state.transaction():
            state.save(ROW)
        assert state.all_rows() == [ROW]


def test_the_state_is_synced_at_every_commit(tmp_path: Path) -> None:
    store.create(tmp_path)
    with Store(tmp_path) as state:
        assert state._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
