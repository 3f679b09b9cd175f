"""The seam to a trade ledger: what a discom reads from it, what it posts, and what can go wrong.

Nothing here knows a wire format. Energies are whole Wh; the only signed one is `Posting.actual_imported_wh`, which is
``import - export`` of one meter in one window. Ledgers match windows and meter ids by their exact spelling, so a `Trade`
carries the strings as the ledger wrote them beside the parsed interval, and a `Posting` echoes them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol, Self

from signing.energy import MAX_WH, kwh_text
from signing.errors import SigningError
from signing.interval import Interval, parse_instant


class LedgerError(Exception):
    """Base of every error that this package raises."""


class LedgerUnavailableError(LedgerError):
    """No answer, or one that says "later": whether the ledger acted is unknown. Retry the same posting."""


class TradeUnknownError(LedgerError):
    """The ledger has no trade for this meter and window yet: wait, the platforms may put it until the deadline."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class LedgerRefusedError(LedgerError):
    """The ledger said no, and will say no again: record it and tell an operator. Never retried.

    `code` is the ledger's own (``AUT_NOT_AUTHORIZED``), or ``HTTP_<status>`` where it gave none.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class LedgerProtocolError(LedgerError):
    """An answer that is not one of this ledger's, or a request it could not carry: an operator must look."""


class Side(Enum):
    """Which side of a trade a meter stands on."""

    BUYER = "BUYER"
    SELLER = "SELLER"


class MetricType(Enum):
    """What an allocated energy is: given to the grid, or drawn from it."""

    ACTUAL_PUSHED = "ACTUAL_PUSHED"
    ACTUAL_PULLED = "ACTUAL_PULLED"


METRIC_OF_SIDE = {Side.SELLER: MetricType.ACTUAL_PUSHED, Side.BUYER: MetricType.ACTUAL_PULLED}
"""Source: DEG Ledger API 0.4.0, allocate: the buyer side gets ACTUAL_PULLED, the seller side ACTUAL_PUSHED."""


class TradeType(Enum):
    """What is traded. Only ENERGY is measured in kWh and settled from meters."""

    ENERGY = "ENERGY"
    RAISE_CAPACITY = "RAISE_CAPACITY"
    LOWER_CAPACITY = "LOWER_CAPACITY"
    PFR = "PFR"
    SFR = "SFR"
    TC = "TC"
    BDR = "BDR"


class TradeStatus(Enum):
    """What a discom says about its side of a trade. Platforms settle only what is COMPLETED on both sides."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    CANCELLED_OUTAGE = "CANCELLED_OUTAGE"
    CANCELLED_POL_VIOLATION = "CANCELLED_POL_VIOLATION"
    CURTAILED_OUTAGE = "CURTAILED_OUTAGE"
    CURTAILED_POL_VIOLATION = "CURTAILED_POL_VIOLATION"
    COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One contract as a ledger states it: an energy, a window, two meters, two discoms, two platforms."""

    transaction_id: str
    order_item_id: str
    record_id: str
    platform_id_buyer: str
    platform_id_seller: str
    discom_id_buyer: str
    discom_id_seller: str
    buyer_id: str
    """The buyer's meter, exactly as the ledger spells it."""
    seller_id: str
    """The seller's meter, exactly as the ledger spells it."""
    delivery_start: str
    """The ledger's own spelling; compared as text by the ledger."""
    delivery_end: str
    window: Interval
    """The same window, parsed."""
    quantity_wh: int
    """Contracted energy, Wh, positive."""
    price_inr_per_kwh: Decimal | None = None
    trade_type: TradeType = TradeType.ENERGY
    status_buyer_discom: TradeStatus | None = None
    status_seller_discom: TradeStatus | None = None
    pushed_wh: int | None = None
    """Allocated to the seller side so far, Wh; None while its discom has not reported."""
    pulled_wh: int | None = None
    """Allocated to the buyer side so far, Wh; None while its discom has not reported."""
    row_digest: str | None = None
    """The ledger's digest of the row. It cannot be recomputed: use it only to see that the row changed."""

    def __post_init__(self) -> None:
        for name, wh, least in (
            ("quantity_wh", self.quantity_wh, 1),
            ("pushed_wh", self.pushed_wh, 0),
            ("pulled_wh", self.pulled_wh, 0),
        ):
            if wh is not None and not least <= wh <= MAX_WH:
                raise LedgerProtocolError(f"expected {least} to {MAX_WH} Wh, got {wh} in '{name}'")

    def sides_of(self, meter_id: str) -> tuple[Side, ...]:
        """The sides on which `meter_id` stands in this trade: none, one, or (traded with itself) both."""
        stands = {Side.BUYER: self.buyer_id == meter_id, Side.SELLER: self.seller_id == meter_id}
        return tuple(side for side, here in stands.items() if here)

    def allocated_wh(self, side: Side) -> int | None:
        """What the ledger allocated to `side`, Wh; None while not reported."""
        return self.pulled_wh if side is Side.BUYER else self.pushed_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRecord:
    """A row that the ledger holds and that is no `Trade`: it stays visible with its reason and is never guessed at."""

    record_id: str
    """As far as it could be read, else empty."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything that one query found."""

    trades: tuple[Trade, ...]
    unreadable: tuple[UnreadableRecord, ...] = ()


MAX_PAGE = 500
"""Source: DEG Ledger API 0.4.0, get: ``limit`` 1…500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeQuery:
    """Which trades to read; every filter given must hold. Time bounds are UTC seconds and inclusive."""

    transaction_id: str | None = None
    order_item_id: str | None = None
    record_id: str | None = None
    buyer_id: str | None = None
    seller_id: str | None = None
    discom_id_buyer: str | None = None
    discom_id_seller: str | None = None
    delivery_start_from_utc: int | None = None
    delivery_start_to_utc: int | None = None
    delivery_end_from_utc: int | None = None
    delivery_end_to_utc: int | None = None
    page_size: int = MAX_PAGE

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= MAX_PAGE:
            raise LedgerProtocolError(f"expected 1 to {MAX_PAGE}, got {self.page_size} in 'page_size'")


REFERENCE_PREFIX = "sk1:"
_REFERENCE = re.compile(r"sk1:[0-9a-f]{64}")


def client_reference(evidence_digest: bytes) -> str:
    """The reference of a posting: ``sk1:`` and the hex of the 32-byte evidence digest of its stored actual.

    It is derived, so a retry is the same post, and it leads from the ledger's row back to the evidence.
    """
    if len(evidence_digest) != 32:
        raise LedgerProtocolError(f"expected an evidence digest of 32 bytes, got {len(evidence_digest)}")
    return REFERENCE_PREFIX + evidence_digest.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One meter's attested actual for one window, addressed to a ledger."""

    meter_id: str
    """Exactly as the ledger's trades spell it."""
    discom_id: str
    """The posting discom's short code at the ledger."""
    delivery_start: str
    """Exactly as the ledger's trades spell it."""
    delivery_end: str
    """Exactly as the ledger's trades spell it."""
    actual_imported_wh: int
    """``import - export`` in Wh: positive is drawn from the grid, negative is given to it."""
    client_reference: str
    """``sk1:`` and 64 hex digits; see `client_reference`."""
    status: TradeStatus | None = None

    def __post_init__(self) -> None:
        for name in ("meter_id", "discom_id"):
            if not getattr(self, name):
                raise LedgerProtocolError(f"expected a text that is not empty in '{name}'")
        if type(self.actual_imported_wh) is not int or abs(self.actual_imported_wh) > MAX_WH:
            raise LedgerProtocolError(f"expected whole Wh, got {self.actual_imported_wh!r} in 'actual_imported_wh'")
        if not _REFERENCE.fullmatch(self.client_reference):
            raise LedgerProtocolError(
                f"expected sk1: and 64 hex digits, got {self.client_reference!r} in 'client_reference'"
            )
        try:
            _ = self.window
        except SigningError as error:
            raise LedgerProtocolError(str(error)) from error

    @property
    def window(self) -> Interval:
        """The window, parsed from the ledger's spelling."""
        return Interval(
            parse_instant(self.delivery_start, "delivery_start"), parse_instant(self.delivery_end, "delivery_end")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What a ledger gave to one side of one trade out of a posted actual."""

    record_id: str
    transaction_id: str
    order_item_id: str
    quantity_wh: int
    allocated_wh: int
    side: Side
    metric: MetricType
    row_digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A ledger's answer to a posting; at least one trade matched."""

    allocations: tuple[Allocation, ...]

    @property
    def total_matched(self) -> int:
        """How many allocations the ledger made, at least 1."""
        return len(self.allocations)

    @property
    def total_allocated_wh(self) -> int:
        """The sum over all allocations, Wh."""
        return sum(allocation.allocated_wh for allocation in self.allocations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What the ledger's rows say after a post, beside what its receipt said."""

    trades: tuple[Trade, ...]
    """The rows of this meter and window, as read back."""
    differences: tuple[str, ...]
    """Each disagreement in words; empty when the rows say what the receipt said."""

    @property
    def agrees(self) -> bool:
        """Whether the rows say what the receipt said."""
        return not self.differences

    @classmethod
    def compared(cls, posting: Posting, receipt: Receipt, rows: Iterable[Trade]) -> Self:
        """The rows of `posting`'s meter and window among `rows`, compared with `receipt`."""
        here = tuple(
            trade
            for trade in rows
            if trade.sides_of(posting.meter_id)
            and (trade.delivery_start, trade.delivery_end) == (posting.delivery_start, posting.delivery_end)
        )
        found = {(trade.transaction_id, trade.order_item_id): trade for trade in here}
        promised = {(a.transaction_id, a.order_item_id, a.side): a for a in receipt.allocations}
        differences = [_difference(a, found.get((a.transaction_id, a.order_item_id))) for a in promised.values()]
        for key, trade in found.items():
            differences += [
                f"{trade.record_id}: the receipt names no allocation for its {side.value} side"
                for side in trade.sides_of(posting.meter_id)
                if (*key, side) not in promised
            ]
        return cls(trades=here, differences=tuple(line for line in differences if line))


def _difference(allocation: Allocation, row: Trade | None) -> str | None:
    """How `row` contradicts `allocation`, in words, or None."""
    name = allocation.record_id
    if row is None:
        return f"{name}: the receipt names it, the ledger no longer shows it for this meter and window"
    metric, shown = allocation.metric.value, row.allocated_wh(allocation.side)
    if shown == allocation.allocated_wh:
        return None
    shows = "none" if shown is None else f"{kwh_text(shown)} kWh"
    return f"{name}: expected {metric} {kwh_text(allocation.allocated_wh)} kWh, the ledger shows {shows}"


class Ledger(Protocol):
    """A trade ledger as a discom uses it. Discoms never put trades. MUST be safe to use from several threads."""

    def listing(self, query: TradeQuery) -> Listing:
        """Every row visible to the caller that `query` finds, each once, read to the last page.

        Rows that cannot be read MUST come back as `UnreadableRecord`, not vanish, and MUST NOT hide the others.

        Raises:
            LedgerUnavailableError: ask again later.
            LedgerRefusedError: the ledger denies the query.
            LedgerProtocolError: the answer is not understood.
        """
        ...

    def trades(self, query: TradeQuery) -> tuple[Trade, ...]:
        """The readable part of `listing`."""
        ...

    def post(self, posting: Posting) -> Receipt:
        """Post one actual; once this returns, the ledger has recorded the allocations in the receipt.

        A lost answer is no news: the ledger may or may not have acted. The caller MUST then post the same `Posting`
        again, unchanged; it carries the same client reference, so the same posting again is the same post and MUST NOT
        have a second effect. A posting with another reference for the same meter and window is a revision and
        overwrites. An implementation MUST NOT retry by itself: the caller owns the outbox.

        Raises:
            LedgerUnavailableError: retry the same posting.
            TradeUnknownError: no trade for this meter and window; wait.
            LedgerRefusedError: give up and record.
            LedgerProtocolError: the answer is not understood; read back before anything else.
        """
        ...

    def confirm(self, posting: Posting, receipt: Receipt) -> Confirmation:
        """The rows of `posting`'s meter and window read back and compared with `receipt`. Raises as `listing` does."""
        ...

    def close(self) -> None:
        """Close connections; the ledger MUST NOT be used afterwards."""
        ...
