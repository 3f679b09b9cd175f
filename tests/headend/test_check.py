"""Checking the broker: what a broker may answer. The whole command is tested with the others."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headend.check import Finding, check
from tests.headend.founded import free_port, installation
from tests.ledger_client.rehearsal import NOW as RIGHT
from tests.ledger_client.rehearsal import running

NOW = 1_777_200_000
CONNACK_OK, CONNACK_REFUSED = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"
SUBACK = {"granted": b"\x90\x03\x00\x01\x01", "qos 0": b"\x90\x03\x00\x01\x00", "refused": b"\x90\x03\x00\x01\x80"}


@contextmanager
def answering(*answers: bytes | None) -> Iterator[int]:
    """A peer that answers each packet with the next of `answers`; None hangs up, and after the last it is silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            try:
                link, _ = server.accept()
            except OSError:
                return
            with link:
                link.settimeout(0.1)
                left = list(answers)
                while not ended.is_set():
                    try:
                        if not link.recv(4096):
                            return
                    except TimeoutError:
                        continue
                    except OSError:
                        return
                    if left:
                        answer = left.pop(0)
                        if answer is None:
                            return
                        link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            server.close()
            thread.join()


def broker_finding(folder: Path, port: int) -> Finding:
    installed = installation(folder, broker_port=port, ledger=f"127.0.0.1:{free_port()}")
    findings = check(installed.config, lambda: NOW, patience_s=0.5)
    return next(finding for finding in findings if finding.what.startswith("broker"))


def test_a_broker_that_grants_every_shard_is_good(tmp_path: Path) -> None:
    with answering(CONNACK_OK, SUBACK["granted"]) as port:
        finding = broker_finding(tmp_path, port)
    assert (finding.is_good, finding.text) == (True, "connected, 1 shard(s) granted")


@pytest.mark.parametrize(
    ("answers", "remedy"),
    [
        ((CONNACK_REFUSED,), "refuses this client .*: check its user and password"),
        ((CONNACK_OK, SUBACK["qos 0"]), "does not grant the shards with QoS 1: check its access list"),
        ((CONNACK_OK, SUBACK["refused"]), "does not grant the shards with QoS 1: check its access list"),
        ((CONNACK_OK,), "no answer from the broker"),
        ((), "no answer from the broker"),
        ((None,), "correct the address if it is no MQTT broker"),
    ],
)
def test_a_broker_that_does_not_is_named_with_the_remedy(
    tmp_path: Path, answers: tuple[bytes | None, ...], remedy: str
) -> None:
    with answering(*answers) as port:
        finding = broker_finding(tmp_path, port)
    assert not finding.is_good
    assert re.search(remedy, finding.text), finding.text


@pytest.mark.parametrize(("off", "words"), [(0, "the clocks agree"), (10, "at least 9 s ahead"), (-10, "10 s behind")])
def test_the_clock_is_compared_with_the_ledgers(tmp_path: Path, off: int, words: str) -> None:
    state = tmp_path / "exchange"
    state.mkdir()
    with running(state) as exchange:
        installed = installation(tmp_path, broker_port=free_port(), ledger=exchange.address)
        installed.found()
        findings = check(installed.config, lambda: RIGHT + off, patience_s=5)
    finding = next(finding for finding in findings if finding.what.startswith("ledger"))
    assert finding.is_good is (off == 0)
    assert words in finding.text
