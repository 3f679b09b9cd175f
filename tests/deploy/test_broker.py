"""The demonstration's broker has its port for itself: where another program has it, the broker takes the next one."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo import broker, ports
from deploy.demo.broker import Broker
from deploy.demo.processes import DemoError, Processes, running
from tests.system import require

KINDS = [Broker.EMBEDDED, pytest.param(Broker.MOSQUITTO, marks=pytest.mark.system)]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as found:
        yield found


@pytest.fixture
def taken() -> Iterator[int]:
    """Another program's: it takes connections too, so that an answer alone proves nothing."""
    with socket.create_server((ports.HOST, 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_whose_port_was_taken_meanwhile_takes_another(
    kind: Broker, processes: Processes, tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind is Broker.MOSQUITTO:
        require("mosquitto")
    own = ports.reserve()
    given = iter([taken, own])
    monkeypatch.setattr(ports, "reserve", lambda: next(given))
    assert broker.start(processes, tmp_path, kind) == (kind, own)
    processes.check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_that_was_asked_for_and_is_taken_is_said(
    kind: Broker, processes: Processes, tmp_path: Path, taken: int
) -> None:
    if kind is Broker.MOSQUITTO:
        require("mosquitto")
    with pytest.raises(DemoError, match=rf"127\.0\.0\.1:{taken} is another program's"):
        broker.start(processes, tmp_path, kind, taken)


def test_a_broker_that_ends_for_another_reason_is_quoted(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"(?s)broker ended with exit code .*"):
        broker.start(processes, tmp_path, Broker.EMBEDDED, 70_000)
