"""A meter's registers as a table: which values stand where, and what a read of a span gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

HOLDING = 3
"""Function code of the table that settings stand in, and on many meters everything."""
INPUT = 4
"""Function code of the table that measured values stand in."""


class IllegalAddressError(Exception):
    """The meter has no such register, or not as the start of a value."""


class Registers(Protocol):
    """What a Modbus meter answers from."""

    @property
    def max_words(self) -> int:
        """The most registers that the meter gives at once."""
        ...

    def read(self, function: int, address: int, words: int, now: Callable[[], int]) -> bytes:
        """`words` registers of `function` (3 or 4) from `address` on, two bytes each. `now` (UTC seconds) is asked once, and
        only for what changes: everything in one read is of one moment.

        Raises:
            IllegalAddressError: when one of them is not there, or a value would be cut.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One quantity: how many words it takes, and its octets at an instant."""

    words: int
    octets: Callable[[int], bytes] | bytes
    """A function of the instant in UTC seconds, or what never changes."""


def fixed(octets: bytes) -> Value:
    """A value that never changes."""
    return Value(words=len(octets) // 2, octets=octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Values by function and address. Between the values of one span a meter reads as zero; outside of all spans it has nothing."""

    values: Mapping[int, Mapping[int, Value]]
    spans: Mapping[int, Sequence[range]] = field(default_factory=dict)
    """Addresses, by function, where a word without a value is a zero."""
    max_words: int = 125

    def read(self, function: int, address: int, words: int, now: Callable[[], int]) -> bytes:
        """See `Registers.read`."""
        found: list[Callable[[int], bytes] | bytes] = []
        at, end = address, address + words
        while at < end:
            value = self.values.get(function, {}).get(at)
            if value is not None:
                found.append(value.octets)
                at += value.words
            elif self._is_inside(function, at):
                found.append(bytes(2))
                at += 1
            else:
                raise IllegalAddressError
        if at != end:
            raise IllegalAddressError
        if all(isinstance(octets, bytes) for octets in found):
            return b"".join(octets for octets in found if isinstance(octets, bytes))
        moment = now()
        return b"".join(octets if isinstance(octets, bytes) else octets(moment) for octets in found)

    def _is_inside(self, function: int, at: int) -> bool:
        inside_value = any(start < at < start + value.words for start, value in self.values.get(function, {}).items())
        return not inside_value and any(at in span for span in self.spans.get(function, ()))
