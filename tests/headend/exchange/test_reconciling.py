"""The daily comparison with the ledger: once a day, after the last gate, and only of windows whose gates have passed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from headend import founding
from headend.config import Channel
from headend.duties.alerts import AlertKind
from headend.exchange.reconciling import Reconciling
from headend.jobs import JOBS, Office, jobs
from headend.onboarding.known import Registry
from headend.store.sqlite import reconciliation_rows
from headend.store.sqlite.reconciliation_rows import Reconciliation
from headend.watching.watch import Watch
from signing.interval import DAY_S
from tests.headend.founded import free_port, installation
from tests.headend.premises import DAY, Headend
from tests.headend.settling import Settling, configuration
from tests.headend.watching.test_watch import quiet

LAST = DAY + DAY_S + 11 * 3600 + 3300
"""11:55 IST of the day after the delivery."""


def compared(settling: Settling, now: int, since: int = DAY) -> Reconciliation | None:
    settling.exchange.clock[0] = now
    return Reconciling(settling.config, settling.headend.database, settling.ledger, since_utc=since).step(now)


def test_what_was_posted_and_confirmed_agrees(settling: Settling) -> None:
    settling.trade()
    settling.whole_day()
    settling.step(LAST)
    found = compared(settling, LAST)
    assert found is not None
    assert (found.deliveries, found.differing) == (1, 0)


@pytest.mark.parametrize(("now", "deliveries"), [(LAST - 1, 0), (LAST, 1)])
def test_a_window_whose_gates_have_not_all_passed_is_not_late(settling: Settling, now: int, deliveries: int) -> None:
    settling.trade()
    found = compared(settling, now)
    assert found is not None
    assert (found.deliveries, found.differing) == (deliveries, deliveries)


def test_what_differs_is_looked_at_again_until_it_is_put_right(settling: Settling) -> None:
    settling.trade()
    settling.whole_day()
    late = compared(settling, LAST)
    assert late is not None
    assert late.differing == 1
    settling.step(LAST + 60)
    assert compared(settling, LAST + 3599) is None
    again = compared(settling, LAST + 3600)
    assert again is not None
    assert (again.deliveries, again.differing) == (1, 0)
    assert compared(settling, LAST + 7200) is None


def test_a_new_head_end_waits_for_its_first_gate(settling: Settling) -> None:
    assert compared(settling, LAST + 60, since=LAST) is None
    assert compared(settling, LAST + DAY_S - 1, since=LAST) is None
    assert compared(settling, LAST + DAY_S, since=LAST) is not None


def test_it_is_done_once_a_day_also_when_the_service_starts_again(settling: Settling) -> None:
    assert compared(settling, LAST - 60) is not None
    assert compared(settling, LAST - 1) is None
    assert compared(settling, LAST) is not None
    assert compared(settling, LAST + DAY_S - 1) is None
    assert compared(settling, LAST + DAY_S) is not None


def test_a_ledger_that_does_not_answer_leaves_it_due(tmp_path: Path) -> None:
    clock = [LAST - 1]
    with office(tmp_path, f"127.0.0.1:{free_port()}", clock) as job, JOBS["reconciliation"](job) as step:
        assert step() is None
        clock[0] = LAST
        trouble = step()
        assert trouble is not None
        assert trouble.startswith("trades cannot be read: ")
        with job.opened() as (database, _):
            assert reconciliation_rows.newest(database.connection) is None


def test_the_service_does_it_and_tells_of_what_differs(
    tmp_path: Path, settling: Settling, caplog: pytest.LogCaptureFixture
) -> None:
    settling.exchange.clock[0] = LAST
    settling.trade()
    clock = [LAST - 1]
    with office(tmp_path, settling.exchange.address, clock) as job, JOBS["reconciliation"](job) as step:
        clock[0] = LAST
        assert step() is None
        assert step() is None
        with job.opened() as (database, _):
            config = quiet(job.config)
            watch = Watch(
                config=config, database=database, registry=Registry(database), key=job.keys.statements.public_key
            )
            (trouble,) = watch.look((), LAST)
    assert trouble.key == (AlertKind.LEDGER_DIFFERENCE, "daily reconciliation")
    assert trouble.text.startswith("1 of 1 deliveries differed at ")
    assert [record.message for record in caplog.records if record.name == "sakshi.headend"] == [
        "1 of 1 deliveries differ from the ledger"
    ]


@contextmanager
def office(folder: Path, ledger: str, clock: list[int]) -> Iterator[Office]:
    """An office of its own folder and clock, in which nobody waits."""
    home = folder / "home"
    home.mkdir()
    founded = installation(home, broker_port=free_port(), ledger=ledger)
    founded.found()
    stop = threading.Event()
    stop.set()
    yield Office(
        config=founded.config,
        keys=founding.open_keys(founded.config),
        now=lambda: clock[0],
        stop=stop,
        components=tuple,
    )


def test_where_no_figure_is_told_nothing_is_compared(headend: Headend) -> None:
    config = configuration(headend.folder)
    assert "reconciliation" in jobs(config)
    silent = replace(config, ledger=replace(config.ledger, channel=Channel.NONE))
    assert "reconciliation" not in jobs(silent)
