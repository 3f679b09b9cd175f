"""Who takes part, and the configuration files that the demonstration writes: the programs themselves accept them."""

import base64
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from deploy.demo import world
from deploy.demo.world import BUYER, SELLER, SIDES, Side
from edge_agent import config as agent_config
from headend import config as headend_config
from headend.onboarding import facts as headend_facts
from ledger_client.file_directory import FileDirectory
from ledger_client.sandbox.participants import Participants
from ledger_client.signature import KeyId
from signing.interval import DAY_S, Interval, parse_instant
from tests.headend.premises import log_key, p256

MIDNIGHT = parse_instant("2026-04-26T00:00:00+05:30", "midnight")
URLS = {meter.id: "127.0.0.1:4059" for side in SIDES for meter in side.meters}


@pytest.mark.parametrize(
    ("now", "day"), [(MIDNIGHT - 1, "2026-04-24"), (MIDNIGHT, "2026-04-25"), (MIDNIGHT + DAY_S - 1, "2026-04-25")]
)
def test_delivery_is_on_the_most_recent_completed_ist_day(now: int, day: str) -> None:
    start = parse_instant(f"{day}T10:00:00+05:30", "start")
    assert world.delivery_window(now) == Interval(start, start + 7200)


@pytest.mark.parametrize("side", SIDES)
def test_a_head_end_accepts_its_configuration_and_its_facts(side: Side) -> None:
    text = world.headend(side, broker_port=1884, ledger="127.0.0.1:9000")
    config = headend_config.parse(text, "headend.toml", Path("folder"))
    sooner = world.headend(side, broker_port=1884, ledger="127.0.0.1:9000", pending_after_s=8)
    pending = [
        headend_config.parse(each, "headend.toml", Path("folder")).windows.pending_after_s for each in (text, sooner)
    ]
    assert pending == [20, 8]
    assert (config.discom, config.broker.port, config.ledger.url) == (side.discom, 1884, "deg+http://127.0.0.1:9000")
    facts = headend_facts.parse(world.facts(side, world.delivery_window(MIDNIGHT), 1800), "facts.toml")
    assert set(facts.meters) == {meter.id for meter in side.meters}
    assert facts.shard in config.broker.shards
    # The meter that settles is the one that the ledger knows.
    named = {name for name, meter in facts.meters.items() if side.posted_as in meter.posted_as}
    assert named == {meter.id for meter in side.meters if meter.settles}
    assert all(meter.facts[0].period_s == 1800 for meter in facts.meters.values())


@pytest.mark.parametrize("side", SIDES)
def test_an_agent_accepts_its_configuration(side: Side, tmp_path: Path) -> None:
    password = tmp_path / "meter.password"
    password.touch(mode=0o600)
    password.write_text(world.PASSWORD)
    text = world.agent(
        side,
        broker_port=1884,
        log_key=str(log_key().verifier),
        statement_key=base64.b64encode(p256(1).public_key.cose_key).decode(),
        urls=URLS,
        password_file=password,
    )
    config = agent_config.parse(text, "agent.toml", Path("folder"))
    assert [meter.id for meter in config.meters] == [meter.id for meter in side.meters]
    assert config.gateway == side.gateway


def test_the_two_discoms_share_a_broker_and_no_shard() -> None:
    texts = (world.headend(side, broker_port=1884, ledger="127.0.0.1:9000") for side in SIDES)
    first, second = (set(tomllib.loads(text)["broker"]["shards"]) for text in texts)
    assert first.isdisjoint(second)


def test_the_exchange_accepts_the_registry() -> None:
    key = base64.b64encode(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    registry = Participants.parsed(
        world.participants(
            {SELLER.platform: (key, None), SELLER.subscriber: (key, SELLER.discom), BUYER.subscriber: (key, "TPDDL")}
        )
    )
    assert registry.discoms() == ()
    caller = registry.caller(KeyId(subscriber_id=SELLER.subscriber, unique_key_id="k1"))
    assert caller.discom_id == SELLER.discom


def test_only_a_discom_with_an_address_is_asked() -> None:
    key = base64.b64encode(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    keys: dict[str, tuple[str, str | None]] = {side.subscriber: (key, side.discom) for side in SIDES}
    asked = {SELLER.subscriber: "http://127.0.0.1:8420/bpp/receiver"}
    registry = Participants.parsed(world.participants(keys, asked))
    assert {one.subscriber_id: one.receiver_url for one in registry.discoms()} == asked


def test_a_discom_with_a_door_is_sent_contracts_by_the_platforms_that_its_directory_knows() -> None:
    key = base64.b64encode(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    keys: dict[str, tuple[str, str | None]] = {side.platform: (key, None) for side in SIDES}
    keys[SELLER.subscriber] = (key, SELLER.discom)
    door = "http://127.0.0.1:8420/v1/contracts"
    registry = Participants.parsed(world.participants(keys, doors={SELLER.subscriber: door}))
    assert registry.contract_urls() == {SELLER.discom: door}
    directory = FileDirectory.parsed(world.subscribers(keys))
    text = world.headend(SELLER, broker_port=1884, ledger="127.0.0.1:9000", web_port=8420)
    config = headend_config.parse(text + world.closed_network(8420, Path("x.toml")), "headend.toml", Path("folder"))
    assert config.beckn is not None
    for side in SIDES:
        known = directory.subscriber(KeyId(subscriber_id=side.platform, unique_key_id="k1"))
        assert known is not None
        assert known.networks <= config.beckn.networks
    assert directory.subscriber(KeyId(subscriber_id=SELLER.subscriber, unique_key_id="k1")) is None
