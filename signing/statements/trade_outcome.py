"""TradeOutcome: what came of one side of one trade, in the discom's word, for whoever settles money.

Source: docs/wire-format.md §4.7.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.energy import watt_hours
from signing.errors import DecodeError
from signing.interval import Interval, instant


class TradeSide(IntEnum):
    """On which side of the trade the discom's customer stands."""

    BUYER = 0
    SELLER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOutcome:
    """One revision of the outcome of one side of one trade. Energies are whole Wh."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.trade-outcome+cbor;v=1"

    record: str
    """The ledger's id of the row."""
    transaction: str
    order_item: str
    posted_as: str
    """The customer's meter, exactly as the ledger spells it."""
    side: TradeSide
    window: Interval
    revision: int
    supersedes: bytes | None
    contracted_wh: int
    own_wh: int
    """What the ledger allocated to this side."""
    other_wh: int
    """What it allocated to the other side."""
    settled_wh: int
    """The lesser of both."""
    evidence: bytes | None
    """Digest of the WindowActual that this side's allocation rests on; none where the discom posted none."""
    salt: bytes

    def __post_init__(self) -> None:
        if (self.revision == 0) != (self.supersedes is None):
            raise DecodeError(f"expected 'supersedes' exactly when the revision is above 0, got {self.revision}")
        if self.settled_wh != min(self.own_wh, self.other_wh):
            raise DecodeError(
                f"expected the lesser of {self.own_wh} and {self.other_wh} Wh, got {self.settled_wh} in 'settled'"
            )

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return encode(
            [
                [self.record, self.transaction, self.order_item],
                self.posted_as,
                int(self.side),
                [self.window.start_utc, self.window.end_utc],
                self.revision,
                self.supersedes,
                [self.contracted_wh, self.own_wh, self.other_wh, self.settled_wh],
                self.evidence,
                self.salt,
            ]
        )

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The outcome in canonical bytes. Raises `DecodeError` naming the field."""
        path = "trade-outcome"
        trade, posted_as, side, window, revision, supersedes, energies, evidence, salt = fields.array(
            decode(payload, path), 9, path
        )
        record, transaction, order_item = fields.array(trade, 3, f"{path}.trade")
        start, end = fields.array(window, 2, f"{path}.window")
        contracted, own, other, settled = fields.array(energies, 4, f"{path}.energies")
        return cls(
            record=fields.label(record, f"{path}.trade.record"),
            transaction=fields.label(transaction, f"{path}.trade.transaction"),
            order_item=fields.label(order_item, f"{path}.trade.order_item"),
            posted_as=fields.label(posted_as, f"{path}.posted_as"),
            side=fields.member(side, TradeSide, f"{path}.side"),
            window=Interval(instant(start, f"{path}.window.start"), instant(end, f"{path}.window.end")),
            revision=fields.uint(revision, f"{path}.revision"),
            supersedes=fields.optional(supersedes, fields.digest, f"{path}.supersedes"),
            contracted_wh=watt_hours(contracted, f"{path}.energies.contracted"),
            own_wh=watt_hours(own, f"{path}.energies.own"),
            other_wh=watt_hours(other, f"{path}.energies.other"),
            settled_wh=watt_hours(settled, f"{path}.energies.settled"),
            evidence=fields.optional(evidence, fields.digest, f"{path}.evidence"),
            salt=fields.salt(salt, f"{path}.salt"),
        )
