"""Windows that the exchange asks about and that no trade of the ledger's rows names: they are attested like any other, and never posted."""

from collections.abc import Mapping

from headend.store.sqlite import question_rows
from headend.store.sqlite.database import Database
from headend.trading.trades import Delivery
from signing.interval import DAY_S, utc_text


class Asked:
    """The windows of questions that may be answered. Owned by the thread that owns the database."""

    __slots__ = ("_database", "_days", "_seen")

    def __init__(self, database: Database, *, days: int) -> None:
        """Windows that ended more than `days` ago are not followed: what was said of them stands."""
        self._database = database
        self._days = days
        self._seen = 0

    def has_news(self) -> bool:
        """Whether other windows may be answered than when they were last taken."""
        return question_rows.last_sorted(self._database.connection) != self._seen

    def beside(self, traded: Mapping[Delivery, int], now_utc: int) -> dict[Delivery, int]:
        """The deliveries of trades, and beside them the windows that are only asked about; with when each was first seen."""
        connection = self._database.connection
        self._seen = question_rows.last_sorted(connection)
        known = {(delivery.posted_as, delivery.window) for delivery in traded}
        found = dict(traded)
        for (name, window), asked_utc in question_rows.seen_windows(connection, now_utc - self._days * DAY_S).items():
            if (name, window) not in known:
                start, end = utc_text(window.start_utc), utc_text(window.end_utc)
                found[Delivery(posted_as=name, delivery_start=start, delivery_end=end, window=window)] = asked_utc
        return found
