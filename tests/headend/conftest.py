from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.headend.premises import Headend


@pytest.fixture
def headend(tmp_path: Path) -> Iterator[Headend]:
    one = Headend(tmp_path)
    yield one
    one.close()
