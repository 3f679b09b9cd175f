"""Whether the exchange's callers sign ahead of this computer's clock. Pure; time is given.

A verified message was signed before it came: a caller whose signature says a later time than this clock showed on its arrival is ahead of
it by at least the difference, however long the message took. The other way round nothing follows, since a message may take any time: a
clock that is ahead of everybody's is found by `check`, which asks. Source: EXCHANGE_GAPS A (NACKs from clock skew).
"""

import threading

from headend.duties.component import Component
from ledger_client.clock_offset import MOST_S
from signing.interval import DAY_S

_NAME = "clock"
_KEPT_S = DAY_S
"""How long what a caller's newest message said is held against a clock, seconds."""


class CallerClocks:
    """What the newest verified message of each caller says of this clock. Safe to use from several threads.

    Callers are those of the configuration, so there are few.
    """

    __slots__ = ("_heard", "_lock")

    def __init__(self) -> None:
        self._heard: dict[str, tuple[int, int]] = {}
        """By subscriber: the least that this clock is behind its, in seconds, and when that was found."""
        self._lock = threading.Lock()

    def heard(self, subscriber: str, created_utc: int, received_utc: int) -> None:
        """Notes a verified message. This clock showed whole seconds: it may have been almost one further."""
        with self._lock:
            self._heard[subscriber] = (created_utc - (received_utc + 1), received_utc)

    def component(self, now_utc: int) -> Component | None:
        """How the clock stands against those of everybody who was heard within a day; none where nobody was.

        It does not work when all of them are ahead by more than `MOST_S`: that this one is behind is likelier then than that all others are wrong.
        """
        with self._lock:
            recent = {name: least for name, (least, at) in self._heard.items() if now_utc - at <= _KEPT_S}
        if not recent:
            return None
        ahead = {name: least for name, least in recent.items() if least > MOST_S}
        if len(ahead) == len(recent):
            note = (
                f"all {len(ahead)} caller(s) heard within a day sign at least {min(ahead.values())} s ahead of this computer's "
                "clock: set it by a time service; if it is right, tell them"
            )
            return Component(name=_NAME, works=False, note=note)
        if ahead:
            said = ", ".join(f"{name} {least} s" for name, least in sorted(ahead.items()))
            return Component(
                name=_NAME, works=True, note=f"works; ahead of it, and of the others, are at least: {said}"
            )
        return Component(name=_NAME, works=True, note="works")
