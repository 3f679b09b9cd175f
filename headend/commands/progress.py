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

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` are done."""
        now_s = self._clock()
        if now_s >= self._next_s or (self._is_told and done >= total):
            self._next_s, self._is_told = now_s + self._every_s, True
            print(f"{done} of {total} {self._what}", file=self._stream, flush=True)


def along(items: Sequence[_T], what: str) -> Iterator[_T]:
    """`items` one by one, telling how many are done."""
    tell = Progress(what)
    for done, item in enumerate(items, start=1):
        yield item
        tell(done, len(items))
