"""The console's gates, alerts and holds, and every page of what a discom must do: causes named, no dead link, all escaped."""

import re
from dataclasses import replace

import httpx
import pytest

from headend.duties.alerts import AlertKind, Trouble, changes
from headend.duties.holds import HoldKind
from headend.store.sqlite import alert_rows, hold_rows
from headend.trading.posting import PostingState
from headend.web import console_duty
from signing.interval import ist_text
from signing.statements.window_actual import Status
from tests.headend.discom import LATER, METER
from tests.headend.web.settled import GATE, act, alert, hold, noticed, put, say, trade, validate
from tests.headend.web.test_console import Page, every_page, table_headers_have_scope
from tests.headend.web.world import PENDING_SUBJECT, Served, Story

EVIL = '"><script>alert(1)</script>'
PAGES = [
    "/console/gates",
    "/console/alerts",
    "/console/holds",
    "/console/outcomes",
    "/console/notices",
    "/console/p2p",
    f"/console/meters/{METER}/days",
    f"/console/meters/{METER}/days/2026-04-26",
]


async def test_everything_at_once_has_no_dead_link_and_no_broken_page(story: Story, console: httpx.AsyncClient) -> None:
    served = story.served
    validate(served)
    say(served, trade("t-1"), trade("t-2", PENDING_SUBJECT.window, pulled_wh=None))
    noticed(served, "r-1")
    for kind in HoldKind:
        hold(served, kind)
    act(served)
    alert(served, "gw-1")
    served.post(story.pending, PostingState.HELD)
    pages = dict(await every_page(console))
    wanted = {"/console/gates", "/console/alerts", "/console/holds", "/console/outcomes", "/console/notices"}
    assert {*wanted, "/console/p2p", f"/console/meters/{METER}/days"} <= pages.keys()
    assert f"/console/meters/{METER}/days/2026-04-26" in pages
    for path, answer in pages.items():
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            page = Page(answer.text)
            assert "script" not in page.tags
            assert page.tags.count("h1") == 1, path
            assert table_headers_have_scope(answer.text), path
            assert answer.headers["cache-control"] == "no-store"


async def test_a_head_end_that_knows_nothing_says_so_on_every_page(served: Served, console: httpx.AsyncClient) -> None:
    served.found()
    for path in PAGES:
        answer = await console.get(path)
        assert answer.status_code == 200, path
        page = Page(answer.text)
        assert page.tags.count("h1") == 1
        assert (
            "None" in answer.text
            or "No traded window" in answer.text
            or "Not validated" in answer.text
            or (path == "/console/p2p")
        )


MISSING = [
    "/console/holds/1",
    "/console/holds/x",
    "/console/gates?after=-1",
    "/console/alerts?after=x",
    "/console/outcomes?after=-1",
    "/console/outcomes/0/statement",
    "/console/outcomes/999/statement",
    "/console/notices?after=x",
    "/console/p2p?posted_as=X&start=yesterday",
    "/console/p2p?posted_as=X&start=2026-04-26T10:00&end=2026-04-26T10:00",
    "/console/p2p?posted_as=X&start=2026-04-26T10:00&end=2026-06-26T10:00",
    "/console/meters/none/days",
    "/console/meters/none/days/2026-04-26",
    f"/console/meters/{METER}/days/2026-02-30",
    f"/console/meters/{METER}/days/yesterday",
    f"/console/meters/{METER}/days/2026-04-26?revision=0",
    f"/console/meters/{METER}/days?after=x",
]


@pytest.mark.parametrize("path", MISSING)
async def test_what_is_not_there_is_a_page_with_a_remedy(served: Served, console: httpx.AsyncClient, path: str) -> None:
    served.found()
    answer = await console.get(path)
    assert answer.status_code in {404, 422}
    assert "What to do:" in answer.text
    assert Page(answer.text).tags.count("h1") == 1


# gates


async def test_gates_show_each_window_that_is_not_ready_with_its_cause_and_its_blocks(
    story: Story, console: httpx.AsyncClient
) -> None:
    served = story.served
    put(served, trade("a"), trade("b", PENDING_SUBJECT.window), trade("c", seller_id="NOBODY"))
    served.log(replace(story.second.statement, status=Status.FINAL, revision=2, supersedes=story.second.digest))
    served.clock.at = GATE - 60
    text = (await console.get("/console/gates")).text
    row = re.search(rf"<tr><th[^>]*>{re.escape(ist_text(GATE))}</th>(.*?)</tr>", text)
    assert row is not None
    assert re.findall(r">(\d+)<", row[1]) == ["1", "0", "1", "1"]
    assert f'<a href="/console/windows/{story.pending.digest.hex()}/blocks">4 of 8</a>' in text
    for word in ("4 of 8 blocks missing", "no connection point has this id at the ledger", "nothing but final figures"):
        assert word in text


async def test_gates_have_pages(served: Served, console: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_duty, "_PAGE", 1)
    put(served, trade("a", seller_id="ONE"), trade("b", seller_id="TWO"))
    served.clock.at = GATE - 60
    first, second = [(await console.get(f"/console/gates?after={after}")).text for after in (0, 1)]
    assert (">ONE<" in first, ">TWO<" in first, "Next page" in first) == (True, False, True)
    assert (">ONE<" in second, ">TWO<" in second, "Next page" in second) == (False, True, False)


# alerts and holds


async def test_alerts_lead_to_where_the_trouble_is_seen(served: Served, console: httpx.AsyncClient) -> None:
    with served.headend.database.transaction() as connection:
        found = [Trouble(kind=kind, about=f"about {kind.value}", text="see there") for kind in AlertKind]
        alert_rows.apply(connection, changes((), found), at_utc=LATER)
    text = (await console.get("/console/alerts")).text
    links = dict(re.findall(r'<a href="(/console/[a-z0-9]+)">about ([A-Z_]+)</a>', text))
    assert set(links) == {
        "/console/gates",
        "/console/meters",
        "/console/postings",
        "/console/trades",
        "/console/intake",
    }
    assert text.count(">OPEN<") == len(AlertKind)
    overview = (await console.get("/console/")).text
    assert f'<a href="/console/alerts">Open alerts</a></dt><dd>{len(AlertKind)}</dd>' in overview


async def test_an_alert_that_is_over_says_since_when(served: Served, console: httpx.AsyncClient) -> None:
    alert(served, ended=alert(served, "gw-1"))
    text = (await console.get("/console/alerts")).text
    assert ">OVER<" in text
    assert "it is still there" not in text


async def test_lists_of_alerts_holds_and_acts_have_pages(
    served: Served, console: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_duty, "_PAGE", 1)
    alert(served, "gw-1", "gw-2")
    for _ in range(2):
        hold(served)
        act(served)
    alerts = (await console.get("/console/alerts")).text
    assert (">gw-2<" in alerts, ">gw-1<" in alerts, 'href="/console/alerts?after=2"' in alerts) == (True, False, True)
    assert ">gw-1<" in (await console.get("/console/alerts?after=2")).text
    holds = (await console.get("/console/holds")).text
    assert 'href="/console/holds?after=2"' in holds
    assert 'href="/console/holds?acts_after=2#acts"' in holds
    rest = (await console.get("/console/holds?after=2&acts_after=2")).text
    assert ("Next page" in rest, "Earlier acts" in rest) == (False, False)


async def test_a_held_posting_leads_to_its_hold_and_the_hold_to_its_postings(
    story: Story, console: httpx.AsyncClient
) -> None:
    served = story.served
    dispute = hold(served, HoldKind.DISPUTE)
    record = served.post(story.second, PostingState.HELD, note=f"disputed (hold {dispute})")
    served.post(story.pending, PostingState.HELD)
    hold(served)
    link = f'<a href="/console/holds/{dispute}">hold {dispute}</a>'
    for path in ("/console/", "/console/postings", f"/console/windows/{story.second.digest.hex()}"):
        text = (await console.get(path)).text
        # The other window is no matter of this dispute.
        assert text.count(link) == 1, path
    page = (await console.get(f"/console/holds/{dispute}")).text
    assert f'href="/console/windows/{record.actual.hex()}"' in page
    assert story.pending.digest.hex() not in page
    for word in ("TPDDL, case 7", "meter opened", "it holds", "asha"):
        assert word in page


async def test_a_hold_that_ended_says_how_and_holds_nothing(story: Story, console: httpx.AsyncClient) -> None:
    served = story.served
    number = hold(served)
    served.post(story.second, PostingState.HELD)
    with served.headend.database.transaction() as connection:
        hold_rows.close_hold(connection, number, by="ravi", outcome="figure kept", at_utc=LATER)
    page = (await console.get(f"/console/holds/{number}")).text
    assert "by ravi: figure kept" in page
    assert story.second.digest.hex() not in page
    assert f'href="/console/holds/{number}"' not in (await console.get("/console/postings")).text


async def test_a_stand_down_is_called_out_on_the_overview_until_it_ends(
    served: Served, console: httpx.AsyncClient
) -> None:
    hold(served)
    assert "Nothing is posted" not in (await console.get("/console/")).text
    number = hold(served, HoldKind.STAND_DOWN)
    assert f'Nothing is posted: <a href="/console/holds/{number}">' in (await console.get("/console/")).text
    with served.headend.database.transaction() as connection:
        hold_rows.close_hold(connection, number, by="ravi", outcome="", at_utc=LATER)
    assert "Nothing is posted" not in (await console.get("/console/")).text


async def test_what_strangers_said_is_escaped_on_these_pages_too(served: Served, console: httpx.AsyncClient) -> None:
    served.found()
    say(served, trade(EVIL[:100], seller_id=EVIL))
    noticed(served, EVIL, text=EVIL)
    alert(served, EVIL)
    served.clock.at = GATE - 60
    shown = 0
    for path in (*PAGES, f"/console/p2p?posted_as={EVIL}"):
        text = (await console.get(path)).text
        assert "<script" not in text, path
        shown += "&lt;script&gt;" in text
    assert shown >= 5


async def test_a_held_recording_leads_to_its_hold_and_the_hold_to_it(story: Story, console: httpx.AsyncClient) -> None:
    served = story.served
    dispute = hold(served, HoldKind.DISPUTE)
    record = served.say(story.second, PostingState.HELD)
    served.say(story.pending, PostingState.HELD)
    hold(served)
    link = f'<a href="/console/holds/{dispute}">hold {dispute}</a>'
    for path in ("/console/", "/console/postings", f"/console/windows/{story.second.digest.hex()}"):
        assert (await console.get(path)).text.count(link) == 1, path
    page = (await console.get(f"/console/holds/{dispute}")).text
    assert f'href="/console/windows/{record.actual.hex()}"' in page
    assert story.pending.digest.hex() not in page
