"""A gateway at a real broker: publishes batches, receives answers."""

import queue
import threading

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from signing.topics import GatewayAddress

PATIENCE_S = 20.0


class Peer:
    """One connection; close it at the end."""

    def __init__(self, port: int, address: GatewayAddress) -> None:
        self._address = address
        self._answers: queue.Queue[bytes] = queue.Queue()
        subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=address.gateway)
        self._client.on_connect = lambda client, *_: client.subscribe(address.down, qos=1) and None
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(PATIENCE_S)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._answers.put(bytes(message.payload))

    def publish(self, payload: bytes) -> None:
        self._client.publish(self._address.up, payload, qos=1).wait_for_publish(PATIENCE_S)

    def received(self) -> bytes:
        return self._answers.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
