"""Telling listeners what came of trades, in the order of the log, each outcome at least once.

A listener that does not answer is told again from where it stands; the others do not wait for it. What it got twice it knows by the digest.
"""

import json
from collections.abc import Sequence

from headend.messengers import MessageUnsentError, post_signed, secret
from headend.settings.feeds import FeedSettings
from headend.store.sqlite import outcome_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.log_rows import leaf_place
from headend.trading.outcomes import fields_of
from signing.keys import PublicKey

MOST = 100
"""Outcomes of one post."""


class Feeding:
    """Tells the feeds of one head-end. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_discom", "_feeds", "_key", "_secrets")

    def __init__(self, *, database: Database, key: PublicKey, discom: str, feeds: Sequence[FeedSettings]) -> None:
        """`key` is the discom's statement key. Reads the secrets.

        Raises:
            FatalError: one cannot be read, with the remedy.
        """
        self._database = database
        self._key = key
        self._discom = discom
        self._feeds = tuple(feeds)
        self._secrets = {feed.name: secret(feed.webhook.secret).encode() for feed in feeds}

    def tell(self, now_utc: int) -> str | None:
        """Tells every feed what it was not told yet, `MOST` at once; why some of it did not go, or none.

        Raises:
            StoreUnavailableError: what was told is told again.
        """
        troubles = [trouble for feed in self._feeds if (trouble := self._told(feed, now_utc)) is not None]
        return "; ".join(troubles) or None

    def _told(self, feed: FeedSettings, now_utc: int) -> str | None:
        connection = self._database.connection
        told = outcome_rows.told(connection, feed.name)
        new = outcome_rows.after(connection, self._key, told, limit=MOST)
        if not new:
            return None
        body = json.dumps(
            {"discom": self._discom, "outcomes": [fields_of(leaf_place(one.leaf)[1], one.signed) for one in new]}
        ).encode()
        try:
            post_signed(feed.webhook.url, self._secrets[feed.name], body, now_utc)
        except MessageUnsentError as error:
            return f"feed {feed.name}: {error}"
        with self._database.transaction() as writing:
            outcome_rows.put_told(writing, feed.name, new[-1].leaf)
        return None
