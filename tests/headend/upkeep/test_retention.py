"""Old blocks are erased and their digests stay; what is held is kept; and what still decides windows is never touched."""

from dataclasses import replace
from pathlib import Path

import pytest

from headend.config import parse
from headend.errors import RefusedError
from headend.settings.retention import LEAST_DAYS, RetentionSettings
from headend.store.sqlite import day_rows, retention_rows
from headend.upkeep.retention import Retention
from headend.verify import Exit, main
from signing.errors import DecodeError
from signing.interval import DAY_S, Interval
from signing.statements.window_actual import Cause
from signing.trust import trust_text
from tests.headend.days.test_validating import FULL, REGISTERS, settle, stored, validating
from tests.headend.discom import METER, SUBJECT, attestor, exported, log_rules, stated, trust
from tests.headend.premises import DAY, NOW, Gateway, Headend, gateway
from tests.headend.test_config import GOOD

OLD = RetentionSettings(openings_days=LEAST_DAYS, days_days=LEAST_DAYS)
THEN = DAY + (LEAST_DAYS + 1) * DAY_S
"""When the blocks of `DAY` are just old enough: they end with it."""


@pytest.fixture
def one(headend: Headend) -> Gateway:
    log_rules(headend)
    found = gateway()
    headend.enrol(found)
    return found


def opened(headend: Headend) -> list[int]:
    rows = headend.database.connection.execute("SELECT sequence FROM batches WHERE opening NOT NULL ORDER BY sequence")
    return [sequence for (sequence,) in rows]


def erased(headend: Headend, at: int) -> int:
    retention = Retention(database=headend.database, settings=OLD)
    total, more = 0, True
    while more:
        count, more = retention.step(at)
        total += count
    return total


@pytest.mark.parametrize(("at", "left"), [(THEN, [0, 1]), (THEN + 1, [1])])
def test_openings_are_erased_once_they_are_older_than_the_policy(
    headend: Headend, one: Gateway, at: int, left: list[int]
) -> None:
    headend.take_in(stated(one, 0, FULL), stated(one, 24, FULL))
    assert Retention(database=headend.database, settings=OLD).preview(at) == 2 - len(left)
    erased(headend, at)
    assert opened(headend) == left


def test_an_erased_window_verifies_as_erased_and_never_as_invalid(
    headend: Headend, one: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=NOW)
    erased(headend, THEN + DAY_S)
    (tmp_path / "bundle").write_bytes(exported(headend, signed.digest))
    (tmp_path / "trust.toml").write_text(trust_text(trust(headend)))
    code = main(["--trust", str(tmp_path / "trust.toml"), str(tmp_path / "bundle")])
    assert (opened(headend), code) == ([], Exit.ERASED)
    assert "ERASED" in capsys.readouterr().out


def test_what_is_held_is_kept_until_it_is_released(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL), stated(one, 24, FULL))
    span = Interval(DAY, DAY + DAY_S)
    with headend.database.transaction() as connection:
        number = retention_rows.place(connection, METER, span, by="asha", reason="case 7", at_utc=NOW)
    assert Retention(database=headend.database, settings=OLD).preview(THEN + 2 * DAY_S) == 0
    erased(headend, THEN + 2 * DAY_S)
    # The neighbour shares a midnight's register with what is held.
    assert opened(headend) == [0, 1]
    with headend.database.transaction() as connection:
        retention_rows.release(connection, number, by="bela", at_utc=NOW)
    assert erased(headend, THEN + 2 * DAY_S) == 2
    with pytest.raises(RefusedError, match="retention list"), headend.database.transaction() as connection:
        retention_rows.release(connection, number, by="bela", at_utc=NOW)


def test_another_meters_hold_keeps_nothing_of_this_one(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL))
    with headend.database.transaction() as connection:
        retention_rows.place(connection, "SKS9", Interval(DAY, DAY + DAY_S), by="a", reason="b", at_utc=NOW)
    assert erased(headend, THEN + 1) == 1


def test_without_a_policy_nothing_is_ever_erased(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL))
    nothing = Retention(database=headend.database, settings=RetentionSettings(openings_days=None, days_days=None))
    assert nothing.preview(THEN * 2) == 0
    assert nothing.step(THEN * 2) == (0, False)
    assert opened(headend) == [0]


def test_a_late_batch_of_old_blocks_behind_a_young_one_waits_for_it(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 24, FULL))
    headend.take_in(stated(one, 0, FULL))
    assert erased(headend, THEN + 1) == 0
    assert erased(headend, THEN + DAY_S + 1) == 2


def test_a_batch_from_a_time_to_come_keeps_nobodys_readings(headend: Headend, one: Gateway) -> None:
    ahead = 24 * 365 * 20
    headend.take_in(stated(one, ahead, FULL), stated(one, 0, FULL), stated(one, 24, FULL))
    assert erased(headend, THEN) == 0
    assert erased(headend, THEN + 1) == 2
    assert opened(headend) == [2]


@pytest.mark.parametrize("cause", [None, Cause.OPERATOR])
def test_what_was_said_on_readings_that_were_erased_stands(headend: Headend, one: Gateway, cause: Cause | None) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    desk = attestor(headend)
    desk.attest([SUBJECT], at_utc=NOW)
    work = validating(headend)
    settle(work)
    day = stored(headend)
    erased(headend, THEN + DAY_S)
    assert desk.attest([SUBJECT], at_utc=THEN + DAY_S, cause=cause) == ()
    assert desk.preview(SUBJECT, cause) is None
    with headend.database.transaction() as connection:
        day_rows.put_due(connection, [(METER, DAY, THEN)])
    assert work.step(THEN + DAY_S) == 1
    assert stored(headend) == day


def test_superseded_versions_of_days_are_erased_and_the_newest_stays(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    settle(validating(headend))
    with headend.database.transaction() as connection:
        day_rows.put(connection, replace(stored(headend), notes=()), at_utc=NOW)
    before = day_rows.versions(headend.database.connection, METER, DAY)
    erased(headend, DAY + LEAST_DAYS * DAY_S)
    assert day_rows.versions(headend.database.connection, METER, DAY) == before
    erased(headend, DAY + LEAST_DAYS * DAY_S + 1)
    assert day_rows.versions(headend.database.connection, METER, DAY) == before[-1:]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("openings_days = 179", "retention.openings_days: expected a whole number from 180"),
        ("days_days = 0", "retention.days_days: expected a whole number from 180"),
        ("blocks = 1", "retention.blocks: unknown key"),
        ("openings_days = 410\n[posting]\ngive_up_days = 359", "retention.openings_days: expected at least 411"),
    ],
)
def test_what_still_decides_windows_cannot_be_configured_away(text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse(f"{GOOD}[retention]\n{text}", "headend.toml", Path("base"))


def test_readings_are_kept_for_as_long_as_windows_may_rest_on_them() -> None:
    found = parse(f"{GOOD}[retention]\nopenings_days = 411\n[posting]\ngive_up_days = 359", "t", Path("base"))
    assert found.followed_days == 366


def test_nothing_is_erased_by_default() -> None:
    found = parse(GOOD, "headend.toml", Path("base")).retention
    assert (found.openings_days, found.days_days) == (None, None)
