import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config import BrokerSettings, Protocol
from edge_agent.mqtt import Credentials, Link, Purpose
from edge_agent.steps import Arrived, LinkDown, LinkUp
from signing.messages import Receipts, Up, parse_down
from signing.topics import MAX_MESSAGE, GatewayAddress
from tests.edge_agent.broker import PATIENCE_S, AnsweringDiscom, broker
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import Gateway, draft

ADDRESS = GatewayAddress(shard=0, gateway="gw1")


def settings(port: int, protocol: Protocol = Protocol.MQTT_3_1_1) -> BrokerSettings:
    return BrokerSettings(
        host="127.0.0.1",
        port=port,
        protocol=protocol,
        username=None,
        password=None,
        ca_file=None,
        certificate=None,
        certificate_key=None,
        keepalive_s=60,
    )


class Ears:
    def __init__(self) -> None:
        self.queue: asyncio.Queue[LinkUp | LinkDown | Arrived] = asyncio.Queue()

    async def next(self) -> LinkUp | LinkDown | Arrived:
        async with asyncio.timeout(PATIENCE_S):
            return await self.queue.get()


def link(broker_settings: BrokerSettings, ears: Ears, credentials: Credentials | None = None) -> Link:
    return Link(broker_settings, ADDRESS, Purpose.RUN, credentials, ears.queue.put_nowait)


async def test_a_broker_that_is_away_is_heard_once_and_never_raised() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        ears = Ears()
        one = link(settings(taken.getsockname()[1]), ears)
        await one.open()
        event = await ears.next()
        assert isinstance(event, LinkDown)
        assert "cannot connect to 127.0.0.1" in event.reason
        await one.close()
        await one.close()
        assert ears.queue.empty()


async def test_a_peer_that_hangs_up_is_a_broker_that_is_away() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        ears = Ears()
        one = link(settings(server.sockets[0].getsockname()[1]), ears)
        await one.open()
        assert isinstance(await ears.next(), LinkDown)
        await one.close()


async def answered_by(*answers: bytes, events: int = 1) -> LinkUp | LinkDown | Arrived:
    """What is heard, as the last of so many events, of a broker that gives `answers`, one to each thing it is sent, and then nothing."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(4096)
            writer.write(answer)
        await reader.read(4096)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        has_spoken.set()

    has_spoken = asyncio.Event()
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        ears = Ears()
        one = link(settings(server.sockets[0].getsockname()[1]), ears)
        await one.open()
        for _ in range(events):
            event = await ears.next()
        await one.close()
        await has_spoken.wait()
    return event


CONNACK, CONNACK_REFUSED = bytes.fromhex("20020000"), bytes.fromhex("20020005")
SUBACK, SUBACK_REFUSED = bytes.fromhex("9003000101"), bytes.fromhex("9003000180")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((CONNACK_REFUSED,), "the broker refused the connection: Not authorized"),
        ((CONNACK, SUBACK_REFUSED), "the broker refused the subscription to sakshi/1/0/gw1/down"),
    ],
)
async def test_a_refused_connection_or_subscription_is_no_connection(answers: tuple[bytes, ...], words: str) -> None:
    event = await answered_by(*answers)
    assert isinstance(event, LinkDown)
    assert words in event.reason


async def test_a_connection_is_up_once_connection_and_subscription_are_granted() -> None:
    assert await answered_by(CONNACK, SUBACK) == LinkUp()


@pytest.mark.parametrize(("sent", "heard"), [(MAX_MESSAGE, MAX_MESSAGE), (3 * MAX_MESSAGE, MAX_MESSAGE + 1)])
async def test_of_an_answer_that_is_too_long_no_more_is_kept_than_shows_it(sent: int, heard: int) -> None:
    topic = ADDRESS.down.encode()
    publish = b"\x30" + _length(2 + len(topic) + sent) + len(topic).to_bytes(2, "big") + topic + bytes(sent)
    assert await answered_by(CONNACK, SUBACK + publish, events=2) == Arrived(bytes(heard))


def _length(count: int) -> bytes:
    """MQTT's remaining length: seven bits an octet, least significant first."""
    octets = b""
    while count >= 0x80:
        octets, count = octets + bytes([count & 0x7F | 0x80]), count >> 7
    return octets + bytes([count])


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Credentials(username="gw1", password="hunter2"))


EMBEDDED = pytest.param("embedded", marks=pytest.mark.slow)
MOSQUITTO = pytest.param("mosquitto", marks=[pytest.mark.system, pytest.mark.story])


@pytest.fixture(params=[EMBEDDED, MOSQUITTO])
def broker_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def port(broker_kind: str, tmp_path: Path) -> Iterator[int]:
    with broker(broker_kind, tmp_path) as at:
        yield at


@pytest.mark.parametrize(
    ("broker_kind", "protocol"),
    [
        pytest.param("embedded", Protocol.MQTT_3_1_1, marks=pytest.mark.slow),  # it speaks no MQTT 5
        pytest.param("mosquitto", Protocol.MQTT_3_1_1, marks=[pytest.mark.system, pytest.mark.story]),
        pytest.param("mosquitto", Protocol.MQTT_5, marks=[pytest.mark.system, pytest.mark.story]),
    ],
    indirect=["broker_kind"],
)
async def test_a_batch_goes_up_and_its_receipt_comes_down(
    port: int, protocol: Protocol, gateway: Gateway, discom: Discom
) -> None:
    head_end = AnsweringDiscom(discom, port)
    ears = Ears()
    one = link(settings(port, protocol), ears)
    try:
        await one.open()
        assert await ears.next() == LinkUp()
        with gateway.open() as outbox:
            gateway.put(outbox, draft(0))
            (pending,) = outbox.to_send(now_utc=0, limit=1, excluding=(), longest_delay_s=1)
        one.publish(Up(pending.envelope, pending.opening, 0).encoded())
        event = await ears.next()
        assert isinstance(event, Arrived)
        message = parse_down(event.payload)
        assert isinstance(message, Receipts)
        assert message.inclusions[0].digest == pending.digest
    finally:
        await one.close()
        head_end.close()


@pytest.mark.parametrize("broker_kind", [MOSQUITTO], indirect=True)  # the embedded one keeps no session
async def test_answers_wait_at_the_broker_while_the_gateway_is_away(port: int, discom: Discom) -> None:
    ears = Ears()
    first = link(settings(port), ears)
    await first.open()
    assert await ears.next() == LinkUp()
    await first.close()
    head_end = AnsweringDiscom(discom, port)
    head_end.say(b"while you were away")
    head_end.close()
    second = link(settings(port), ears)
    try:
        await second.open()
        heard = [await ears.next(), await ears.next()]
        assert Arrived(b"while you were away") in heard
    finally:
        await second.close()


async def test_a_broker_that_goes_is_heard(tmp_path: Path, broker_kind: str) -> None:
    ears = Ears()
    with broker(broker_kind, tmp_path) as at:
        one = link(settings(at), ears)
        await one.open()
        assert await ears.next() == LinkUp()
    assert isinstance(await ears.next(), LinkDown)
    await one.close()
