"""MeterData v0.6 written: a DESCRIPTOR with the sets that are used, and one profile for each run of intervals. Pure.

Values are kWh as exact decimals. What is absent is left out: an interval without a value is not there, and never 0 or -1. Source: EXCHANGE §6.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import groupby
from typing import TypeAlias
from urllib.parse import quote

from headend.ies.codes import HELD, Code, Mode, ProfileKind, code
from headend.ies.rows import Energy, EnergyRow, Run
from headend.vee.declared import Channel
from ledger_client.exact_json import kwh
from signing.interval import IST

Json: TypeAlias = "dict[str, Json] | list[Json] | Decimal | str | int | None"

CONTEXT = "https://india-energy-stack.github.io/ies-accelerator/schemas/MeterData/v0.6/context.jsonld"
_TYPES = {ProfileKind.INTERVAL: "IntervalProfile", ProfileKind.DAILY: "DailyProfile"}
_DURATIONS = {900: "PT15M", 1800: "PT30M", 3600: "PT1H", 86_400: "P1D"}
_MOST_DIGITS = 15


class Form(Enum):
    """How intervals are written."""

    COMPACT = "compact"
    """Rows of numbers, read by a sequence, with sparse overrides."""
    ELABORATED = "elaborated"
    """Named readings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """Some rows of a run that hold the same channels."""

    run: Run
    channels: tuple[Channel, ...]
    rows: tuple[EnergyRow, ...]

    @property
    def codes(self) -> tuple[Code, ...]:
        """The quantities, in the order of the channels."""
        return tuple(_code(self.run.kind, channel) for channel in self.channels)

    @property
    def set_name(self) -> str:
        """The name of the set that describes it: profile, mode and multiplier."""
        return f"{_TYPES[self.run.kind]} {self.run.mode.value} x{_multiplier(self.run.factor):f}"

    @property
    def sequence_name(self) -> str:
        """The name of its sequence."""
        return " + ".join(one.label for one in self.codes)


def document(runs: Iterable[Run], form: Form, domain: str) -> list[Json]:
    """The array: first the DESCRIPTOR, then the data. `domain` is the discom's, which names meters and connection points."""
    sheets = [sheet for run in runs for sheet in _sheets(run)]
    return [_descriptor(sheets), *(_profile(sheet, form, domain) for sheet in sheets)]


def meter_did(domain: str, meter: str) -> str:
    """How a meter is called outside."""
    return f"did:web:{domain}:meters:{quote(meter, safe='')}"


def point_did(domain: str, connection_point: str) -> str:
    """How a connection point is called outside."""
    return f"did:web:{domain}:connections:{quote(connection_point, safe='')}"


def _sheets(run: Run) -> Iterable[_Sheet]:
    """The rows by the channels that they hold: a cell cannot be empty, so each set of channels has its own sequence.

    A register that fell, rolled over or reset, begins another profile: in one it may not fall.
    """
    found: dict[tuple[tuple[Channel, ...], int], list[EnergyRow]] = {}
    falls, shown = 0, dict[Channel, int]()
    for row in run.rows:
        now = {channel: energy.wh for channel, energy in row.energies.items()}
        if run.mode is Mode.READING and any(wh < shown.get(channel, wh) for channel, wh in now.items()):
            falls, shown = falls + 1, {}
        shown |= now
        channels = tuple(channel for channel in Channel if channel in row.energies)
        found.setdefault((channels, falls), []).append(row)
    return [_Sheet(run=run, channels=channels, rows=tuple(rows)) for (channels, _), rows in found.items() if channels]


def _code(kind: ProfileKind, channel: Channel) -> Code:
    found = code(HELD[kind][0 if channel is Channel.IMPORT else 1])
    assert found is not None
    return found


def _multiplier(factor: Fraction) -> Decimal:
    """The factor as a short decimal; 1 where it has none, and the energies are scaled instead."""
    denominator = factor.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    exact = Decimal(factor.numerator) / Decimal(factor.denominator)
    return exact if denominator == 1 and len(exact.as_tuple().digits) <= _MOST_DIGITS else Decimal(1)


def _descriptor(sheets: Sequence[_Sheet]) -> Json:
    sets: list[Json] = []
    for name, group in groupby(sorted(sheets, key=lambda sheet: sheet.set_name), key=lambda sheet: sheet.set_name):
        described = list(group)
        run = described[0].run
        codes = {one.label: one for sheet in described for one in sheet.codes}
        sequences = {sheet.sequence_name: sheet for sheet in described}
        sets.append(
            {
                "name": name,
                "payloadDescriptors": [_described(codes[label], run) for label in sorted(codes)],
                "compactSequences": [
                    {"name": called, "sequenceItems": [*_items(sheet)]} for called, sheet in sorted(sequences.items())
                ],
            }
        )
    return {
        "@context": CONTEXT,
        "@type": "PayloadDescriptorProfile",
        "profileType": "DESCRIPTOR",
        "id": "sakshi-meter-data-v0.6",
        "payloadDescriptorSets": sets,
    }


def _described(one: Code, run: Run) -> Json:
    return {
        "readingType": one.label,
        "obis": one.obis,
        "name": one.name,
        "unit": one.unit,
        "flowDirection": one.flow,
        "reportedMode": run.mode.value,
        "multiplier": _multiplier(run.factor),
    }


def _attributes(run: Run) -> tuple[str, ...]:
    """What a compact row says of each quantity."""
    has_registers = run.kind is ProfileKind.DAILY and run.mode is Mode.USAGE
    return ("value", "openingValue", "closingValue") if has_registers else ("value",)


def _items(sheet: _Sheet) -> Iterable[Json]:
    for one in sheet.codes:
        for attribute in _attributes(sheet.run):
            yield {"readingType": one.label, "attribute": attribute}


def _profile(sheet: _Sheet, form: Form, domain: str) -> Json:
    run, start = sheet.run, sheet.rows[0].start_utc
    profile: dict[str, Json] = {
        "@context": CONTEXT,
        "@type": _TYPES[run.kind],
        "profileType": run.kind.value,
        "meterRefs": [
            {"scheme": "DID", "value": meter_did(domain, run.meter)},
            {"scheme": "METER_SERIAL", "value": run.identity},
        ],
        "serviceDeliveryPointRefs": [{"scheme": "DID", "value": point_did(domain, run.connection_point)}],
        "payloadDescriptorSetRef": sheet.set_name,
        "intervalPeriod": {"start": _ist(start), "duration": _DURATIONS[run.length_s]},
    }
    if form is Form.COMPACT:
        profile["compactSequenceRef"] = sheet.sequence_name
    profile["intervals"] = [
        {"id": (row.start_utc - start) // run.length_s, **_cells(sheet, row, form)} for row in sheet.rows
    ]
    return profile


def _ist(at_utc: int) -> str:
    return datetime.fromtimestamp(at_utc, UTC).astimezone(IST).isoformat()


def _cells(sheet: _Sheet, row: EnergyRow, form: Form) -> dict[str, Json]:
    if form is Form.ELABORATED:
        return {"readings": [_reading(sheet, row, channel) for channel in sheet.channels]}
    width = len(_attributes(sheet.run))
    payloads: list[Json] = []
    overrides: list[Json] = []
    for place, channel in enumerate(sheet.channels):
        energy = row.energies[channel]
        payloads += [_kwh(sheet.run, wh) for wh in _values(energy, width)]
        if energy.mark is not None:
            overrides.append({"descriptorIndex": place * width, **_marked(energy)})
    return {"payloads": payloads, **({"overrides": overrides} if overrides else {})}


def _values(energy: Energy, width: int) -> Iterable[int]:
    if width == 1:
        return (energy.wh,)
    assert energy.opening_wh is not None
    assert energy.closing_wh is not None
    return (energy.wh, energy.opening_wh, energy.closing_wh)


def _reading(sheet: _Sheet, row: EnergyRow, channel: Channel) -> Json:
    energy = row.energies[channel]
    registers = zip(_attributes(sheet.run), _values(energy, len(_attributes(sheet.run))), strict=True)
    return {
        "readingType": _code(sheet.run.kind, channel).label,
        **{name: _kwh(sheet.run, wh) for name, wh in registers},
        **_marked(energy),
    }


def _marked(energy: Energy) -> dict[str, Json]:
    mark = energy.mark
    if mark is None:
        return {}
    words = (
        ("validationStatus", mark.status),
        ("source", mark.source),
        ("changeMethod", mark.method),
        ("failCode", mark.fail_code),
    )
    return {name: word for name, word in words if word is not None}


def _kwh(run: Run, wh: int) -> Decimal:
    """The energy in kWh as it is written beside the multiplier."""
    exact = Fraction(wh) * run.factor / Fraction(_multiplier(run.factor))
    # Half to even, and only where the factor has no decimal form.
    return kwh(round(exact))
