"""MeterData v0.6 read whole: every INTERVAL and DAILY profile as values, and every fault that its schema or meaning has. Pure.

Stricter than the published validator, which lets through negative energies, lengths that no meter has, times without a zone, a mode that a code
does not have, an override of no cell, words that are no status, and properties that the schema does not know. Source: EXCHANGE §6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from headend.ies.cells import Cell, compact_row, elaborated_row
from headend.ies.codes import Mode, ProfileKind
from headend.ies.descriptors import DescriptorSet, descriptor_sets
from headend.ies.nodes import FaultList, Node, PathFault, node
from signing.interval import DAY_S, MAX_INSTANT, PERIODS_S, is_aligned

OTHER_PROFILES = ("CUSTOMER", "MONTHLY", "BILL_DETAILS", "INSTANTANEOUS", "EVENT", "ALARM")
SCHEMES = (
    "METER_SERIAL", "METER_BADGE", "MRID", "OBIS", "SHORT_CODE", "CONSUMER_NUMBER", "SERVICE_DELIVERY_POINT", "DID", "ORG", "OTHER",
)  # fmt: skip
_KNOWN = (
    "@context", "@type", "profileType", "customerRefs", "meterRefs", "serviceDeliveryPointRefs", "payloadDescriptorSetRef",
    "compactSequenceRef", "intervalPeriod", "intervals",
)  # fmt: skip
_LENGTHS = {ProfileKind.INTERVAL: PERIODS_S, ProfileKind.DAILY: (DAY_S,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRef:
    """One of the names by which a profile calls its meter."""

    scheme: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One interval of a profile."""

    path: str
    start_utc: int
    cells: Mapping[str, Cell]
    """By the code's short label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One INTERVAL or DAILY profile of one meter."""

    path: str
    kind: ProfileKind
    meter: tuple[MeterRef, ...]
    length_s: int
    rows: tuple[Row, ...]
    """Ascending; an interval that is not there is absent, and never zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterData:
    """A document as it was read."""

    profiles: tuple[Profile, ...]
    passed_over: int
    """Profiles of other kinds: they are not looked into."""
    faults: tuple[PathFault, ...]
    """Empty for a document that may be sent or taken."""


def read(document: object) -> MeterData:
    """The document in decoded JSON. Raises nothing: what is wrong stands in `faults`."""
    faults = FaultList()
    entries = document if type(document) is list else [document]
    if not entries:
        faults.add("$", "at least one profile", document)
    nodes = [found for place, entry in enumerate(entries) if (found := node(entry, f"$[{place}]", faults)) is not None]
    sets: dict[str, DescriptorSet] = {}
    kinds = (*(kind.value for kind in ProfileKind), "DESCRIPTOR", *OTHER_PROFILES)
    named = [(one, one.text("profileType", among=kinds)) for one in nodes]
    described = [one for one, word in named if word == "DESCRIPTOR"]
    for one in described:
        sets |= descriptor_sets(one)
    data = [(one, kind) for one, word in named for kind in ProfileKind if kind.value == word]
    if data and not described:
        faults.add("$", "a DESCRIPTOR profile beside the data", "none")
    profiles = [_profile(one, kind, sets) for one, kind in data]
    return MeterData(
        profiles=tuple(profile for profile in profiles if profile is not None),
        passed_over=sum(word in OTHER_PROFILES for _, word in named),
        faults=faults.all(),
    )


def _profile(one: Node, kind: ProfileKind, sets: Mapping[str, DescriptorSet]) -> Profile | None:
    one.close(_KNOWN)
    meter = _references(one, "meterRefs")
    for other in ("customerRefs", "serviceDeliveryPointRefs"):
        if one.has(other):
            _references(one, other)
    name = one.text("payloadDescriptorSetRef")
    if name is not None and name not in sets:
        one.faults.add(one.at("payloadDescriptorSetRef"), "the name of a set of this document", name)
    period = one.child("intervalPeriod")
    if name is None or name not in sets or period is None:
        return None
    period.close(("start", "duration"))
    start, length = period.instant("start"), period.length("duration")
    if length is not None and length not in _LENGTHS[kind]:
        period.faults.add(period.at("duration"), f"{' or '.join(map(str, _LENGTHS[kind]))} s for {kind.value}", length)
        length = None
    if start is None or length is None:
        return None
    if not is_aligned(start, length):
        period.faults.add(period.at("start"), f"an edge of {length} s from IST midnight", period.raw("start"))
    rows = _rows(one, kind, sets[name], start, length)
    return Profile(path=one.path, kind=kind, meter=meter, length_s=length, rows=rows)


def _references(one: Node, name: str) -> tuple[MeterRef, ...]:
    found = []
    for reference in one.children(name, least=1):
        reference.close(("scheme", "value", "namespace"))
        scheme, value = reference.text("scheme", among=SCHEMES), reference.text("value")
        if scheme is not None and value is not None:
            found.append(MeterRef(scheme=scheme, value=value))
    return tuple(found)


def _rows(one: Node, kind: ProfileKind, described: DescriptorSet, start: int, length: int) -> tuple[Row, ...]:
    reference = one.optional_text("compactSequenceRef")
    sequence = None if reference is None else described.sequences.get(reference)
    if reference is not None and sequence is None:
        one.faults.add(one.at("compactSequenceRef"), f"a sequence of set {described.name!r}", reference)
        return ()
    rows: list[Row] = []
    before = -1
    most = (MAX_INSTANT - start) // length
    for interval in one.children("intervals"):
        interval.close(("id", "payloads", "readings", "overrides"))
        place = interval.whole("id", least=0, most=most)
        cells = elaborated_row(interval, kind, described) if sequence is None else compact_row(interval, kind, sequence)
        if place is None:
            continue
        if place <= before:
            interval.faults.add(interval.at("id"), f"a number above {before}", place)
        before = place
        rows.append(Row(path=interval.path, start_utc=start + place * length, cells=cells))
    _require_rising(one, rows)
    return tuple(rows)


def _require_rising(one: Node, rows: list[Row]) -> None:
    """Notes where a register falls: a device that was exchanged begins another profile."""
    last: dict[str, Decimal] = {}
    for row in rows:
        for label, cell in row.cells.items():
            if cell.descriptor.mode is Mode.READING and cell.descriptor.code.is_cumulative:
                if cell.value < last.get(label, cell.value):
                    one.faults.add(row.path, f"no less of {label!r} than before, {last[label]}", cell.value)
                last[label] = cell.value
