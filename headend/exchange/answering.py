"""Answering the exchange's questions: each from its row, signed, as often as it takes, one transaction each.

What was kept is answered after any crash. A crash between an answer and its noting sends the same figures under the same message
again, which changes nothing at the asker. Source: EXCHANGE §4; docs/exchange.md.
"""

from dataclasses import dataclass, field
from typing import Protocol

from headend.config import Config
from headend.duties.holds import Holds
from headend.exchange import legs
from headend.exchange.proven import ProvenActuals
from headend.exchange.pushing import pushed
from headend.exchange.sight import Seen, Sights
from headend.settings.beckn import BecknSettings, Revisions
from headend.store.sqlite import actuals, hold_rows, question_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.question_rows import Disclosure
from headend.trading import posting, questions
from headend.trading.gates import Gates
from headend.trading.parties import Party, Sight
from headend.trading.questions import AskedWindow, Known, Move, Question, QuestionState
from ledger_client.beckn.on_status import AnswerForm, Figure, on_status
from ledger_client.beckn.refusal import RefusedError
from ledger_client.beckn.status import StatusRequest, Wanted, read_status
from ledger_client.beckn_http import PushReceipt
from ledger_client.ledger import LedgerError, LedgerRefusedError
from signing.interval import DAY_S, Interval

AT_ONCE = 4
"""Questions of one step: the next step sees what came meanwhile."""

SILENCE_S = 60
"""How long nothing else is sent where something was not taken: waiting for the same silence again and again would keep all others waiting."""

KEPT_S = 30 * DAY_S
"""How long a question is kept after it expired."""

Key = tuple[str, Interval]


class Pusher(Protocol):
    """The way out."""

    def push(self, url: str, body: bytes) -> PushReceipt:
        """One signed POST; see `BecknPusher.push`."""


@dataclass(slots=True, kw_only=True)
class AnswerReport:
    """What one step did."""

    looked_at: int = 0
    """Questions that were due: where there were any, more may be."""
    moved: list[Question] = field(default_factory=list)
    """Every question that was answered, or stands otherwise than before, as it stands after."""
    trouble: str | None = None
    """Why some asker cannot be answered, for as long as it cannot."""


@dataclass(slots=True, kw_only=True)
class _Outlook:
    """One question with everything that may be told of it now."""

    request: StatusRequest
    windows: tuple[AskedWindow, ...]
    figures: dict[Wanted, Figure]
    known: Known
    disclosed: list[Disclosure]


class Answering:
    """Answers the questions of one database. Owned by the thread that owns it."""

    def __init__(
        self,
        *,
        config: Config,
        settings: BecknSettings,
        database: Database,
        proven: ProvenActuals,
        pusher: Pusher,
    ) -> None:
        self._config = config
        self._policy = legs.policy_of(config)
        self._settings = settings
        self._database = database
        self._proven = proven
        self._pusher = pusher
        self._sights = Sights(settings=settings, discom=config.discom)
        self._form = AnswerForm(receiver_uri=settings.receiver, shape=settings.shape, evidence=settings.evidence)
        # After a start every live question is looked at once: what was attested meanwhile is found by itself.
        self._last_leaf: int | None = None
        self._held: frozenset[int] = frozenset()
        self._next_sweep_utc = 0

    def step(self, now_utc: int) -> AnswerReport:
        """Does what is due.

        Raises:
            FatalError: the process must end.
            StoreUnavailableError: nothing more was stored; try again later.
        """
        report = AnswerReport()
        open_holds = hold_rows.open_holds(self._database.connection)
        self._sweep(now_utc)
        self._wake(frozenset(hold.number for hold in open_holds), now_utc)
        silent: set[str] = set()
        for question in question_rows.due(self._database.connection, now_utc, most=AT_ONCE):
            if question.callback in silent:
                continue
            # Asked anew for each: an answer may take long, and what an operator stops stops at once.
            holds = Holds(hold_rows.open_holds(self._database.connection))
            after, is_sent = self._looked_at(question, holds, now_utc)
            report.looked_at += 1
            # What goes on waiting or resting is no news: it would be read as an answer each time.
            if is_sent or (after.state, after.note) != (question.state, question.note):
                report.moved.append(after)
            if after.state is QuestionState.OPEN and after.attempts > question.attempts:
                silent.add(question.callback)
        report.trouble = question_rows.trouble(self._database.connection)
        return report

    def _sweep(self, now_utc: int) -> None:
        """Forgets what expired long ago, a question may be 32 MiB; what the asker refused expires with its windows."""
        if now_utc < self._next_sweep_utc:
            return
        with self._database.transaction() as connection:
            over_utc = now_utc - (self._config.gates.true_up_days + 1) * DAY_S
            question_rows.expire_refused(connection, over_utc, now_utc)
            question_rows.drop_expired(connection, now_utc - KEPT_S)
        self._next_sweep_utc = now_utc + DAY_S

    def _wake(self, held: frozenset[int], now_utc: int) -> None:
        """Has looked at again what new actuals, or other holds, may change."""
        newest = actuals.last_said(self._database.connection)
        if self._last_leaf == newest and self._held == held:
            return
        with self._database.transaction() as connection:
            if self._last_leaf is None or self._held != held:
                question_rows.wake_all(connection, now_utc)
            else:
                question_rows.wake(connection, self._last_leaf, now_utc)
        self._last_leaf, self._held = newest, held

    def _looked_at(self, question: Question, holds: Holds, now_utc: int) -> tuple[Question, bool]:
        """The question after it, and whether an answer went out."""
        party = self._settings.party(question.subscriber)
        if party is None:
            return self._put(questions.refused(question, "it is no caller that is served any more")), False
        try:
            request = pushed(question.body) if question.is_push else self._read(question.body)
        except RefusedError as error:
            return self._put(questions.refused(question, f"kept, and not readable any more: {error}")), False
        outlook = self._outlook(question, request, party, holds, now_utc)
        gates = self._config.gates
        move = questions.move(
            question,
            outlook.windows,
            outlook.known,
            gates=gates,
            patience_s=self._settings.patience_s,
            now_utc=now_utc,
            pushes=self._settings.revisions is Revisions.PUSH,
        )
        match move:
            case Move.WAIT:
                return self._put(questions.waiting(question, self._settings.patience_s, now_utc)), False
            case Move.REST:
                return self._put(questions.resting(question, outlook.windows, gates, now_utc)), False
            case Move.EXPIRE:
                return self._put(questions.expired(question, now_utc)), False
            case Move.SEND:
                return self._sent(question, outlook, gates, now_utc)

    def _read(self, body: bytes) -> StatusRequest:
        return read_status(body, self._settings.identifiers)

    def _outlook(
        self, question: Question, request: StatusRequest, party: Party, holds: Holds, now_utc: int
    ) -> _Outlook:
        """What may be told now. A window that may not be told is left out, never written as 0."""
        connection = self._database.connection
        windows = question_rows.windows(connection, question)
        sights = {_key(one): self._sights.seen(connection, party, *_key(one), now_utc) for one in windows}
        self._put_sights(question, windows, sights)
        figures: dict[Wanted, Figure] = {}
        told: dict[Key, bytes] = {}
        undecided, disclosed = 0, list[Disclosure]()
        for key, seen in sights.items():
            if seen is None:
                continue
            name, window = key
            newest = self._proven.newest(name, window)
            undecided += window.end_utc <= now_utc and newest.proven is None
            found = newest.proven
            if found is None or holds.over(seen.connection_point, window) is not None:
                continue
            sides = frozenset() if seen.side is None else frozenset({seen.side})
            net_wh = posting.figure_wh(found.statement, sides)
            if net_wh is None or not posting.may_go(found.statement, self._policy, now_utc):
                continue
            figures[Wanted(meter_id=name, window=window)] = Figure(net_wh=net_wh, evidence=found.digest, side=seen.side)
            told[key] = found.digest
            if seen.sight is not Sight.TRADE:
                disclosed.append(self._disclosure(question, seen, window, found.digest, now_utc))
        known = Known(figures=told, undecided=undecided)
        return _Outlook(request=request, windows=windows, figures=figures, known=known, disclosed=disclosed)

    def _disclosure(
        self, question: Question, seen: Seen, window: Interval, evidence: bytes, now_utc: int
    ) -> Disclosure:
        return Disclosure(
            grantee=question.subscriber,
            purpose=self._settings.purpose if seen.sight is Sight.CONSENT else f"question {question.number}",
            connection_point=seen.connection_point,
            window=window,
            evidence=evidence,
            disclosed_utc=now_utc,
        )

    def _put_sights(self, question: Question, windows: tuple[AskedWindow, ...], sights: dict[Key, Seen | None]) -> None:
        """Keeps what the asker may see: it is attested from then on, whether a trade names it or not."""
        found = {key: None if seen is None else seen.sight for key, seen in sights.items()}
        changed = {_key(one): found[_key(one)] for one in windows if one.sight is not found[_key(one)]}
        if changed:
            with self._database.transaction() as connection:
                question_rows.put_sights(connection, question.number, changed)

    def _sent(self, question: Question, outlook: _Outlook, gates: Gates, now_utc: int) -> tuple[Question, bool]:
        """The question after its answer was sent, with True; nothing is sent where no interval may be told."""
        body = on_status(outlook.request, outlook.figures, form=self._form, now=now_utc)
        if body is None:
            return self._put(questions.resting(question, outlook.windows, gates, now_utc)), False
        with self._database.transaction() as connection:
            # Before it leaves: an asker that took it and was not heard to say so has it all the same.
            question_rows.put_disclosures(connection, outlook.disclosed, again=question.attempts == 0)
        try:
            self._pusher.push(question.callback, body)
        except LedgerRefusedError as error:
            return self._put(questions.refused(question, str(error))), True
        except LedgerError as error:
            return self._unanswered(question, str(error), now_utc), True
        told = questions.acknowledged(question, len(outlook.figures), now_utc)
        after = questions.resting(told, outlook.windows, gates, now_utc)
        with self._database.transaction() as connection:
            # The commit point of an answer: before it, a crash sends the same figures again.
            question_rows.put_told(connection, question.number, outlook.known.figures)
            question_rows.put_progress(connection, after)
        return after, True

    def _unanswered(self, question: Question, note: str, now_utc: int) -> Question:
        after = questions.unanswered(question, note, now_utc)
        with self._database.transaction() as connection:
            question_rows.put_progress(connection, after)
            question_rows.put_off(connection, question, now_utc + SILENCE_S)
        return after

    def _put(self, question: Question) -> Question:
        with self._database.transaction() as connection:
            question_rows.put_progress(connection, question)
        return question


def _key(one: AskedWindow) -> Key:
    return one.posted_as, one.window
