"""A discom's Beckn end and a sandbox that plays its ledger provider, both over real HTTP on 127.0.0.1."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from ledger_client.beckn.ack import Dialect
from ledger_client.beckn.on_status import AnswerForm, EvidenceColumn, Figure, on_status
from ledger_client.beckn.receiver import Received, Receiver
from ledger_client.beckn.status import Shape, StatusRequest, Wanted
from ledger_client.beckn.verification import Gate, GatePolicy
from ledger_client.beckn_http import BecknPusher, PushReceipt
from ledger_client.dedi import DediDirectory
from ledger_client.sandbox import store
from ledger_client.sandbox.app import create_app
from ledger_client.sandbox.dialects import Dialect as ProvidersDialect
from ledger_client.sandbox.exchange import Exchange
from ledger_client.sandbox.faults import Faults
from ledger_client.sandbox.participants import Participants
from ledger_client.sandbox.provider import TEST_NETWORK, Provider, ProviderSettings
from ledger_client.sandbox.question import Form
from ledger_client.sandbox.rendering import Numbers
from ledger_client.sandbox.server import address, listen, serving
from ledger_client.signature import ReplayCache
from signing.interval import Interval
from tests.ledger_client.rehearsal import NOW, Rehearsal, participants_toml, signer

LEDGER = "ledger.example.org"
DISCOMS = ("discom-s.example.org", "discom-b.example.org")


@dataclass
class BecknDiscom:
    """One discom's end: it ACKs what it is asked, and answers when it is told to."""

    subscriber: str
    registry: str
    clock: list[int]
    dialect: Dialect = Dialect.MESSAGE_STATUS
    figures: dict[Wanted, Figure] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    uri: str = ""

    def __post_init__(self) -> None:
        self.directory = DediDirectory(self.registry, now=self.now, ttl_s=0)
        self.pusher = BecknPusher(signer=signer(self.subscriber), now=self.now, timeout_s=10)
        gate = Gate(
            directory=self.directory,
            replays=ReplayCache(),
            policy=GatePolicy(networks=frozenset({TEST_NETWORK})),
        )
        self.receiver = Receiver(gate=gate, signer=signer(self.subscriber), dialect=self.dialect)

    def now(self) -> int:
        """The discom's clock."""
        return self.clock[0]

    def app(self) -> FastAPI:
        """Its receiving end."""
        app = FastAPI(openapi_url=None)

        def status(body: bytes, authorization: str | None) -> Response:
            received = self.receiver.status(authorization, body, now=self.now())
            self.received.append(received)
            reply = received.reply
            return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))

        @app.post("/bpp/receiver/status")
        async def receive(request: Request) -> Response:
            body, authorization = await request.body(), request.headers.get("Authorization")
            # As a head-end does it: the directory is asked over HTTP, which must not hold up everybody else.
            return await run_in_threadpool(status, body, authorization)

        return app

    @property
    def asked(self) -> list[StatusRequest]:
        """Every question it ACKed."""
        return [one.request for one in self.received if one.request is not None]

    def attest(self, figures: Mapping[tuple[str, int, int], Figure]) -> None:
        """Lets it know figures, by meter, start and end."""
        for (meter, start, end), figure in figures.items():
            self.figures[Wanted(meter_id=meter, window=Interval(start, end))] = figure

    def answer(
        self,
        request: StatusRequest,
        *,
        shape: Shape | None = None,
        evidence: EvidenceColumn = EvidenceColumn.BY_SIDE,
        request_signature: str | None = None,
    ) -> PushReceipt | None:
        """Answers one question with what it knows; None while it knows nothing."""
        form = AnswerForm(receiver_uri=self.uri, shape=shape, evidence=evidence)
        body = on_status(request, self.figures, form=form, now=self.now())
        return (
            None
            if body is None
            else self.pusher.push(request.context.callback_url, body, request_signature=request_signature)
        )

    def close(self) -> None:
        """Closes its connections."""
        self.directory.close()
        self.pusher.close()


@dataclass
class Network:
    """An exchange that plays the ledger provider, and the two discoms it asks."""

    exchange: Rehearsal
    seller: BecknDiscom
    buyer: BecknDiscom

    def pull(self, *, everything: bool = False) -> list[dict[str, object]]:
        """Has every discom asked."""
        url = f"http://{self.exchange.address}/sandbox/pull"
        answer = httpx.post(url, params={"everything": "yes" if everything else "no"}, timeout=30)
        found: list[dict[str, object]] = answer.raise_for_status().json()["questions"]
        return found


@contextmanager
def networked(
    directory: Path,
    *,
    form: Form = Form.ARRAY,
    dialect: ProvidersDialect = ProvidersDialect.B,
    discoms_dialect: Dialect = Dialect.MESSAGE_STATUS,
    numbers: Numbers = Numbers.EXACT,
) -> Iterator[Network]:
    """The network, until the block ends."""
    if not (directory / store.DATABASE).exists():
        store.create(directory)
    clock, faults = [NOW], Faults()
    with ExitStack() as stack:
        state = stack.enter_context(store.Store(directory))
        listening = stack.enter_context(listen("127.0.0.1", 0))
        at = address(listening)
        discoms = []
        toml = participants_toml()
        for name in DISCOMS:
            discom = BecknDiscom(
                subscriber=name,
                registry=f"http://{at}/registry/dedi/lookup",
                clock=clock,
                dialect=discoms_dialect,
            )
            stack.callback(discom.close)
            discom.uri = f"http://{stack.enter_context(serving(discom.app()))}/bpp/receiver"
            key = signer(name).public_key_text
            toml = toml.replace(f'public_key = "{key}"', f'public_key = "{key}"\nreceiver_url = "{discom.uri}"')
            discoms.append(discom)
        participants = Participants.parsed(toml)
        settings = ProviderSettings(
            signer=signer(LEDGER),
            uri=f"http://{at}/bap/receiver",
            form=form,
            dialect=dialect,
            is_numbers_as_text=numbers is Numbers.TEXT,
        )
        app = create_app(
            exchange=Exchange(state, numbers),
            participants=participants,
            now=lambda: clock[0],
            faults=faults,
            provider=Provider(state, settings, participants.discoms()),
        )
        stack.enter_context(serving(app, listening=listening))
        exchange = Rehearsal(address=at, faults=faults, clock=clock)
        yield Network(exchange=exchange, seller=discoms[0], buyer=discoms[1])
