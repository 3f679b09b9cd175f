"""Whose keys are looked up: a key that was verified before as often as it comes, any other seldom and few at once.

A look-up goes out to a registry and holds a thread; whoever invents names must not have the door make them all.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from headend.pace import Pace

PER_MINUTE = 60
AT_ONCE = 4
_MOST_KNOWN = 10_000
_ANYBODY = ""


class Strangers:
    """Remembers keys that were verified. Safe to use from several threads."""

    __slots__ = ("_known", "_lock", "_pace", "_places")

    def __init__(self, *, per_minute: int = PER_MINUTE, at_once: int = AT_ONCE) -> None:
        self._pace = Pace(per_minute)
        self._places = threading.BoundedSemaphore(at_once)
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def admitted(self, key: str, now_utc: int) -> Iterator[bool]:
        """Whether `key` may be looked up now; a stranger holds one of the places until the block ends."""
        if self.knows(key):
            yield True
        elif not self._pace.admits(_ANYBODY, now_utc) or not self._places.acquire(blocking=False):
            yield False
        else:
            try:
                yield True
            finally:
                self._places.release()

    def knows(self, key: str) -> bool:
        """Whether a message was verified with `key` before."""
        with self._lock:
            return key in self._known

    def know(self, key: str) -> None:
        """Remembers a key that a message was verified with; those that come seldom are forgotten first."""
        with self._lock:
            self._known[key] = None
            self._known.move_to_end(key)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
