"""An exchange shared by tests whose every request is refused."""

from collections.abc import Iterator

import pytest

from tests.ledger_client.rehearsal import (
    Rehearsal,
    running,
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One exchange for the tests whose every request is refused: it stays empty."""
    with running(tmp_path_factory.mktemp("empty")) as found:
        yield found
