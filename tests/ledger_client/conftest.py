"""The running exchange as a fixture."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger_client.rehearsal import Rehearsal, running


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Rehearsal]:
    """A fresh exchange."""
    with running(tmp_path) as found:
        yield found
