"""The code list of IES: which quantity a reading type names, in which profiles and modes it may stand. Read once from the vendored list.

Source: IES MeterData v0.6, "IES codes.json" (headend/ies/schemas/NOTICE).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources


class ProfileKind(Enum):
    """The profiles that are read and written here."""

    INTERVAL = "INTERVAL"
    DAILY = "DAILY"

    @property
    def capability(self) -> str:
        """Its name in a MeterDataRequest."""
        return {"INTERVAL": "IntervalProfile", "DAILY": "DailyProfile"}[self.value]


class Mode(Enum):
    """Whether a value is what a register shows, or what was used in the interval."""

    READING = "READING"
    USAGE = "USAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One quantity."""

    obis: str
    label: str
    name: str
    unit: str
    flow: str | None
    accumulation: str | None
    """`CUMULATIVE` for registers, `DELTA` for blocks."""
    profiles: frozenset[str]
    modes: frozenset[Mode]
    default_mode: Mode

    @property
    def is_cumulative(self) -> bool:
        """Whether it counts up for ever."""
        return self.accumulation == "CUMULATIVE"


IMPORT_BLOCK = "kWh imp block"
EXPORT_BLOCK = "kWh exp block"
IMPORT_REGISTER = "kWh imp"
EXPORT_REGISTER = "kWh exp"
HELD: Mapping[ProfileKind, tuple[str, str]] = {
    ProfileKind.INTERVAL: (IMPORT_BLOCK, EXPORT_BLOCK),
    ProfileKind.DAILY: (IMPORT_REGISTER, EXPORT_REGISTER),
}
"""What this head-end holds of each profile: import and export."""


def code(reading_type: str) -> Code | None:
    """The quantity of a short label or an OBIS code, or none."""
    return _codes().get(reading_type)


@cache
def _codes() -> Mapping[str, Code]:
    text = (resources.files("headend.ies") / "schemas" / "codes.json").read_text(encoding="utf-8")
    found: dict[str, Code] = {}
    for row in json.loads(text)["codes"]:
        one = Code(
            obis=row["obis"],
            label=row["shortLabel"],
            name=row["name"],
            unit=row["unit"],
            flow=row.get("flowDirection"),
            accumulation=row.get("accumulationBehaviour"),
            profiles=frozenset(row["profiles"]),
            modes=frozenset(Mode(mode) for mode in row["supportedModes"]),
            default_mode=Mode(row["defaultMode"]),
        )
        found[one.label] = found[one.obis] = one
    return found
