"""The agent's configuration: one TOML file, checked whole before anything starts."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeVar

from edge_agent.errors import ReaderUrlError
from edge_agent.ports import port_faults
from edge_agent.push_settings import NOT_KNOWN, MeterPush, PushSettings, parse_meter_push, parse_push
from edge_agent.readers.access import UTILITY_CLIENTS, client_of, keys_of
from edge_agent.readers.open import open_reader
from edge_agent.registers import Origin
from edge_agent.schedule import FARTHEST_S
from edge_agent.steps import Delays
from signing import fields, interval
from signing.errors import DecodeError, KeyUnavailableError
from signing.interval import DAY_S
from signing.keys import PublicKey, parse_cose_key
from signing.log.note import SignatureKind, VerifierKey
from signing.tables import Table, parse_toml
from signing.topics import MAX_SHARD, GatewayAddress

T = TypeVar("T")

MAX_BACKFILL_DAYS = FARTHEST_S // DAY_S
"""And at least one: the last block of a day settles after it, when only the next day is looked at."""
_NO_LOG_KEY = VerifierKey(name="none", kind=SignatureKind.ED25519, public=bytes(32))


class Protocol(Enum):
    """Versions of MQTT that the agent speaks."""

    MQTT_3_1_1 = "3.1.1"
    MQTT_5 = "5"


class StampMeans(Enum):
    """What a load-profile stamp names. Source: METERS §5."""

    END = "end"
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """The MQTT broker."""

    host: str
    port: int
    protocol: Protocol
    username: str | None
    password: str | None
    """URI of the password, `file:PATH`."""
    ca_file: str | None
    """PEM file of the broker's certificate authority; TLS is used exactly when it is given."""
    certificate: str | None
    """PEM files of the gateway's own certificate and its key, where the broker asks for one."""
    certificate_key: str | None
    keepalive_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscomSettings:
    """Whom the agent believes. Taken from the discom by hand, never from the network."""

    log_key: VerifierKey
    statement_keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSettings:
    """One meter."""

    id: str
    """The discom's id of the meter."""
    serial: str
    """The serial number that the meter gives on the wire; another one is never signed."""
    url: str = field(repr=False)
    """Where the meter is and how to speak to it. Secrets in it are URIs."""
    period_s: int | None
    """Block length; for a meter with memory it is read and must agree. None: as the meter says; 900 without memory."""
    backfill_days: int
    max_block_wh: int | None
    """Most energy that one block can hold, for meters without memory: a larger difference is signed as implausible."""
    line_bps: int | None = None
    """What a line behind a network carries, bits a second; for back-fill. A serial port has its own speed."""
    inactivity_s: int | None = None
    """How long the meter holds on to a client that went away, where that is longer than most meters do."""
    utility_setting_because: str | None = None
    """Why the agent holds credentials that could change this meter; without a reason it does not."""
    push: MeterPush = NOT_KNOWN
    """How what it sends by itself is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """When meters are asked, in seconds."""

    interval_s: int
    """Pause between two looks at a meter that has something due, or that failed."""
    settle_s: int
    """How long after a block's end its row is asked for."""
    patience_s: int
    """How long after a block's end a missing row is waited for before it is signed as absent."""
    absent_retry_s: int
    """How often the meter is asked again for a block that is signed as absent."""
    witness_s: int
    """How long after a boundary a sample still counts as taken at it."""
    remember_s: int = DAY_S
    """How long columns, scalers and depth of a meter are taken for the same; 0 reads them at every look. Its serial number,
    clock and period are read at every look."""
    hold_s: int = 20
    """How long one piece of a back-fill may hold a line, on which others may have something due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that `sakshi-agent` needs to know."""

    gateway: str
    shard: int
    key: str
    """URI of the signing key, `file:PATH`."""
    state: Path
    """Directory of the state; made by `init`."""
    broker: BrokerSettings
    discom: DiscomSettings
    meters: tuple[MeterSettings, ...]
    poll: PollSettings
    capacity: int
    """Unanswered batches at which reading stops."""
    delays: Delays
    wrapping_key: str
    """URI of the key that meters' keys are wrapped for, `file:PATH`."""
    push: PushSettings | None = None
    """Where meters push to; None for nowhere."""

    @property
    def address(self) -> GatewayAddress:
        """The gateway's topics."""
        return GatewayAddress(shard=self.shard, gateway=self.gateway)

    @property
    def database(self) -> Path:
        """The state database."""
        return self.state / "agent.db"

    @property
    def lock_file(self) -> Path:
        """Held by the one agent that runs on this state."""
        return self.state / "lock"

    def enrolment_file(self, kid: bytes) -> Path:
        """What `init` writes for the discom."""
        return self.state / f"enrol-{kid.hex()[:16]}.cbor"


def load(path: Path) -> Config:
    """The configuration in the file at `path`.

    Raises:
        DecodeError: every fault at once, each with its key and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DecodeError(f"cannot read configuration '{path}': {error}: check the path after --config") from error
    return parse(text, str(path), path.absolute().parent)


def parse(text: str, source: str, base: Path) -> Config:
    """The configuration in `text`; relative paths are under `base`.

    Raises:
        DecodeError: every fault at once, each with its key and remedy.
    """
    root = parse_toml(text, source)
    key = _uri(root, "key", base)
    config = Config(
        gateway=root.parsed("gateway", fields.identifier, "x"),
        shard=root.integer("shard", least=0, most=MAX_SHARD, default=0),
        key=key,
        wrapping_key=_uri(root, "wrapping_key", base) if root.has("wrapping_key") else f"{key}.wrapping",
        state=base / root.text("state"),
        broker=_closed(root.table("broker"), lambda table: _broker(table, base)),
        discom=_closed(root.table("discom"), _discom),
        meters=_meters(root),
        poll=_closed(root.table("poll"), _poll),
        capacity=_closed(
            root.table("outbox"), lambda table: table.integer("capacity", least=1, most=10**6, default=20_000)
        ),
        delays=_closed(root.table("uplink"), _delays),
        push=_closed(root.table("push"), parse_push),
    )
    root.close()
    root.faults.check()
    return config


def secret(uri: str) -> str:
    """The secret that `uri` names, without a final line break. It MUST NOT be kept, logged or shown.

    Raises:
        KeyUnavailableError: with the remedy, and without the secret.
    """
    path = Path(uri.removeprefix("file:"))
    try:
        if path.stat().st_mode & 0o077:
            raise KeyUnavailableError(f"secret file '{path}' is open to others: run `chmod 600 {path}`")
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise KeyUnavailableError(f"cannot read secret file '{path}' ({error.strerror}): check the path") from error
    except UnicodeDecodeError:
        # Without its cause: the error would quote the secret.
        raise KeyUnavailableError(f"secret file '{path}' is not UTF-8 text") from None


def _closed(table: Table, parse_table: Callable[[Table], T]) -> T:
    value = parse_table(table)
    table.close()
    return value


def _uri(table: Table, name: str, base: Path) -> str:
    """A secret's URI; the path of a `file:` is taken from the configuration's directory. What else stands there is not shown."""
    scheme, separator, rest = table.text(name).partition(":")
    if not separator or scheme != "file" or not rest:
        table.faults.add(table.key(name), "expected a URI file:PATH, never the secret itself")
        return "file:"
    return f"file:{base / rest}"


def _path(table: Table, name: str, base: Path) -> str | None:
    text = table.optional_text(name)
    return None if text is None else str(base / text)


def _broker(table: Table, base: Path) -> BrokerSettings:
    ca_file = _path(table, "ca_file", base)
    certificate, certificate_key = _path(table, "certificate", base), _path(table, "certificate_key", base)
    if (certificate is None) != (certificate_key is None):
        table.faults.add(table.key("certificate"), "expected both certificate and certificate_key, or neither")
    if certificate is not None and ca_file is None:
        table.faults.add(table.key("ca_file"), "expected the broker's authority beside a certificate of the gateway")
    username = table.optional_text("username")
    password = _uri(table, "password", base) if table.has("password") else None
    if password is not None and username is None:
        table.faults.add(table.key("username"), "expected a username beside the password")
    protocol = table.text("protocol", default=Protocol.MQTT_3_1_1.value)
    known = {entry.value: entry for entry in Protocol}
    if protocol not in known:
        table.faults.add(table.key("protocol"), f"expected one of {', '.join(known)}, got {protocol!r:.40}")
    return BrokerSettings(
        host=table.text("host", default="127.0.0.1"),
        port=table.integer("port", least=1, most=65_535, default=1883 if ca_file is None else 8883),
        protocol=known.get(protocol, Protocol.MQTT_3_1_1),
        username=username,
        password=password,
        ca_file=ca_file,
        certificate=certificate,
        certificate_key=certificate_key,
        keepalive_s=table.integer("keepalive_s", least=5, most=3600, default=60),
    )


def _discom(table: Table) -> DiscomSettings:
    texts = table.texts("statement_keys", least=1)
    keys = []
    for place, text in enumerate(texts):
        path = f"{table.key('statement_keys')}[{place}]"
        try:
            keys.append(parse_cose_key(base64.b64decode(text, validate=True), path))
        except (binascii.Error, ValueError):
            table.faults.add(path, "expected the base64 of a COSE_Key, as trust.toml has it under [[discom]] key")
        except DecodeError as error:
            table.faults.add(path, str(error))
    return DiscomSettings(
        log_key=table.parsed("log_key", _log_key, _NO_LOG_KEY),
        statement_keys=tuple(keys),
    )


def _log_key(text: str, path: str) -> VerifierKey:
    key = VerifierKey.parse(text)
    if key.kind is not SignatureKind.ED25519:
        raise DecodeError(f"expected a log's key, got a witness's in '{path}'")
    return key


def _meters(root: Table) -> tuple[MeterSettings, ...]:
    meters = tuple(_closed(table, _meter) for table in root.tables("meter", least=1))
    for what in ("id", "serial", "url"):
        values = [getattr(meter, what) for meter in meters]
        twice = sorted({value for value in values if value and values.count(value) > 1})
        if twice:
            shown = "" if what == "url" else f", got {', '.join(twice)} twice"
            root.faults.add("meter", f"expected a different {what} for every meter{shown}")
    for fault in port_faults((meter.id, meter.url) for meter in meters):
        root.faults.add("meter", fault)
    titles = [meter.push.title for meter in meters if meter.push.title is not None]
    if len(set(titles)) < len(titles):
        root.faults.add("meter", "expected a different push_title for every meter: a system title is one meter's own")
    return meters


def _meter(table: Table) -> MeterSettings:
    url = table.text("url")
    stamp = table.optional_text("stamp")
    if stamp is not None and stamp not in {entry.value for entry in StampMeans}:
        table.faults.add(table.key("stamp"), f"expected end or start, got {stamp!r:.40}")
        stamp = None
    if stamp is not None and url.startswith("dlms"):
        url = f"{url}{'&' if '?' in url else '?'}stamp={stamp}"
    because = table.optional_text("utility_setting_because")
    origin = _origin(table, url) if url else None
    if url:
        _check_client(table, url, because)
    return MeterSettings(
        id=table.parsed("id", fields.identifier, ""),
        serial=table.parsed("serial", fields.label, ""),
        url=url,
        period_s=_period(table),
        backfill_days=table.integer("backfill_days", least=1, most=MAX_BACKFILL_DAYS, default=35),
        max_block_wh=table.integer("max_block_wh", least=1, most=10**12) if table.has("max_block_wh") else None,
        line_bps=table.integer("line_bps", least=300, most=10**9) if table.has("line_bps") else None,
        inactivity_s=table.integer("inactivity_s", least=1, most=3600) if table.has("inactivity_s") else None,
        utility_setting_because=because,
        push=parse_meter_push(table, keys=keys_of(url), origin=origin, is_dlms=url.startswith("dlms")),
    )


def _origin(table: Table, url: str) -> Origin | None:
    """What the meter's answers will be worth; None for a URL at fault."""
    try:
        return open_reader(url).origin  # connects to nothing
    except ReaderUrlError as error:
        for fault in error.faults:
            table.faults.add(table.key("url"), fault)
    return None


def _check_client(table: Table, url: str, because: str | None) -> None:
    """Credentials that could change a meter are for the discom; the agent only reads."""
    client = client_of(url)
    if client in UTILITY_CLIENTS and because is None:
        table.faults.add(
            table.key("url"),
            f"expected credentials that only read, got client={client}, which may change the meter: use the meter reader's "
            '(client=32), or say utility_setting_because = "why this meter gives its profile to no other"',
        )


def _period(table: Table) -> int | None:
    if not table.has("period_s"):
        return None
    value = table.integer("period_s", least=1, most=3600)
    if value not in interval.PERIODS_S:
        table.faults.add(table.key("period_s"), f"expected 900, 1800 or 3600, got {value}")
    return value


def _poll(table: Table) -> PollSettings:
    return PollSettings(
        interval_s=table.integer("interval_s", least=1, most=3600, default=60),
        settle_s=table.integer("settle_s", least=0, most=900, default=30),
        patience_s=table.integer("patience_s", least=0, most=86_400, default=1800),
        absent_retry_s=table.integer("absent_retry_s", least=60, most=604_800, default=21_600),
        witness_s=table.integer("witness_s", least=1, most=60, default=10),
        remember_s=table.integer("remember_s", least=0, most=7 * DAY_S, default=DAY_S),
        hold_s=table.integer("hold_s", least=1, most=600, default=20),
    )


def _delays(table: Table) -> Delays:
    delays = Delays(
        answer_s=table.integer("answer_s", least=1, most=3600, default=30),
        first_s=table.integer("first_s", least=1, most=3600, default=5),
        longest_s=table.integer("longest_s", least=1, most=86_400, default=900),
        in_flight=table.integer("in_flight", least=1, most=1000, default=32),
    )
    if delays.longest_s < delays.first_s:
        table.faults.add(table.key("longest_s"), f"expected at least first_s, {delays.first_s}, got {delays.longest_s}")
    return delays
