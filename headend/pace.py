"""How often somebody may come: so many times in any minute. Pure; time is given."""

import threading
from collections import OrderedDict, deque

_MINUTE_S = 60
_MOST_NAMES = 1000


class Pace:
    """Counts comings by name. Safe to use from several threads; names that come seldom are forgotten first."""

    __slots__ = ("_lock", "_per_minute", "_times")

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._times: OrderedDict[str, deque[int]] = OrderedDict()
        self._lock = threading.Lock()

    def admits(self, name: str, now_utc: int) -> bool:
        """Whether `name` may come now; a coming that is not admitted does not count."""
        with self._lock:
            times = self._times.setdefault(name, deque())
            self._times.move_to_end(name)
            while times and times[0] <= now_utc - _MINUTE_S:
                times.popleft()
            if len(times) >= self._per_minute:
                return False
            times.append(now_utc)
            if len(self._times) > _MOST_NAMES:
                self._times.popitem(last=False)
        return True
