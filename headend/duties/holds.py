"""What an operator stopped from being posted: a connection point, a window in dispute, or everything. Pure.

A hold changes no number and no actual: it decides only whether the ledger is told. It ends by an operator's word, never by time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from headend.errors import RefusedError
from signing.interval import Interval, ist_text

MAX_TEXT = 200
"""Characters of a name, a party, a reference or a reason."""


class HoldKind(Enum):
    """What a hold is about."""

    HOLD = "HOLD"
    """One connection point, in one window or in all of them."""
    DISPUTE = "DISPUTE"
    """Somebody contests the figure of one connection point and window."""
    STAND_DOWN = "STAND_DOWN"
    """Nothing at all is posted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be held, on whose word and why."""

    kind: HoldKind
    connection_point: str | None
    """None, for a STAND_DOWN only: everything."""
    window: Interval | None
    """None: every window; always given for a DISPUTE."""
    party: str | None
    """Who contests it and under which reference, exactly for a DISPUTE."""
    by: str
    """The operator."""
    reason: str

    def __post_init__(self) -> None:
        if (self.kind is HoldKind.STAND_DOWN) != (self.connection_point is None):
            raise RefusedError(
                "expected a connection point exactly for a hold or a dispute: a stand-down holds everything"
            )
        if self.kind is HoldKind.STAND_DOWN and self.window is not None:
            raise RefusedError("expected no window for a stand-down: it holds everything")
        if self.kind is HoldKind.DISPUTE and self.window is None:
            raise RefusedError("expected the window that is disputed: give its start and end")
        if (self.kind is HoldKind.DISPUTE) != (self.party is not None):
            raise RefusedError("expected who contests it exactly for a dispute: give the party and its reference")
        said(self.by, "by")
        said(self.reason, "reason")
        if self.party is not None:
            said(self.party, "party")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An order as it is kept."""

    number: int
    order: Order
    opened_utc: int
    closed_utc: int | None
    """None while it holds."""
    closed_by: str | None
    outcome: str | None
    """How it ended, in words."""

    @property
    def note(self) -> str:
        """What a posting that waits for its end says."""
        order = self.order
        words = {
            HoldKind.HOLD: f"held (hold {self.number})",
            HoldKind.DISPUTE: f"disputed by {order.party} (hold {self.number})",
            HoldKind.STAND_DOWN: f"posting stands down (hold {self.number})",
        }
        return f"{words[order.kind]} since {ist_text(self.opened_utc)} by {order.by}: {order.reason}"


class Holds:
    """The holds that are open now."""

    __slots__ = ("_of_points", "_whole")

    def __init__(self, found: Iterable[Hold]) -> None:
        self._whole: Hold | None = None
        self._of_points: dict[str, list[Hold]] = {}
        for hold in sorted(found, key=lambda one: one.number):
            if hold.closed_utc is not None:
                continue
            point = hold.order.connection_point
            if point is None:
                self._whole = self._whole or hold
            else:
                self._of_points.setdefault(point, []).append(hold)

    def __bool__(self) -> bool:
        return self._whole is not None or bool(self._of_points)

    def over(self, connection_point: str | None, window: Interval) -> Hold | None:
        """The first hold that keeps the figure of a connection point and window from being posted, or none."""
        if self._whole is not None:
            return self._whole
        for hold in self._of_points.get(connection_point or "", ()):
            if hold.order.window is None or hold.order.window.overlaps(window):
                return hold
        return None


def still_over(ended: Order, found: Iterable[Hold]) -> tuple[Hold, ...]:
    """The open holds that keep something of what `ended` held from being posted, oldest first."""
    return tuple(
        hold
        for hold in sorted(found, key=lambda one: one.number)
        if hold.closed_utc is None and _share(ended, hold.order)
    )


def _share(one: Order, other: Order) -> bool:
    if one.connection_point is None or other.connection_point is None:
        return True
    is_window_shared = one.window is None or other.window is None or one.window.overlaps(other.window)
    return one.connection_point == other.connection_point and is_window_shared


def said(text: str, name: str) -> str:
    """`text`, which an operator gave as `name`.

    Raises:
        RefusedError: it is empty, too long, or not printable on one line.
    """
    if not 1 <= len(text) <= MAX_TEXT or not text.isprintable() or text != text.strip():
        raise RefusedError(f"expected 1 to {MAX_TEXT} printable characters without space around them in '{name}'")
    return text
