"""Readings: one block of one meter each, and the columns in which a batch carries them.

Source: docs/wire-format.md §4.1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Self

from signing import fields
from signing.energy import MAX_WH
from signing.errors import DecodeError


class Absence(IntEnum):
    """Why an energy of a reading is absent."""

    NONE = 0
    """Both energies are present."""
    NO_EXPORT_REGISTER = 1
    """The meter has no export register: import is present, export is absent."""
    NO_ROW = 2
    NULL_DATA = 3
    NOT_WITNESSED = 4
    REGISTER_FELL = 5
    IMPLAUSIBLE = 6
    METER_ERROR = 7


PRESENT: dict[int, tuple[bool, bool]] = {Absence.NONE: (True, True), Absence.NO_EXPORT_REGISTER: (True, False)}
"""Which energies (import, export) are present for an absence; neither is for the others."""


class Flag(IntFlag):
    """What the meter said about a block."""

    CLOCK_INVALID = 1
    CLOCK_DOUBTFUL = 2
    CLOCK_STEP = 4
    POWER_FAIL = 8
    FILLER = 16
    REPEATED_ROW = 32
    ROLLED_OVER = 64
    DEVICE_FAULT = 128
    """Watchdog, memory, test mode or overflow: the meter doubts itself."""
    TAMPER = 256
    """The meter's event logs say that somebody, or something, worked against the measurement: cover, magnet, wiring."""


MAX_FLAGS = 2**16 - 1
"""Unknown bits are carried: a flag that a later version names is evidence already."""


class Provenance(IntEnum):
    """Where a block's energies come from."""

    LOAD_PROFILE = 0
    SAMPLED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One block of one meter: energies in Wh as the meter states them, or absent with a reason.

    Energies are non-negative by construction in the agent; a received one may be anything, and rules judge it.
    """

    import_wh: int | None
    export_wh: int | None
    absence: Absence
    flags: int
    provenance: Provenance

    def __post_init__(self) -> None:
        if (self.import_wh is not None, self.export_wh is not None) != PRESENT.get(self.absence, (False, False)):
            raise DecodeError(
                f"expected energies as absence {self.absence.name} says, got import {self.import_wh} and export "
                f"{self.export_wh}"
            )


Energies = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The readings of a span as five columns of equal length: what the wire carries and what bulk work reads."""

    import_wh: Energies
    export_wh: Energies
    absence: tuple[int, ...]
    flags: tuple[int, ...]
    provenance: tuple[int, ...]

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> Self:
        """The columns of `readings`, in order."""
        rows = tuple(readings)
        return cls(
            import_wh=tuple(row.import_wh for row in rows),
            export_wh=tuple(row.export_wh for row in rows),
            absence=tuple(int(row.absence) for row in rows),
            flags=tuple(row.flags for row in rows),
            provenance=tuple(int(row.provenance) for row in rows),
        )

    def readings(self) -> tuple[Reading, ...]:
        """The readings, in order."""
        rows = zip(self.import_wh, self.export_wh, self.absence, self.flags, self.provenance, strict=True)
        return tuple(
            Reading(
                import_wh=imported,
                export_wh=exported,
                absence=Absence(absence),
                flags=flags,
                provenance=Provenance(provenance),
            )
            for imported, exported, absence, flags, provenance in rows
        )

    def item(self) -> list[object]:
        """The wire form: a column whose values are all equal is that one value."""
        columns = (self.import_wh, self.export_wh, self.absence, self.flags, self.provenance)
        return [column[0] if len(set(column)) == 1 else list(column) for column in columns]


def parse_columns(item: object, count: int) -> Columns:
    """The columns of `count` blocks. Checked in bulk: intake reads millions.

    Raises:
        DecodeError: naming the column.
    """
    path = "opening.columns"
    imports, exports, absence, flags, provenance = fields.array(item, 5, path)
    columns = Columns(
        import_wh=_energies(_spread(imports, count, f"{path}.import"), f"{path}.import"),
        export_wh=_energies(_spread(exports, count, f"{path}.export"), f"{path}.export"),
        absence=_integers(_spread(absence, count, f"{path}.absence"), max(Absence), f"{path}.absence"),
        flags=_integers(_spread(flags, count, f"{path}.flags"), MAX_FLAGS, f"{path}.flags"),
        provenance=_integers(_spread(provenance, count, f"{path}.provenance"), max(Provenance), f"{path}.provenance"),
    )
    _check_absence(columns, path)
    return columns


def wire_energy(value: object, path: str) -> int:
    """An energy as the wire can carry it: any whole Wh, since a bad value is a finding and not a refusal."""
    return fields.integer(value, path, least=-MAX_WH, most=MAX_WH)


def _spread(column: object, count: int, path: str) -> Sequence[object]:
    if type(column) is not list:
        return (column,) * count
    values = fields.array(column, count, path)
    # Two forms of one column would be two digests of one reading.
    if values.count(values[0]) == count:
        raise DecodeError(f"expected a single value for a column whose values are all equal in '{path}'")
    return values


def _energies(values: Sequence[object], path: str) -> Energies:
    if not set(map(type, values)) <= {int, type(None)}:
        raise DecodeError(f"expected whole Wh or null in '{path}'")
    energies: Energies = tuple(values)  # type: ignore[arg-type]  # every type was just checked
    present = [value for value in energies if value is not None]
    if present:
        wire_energy(min(present), path)
        wire_energy(max(present), path)
    return energies


def _integers(values: Sequence[object], most: int, path: str) -> tuple[int, ...]:
    if set(map(type, values)) != {int}:
        raise DecodeError(f"expected integers in '{path}'")
    integers: tuple[int, ...] = tuple(values)  # type: ignore[arg-type]  # every type was just checked
    fields.integer(min(integers), path, least=0, most=most)
    fields.integer(max(integers), path, least=0, most=most)
    return integers


def _check_absence(columns: Columns, path: str) -> None:
    for imported, exported, absence in zip(columns.import_wh, columns.export_wh, columns.absence, strict=True):
        if (imported is not None, exported is not None) != PRESENT.get(absence, (False, False)):
            raise DecodeError(
                f"expected energies as absence {absence} says, got import {imported} and export {exported} in '{path}'"
            )
