"""What most tests of the head-end start from."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.headend.discom import log_rules
from tests.headend.premises import Gateway, Headend, gateway
from tests.headend.settling import Settling
from tests.ledger_client.rehearsal import Rehearsal, running


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Logging as it was: a program configures it for the whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def headend(tmp_path: Path) -> Iterator[Headend]:
    one = Headend(tmp_path)
    yield one
    one.close()


@pytest.fixture
def premises(headend: Headend) -> Gateway:
    """One enrolled gateway, and rules in the log."""
    one = gateway()
    log_rules(headend)
    headend.enrol(one)
    return one


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Rehearsal]:
    """The sandbox exchange in a folder of its own; its clock is set by hand."""
    directory = tmp_path / "exchange"
    directory.mkdir()
    with running(directory) as found:
        yield found


@pytest.fixture
def settling(headend: Headend, exchange: Rehearsal) -> Iterator[Settling]:
    """A head-end that settles at `exchange`."""
    found = Settling(headend, exchange)
    yield found
    found.close()
