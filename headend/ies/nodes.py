"""A foreign JSON document, walked with every fault collected by its path. Pure.

Decimals come as `Decimal` (`ledger_client.exact_json`); a missing or wrong value gives none and a fault, so that one reading names all of them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal

from signing.errors import DecodeError
from signing.interval import DAY_S, parse_instant

MAX_FAULTS = 200
"""More of one document are not listed: the first tell what is wrong with it."""

_DURATION = re.compile(
    r"P(?:([0-9]{1,4})W)?(?:([0-9]{1,4})D)?(?:T(?:([0-9]{1,4})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,7})S)?)?"
)
_LONG = re.compile(r"P([0-9]{1,3})([YM])")
_LEAST_DAYS = {"Y": 365, "M": 28}
_MAX_DIGITS = 30

EXACT = Context(prec=100)
"""Arithmetic in which products of two numbers of a document are never rounded, and never more than it can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFault:
    """What is wrong at one place of a document."""

    path: str
    expected: str
    got: str

    @property
    def words(self) -> str:
        """The fault for people."""
        return f"expected {self.expected}, got {self.got} in '{self.path}'"


class FaultList:
    """What is wrong with one document, in the order it was found. Owned by whoever reads the document."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[PathFault] = []

    def add(self, path: str, expected: str, got: object) -> None:
        """Notes a fault; beyond `MAX_FAULTS` nothing is noted."""
        if len(self._found) < MAX_FAULTS:
            self._found.append(PathFault(path=path, expected=expected, got=shown(got)))

    def all(self) -> tuple[PathFault, ...]:
        """Every fault noted."""
        return tuple(self._found)


class Node:
    """One object of the document."""

    __slots__ = ("_values", "faults", "path")

    def __init__(self, values: dict[str, object], path: str, faults: FaultList) -> None:
        self._values = values
        self.path = path
        self.faults = faults

    def at(self, name: str) -> str:
        """The path of a key."""
        return f"{self.path}.{name}"

    def has(self, name: str) -> bool:
        """Whether the key is there."""
        return name in self._values

    def raw(self, name: str) -> object:
        """What stands under a key, unchecked; none without it."""
        return self._values.get(name)

    def close(self, known: Iterable[str]) -> None:
        """Notes every key that is not among `known`: the schemas leave objects open, so that a misspelt key would pass."""
        names = set(known)
        for name in self._values:
            if name not in names:
                self.faults.add(self.at(name), "no such property", "one")

    def text(self, name: str, *, among: Iterable[str] | None = None) -> str | None:
        """The text under a required key, one of `among` if that is given."""
        value = self._values.get(name)
        if type(value) is not str or not value:
            self.faults.add(self.at(name), "a text", value)
            return None
        if among is not None and value not in (words := tuple(among)):
            self.faults.add(self.at(name), f"one of {', '.join(words)}", value)
            return None
        return value

    def optional_text(self, name: str, *, among: Iterable[str] | None = None) -> str | None:
        """The text under a key that may be missing."""
        return self.text(name, among=among) if name in self._values else None

    def whole(self, name: str, *, least: int, most: int) -> int | None:
        """The whole number under a required key."""
        value = self._values.get(name)
        if type(value) is not int or not least <= value <= most:
            self.faults.add(self.at(name), f"a whole number from {least} to {most}", value)
            return None
        return value

    def number(self, name: str) -> Decimal | None:
        """The number under a required key, exactly."""
        return number(self._values.get(name), self.at(name), self.faults)

    def instant(self, name: str) -> int | None:
        """The instant under a required key, UTC seconds; it names its zone."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return parse_instant(text, self.at(name))
        except DecodeError:
            self.faults.add(self.at(name), "a date-time in whole seconds with its zone", text)
            return None

    def length(self, name: str) -> int | None:
        """The duration under a required key, in seconds; months and years have no length here."""
        text = self.text(name)
        if text is None:
            return None
        found = seconds(text)
        if found is None:
            self.faults.add(self.at(name), "a duration of weeks to seconds such as PT15M", text)
        return found

    def child(self, name: str) -> "Node | None":
        """The object under a required key."""
        value = self._values.get(name)
        if type(value) is not dict:
            self.faults.add(self.at(name), "an object", value)
            return None
        return Node(value, self.at(name), self.faults)

    def items(self, name: str, *, least: int = 0) -> Iterator[tuple[str, object]]:
        """Path and value of each entry of the list under a required key."""
        value = self._values.get(name)
        if type(value) is not list or len(value) < least:
            self.faults.add(self.at(name), f"a list of at least {least}", value)
            return
        for place, entry in enumerate(value):
            yield f"{self.at(name)}[{place}]", entry

    def children(self, name: str, *, least: int = 0) -> "Iterator[Node]":
        """The objects of the list under a required key."""
        for path, entry in self.items(name, least=least):
            found = node(entry, path, self.faults)
            if found is not None:
                yield found


def node(value: object, path: str, faults: FaultList) -> Node | None:
    """An object as a node, or none and a fault."""
    if type(value) is not dict:
        faults.add(path, "an object", value)
        return None
    return Node(value, path, faults)


def number(value: object, path: str, faults: FaultList) -> Decimal | None:
    """A number exactly, or none and a fault. A bool is no number, and neither is a text."""
    found = Decimal(value) if type(value) is int else value
    # More digits than any meter has would be rounded away unseen by whoever calculates with them.
    is_bounded = (
        isinstance(found, Decimal)
        and found.is_finite()
        and max(abs(found.adjusted()), len(found.as_tuple().digits) - 1) < _MAX_DIGITS
    )
    if isinstance(found, Decimal) and is_bounded:
        return found
    faults.add(path, "a number", value)
    return None


def seconds(text: str) -> int | None:
    """Length of an ISO 8601 duration of weeks to seconds; none for another text and for an empty duration."""
    found = _DURATION.fullmatch(text)
    if found is None or text.endswith("T"):
        return None
    weeks, days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return (weeks * 7 + days) * DAY_S + hours * 3600 + minutes * 60 + rest or None


def least_seconds(text: str) -> int | None:
    """The least that a duration can last: a month may have 28 days, a year 365."""
    found = _LONG.fullmatch(text)
    return seconds(text) if found is None else int(found[1]) * _LEAST_DAYS[found[2]] * DAY_S


def shown(value: object) -> str:
    """A value in a fault, short; of a list or an object only what it is."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return f"{type(value).__name__} of {len(value)}"
    return f"{value!s:.60}"
