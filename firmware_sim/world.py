"""One physical world: sun, households and shops as functions of (seed, day).

The grain is the quarter of an hour. Within one, load and solar power are constant; a quarter's energies are whole Wh.
Whatever is metered (a net meter, a generation meter, any register at any instant, any block length) is a sum over
quarters, so that all meters of one home agree to the Wh.
"""

import math
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Protocol

QUARTER_S = 900
QUARTERS = 96
DEFAULT_SEED = 1
"""The fair-weather world: its skies are clear every day, so what it delivers does not depend on the date."""

LATITUDE = math.radians(28.8)
"""Between Delhi and Meerut."""

SOLAR_NOON_H = 12.3
"""Local solar noon on the IST clock at 77.7° E; the equation of time is left out."""

PERFORMANCE = 0.80
"""What an array yields of its nameplate under full sun: heat, dust, inverter."""

_MASK = 2**64 - 1


def mix(*parts: int) -> int:
    """A well-spread 64-bit number from integers: the world's only source of chance.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
    """
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def permille(low: int, high: int, *parts: int) -> float:
    """A number from `low`/1000 to `high`/1000, both inside, drawn by `mix`."""
    return (low + mix(*parts) % (high - low + 1)) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnergy:
    """What one home used and made in one IST day: `QUARTERS` values each, Wh, never negative."""

    load_wh: tuple[int, ...]
    solar_wh: tuple[int, ...]


class Premises(Protocol):
    """A home or shop behind one grid connection."""

    def day(self, day: int) -> DayEnergy:
        """The energies of an IST day; the same answer for the same day, in any order of asking."""
        ...


class Dwelling(Enum):
    """Who lives or works behind the connection."""

    HOME = "home"
    SHOP = "shop"


# Watts on the hour, 0 h to 23 h, before the dwelling's own scale; between hours the load is a straight line.
_HOURLY_W: dict[Dwelling, tuple[int, ...]] = {
    Dwelling.HOME: (
        210, 190, 180, 180, 200, 320, 560, 720, 600, 400, 330, 320,
        340, 330, 310, 320, 380, 520, 860, 1150, 1240, 980, 560, 310,
    ),
    Dwelling.SHOP: (
        350, 340, 340, 340, 350, 400, 600, 1500, 3400, 4300, 4500, 4500,
        4400, 4300, 4300, 4400, 4500, 4600, 4700, 4400, 3200, 1600, 700, 400,
    ),
}  # fmt: skip

_HOUR_ANGLE = tuple(math.radians(15 * (q / 4 + 0.125 - SOLAR_NOON_H)) for q in range(QUARTERS))


@lru_cache(maxsize=512)
def sunshine(day_of_year: int) -> tuple[float, ...]:
    """The share of an array's nameplate that a clear sky gives in each quarter, 0 to 1.

    The panels face south, tilted at the latitude.
    """
    declination = math.radians(23.44) * math.sin(2 * math.pi * (day_of_year - 80) / 365.25)
    shares = []
    for angle in _HOUR_ANGLE:
        height = math.sin(LATITUDE) * math.sin(declination) + math.cos(LATITUDE) * math.cos(declination) * math.cos(
            angle
        )
        facing = math.cos(declination) * math.cos(angle)
        # Near the horizon the air takes most of the light; four times the sine of the height is a fair ramp.
        shares.append(max(0.0, facing) * min(1.0, max(0.0, 4 * height)))
    return tuple(shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A simulated home or shop.

    The sky belongs to the seed alone, so homes of one seed see the same clouds; appliances belong to seed and `name`.
    """

    seed: int
    dwelling: Dwelling = Dwelling.HOME
    array_w: int = 0
    """Nameplate of the rooftop array in W; 0 for none."""
    inverter_w: int = 5000
    """The most the inverter gives, in W."""
    name: int = 0
    """Tells dwellings of one seed apart."""

    def day(self, day: int) -> DayEnergy:
        """The energies of an IST day."""
        return DayEnergy(load_wh=self._load(day), solar_wh=self._solar(day) if self.array_w else (0,) * QUARTERS)

    def _load(self, day: int) -> tuple[int, ...]:
        hourly = _HOURLY_W[self.dwelling]
        scale = permille(920, 1120, self.seed, self.name, 1) * permille(940, 1060, self.seed, self.name, 2, day)
        chance = mix(self.seed, self.name, 3, day)
        energies = []
        for quarter in range(QUARTERS):
            hour, part = divmod(quarter, 4)
            watts = hourly[hour] + (hourly[(hour + 1) % 24] - hourly[hour]) * part / 4
            chance = (chance * 6364136223846793005 + 1442695040888963407) & _MASK
            energies.append(round(watts * scale * (900 + (chance >> 33) % 201) / 4000))
        return tuple(energies)

    def _solar(self, day: int) -> tuple[int, ...]:
        # Seconds since 1970 give the season closely enough: a year is 365.2425 days, and day 0 is a first of January.
        shares = sunshine(int(day % 365.2425))
        clear = self._clear_sky(day)
        ceiling = self.inverter_w // 4
        chance = mix(self.seed, 5, day)
        energies = []
        for share in shares:
            chance = (chance * 6364136223846793005 + 1442695040888963407) & _MASK
            passing = 1 - (1 - clear) * ((chance >> 33) % 1001) / 1000
            energies.append(min(ceiling, round(self.array_w * PERFORMANCE * share * clear * passing / 4)))
        return tuple(energies)

    def _clear_sky(self, day: int) -> float:
        """How much of the sun comes through on `day`: nearly all, or, as often as the seed's climate says, half."""
        cloudy_percent = (self.seed - DEFAULT_SEED) * 17 % 41
        if mix(self.seed, 6, day) % 100 < cloudy_percent:
            return permille(250, 750, self.seed, 7, day)
        return permille(960, 1000, self.seed, 8, day)
