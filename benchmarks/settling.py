"""A day's windows settled: trades pulled, windows decided and attested, figures posted to the sandbox exchange and read back.

The exchange is a process of its own on another core. Its work, and what the platforms put before, is not counted.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.anchor import Anchor
from benchmarks.cpu import used_s
from benchmarks.fleet import Fleet, Gateway
from benchmarks.simulated import running
from benchmarks.site import NOW, Ground, Site
from benchmarks.window import attestor, log_rules
from headend.config import Config, parse
from headend.onboarding.enrol import Registrar
from headend.pipeline import Settlement, SettlementReport
from headend.touches import Touches
from headend.trading.posting import PostingState
from headend.transport.memory import MemoryTransport
from ledger_client.contract import Contract
from ledger_client.http import open_ledger, open_platform_ledger
from ledger_client.ledger import Side
from ledger_client.signature import HttpSigner, KeyId
from signing.interval import DAY_S, Interval, ist_day_start, utc_text

_DAYS = 3
_BATCHES = 24
"""Of a day: one an hour."""
_SELLER, _BUYER = "BENCH_SELLER", "BENCH_BUYER"
_DISCOM = "discom.bench.example"
_PLATFORMS = {Side.SELLER: "seller.bench.example", Side.BUYER: "buyer.bench.example"}
_ABREAST = 8
_CONFIG = f"""
discom = "{_SELLER}"
domain = "bench.example"
state = "state"
[keys]
statements = "file:keys/statements.pem"
log = "file:keys/log.pem"
beckn = "file:keys/beckn.pem"
[ledger]
url = "deg+http://127.0.0.1:1"
subscriber = "{_DISCOM}"
key_id = "k1"
"""


def _now() -> int:
    """The exchange judges signatures by this computer's clock, so this row lives in the present."""
    return int(time.time())  # noqa: TID251 - the row's only clock


@dataclass(frozen=True, slots=True)
class SettledCost:
    """What a window costs from its trade to its confirmed post."""

    times_limit: float
    """CPU in units of one verification."""
    decided: float
    """That part of it, in the same units, of the first step: pulling, deciding, attesting, addressing and the first round of posts."""
    cost_s: float
    windows: int


def settled(folder: Path, meters: int, cores: tuple[int, ...], anchor: Anchor) -> SettledCost:
    """A window of two hours of each meter, in days of hourly batches, sold in one trade each.

    Raises:
        AssertionError: something was not attested, or not confirmed by the exchange.
    """
    place = folder / "settling"
    place.mkdir()
    day = ist_day_start(_now()) - _DAYS * DAY_S
    fleet = Fleet(meters, seed=1, day_utc=day)
    ground = Ground(place, fleet.gateways)
    signers = {name: _signer(name) for name in (_DISCOM, *_PLATFORMS.values())}
    with ground.site() as site, _exchange(place, signers, cores) as address:
        _prepare(site, fleet)
        _put(address, signers, fleet.gateways, Interval(day + DAY_S + 10 * 3600, day + DAY_S + 12 * 3600))
        return _measured(site, address, signers[_DISCOM], anchor, meters)


def _signer(name: str) -> HttpSigner:
    return HttpSigner(KeyId(subscriber_id=name, unique_key_id="k1"), Ed25519PrivateKey.generate())


@contextmanager
def _exchange(place: Path, signers: dict[str, HttpSigner], cores: tuple[int, ...]) -> Iterator[str]:
    """The sandbox as a process; gives its address."""
    participants = place / "participants.toml"
    blocks = []
    for name, signer in signers.items():
        role = f'role = "discom"\ndiscom_id = "{_SELLER}"' if name == _DISCOM else 'role = "platform"'
        key = signer.public_key_text
        blocks.append(f'[[participant]]\nsubscriber_id = "{name}"\nkey_id = "k1"\npublic_key = "{key}"\n{role}\n')
    participants.write_text("\n".join(blocks))
    program, state = [sys.executable, "-m", "ledger_client.cli"], ["--state", str(place / "exchange")]
    subprocess.run([*program, "sandbox-init", *state], check=True, stdout=subprocess.DEVNULL)
    options = ["--listen", "127.0.0.1:0", "--participants", str(participants)]
    with running([*program, "sandbox", *state, *options], cores) as said:
        yield said.rpartition(" ")[2]


def _prepare(site: Site, fleet: Fleet) -> None:
    """Every batch of every meter, admitted."""
    log_rules(site)
    registrar = Registrar(book=site.book, registry=site.registry, signer=site.keys.statements)
    for gateway in fleet.gateways:
        registrar.name_alias(_name(gateway), f"CP-{gateway.meter}")
    transport = MemoryTransport()
    worker = site.worker(transport)
    for _ in range(_BATCHES * _DAYS):
        for sent in fleet.round(96 // _BATCHES):
            transport.deliver(sent.topic, sent.payload)
        admitted = 0
        while found := worker.step(NOW, 0).admitted:
            admitted += found
        if admitted != len(fleet.gateways):
            raise AssertionError(f"expected {len(fleet.gateways)} batches admitted, got {admitted}")


def _name(gateway: Gateway) -> str:
    return f"LEDGER-{gateway.meter}"


def _put(address: str, signers: dict[str, HttpSigner], gateways: Sequence[Gateway], window: Interval) -> None:
    """Both platforms put a trade of every meter."""
    contract = Contract(
        role=Side.SELLER,
        transaction_id="",
        order_item_id="it-1",
        platform_id_buyer=_PLATFORMS[Side.BUYER],
        platform_id_seller=_PLATFORMS[Side.SELLER],
        discom_id_buyer=_BUYER,
        discom_id_seller=_SELLER,
        buyer_id="BUYER",
        delivery_start=utc_text(window.start_utc),
        delivery_end=utc_text(window.end_utc),
        quantity_wh=2000,
    )
    for side, platform in _PLATFORMS.items():
        with open_platform_ledger(f"deg+http://{address}", signer=signers[platform], now=_now) as ledger:
            of_side = replace(contract, role=side)
            puts = [
                replace(of_side, transaction_id=f"tx-{one.meter}", seller_id=_name(one), buyer_id=f"BUYER-{one.meter}")
                for one in gateways
            ]
            with ThreadPoolExecutor(_ABREAST) as pool:
                for _ in pool.map(ledger.put, puts):
                    pass


def _measured(site: Site, address: str, signer: HttpSigner, anchor: Anchor, meters: int) -> SettledCost:
    config: Config = parse(_CONFIG, "headend.toml", Path())
    limits = [anchor.sample() for _ in range(3)]
    with open_ledger(f"deg+http://{address}", signer=signer, now=_now) as ledger:
        settlement = Settlement(
            config=config, database=site.database, registry=site.registry, attestor=attestor(site), ledger=ledger
        )
        before = used_s()
        report = settlement.step(_now(), Touches())
        decided_s = used_s() - before
        attested, confirmed = len(report.attested), _confirmed(report)
        while confirmed < meters:
            report = settlement.step(_now(), Touches())
            if not _confirmed(report):
                raise AssertionError(f"expected {meters} confirmed posts, got {confirmed}: {report.ledger_trouble}")
            confirmed += _confirmed(report)
        cost_s = used_s() - before
    if attested != meters:
        raise AssertionError(f"expected {meters} windows attested, got {attested}")
    limits += [anchor.sample() for _ in range(3)]
    limit_s = sorted(limits)[len(limits) // 2]
    return SettledCost(cost_s / meters / limit_s, decided_s / meters / limit_s, cost_s / meters, meters)


def _confirmed(report: SettlementReport) -> int:
    moved = () if report.posted is None else report.posted.moved
    return sum(record.state is PostingState.CONFIRMED for record in moved)
