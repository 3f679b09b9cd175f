"""What the agent's tests start from."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.outbox.outbox import Outbox
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import Gateway


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command configures the log of its process; the tests' own stays."""
    logger = logging.getLogger("sakshi")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.fixture
def outbox(gateway: Gateway) -> Iterator[Outbox]:
    with gateway.open() as opened:
        yield opened


@pytest.fixture
def discom(tmp_path: Path) -> Discom:
    return Discom(tmp_path)
