"""What the agent's tests start from."""

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.outbox.outbox import Outbox
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import Gateway
from tests.system import require


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


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two ports of this machine with a line between them, until socat ends."""
    ends = tmp_path / "meter", tmp_path / "gateway"
    command = [require("socat"), "-d", "-d", *(f"pty,raw,echo=0,link={end}" for end in ends)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as socat:
        assert socat.stderr is not None
        for line in socat.stderr:
            if "starting data transfer loop" in line:
                break
        try:
            yield ends
        finally:
            socat.terminate()
