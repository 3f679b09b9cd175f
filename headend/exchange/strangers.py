"""Who is known at a door: keys that were verified before, each counted by itself; of all others few are looked up, and few at once.

A look-up goes out to a registry and holds a thread; whoever invents names must not have the door make them all, nor keep out who is known.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from headend.pace import Pace
from ledger_client.signature import SignatureError, parse_header

PER_MINUTE = 60
AT_ONCE = 4
_MOST_KNOWN = 10_000
_EVERYBODY = ""


def named(authorization: str | None) -> str:
    """The key that a header names, verified or not; empty where it names none, which is refused without a look-up."""
    try:
        return str(parse_header(authorization or "").key_id)
    except SignatureError:
        return ""


class KnownKeys:
    """Remembers keys that messages were verified with. Safe to use from several threads."""

    __slots__ = ("_known", "_lock")

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def know(self, key: str) -> None:
        """Remembers a key; those that come seldom are forgotten first."""
        with self._lock:
            self._known[key] = None
            self._known.move_to_end(key)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)

    def knows(self, key: str) -> bool:
        """Whether a message was verified with `key` before."""
        with self._lock:
            return key in self._known

    def crowd(self, authorization: str | None) -> str:
        """With whom a message is counted before its signature is looked at: its key where that is known, everybody else together."""
        key = named(authorization)
        return key if self.knows(key) else _EVERYBODY


class Strangers:
    """Lets few of those in whose keys are not known. Safe to use from several threads."""

    __slots__ = ("_known", "_pace", "_places")

    def __init__(self, known: KnownKeys, *, per_minute: int = PER_MINUTE, at_once: int = AT_ONCE) -> None:
        self._known = known
        self._pace = Pace(per_minute)
        self._places = threading.BoundedSemaphore(at_once)

    @contextmanager
    def admitted(self, key: str, now_utc: int) -> Iterator[bool]:
        """Whether `key` may be looked up now; a stranger holds one of the places until the block ends."""
        if self._known.knows(key):
            yield True
        elif not self._pace.admits(_EVERYBODY, now_utc) or not self._places.acquire(blocking=False):
            yield False
        else:
            try:
                yield True
            finally:
                self._places.release()
