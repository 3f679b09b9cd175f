"""Energies by time of day: eight tariff zones of three hours, each a cumulative register beside the total."""

import itertools
from collections.abc import Callable
from functools import lru_cache

from firmware_sim.dlms.axdr import energy
from firmware_sim.dlms.objects import CosemObject
from firmware_sim.dlms.registers import VAH, WH, apparent, register
from firmware_sim.instants import DAY_S, day_of, day_start
from firmware_sim.meter import ORIGIN_DAY, Meter

ZONES = 8
ZONE_S = DAY_S // ZONES


class Zones:
    """The imported energy of one meter by zone, in Wh. At every instant the zones sum to the total."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        # A bill asks for every zone at one instant, and the next bill for what came since.
        self._at = lru_cache(maxsize=64)(self._counted)
        self._day = lru_cache(maxsize=400)(self._gained)

    def registers(self) -> list[CosemObject]:
        """Active energy of zones 1 to 8, then apparent energy."""
        zones = range(ZONES)
        return [
            *(register(f"1.0.1.8.{zone + 1}.255", self._told(zone, int), WH) for zone in zones),
            *(register(f"1.0.9.8.{zone + 1}.255", self._told(zone, apparent), VAH) for zone in zones),
        ]

    def _told(self, zone: int, scaled: Callable[[int], int]) -> Callable[[int], bytes]:
        return lambda at: energy(scaled(self._at(at)[zone]))

    def _counted(self, at: int) -> tuple[int, ...]:
        last = day_of(at)
        # Zones are counted from ORIGIN_DAY on. Before it they share the total evenly, so that none is ever below zero.
        total = self._meter.registers(at) if last < ORIGIN_DAY else self._meter.spec.base
        share, rest = divmod(total.imported_wh, ZONES)
        sums = [share + (zone < rest) for zone in range(ZONES)]
        for day in range(ORIGIN_DAY, last):
            sums = [sum(pair) for pair in zip(sums, self._day(day), strict=True)]
        if last >= ORIGIN_DAY:
            sums = [sum(pair) for pair in zip(sums, self._gains(day_start(last), at), strict=True)]
        return tuple(sums)

    def _gained(self, day: int) -> tuple[int, ...]:
        return self._gains(day_start(day), day_start(day + 1))

    def _gains(self, start: int, end: int) -> tuple[int, ...]:
        """What each zone gained from midnight to `end`, at most a day later."""
        ends = [min(start + zone * ZONE_S, end) for zone in range(ZONES + 1)]
        told = [self._meter.registers(at).imported_wh for at in ends]
        return tuple(after - before for before, after in itertools.pairwise(told))
