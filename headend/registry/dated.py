"""What holds from a time on, until something later is stated: the form of everything in the registry.

Pure. A history is ascending by time, and each time stands in it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """What was stated to hold from a time on."""

    from_utc: int
    value: T


History: TypeAlias = tuple[Dated[T], ...]
"""Ascending by `from_utc`, each once."""


def holding(history: Sequence[Dated[T]], at_utc: int) -> T | None:
    """What holds at an instant, or none before the first statement."""
    return next((entry.value for entry in reversed(history) if entry.from_utc <= at_utc), None)


def stated(history: History[T], since_utc: int, value: T) -> History[T]:
    """The history after `value` was stated to hold from `since_utc` on, until the next later statement.

    The same object when that is known already. What repeats what holds before it is left out: a later correction of the past reaches to
    the next change, and not to the next repetition.
    """
    now = next((entry for entry in reversed(history) if entry.from_utc <= since_utc), None)
    if now is not None and now.value == value:
        return history
    before = tuple(entry for entry in history if entry.from_utc < since_utc)
    after = tuple(entry for entry in history if entry.from_utc > since_utc)
    is_news = not before or before[-1].value != value
    return (*before, *((Dated(since_utc, value),) if is_news else ()), *after)
