"""A clear sky by the sun's height, and the share of it that reached the neighbours."""

import pytest

from headend.vee.declared import Sky
from headend.vee.skies import Neighbour, Place, clear_wh, skies
from tests.headend.vee.world import MIDNIGHT

DELHI = Place(latitude_mdeg=28_600, longitude_mdeg=77_200)
NOON, NIGHT = MIDNIGHT + 12 * 3600, MIDNIGHT + 2 * 3600


def roof(installed_w: int, wh: int, *starts: int) -> Neighbour:
    return Neighbour(installed_w=installed_w, export_wh=dict.fromkeys(starts, wh))


def test_a_clear_sky_gives_most_at_noon_nothing_at_night_and_never_more_than_is_installed() -> None:
    day = [clear_wh(4000, MIDNIGHT + at * 900, 900, DELHI) for at in range(96)]
    assert clear_wh(4000, NIGHT, 900, DELHI) == 0
    assert 46 <= day.index(max(day)) <= 51
    assert 500 < max(day) <= 1000
    assert clear_wh(8000, NOON, 900, DELHI) == pytest.approx(2 * clear_wh(4000, NOON, 900, DELHI), abs=1)


def test_the_share_is_that_of_all_roofs_that_say_something_of_the_block() -> None:
    near = [roof(4000, 100, NOON), roof(8000, 50, NOON), roof(8000, 70, NOON + 900)]
    clear = [clear_wh(installed_w, NOON, 900, DELHI) for installed_w in (2000, 4000, 8000)]
    found = skies(2000, [NOON, NOON + 900], 900, near, DELHI)
    assert {start: sky.neighbours for start, sky in found.items()} == {NOON: 2, NOON + 900: 1}
    assert found[NOON] == Sky(
        clear_wh=clear[0], neighbours=2, neighbours_wh=150, neighbours_clear_wh=clear[1] + clear[2]
    )


def test_the_night_needs_no_neighbours() -> None:
    assert skies(2000, [NIGHT], 900, [], DELHI) == {
        NIGHT: Sky(clear_wh=0, neighbours=0, neighbours_wh=0, neighbours_clear_wh=0)
    }
    assert skies(2000, [NOON], 900, [], DELHI) == {}
