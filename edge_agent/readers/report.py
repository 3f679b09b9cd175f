"""Everything that a meter says about a span, as JSON-able values: what `sakshi-agent read URL --json` prints."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

from edge_agent.errors import ReaderUrlError
from edge_agent.readers.dlms.cosem import obis_octets
from edge_agent.readers.dlms.objects import GenericProfile, Shown, shown
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.dlms.survey import generic_profile
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.registers import (
    EXPORT_BLOCK,
    IMPORT_BLOCK,
    CumulativeRegisters,
    MeterClock,
    MeterIdentity,
    ProfileColumn,
    ProfileLayout,
    ProfileRow,
    RegisterSample,
    RegisterValue,
    watt_hours_exact,
)
from signing.interval import Interval, utc_text

Opener: TypeAlias = Callable[[str], Reader | SampledReader]
"""Gives an unconnected reader for a URL."""
Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | bool | None"


async def read_all(url: str, span: Interval | None = None, opener: Opener = open_reader) -> dict[str, Json]:
    """Identity, clock, layout and registers of the meter at `url`, and its blocks and midnights in `span` if one is given.

    Energies are decimal strings in Wh, exact; null where the meter has none.

    Raises:
        ReaderUrlError: a span is asked of a meter without a memory.
        ReaderError: as `open_reader` and the readers do.
    """
    unopened = opener(url)
    if span is not None and not isinstance(unopened, Reader):
        raise ReaderUrlError(("expected no --from and --to for a meter without a memory: it shows its registers now",))
    async with unopened as reader:
        if isinstance(reader, Reader):
            return await _memory(reader, span)
        return await _sampled(reader)


async def read_profile(
    url: str, obis: str, span: Interval | None = None, opener: Opener = open_reader
) -> dict[str, Json]:
    """The profile `obis` of the meter at `url`, whatever it records: instantaneous values, billing, an event log.

    Columns in the meter's order; each row with its instant (null where it has none) and one cell a column. Rows of `span`, by
    their instant, if one is given.

    Raises:
        ReaderUrlError: the meter has no such thing as profiles, or the code is none.
        ReaderError: as `open_reader` and the readers do.
    """
    reader = opener(url)
    if not isinstance(reader, DlmsReader):
        raise ReaderUrlError((f"expected a dlms: URL for profile {obis}: only those meters have profiles",))
    try:
        obis_octets(obis)
    except ValueError as error:
        raise ReaderUrlError((str(error),)) from None
    async with reader:
        found = await generic_profile(reader.client, obis, span)
        # What the answers bear is known when they are all there.
        return {"origin": reader.origin.value, **generic_json(found)}


def generic_json(profile: GenericProfile) -> dict[str, Json]:
    """A profile of any kind: numbers exact in the column's unit, date-times as RFC 3339, null for null-data."""
    rows: list[Json] = [
        {
            "at": None if row.clock is None else utc_text(row.clock.utc_s),
            "cells": [value_json(shown(cell, column)) for cell, column in zip(row.cells, profile.columns, strict=True)],
        }
        for row in profile.rows
    ]
    return {"obis": profile.obis, "columns": columns_json(profile.columns), "rows": rows}


def value_json(value: Shown) -> Json:
    """A value of any object."""
    return [value_json(part) for part in value] if isinstance(value, list) else value


async def _memory(reader: Reader, span: Interval | None) -> dict[str, Json]:
    identity, clock, layout = await reader.identity(), await reader.clock(), await reader.layout()
    report: dict[str, Json] = {
        "origin": reader.origin.value,
        "identity": identity_json(identity),
        "clock": clock_json(clock),
        "layout": layout_json(layout),
        "registers": registers_json(await reader.registers()),
    }
    if span is not None:
        rows = await reader.block_rows(span)
        report["blocks"] = [block_json(row, layout.capture_period_s) for row in rows]
        report["daily"] = [registers_json(each) for each in await reader.daily_registers(span)]
    return report | {"origin": reader.origin.value}


async def _sampled(reader: SampledReader) -> dict[str, Json]:
    return {
        "origin": reader.origin.value,
        "identity": identity_json(await reader.identity()),
        "sample": sample_json(await reader.sample()),
    }


def identity_json(identity: MeterIdentity) -> dict[str, Json]:
    """The identity by its field names."""
    return {
        "serial": identity.serial,
        "manufacturer": identity.manufacturer,
        "firmware": identity.firmware,
        "category": identity.category,
    }


def clock_json(clock: MeterClock) -> dict[str, Json]:
    """The meter's clock, with the octets it sent."""
    return {
        "utc": utc_text(clock.utc_s),
        "hundredths": clock.hundredths,
        "deviation_min": clock.deviation_min,
        "status": clock.status,
        "raw": clock.raw.hex(),
    }


def layout_json(layout: ProfileLayout) -> dict[str, Json]:
    """The profile's columns in the meter's order, its period and depth."""
    return {
        "obis": layout.obis,
        "period_s": layout.capture_period_s,
        "entries": layout.entries,
        "entries_in_use": layout.entries_in_use,
        "newest_first": layout.newest_first,
        "columns": columns_json(layout.columns),
    }


def columns_json(columns: Iterable[ProfileColumn]) -> list[Json]:
    """A profile's columns in the meter's order."""
    return [{"register": c.register, "class": c.class_id, "scaler": c.scaler, "unit": c.unit} for c in columns]


def registers_json(registers: CumulativeRegisters) -> dict[str, Json]:
    """Cumulative energies at the meter's stamp."""
    return {
        "stamp": utc_text(registers.stamp_utc),
        "imported_wh": _text(registers.imported_wh),
        "exported_wh": _text(registers.exported_wh),
    }


def block_json(row: ProfileRow, period_s: int) -> dict[str, Json]:
    """One block as start and end, with its energies and the stamp as sent."""
    return {
        "start": utc_text(row.end_utc - period_s),
        "end": utc_text(row.end_utc),
        "imported_wh": _energy(row.values.get(IMPORT_BLOCK)),
        "exported_wh": _energy(row.values.get(EXPORT_BLOCK)),
        "clock_status": row.clock_status,
        "stamp": None if row.stamp is None else row.stamp.hex(),
    }


def sample_json(sample: RegisterSample) -> dict[str, Json]:
    """A sample in whole Wh, exact Wh, and the words it came in."""
    return {
        "serial": sample.serial,
        "imported_wh": sample.imported_wh,
        "exported_wh": sample.exported_wh,
        "imported_wh_exact": _energy(sample.imported),
        "exported_wh_exact": _energy(sample.exported),
        "quantum_wh": _text(sample.quantum_wh),
        "words": list(sample.words),
    }


def _energy(value: RegisterValue | None) -> str | None:
    return None if value is None else _text(watt_hours_exact(value))


def _text(energy: Decimal | None) -> str | None:
    return None if energy is None else format(energy, "f")
