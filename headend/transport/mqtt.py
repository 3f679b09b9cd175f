"""Batches over MQTT 3.1.1 or 5: QoS 1, acknowledged by hand after the commit, subscribed by shard.

paho's thread receives into a bounded queue; everything else happens in the caller's thread. The session is persistent: the
broker keeps what it has not been acknowledged, as far as it can. (Mosquitto's own acknowledgement to a gateway proves nothing
about a disk; only a receipt does.) How many messages may be unacknowledged is the broker's `max_inflight_messages`: it MUST be
at least two steps of intake, or intake runs in small steps. Source: docs/wire-format.md §5.
"""

import queue
import ssl
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from headend.errors import TransportUnavailableError
from headend.transport.transport import Delivery
from signing.topics import MAX_MESSAGE, shard_filter

_MAX_UNACKNOWLEDGED = 16_384
_SESSION_S = 7 * 86_400
_KEEPALIVE_S = 60
_LINK_BITS = 16
"""A packet id is below 2^16; the number of the connection stands above it."""


class MqttVersion(Enum):
    """Which protocol is spoken; nothing needs more than 3.1.1."""

    V311 = "3.1.1"
    V5 = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """Where the broker is and what is taken from it."""

    host: str
    port: int
    client_id: str
    """Names the session at the broker: one for each worker, always the same."""
    shards: tuple[int, ...]
    """The shards whose gateways this worker takes in."""
    version: MqttVersion = MqttVersion.V311
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    """None only towards a broker on this machine."""


class MqttTransport:
    """A `Transport` over one broker connection that is made again when it breaks."""

    __slots__ = ("_arrived", "_client", "_closed", "_fault", "_link", "_settings", "_subscribed")

    def __init__(self, settings: MqttSettings) -> None:
        """Starts to connect, and goes on trying; `ready` says when it has.

        Raises:
            TransportUnavailableError: the broker's address cannot be one.
        """
        self._settings = settings
        self._arrived: queue.Queue[Delivery] = queue.Queue(maxsize=_MAX_UNACKNOWLEDGED)
        self._closed = threading.Event()
        self._subscribed = threading.Event()
        self._fault: str | None = None
        # Counts connections: a packet id means something on the connection only that it came by.
        self._link = 0
        self._client = self._made(settings)
        try:
            self._client.connect_async(
                settings.host,
                settings.port,
                keepalive=_KEEPALIVE_S,
                clean_start=False if settings.version is MqttVersion.V5 else MQTT_CLEAN_START_FIRST_ONLY,
                properties=_session(settings.version),
            )
        except ValueError as error:
            raise TransportUnavailableError(f"no broker can be at {settings.host}:{settings.port} ({error})") from error
        self._client.loop_start()

    def fetch(self, most: int, timeout_s: float) -> list[Delivery]:
        """Up to `most` deliveries, in the order of their arrival; waits up to `timeout_s` for the first one.

        Raises:
            TransportUnavailableError: the broker refuses this client, or the transport is closed.
        """
        if self._closed.is_set():
            raise TransportUnavailableError("the transport was closed: open another")
        fetched: list[Delivery] = []
        try:
            fetched.append(self._arrived.get(timeout=timeout_s) if timeout_s > 0 else self._arrived.get_nowait())
            while len(fetched) < most:
                fetched.append(self._arrived.get_nowait())
        except queue.Empty:
            if not fetched and self._fault is not None:
                raise TransportUnavailableError(self._fault) from None
        return fetched

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """These deliveries are done with. Those of a connection that broke come again, whatever is said here."""
        for delivery in deliveries:
            link, packet = delivery.token >> _LINK_BITS, delivery.token & (1 << _LINK_BITS) - 1
            if packet and link == self._link:
                self._client.ack(packet, 1)

    def reject(self, deliveries: Iterable[Delivery]) -> None:
        """These deliveries can never be used. MQTT knows no other way to say so than to acknowledge them."""
        self.ack(deliveries)

    def publish(self, topic: str, payload: bytes) -> None:
        """Sends an answer with QoS 1, not retained.

        Raises:
            TransportUnavailableError: there is no connection; whoever waits for the answer sends again.
            ValueError: the answer is longer than any message may be.
        """
        if len(payload) > MAX_MESSAGE:
            raise ValueError(f"expected at most {MAX_MESSAGE} bytes, got {len(payload)} for {topic}")
        if not self._client.is_connected():
            raise TransportUnavailableError(self._fault or f"no connection to the broker at {self._place()}: start it")
        sent = self._client.publish(topic, payload, qos=1, retain=False)
        if sent.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise TransportUnavailableError(f"the broker at {self._place()} does not take answers ({sent.rc.name})")

    def ready(self) -> bool:
        """Whether the broker delivers every shard now."""
        return self._subscribed.is_set() and not self._closed.is_set()

    def wait_ready(self, timeout_s: float) -> bool:
        """`ready`, after waiting up to `timeout_s` for it."""
        return self._subscribed.wait(timeout_s) and self.ready()

    def close(self) -> None:
        """Disconnects and waits for paho's thread. Idempotent."""
        if not self._closed.is_set():
            self._closed.set()
            self._subscribed.clear()
            self._client.disconnect()
            self._client.loop_stop()
            # paho leaves a connection open that it was making when it was stopped.
            left = self._client.socket()
            if left is not None:
                left.close()

    def _made(self, settings: MqttSettings) -> Client:
        five = settings.version is MqttVersion.V5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=None if five else False,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        # Under any limit paho walks through all unacknowledged answers at each acknowledgement; 0 is none.
        client.max_inflight_messages_set(0)
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if settings.tls is not None:
            client.tls_set_context(settings.tls)
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_subscribe = self._granted
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        return client

    def _connected(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._fault = f"the broker at {self._place()} refuses this client ({reason}): check its user and password"
            return
        self._link += 1
        filters = [(shard_filter(shard), 1) for shard in self._settings.shards]
        if filters:
            client.subscribe(filters)

    def _unreachable(self, _client: Client, _data: object) -> None:
        self._fault = f"no connection to the broker at {self._place()}: start it, or correct the address"

    def _granted(
        self, _client: Client, _data: object, _packet: int, granted: Sequence[ReasonCode], _props: Properties | None
    ) -> None:
        # A broker that gives less than QoS 1 would lose messages between its acknowledgement and ours.
        if all(code.value == 1 for code in granted):
            self._fault = None
            self._subscribed.set()
        else:
            self._fault = f"the broker at {self._place()} does not grant the shards with QoS 1: check its access list"

    def _disconnected(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        self._subscribed.clear()
        if not self._closed.is_set() and self._fault is None:
            self._fault = f"the connection to the broker at {self._place()} broke ({reason}): it is made again"

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            # The message is taken in all the same: its topic proves nothing anyway.
            topic = ""
        packet = message.mid if message.qos else 0
        delivery = Delivery(topic, bytes(message.payload), self._link << _LINK_BITS | packet)
        # A full queue stops paho's thread, and so the reading of the socket: the broker keeps the rest.
        while not self._closed.is_set():
            try:
                self._arrived.put(delivery, timeout=1)
            except queue.Full:
                continue
            return

    def _place(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"


def _session(version: MqttVersion) -> Properties | None:
    """What MQTT 5 needs said that 3.1.1 says by `clean_session`."""
    if version is not MqttVersion.V5:
        return None
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = _SESSION_S
    properties.ReceiveMaximum = _MAX_UNACKNOWLEDGED
    return properties
