"""The cells of one interval, compact or elaborated, with their quality. Pure.

Source: IES MeterData v0.6 (compact form, sparse overrides, elaborated form); EXCHANGE §6 (what its own validator does not catch).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from headend.ies.codes import Mode, ProfileKind
from headend.ies.descriptors import Attribute, Descriptor, DescriptorSet, SequenceItem
from headend.ies.nodes import EXACT, Node, node, number
from signing.errors import DecodeError
from signing.interval import parse_instant

STATUSES = ("VALID", "ESTIMATED", "MANUAL", "SUSPECT", "REJECTED")
SOURCES = ("METER", "HES", "ESTIMATED", "MANUAL", "IMPORT", "MDM_COMPUTED", "CIS_COMPUTED")
_TOLERANCE = Decimal("0.00001")
_READING = (
    "readingType", "value", "openingValue", "closingValue", "integrationPeriod", "occurredAt", "validationStatus", "source",
    "changeMethod", "failCode",
)  # fmt: skip
_OVERRIDE = ("descriptorIndex", "occurredAt", "zone", "validationStatus", "source", "changeMethod", "failCode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One quantity of one interval. Values are in the code's unit, times the descriptor's multiplier."""

    descriptor: Descriptor
    value: Decimal
    opening: Decimal | None
    closing: Decimal | None
    status: str
    """`VALID` where nothing else is said."""
    source: str | None


def compact_row(interval: Node, kind: ProfileKind, sequence: Sequence[SequenceItem]) -> Mapping[str, Cell]:
    """The cells of a compact row, by label."""
    if interval.has("readings"):
        interval.faults.add(interval.at("readings"), "payloads alone in a compact profile", "readings")
    payloads = list(interval.items("payloads", least=1))
    if len(payloads) != len(sequence):
        interval.faults.add(interval.at("payloads"), f"{len(sequence)} cells", len(payloads))
        return {}
    given: dict[str, dict[Attribute, object]] = {}
    descriptors: dict[str, Descriptor] = {}
    for item, (path, value) in zip(sequence, payloads, strict=True):
        label = item.descriptor.code.label
        descriptors[label] = item.descriptor
        given.setdefault(label, {})[item.attribute] = _payload(interval, path, value, item.attribute)
    cells = {
        label: cell
        for label, values in given.items()
        if (cell := _cell(interval, kind, descriptors[label], values)) is not None
    }
    return _overridden(interval, sequence, cells) if interval.has("overrides") else cells


def elaborated_row(interval: Node, kind: ProfileKind, described: DescriptorSet) -> Mapping[str, Cell]:
    """The cells of an elaborated row, by label."""
    for name in ("payloads", "overrides"):
        if interval.has(name):
            interval.faults.add(interval.at(name), "a compactSequenceRef in the profile", "none")
    cells: dict[str, Cell] = {}
    for reading in interval.children("readings", least=1):
        reading.close(_READING)
        text = reading.text("readingType")
        descriptor = None if text is None else described.of(text)
        if descriptor is None:
            if text is not None:
                reading.faults.add(reading.at("readingType"), f"a quantity of set {described.name!r}", text)
            continue
        values: dict[Attribute, object] = {Attribute.VALUE: reading.number("value")}
        for attribute in (Attribute.OPENING, Attribute.CLOSING):
            if reading.has(attribute.value):
                values[attribute] = reading.number(attribute.value)
                if descriptor.mode is not Mode.USAGE:
                    reading.faults.add(
                        reading.at(attribute.value), "reportedMode USAGE beside it", descriptor.mode.value
                    )
        cell = _cell(reading, kind, descriptor, values)
        if cell is None:
            continue
        if descriptor.code.label in cells:
            reading.faults.add(reading.at("readingType"), "each quantity once in an interval", text)
        cells[descriptor.code.label] = _marked(reading, cell)
    return cells


def _payload(interval: Node, path: str, value: object, attribute: Attribute) -> object:
    if attribute is Attribute.STATUS:
        if value not in STATUSES:
            interval.faults.add(path, f"one of {', '.join(STATUSES)}", value)
            return None
        return value
    if attribute is Attribute.OCCURRED_AT:
        _require_instant(interval, path, value)
        return None
    return number(value, path, interval.faults)


def _require_instant(interval: Node, path: str, value: object) -> None:
    try:
        parse_instant(value if isinstance(value, str) else "", path)
    except DecodeError:
        interval.faults.add(path, "a date-time with its zone", value)


def _cell(place: Node, kind: ProfileKind, descriptor: Descriptor, values: Mapping[Attribute, object]) -> Cell | None:
    known = descriptor.code
    if kind.value not in known.profiles:
        place.faults.add(place.path, f"a quantity of {kind.value}", known.label)
    value, opening, closing = (
        found if isinstance(found := values.get(each), Decimal) else None
        for each in (Attribute.VALUE, Attribute.OPENING, Attribute.CLOSING)
    )
    if value is None:
        if Attribute.VALUE not in values:
            place.faults.add(place.path, f"a value of {known.label!r}", "none")
        return None
    for each in (value, opening, closing):
        if each is not None and each < 0 and known.unit.endswith("h"):
            place.faults.add(place.path, f"no negative {known.label!r}: absent is left out", each)
    if opening is not None and closing is not None and abs(closing - opening - value) > _TOLERANCE:
        place.faults.add(place.path, f"{known.label!r} equal to closing minus opening", value)
    status = values.get(Attribute.STATUS)
    return Cell(
        descriptor=descriptor,
        value=EXACT.multiply(value, descriptor.multiplier),
        opening=None if opening is None else EXACT.multiply(opening, descriptor.multiplier),
        closing=None if closing is None else EXACT.multiply(closing, descriptor.multiplier),
        status=status if isinstance(status, str) else "VALID",
        source=None,
    )


def _marked(place: Node, cell: Cell) -> Cell:
    """The cell with the quality that stands beside it."""
    status = place.optional_text("validationStatus", among=STATUSES)
    source = place.optional_text("source", among=SOURCES)
    for name in ("changeMethod", "failCode"):
        place.optional_text(name)
    if place.has("occurredAt"):
        place.instant("occurredAt")
    return replace(cell, status=status or cell.status, source=source or cell.source)


def _overridden(interval: Node, sequence: Sequence[SequenceItem], cells: Mapping[str, Cell]) -> Mapping[str, Cell]:
    found = dict(cells)
    seen: set[int] = set()
    for path, entry in interval.items("overrides"):
        override = node(entry, path, interval.faults)
        if override is None:
            continue
        override.close(_OVERRIDE)
        place = override.whole("descriptorIndex", least=0, most=len(sequence) - 1)
        if override.has("zone"):
            override.whole("zone", least=1, most=8)
        if place is None:
            continue
        if place in seen:
            override.faults.add(override.at("descriptorIndex"), "each cell once", place)
        seen.add(place)
        label = sequence[place].descriptor.code.label
        if label in found:
            found[label] = _marked(override, found[label])
    return found


def worst_status(cells: Iterable[Cell]) -> str:
    """The worst status of several cells, in the order of the list."""
    return max((cell.status for cell in cells), key=STATUSES.index, default="VALID")
