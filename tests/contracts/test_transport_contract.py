"""What every transport keeps: nothing is done with before it is acknowledged, and it comes again until then."""

import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from deploy.demo import ports
from headend.errors import TransportUnavailableError
from headend.transport.memory import MemoryTransport
from headend.transport.mqtt import MqttSettings, MqttTransport, MqttVersion
from headend.transport.transport import Delivery, Transport
from tests.system import require

UP, DOWN = "sakshi/1/3/gw-1/up", "sakshi/1/3/gw-1/down"
PATIENCE_S = 20.0


class Wire(Protocol):
    """One transport under test with a peer at the other end."""

    @property
    def transport(self) -> Transport: ...

    def send(self, topic: str, payload: bytes) -> None: ...

    def received(self) -> tuple[str, bytes]: ...

    def reconnect(self) -> None: ...


class MemoryWire:
    def __init__(self) -> None:
        self.transport = MemoryTransport()

    def send(self, topic: str, payload: bytes) -> None:
        self.transport.deliver(topic, payload)

    def received(self) -> tuple[str, bytes]:
        return self.transport.sent.pop(0)

    def reconnect(self) -> None:
        self.transport.reconnect()

    def close(self) -> None:
        self.transport.close()


class MqttWire:
    def __init__(self, port: int, version: MqttVersion) -> None:
        self.settings = MqttSettings(host="127.0.0.1", port=port, client_id="intake-3", shards=(3,), version=version)
        self.transport = MqttTransport(self.settings)
        assert self.transport.wait_ready(PATIENCE_S)
        self._received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        subscribed = threading.Event()
        self._peer = Client(CallbackAPIVersion.VERSION2, client_id="gw-1")
        self._peer.on_message = self._message
        self._peer.on_connect = lambda client, *_: client.subscribe(DOWN, qos=1) and None
        self._peer.on_subscribe = lambda *_: subscribed.set()
        self._peer.connect("127.0.0.1", port)
        self._peer.loop_start()
        assert subscribed.wait(PATIENCE_S)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._received.put((message.topic, bytes(message.payload)))

    def send(self, topic: str, payload: bytes) -> None:
        self._peer.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def received(self) -> tuple[str, bytes]:
        return self._received.get(timeout=PATIENCE_S)

    def reconnect(self) -> None:
        self.transport.close()
        self.transport = MqttTransport(self.settings)
        assert self.transport.wait_ready(PATIENCE_S)

    def close(self) -> None:
        self.transport.close()
        self._peer.disconnect()
        self._peer.loop_stop()


@contextmanager
def broker(kind: str, folder: Path) -> Iterator[int]:
    port = ports.reserve()
    if kind == "mosquitto":
        settings = folder / "mosquitto.conf"
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n")
        command = [require("mosquitto"), "-c", str(settings)]
    else:
        command = [sys.executable, "-m", "deploy.demo.embedded_broker", str(port)]
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                threading.Event().wait(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


LASTING = [
    "memory",
    pytest.param("mosquitto 3.1.1", marks=pytest.mark.system),
    pytest.param("mosquitto 5", marks=pytest.mark.system),
]
"""Transports that give again what was not acknowledged. The embedded broker forgets what it has delivered; agents send again."""


@pytest.fixture(params=[*LASTING, "embedded 3.1.1"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    with opened(request.param, tmp_path) as one:
        yield one


@pytest.fixture(params=LASTING)
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    with opened(request.param, tmp_path) as one:
        yield one


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Wire]:
    kind, _, version = name.partition(" ")
    with ExitStack() as stack:
        one: MemoryWire | MqttWire
        one = (
            MemoryWire()
            if kind == "memory"
            else MqttWire(stack.enter_context(broker(kind, folder)), MqttVersion(version))
        )
        stack.callback(one.close)
        yield one


def fetched(wire: Wire, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    for _ in range(100):
        found += wire.transport.fetch(count - len(found), 0.2)
        if len(found) == count:
            break
    return found


def test_messages_come_in_order_with_topic_and_payload(wire: Wire) -> None:
    for number in range(5):
        wire.send(UP, bytes([number]) * 100)
    deliveries = fetched(wire, 5)
    assert [(one.topic, one.payload) for one in deliveries] == [(UP, bytes([n]) * 100) for n in range(5)]
    assert len({one.token for one in deliveries}) == 5


def test_fetch_gives_no_more_than_asked_for(wire: Wire) -> None:
    for number in range(5):
        wire.send(UP, bytes([number]))
    assert len(fetched(wire, 3)) == 3
    assert len(fetched(wire, 2)) == 2


def test_what_was_not_acknowledged_comes_again(lasting: Wire) -> None:
    for number in range(3):
        lasting.send(UP, bytes([number]))
    first, *_ = fetched(lasting, 3)
    lasting.transport.ack([first])
    lasting.reconnect()
    assert sorted(one.payload for one in fetched(lasting, 2)) == [b"\x01", b"\x02"]
    assert lasting.transport.fetch(1, 0.2) == []


def test_what_was_rejected_does_not_come_again(wire: Wire) -> None:
    wire.send(UP, b"garbage")
    wire.transport.reject(fetched(wire, 1))
    wire.reconnect()
    assert wire.transport.fetch(1, 0.2) == []


def test_an_acknowledgement_of_an_old_connection_changes_nothing(lasting: Wire) -> None:
    lasting.send(UP, b"once")
    before = fetched(lasting, 1)
    lasting.reconnect()
    again = fetched(lasting, 1)
    assert [one.payload for one in again] == [b"once"]
    lasting.transport.ack(before)
    lasting.transport.ack(again)
    lasting.reconnect()
    assert lasting.transport.fetch(1, 0.2) == []


def test_answers_reach_their_topic(wire: Wire) -> None:
    wire.transport.publish(DOWN, b"receipt")
    assert wire.received() == (DOWN, b"receipt")


def test_a_closed_transport_says_so(wire: Wire) -> None:
    assert wire.transport.ready()
    wire.transport.close()
    wire.transport.close()
    assert not wire.transport.ready()
    with pytest.raises(TransportUnavailableError):
        wire.transport.publish(DOWN, b"receipt")
    with pytest.raises(TransportUnavailableError):
        wire.transport.fetch(1, 0)
