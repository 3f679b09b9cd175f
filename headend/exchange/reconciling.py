"""Compares what the ledger says with what this discom said: on demand, and every day once the last gate has passed."""

from functools import partial

from headend.config import Channel, Config
from headend.exchange import legs
from headend.store.sqlite import postings, reconciliation_rows, recording_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.reconciliation_rows import Reconciliation
from headend.trading.reconciliation import Line, reconciled, reconciled_words
from ledger_client.ledger import Ledger
from signing.interval import DAY_S, Interval, ist_day_start

_AGAIN_S = 3600
"""What differs is looked at again after this, so that its alert ends soon after it was put right."""


def lines(config: Config, database: Database, ledger: Ledger, span: Interval) -> tuple[Line, ...]:
    """Every delivery that begins in `span`, with its differences; by the discom's own words where it allocates by itself.

    Raises:
        LedgerError: as `Ledger.listing`.
    """
    trades = legs.trades_of(ledger, config.discom, span)
    if config.ledger.channel is Channel.RECORD:
        return reconciled_words(trades, partial(recording_rows.of_side, database.connection), config.discom)
    return reconciled(trades, postings.postings_from(database.connection, span), config.discom)


class Reconciling:
    """The daily comparison. It looks only at windows whose gates have all passed: before that a figure is not late."""

    def __init__(self, config: Config, database: Database, ledger: Ledger, *, since_utc: int) -> None:
        """`since_utc` stands for the last comparison where there was none yet: a new head-end waits for its first gate."""
        self._config = config
        self._since_utc = since_utc
        self._database = database
        self._ledger = ledger

    def step(self, now_utc: int) -> Reconciliation | None:
        """Compares if the last gate of a day passed since the last time, or hourly while something differs; none when it was not time.

        Raises:
            LedgerError: as `Ledger.listing`; it is still due then.
        """
        if not self._is_due(now_utc):
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

    def _is_due(self, now_utc: int) -> bool:
        before = reconciliation_rows.newest(self._database.connection)
        if before is not None and before.differing and now_utc - before.at_utc >= _AGAIN_S:
            return True
        gates = self._config.gates
        gate_utc = ist_day_start(now_utc) + max((gates.data_s, *gates.rounds_s))
        passed_utc = gate_utc if gate_utc <= now_utc else gate_utc - DAY_S
        return (self._since_utc if before is None else before.at_utc) < passed_utc
