"""The broker connection: paho's thread on one side, the agent's event loop on the other.

Every callback of paho runs in paho's thread and does one thing: hand a value to the loop. One `Link` is one connection; it is
never re-used, so nothing of a lost connection reaches the next. Nothing here needs MQTT 5.

Source: docs/wire-format.md §5 (QoS 1, not retained); MQTT 3.1.1 §3, MQTT 5 §3.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.config import BrokerSettings, Protocol
from edge_agent.steps import Arrived, LinkDown, LinkUp
from signing.topics import MAX_MESSAGE, GatewayAddress

T = TypeVar("T")

QOS = 1
SESSION_EXPIRY_S = 86_400
"""How long an MQTT 5 broker keeps answers for a gateway that is away; 3.1.1 brokers keep them by their own rule."""
CONNECT_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the broker asks for."""

    username: str
    password: str | None = field(repr=False)


class Purpose(Enum):
    """What a connection is for: the broker knows it by its client id."""

    RUN = ""
    """A session that lasts: the broker keeps answers while the gateway is away."""
    CHECK = "-check"
    """A session of its own that ends with the connection: it takes nothing from an agent that runs."""


class _TlsContext(ssl.SSLContext):
    """A context that remembers its socket: paho leaves it open when the handshake fails."""

    _wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **named: Any) -> ssl.SSLSocket:  # noqa: ANN401 - as it comes
        """As `SSLContext.wrap_socket`."""
        self._wrapped = super().wrap_socket(sock, *arguments, **named)
        return self._wrapped

    def close(self) -> None:
        """Closes the socket, if it is still open."""
        if self._wrapped is not None:
            self._wrapped.close()


def _tls_context(settings: BrokerSettings) -> _TlsContext:
    """TLS 1.2 or later, the broker's name and authority checked.

    Raises:
        OSError: a file cannot be read or is not what it should be.
    """
    context = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(settings.ca_file)
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.certificate_key)
    return context


class Link:
    """One connection of one gateway. `heard` is called on the event loop, with `LinkUp`, `Arrived` and at last one `LinkDown`."""

    def __init__(
        self,
        settings: BrokerSettings,
        address: GatewayAddress,
        purpose: Purpose,
        credentials: Credentials | None,
        heard: Callable[[LinkUp | LinkDown | Arrived], None],
    ) -> None:
        self._settings = settings
        self._address = address
        self._purpose = purpose
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self._is_up = False
        self._tls: _TlsContext | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._client = self._new_client(credentials)

    async def open(self) -> None:
        """Connects and subscribes; the outcome is heard as `LinkUp` or `LinkDown`. Never raises for a broker that is away."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await asyncio.to_thread(self._connect)
        except (OSError, ValueError, TimeoutError) as error:
            # paho raises ValueError for a host that cannot be one; TLS failures are OSErrors.
            self._end(f"cannot connect to {self._settings.host}:{self._settings.port}: {str(error) or 'timed out'}")
            return
        self._client.loop_start()
        self._limit = self._loop.call_later(CONNECT_LIMIT_S, self._end_unless_up)

    def publish(self, payload: bytes) -> None:
        """Publishes on the up topic, QoS 1, not retained. Says nothing about what became of it."""
        self._client.publish(self._address.up, payload, qos=QOS, retain=False)

    async def close(self) -> None:
        """Disconnects and waits for paho's thread. Idempotent; afterwards nothing is heard."""
        self._ended = True
        if self._limit is not None:
            self._limit.cancel()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        if self._tls is not None:
            self._tls.close()

    def _new_client(self, credentials: Credentials | None) -> Client:
        is_v5 = self._settings.protocol is Protocol.MQTT_5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{self._address.gateway}{self._purpose.value}",
            # MQTT 5 says it in `connect`.
            clean_session=None if is_v5 else self._is_clean,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        if credentials is not None:
            client.username_pw_set(credentials.username, credentials.password)
        if self._settings.ca_file is not None:
            self._tls = _tls_context(self._settings)
            client.tls_set_context(self._tls)
        client.connect_timeout = CONNECT_LIMIT_S
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    @property
    def _is_clean(self) -> bool:
        return self._purpose is Purpose.CHECK

    def _connect(self) -> None:
        if self._settings.protocol is Protocol.MQTT_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
            properties.SessionExpiryInterval = 0 if self._is_clean else SESSION_EXPIRY_S
            self._client.connect(
                self._settings.host,
                self._settings.port,
                keepalive=self._settings.keepalive_s,
                clean_start=self._is_clean,
                properties=properties,
            )
        else:
            self._client.connect(self._settings.host, self._settings.port, keepalive=self._settings.keepalive_s)

    # In paho's thread

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._tell(self._end, f"the broker refused the connection: {reason}")
            return
        result, _ = client.subscribe(self._address.down, qos=QOS)
        if result is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._tell(self._end, f"cannot subscribe: {result.name}")

    def _on_subscribe(
        self, _client: Client, _userdata: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._tell(self._end, f"the broker refused the subscription to {self._address.down}: check its access list")
        else:
            self._tell(self._hear, LinkUp())

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        # Enough to see that it is too long: many of them wait, and a broker can send a quarter of a gigabyte in each.
        self._tell(self._take, bytes(message.payload[: MAX_MESSAGE + 1]))

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._tell(self._end, f"disconnected: {reason}")

    def _tell(self, call: Callable[[T], None], value: T) -> None:
        # The loop may have closed while paho's thread was still reading.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, value)

    # On the event loop

    def _take(self, payload: bytes) -> None:
        self._hear(Arrived(payload))

    def _hear(self, event: LinkUp | Arrived) -> None:
        if not self._ended:
            if isinstance(event, LinkUp):
                self._is_up = True
            self._heard(event)

    def _end_unless_up(self) -> None:
        if not self._is_up:
            self._end("no answer to the connection or the subscription")

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._heard(LinkDown(reason))
