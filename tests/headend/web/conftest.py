from collections.abc import Iterator

import pytest

from tests.headend.premises import Headend
from tests.headend.web.world import Served, Story, told


@pytest.fixture
def served(headend: Headend) -> Iterator[Served]:
    one = Served(headend)
    yield one
    one.close()


@pytest.fixture
def story(served: Served) -> Story:
    return told(served)
