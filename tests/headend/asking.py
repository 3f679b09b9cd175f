"""A head-end that is asked: settlement and web on one database, a sandbox that plays the ledger provider, real HTTP, hand-set time."""

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from headend.consent import Consent
from headend.exchange.answering import Answering, AnswerReport
from headend.exchange.contract_door import ContractDoor
from headend.exchange.proven import ProvenActuals
from headend.exchange.receiving import ExchangeDoor
from headend.reads.market import StoredMarket
from headend.registry.dated import Dated
from headend.registry.supply import Supply
from headend.settings.beckn import BecknSettings
from headend.store.sqlite import question_rows, supply_rows
from headend.store.sqlite.published_log import PublishedLog
from headend.trading.questions import Question
from ledger_client.beckn_http import BecknPusher
from ledger_client.dedi import DediDirectory
from ledger_client.sandbox import store
from ledger_client.sandbox.app import create_app
from ledger_client.sandbox.exchange import Exchange
from ledger_client.sandbox.faults import Faults
from ledger_client.sandbox.forwarding import Forwarding
from ledger_client.sandbox.participants import Participants
from ledger_client.sandbox.provider import TEST_NETWORK, Provider, ProviderSettings
from ledger_client.sandbox.question import Form, Spoiled, status
from ledger_client.sandbox.server import address, listen, serving
from signing.interval import utc_text
from tests.headend.discom import METER, SUBJECT, stated
from tests.headend.premises import Headend
from tests.headend.settling import FULL, HOUR, REGISTERS, Settling
from tests.headend.web.world import Clock, Served
from tests.ledger_client.rehearsal import NOW, Rehearsal, participants_toml, signer

LEDGER = "ledger.example.org"
OWN = "discom-s.example.org"
OTHER_LEDGER = "platform-x.example.org"
SELLER_PLATFORM = "platform-s.example.org"
CONSUMER = "C-1"
WINDOW = (SUBJECT.window.start_utc, SUBJECT.window.end_utc)
QUARTERS = [(at, at + 900) for at in range(*WINDOW, 900)]
"""The blocks of the traded window: finer than any trade."""


def section(receiver: str, registry: str, **changes: str) -> str:
    """The section of the configuration; `changes` replace values or add keys, as TOML."""
    keys = {
        "receiver": f'"{receiver}"',
        "networks": f'["{TEST_NETWORK}"]',
        "directory": f'"{registry}"',
        "patience_s": "0",
    } | changes
    lines = "\n".join(f"{name} = {value}" for name, value in keys.items())
    return (
        f'[beckn]\n{lines}\n[[beckn.caller]]\nsubscriber = "{LEDGER}"\nsees = "ledger"\n'
        f'[[beckn.caller]]\nsubscriber = "{SELLER_PLATFORM}"\nsees = "platform"\n'
        f'[[beckn.caller]]\nsubscriber = "{OTHER_LEDGER}"\nsees = "platform"\n'
    )


@dataclass
class Asking:
    """A head-end that is asked, and its exchange."""

    settling: Settling
    served: Served
    door: ExchangeDoor
    directory: DediDirectory
    url: str
    pulls: int = 0
    answering: Answering = field(init=False)
    pusher: BecknPusher = field(init=False)

    def __post_init__(self) -> None:
        self.pusher = BecknPusher(signer=signer(OWN), now=self.now, timeout_s=10)
        self.restart()

    @property
    def exchange(self) -> Rehearsal:
        return self.settling.exchange

    @property
    def headend(self) -> Headend:
        return self.settling.headend

    @property
    def settings(self) -> BecknSettings:
        found = self.settling.config.beckn
        assert found is not None
        return found

    def now(self) -> int:
        return self.exchange.clock[0]

    def at(self, now_utc: int) -> None:
        """Sets every clock."""
        self.exchange.clock[0] = self.settling.now = self.served.clock.at = now_utc

    def restart(self) -> None:
        """Forgets what the answering thread holds in memory."""
        headend = self.settling.headend
        key = headend.statement_signer.public_key
        log = PublishedLog(log=0, key=headend.key.verifier, folder=headend.folder)
        self.answering = Answering(
            config=self.settling.config,
            settings=self.settings,
            database=headend.database,
            proven=ProvenActuals(database=headend.database, log=log, key=key),
            pusher=self.pusher,
        )

    def pull(self, *, everything: bool = False) -> list[dict[str, object]]:
        """The ledger provider asks; what came back at once."""
        answer = httpx.post(
            f"http://{self.exchange.address}/sandbox/pull",
            params={"everything": "yes" if everything else "no"},
            timeout=30,
        )
        found: list[dict[str, object]] = answer.raise_for_status().json()["questions"]
        return [one for one in found if one["discomId"] == self.settling.config.discom]

    def acks(self, *, everything: bool = False) -> list[tuple[object, object, object]]:
        """Status, word and code of every answer at once."""
        return [(one["httpStatus"], one["ack"], one["code"]) for one in self.pull(everything=everything)]

    def answer(self, at: int | None = None) -> AnswerReport:
        """Everything that is due now: attestation between two looks."""
        if at is not None:
            self.at(at)
        self.answering.step(self.now())
        self.settling.step(self.now())
        return self.answering.step(self.now())

    def body(
        self,
        meters: Mapping[str, Iterable[tuple[int, int]]],
        *,
        subscriber: str = LEDGER,
        uri: str | None = None,
        name: str = "1",
        network: str = TEST_NETWORK,
    ) -> bytes:
        """A question about windows of meters, `name` its message id."""  # fmt: skip
        context = {
            "networkId": network,
            "version": "2.0.0",
            "action": "status",
            "bapId": subscriber,
            "bapUri": uri or f"http://{self.exchange.address}/bap/receiver",
            "bppId": OWN,
            "bppUri": self.url,
            "transactionId": f"6f1c1c7e-0d0a-4a53-9a53-{int(name):012d}",
            "messageId": f"5a2d6940-71cc-44c7-b27b-{int(name):012d}",
            "timestamp": utc_text(self.now()),
        }
        return status(
            context=context,
            contract_id="0d8f3a52-3a2b-4c55-8a35-7f7f1d1d2e01",
            discom_id=self.settling.config.discom,
            meters=meters,
            form=Form.ARRAY,
            spoiled=Spoiled(),
        )

    def send(self, body: bytes, *, subscriber: str = LEDGER, life_s: int = 300, created: int = 0) -> httpx.Response:
        """Posts a signed question."""
        at = created or self.now()
        authorization = signer(subscriber).sign(body, created=at, expires=at + life_s)
        return httpx.post(f"{self.url}/status", content=body, headers={"Authorization": authorization}, timeout=30)

    def get(
        self, path: str, *, subscriber: str = LEDGER, life_s: int = 0, tag: str = "", accept: str = "*/*"
    ) -> httpx.Response:
        """A pull of the exchange's own: the digest of the empty body is signed."""
        self.pulls += 1
        at = self.now()
        authorization = signer(subscriber).sign(b"", created=at, expires=at + (life_s or 100 + self.pulls))
        base = self.url.removesuffix("/bpp/receiver")
        return httpx.get(
            base + path, headers={"Authorization": authorization, "Accept": accept, "If-None-Match": tag}, timeout=30
        )

    def contract(self, body: bytes, *, subscriber: str = SELLER_PLATFORM, created: int = 0) -> httpx.Response:
        """Posts a contract under its platform's signature."""
        at = created or self.now()
        authorization = signer(subscriber).sign(body, created=at, expires=at + 300)
        url = self.url.removesuffix("/bpp/receiver") + "/v1/contracts"
        return httpx.post(url, content=body, headers={"Authorization": authorization}, timeout=30)

    def forward(self) -> None:
        """The exchange sends on the contracts that wait for it."""
        httpx.post(f"http://{self.exchange.address}/sandbox/forward", timeout=30).raise_for_status()

    def questions(self) -> tuple[Question, ...]:
        return question_rows.latest(self.headend.database.connection, limit=100)

    def trade_row(self) -> dict[str, object]:
        """The one trade as the exchange holds it."""
        (row,) = self.exchange.settlement()
        return row

    def partial_day(self) -> None:
        """A day whose 41st block is missing."""
        late = [*FULL[:41], None, *FULL[42:]]
        self.headend.take_in(stated(self.settling.gateway, 0, late, registers=REGISTERS))

    def rest(self) -> None:
        """The block that was missing."""
        self.headend.take_in(stated(self.settling.gateway, 10, (100, HOUR[1])))

    def consent(self, grantee: str = LEDGER, purpose: str = "p2p-settlement", until: int | None = None) -> None:
        """The consumer at the meter's connection point lets interval data go."""
        point = f"CP-{METER}"
        with self.headend.database.transaction() as connection:
            supply_rows.put_supplies(connection, point, (Dated(0, Supply(consumer=CONSUMER)),))
            supply_rows.put_consent(
                connection,
                Consent(
                    connection_point=point,
                    consumer=CONSUMER,
                    purpose=purpose,
                    grantee=grantee,
                    from_utc=0,
                    until_utc=until,
                ),
            )


@contextmanager
def asking(
    headend: Headend, directory: Path, *, form: Form = Form.ARRAY, contracts: str = "shown", **changes: str
) -> Iterator[Asking]:
    """A head-end of the seller's discom that the sandbox asks, until the block ends; `contracts` is its policy for unsigned trades."""
    directory.mkdir(exist_ok=True)
    if not (directory / store.DATABASE).exists():
        store.create(directory)
    clock, faults = [NOW], Faults()
    with ExitStack() as stack:
        state = stack.enter_context(store.Store(directory))
        exchange_socket = stack.enter_context(listen("127.0.0.1", 0))
        web_socket = stack.enter_context(listen("127.0.0.1", 0))
        rehearsal = Rehearsal(address=address(exchange_socket), faults=faults, clock=clock)
        receiver = f"http://{address(web_socket)}/bpp/receiver"
        registry = f"http://{rehearsal.address}/registry/dedi/lookup"
        settling = Settling(headend, rehearsal, section(receiver, registry, **changes), contracts)
        stack.callback(settling.close)
        stack.enter_context(_provider(state, rehearsal, receiver, form, exchange_socket))
        found = stack.enter_context(DediDirectory(registry, now=lambda: clock[0], ttl_s=0))
        assert settling.config.beckn is not None
        door = ExchangeDoor(
            settings=settling.config.beckn,
            signer=signer(OWN),
            registry=found,
            database=headend.folder / "headend.db",
            # Long ago: what is signed within seconds of a start is refused where it is not remembered.
            started_utc=NOW - 60,
            remembered=(),
        )
        served = Served(headend, clock=Clock(NOW), door=door)
        stack.callback(served.close)
        served.contract_desk = ContractDoor(
            settings=settling.config.beckn,
            signer=signer(OWN),
            registry=found,
            database=headend.folder / "headend.db",
            discom=settling.config.discom,
            look_back_days=settling.config.ledger.look_back_days,
        )
        log = PublishedLog(log=0, key=headend.key.verifier, folder=headend.folder)
        served.market = StoredMarket(config=settling.config, pool=served.pool, log=log)
        stack.enter_context(serving(served.app(), listening=web_socket))
        one = Asking(settling=settling, served=served, door=door, directory=found, url=receiver)
        stack.callback(one.pusher.close)
        yield one


@contextmanager
def _provider(
    state: store.Store, rehearsal: Rehearsal, receiver: str, form: Form, listening: socket.socket
) -> Iterator[None]:
    key = signer(OWN).public_key_text
    doors = f'receiver_url = "{receiver}"\ncontracts_url = "{receiver.removesuffix("/bpp/receiver")}/v1/contracts"'
    participants = Participants.parsed(
        participants_toml().replace(f'public_key = "{key}"', f'public_key = "{key}"\n{doors}')
    )
    forwarding = Forwarding(state, participants.contract_urls())
    settings = ProviderSettings(signer=signer(LEDGER), uri=f"http://{rehearsal.address}/bap/receiver", form=form)
    app = create_app(
        exchange=Exchange(state, forwarding=forwarding),
        participants=participants,
        now=lambda: rehearsal.clock[0],
        faults=rehearsal.faults,
        provider=Provider(state, settings, [one for one in participants.discoms() if one.receiver_url == receiver]),
        forwarding=forwarding,
    )
    with serving(app, listening=listening):
        yield
