"""Whatever the world publishes: numbered, counted, in words; nothing crashes, and what is genuine settles all the same."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from deploy.demo.processes import run, running
from signing.canonical import encode
from signing.envelope import sign
from signing.interval import DAY_S, ist_day_start
from signing.messages import DownKind, Receipts, SignedAnswer, Up, encode_down, parse_down
from signing.statements.answers import Disposition, Refusal
from signing.topics import GatewayAddress
from tests.headend.premises import Gateway, Message, p256
from tests.stories.stage import AGENT, BROKER, EXCHANGE, HEADEND, SIDE, Stage, until

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

PATIENCE_S = 30


class World:
    """Somebody at the broker who publishes anything and hears every answer."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="world")
        self._client.on_connect = lambda client, *_: client.subscribe("sakshi/1/+/+/down", qos=1) and None
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def send(self, gateway: Gateway, *messages: Message) -> None:
        for message in messages:
            self.publish(gateway.address.up, message.encoded())

    def receipted(self, topic: str) -> dict[bytes, int]:
        """Leaf index by digest of the receipts that came on a topic."""
        answers = [parse_down(payload) for heard, payload in self.heard if heard == topic]
        return {
            entry.digest: entry.index
            for answer in answers
            if isinstance(answer, Receipts)
            for entry in answer.inclusions
        }

    def refused(self, topic: str) -> list[int]:
        """Numbers of the refusals that came on a topic."""
        answers = [parse_down(payload) for heard, payload in self.heard if heard == topic]
        return [
            Refusal.parse(answer.envelope.payload).number
            for answer in answers
            if isinstance(answer, SignedAnswer) and answer.kind is DownKind.REFUSAL
        ]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def world(stage: Stage) -> Iterator[World]:
    found = World(stage.broker_port)
    try:
        yield found
    finally:
        found.close()


FLOOD = 300
ROGUE = Gateway("gw-rogue", p256(501), ("RGE0000001", "RGE0000002", "RGE0000003", "RGE0000004"))
FORKED, BROKEN, FROM_THE_FUTURE, UNSIGNED = ROGUE.meters
HONEST = Gateway("gw-honest", p256(502), ("HON0000001",))
STOLEN = Gateway("gw-stolen", p256(503), ("STL0000001",))
STRANGER = Gateway("gw-stranger", p256(504), ("STR0000001",))


def counted(stage: Stage) -> dict[str, int]:
    """Messages that were turned away, by the number of the check."""
    counts: dict[str, int] = stage.get("/v1/intake")["turned_away"]
    return counts


def make_noise(world: World) -> dict[str, int]:
    """Messages that prove nothing about their sender; what each counts as."""
    up = ROGUE.address.up
    message = ROGUE.after(None, UNSIGNED)
    payload = message.encoded()
    for garbage in (
        b"\xff\x00garbage",
        payload[:-1],
        payload + b"\x00",
        # The version as a two-byte integer: the same value, other bytes.
        payload[:1] + b"\x18\x01" + payload[2:],
        bytes(65_000),
    ):
        world.publish(up, garbage)
    world.publish("sakshi/1/0/nobody/up", b"\x84\x01")
    for place in range(FLOOD):
        world.publish(up, place.to_bytes(2, "big"))
    other = ROGUE.after(None, UNSIGNED, wh=99)
    world.publish(up, Up(message.envelope, other.opening.encoded(), 0).encoded())
    world.send(ROGUE, message.with_signature(bytes(64)))
    return {"1": 6 + FLOOD, "2": 1, "4": 1}


def overreach(world: World) -> dict[str, int]:
    """Authentic messages of keys that may not say this."""
    world.publish(ROGUE.address.up, STRANGER.next().encoded())
    world.send(ROGUE, ROGUE.after(None, HONEST.meters[0]))
    world.send(STOLEN, STOLEN.next())
    return {"3": 1, "5": 1, "6": 1}


def quarrel(world: World) -> dict[str, int]:
    """Histories that cannot both be true: a sequence with three digests, a gap, a wrong link, blocks of next month."""
    first = ROGUE.next(FORKED)
    for message in (first, ROGUE.after(None, FORKED, wh=11), ROGUE.after(None, FORKED, wh=12)):
        world.send(ROGUE, message)
    chain = [ROGUE.next(BROKEN) for _ in range(4)]
    world.send(ROGUE, chain[0], chain[1], chain[3])
    world.send(ROGUE, ROGUE.next(BROKEN, previous=bytes(32)))
    late = ROGUE.next(FROM_THE_FUTURE).batch.start_utc
    future = ist_day_start(late) + 400 * DAY_S
    world.send(ROGUE, ROGUE.after(None, FROM_THE_FUTURE, start_utc=future))
    return {"7": 1}


def mislead(world: World) -> None:
    """Answers to the genuine agent that nobody gave."""
    topic = GatewayAddress(shard=0, gateway=SIDE.gateway).down
    forged = Refusal(
        kid=bytes(32),
        statement=bytes(32),
        message=bytes(32),
        number=5,
        reason="throw everything away",
        disposition=Disposition.PARK,
        tree_size=10**6,
    )
    envelope = sign(forged, STRANGER.signer).envelope
    for payload in (
        b"garbage",
        encode([1, 0, b"pavvnl.example/sakshi/0\n9\n", 0, [], [[bytes(32), 0, []]]]),
        encode_down(SignedAnswer(kind=DownKind.REFUSAL, envelope=envelope)),
    ):
        world.publish(topic, payload)


def require_own_topic(stage: Stage, world: World) -> None:
    """A batch on another gateway's topic is answered to whom it belongs; sent again, it gets the same leaf."""
    message = HONEST.next()
    world.publish(ROGUE.address.up, message.encoded())
    until("it is receipted", lambda: message.digest in world.receipted(HONEST.address.down))
    assert message.digest not in world.receipted(ROGUE.address.down)
    before = stage.rows("SELECT count(*) FROM batches")
    leaf = world.receipted(HONEST.address.down)[message.digest]
    world.heard.clear()
    world.send(HONEST, message)
    until("it is receipted again", lambda: world.receipted(HONEST.address.down) == {message.digest: leaf})
    assert stage.rows("SELECT count(*) FROM batches") == before


def test_bad_input_is_counted_by_number_and_what_is_genuine_settles_behind_it(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with running(tmp_path / "logs") as processes:
        stage = Stage(tmp_path, processes)
        stage.prepare()
        for name in (BROKER, EXCHANGE, HEADEND):
            stage.start(name)
        stage.put()
        for gateway in (ROGUE, HONEST, STOLEN):
            stage.enrol(gateway, connection_point=f"CP-{gateway.name}")
        run([*stage.headend("key", "revoke"), "--meter", STOLEN.meters[0], "--kid", STOLEN.kid.hex(), "--apply"])
        until("the broker is there", stage.works)
        with world(stage) as somebody:
            expected = make_noise(somebody) | overreach(somebody) | quarrel(somebody)
            until("everything is counted", lambda: counted(stage) == expected)
            until("refusals are answered", lambda: sorted(somebody.refused(ROGUE.address.down)) == [3, 5, 7])
            assert somebody.refused(STOLEN.address.down) == [6]
            intake = stage.get("/v1/intake")
            assert (intake["open_gaps"], intake["forks"]) == (1, 2)
            assert {str(sample["check"]) for sample in intake["samples"]} | {"1"} == set(expected)
            assert all(sample["reason"] for sample in intake["samples"])
            # A late batch that fits fills its gap.
            somebody.send(ROGUE, ROGUE.chains[BROKEN][2])
            until("the gap is filled", lambda: stage.get("/v1/intake")["open_gaps"] == 0)
            require_own_topic(stage, somebody)
            stage.start(AGENT)
            until("the agent listens", lambda: "broker connected" in processes.log(AGENT).read_text())
            mislead(somebody)
            until("the genuine window is posted", stage.is_confirmed)
            until("the genuine batches are receipted", lambda: stage.backlog() == [])
            until("forgeries are noticed", lambda: processes.log(AGENT).read_text().count("answer ignored") >= 3)
            assert counted(stage) == expected
        processes.check()
        assert stage.verify().startswith("VALID\n")
        assert "Traceback" not in processes.log(HEADEND).read_text() + processes.log(AGENT).read_text()
