"""The leg to a ledger where the discom allocates by itself: words planned by round, written, read back, each stored before the next.

As in `exchange`, a crash between two transactions repeats, and repeating is harmless: a reference names evidence and round.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headend.exchange.holding import HoldOver
from headend.exchange.legs import POSTS_AT_ONCE, NewestReady
from headend.store.sqlite import postings as trade_rows
from headend.store.sqlite import recording_rows, trade_views
from headend.store.sqlite.database import Database
from headend.trading import posting, recordings
from headend.trading.allocation import Basis
from headend.trading.amendments import agreed
from headend.trading.posting import OPEN, Policy, PostingState, Trouble
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery, TradeSide, own_sides
from ledger_client.ledger import (
    LedgerProtocolError,
    LedgerRefusedError,
    LedgerUnavailableError,
    TradeStatus,
    TradeUnknownError,
)
from ledger_client.recording import RecordingLedger
from signing.energy import kwh_text
from signing.envelope import Signed
from signing.statements import window_actual
from signing.statements.window_actual import Cause, WindowActual

_BASIS = {window_actual.Basis.NET: Basis.NET, window_actual.Basis.GROSS: Basis.GROSS}
_NO_ROUND = "every reference of this figure was used: attest it anew, then it is recorded again"


StatusOf = Callable[[sqlite3.Connection, Delivery, WindowActual], TradeStatus | None]
"""How a delivery went, as the discom says it last; none while its figure is not final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """An actual that may be told, with what its trades get of it."""

    actual: Signed[WindowActual]
    shares: dict[TradeSide, int]
    final: TradeStatus | None
    """Status of a last word; none while the figure is not final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReport:
    """What one round of writing did."""

    moved: tuple[Recording, ...]
    """Every word that something was done for, as it stands after."""
    trouble: str | None
    """Why the round ended early: the ledger gave no answer, and the others need not wait for the same."""


class RecordingLeg:
    """Says and writes this discom's words. Owned by the thread that owns the database."""

    def __init__(
        self, *, database: Database, ledger: RecordingLedger, discom: str, policy: Policy, status: StatusOf
    ) -> None:
        """The gates of `policy` MUST have three rounds."""
        self._database = database
        self._ledger = ledger
        self._discom = discom
        self._policy = policy
        self._status = status

    def plan(self, wanted: Iterable[Delivery], newest_ready: NewestReady, now_utc: int) -> tuple[str, ...]:
        """Says what is to be said of deliveries now; what an operator must look at, in words."""
        alarms: list[str] = []
        with self._database.transaction() as connection:
            for delivery in wanted:
                sides = [
                    own
                    for own in own_sides(
                        trade_views.of_window(connection, self._discom, delivery.posted_as, delivery.window),
                        self._discom,
                    )
                    if own.delivery.posted_as == delivery.posted_as
                ]
                figure = self._figure(connection, delivery, sides, newest_ready(delivery), now_utc)
                for own in sides:
                    alarms += self._planned(connection, own, figure, now_utc)
        return tuple(alarms)

    def _figure(
        self,
        connection: sqlite3.Connection,
        delivery: Delivery,
        sides: list[TradeSide],
        actual: Signed[WindowActual] | None,
        now_utc: int,
    ) -> _Figure | None:
        """The figure that may be told of a delivery now, or none."""
        window, gates = delivery.window, self._policy.gates
        if actual is None or actual.statement.totals is None or now_utc >= gates.true_up_ends_utc(window):
            return None
        if not posting.may_go(actual.statement, self._policy, now_utc):
            return None
        basis = _BASIS[actual.statement.basis]
        return _Figure(
            actual=actual,
            shares=dict(recordings.shares(sides, actual.statement.totals, basis)),
            final=self._status(connection, delivery, actual.statement),
        )

    def _planned(
        self, connection: sqlite3.Connection, own: TradeSide, figure: _Figure | None, now_utc: int
    ) -> list[str]:
        before = recording_rows.of_side(connection, own.trade.record_id, own.side)
        self._require_confirmed(connection, own, before)
        what = None
        if figure is not None and own in figure.shares:
            has_spoken = any(one.state is not PostingState.SUPERSEDED for one in before)
            share, final = figure.shares[own], figure.final
            what = recordings.word(own, share, final, self._policy.gates, now_utc, has_spoken=has_spoken)
        is_new = figure is not None and what is not None and not recordings.is_said(before, what)
        if figure is not None and what is not None and figure.actual.statement.cause is Cause.OPERATOR:
            # An operator who attests again after a refusal was put right means it.
            is_new = is_new or recordings.is_stuck(before, figure.actual.digest)
        if figure is None or is_new:
            for one in before:
                if one.state in OPEN | {PostingState.HELD}:
                    recording_rows.put(connection, recordings.superseded(one))
        if figure is None or what is None or not is_new:
            return []
        actual = figure.actual.digest
        number = recordings.next_round(own.side, what.status, [one.round for one in before if one.actual == actual])
        if number is None:
            return [f"{own.trade.record_id} {own.side.value}: {_NO_ROUND}"]
        recording_rows.put(connection, recordings.said(own, actual, what, number, now_utc))
        return []

    def _require_confirmed(self, connection: sqlite3.Connection, own: TradeSide, before: tuple[Recording, ...]) -> None:
        """Notes where the ledger's row no longer says what was read back."""
        holding = [one for one in before if one.state is not PostingState.SUPERSEDED]
        if not holding or holding[-1].state is not PostingState.CONFIRMED:
            return
        shown = own.trade.allocated_wh(own.side)
        if shown != holding[-1].allocated_wh:
            words = "nothing" if shown is None else f"{kwh_text(shown)} kWh"
            recording_rows.put(connection, recordings.contradicted(holding[-1], words))

    def hold(self, over: HoldOver | None, now_utc: int) -> None:
        """Holds back what an operator's hold is over, and lets go of what none is over any more."""
        waiting = recording_rows.in_states(self._database.connection, frozenset({PostingState.HELD}))
        if over is None and not waiting:
            return
        with self._database.transaction() as connection:
            for one in recording_rows.in_states(connection, OPEN) if over is not None else ():
                found = None if over is None else over(one.delivery)
                if found is not None:
                    recording_rows.put(connection, recordings.held(one, found.note))
            for one in waiting:
                if over is None or over(one.delivery) is None:
                    recording_rows.put(connection, recordings.released(one, now_utc))

    def write(self, now_utc: int, *, most: int = POSTS_AT_ONCE, over: HoldOver | None = None) -> WriteReport:
        """Writes what is due, one transaction each; a ledger that does not answer ends the round. `over` is asked before each."""
        moved: list[Recording] = []
        for one in recording_rows.to_do(self._database.connection, now_utc, most=most):
            if over is not None and over(one.delivery) is not None:
                continue
            after, silence = self._attempt(one, now_utc)
            self._put(after)
            moved.append(after)
            if silence is not None:
                return WriteReport(moved=tuple(moved), trouble=silence)
        return WriteReport(moved=tuple(moved), trouble=None)

    def _attempt(self, one: Recording, now_utc: int) -> tuple[Recording, str | None]:
        """One try: where it got, and why there was no answer at all."""
        policy = self._policy
        request = one.request(self._discom)
        try:
            self._ledger.record(request)
            one = recordings.written(one, now_utc)
            # The commit point of one word: before it, a crash repeats the same write under the same reference.
            self._put(one)
            confirmation = self._ledger.confirm_record(request)
            if confirmation.trade is not None:
                with self._database.transaction() as connection:
                    known = trade_rows.trade(connection, confirmation.trade.record_id)
                    trade_rows.put_trades(connection, [agreed(known, confirmation.trade, now_utc).trade], now_utc)
            return recordings.read_back(one, confirmation), None
        except TradeUnknownError as error:
            return recordings.troubled(one, Trouble.TRADE_UNKNOWN, str(error), policy, now_utc), None
        except LedgerRefusedError as error:
            return recordings.troubled(one, Trouble.REFUSED, str(error), policy, now_utc), None
        except LedgerUnavailableError as error:
            return recordings.troubled(one, Trouble.NO_ANSWER, str(error), policy, now_utc), str(error)
        except LedgerProtocolError as error:
            # An answer that is not understood says as little as none.
            return recordings.troubled(one, Trouble.NO_ANSWER, str(error), policy, now_utc), None

    def _put(self, one: Recording) -> None:
        with self._database.transaction() as connection:
            recording_rows.put(connection, one)
