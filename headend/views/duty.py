"""What the web shows of gates, holds, alerts, outcomes, bills and validated days, and the seam that it is read through. Pure.

Energies are whole Wh, times UTC seconds; rendering them for people is the web's business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from headend.duties.alerts import Alert
from headend.duties.holds import Hold
from headend.duties.operators import Pending, Refusal
from headend.series import Day
from headend.trading.forecast import Outlook
from headend.trading.gates import Gates
from headend.trading.outcomes import Notice
from headend.trading.trades import Delivery
from signing.envelope import Signed
from signing.interval import Interval
from signing.statements.edit import Edit
from signing.statements.trade_outcome import TradeOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookView:
    """One window before its gate, with what was said of it."""

    outlook: Outlook
    actual: bytes | None
    """Evidence digest of its newest actual; none while nothing was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """The windows whose gates are coming."""

    gates: Gates
    ready: Mapping[int, int]
    """How many windows are READY, by gate."""
    outlooks: tuple[OutlookView, ...]
    """All others, by gate, then by delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActView:
    """One thing that an operator did by hand."""

    number: int
    verb: str
    about: str
    by: str
    reason: str
    done_utc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeView:
    """A logged outcome of one side of a trade."""

    index: int
    """Its log index."""
    signed: Signed[TradeOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """A notice with its place in the list."""

    number: int
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSlot:
    """One trade that a ledger's meter takes part in at a time."""

    record_id: str
    side: str
    window: Interval
    quantity_wh: int
    actual: bytes | None
    """Evidence digest of the newest actual of its window; none while nothing was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    """One version of a validated day."""

    day: Day
    row: int
    """Grows with every version of any day."""
    revision: int
    decided_utc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlace:
    """An admitted batch by what it speaks of."""

    index: int
    """Its log index."""
    sequence: int
    span: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntView:
    """Blocks that are looked for."""

    span: Interval
    asked: int
    """How often the gateway was asked."""
    due_utc: int | None
    """When it is asked next; none: no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEvidence:
    """Everything that is known of one IST day of one meter."""

    versions: tuple[DayView, ...]
    """By revision."""
    batches: tuple[BatchPlace, ...]
    """That overlap the day, by span; published ones only."""
    hunts: tuple[HuntView, ...]
    """That overlap the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyCounts:
    """What stands open."""

    alerts: int
    holds: tuple[Hold, ...]
    """The open ones, by number."""
    notices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EditView:
    """A proposal, and the edit that it became."""

    pending: Pending
    edit: Edit | None
    """None while it waits, where it was dropped, and until the log is published with it."""
    index: int | None
    """Its log index, exactly with the edit."""
    digest: bytes | None


class DutyReads(Protocol):
    """What the web asks beside `Reads`. Safe to call from several threads; each answer is one state of the store.

    Lists are bounded by `limit` and continue behind `after`, the place of the last one seen. Every method raises
    `StoreUnavailableError` when the store cannot be read now.
    """

    def forecast(self, now_utc: int) -> ForecastView:
        """The windows that have ended and whose next gate is still to come."""

    def alerts(self, *, after: int | None, limit: int) -> tuple[Alert, ...]:
        """Alerts, latest first. `after` is a number."""

    def holds(self, *, after: int | None, limit: int) -> tuple[Hold, ...]:
        """Holds, latest first. `after` is a number."""

    def hold(self, number: int) -> Hold | None:
        """The hold with this number."""

    def refusal(self, number: int) -> Refusal | None:
        """The refusal of the dispute with this number, signed by one person or two."""

    def proposals(self, *, after: int | None, limit: int) -> tuple[Pending, ...]:
        """Proposed edits, whatever became of them, latest first."""

    def edit(self, number: int) -> EditView | None:
        """The proposal with this number and its edit."""

    def held_by(self, deliveries: Iterable[Delivery]) -> Mapping[Delivery, Hold]:
        """Which open hold keeps each of some deliveries back; those that nothing holds are not in it."""

    def acts(self, *, after: int | None, limit: int) -> tuple[ActView, ...]:
        """What operators did by hand, latest first. `after` is a number."""

    def outcomes(self, *, after: int | None, limit: int) -> tuple[OutcomeView, ...]:
        """Published outcomes, in the order of the log. `after` is a log index."""

    def latest_outcomes(self, *, after: int | None, limit: int) -> tuple[OutcomeView, ...]:
        """Published outcomes, latest logged first. `after` is a log index."""

    def outcome(self, index: int) -> OutcomeView | None:
        """The outcome at a published log index, or none when another statement stands there."""

    def notices(self, *, after: int | None, limit: int) -> tuple[NoticeView, ...]:
        """Notices, latest first. `after` is a number."""

    def slots(self, posted_as: str, span: Interval) -> tuple[TradeSlot, ...]:
        """The trades that a ledger's meter takes part in during `span`, by window. The meter is compared exactly."""

    def names_a_place(self, posted_as: str) -> bool:
        """Whether a ledger's id names, or ever named, a connection point. It is compared exactly."""

    def bills(self, month: str, *, after: str | None, limit: int) -> tuple[Mapping[str, object], ...]:
        """Determinants of a month as JSON has them, by connection point. `after` is a connection point.

        Raises:
            DecodeError: it is no month, or the tariff names no state for a discom.
        """

    def days(self, meter: str, span: Interval) -> tuple[DayView, ...]:
        """The newest versions of the validated days of a meter that begin in `span`, ascending."""

    def latest_days(self, meter: str, *, after: int | None, limit: int) -> tuple[DayView, ...]:
        """The newest versions of the validated days of a meter, latest first. `after` is an IST midnight."""

    def day(self, meter: str, start_utc: int) -> DayEvidence:
        """What is known of the day of a meter that begins at an IST midnight."""

    def standing(self) -> DutyCounts:
        """What stands open."""
