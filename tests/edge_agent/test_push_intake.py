"""Pushes at work: what is announced, what is told, what is counted, and that no stranger writes the log."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from edge_agent import push_intake
from edge_agent.outbox.errors import StateError
from edge_agent.push_desk import Refusal, Sender
from edge_agent.push_intake import PushIntake, Tally
from edge_agent.push_settings import Address, MeterPush, Plain, PushSettings
from edge_agent.readers.access import MeterKeys
from edge_agent.readers.dlms.security import Secret
from tests.edge_agent.pushes import AK, ALERT, EK, TITLE, frame, plain, sealed


class Vault:
    """The keys of one meter, and a disk that a test takes away."""

    def __init__(self) -> None:
        self.heard = -1
        self.is_gone = False

    def unlock(self, _: str) -> MeterKeys:
        return MeterKeys(encryption=Secret(EK), authentication=Secret(AK))

    def hear(self, _: str, title: bytes, counter: int) -> bool:
        assert title == TITLE
        if self.is_gone:
            raise StateError("the disk is gone")
        is_new, self.heard = counter > self.heard, max(self.heard, counter)
        return is_new


class Bench:
    """An intake on a free port."""

    def __init__(self) -> None:
        self.vault = Vault()
        self.announced: list[str] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.intake = PushIntake(
            PushSettings(tcp=Address(host="127.0.0.1", port=self.port)),
            (
                Sender(meter="M1", serial="SERIAL1", push=MeterPush(title=TITLE, keys="store:M1")),
                Sender(meter="M2", serial="SERIAL2", push=MeterPush(plain=Plain.HINT)),
            ),
            self.vault,
            now_s=lambda: 1000.0,
            announce=lambda heard: self.announced.append(heard.meter),
        )

    async def hear(self, *apdus: bytes) -> None:
        """Pushes one after the other, each on a connection of its own, and handles them."""
        for apdu in apdus:
            assert await self.intake.open() is not None
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(frame(apdu))
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            async with asyncio.timeout(10):
                await self.intake.step()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.intake.close()


async def test_pushes_are_announced_counted_and_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sakshi"):
        good = sealed(plain(), 5)
        await bench.hear(
            good, good, sealed(plain(setup=ALERT, bit=85), 6), plain(b"SERIAL2"), plain(b"SERIAL1"), b"\xff"
        )
    assert bench.announced == ["M1", "M1", "M2"]
    assert dict(bench.intake.refusals) == {Refusal.REPLAYED: 1, Refusal.PLAIN: 1, Refusal.MALFORMED: 1}
    told = [(record.levelname, record.message) for record in caplog.records]
    assert told == [
        ("INFO", "listening for pushes"),
        ("INFO", "meter pushed"),
        ("ERROR", "push refused"),
        ("WARNING", "meter alert"),
        ("INFO", "meter pushed"),
        ("WARNING", "push refused"),
        ("WARNING", "push refused"),
    ]
    alert = caplog.records[3].journal_fields  # type: ignore[attr-defined]  # put there by `journal.fields`
    assert alert == {"meter": "M1", "push": "alert", "verified": "yes", "events": "last gasp"}


async def test_no_stranger_fills_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sakshi"):
        await bench.hear(*[plain(b"SERIAL2", ALERT, 85)] * 3, *[sealed(plain(), 5, key=bytes(16))] * 3)
    assert bench.announced == ["M2"]
    assert bench.intake.refusals[Refusal.FORGED] == 3
    assert [record.message for record in caplog.records].count("push refused") == 1
    assert [record.message for record in caplog.records].count("meter pushed") == 1


def test_a_reason_is_told_at_once_and_then_seldom() -> None:
    tally = Tally()
    assert [tally.count(Refusal.SLOW, at) for at in (0.0, 0.0, 299.9, 300.0, 300.1)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert tally.count(Refusal.FORGED, 0.0)
    assert tally.counts == {Refusal.SLOW: 5, Refusal.FORGED: 1}


async def test_a_disk_that_is_gone_ends_it(bench: Bench) -> None:
    bench.vault.is_gone = True
    with pytest.raises(StateError):
        await bench.hear(sealed(plain(), 5))


async def test_an_address_that_cannot_be_had_is_told_and_tried_again(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_intake, "BIND_AGAIN_S", 0.0)
    with socket.socket() as taken, caplog.at_level(logging.ERROR, "sakshi"):
        taken.bind(("127.0.0.1", bench.port))
        taken.listen()
        await bench.intake.step()
    assert [record.message for record in caplog.records] == ["pushes not heard"]
    await bench.hear(sealed(plain(), 5))
    assert bench.announced == ["M1"]
