"""Who takes part in the demonstration, and the configuration files that they start from."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from ledger_client.sandbox.provider import TEST_NETWORK
from signing.interval import DAY_S, Interval, ist_day_start, utc_text

QUANTITY_KWH = Decimal(6)
PRICE_INR = Decimal(5)
PASSWORD = "sakshi-1"
"""The simulated meters' well-known secret for meter readers."""

_DELIVERY_FROM_S, _DELIVERY_TO_S = 10 * 3600, 12 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One simulated meter."""

    id: str
    serial: str
    """What the meter itself gives on the wire."""
    role: str
    """The simulator's word for what hangs behind it: seller, solar or buyer."""
    settles: bool
    """Whether it is the REVENUE meter of its connection point; otherwise it measures GENERATION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of the trade: a discom, its customer's premises, and the platform that the customer trades on."""

    name: str
    discom: str
    domain: str
    gateway: str
    connection_point: str
    posted_as: str
    platform: str
    meters: tuple[Meter, ...]

    @property
    def subscriber(self) -> str:
        """The discom's subscriber id at the network."""
        return f"discom.{self.domain}"


SELLER = Side(
    name="seller",
    discom="PaVVNL",
    domain="pavvnl.example",
    gateway="gw-meerut-1",
    connection_point="MRT-000123",
    posted_as="TEST_SKS1000001",
    platform="seller-platform.example",
    meters=(
        Meter(id="SKS1000001", serial="SKS1000001", role="seller", settles=True),
        Meter(id="SDM2000001", serial="2000001", role="solar", settles=False),
    ),
)
BUYER = Side(
    name="buyer",
    discom="TPDDL",
    domain="tpddl.example",
    gateway="gw-delhi-1",
    connection_point="DEL-004711",
    posted_as="TEST_SKB3000001",
    platform="buyer-platform.example",
    meters=(Meter(id="SKB3000001", serial="SKB3000001", role="buyer", settles=True),),
)
SIDES = (SELLER, BUYER)


def delivery_window(now_utc: int) -> Interval:
    """10:00 to 12:00 IST of the most recent completed IST day."""
    day = ist_day_start(now_utc) - DAY_S
    return Interval(day + _DELIVERY_FROM_S, day + _DELIVERY_TO_S)


def participants(
    keys: dict[str, tuple[str, str | None]],
    receivers: Mapping[str, str] = MappingProxyType({}),
    doors: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The exchange's registry: public key and, of a discom, its short code, by subscriber id.

    `receivers` is where discoms are asked, `doors` where they take platforms' contracts.
    """
    blocks = []
    for subscriber, (public_key, discom) in keys.items():
        role = 'role = "platform"' if discom is None else f'role = "discom"\ndiscom_id = "{discom}"'
        blocks.append(
            f'[[participant]]\nsubscriber_id = "{subscriber}"\nkey_id = "k1"\npublic_key = "{public_key}"\n{role}\n'
            + (f'receiver_url = "{receivers[subscriber]}"\n' if subscriber in receivers else "")
            + (f'contracts_url = "{doors[subscriber]}"\n' if subscriber in doors else "")
        )
    return "\n".join(blocks)


def headend(
    side: Side,
    *,
    broker_port: int,
    ledger: str,
    posts: Sequence[str] = ("FINAL", "TRUE_UP"),
    pending_after_s: int = 20,
    channel: str = "allocate",
    web_port: int = 0,
) -> str:
    """A head-end's configuration; `posts` are the statuses of figures that it posts, and `channel` is how it tells the ledger."""
    return f"""discom = "{side.discom}"
domain = "{side.domain}"
state = "state"

[keys]
statements = "file:keys/statements.pem"
log = "file:keys/log.pem"
beckn = "file:keys/beckn.pem"

[broker]
port = {broker_port}
shards = [{_shard(side)}]

[web]
port = {web_port}

[ledger]
url = "deg+http://{ledger}"
subscriber = "{side.subscriber}"
key_id = "k1"
poll_s = 2
channel = "{channel}"

[posting]
retry_s = 1
statuses = {json.dumps(list(posts))}

[windows]
pending_after_s = {pending_after_s}
"""


def subscribers(keys: Mapping[str, tuple[str, str | None]]) -> str:
    """The directory of a closed network: the platforms' keys."""
    return "\n".join(
        f'[[subscriber]]\nsubscriber_id = "{side.platform}"\nkey_id = "k1"\npublic_key = "{keys[side.platform][0]}"\n'
        f'networks = ["{TEST_NETWORK}"]\n'
        for side in SIDES
    )


def closed_network(web_port: int, directory: Path) -> str:
    """`[beckn]` of a head-end that nobody asks, and that takes platforms' contracts."""
    callers = "".join(f'[[beckn.caller]]\nsubscriber = "{side.platform}"\nsees = "platform"\n' for side in SIDES)
    return (
        f'\n[beckn]\nreceiver = "http://127.0.0.1:{web_port}/bpp/receiver"\nnetworks = ["{TEST_NETWORK}"]\n'
        f'directory = "file:{directory}"\n{callers}'
    )


def facts(side: Side, window: Interval, period_s: int, *, recorded: Collection[str] = ()) -> str:
    """What the discom says of the meters of one enrolment; of those that are recorded the registry says it."""
    blocks = [f"shard = {_shard(side)}"]
    for meter in side.meters:
        if meter.id in recorded:
            blocks.append(f'[[meter]]\nid = "{meter.id}"\nblocks_from = "{utc_text(window.start_utc - DAY_S)}"\n')
            continue
        aliases = f'posted_as = ["{side.posted_as}"]\nrole = "REVENUE"' if meter.settles else 'role = "GENERATION"'
        blocks.append(
            f'[[meter]]\nid = "{meter.id}"\nidentity = "{meter.serial}"\nconnection_point = "{side.connection_point}"\n'
            f'{aliases}\nperiod_s = {period_s}\nfrom = "{utc_text(window.start_utc - 30 * DAY_S)}"\n'
        )
    return "\n".join(blocks)


def agent(
    side: Side, *, broker_port: int, log_key: str, statement_key: str, urls: dict[str, str], password_file: Path
) -> str:
    """A gateway's configuration."""
    head = f"""gateway = "{side.gateway}"
shard = {_shard(side)}
key = "file:gateway.pem"
state = "state"

[broker]
host = "127.0.0.1"
port = {broker_port}

[discom]
log_key = "{log_key}"
statement_keys = ["{statement_key}"]

[poll]
interval_s = 2
"""
    meters = []
    for meter in side.meters:
        if meter.role == "solar":
            url = f"modbus+tcp://{urls[meter.id]}?unit=1&map=sdm630"
        else:
            url = f"dlms+tcp://{urls[meter.id]}?password=file:{password_file}"
        backfill = "" if meter.role == "solar" else "backfill_days = 2\n"
        meters.append(f'\n[[meter]]\nid = "{meter.id}"\nserial = "{meter.serial}"\nurl = "{url}"\n{backfill}')
    return head + "".join(meters)


def _shard(side: Side) -> int:
    """Both discoms share the demonstration's broker, so their gateways are in different shards."""
    return [one.name for one in SIDES].index(side.name)
