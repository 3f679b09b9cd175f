"""DESCRIPTOR profiles: named sets of quantities, and the sequences by which compact rows are read. Pure.

A data profile refers to a set by the set's name. Source: IES MeterData v0.6; what its own validator lets through is refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from headend.ies.codes import Code, Mode, code
from headend.ies.nodes import Node

_CONTEXT = ("@context", "@type")
_UNITS = ("kWh", "kVAh", "kvarh", "kW", "kvar", "kVA", "V", "A", "Hz", "PF", "NONE", "INR", "USD")
_FLOWS = ("IMPORT", "EXPORT", "NONE")


class Attribute(Enum):
    """What one cell of a compact row says."""

    VALUE = "value"
    OCCURRED_AT = "occurredAt"
    OPENING = "openingValue"
    CLOSING = "closingValue"
    STATUS = "validationStatus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One quantity as a set declares it."""

    code: Code
    mode: Mode
    multiplier: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceItem:
    """What stands at one place of a compact row."""

    descriptor: Descriptor
    attribute: Attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptorSet:
    """A named set."""

    name: str
    descriptors: Mapping[str, Descriptor]
    """By the code's short label."""
    sequences: Mapping[str, tuple[SequenceItem, ...]]

    def of(self, reading_type: str) -> Descriptor | None:
        """What the set says of a reading type, by label or OBIS code."""
        known = code(reading_type)
        return None if known is None else self.descriptors.get(known.label)


def descriptor_sets(profile: Node) -> dict[str, DescriptorSet]:
    """The sets of a DESCRIPTOR profile by name; faults go to the node's list."""
    profile.close((*_CONTEXT, "profileType", "id", "payloadDescriptorSets"))
    profile.text("id")
    found: dict[str, DescriptorSet] = {}
    for node in profile.children("payloadDescriptorSets"):
        node.close(("name", "payloadDescriptors", "compactSequences"))
        name = node.text("name")
        descriptors = _descriptors(node)
        sequences: dict[str, tuple[SequenceItem, ...]] = {}
        for one in node.children("compactSequences") if node.has("compactSequences") else ():
            one.close(("name", "sequenceItems"))
            called = one.text("name")
            items = _items(one, descriptors)
            if called in sequences:
                node.faults.add(one.at("name"), "each sequence once", called)
            elif called is not None:
                sequences[called] = items
        if name in found:
            node.faults.add(node.at("name"), "each set once", name)
        elif name is not None:
            found[name] = DescriptorSet(name=name, descriptors=descriptors, sequences=sequences)
    return found


def _descriptors(node: Node) -> dict[str, Descriptor]:
    found: dict[str, Descriptor] = {}
    for one in node.children("payloadDescriptors"):
        one.close(
            (
                "readingType",
                "obis",
                "name",
                "unit",
                "flowDirection",
                "category",
                "reportedMode",
                "touZone",
                "multiplier",
                "accuracy",
            )
        )
        text = one.text("readingType")
        known = None if text is None else code(text)
        if text is not None and known is None:
            one.faults.add(one.at("readingType"), "a label or code of the IES list", text)
        if known is None:
            continue
        if known.label in found:
            one.faults.add(one.at("readingType"), "each quantity once in a set", text)
        _agree(one, known)
        found[known.label] = Descriptor(code=known, mode=_mode(one, known), multiplier=_multiplier(one))
    return found


def _agree(one: Node, known: Code) -> None:
    """Notes where what stands beside a reading type is not what the list says of it."""
    for name, expected in (
        ("obis", known.obis),
        ("name", known.name),
        ("unit", known.unit),
        ("flowDirection", known.flow),
    ):
        given = one.optional_text(name, among={"unit": _UNITS, "flowDirection": _FLOWS}.get(name))
        # Where the list is silent, a descriptor may speak.
        if given is not None and expected is not None and given != expected:
            one.faults.add(one.at(name), f"{expected!r} as the IES list has it", given)
    if one.has("accuracy"):
        one.number("accuracy")


def _mode(one: Node, known: Code) -> Mode:
    text = one.optional_text("reportedMode", among=[mode.value for mode in Mode])
    mode = known.default_mode if text is None else Mode(text)
    if mode not in known.modes:
        one.faults.add(one.at("reportedMode"), f"a mode of {known.label!r}", mode.value)
    return mode


def _multiplier(one: Node) -> Decimal:
    if not one.has("multiplier"):
        return Decimal(1)
    given = one.number("multiplier")
    if given is not None and given <= 0:
        one.faults.add(one.at("multiplier"), "a factor above 0", given)
    return given if given is not None and given > 0 else Decimal(1)


def _items(node: Node, descriptors: Mapping[str, Descriptor]) -> tuple[SequenceItem, ...]:
    items: list[SequenceItem] = []
    for one in node.children("sequenceItems", least=1):
        one.close(("readingType", "attribute"))
        text = one.text("readingType")
        word = one.optional_text("attribute", among=[attribute.value for attribute in Attribute])
        known = None if text is None else code(text)
        descriptor = None if known is None else descriptors.get(known.label)
        if descriptor is None:
            if text is not None:
                one.faults.add(one.at("readingType"), "a quantity of this set", text)
            continue
        attribute = Attribute.VALUE if word is None else Attribute(word)
        if attribute in {Attribute.OPENING, Attribute.CLOSING} and descriptor.mode is not Mode.USAGE:
            one.faults.add(one.at("attribute"), "opening and closing values with reportedMode USAGE only", word)
        items.append(SequenceItem(descriptor=descriptor, attribute=attribute))
    return tuple(items)
