"""A head-end that settles at the sandbox exchange: real intake, log, attestation and HTTP; only the clock is set by hand."""

from decimal import Decimal
from pathlib import Path

from headend.config import Config, parse
from headend.exchange.legs import PostReport
from headend.pipeline import Settlement, SettlementReport
from headend.store.sqlite import postings as rows
from headend.touches import Touches
from headend.trading.posting import PostingRecord
from headend.trading.trades import Delivery
from ledger_client.http import HttpLedger
from signing.envelope import Signed
from signing.statements.window_actual import Status, WindowActual
from tests.headend.discom import METER, SUBJECT, attestor, log_rules, stated
from tests.headend.premises import Gateway, Headend, gateway
from tests.headend.test_config import GOOD
from tests.ledger_client.rehearsal import END, NOW, SELLER_DISCOM, START, Rehearsal

NAME = f"LEDGER-{METER}"
HOUR = (100, 110, 90, 100)
FULL = HOUR * 24
REGISTERS = ((0, 1000), (24, 10_600))


def configuration(folder: Path, addition: str = "", contracts: str = "shown") -> Config:
    """The seller's discom's."""
    text = GOOD.replace("PaVVNL", SELLER_DISCOM).replace("[ledger]\n", f'[ledger]\ncontracts = "{contracts}"\n')
    return parse(text + addition, "headend.toml", folder)


class Settling:
    """A head-end with one enrolled gateway and the exchange that its settlement talks to."""

    def __init__(self, headend: Headend, exchange: Rehearsal, addition: str = "", contracts: str = "shown") -> None:
        self.headend = headend
        self.exchange = exchange
        self.config = configuration(headend.folder, addition, contracts)
        self.now = NOW
        self.gateway: Gateway = gateway()
        if headend.book.size(0) == 0:
            log_rules(headend)
            headend.enrol(self.gateway)
        self.attestor = attestor(headend)
        self.ledger: HttpLedger = exchange.ledger()
        self.settlement = self._settlement()

    def close(self) -> None:
        self.ledger.close()

    def _settlement(self) -> Settlement:
        return Settlement(
            config=self.config,
            database=self.headend.database,
            registry=self.headend.registry,
            attestor=self.attestor,
            ledger=self.ledger,
        )

    def restart(self) -> None:
        """Forgets everything that is not in the database."""
        self.settlement = self._settlement()

    def trade(self, **changes: object) -> None:
        """Both platforms put the contract for our meter."""
        self.exchange.put_both(**({"seller_id": NAME, "price_inr_per_kwh": Decimal(5)} | changes))

    def step(self, at: int | None = None, touched: tuple[str, ...] | Touches = ()) -> SettlementReport:
        self.now = self.now if at is None else at
        self.exchange.clock[0] = self.now
        return self.settlement.step(self.now, touched if isinstance(touched, Touches) else Touches(touched))

    def whole_day(self) -> None:
        """Every block of the day with registers that agree: 100 Wh in and 5 Wh out each."""
        self.headend.take_in(stated(self.gateway, 0, FULL, registers=REGISTERS))

    def said(self, report: SettlementReport) -> list[tuple[str, Status, int]]:
        return [(s.statement.posted_as, s.statement.status, s.statement.revision) for s in report.attested]

    def postings(self) -> tuple[PostingRecord, ...]:
        delivery = Delivery(posted_as=NAME, delivery_start=START, delivery_end=END, window=SUBJECT.window)
        return rows.postings_of(self.headend.database.connection, delivery)


def moved(report: SettlementReport) -> list[tuple[str, str]]:
    """State and note of every posting that something was done for."""
    posted: PostReport | None = report.posted
    return [] if posted is None else [(record.state.value, record.note) for record in posted.moved]


def only(report: SettlementReport) -> Signed[WindowActual]:
    """The one actual that a step said."""
    (signed,) = report.attested
    return signed
