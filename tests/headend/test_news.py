"""What a reader is told of what was logged or stored since it looked last."""

import pytest

from headend.duties.doubts import Doubt
from headend.errors import StoreUnavailableError
from headend.news import News
from headend.onboarding.known import Registry
from headend.store.sqlite import doubt_rows
from signing.interval import Interval
from signing.statements.window_actual import Verdict
from tests.headend.discom import LATER, METER, SUBJECT, attestor, stated
from tests.headend.premises import DAY, Gateway, Headend, gateway
from tests.headend.two_persons import edited, register


@pytest.fixture
def premises(headend: Headend, premises: Gateway) -> Gateway:
    """With a day of blocks and two operators."""
    register(headend)
    headend.take_in(stated(premises, 0, (100, 110, 90, 100) * 24))
    return premises


def of_meters(news: News, registry: Registry) -> set[str]:
    with news.of_meters(registry) as found:
        return set(found)


def doubt(headend: Headend) -> None:
    found = Doubt(rule="V32", version=1, from_utc=DAY, until_utc=DAY + 900, verdict=Verdict.SUSPECT, because="x")
    with headend.database.transaction() as connection:
        doubt_rows.replace(connection, METER, "V32", [found], at_utc=LATER)


def test_after_a_start_nothing_is_news(headend: Headend, premises: Gateway) -> None:
    doubt(headend)
    edited(headend, {DAY: (500, 5)})
    attestor(headend).attest([SUBJECT], at_utc=LATER)
    news = News(headend.database)
    assert (of_meters(news, headend.registry), news.edits(), news.said()) == (set(), (), ())


def test_a_record_is_news_once_and_known_by_then(headend: Headend, premises: Gateway) -> None:
    news, registry = News(headend.database), Registry(headend.database)
    headend.enrol(gateway(2, ("SKS00000002",)))
    assert registry.meter("SKS00000002") is None
    registry.reload()
    with news.of_meters(registry) as found:
        assert found == {"SKS00000002"}
        assert registry.meter("SKS00000002") is not None
    assert of_meters(news, registry) == set()


def test_a_doubt_is_news_once(headend: Headend, premises: Gateway) -> None:
    news = News(headend.database)
    doubt(headend)
    assert of_meters(news, headend.registry) == {METER}
    assert of_meters(news, headend.registry) == set()


def test_what_nobody_came_to_act_on_stays_news(headend: Headend, premises: Gateway) -> None:
    news = News(headend.database)
    doubt(headend)
    headend.enrol(gateway(2, ("SKS00000002",)))
    with pytest.raises(StoreUnavailableError), news.of_meters(headend.registry):
        raise StoreUnavailableError("busy")
    assert of_meters(news, headend.registry) == {METER, "SKS00000002"}


def test_a_record_that_comes_while_the_registry_is_read_is_news_of_the_next_look(
    headend: Headend, premises: Gateway
) -> None:
    coming = [gateway(2, ("SKS00000002",))]

    class Interrupted(Registry):
        """Another program enrols a meter just before it is read."""

        def refresh(self) -> None:
            while coming and known:
                headend.enrol(coming.pop())
            super().refresh()

    known: list[Registry] = []
    registry = Interrupted(headend.database)
    known.append(registry)
    news = News(headend.database)
    assert of_meters(news, registry) == set()
    assert coming == []
    assert of_meters(news, registry) == {"SKS00000002"}


def test_edits_and_actuals_are_given_once_in_the_order_of_the_log(headend: Headend, premises: Gateway) -> None:
    news = News(headend.database)
    edited(headend, {DAY + 900: (500, 5)})
    edited(headend, {DAY: (400, 5)})
    attestor(headend).attest([SUBJECT], at_utc=LATER)
    assert news.edits() == ((METER, Interval(DAY + 900, DAY + 1800)), (METER, Interval(DAY, DAY + 900)))
    assert news.said() == ((SUBJECT.posted_as, SUBJECT.window),)
    assert (news.edits(), news.said()) == ((), ())
