"""Compares what the ledger says with what this discom said: on demand, and every day once the last gate has passed."""

from functools import partial

from headend import exchange
from headend.config import Channel, Config
from headend.reconciliation import Line, reconciled, reconciled_words
from headend.store.sqlite import postings, reconciliation_rows, recording_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.reconciliation_rows import Reconciliation
from ledger_client.ledger import Ledger
from signing.interval import DAY_S, Interval, ist_day_start


def lines(config: Config, database: Database, ledger: Ledger, span: Interval) -> tuple[Line, ...]:
    """Every delivery that begins in `span`, with its differences; by the discom's own words where it allocates by itself.

    Raises:
        LedgerError: as `Ledger.listing`.
    """
    trades = exchange.trades_of(ledger, config.discom, span)
    if config.ledger.channel is Channel.RECORD:
        return reconciled_words(trades, partial(recording_rows.of_side, database.connection), config.discom)
    return reconciled(trades, postings.postings_from(database.connection, span), config.discom)


class Reconciling:
    """The daily comparison. It looks only at windows whose gates have all passed: before that a figure is not late."""

    def __init__(self, config: Config, database: Database, ledger: Ledger) -> None:
        self._config = config
        self._database = database
        self._ledger = ledger

    def step(self, now_utc: int) -> Reconciliation | None:
        """Compares if the last gate of a day passed since the last time; gives what was found, and none when it was not time.

        Raises:
            LedgerError: as `Ledger.listing`; it is still due then.
        """
        before = reconciliation_rows.newest(self._database.connection)
        if before is not None and before.at_utc >= self._due_utc(now_utc):
            return None
        start_utc = now_utc - self._config.ledger.look_back_days * DAY_S
        due = [
            line
            for line in lines(self._config, self._database, self._ledger, Interval(start_utc, now_utc))
            if self._config.gates.next_utc(line.delivery.window, now_utc) is None
        ]
        differing = sum(bool(line.differences) for line in due)
        found = Reconciliation(at_utc=now_utc, start_utc=start_utc, deliveries=len(due), differing=differing)
        with self._database.transaction() as connection:
            reconciliation_rows.put(connection, found)
        return found

    def _due_utc(self, now_utc: int) -> int:
        """The newest last gate of a day that has passed."""
        gates = self._config.gates
        last_utc = ist_day_start(now_utc) + max((gates.data_s, *gates.rounds_s))
        return last_utc if last_utc <= now_utc else last_utc - DAY_S
