"""A running sandbox exchange with two platforms and two discoms, for tests over real HTTP on 127.0.0.1."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger_client.contract import Contract
from ledger_client.http import HttpLedger, HttpPlatformLedger, open_ledger, open_platform_ledger
from ledger_client.ledger import Posting, Side, TradeStatus, client_reference
from ledger_client.recording import RecordPosting, record_reference
from ledger_client.sandbox import store
from ledger_client.sandbox.app import create_app
from ledger_client.sandbox.exchange import Exchange
from ledger_client.sandbox.faults import Faults
from ledger_client.sandbox.participants import Participants
from ledger_client.sandbox.rendering import Numbers
from ledger_client.sandbox.server import serving
from ledger_client.signature import HttpSigner, KeyId

NOW = 1_777_200_000
START, END = "2026-04-26T04:30:00Z", "2026-04-26T06:30:00Z"
START_UTC = 1_777_177_800
SELLER_METER, BUYER_METER = "TEST_METER_SELLER_001", "TEST_METER_BUYER_001"
SELLER_DISCOM, BUYER_DISCOM = "TEST_DISCOM_SELLER", "TEST_DISCOM_BUYER"
SELLER_PLATFORM, BUYER_PLATFORM = "platform-s.example.org", "platform-b.example.org"

DISCOM_OF = {"discom-s.example.org": SELLER_DISCOM, "discom-b.example.org": BUYER_DISCOM, "discom-x.example.org": "X"}
SUBSCRIBERS = (SELLER_PLATFORM, BUYER_PLATFORM, "platform-x.example.org", *DISCOM_OF)


def signer(subscriber: str) -> HttpSigner:
    """The subscriber's signer, its key derived from its name."""
    seed = hashlib.sha256(subscriber.encode()).digest()
    key_id = KeyId(subscriber_id=subscriber, unique_key_id="k1")
    return HttpSigner(key_id, Ed25519PrivateKey.from_private_bytes(seed))


def participants_toml() -> str:
    """The registry of all subscribers."""
    blocks = []
    for name in SUBSCRIBERS:
        discom = DISCOM_OF.get(name)
        role = f'role = "discom"\ndiscom_id = "{discom}"' if discom else 'role = "platform"'
        blocks.append(
            f'[[participant]]\nsubscriber_id = "{name}"\nkey_id = "k1"\n'
            f'public_key = "{signer(name).public_key_text}"\n{role}\n'
        )
    return "\n".join(blocks)


def contract(role: Side = Side.SELLER, **changes: object) -> Contract:
    """The 6 kWh at INR 5 contract of the demonstration, as the platform of `role` states it."""
    whole = Contract(
        role=role,
        transaction_id="tx-1",
        order_item_id="it-1",
        platform_id_buyer=BUYER_PLATFORM,
        platform_id_seller=SELLER_PLATFORM,
        discom_id_buyer=BUYER_DISCOM,
        discom_id_seller=SELLER_DISCOM,
        buyer_id=BUYER_METER,
        seller_id=SELLER_METER,
        delivery_start=START,
        delivery_end=END,
        quantity_wh=6000,
        price_inr_per_kwh=Decimal(5),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def posting(actual_imported_wh: int, *, evidence: str = "1", **changes: object) -> Posting:
    """The seller's discom's posting for the seller's meter, unless changed."""
    whole = Posting(
        meter_id=SELLER_METER,
        discom_id=SELLER_DISCOM,
        delivery_start=START,
        delivery_end=END,
        actual_imported_wh=actual_imported_wh,
        client_reference=client_reference(hashlib.sha256(evidence.encode()).digest()),
        status=TradeStatus.COMPLETED,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def buyer_posting(actual_imported_wh: int, *, evidence: str = "2") -> Posting:
    """The buyer's discom's posting for the buyer's meter."""
    return posting(actual_imported_wh, evidence=evidence, meter_id=BUYER_METER, discom_id=BUYER_DISCOM)


def record_posting(
    allocated_wh: int, side: Side = Side.SELLER, *, round_number: int = 1, **changes: object
) -> RecordPosting:
    """The discom of `side` records its own allocation, unless changed."""
    whole = RecordPosting(
        side=side,
        transaction_id="tx-1",
        order_item_id="it-1",
        discom_id=SELLER_DISCOM if side is Side.SELLER else BUYER_DISCOM,
        allocated_wh=allocated_wh,
        client_reference=record_reference(hashlib.sha256(side.value.encode()).digest(), round_number),
        status=TradeStatus.COMPLETED,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@dataclass
class Rehearsal:
    """The exchange, its address, its faults and its clock."""

    address: str
    faults: Faults
    clock: list[int] = field(default_factory=lambda: [NOW])

    def ledger(self, subscriber: str = "discom-s.example.org", timeout_s: float = 10) -> HttpLedger:
        """A discom's client."""
        url = f"deg+http://{self.address}"
        return open_ledger(url, signer=signer(subscriber), now=lambda: self.clock[0], timeout_s=timeout_s)

    def platform(self, subscriber: str = SELLER_PLATFORM) -> HttpPlatformLedger:
        """A platform's client."""
        return open_platform_ledger(
            f"deg+http://{self.address}", signer=signer(subscriber), now=lambda: self.clock[0], timeout_s=10
        )

    def put_both(self, **changes: object) -> None:
        """Both platforms put the same contract."""
        for role, name in ((Side.SELLER, SELLER_PLATFORM), (Side.BUYER, BUYER_PLATFORM)):
            with self.platform(name) as platform:
                platform.put(contract(role, **changes))

    def settlement(self) -> list[dict[str, object]]:
        """The sandbox's own view."""
        found: list[dict[str, object]] = json.loads(httpx.get(f"http://{self.address}/sandbox/trades").content)[
            "trades"
        ]
        return found


@contextmanager
def running(directory: Path, numbers: Numbers = Numbers.EXACT, slow_s: float = 5) -> Iterator[Rehearsal]:
    """An exchange over the state in `directory`, made if it is missing, until the block ends."""
    if not (directory / store.DATABASE).exists():
        store.create(directory)
    faults, clock = Faults(), [NOW]
    with store.Store(directory) as state:
        app = create_app(
            exchange=Exchange(state, numbers),
            participants=Participants.parsed(participants_toml()),
            now=lambda: clock[0],
            faults=faults,
            slow_s=slow_s,
        )
        with serving(app) as address:
            yield Rehearsal(address=address, faults=faults, clock=clock)


@contextmanager
def kept_right(clock: list[int]) -> Iterator[None]:
    """Sets the exchange's clock to the time of this computer, which whole programs sign by, and lets it go on from there."""
    ended = threading.Event()

    def tick() -> None:
        begun, told = time.monotonic(), 0
        while not ended.wait(0.2):
            passed = int(time.monotonic() - begun)
            clock[0] += passed - told
            told = passed

    clock[0] = int(time.time())
    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        yield
    finally:
        ended.set()
        ticking.join()
