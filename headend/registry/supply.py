"""What the discom knows of a connection point beside its meters, and what was read when a device was exchanged.

Values only. Nothing of it is evidence: that stands in MeterRecords.
"""

from dataclasses import dataclass
from enum import Enum


class By(Enum):
    """What connection points are looked up by."""

    CONSUMER = "consumer"
    FEEDER = "feeder"
    DT = "dt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Whose supply it is, and where it hangs in the network."""

    consumer: str | None = None
    """The discom's consumer number."""
    feeder: str | None = None
    dt: str | None = None
    """The distribution transformer."""
    storage_wh: int | None = None
    """Registered storage in Wh; none where nothing is registered."""


NOTHING = Supply()
"""A connection point of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPair:
    """The cumulative registers of a device as it shows them, before factors."""

    import_wh: int
    export_wh: int | None
    """None for a device without an export register."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One device was put in another's place, and somebody read both."""

    connection_point: str
    at_utc: int
    old_meter: str
    new_meter: str
    """The same as `old_meter` where the meter's id was kept and only the device changed."""
    closing: RegisterPair
    """Of the old device."""
    opening: RegisterPair
    """Of the new one."""
    stated_by: str
    stated_utc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedChange:
    """One entry of the journal of the registry."""

    stated_by: str
    stated_utc: int
    meter: str
    from_utc: int
    """From when on it holds."""
    field: str
    """The column of the sheet."""
    before: str
    """As a cell; empty where nothing held."""
    after: str
