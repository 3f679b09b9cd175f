"""``[[feed]]``: who is told what came of trades: a clearing house, an escrow, a bill presenter.

::

    [[feed]]
    name = "clearing"
    url = "https://clearing.example/sakshi"
    secret = "file:keys/clearing"          # HMAC-SHA256 of what is sent
"""

from dataclasses import dataclass
from pathlib import Path

from headend.settings.alerts import WebhookSettings, webhook
from signing import fields
from signing.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """One listener."""

    name: str
    webhook: WebhookSettings


def feeds(tables: tuple[Table, ...], base: Path) -> tuple[FeedSettings, ...]:
    """The listeners, each name once. Relative paths are under `base`."""
    found: list[FeedSettings] = []
    for table in tables:
        name = table.parsed("name", fields.identifier, "x")
        if any(feed.name == name for feed in found):
            table.faults.add(table.key("name"), f"expected each feed once, got {name!r:.80} again")
        found.append(FeedSettings(name=name, webhook=webhook(table, base)))
    return tuple(found)
