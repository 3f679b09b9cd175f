"""The running exchange as a fixture; properties without a deadline, because the machine is shared."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.ledger_client.rehearsal import Rehearsal, running

settings.register_profile("ledger_client", deadline=None)
settings.load_profile("ledger_client")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Rehearsal]:
    """A fresh exchange."""
    with running(tmp_path) as found:
        yield found
