"""A discom's own allocation of one trade: the other way to tell a ledger, beside posting a meter's actual and letting it allocate.

Three rounds make a settlement: the seller's discom says what its meter can give, the buyer's caps that, the seller's caps again.
The metric goes with every write: DEG Ledger API 0.4.0 takes no status alone, so an outage is 0 kWh and its status.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from ledger_client.contract import WriteReceipt
from ledger_client.ledger import (
    METRIC_OF_SIDE,
    Ledger,
    LedgerProtocolError,
    MetricType,
    Side,
    Trade,
    TradeStatus,
    client_reference,
)
from signing.energy import MAX_WH, kwh_text

MAX_NOTE = 500
"""Longest note, characters."""

_REFERENCE = re.compile(r"sk1:[0-9a-f]{64}(:r[1-9])?")

OUTAGE_STATUSES = frozenset(
    {
        TradeStatus.CANCELLED_OUTAGE,
        TradeStatus.CANCELLED_POL_VIOLATION,
        TradeStatus.CURTAILED_OUTAGE,
        TradeStatus.CURTAILED_POL_VIOLATION,
    }
)
"""What says that less was delivered than was agreed for a reason outside the trade."""

_CANCELLED = frozenset({TradeStatus.CANCELLED_OUTAGE, TradeStatus.CANCELLED_POL_VIOLATION})


def record_reference(evidence_digest: bytes, round_number: int) -> str:
    """The reference of one round's write: ``sk1:``, the hex of the evidence digest, and ``:r`` with the round, 1...9.

    A ledger may take a second write under one reference for the first one again, and two rounds of one trade rest on the same
    evidence: without the round, the last word would be lost.
    """
    if not 1 <= round_number <= 9:
        raise LedgerProtocolError(f"expected a round from 1 to 9, got {round_number}")
    return f"{client_reference(evidence_digest)}:r{round_number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPosting:
    """One discom's word on its side of one trade."""

    side: Side
    """The side whose discom speaks; it decides the role and the metric."""
    transaction_id: str
    order_item_id: str
    discom_id: str
    """The speaking discom's short code at the ledger."""
    allocated_wh: int
    """Wh, at least 0; pushed by a seller, pulled by a buyer. Always there: a status alone is no valid write."""
    client_reference: str
    """See `record_reference`; a reference without a round is taken too."""
    record_id: str | None = None
    status: TradeStatus | None = None
    note: str | None = None
    """For people, at most `MAX_NOTE` characters; holds no customer's name."""

    def __post_init__(self) -> None:
        for name in ("transaction_id", "order_item_id", "discom_id"):
            if not getattr(self, name):
                raise LedgerProtocolError(f"expected a text that is not empty in '{name}'")
        if type(self.allocated_wh) is not int or not 0 <= self.allocated_wh <= MAX_WH:
            raise LedgerProtocolError(f"expected 0 to {MAX_WH} Wh, got {self.allocated_wh!r} in 'allocated_wh'")
        if not _REFERENCE.fullmatch(self.client_reference):
            raise LedgerProtocolError(
                f"expected sk1: and 64 hex digits, got {self.client_reference!r} in 'client_reference'"
            )
        if self.note is not None and not 0 < len(self.note) <= MAX_NOTE:
            raise LedgerProtocolError(f"expected 1 to {MAX_NOTE} characters, got {len(self.note)} in 'note'")
        if self.status in _CANCELLED and self.allocated_wh:
            raise LedgerProtocolError(
                f"expected 0 Wh with {self.status.value}, got {self.allocated_wh} in 'allocated_wh': what flowed is CURTAILED"
            )

    @property
    def role(self) -> str:
        """The ledger's word for who speaks: ``BUYER_DISCOM`` or ``SELLER_DISCOM``."""
        return f"{self.side.value}_DISCOM"

    @property
    def metric(self) -> MetricType:
        """What the energy is: ACTUAL_PUSHED of a seller, ACTUAL_PULLED of a buyer."""
        return METRIC_OF_SIDE[self.side]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordConfirmation:
    """What the ledger's row says after a record, beside what was recorded."""

    trade: Trade | None
    """The row, or None where the ledger shows none."""
    differences: tuple[str, ...]
    """Each disagreement in words; empty when the row says what was recorded."""

    @property
    def agrees(self) -> bool:
        """Whether the row says what was recorded."""
        return not self.differences

    @classmethod
    def compared(cls, posting: RecordPosting, rows: Iterable[Trade]) -> Self:
        """The row of `posting` among `rows`, compared with it."""
        identity = (posting.transaction_id, posting.order_item_id)
        trade = next((row for row in rows if (row.transaction_id, row.order_item_id) == identity), None)
        if trade is None:
            return cls(trade=None, differences=("the ledger shows no such trade",))
        found = []
        shown = trade.allocated_wh(posting.side)
        if shown != posting.allocated_wh:
            shows = "none" if shown is None else f"{kwh_text(shown)} kWh"
            expected = f"expected {posting.metric.value} {kwh_text(posting.allocated_wh)} kWh"
            found.append(f"{trade.record_id}: {expected}, the ledger shows {shows}")
        status = trade.status_buyer_discom if posting.side is Side.BUYER else trade.status_seller_discom
        if posting.status is not None and status is not posting.status:
            shows = "none" if status is None else status.value
            found.append(f"{trade.record_id}: expected status {posting.status.value}, the ledger shows {shows}")
        return cls(trade=trade, differences=tuple(found))


class RecordingLedger(Ledger, Protocol):
    """A ledger that takes a discom's own allocations too."""

    def record(self, posting: RecordPosting) -> WriteReceipt:
        """Write one side of one trade; once this returns, the ledger has recorded it.

        A lost answer is no news: the caller MUST write the same again, unchanged. A write under another reference overwrites.

        Raises:
            LedgerUnavailableError: write the same again.
            TradeUnknownError: no such trade yet; wait.
            LedgerRefusedError: give up and record.
            LedgerProtocolError: the answer is not understood; read back before anything else.
        """
        ...

    def confirm_record(self, posting: RecordPosting) -> RecordConfirmation:
        """The row of `posting` read back and compared with it. Raises as `Ledger.listing` does."""
        ...
