"""The height of the sun in whole-number arithmetic, so that every machine comes to the same verdict to the last digit.

Angles are millionths of a degree, sines billionths. The almanac's low-precision formula is good to 0.01° from 1950 to 2050, the series
here to a millionth; a rule of whole degrees asks no more, and no library's sine is asked. Source: U.S. Naval Observatory and HM Nautical Almanac
Office, The Astronomical Almanac, section C, low-precision formulas for the Sun; sidereal time to the same precision.
"""

BILLION = 10**9
_DEGREE = 10**6
_J2000 = 946_728_000
"""2000-01-01T12:00:00Z."""
_DAY_S = 86_400
_PI = 3_141_592_654
"""In billionths."""


def sine_of_height(at_utc: int, *, latitude_mdeg: int, longitude_mdeg: int) -> int:
    """The sine of the sun's height above the horizon, in billionths; without refraction.

    North and east are positive, in thousandths of a degree. No angle is ever divided by another or inverted: the sun's direction is
    turned into the place's, as a product of two vectors.
    """
    at = at_utc - _J2000
    mean_longitude = 280_460_000 + 9_856_474 * at // (10 * _DAY_S)
    anomaly = 357_528_000 + 9_856_003 * at // (10 * _DAY_S)
    longitude = mean_longitude + (1_915_000 * sine(anomaly) + 20_000 * sine(2 * anomaly)) // BILLION
    obliquity = 23_439_000 - 4 * at // (10 * _DAY_S)
    sidereal = 280_460_618 + 36_098_564_737 * at // (100 * _DAY_S) + longitude_mdeg * 1000
    latitude = latitude_mdeg * 1000
    # Towards the equinox, towards the pole, and square to both.
    east = cosine(longitude)
    north = _times(sine(obliquity), sine(longitude))
    across = _times(cosine(obliquity), sine(longitude))
    level = _times(east, cosine(sidereal)) + _times(across, sine(sidereal))
    return _times(sine(latitude), north) + _times(cosine(latitude), level)


def sine(angle: int) -> int:
    """The sine of an angle in millionths of a degree, in billionths, by its series."""
    turned = angle % (360 * _DEGREE)
    if turned > 180 * _DEGREE:
        return -sine(turned - 180 * _DEGREE)
    folded = min(turned, 180 * _DEGREE - turned)
    radians = folded * _PI // (180 * _DEGREE)
    square = _times(radians, radians)
    term = total = radians
    for order in range(2, 16, 2):
        term = -_times(term, square) // (order * (order + 1))
        total += term
    return total


def cosine(angle: int) -> int:
    """The cosine of an angle in millionths of a degree, in billionths."""
    return sine(angle + 90 * _DEGREE)


def _times(one: int, other: int) -> int:
    return one * other // BILLION
