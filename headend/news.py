"""What was logged or stored since a settlement looked last, by whichever program: records, doubts, edits and actuals.

After a start nothing is news: a settlement looks at everything once then.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from headend.onboarding.known import Registry
from headend.store.sqlite import actuals, doubt_rows, edit_rows, registry_rows
from headend.store.sqlite.database import Database
from signing.interval import Interval


class News:
    """Where one reader stands in what the database holds. Owned by the thread that owns the database's connection."""

    __slots__ = ("_actual", "_database", "_doubt", "_edit", "_record")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._record = registry_rows.newest_record(database.connection)
        self._doubt = doubt_rows.last_change(database.connection)
        self._edit = edit_rows.last(database.connection)
        self._actual = actuals.last_said(database.connection)

    @contextmanager
    def of_meters(self, registry: Registry) -> Iterator[set[str]]:
        """The meters with a new record or another doubt; `registry` knows the records inside the block.

        They are news again when the block fails.
        """
        # Asked before the registry is read: a record that comes in between is seen again by the next look.
        recorded = registry_rows.meters_recorded_after(self._database.connection, self._record)
        registry.refresh()
        doubted = doubt_rows.changed_after(self._database.connection, self._doubt)
        yield recorded.keys() | doubted.keys()
        self._record = max(recorded.values(), default=self._record)
        self._doubt = max(doubted.values(), default=self._doubt)

    def edits(self) -> tuple[tuple[str, Interval], ...]:
        """Meter and span of the edits, in the order of the log; each is given once."""
        found = edit_rows.after(self._database.connection, self._edit)
        if found:
            self._edit = found[-1][0]
        return tuple((meter, span) for _, meter, span in found)

    def said(self) -> tuple[tuple[str, Interval], ...]:
        """Ledger's name and window of the actuals, in the order of the log; each is given once."""
        found = actuals.said_after(self._database.connection, self._actual)
        if found:
            self._actual = found[-1][0]
        return tuple((posted_as, window) for _, posted_as, window in found)
