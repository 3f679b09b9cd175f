"""Saying what came of trades: outcomes are signed and logged in small transactions, from the trades as the ledger last showed them."""

import secrets
import sqlite3
from collections.abc import Callable

from headend.founding import LOG
from headend.log.logbook import Logbook
from headend.store.sqlite import outcome_rows, postings
from headend.store.sqlite.database import Database
from headend.trading.outcomes import outcome
from headend.trading.posting import PostingState
from headend.trading.trades import TradeSide, own_sides
from signing.canonical import SALT_SIZE
from signing.envelope import Signed, sign
from signing.errors import DecodeError
from signing.keys import Signer
from signing.statements.trade_outcome import TradeOutcome

_AT_ONCE = 200
"""Outcomes of one transaction: intake waits meanwhile."""

_HOLDS = frozenset({PostingState.CONFIRMED, PostingState.POSTED, PostingState.DIFFERS})
"""States in which the ledger has the figure."""


class OutcomeLog:
    """Says outcomes. Owned by the thread that owns the database and the logbook."""

    __slots__ = ("_book", "_database", "_discom", "_salts", "_signer", "_unsayable")

    def __init__(
        self,
        *,
        database: Database,
        book: Logbook,
        signer: Signer,
        discom: str,
        salts: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_SIZE),
    ) -> None:
        """`signer` is the discom's statement key."""
        self._database = database
        self._book = book
        self._signer = signer
        self._discom = discom
        self._salts = salts
        self._unsayable: set[str] = set()
        """Trades whose ids no statement can hold; an operator is told of each once."""

    def say(self, since_utc: int, *, at_utc: int) -> tuple[tuple[Signed[TradeOutcome], ...], tuple[str, ...]]:
        """Logs what is new of the trades whose delivery began at or after `since_utc`; the outcomes, and what an operator must look at.

        Raises:
            StoreUnavailableError: what was not logged is logged by a later call.
        """
        sides = own_sides(postings.trades_from(self._database.connection, since_utc), self._discom)
        alarms: list[str] = []
        # Looked at outside of the transaction first: most trades have nothing new, and intake would wait for all of them.
        wanted = [own for own in sides if self._new(self._database.connection, own, alarms) is not None]
        said: list[Signed[TradeOutcome]] = []
        for first in range(0, len(wanted), _AT_ONCE):
            with self._book.transaction() as transaction:
                for own in wanted[first : first + _AT_ONCE]:
                    found = self._new(transaction.connection, own, alarms)
                    if found is None:
                        continue
                    signed = sign(found, self._signer)
                    leaf = transaction.append(LOG, [signed.digest])
                    outcome_rows.put(transaction.connection, leaf, signed, at_utc=at_utc)
                    said.append(signed)
        return tuple(said), tuple(alarms)

    def _new(self, connection: sqlite3.Connection, own: TradeSide, alarms: list[str]) -> TradeOutcome | None:
        trade = own.trade
        stored = outcome_rows.newest(connection, self._signer.public_key, trade.record_id, own.side.name)
        evidence = [
            record.actual for record in postings.postings_of(connection, own.delivery) if record.state in _HOLDS
        ]
        try:
            return outcome(
                own, evidence[-1] if evidence else None, None if stored is None else stored.signed, self._salts()
            )
        except DecodeError as error:
            if trade.record_id not in self._unsayable:
                self._unsayable.add(trade.record_id)
                alarms.append(f"no outcome can be said of trade {trade.record_id!r:.80}: {error}")
            return None
