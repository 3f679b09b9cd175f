"""The height of the sun, in whole numbers, against trigonometry and against the almanac."""

import math

import pytest

from headend.vee.sun import BILLION, cosine, sine, sine_of_height
from signing.interval import parse_instant

DELHI = {"latitude_mdeg": 28_614, "longitude_mdeg": 77_209}


def height(text: str, **place: int) -> float:
    """Degrees above the horizon at a time of 2026, IST."""
    at = parse_instant(f"2026-{text}:00+05:30", "at")
    return math.degrees(math.asin(sine_of_height(at, **(DELHI | place)) / BILLION))


def test_the_series_is_the_sine_to_a_hundred_millionth() -> None:
    for angle in range(-720_000_000, 720_000_000, 1_234_567):
        assert abs(sine(angle) / BILLION - math.sin(math.radians(angle / 1e6))) < 1e-8
        assert abs(cosine(angle) / BILLION - math.cos(math.radians(angle / 1e6))) < 1e-8


def test_no_sine_is_beyond_one() -> None:
    assert BILLION - 3 < max(sine(90_000_000 + step) for step in range(-1000, 1001)) <= BILLION
    assert -BILLION <= min(sine(270_000_000 + step) for step in range(-1000, 1001)) < 3 - BILLION


@pytest.mark.parametrize(
    ("at", "degrees"),
    # Latitude of Delhi and the sun's declination: 90 - 28.6 + d. Local noon moves with the equation of time.
    [("06-21T12:23", 84.8), ("12-21T12:19", 37.95), ("03-20T12:29", 61.25)],
)
def test_noon_stands_as_high_as_the_season_says(at: str, degrees: float) -> None:
    assert abs(height(at) - degrees) < 0.1


def test_civil_twilight_is_where_the_calendar_of_delhi_has_it() -> None:
    # 26 April 2026: from 05:20 to 19:18.
    assert height("04-26T05:19") < -6 < height("04-26T05:22")
    assert height("04-26T19:20") < -6 < height("04-26T19:17")


def test_east_is_earlier_and_north_is_darker_in_winter() -> None:
    assert (
        height("04-26T06:00", longitude_mdeg=95_000)
        > height("04-26T06:00")
        > height("04-26T06:00", longitude_mdeg=69_000)
    )
    assert height("12-21T12:19", latitude_mdeg=34_000) < height("12-21T12:19", latitude_mdeg=8_000)


def test_every_machine_comes_to_the_same_last_digit() -> None:
    instants = [946_728_000, 1_777_177_800, 1_777_221_000, 4_000_000_000]
    assert [sine_of_height(at, **DELHI) for at in instants] == [2808029, 813162785, -587800313, 836373756]
