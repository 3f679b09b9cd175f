import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Self

import pytest

from headend.errors import TransportUnavailableError
from headend.transport.mqtt import MqttSettings, MqttTransport, MqttVersion
from headend.transport.transport import Delivery

CONNACK_REFUSED = b"\x20\x02\x00\x05"
CONNACK = b"\x20\x02\x00\x00"
PATIENCE_S = 20.0


def settings(port: int, **changes: object) -> MqttSettings:
    plain: dict[str, object] = {"host": "127.0.0.1", "port": port, "client_id": "intake", "shards": (0, 7)}
    return MqttSettings(**(plain | changes))  # type: ignore[arg-type]  # the caller names fields


class Peer:
    """A broker's side of one connection, byte by byte."""

    def __init__(self, listener: socket.socket) -> None:
        self.socket, _ = listener.accept()
        self.socket.settimeout(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def packet(self) -> tuple[int, bytes]:
        kind = self.socket.recv(1)[0]
        length, shift = 0, 0
        while True:
            byte = self.socket.recv(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        body = b""
        while len(body) < length:
            body += self.socket.recv(length - len(body))
        return kind, body


@contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener, listener.getsockname()[1]


@contextmanager
def linked(**changes: object) -> Iterator[tuple[MqttTransport, Peer]]:
    with (
        listening() as (listener, port),
        closing(MqttTransport(settings(port, **changes))) as transport,
        Peer(listener) as peer,
    ):
        yield transport, peer


def until_fault(transport: MqttTransport) -> str:
    for _ in range(200):
        try:
            transport.fetch(1, 0.1)
        except TransportUnavailableError as error:
            return str(error)
    raise AssertionError


def test_it_subscribes_its_shards_with_a_lasting_session_and_acknowledges_by_hand() -> None:
    with linked() as (transport, peer):
        kind, body = peer.packet()
        assert kind == 0x10
        # No clean session: the broker keeps what is not acknowledged.
        assert body[7] & 0x02 == 0
        peer.socket.sendall(CONNACK)
        kind, body = peer.packet()
        assert kind == 0x82
        assert body[2:] == b"\x00\x0fsakshi/1/0/+/up\x01\x00\x0fsakshi/1/7/+/up\x01"
        assert not transport.ready()
        peer.socket.sendall(b"\x90\x04" + body[:2] + b"\x01\x01")
        assert transport.wait_ready(PATIENCE_S)
        peer.socket.sendall(b"\x32\x08\x00\x03a/b\x00\x09x")
        (delivery,) = transport.fetch(5, PATIENCE_S)
        assert (delivery.topic, delivery.payload) == ("a/b", b"x")
        # Nothing was acknowledged by receiving: the next packet from here is the acknowledgement asked for.
        transport.ack([delivery, Delivery("a/b", b"x", 5 << 16 | 8)])
        assert peer.packet() == (0x40, b"\x00\x09")


def test_a_topic_that_is_no_text_is_taken_in_all_the_same() -> None:
    with linked() as (transport, peer):
        peer.packet()
        peer.socket.sendall(CONNACK)
        _, body = peer.packet()
        peer.socket.sendall(b"\x90\x04" + body[:2] + b"\x01\x01" + b"\x32\x08\x00\x03\xff\xfeb\x00\x09x")
        (delivery,) = transport.fetch(1, PATIENCE_S)
        assert (delivery.topic, delivery.payload) == ("", b"x")


def test_a_broker_that_refuses_is_reported_with_a_remedy() -> None:
    with linked(username="head-end", password="secret") as (transport, peer):
        peer.packet()
        peer.socket.sendall(CONNACK_REFUSED)
        message = until_fault(transport)
        assert "check its user and password" in message
        assert "secret" not in message + repr(settings(1, password="secret"))


def test_a_broker_that_grants_less_than_qos_1_is_not_ready() -> None:
    with linked() as (transport, peer):
        peer.packet()
        peer.socket.sendall(CONNACK)
        _, body = peer.packet()
        peer.socket.sendall(b"\x90\x04" + body[:2] + b"\x01\x80")
        assert "check its access list" in until_fault(transport)
        assert not transport.ready()


def test_a_broker_that_is_not_there_is_reported() -> None:
    with listening() as (_, port):
        pass
    transport = MqttTransport(settings(port))
    try:
        assert "start it, or correct the address" in until_fault(transport)
        with pytest.raises(TransportUnavailableError):
            transport.publish("a", b"")
    finally:
        transport.close()


def test_a_connection_that_breaks_is_not_ready_and_says_so() -> None:
    with linked() as (transport, peer):
        peer.packet()
        peer.socket.sendall(CONNACK)
        _, body = peer.packet()
        peer.socket.sendall(b"\x90\x04" + body[:2] + b"\x01\x01")
        assert transport.wait_ready(PATIENCE_S)
        peer.socket.close()
        assert "broke" in until_fault(transport)
        assert not transport.ready()


def test_an_address_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(TransportUnavailableError, match="no broker can be"):
        MqttTransport(settings(1, host=""))
    with pytest.raises(TransportUnavailableError, match="no broker can be"):
        MqttTransport(settings(0))


def test_an_answer_above_the_limit_is_a_defect() -> None:
    with listening() as (_, port):
        transport = MqttTransport(settings(port, version=MqttVersion.V5))
        try:
            with pytest.raises(ValueError, match="65536"):
                transport.publish("a", bytes(65_537))
        finally:
            transport.close()


def test_closing_ends_the_thread() -> None:
    before = threading.active_count()
    with listening() as (_, port):
        transport = MqttTransport(settings(port))
        transport.close()
    assert threading.active_count() == before


def test_answers_do_not_wait_until_the_broker_has_acknowledged_earlier_ones() -> None:
    # Under a limit, paho walks through every unacknowledged answer at each acknowledgement.
    answers = 4200
    with linked() as (transport, peer):
        peer.packet()
        peer.socket.sendall(CONNACK)
        _, body = peer.packet()
        peer.socket.sendall(b"\x90\x04" + body[:2] + b"\x01\x01")
        assert transport.wait_ready(PATIENCE_S)
        for number in range(answers):
            transport.publish("a", str(number).encode())
        received = [peer.packet() for _ in range(answers)]
    assert {kind for kind, _ in received} == {0x32}
    assert [body[5:] for _, body in received] == [str(number).encode() for number in range(answers)]
