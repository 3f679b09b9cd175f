"""By what a subscriber may see the figure of a window: a trade that it is a party to, or the consumer's consent.

Source: EXCHANGE §7 (privacy): meter data stays with the utility; EVIDENCE §5: what is finer leaves with consent, each logged.
"""

import sqlite3
from dataclasses import dataclass

from headend.consent import Consent, Disclosure, granted
from headend.registry.dated import holding
from headend.settings.beckn import BecknSettings, Untraded
from headend.store.sqlite import supply_rows, trade_views
from headend.trading.parties import Party, Sees, Sight, sides_of
from ledger_client.ledger import Side
from signing.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A window that a subscriber may see."""

    sight: Sight
    connection_point: str
    side: Side | None
    """The meter's side of its trades in this window; none where it stands on both, or no trade is known."""


class Sights:
    """Answers who may see what. Every method works inside the caller's transaction."""

    __slots__ = ("_discom", "_settings")

    def __init__(self, *, settings: BecknSettings, discom: str) -> None:
        self._settings = settings
        self._discom = discom

    def seen(
        self, connection: sqlite3.Connection, party: Party, posted_as: str, window: Interval, now_utc: int
    ) -> Seen | None:
        """By what `party` may see a window of what it calls `posted_as`, or none."""
        point = holding(supply_rows.alias(connection, posted_as), window.start_utc)
        if point is None:
            return None
        trades = trade_views.of_window(connection, self._discom, posted_as, window)
        shared = [trade for trade in trades if party.is_in(trade)]
        if shared:
            sides = sides_of(posted_as, shared, self._discom)
            side = next(iter(sides)) if len(sides) == 1 else None
            return Seen(sight=Sight.TRADE, connection_point=point, side=side)
        if self._settings.untraded is Untraded.ANSWER and party.sees is Sees.LEDGER:
            return Seen(sight=Sight.QUESTION, connection_point=point, side=None)
        if self.consents(connection, party.subscriber, point, window, now_utc):
            return Seen(sight=Sight.CONSENT, connection_point=point, side=None)
        return None

    def consents(
        self, connection: sqlite3.Connection, grantee: str, connection_point: str, window: Interval, now_utc: int
    ) -> tuple[Consent, ...]:
        """The consents by which interval data of a window may go to a subscriber now; empty when they may not."""
        asked = Disclosure(
            connection_point=connection_point,
            consumers=supply_rows.consumers(connection, connection_point, window),
            purpose=self._settings.purpose,
            grantee=grantee,
        )
        return granted(supply_rows.consents(connection, connection_point), asked, now_utc)
