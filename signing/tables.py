"""Checked TOML tables: every fault of a file is collected with its key, so that an operator mends it once.

Used for the trust file and for the programs' configurations. A missing or wrong value gives a stand-in of the right type and a
fault; whoever parsed the whole file then calls `Faults.check`, and nothing built from stand-ins ever escapes.
"""

import tomllib
from collections.abc import Callable
from typing import TypeVar

from signing.errors import DecodeError

T = TypeVar("T")


class Faults:
    """What is wrong with one file, in the order it was found."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lines: list[str] = []

    def add(self, key: str, message: str) -> None:
        """Records that `key` is wrong; `message` says expected, got, and the remedy."""
        self._lines.append(f"{key}: {message}")

    def check(self) -> None:
        """Raises `DecodeError` with every fault, one a line, if there is any."""
        if self._lines:
            raise DecodeError("\n".join([f"{self._source} has {len(self._lines)} fault(s):", *self._lines]))


class Table:
    """One TOML table under a key path. `close` reports the keys that nobody asked for."""

    def __init__(self, values: dict[str, object], path: str, faults: Faults) -> None:
        self._values = dict(values)
        self._path = path
        self.faults = faults

    def key(self, name: str) -> str:
        """The full key of `name`, for messages."""
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        """Whether the key stands in the file and has not been asked for yet."""
        return name in self._values

    def names(self) -> tuple[str, ...]:
        """The keys that have not been asked for yet, in the order of the file."""
        return tuple(self._values)

    def integer(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        """The whole number under `name`, `least` to `most`."""
        value = self._values.pop(name, default)
        if type(value) is not int or not least <= value <= most:
            self.faults.add(self.key(name), f"expected a whole number from {least} to {most}, got {_shown(value)}")
            return least
        return value

    def text(self, name: str, *, default: str | None = None) -> str:
        """The non-empty text under `name`."""
        value = self._values.pop(name, default)
        if type(value) is not str or not value:
            # The kind of what is there, and never the thing: an unquoted password is a number.
            got = (
                "nothing"
                if value is None
                else f"a value of type {type(value).__name__}"
                if value != ""
                else "an empty one"
            )
            self.faults.add(self.key(name), f"expected a text in quotes, got {got}")
            return ""
        return value

    def optional_text(self, name: str) -> str | None:
        """The text under `name`, or none."""
        return self.text(name) if self.has(name) else None

    def texts(self, name: str, *, least: int = 0, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """The list of at least `least` texts under `name`."""
        value = self._values.pop(name, None if default is None else list(default))
        if type(value) is not list or len(value) < least or not all(type(entry) is str for entry in value):
            self.faults.add(self.key(name), f"expected a list of at least {least} texts, got {_shown(value)}")
            return ()
        return tuple(value)

    def integers(self, name: str, *, least: int, most: int, default: tuple[int, ...]) -> tuple[int, ...]:
        """The list of whole numbers under `name`, at least one, each `least` to `most`."""
        value = self._values.pop(name, list(default))
        if type(value) is not list or not value or not all(type(n) is int and least <= n <= most for n in value):
            self.faults.add(
                self.key(name), f"expected a list of whole numbers from {least} to {most}, got {_shown(value)}"
            )
            return default
        return tuple(value)

    def parsed(self, name: str, parse: Callable[[str, str], T], stand_in: T, *, default: str | None = None) -> T:
        """What `parse(text, key)` makes of the text under `name`; its `DecodeError` becomes a fault."""
        text = self.text(name, default=default)
        if not text:
            return stand_in
        try:
            return parse(text, self.key(name))
        except DecodeError as error:
            self.faults.add(self.key(name), str(error))
            return stand_in

    def flag(self, name: str, *, default: bool) -> bool:
        """The true or false under `name`."""
        value = self._values.pop(name, default)
        if type(value) is not bool:
            self.faults.add(self.key(name), f"expected true or false, got {_shown(value)}")
            return default
        return value

    def table(self, name: str) -> "Table":
        """The table under `name`; an absent one is empty."""
        value = self._values.pop(name, {})
        if type(value) is not dict:
            self.faults.add(self.key(name), f"expected a table [{self.key(name)}], got {_shown(value)}")
            value = {}
        return Table(value, self.key(name), self.faults)

    def tables(self, name: str, *, least: int = 0) -> "tuple[Table, ...]":
        """The tables of the array under `name`."""
        value = self._values.pop(name, [])
        if type(value) is not list or not all(type(entry) is dict for entry in value):
            self.faults.add(self.key(name), f"expected tables [[{self.key(name)}]], got {_shown(value)}")
            return ()
        if len(value) < least:
            self.faults.add(
                self.key(name), f"expected at least {least} table(s) [[{self.key(name)}]], got {len(value)}"
            )
        return tuple(Table(entry, f"{self.key(name)}[{place}]", self.faults) for place, entry in enumerate(value))

    def close(self) -> None:
        """Records a fault for every key that nobody asked for."""
        for name in self._values:
            self.faults.add(self.key(name), "unknown key: remove it, or correct its spelling")


def parse_toml(text: str, source: str) -> Table:
    """The root table of TOML text, with an empty list of faults named for `source`.

    Raises:
        DecodeError: it is not TOML at all; with the line.
    """
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DecodeError(f"{source} is not TOML: {error}") from error
    return Table(values, "", Faults(source))


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value!r:.60}"
