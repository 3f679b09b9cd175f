"""Edits as the web takes them in: signed elsewhere by the persons themselves. Each request opens the database and the log, as a command does."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from headend.duties.operators import Pending
from headend.duties.papers import Paper
from headend.editing.editing import Editing, Wish
from headend.errors import RefusedError
from headend.log.logbook import Logbook, LogKey
from headend.onboarding.known import Registry
from headend.store.sqlite import operator_rows
from headend.store.sqlite.database import Database, open_database
from signing.envelope import Signed
from signing.keys import Signer
from signing.statements.edit import Edit, EditedBlock, EditProposal
from signing.statements.persons import Person


class StoredEditDesk:
    """Takes papers into one database. Safe to call from several threads: they take turns."""

    __slots__ = ("_database", "_folder", "_key", "_signer", "_turn")

    def __init__(self, *, database: Path, folder: Path, key: LogKey, signer: Signer) -> None:
        """`folder` has the checkpoint file of log 0, which `key` signs; `signer` is the discom's statement key."""
        self._database = database
        self._folder = folder
        self._key = key
        self._signer = signer
        self._turn = threading.Lock()

    def draft(self, meter: str, blocks: tuple[EditedBlock, ...], reason: str, *, now_utc: int) -> EditProposal:
        """The next edit of a meter, as it would be signed now. Raises `RefusedError`."""
        with self._opened() as (database, registry):
            wish = Wish(meter=meter, blocks=blocks, reason=reason)
            return Editing(database=database, registry=registry).proposal(wish, now_utc=now_utc)

    def propose(self, paper: Paper, *, now_utc: int) -> Pending:
        """Keeps what its author signed; the same paper again is the same proposal. Raises `RefusedError`."""
        person = _person(paper)
        with self._opened() as (database, registry):
            known = operator_rows.waiting(database.connection, paper.proposal.meter)
            if known is not None and (known.proposal, known.author) == (paper.proposal, person):
                return known
            return Editing(database=database, registry=registry).propose(paper.proposal, person, now_utc=now_utc)

    def approve(self, number: int, paper: Paper, *, now_utc: int) -> Signed[Edit]:
        """Makes an edit of a proposal that another person signed too, and logs it. Raises `RefusedError`."""
        person = _person(paper)
        with self._opened() as (database, registry):
            pending = operator_rows.proposal(database.connection, number)
            if pending.proposal != paper.proposal:
                raise RefusedError(
                    f"the paper is of another proposal than {number}: sign what `GET /v1/edits/{number}` gives"
                )
            book = Logbook(database, {0: self._key}, self._folder)
            editing = Editing(database=database, registry=registry)
            return editing.approve(number, person, book=book, signer=self._signer, now_utc=now_utc)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Database, Registry]]:
        with self._turn, closing(open_database(self._database)) as database:
            yield database, Registry(database)


def _person(paper: Paper) -> Person:
    if paper.person is None:
        raise RefusedError("expected a signed paper: `sakshi-sign` signs it on the person's own machine")
    return paper.person
