"""Another file of profiles: what rests on one is validated again, and nothing else."""

from dataclasses import replace

import pytest

from headend.readings import Quality
from headend.settings.profiles import parse
from headend.settings.series import SeriesSettings
from headend.store.sqlite import day_rows
from headend.vee.declared import Channel
from signing.interval import DAY_S
from tests.headend.days.test_validating import (
    DUE,
    EVENINGS,
    REGISTERS,
    SETTINGS,
    lacking,
    settle,
    stored,
    validating,
)
from tests.headend.discom import METER, log_rules, stated
from tests.headend.premises import DAY, Gateway, Headend, gateway

MORNINGS = (1,) * 15 + (2,) * 4 + (0,) * 5


@pytest.fixture
def one(headend: Headend) -> Gateway:
    log_rules(headend)
    found = gateway()
    headend.enrol(found)
    return found


def with_profiles(*weights: int, name: str = "homes") -> SeriesSettings:
    text = f'default = "{name}"\n[[category]]\nname = "{name}"\nimport = {list(weights)}'
    return replace(SETTINGS, profiles=parse(text, "profiles.toml"))


def revalidated(headend: Headend, settings: SeriesSettings, at_utc: int = DUE + 60) -> int:
    """How many days a program that starts with other settings validates."""
    work, days = validating(headend, settings), 0
    while done := work.step(at_utc):
        days += done
    return days


def test_another_file_of_profiles_makes_the_days_due_that_rest_on_one(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(*range(16, 28)), registers=REGISTERS))
    settle(validating(headend, with_profiles(*EVENINGS)))
    assert revalidated(headend, with_profiles(*EVENINGS)) == 0
    assert revalidated(headend, with_profiles(*MORNINGS)) == 1
    assert revalidated(headend, with_profiles(*MORNINGS)) == 0
    first, second = day_rows.versions(headend.database.connection, METER, DAY)
    assert first.profiles == with_profiles(*EVENINGS).profiles.digest
    assert second.profiles == with_profiles(*MORNINGS).profiles.digest
    assert (first.day.blocks[16].import_wh, second.day.blocks[16].import_wh) == (0, 100)
    assert second.day.total_wh(Channel.IMPORT) == 9600


def test_another_file_that_says_the_same_of_a_day_makes_no_version(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(*range(16, 28)), registers=REGISTERS))
    settle(validating(headend, with_profiles(*EVENINGS)))
    assert revalidated(headend, with_profiles(*EVENINGS, name="others")) == 1
    assert len(day_rows.versions(headend.database.connection, METER, DAY)) == 1


@pytest.mark.parametrize("holes", [(), (40, 41)], ids=["measured", "estimated by a straight line"])
def test_days_that_rest_on_no_profile_stay_as_they_are(headend: Headend, one: Gateway, holes: tuple[int, ...]) -> None:
    headend.take_in(stated(one, 0, lacking(*holes), registers=REGISTERS))
    settle(validating(headend, with_profiles(*EVENINGS)))
    (only,) = day_rows.versions(headend.database.connection, METER, DAY)
    assert only.profiles is None
    assert revalidated(headend, with_profiles(*MORNINGS)) == 0


def test_a_day_that_lacks_is_looked_at_again_once_there_are_profiles(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(*range(16, 28)), registers=REGISTERS))
    settle(validating(headend))
    assert stored(headend).quality is Quality.MISSING
    assert revalidated(headend, with_profiles(*EVENINGS)) == 1
    assert stored(headend).quality is Quality.ESTIMATED


@pytest.mark.parametrize(("days", "again"), [(45, 1), (46, 0)])
def test_a_day_out_of_true_up_keeps_its_profile(headend: Headend, one: Gateway, days: int, again: int) -> None:
    headend.take_in(stated(one, 0, lacking(*range(16, 28)), registers=REGISTERS))
    settle(validating(headend, with_profiles(*EVENINGS)))
    assert revalidated(headend, with_profiles(*MORNINGS), DAY + days * DAY_S + 60) == again


def test_days_of_before_profiles_were_kept_are_looked_at_once(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(*range(16, 28)), registers=REGISTERS))
    settle(validating(headend, with_profiles(*EVENINGS)))
    with headend.database.transaction() as connection:
        connection.execute("UPDATE days SET profiles = NULL")
        connection.execute("UPDATE series_state SET profiles = NULL")
    assert revalidated(headend, with_profiles(*MORNINGS)) == 1
    assert stored(headend).blocks[16].import_wh == 100
    assert revalidated(headend, with_profiles(*MORNINGS)) == 0
