"""The head-end's configuration: one TOML file, checked whole before anything starts."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from headend.settings.alerts import AlertSettings, alerts
from headend.settings.beckn import BecknSettings, beckn
from headend.settings.billing import BillingSettings, billing
from headend.settings.feeds import FeedSettings, feeds
from headend.settings.gates import gates
from headend.settings.ies import IesSettings, ies
from headend.settings.imports import ImportSettings, imports
from headend.settings.retention import CONTEXT_DAYS, RetentionSettings, retention
from headend.settings.series import SeriesSettings, series
from headend.trading.contracts import Policy
from headend.trading.gates import ROUNDS, Gates
from ledger_client.http import base_url
from ledger_client.ledger import LedgerProtocolError
from signing import fields
from signing.errors import DecodeError
from signing.statements.reading_batch import Origin
from signing.statements.window_actual import Basis, Status
from signing.tables import Table, parse_toml
from signing.topics import MAX_SHARD

T = TypeVar("T")

_POSTABLE = {status.name: status for status in (Status.PROVISIONAL, Status.FINAL, Status.TRUE_UP)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Three different keys, by URI: what is signed by one must never be taken for the word of another."""

    statements: str
    """Signs records, rule sets, actuals, refusals and commands."""
    log: str
    """Ed25519; signs checkpoints."""
    beckn: str
    """Ed25519; signs HTTP requests to ledgers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """The MQTT broker that gateways publish to."""

    host: str
    port: int
    username: str | None
    password: str | None
    """URI of the password, `file:PATH`."""
    ca_file: str | None
    """PEM file of the broker's certificate authority; TLS is used exactly when it is given."""
    shards: tuple[int, ...]
    """The shards whose gateways this head-end serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The API and the console."""

    host: str
    port: int
    """0 lets the system choose; the chosen one is logged and printed."""
    certificate: str | None
    """PEM files for TLS. Without them only loopback addresses may be bound."""
    certificate_key: str | None


class Channel(Enum):
    """How a ledger is told figures."""

    ALLOCATE = "allocate"
    """Each meter's actual; the ledger allocates."""
    RECORD = "record"
    """This discom allocates each trade by itself, in three rounds."""
    NONE = "none"
    """Not at all: it asks (`[beckn]`). Its trades are read all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSettings:
    """The trade ledger that this discom posts to."""

    url: str
    """`deg+https://host`; `deg+http://` to loopback only."""
    subscriber: str
    """The discom's subscriber id at the network."""
    key_id: str
    """The id of its registered key."""
    poll_s: int
    channel: Channel
    look_back_days: int
    """Trades whose delivery began up to this long ago are asked for."""
    contracts: Policy
    """What the forward view makes of trades that their platforms have not signed."""
    basis: Basis
    """How import and export become the posted figure: the exchange's rule, stated in every actual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """When windows are decided."""

    pending_after_s: int
    """A window that is not whole is attested as PENDING this long after its end, and after its trade was first seen."""
    resend_after_s: int
    """Sequences that are missing are asked for again this often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingSettings:
    """What is posted, and for how long it is tried."""

    statuses: frozenset[Status]
    """Statuses of a WindowActual that are posted."""
    retry_s: int
    """First wait after an unanswered post; it doubles up to one hour."""
    give_up_days: int
    """Days after delivery when an unknown trade stops being waited for."""
    least_origin: Origin
    """The weakest way in which a meter may have authenticated for its figure to be posted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that `sakshi-headend` needs to know."""

    discom: str
    """The discom's short code at the ledger, e.g. `PaVVNL`; case-sensitive."""
    domain: str
    """The discom's domain; the logs are named for it."""
    state: Path
    """Directory of the database, the checkpoint file (outside the database: EVIDENCE §2) and trust.toml; made by `init`."""
    keys: Keys
    broker: BrokerSettings
    web: WebSettings
    ledger: LedgerSettings
    windows: WindowSettings
    posting: PostingSettings
    gates: Gates
    alerts: AlertSettings
    series: SeriesSettings
    feeds: tuple[FeedSettings, ...]
    retention: RetentionSettings
    billing: BillingSettings
    imports: ImportSettings
    ies: IesSettings
    beckn: BecknSettings | None
    """None: nobody of the exchange asks this head-end."""

    @property
    def followed_days(self) -> int:
        """For how many days a delivery is followed: until its posting is given up, and as long as its figure may change."""
        return max(self.ledger.look_back_days + self.posting.give_up_days, self.gates.true_up_days)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.state / "headend.db"

    @property
    def trust_file(self) -> Path:
        """What a verifier needs; written by `init`."""
        return self.state / "trust.toml"

    @property
    def log_origin(self) -> str:
        """The name of log 0."""
        return f"{self.domain}/sakshi/0"


def load(path: Path) -> Config:
    """The configuration in the file at `path`.

    Raises:
        DecodeError: every fault at once, each with its key and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DecodeError(f"cannot read configuration '{path}': {error}: check the path after --config") from error
    return parse(text, str(path), path.parent)


def parse(text: str, source: str, base: Path) -> Config:
    """The configuration in `text`; relative paths are under `base`.

    Raises:
        DecodeError: every fault at once, each with its key and remedy.
    """
    root = parse_toml(text, source)
    config = Config(
        discom=root.parsed("discom", fields.identifier, "x"),
        domain=root.parsed("domain", fields.identifier, "x"),
        state=base / root.text("state"),
        keys=_closed(root.table("keys"), lambda table: _keys(table, base)),
        broker=_closed(root.table("broker"), lambda table: _broker(table, base)),
        web=_closed(root.table("web"), lambda table: _web(table, base)),
        ledger=_closed(root.table("ledger"), _ledger),
        windows=_closed(root.table("windows"), _windows),
        posting=_closed(root.table("posting"), _posting),
        gates=_closed(root.table("gates"), gates),
        retention=_closed(root.table("retention"), retention),
        feeds=feeds(root.tables("feed"), base),
        billing=_closed(root.table("billing"), lambda table: billing(table, base)),
        series=_closed(root.table("series"), lambda table: series(table, base)),
        imports=_closed(root.table("imports"), lambda table: imports(table, base)),
        ies=_closed(root.table("ies"), ies),
        alerts=_closed(root.table("alerts"), lambda table: alerts(table, base)),
        beckn=_closed(root.table("beckn"), lambda table: beckn(table, base)) if root.has("beckn") else None,
    )
    if config.ledger.channel is Channel.RECORD and len(config.gates.rounds_s) != ROUNDS:
        root.faults.add("gates.rounds", f'expected {ROUNDS} times with ledger.channel = "record": one for each round')
    least_days = config.followed_days + CONTEXT_DAYS
    if (config.retention.openings_days or least_days) < least_days:
        root.faults.add(
            "retention.openings_days",
            f"expected at least {least_days}: windows are decided again for {config.followed_days} days by ledger.look_back_days, "
            "posting.give_up_days and gates.true_up_days",
        )
    if config.ledger.contracts is Policy.REQUIRED and config.beckn is None:
        root.faults.add(
            "ledger.contracts",
            'expected a section [beckn] with ledger.contracts = "required": it says whose keys count',
        )
    root.close()
    root.faults.check()
    return config


def _closed(table: Table, parse_table: Callable[[Table], T]) -> T:
    value = parse_table(table)
    table.close()
    return value


def _uri(table: Table, name: str, base: Path) -> str:
    """A secret's URI; the path of a `file:` is taken from the configuration's directory."""
    scheme, separator, rest = table.text(name).partition(":")
    if not separator:
        table.faults.add(table.key(name), "expected a URI such as file:keys/statements.pem, never the secret itself")
    return f"file:{base / rest}" if scheme == "file" else f"{scheme}:{rest}"


def _keys(table: Table, base: Path) -> Keys:
    keys = Keys(
        statements=_uri(table, "statements", base), log=_uri(table, "log", base), beckn=_uri(table, "beckn", base)
    )
    if len({keys.statements, keys.log, keys.beckn}) < 3:
        table.faults.add("keys", "expected three different keys: statements, log and beckn must not share one")
    return keys


def _broker(table: Table, base: Path) -> BrokerSettings:
    ca_file = table.optional_text("ca_file")
    return BrokerSettings(
        host=table.text("host", default="127.0.0.1"),
        port=table.integer("port", least=1, most=65_535, default=1883),
        username=table.optional_text("username"),
        password=_uri(table, "password", base) if table.has("password") else None,
        ca_file=None if ca_file is None else str(base / ca_file),
        shards=table.integers("shards", least=0, most=MAX_SHARD, default=(0,)),
    )


def _web(table: Table, base: Path) -> WebSettings:
    certificate, certificate_key = table.optional_text("certificate"), table.optional_text("certificate_key")
    if (certificate is None) != (certificate_key is None):
        table.faults.add(table.key("certificate"), "expected both certificate and certificate_key, or neither")
    host = table.text("host", default="127.0.0.1")
    if certificate is None and host not in {"127.0.0.1", "::1", "localhost"}:
        table.faults.add(table.key("host"), f"without TLS only loopback may be bound, got {host!r}: give a certificate")
    return WebSettings(
        host=host,
        port=table.integer("port", least=0, most=65_535, default=8080),
        certificate=None if certificate is None else str(base / certificate),
        certificate_key=None if certificate_key is None else str(base / certificate_key),
    )


def _ledger_url(text: str, _path: str) -> str:
    try:
        base_url(text)
    except LedgerProtocolError as error:
        raise DecodeError(str(error)) from error
    return text


def _ledger(table: Table) -> LedgerSettings:
    return LedgerSettings(
        url=table.parsed("url", _ledger_url, ""),
        subscriber=table.text("subscriber"),
        key_id=table.text("key_id"),
        poll_s=table.integer("poll_s", least=1, most=86_400, default=300),
        channel=_channel(table),
        look_back_days=table.integer("look_back_days", least=1, most=60, default=7),
        contracts=_contracts(table),
        basis=_basis(table),
    )


def _basis(table: Table) -> Basis:
    word = table.text("basis", default="net")
    kinds = {basis.name.lower(): basis for basis in Basis}
    if word not in kinds:
        table.faults.add(table.key("basis"), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    return kinds.get(word, Basis.NET)


def _contracts(table: Table) -> Policy:
    word = table.text("contracts", default=Policy.SHOWN.value)
    kinds = {kind.value: kind for kind in Policy}
    if word not in kinds:
        table.faults.add(table.key("contracts"), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    return kinds.get(word, Policy.SHOWN)


def _channel(table: Table) -> Channel:
    word = table.text("channel", default=Channel.ALLOCATE.value)
    kinds = {kind.value: kind for kind in Channel}
    if word not in kinds:
        table.faults.add(table.key("channel"), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    return kinds.get(word, Channel.ALLOCATE)


def _windows(table: Table) -> WindowSettings:
    return WindowSettings(
        pending_after_s=table.integer("pending_after_s", least=0, most=7 * 86_400, default=900),
        resend_after_s=table.integer("resend_after_s", least=1, most=86_400, default=3600),
    )


def _origin(table: Table) -> Origin:
    word = table.text("least_origin", default=Origin.MODBUS.name)
    kinds = {kind.name: kind for kind in Origin}
    if word not in kinds:
        table.faults.add(table.key("least_origin"), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    return kinds.get(word, Origin.MODBUS)


def _posting(table: Table) -> PostingSettings:
    names = table.texts("statuses", default=("FINAL", "TRUE_UP"))
    for name in names:
        if name not in _POSTABLE:
            table.faults.add(table.key("statuses"), f"expected some of {', '.join(_POSTABLE)}, got {name!r:.40}")
    return PostingSettings(
        statuses=frozenset(_POSTABLE[name] for name in names if name in _POSTABLE),
        retry_s=table.integer("retry_s", least=1, most=3600, default=30),
        give_up_days=table.integer("give_up_days", least=1, most=365, default=45),
        least_origin=_origin(table),
    )
