"""A broker process on a free loopback port, and a head-end that answers through it."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from deploy.demo import ports
from signing.messages import parse_up
from tests.edge_agent.discom import Discom
from tests.system import require

PATIENCE_S = 20.0


@contextmanager
def broker(kind: str, folder: Path, settings: str = "allow_anonymous true\n") -> Iterator[int]:
    """`kind` is ``mosquitto`` or ``embedded``; gives the port."""
    port = ports.reserve()
    if kind == "mosquitto":
        path = folder / "mosquitto.conf"
        path.write_text(f"listener {port} 127.0.0.1\n{settings}")
        command = [require("mosquitto"), "-c", str(path)]
    else:
        command = [sys.executable, "-m", "deploy.demo.embedded_broker", str(port)]
    with (folder / "broker.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            threading.Event().wait(0.05)
        else:
            return
    raise AssertionError("the broker did not come up")


class AnsweringDiscom:
    """Answers every batch with its receipt over the broker, unless told to be silent."""

    def __init__(self, discom: Discom, port: int, down: str = "sakshi/1/0/gw1/down") -> None:
        self.discom = discom
        self.is_silent = False
        self.received: list[bytes] = []
        self.changed = threading.Condition()
        self._down = down
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="head-end")
        self._client.on_connect = lambda client, *_: client.subscribe("sakshi/1/0/+/up", qos=1) and None
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self.changed:
            up = parse_up(bytes(message.payload))
            self.received.append(up.envelope.digest)
            if not self.is_silent:
                self._client.publish(self._down, self.discom.answer(up), qos=1)
            self.changed.notify_all()

    def say(self, payload: bytes) -> None:
        self._client.publish(self._down, payload, qos=1).wait_for_publish(PATIENCE_S)

    def wait_for(self, batches: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(set(self.received)) >= batches, PATIENCE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
