"""How far long work is: plain lines on standard error, soon where somebody watches and now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO, TypeVar

_T = TypeVar("_T")

_WATCHED_S = 2.0
_UNWATCHED_S = 10.0
"""Seconds between two lines, at a terminal and elsewhere."""


class Progress:
    """Tells how much of something is done. What is soon done goes without a word; of what was told the end is told too."""

    __slots__ = ("_clock", "_every_s", "_is_told", "_next_s", "_stream", "_what")

    def __init__(
        self,
        what: str,
        *,
        first_s: float | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`what` is counted, in the plural. The first line comes after `first_s`, as long as between two unless given; `clock` gives seconds."""
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._every_s = _WATCHED_S if self._stream.isatty() else _UNWATCHED_S
        self._clock = clock
        self._next_s = clock() + (self._every_s if first_s is None else first_s)
        self._is_told = False

    def began(self, at_s: float) -> None:
        """Counts the time to the first line from `at_s` of the clock."""
        self._next_s = at_s + self._every_s

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` are done."""
        now_s = self._clock()
        if now_s >= self._next_s or (self._is_told and done >= total):
            self._next_s, self._is_told = now_s + self._every_s, True
            print(f"{done} of {total} {self._what}", file=self._stream, flush=True)


class Telling:
    """Tells of work that has several parts, each counted for itself; how long it takes counts from the beginning of all."""

    __slots__ = ("_begin_s", "_clock", "_stream", "_told")

    def __init__(self, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._stream = stream
        self._clock = clock
        self._begin_s = clock()
        self._told: dict[str, Progress] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` of `what`, in the plural, are done."""
        if what not in self._told:
            first = Progress(what, stream=self._stream, clock=self._clock)
            first.began(self._begin_s)
            self._told[what] = first
        self._told[what](done, total)


def along(items: Sequence[_T], what: str) -> Iterator[_T]:
    """`items` one by one, telling how many are done."""
    tell = Progress(what)
    for done, item in enumerate(items, start=1):
        yield item
        tell(done, len(items))
