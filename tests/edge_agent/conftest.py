"""What the agent's tests start from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.outbox.outbox import Outbox
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import Gateway


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
