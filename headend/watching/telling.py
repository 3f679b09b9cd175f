"""From troubles to people: what was found is kept, and whoever is to be told is told until the message went.

The order is fixed: kept first, told after; a crash between the two tells again, and tells nothing twice otherwise.
"""

from collections.abc import Iterable, Sequence

from headend.duties.alerts import Alert, Trouble, changes
from headend.messengers import MessageUnsentError, Messenger
from headend.store.sqlite import alert_rows
from headend.store.sqlite.database import Database

_AT_ONCE = 100
"""Alerts of one message."""


class Telling:
    """Keeps troubles and tells of them. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_discom", "_heard", "_messengers")

    def __init__(self, *, discom: str, database: Database, messengers: Sequence[Messenger]) -> None:
        self._discom = discom
        self._database = database
        self._messengers = tuple(messengers)
        self._heard: list[set[tuple[int, bool]]] = [set() for _ in messengers]
        """What each messenger told already, while another of them still fails."""

    def keep(self, found: Iterable[Trouble], now_utc: int) -> None:
        """Stores what began and what is over.

        Raises:
            StoreUnavailableError: nothing was stored.
        """
        with self._database.transaction() as connection:
            alert_rows.apply(connection, changes(alert_rows.open_alerts(connection), found), at_utc=now_utc)

    def tell(self, now_utc: int) -> str | None:
        """Tells of what nobody was told yet; why some of it did not go, or none.

        Raises:
            StoreUnavailableError: what was told is told again.
        """
        untold = alert_rows.untold(self._database.connection, limit=_AT_ONCE)
        if not untold:
            return None
        troubles = [
            trouble
            for messenger, heard in zip(self._messengers, self._heard, strict=True)
            if (trouble := self._told(messenger, heard, untold, now_utc)) is not None
        ]
        if troubles:
            return "; ".join(troubles)
        with self._database.transaction() as connection:
            alert_rows.told(connection, untold)
        for heard in self._heard:
            heard.clear()
        return None

    def _told(
        self, messenger: Messenger, heard: set[tuple[int, bool]], untold: Iterable[Alert], now_utc: int
    ) -> str | None:
        new = [alert for alert in untold if _state(alert) not in heard]
        if not new:
            return None
        try:
            messenger.tell(self._discom, new, now_utc)
        except MessageUnsentError as error:
            return str(error)
        heard.update(map(_state, new))
        return None


def _state(alert: Alert) -> tuple[int, bool]:
    return alert.number, alert.closed_utc is not None
