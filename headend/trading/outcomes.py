"""What came of trades, for whoever settles money; and what they say back. Pure: `headend.exchange.outcome_log` signs and logs.

An outcome is said once both sides of a trade have their energy and neither discom calls its side PENDING, and again when either changes. It
follows the ledger, since money does; what was measured stands in the evidence that it names.
"""

import base64
from dataclasses import dataclass
from enum import Enum

from headend.errors import RefusedError
from headend.trading.trades import TradeSide, settled_wh
from ledger_client.ledger import Side
from signing import fields
from signing.energy import kwh_text
from signing.envelope import Signed
from signing.errors import DecodeError
from signing.interval import utc_text
from signing.statements.trade_outcome import TradeOutcome
from signing.statements.trade_outcome import TradeSide as WireSide

_SIDES = {Side.BUYER: WireSide.BUYER, Side.SELLER: WireSide.SELLER}

MAX_NOTICE = 2000
"""Characters of a notice's text."""


class NoticeKind(Enum):
    """What is stated about a trade or a consumer by somebody outside."""

    DEFAULT = "DEFAULT"
    """Somebody did not pay."""
    ENFORCEMENT = "ENFORCEMENT"
    """An authority orders something."""


class Taken(Enum):
    """What taking a notice comes to."""

    NEW = "new"
    SAME = "same"
    """It was there already."""
    OTHER = "other"
    """Its sender said something else under this reference before: that stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice, as it came."""

    kind: NoticeKind
    reference: str
    """The sender's own."""
    sender: str
    record_id: str | None
    posted_as: str | None
    text: str
    received_utc: int

    def __post_init__(self) -> None:
        try:
            for name, value in (
                ("reference", self.reference),
                ("record_id", self.record_id),
                ("posted_as", self.posted_as),
            ):
                if value is not None:
                    fields.label(value, name)
        except DecodeError as error:
            raise RefusedError(str(error)) from error
        if self.record_id is None and self.posted_as is None:
            raise RefusedError("expected what the notice is about: give 'record_id' or 'posted_as'")
        if not 1 <= len(self.text) <= MAX_NOTICE:
            raise RefusedError(f"expected 1 to {MAX_NOTICE} characters, got {len(self.text)} in 'text'")


def outcome(
    own: TradeSide, evidence: bytes | None, previous: Signed[TradeOutcome] | None, salt: bytes
) -> TradeOutcome | None:
    """What is to be said of one side of a trade, or none while it is open or nothing changed.

    Raises:
        DecodeError: an id of the ledger is longer than a statement can hold.
    """
    trade = own.trade
    settled = settled_wh(trade)
    mine = trade.allocated_wh(own.side)
    other = trade.allocated_wh(Side.SELLER if own.side is Side.BUYER else Side.BUYER)
    if settled is None or mine is None or other is None:
        return None
    found = TradeOutcome(
        record=fields.label(trade.record_id, "record"),
        transaction=fields.label(trade.transaction_id, "transaction"),
        order_item=fields.label(trade.order_item_id, "order_item"),
        posted_as=fields.label(own.delivery.posted_as, "posted_as"),
        side=_SIDES[own.side],
        window=trade.window,
        revision=0 if previous is None else previous.statement.revision + 1,
        supersedes=None if previous is None else previous.digest,
        contracted_wh=trade.quantity_wh,
        own_wh=mine,
        other_wh=other,
        settled_wh=settled,
        evidence=evidence,
        salt=salt,
    )
    return None if previous is not None and _says(found) == _says(previous.statement) else found


def fields_of(index: int, signed: Signed[TradeOutcome]) -> dict[str, object]:
    """An outcome at a log index for machines that read JSON, with the signed bytes beside it."""
    found = signed.statement
    return {
        "cursor": index,
        "digest": signed.digest.hex(),
        "record_id": found.record,
        "transaction_id": found.transaction,
        "order_item_id": found.order_item,
        "posted_as": found.posted_as,
        "side": found.side.name,
        "delivery_start": utc_text(found.window.start_utc),
        "delivery_end": utc_text(found.window.end_utc),
        "revision": found.revision,
        "supersedes": None if found.supersedes is None else found.supersedes.hex(),
        "contracted_kwh": kwh_text(found.contracted_wh),
        "own_kwh": kwh_text(found.own_wh),
        "other_kwh": kwh_text(found.other_wh),
        "settled_kwh": kwh_text(found.settled_wh),
        "evidence": None if found.evidence is None else found.evidence.hex(),
        "statement": base64.b64encode(signed.envelope.encoded()).decode(),
    }


def _says(found: TradeOutcome) -> tuple[object, ...]:
    return (found.contracted_wh, found.own_wh, found.other_wh, found.evidence, found.window, found.posted_as)
