"""A founded head-end and its command line."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headend import cli
from tests.headend.founded import Installation, free_port, installation
from tests.headend.premises import Gateway, gateway
from tests.ledger_client.rehearsal import Rehearsal, kept_right, running

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Logging as it was: a program configures it for the whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Rehearsal]:
    """The sandbox exchange, at the real time."""
    directory = tmp_path / "exchange"
    directory.mkdir()
    with running(directory) as found, kept_right(found.clock):
        yield found


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
    """Runs one verb; gives its exit code and what it wrote."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        verb, *rest = map(str, words)
        try:
            code = cli.main([verb, "--config", str(founded.file), *rest])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run
