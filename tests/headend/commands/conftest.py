"""A founded head-end and its command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headend import cli
from tests.headend.founded import Installation, free_port, installation
from tests.headend.premises import Gateway, gateway
from tests.ledger_client.rehearsal import Rehearsal, kept_right


class Command:
    """Runs verbs of one head-end; gives each one's exit code and what it wrote."""

    def __init__(self, installed: Installation, capsys: pytest.CaptureFixture[str]) -> None:
        self._file = installed.file
        self._capsys = capsys

    def __call__(self, *words: object) -> tuple[int, str, str]:
        verb, *rest = map(str, words)
        try:
            code = cli.main([verb, "--config", str(self._file), *rest])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err


@pytest.fixture
def exchange(exchange: Rehearsal) -> Iterator[Rehearsal]:
    """At the real time, which whole programs sign by."""
    with kept_right(exchange.clock):
        yield exchange


@pytest.fixture
def founded(tmp_path: Path) -> Installation:
    """A head-end whose broker and ledger nobody runs."""
    found = installation(tmp_path, broker_port=free_port(), ledger=f"127.0.0.1:{free_port()}")
    found.found()
    return found


@pytest.fixture
def enrolled(founded: Installation) -> Gateway:
    """A gateway that speaks for one meter."""
    one = gateway()
    founded.enrol(one)
    return one


@pytest.fixture
def command(founded: Installation, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(founded, capsys)
