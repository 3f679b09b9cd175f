"""Who of the exchange asks this discom, and which trades it is a party to. Pure.

A subscriber sees the windows of its own trades and nothing else; what it is a party to is the discom's word, in the configuration.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ledger_client.ledger import Side, Trade


class Sees(Enum):
    """By what a subscriber is a party to a trade."""

    LEDGER = "ledger"
    """It provides the ledger that this discom's trades are read from: all of them."""
    PLATFORM = "platform"
    """It trades for the buyer or for the seller."""
    DISCOM = "discom"
    """It supplies the other side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One subscriber that is served."""

    subscriber: str
    """Its id at the network, as in `keyId`."""
    sees: Sees
    discom: str | None = None
    """The other discom's short code at the ledger; exactly for `Sees.DISCOM`."""

    def __post_init__(self) -> None:
        if (self.sees is Sees.DISCOM) != (self.discom is not None):
            raise ValueError("expected the short code of a discom exactly for one that sees as a discom")

    def is_in(self, trade: Trade) -> bool:
        """Whether it is a party to `trade`, which stands in this discom's ledger."""
        match self.sees:
            case Sees.LEDGER:
                return True
            case Sees.PLATFORM:
                return self.subscriber in {trade.platform_id_buyer, trade.platform_id_seller}
            case Sees.DISCOM:
                return self.discom in {trade.discom_id_buyer, trade.discom_id_seller}


class Sight(Enum):
    """By what a subscriber may see the figure of a window."""

    TRADE = "TRADE"
    """A trade that it is a party to is delivered in exactly this window."""
    CONSENT = "CONSENT"
    """No such trade is known, and the consumer lets it have interval data."""
    QUESTION = "QUESTION"
    """No such trade is known, and the discom takes its ledger provider's question for the word that there is one."""


def sides_of(posted_as: str, trades: Iterable[Trade], discom: str) -> frozenset[Side]:
    """The sides on which a meter of `discom` stands in `trades`."""
    found = set()
    for trade in trades:
        if (trade.seller_id, trade.discom_id_seller) == (posted_as, discom):
            found.add(Side.SELLER)
        if (trade.buyer_id, trade.discom_id_buyer) == (posted_as, discom):
            found.add(Side.BUYER)
    return frozenset(found)
