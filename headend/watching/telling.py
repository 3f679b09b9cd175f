"""From troubles to people: what was found is kept, and whoever is to be told is told until the message went.

The order is fixed: kept first, told after; a crash between the two tells again, and tells nothing twice otherwise.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from headend.duties.alerts import Alert, Trouble, changes
from headend.messengers import MessageUnsentError, Messenger
from headend.store.sqlite import alert_rows
from headend.store.sqlite.database import Database

_AT_ONCE = 100
"""Alerts of one message."""

_State: TypeAlias = tuple[int, bool]
"""Number of an alert, and whether it was over."""


class Telling:
    """Keeps troubles and tells of them. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_discom", "_heard", "_messengers")

    def __init__(self, *, discom: str, database: Database, messengers: Sequence[Messenger]) -> None:
        self._discom = discom
        self._database = database
        self._messengers = tuple(messengers)
        self._heard: list[dict[_State, Alert]] = [{} for _ in messengers]
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
        connection = self._database.connection
        troubles: list[str] = []
        for messenger, heard in zip(self._messengers, self._heard, strict=True):
            # Beyond what it told already: while another way is down, whatever comes is still told by this one.
            untold = alert_rows.untold(connection, limit=_AT_ONCE + len(heard))
            new = [alert for alert in untold if _state(alert) not in heard][:_AT_ONCE]
            trouble = self._told(messenger, heard, new, now_utc)
            if trouble is not None:
                troubles.append(trouble)
        self._note()
        return "; ".join(troubles) or None

    def _told(self, messenger: Messenger, heard: dict[_State, Alert], new: Sequence[Alert], now_utc: int) -> str | None:
        if not new:
            return None
        try:
            messenger.tell(self._discom, new, now_utc)
        except MessageUnsentError as error:
            return str(error)
        heard.update({_state(alert): alert for alert in new})
        return None

    def _note(self) -> None:
        """Stores what every messenger told; without any, whatever there is to tell."""
        if self._heard:
            everywhere = set.intersection(*(set(heard) for heard in self._heard))
            told = tuple(self._heard[0][state] for state in sorted(everywhere))
        else:
            told = alert_rows.untold(self._database.connection, limit=_AT_ONCE)
        if not told:
            return
        with self._database.transaction() as connection:
            alert_rows.told(connection, told)
        for heard in self._heard:
            for alert in told:
                del heard[_state(alert)]
                if alert.closed_utc is not None:
                    # Whoever told its beginning too need not remember that any longer.
                    heard.pop((alert.number, False), None)


def _state(alert: Alert) -> _State:
    return alert.number, alert.closed_utc is not None
