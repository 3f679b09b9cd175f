"""What the routes work with: one value, made by the factory and handed to every request."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

from fastapi import Depends, Request

from headend.duties.component import Component
from headend.duties.operators import Pending
from headend.duties.papers import Paper
from headend.ies.page import Answer
from headend.ies.rendering import Form
from headend.imports.report import ImportOutcome
from headend.registry.plan import Rejected
from headend.registry.report import Outcome
from headend.registry.sheet import Sheet
from headend.tokens import Token, Tokens
from headend.trading.outcomes import Notice, Taken
from headend.trading.parties import Sight
from headend.views.duty import DutyReads
from headend.views.evidence import ActualView, Reads
from headend.views.exchange import Market
from ledger_client.beckn.receiver import Reply
from signing.envelope import Signed
from signing.interval import Interval
from signing.keys import Signer
from signing.statements.edit import Edit, EditedBlock, EditProposal

_LOG = logging.getLogger("sakshi.headend.web")


class RegistryDesk(Protocol):
    """Where registry sheets go. Safe to call from several threads.

    Both methods raise `StoreUnavailableError` when the store cannot be used now; nothing was written then.
    """

    def preview(self, sheet: Sheet, rejected: Rejected) -> Outcome:
        """What applying a sheet would do now."""

    def apply(self, sheet: Sheet, rejected: Rejected, *, by: str, at_utc: int) -> Outcome:
        """Writes what a sheet changes, or nothing. `by` answers for it."""


class NoticeDesk(Protocol):
    """Where notices go. Safe to call from several threads."""

    def take(self, notice: Notice) -> Taken:
        """Keeps a notice, once for each sender and reference.

        Raises:
            StoreUnavailableError: nothing was written.
        """


class Door(Protocol):
    """Where what the exchange sends is verified. Safe to call from several threads."""

    @property
    def status_path(self) -> str:
        """Where questions come to."""

    def status(self, authorization: str | None, body: bytes, now_utc: int) -> Reply:
        """The reply to one POST of a question, which is kept before it is ACKed."""

    def too_long(self, authorization: str | None, most_bytes: int, now_utc: int) -> Reply:
        """The reply to a body that was not read to its end."""

    def caller(self, authorization: str, now_utc: int) -> str:
        """The subscriber that signed a request without a body.

        Raises:
            RefusedError: (Beckn's) it is not to be believed, or is nobody who is served.
        """

    def refusals(self) -> dict[str, int]:
        """How many messages were refused since the start, by the network's code."""


class EditDesk(Protocol):
    """Where edits go that were signed elsewhere. Safe to call from several threads.

    Every method raises a `RefusedError` with the remedy for what cannot be, and `StoreUnavailableError` when the store cannot be used now: nothing
    was kept then.
    """

    def draft(self, meter: str, blocks: tuple[EditedBlock, ...], reason: str, *, now_utc: int) -> EditProposal:
        """The next edit of a meter, as it would be signed now."""

    def propose(self, paper: Paper, *, now_utc: int) -> Pending:
        """Keeps what its author signed; the same paper again is the same proposal."""

    def approve(self, number: int, paper: Paper, *, now_utc: int) -> Signed[Edit]:
        """Makes an edit of a proposal that another person signed too, and logs it."""


class ContractDesk(Protocol):
    """Where platforms' signed contracts are verified and kept. Safe to call from several threads."""

    def take(self, authorization: str | None, body: bytes, now_utc: int) -> Reply:
        """The reply to one POST of a contract, which is kept before it is ACKed."""

    def too_long(self, authorization: str | None, most_bytes: int, now_utc: int) -> Reply:
        """The reply to a body that was not read to its end."""

    def refusals(self) -> dict[str, int]:
        """How many contracts were refused since the start, by the network's code."""


class DataDesk(Protocol):
    """Where files of readings go, and meter data come from. Safe to call from several threads.

    Every method raises a `RefusedError` for what is refused, and `StoreUnavailableError` when the store cannot be used now: nothing was taken or
    given then.
    """

    def looked_at(self, content: bytes, media_type: str) -> ImportOutcome:
        """What taking a file, `text/csv` or `application/json`, would do now."""

    def taken(
        self, content: bytes, media_type: str, rejected: Rejected, *, source: str | None, by: str, at_utc: int
    ) -> ImportOutcome:
        """Takes a file whole, or not at all."""

    def meter_data(self, body: bytes, form: Form, cursor: str | None, *, holder: str, at_utc: int) -> Answer:
        """One page of what a MeterDataRequest asks for; `holder` is who sent it."""

    def credential(self, body: bytes, form: Form, *, holder: str, at_utc: int) -> Answer:
        """The same as a MeterDataCredential."""

    def revoked_utc(self, number: str) -> int | None:
        """Since when a credential is revoked; none for one that is not."""

    def revocations(self, *, skip: int, limit: int) -> tuple[int, tuple[tuple[str, int], ...]]:
        """How many credentials are revoked, and the numbers of some of them with since when, earliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that a route may use."""

    discom: str
    reads: Reads
    tokens: Tokens
    signer: Signer
    """The statement key, for the JWS form of actuals."""
    trust_file: Path
    now: Callable[[], int]
    components: Callable[[], tuple[Component, ...]]
    """The running program's own state, asked at every health check."""
    registry: RegistryDesk | None
    """None where this program takes no sheets."""
    door: Door | None
    """None where nobody of the exchange is served."""
    market: Market | None
    """None where this program shows no trades."""
    domain: str
    """The discom's, which its `did:web` names."""
    duty: DutyReads | None
    """None where this program shows nothing of gates, holds, outcomes and days."""
    notices: NoticeDesk | None
    """None where this program takes no notices."""
    edits: EditDesk | None
    """None where this program takes no edits."""
    data: DataDesk | None
    """None where this program takes and gives no meter data."""
    contracts: ContractDesk | None
    """None where nobody of the exchange is served."""
    refusals: Callable[[], Mapping[str, int]]
    """Requests that were refused since the start, by code."""


def of(request: Request) -> Desk:
    """The desk of the application that answers `request`."""
    desk = request.app.state.desk
    assert isinstance(desk, Desk)
    return desk


def disclosed(request: Request, what: str) -> None:
    """Logs that a household's blocks were given to the holder of a token: `what` names digest or index, never contents.

    Source: EVIDENCE §5, "each logged".
    """
    token = getattr(request.state, "token", None)
    holder = token.name if isinstance(token, Token) else subscriber(request) or "nobody"
    _LOG.info("disclosed %s to %s", what, holder)


def subscriber(request: Request) -> str | None:
    """The verified subscriber that sent `request`, or none where the holder of a token did."""
    found = getattr(request.state, "subscriber", None)
    return found if isinstance(found, str) else None


def is_shown(request: Request, actual: ActualView, *, with_blocks: bool = False) -> bool:
    """Whether whoever sent `request` may see an actual: the holder of a token any, a subscriber those of its own trades.

    The blocks behind it are a household's: a subscriber gets them with the consumer's consent only.
    """
    asker, desk = subscriber(request), of(request)
    if asker is None:
        return True
    sight = None if desk.market is None else desk.market.sight(asker, actual, desk.now())
    if desk.market is None or sight is None:
        return False
    if with_blocks:
        return are_blocks_shown(request, actual, actual.statement.window)
    disclosed_figure(request, actual, sight)
    return True


def are_blocks_shown(request: Request, actual: ActualView, span: Interval) -> bool:
    """Whether whoever sent `request` may see the blocks of a span behind an actual: everybody whose they are let it."""
    asker, desk = subscriber(request), of(request)
    if asker is None:
        return True
    return desk.market is not None and desk.market.has_consent(asker, actual, span, desk.now())


def disclosed_figure(request: Request, actual: ActualView, sight: Sight | None) -> None:
    """Logs that a figure was given to a subscriber that is a party to no trade of its window: it is interval data."""
    if sight not in {None, Sight.TRADE}:
        assert sight is not None
        disclosed(request, f"figure {actual.digest.hex()} by {sight.value}")


AtDesk = Annotated[Desk, Depends(of)]
"""A route's parameter that receives the desk."""
