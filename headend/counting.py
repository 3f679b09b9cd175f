"""How far long work is, as it is told to whoever waits for it. Pure."""

from collections.abc import Callable

Tell = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

TellPart = Callable[[str, int, int], None]
"""The same of work with several parts; what is counted comes first, in the plural."""


def untold(done: int, total: int) -> None:
    """Tells nobody."""


def untold_part(what: str, done: int, total: int) -> None:
    """Tells nobody."""
