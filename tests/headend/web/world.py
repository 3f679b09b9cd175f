"""A served head-end on a real database: one meter with late data, a gap and garbage; postings in every trouble; tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httpx
from fastapi import FastAPI

from headend.attest import Subject
from headend.config import parse
from headend.duties.component import Component
from headend.editing.desk import StoredEditDesk
from headend.exchange.notice_desk import StoredNoticeDesk
from headend.onboarding.desk import StoredRegistryDesk
from headend.reads.duty import StoredDuty
from headend.reads.evidence import StoredReads
from headend.store.sqlite import actuals, postings, recording_rows, tokens
from headend.store.sqlite.published_log import PublishedLog
from headend.store.sqlite.read_pool import ReadPool
from headend.store.sqlite.tokens import StoredTokens
from headend.tokens import MAX_NAME_LENGTH, Scope, mint
from headend.trading.posting import PostingRecord, PostingState
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery
from headend.views.exchange import Market
from headend.web.app import create_app
from headend.web.desk import ContractDesk, Door
from ledger_client.ledger import Side, TradeStatus
from signing.envelope import Signed, sign
from signing.interval import Interval, utc_text
from signing.statements.window_actual import WindowActual
from tests.headend.discom import LATER, METER, SUBJECT, attestor, log_rules, stated
from tests.headend.premises import DAY, Gateway, Headend, Message, gateway
from tests.headend.test_config import GOOD

HOUR = (100, 110, 90, 100)
BASE = "http://127.0.0.1:8080"
PENDING_SUBJECT = replace(SUBJECT, window=Interval(DAY + 14 * 3600, DAY + 16 * 3600))


@dataclass
class Clock:
    """UTC seconds, set by hand."""

    at: int = LATER

    def __call__(self) -> int:
        return self.at


@dataclass
class Served:
    """A head-end with the pool that its web reads through."""

    headend: Headend
    gateway: Gateway = field(default_factory=gateway)
    clock: Clock = field(default_factory=Clock)
    components: tuple[Component, ...] = (Component(name="broker", works=True, note="connected"),)
    door: Door | None = None
    market: Market | None = None
    contract_desk: ContractDesk | None = None

    def __post_init__(self) -> None:
        (self.headend.folder / "trust.toml").write_text("version = 1\n", encoding="utf-8")
        self.pool = ReadPool(self.headend.folder / "headend.db", 2)
        self.reads = StoredReads(
            pool=self.pool,
            log=PublishedLog(log=0, key=self.headend.key.verifier, folder=self.headend.folder),
            key=self.headend.statement_signer.public_key,
        )
        self.duty = StoredDuty(
            config=parse(GOOD, "headend.toml", self.headend.folder),
            pool=self.pool,
            log=PublishedLog(log=0, key=self.headend.key.verifier, folder=self.headend.folder),
            key=self.headend.statement_signer.public_key,
        )
        self.tokens = StoredTokens(self.pool)

    def app(self) -> FastAPI:
        return create_app(
            discom="PaVVNL",
            reads=self.reads,
            tokens=self.tokens,
            signer=self.headend.statement_signer,
            trust_file=self.headend.folder / "trust.toml",
            now=self.clock,
            components=lambda: self.components,
            registry=StoredRegistryDesk(
                database=self.headend.folder / "headend.db",
                folder=self.headend.folder,
                key=self.headend.key,
                signer=self.headend.statement_signer,
            ),
            door=self.door,
            market=self.market,
            domain="pavvnl.example",
            duty=self.duty,
            notices=StoredNoticeDesk(self.headend.folder / "headend.db"),
            edits=StoredEditDesk(
                database=self.headend.folder / "headend.db",
                folder=self.headend.folder,
                key=self.headend.key,
                signer=self.headend.statement_signer,
            ),
            contract_desk=self.contract_desk,
        )

    def close(self) -> None:
        self.pool.close()

    def token(self, *scopes: Scope, name: str = "", life_s: int = 86_400) -> str:
        """The secret of a new token."""
        held = frozenset(scopes)
        known = name or " ".join(sorted(scope.name for scope in held))
        if len(known) > MAX_NAME_LENGTH:
            known = f"{len(held)} scopes"
        minted = mint(known, held, now_utc=self.clock.at, life_s=life_s)
        with self.headend.database.transaction() as connection:
            tokens.put_token(connection, minted.token)
        return minted.secret

    @asynccontextmanager
    async def client(self, secret: str | None = None, app: FastAPI | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the application, without a network."""
        transport = httpx.ASGITransport(app=app or self.app(), raise_app_exceptions=False)
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
            yield client

    def found(self) -> None:
        """Rules and one enrolled gateway."""
        log_rules(self.headend)
        self.headend.enrol(self.gateway)

    def take_in(self, *messages: Message) -> None:
        self.headend.take_in(*messages)
        self.headend.transport.take()

    def attest(self, *subjects: Subject) -> tuple[Signed[WindowActual], ...]:
        return attestor(self.headend).attest(subjects or [SUBJECT], at_utc=LATER)

    def log(self, actual: WindowActual) -> Signed[WindowActual]:
        """Signs and logs an actual as it is given."""
        signed = sign(actual, self.headend.statement_signer)
        with self.headend.book.transaction() as transaction:
            leaf = transaction.append(0, [signed.digest])
            actuals.put(transaction.connection, leaf, signed, at_utc=LATER)
        return signed

    def index(self, digest: bytes) -> int:
        """Log index of a batch."""
        row = self.headend.database.connection.execute(
            "SELECT leaf FROM batches WHERE digest = ?", (digest,)
        ).fetchone()
        return int(row[0])

    def post(self, actual: Signed[WindowActual], state: PostingState, **changes: object) -> PostingRecord:
        """Stores a posting of an actual."""
        window = actual.statement.window
        totals = actual.statement.totals
        record = PostingRecord(
            delivery=Delivery(
                posted_as=actual.statement.posted_as,
                delivery_start=utc_text(window.start_utc),
                delivery_end=utc_text(window.end_utc),
                window=window,
            ),
            actual=actual.digest,
            revision=actual.statement.revision,
            net_wh=0 if totals is None else totals.net_wh,
            state=state,
            attempts=1,
            next_try_utc=LATER + 60,
            note="",
            allocated_wh=None,
        )
        record = replace(record, **changes)  # type: ignore[arg-type]  # the caller names fields
        with self.headend.database.transaction() as connection:
            postings.put_posting(connection, record)
        return record

    def say(self, actual: Signed[WindowActual], state: PostingState, **changes: object) -> Recording:
        """Stores a word of this discom on a trade of which the meter is the seller."""
        window = actual.statement.window
        delivery = Delivery(
            posted_as=actual.statement.posted_as,
            delivery_start=utc_text(window.start_utc),
            delivery_end=utc_text(window.end_utc),
            window=window,
        )
        record = Recording(
            record_id="t-1",
            transaction_id="tx-1",
            order_item_id="it-1",
            side=Side.SELLER,
            round=1,
            delivery=delivery,
            actual=actual.digest,
            allocated_wh=4500,
            status=TradeStatus.PENDING,
            state=state,
            attempts=1,
            next_try_utc=LATER + 60,
            note="",
        )
        record = replace(record, **changes)  # type: ignore[arg-type]  # the caller names fields
        with self.headend.database.transaction() as connection:
            recording_rows.put(connection, record)
        return record


@dataclass
class Story:
    """What happened at the meter."""

    served: Served
    first: Signed[WindowActual]
    """PENDING: a block was missing."""
    second: Signed[WindowActual]
    """PROVISIONAL: it came late."""
    pending: Signed[WindowActual]
    """PENDING: half the window did not come."""
    lost: Message
    """A batch that may still come."""
    batches: tuple[Message, ...]


def told(served: Served) -> Story:
    """A meter with late data, a window that stays pending, a lost batch, garbage on the topic, and postings."""
    one = served.gateway
    served.found()
    early = stated(one, 10, (100, None, *HOUR, 100, 100))
    served.take_in(early)
    (first,) = served.attest()
    late = stated(one, 10, (100, 60))
    served.take_in(late)
    (second,) = served.attest()
    half = stated(one, 14, HOUR)
    lost = stated(one, 15, HOUR)  # does not arrive
    after = stated(one, 16, HOUR)
    served.take_in(half, after)
    (pending,) = served.attest(PENDING_SUBJECT)
    served.headend.transport.deliver("sakshi/1/0/gw-1/up", b"garbage-payload")
    stranger = gateway(9)
    served.headend.send(stranger.next(METER))
    served.headend.step()
    served.headend.transport.take()
    served.post(first, PostingState.SUPERSEDED)
    served.post(second, PostingState.REFUSED, note="SCH_ROLE <b>not yours</b>")
    return Story(
        served=served, first=first, second=second, pending=pending, lost=lost, batches=(early, late, half, after)
    )
