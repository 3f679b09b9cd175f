"""COSEM names and times: OBIS codes, attributes, date-times.

Source: DLMS UA Blue Book, date-time format and logical names; METERS §5 for what Indian meters put there.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from edge_agent.errors import MeterDecodeError
from edge_agent.registers import MeterClock
from signing.interval import IST_OFFSET_S, MAX_INSTANT

IST_OFFSET_MIN: Final = IST_OFFSET_S // 60
DEVIATION_UNSPECIFIED: Final = -0x8000
DATE_TIME_OCTETS: Final = 12
_UNSPECIFIED: Final = 0xFF
_OBIS: Final = re.compile(r"(?:\d{1,3}\.){5}\d{1,3}")


def obis_octets(code: str) -> bytes:
    """The six octets of an OBIS code such as ``1.0.99.1.0.255``.

    Raises:
        ValueError: when `code` is not six numbers from 0 to 255.
    """
    parts = [int(part) for part in code.split(".")] if _OBIS.fullmatch(code) else []
    if not parts or max(parts) > 0xFF:
        raise ValueError(f"expected an OBIS code such as 1.0.99.1.0.255, got {code!r}")
    return bytes(parts)


def obis_text(octets: bytes) -> str:
    """Six octets as an OBIS code.

    Raises:
        MeterDecodeError: when there are not six.
    """
    if len(octets) != 6:
        raise MeterDecodeError(f"expected a logical name of 6 octets, got {len(octets)}")
    return ".".join(str(octet) for octet in octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of one COSEM object."""

    class_id: int
    obis: str
    attribute: int = 2

    def __post_init__(self) -> None:
        obis_octets(self.obis)

    def __str__(self) -> str:
        return f"{self.obis} (class {self.class_id}) attribute {self.attribute}"

    def octets(self) -> bytes:
        """The attribute descriptor on the wire: class, logical name, attribute index."""
        return self.class_id.to_bytes(2, "big") + obis_octets(self.obis) + bytes([self.attribute])

    def sibling(self, attribute: int) -> "Attribute":
        """Another attribute of the same object."""
        return Attribute(class_id=self.class_id, obis=self.obis, attribute=attribute)


CLOCK: Final = Attribute(class_id=8, obis="0.0.1.0.0.255")
SERIAL: Final = Attribute(class_id=1, obis="0.0.96.1.0.255")
MANUFACTURER: Final = Attribute(class_id=1, obis="0.0.96.1.1.255")
FIRMWARE: Final = Attribute(class_id=1, obis="1.0.0.2.0.255")
CATEGORY: Final = Attribute(class_id=1, obis="0.0.94.91.11.255")
BLOCK_LOAD: Final = Attribute(class_id=7, obis="1.0.99.1.0.255")
DAILY_LOAD: Final = Attribute(class_id=7, obis="1.0.99.2.0.255")
BLOCK_SCALERS: Final = Attribute(class_id=7, obis="1.0.94.91.4.255")
DAILY_SCALERS: Final = Attribute(class_id=7, obis="1.0.94.91.5.255")


def meter_clock(raw: bytes) -> MeterClock:
    """The instant that 12 octets of a COSEM date-time name.

    A deviation of 0x8000 (unspecified) means +05:30, and so does +330, which some makers send for -330: the Blue Book counts
    "minutes of local time to UTC", negative east of Greenwich.

    Raises:
        MeterDecodeError: naming the field, when the length is wrong, a part is a wildcard or out of range, or the deviation
            is none that an Indian meter can mean.
    """
    if len(raw) != DATE_TIME_OCTETS:
        raise MeterDecodeError(f"expected a date-time of 12 octets, got {len(raw)}")
    year = int.from_bytes(raw[0:2], "big")
    if not 1970 <= year <= 2105:
        raise _wrong("year", year, "1970 to 2105", raw)
    month = _part(raw, 2, "month", range(1, 13))
    day = _part(raw, 3, "day of month", range(1, calendar.monthrange(year, month)[1] + 1))
    # Octet 4, the day of week, is often 0xFF and says nothing that the date does not.
    hour = _part(raw, 5, "hour", range(24))
    minute = _part(raw, 6, "minute", range(60))
    second = _part(raw, 7, "second", range(60))
    hundredths = None if raw[8] == _UNSPECIFIED else _part(raw, 8, "hundredths", range(100))
    deviation = int.from_bytes(raw[9:11], "big", signed=True)
    if deviation not in {DEVIATION_UNSPECIFIED, -IST_OFFSET_MIN, IST_OFFSET_MIN}:
        raise _wrong("deviation", deviation, "-330 (or 330, or 0x8000 for unspecified) minutes", raw)
    utc_s = calendar.timegm((year, month, day, hour, minute, second)) - IST_OFFSET_S
    if not 0 <= utc_s <= MAX_INSTANT:
        raise _wrong("year", year, "a time after 1970-01-01 05:30 IST", raw)
    return MeterClock(
        utc_s=utc_s,
        hundredths=hundredths,
        deviation_min=None if deviation == DEVIATION_UNSPECIFIED else deviation,
        status=None if raw[11] == _UNSPECIFIED else raw[11],
        raw=raw,
    )


def _part(raw: bytes, at: int, name: str, allowed: range) -> int:
    value = raw[at]
    if value not in allowed:
        raise _wrong(name, value, f"{allowed[0]} to {allowed[-1]}", raw)
    return value


def _wrong(name: str, got: int, expected: str, raw: bytes) -> MeterDecodeError:
    wildcard = " (a wildcard: not specified)" if got in {0xFD, 0xFE, 0xFF, 0xFFFF} else ""
    return MeterDecodeError(f"expected {expected}, got {got}{wildcard} in '{name}' of date-time {raw.hex()}")


def date_time_octets(at_utc: int, deviation_min: int | None) -> bytes:
    """IST wall-clock time of `at_utc` as 12 octets; weekday unspecified, hundredths 0, status 0.

    Some meters refuse a deviation in a range, others its absence: None sends 0x8000.
    """
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_utc + IST_OFFSET_S)
    deviation = DEVIATION_UNSPECIFIED if deviation_min is None else deviation_min
    day = local.year.to_bytes(2, "big") + bytes([local.month, local.day, _UNSPECIFIED])
    time = bytes([local.hour, local.minute, local.second, 0])
    return day + time + deviation.to_bytes(2, "big", signed=True) + b"\x00"
