"""The console's outcomes, notices and look-ups: each figure leads to what was signed."""

import re
from dataclasses import replace

import httpx
import pytest

from headend.store.sqlite import postings
from headend.trading.posting import PostingState
from headend.trading.trades import own_sides
from headend.web import console_settling
from signing.interval import Interval
from tests.headend.discom import LATER, SUBJECT
from tests.headend.web.settled import noticed, put, say, trade
from tests.headend.web.world import Served, Story


async def test_an_outcome_leads_to_its_signed_bytes_and_to_its_evidence(
    story: Story, console: httpx.AsyncClient
) -> None:
    served = story.served
    one = trade("t-1")
    (own,) = own_sides([one], "PaVVNL")
    with served.headend.database.transaction() as connection:
        record = replace(
            postings.postings_of(connection, own.delivery)[-1], state=PostingState.CONFIRMED, actual=story.second.digest
        )
        postings.put_posting(connection, record)
    (signed,) = say(served, one)
    text = (await console.get("/console/outcomes")).text
    statement = re.search(r'<a href="(/console/outcomes/\d+/statement)"><strong>5\.500</strong></a>', text)
    assert statement is not None
    assert f'<a href="/console/windows/{story.second.digest.hex()}">6.000</a>' in text
    answer = await console.get(statement[1])
    assert answer.content == signed.envelope.encoded()
    assert answer.headers["content-disposition"].startswith('attachment; filename="outcome-')


async def test_outcomes_and_notices_have_pages_latest_first(
    served: Served, console: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_settling, "_PAGE", 1)
    served.found()
    say(served, trade("t-1"))
    say(served, trade("t-2"))
    noticed(served, "r-1", "r-2")
    first = (await console.get("/console/outcomes")).text
    assert (">t-2<" in first, ">t-1<" in first.split("Latest notices")[0]) == (True, False)
    following = re.search(r'href="(/console/outcomes\?after=\d+)">Next', first)
    assert following is not None
    assert ">t-1<" in (await console.get(following[1])).text
    notices = (await console.get("/console/notices")).text
    assert ("clearing, r-2" in notices, "clearing, r-1" in notices) == (True, False)
    assert "clearing, r-1" in (await console.get("/console/notices?after=2")).text


async def test_a_look_up_says_whether_a_slot_is_traded_and_shows_the_evidence(
    story: Story, console: httpx.AsyncClient
) -> None:
    put(story.served, trade("t-1"))
    query = {"posted_as": SUBJECT.posted_as, "start": "2026-04-26T10:00", "end": "2026-04-26T12:00"}
    text = (await console.get("/console/p2p", params=query)).text
    assert "Traded: what these trades settle" in text
    assert f'href="/console/windows/{story.second.digest.hex()}"' in text
    before = (
        await console.get("/console/p2p", params=query | {"start": "2026-04-26T09:00", "end": "2026-04-26T10:00"})
    ).text
    assert "No trade of" in before
    assert "t-1" not in before


async def test_a_look_up_of_an_id_that_names_no_place_does_not_say_that_there_is_no_trade(
    story: Story, console: httpx.AsyncClient
) -> None:
    put(story.served, trade("t-1"))
    query = {"posted_as": "OTHERWISE", "start": "2026-04-26T10:00", "end": "2026-04-26T12:00"}
    text = (await console.get("/console/p2p", params=query)).text
    assert "No connection point is posted as OTHERWISE" in text
    assert "No trade of" not in text


async def test_a_look_up_without_a_time_is_about_today(served: Served, console: httpx.AsyncClient) -> None:
    put(served, trade("t-1", Interval(LATER + 3600, LATER + 7200)))
    text = (await console.get("/console/p2p", params={"posted_as": SUBJECT.posted_as})).text
    assert ">t-1<" in text


async def test_an_outcome_is_not_shown_before_it_is_published(served: Served, console: httpx.AsyncClient) -> None:
    served.found()
    checkpoint = served.headend.folder / "checkpoint-0"
    before = checkpoint.read_bytes()
    say(served, trade("t-1"))
    index = served.headend.book.size(0) - 1
    assert (await console.get(f"/console/outcomes/{index}/statement")).status_code == 200
    checkpoint.write_bytes(before)
    assert (await console.get(f"/console/outcomes/{index}/statement")).status_code == 404
    assert ">t-1<" not in (await console.get("/console/outcomes")).text
