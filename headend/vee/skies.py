"""What a clear sky would have given a roof, and what the neighbours' roofs gave of theirs: the weights of E5. Pure.

A clear sky is the installed generation times the sine of the sun's height in the middle of the block, as a level panel sees it; haze, tilt and
what a household takes itself are in the neighbours' share. Source: VEE §B E5; docs/vee-rules.md "Estimates".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headend.vee.declared import Sky
from headend.vee.sun import BILLION, sine_of_height

_HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the discom is, in thousandths of a degree; north and east are positive."""

    latitude_mdeg: int
    longitude_mdeg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another meter with generation on the same feeder."""

    installed_w: int
    export_wh: Mapping[int, int]
    """Measured Wh after factors by block start, of blocks as long as those to be estimated."""


def clear_wh(installed_w: int, start_utc: int, period_s: int, place: Place) -> int:
    """What the installed generation gives in a block under a clear sky, in Wh; nothing while the sun is down."""
    height = sine_of_height(
        start_utc + period_s // 2, latitude_mdeg=place.latitude_mdeg, longitude_mdeg=place.longitude_mdeg
    )
    return installed_w * period_s * max(0, height) // (_HOUR_S * BILLION)


def skies(
    installed_w: int, starts: Iterable[int], period_s: int, neighbours: Sequence[Neighbour], place: Place
) -> dict[int, Sky]:
    """The sky of each block of which a neighbour says something, or in which the sun is down."""
    found: dict[int, Sky] = {}
    for start in starts:
        own = clear_wh(installed_w, start, period_s, place)
        telling = [one for one in neighbours if start in one.export_wh]
        if own == 0 or telling:
            found[start] = Sky(
                clear_wh=own,
                neighbours=len(telling),
                neighbours_wh=sum(one.export_wh[start] for one in telling),
                neighbours_clear_wh=sum(clear_wh(one.installed_w, start, period_s, place) for one in telling),
            )
    return found
