"""`sakshi-headend check`: does everything that the configuration names answer, and is it what it should be?

Nothing is signed into the log, posted or changed. The check connects to the broker under a name of its own, without a lasting
session: the running head-end keeps its messages.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from headend.config import Config
from headend.errors import HeadendError, RefusedError, TransportUnavailableError
from headend.founding import LOG, open_keys
from headend.log.logbook import Logbook
from headend.peers import directory, ledger, ledger_signer, mqtt_settings
from headend.registry.dated import holding
from headend.settings.beckn import BecknSettings
from headend.store.sqlite import question_rows, registry_rows
from headend.store.sqlite.database import open_database
from headend.transport.mqtt import MqttSettings
from ledger_client.beckn.networks import KNOWN, complaints
from ledger_client.clock_offset import Offset
from ledger_client.http import clock_offset
from ledger_client.ledger import LedgerError, LedgerUnavailableError, TradeQuery
from ledger_client.signature import public_key_text
from signing.errors import SigningError
from signing.topics import shard_filter

_PATIENCE_S = 10.0
_MOST_TOLD = 3
"""Complaints of one kind that are spelled out."""

_NO_RECORD = "sakshi-check"
"""A record id that no trade has: the answer is empty, and proves the way there and the signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one thing that was checked."""

    what: str
    is_good: bool
    text: str
    """What was found; for a bad one, with the remedy. Never a secret."""


def check(config: Config, now: Callable[[], int], *, patience_s: float = _PATIENCE_S) -> tuple[Finding, ...]:
    """The keys, the database with its log, the broker, the ledger and the network, each for itself. `patience_s` is for each answer."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("keys", lambda: _keys(config)),
        ("database and log", lambda: _log(config)),
        (f"broker {config.broker.host}:{config.broker.port}", lambda: _broker(config, patience_s)),
        (f"ledger {config.ledger.url}", lambda: _ledger(config, now, patience_s)),
    ]
    if (settings := config.beckn) is not None:
        checks += [(f"names on {network}", partial(_names, config, network, now)) for network in _ruled(settings)]
        checks.append((f"network directory {settings.directory}", lambda: _network(config, settings, now)))
        checks += [(f"clock of {url}", partial(_clock, url, now, patience_s)) for url in _peers(config, settings)]
    checks += [(f"clock of {who}", partial(_clock, url, now, patience_s)) for who, url in _listeners(config)]
    return tuple(_found(what, answer) for what, answer in checks)


def _found(what: str, answer: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, is_good=True, text=answer())
    except (HeadendError, SigningError, LedgerError) as error:
        return Finding(what=what, is_good=False, text=str(error))


def _keys(config: Config) -> str:
    keys = open_keys(config)
    ledger_signer(config)
    return f"statements {keys.statements.public_key.kid.hex()[:16]}…, log {keys.log.verifier.name}, beckn"


def _log(config: Config) -> str:
    keys = open_keys(config)
    with closing(open_database(config.database)) as database:
        size = Logbook(database, {LOG: keys.log}, config.state).size(LOG)
    return f"{size} leaves, and the checkpoint file agrees"


def _ledger(config: Config, now: Callable[[], int], patience_s: float) -> str:
    with ledger(config, now, timeout_s=patience_s) as opened:
        clock = _agreed(opened.clock_offset())
        opened.listing(TradeQuery(record_id=_NO_RECORD, page_size=1))
    return f"accepts {config.ledger.subscriber}'s signature; {clock}"


def _agreed(offset: Offset | None) -> str:
    """What is said of a clock that is near enough to a peer's, as far as the peer states its time.

    Raises:
        LedgerUnavailableError: it is not.
    """
    if offset is None:
        return "it states no time to compare with"
    if offset.is_apart:
        raise LedgerUnavailableError(f"{offset.words}: set it by a time service; nothing is signed by it until then")
    return offset.words


def _clock(url: str, now: Callable[[], int], patience_s: float) -> str:
    return _agreed(clock_offset(url, now, timeout_s=patience_s))


def _peers(config: Config, settings: BecknSettings) -> tuple[str, ...]:
    """Whose clocks matter beside the ledger's: the registry's, and those of all who ever asked, where they had their last answer sent."""
    registry = () if settings.directory.startswith("file:") else (settings.directory,)
    try:
        with closing(open_database(config.database)) as database:
            return *registry, *question_rows.callbacks(database.connection)
    except HeadendError:
        # The check of the database says what is wrong with it.
        return registry


def _listeners(config: Config) -> tuple[tuple[str, str], ...]:
    """Who is told something signed with its time, by name: an address may hold a secret, and a check's output is sent around."""
    told = config.alerts.webhook
    feeds = ((f"feed {feed.name}", feed.webhook.url) for feed in config.feeds)
    return *(() if told is None else (("the webhook of alerts", told.url),)), *feeds


def _ruled(settings: BecknSettings) -> list[str]:
    """The networks whose rules for names are known; every one that is looked up in a registry is one of those."""
    is_closed = settings.directory.startswith("file:")
    return sorted(name for name in settings.networks if name in KNOWN or not is_closed)


def _names(config: Config, network: str, now: Callable[[], int]) -> str:
    """Whether the network takes the names under which this discom answers.

    Source: EXCHANGE §4 (TEST_ rule, discom ids); EXCHANGE_GAPS C5.
    """
    with closing(open_database(config.database)) as database:
        found = registry_rows.aliases(database.connection)
    names = sorted(name for name, history in found.items() if holding(history, now()) is not None)
    said = complaints(network, discom_id=config.discom, meter_ids=names)
    if said:
        more = "" if len(said) <= _MOST_TOLD else f"; and {len(said) - _MOST_TOLD} more"
        raise RefusedError(
            f"{'; '.join(said[:_MOST_TOLD])}{more}: correct them by `registry import`, or the configuration"
        )
    return f"{config.discom} and the ids of {len(names)} meter(s) are as the network has them"


def _network(config: Config, settings: BecknSettings, now: Callable[[], int]) -> str:
    """Whether askers will believe what this discom signs: its own key, as the network's registry has it.

    Source: EXCHANGE_GAPS A: memberships of the wrong network were seen to fail at go-live.
    """
    signer = ledger_signer(config)
    with directory(settings, now) as registry:
        own = registry.subscriber(signer.key_id)
    if own is None and settings.directory.startswith("file:"):
        return f"{len(settings.parties)} caller(s) are served; this discom is not in its own file, which nobody asks"
    if own is None or own.is_revoked:
        raise RefusedError(f"the registry has no valid key {signer.key_id}: register {signer.public_key_text}")
    if public_key_text(own.key) != signer.public_key_text:
        raise RefusedError(f"the registry has another key as {signer.key_id}: register {signer.public_key_text}")
    if not settings.networks <= own.networks:
        missing = ", ".join(sorted(settings.networks - own.networks))
        raise RefusedError(
            f"the registry names {signer.key_id} as no member of {missing}: ask the network's facilitator"
        )
    return f"{signer.key_id} is registered, a member of {len(own.networks)} network(s); {len(settings.parties)} caller(s) are served"


def _broker(config: Config, patience_s: float) -> str:
    settings = mqtt_settings(config)
    visit = _Visit(settings)
    try:
        visit.wait(patience_s)
    finally:
        visit.close()
    return f"connected, {len(settings.shards)} shard(s) granted"


class _Visit:
    """One connection without a session, up to the broker's grant of every shard."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._place = f"{settings.host}:{settings.port}"
        self._ended = threading.Event()
        self._fault: str | None = None
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"{settings.client_id}-check", clean_session=True)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, settings.password)
        if settings.tls is not None:
            self._client.tls_set_context(settings.tls)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._granted
        self._client.on_disconnect = self._disconnected

    def wait(self, patience_s: float) -> None:
        try:
            self._client.connect(self._settings.host, self._settings.port)
        except (OSError, ValueError) as error:
            raise TransportUnavailableError(
                f"no connection to the broker at {self._place} ({error}): start it, or correct the address"
            ) from error
        self._client.loop_start()
        if not self._ended.wait(patience_s):
            self._fault = f"no answer from the broker at {self._place}: correct the address if it is no MQTT broker"
        if self._fault is not None:
            raise TransportUnavailableError(self._fault)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._end(f"the broker at {self._place} refuses this client ({reason}): check its user and password")
        else:
            client.subscribe([(shard_filter(shard), 1) for shard in self._settings.shards])

    def _granted(
        self, _client: Client, _data: object, _packet: int, granted: Sequence[ReasonCode], _props: Properties | None
    ) -> None:
        is_whole = all(code.value == 1 for code in granted)
        self._end(
            None
            if is_whole
            else f"the broker at {self._place} does not grant the shards with QoS 1: check its access list"
        )

    def _disconnected(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        self._end(f"{self._place} closed the connection ({reason}): correct the address if it is no MQTT broker")

    def _end(self, fault: str | None) -> None:
        if not self._ended.is_set():
            self._fault = fault
            self._ended.set()
