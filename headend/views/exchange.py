"""What the exchange, and an operator who looks at its trades, is shown: values read in one piece, and the seam they are read through."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from headend.trading.amendments import Amendment
from headend.trading.contracts import KeptContract, Listing, SideContract, basis
from headend.trading.parties import Sight
from headend.views.evidence import ActualView
from ledger_client.ledger import Side, Trade
from signing.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingView:
    """How the figure of one meter and window stands."""

    posted_as: str
    window: Interval
    sides: tuple[Side, ...]
    """Of the trades that it is about."""
    sight: Sight
    revisions: tuple[ActualView, ...]
    """By revision; empty while nothing is said, or while it is held."""
    hold: int | None
    """Number of the hold that keeps the figure back."""
    next_utc: int | None
    """When to ask again where there is no figure; none where nothing more is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """One entry of the log's order."""

    actual: ActualView
    is_held: bool
    """Whether the figure is kept back: ask for its window when the hold is over."""
    sight: Sight | None
    """By what its caller may see it; none for a token's holder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesView:
    """A stretch of the log."""

    items: tuple[ChangeView, ...]
    next_index: int
    """The first log index that was not looked at."""
    is_end: bool
    """Whether the published log ends there."""


class Phase(Enum):
    """Where a delivery is."""

    UPCOMING = "UPCOMING"
    DELIVERING = "DELIVERING"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeView:
    """Our side of one trade, as the ledger's row says it."""

    trade: Trade
    side: Side
    posted_as: str
    connection_point: str | None
    feeder: str | None
    phase: Phase
    first_seen_utc: int
    amendments: tuple[Amendment, ...]
    contracts: tuple[SideContract, ...]
    """What each side's platform signed of it, the seller's first."""
    listing: Listing

    @property
    def basis(self) -> str:
        """On whose word it is shown, for people."""
        return basis(self.contracts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """What trades ask of one feeder in one slot."""

    feeder: str | None
    window: Interval
    sold_wh: int
    """What our sellers on it are to give, of the trades that are counted."""
    bought_wh: int
    """What our buyers on it are to draw, of the trades that are counted."""
    trades: tuple[TradeView, ...]
    apart: tuple[TradeView, ...]
    """Those that the policy does not show as upcoming."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsView:
    """Slots of a span, each with all of its trades."""

    slots: tuple[SlotView, ...]
    next_utc: int | None
    """Where those begin that are not among them; none where these are all."""


class Market(Protocol):
    """Trades and their figures. Safe to call from several threads; each answer is one state of the store.

    `subscriber` is a verified caller, who is shown what it is a party to; None is a token's holder, who is shown all. Every method
    raises `StoreUnavailableError` when the store cannot be read now.
    """

    def of_item(
        self, subscriber: str | None, transaction_id: str, order_item_id: str, now_utc: int
    ) -> tuple[StandingView, ...]:
        """How the figures of one trade stand, our side or both; empty where the caller is a party to no such trade."""

    def of_window(self, subscriber: str | None, posted_as: str, window: Interval, now_utc: int) -> StandingView | None:
        """How the figure of a meter and window stands; none where the caller may not see it."""

    def changes(self, subscriber: str | None, after: int, limit: int, now_utc: int) -> ChangesView:
        """What was said from log index `after` on, in the order of the log, at most `limit` entries."""

    def sight(self, subscriber: str, actual: ActualView, now_utc: int) -> Sight | None:
        """By what a subscriber may see an actual, or none."""

    def has_consent(self, subscriber: str, actual: ActualView, span: Interval, now_utc: int) -> bool:
        """Whether the blocks behind an actual, those of a span, may go to a subscriber."""

    def slots(self, span: Interval, feeder: str | None, now_utc: int, limit: int) -> SlotsView:
        """Trades that begin in `span`, by slot and feeder; `limit` bounds the trades, but for those of one instant."""

    def contracts(self, transaction_id: str, order_item_id: str, limit: int) -> tuple[KeptContract, ...]:
        """The contracts under a trade's ids, of whatever platform, in the order received; the first `limit` of them."""
