from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from headend.tokens import Scope
from signing.interval import DAY_S
from tests.headend.discom import LATER
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


@pytest.fixture
async def console(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Asha at the console; the clock may be set a day back."""
    served.clock.at = LATER - DAY_S
    secret = served.token(Scope.CONSOLE, name="asha", life_s=2 * DAY_S)
    served.clock.at = LATER
    async with served.client(secret) as client:
        yield client
