"""The console's gates, alerts, holds, outcomes, notices, look-ups and days: causes named, numbers linked, nothing invented."""

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from headend.alerts import AlertKind, Trouble, changes
from headend.holds import HoldKind
from headend.outcomes import Notice, NoticeKind
from headend.posting import PostingState
from headend.store.sqlite import alert_rows, hold_rows, hunt_rows, outcome_rows, postings
from headend.tokens import Scope
from headend.trades import own_sides
from headend.web import console_days, console_duty, console_settling
from signing.interval import DAY_S, Interval, ist_text
from signing.statements.window_actual import Status
from tests.headend.discom import LATER, METER, SUBJECT, stated
from tests.headend.premises import DAY
from tests.headend.web.settled import act, alert, hold, put, say, trade, validate
from tests.headend.web.test_console import Page, every_page, table_headers_have_scope
from tests.headend.web.world import HOUR, PENDING_SUBJECT, Served, Story

GATE = DAY + DAY_S + 9 * 3600
FULL = HOUR * 24
REGISTERS = ((0, 1000), (24, 10_600))
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


@pytest.fixture
async def console(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    served.clock.at = GATE - 60
    secret = served.token(Scope.CONSOLE, name="asha", life_s=2 * DAY_S)
    served.clock.at = LATER
    async with served.client(secret) as client:
        yield client


def noticed(served: Served, *references: str, text: str = "did not pay") -> None:
    with served.headend.database.transaction() as connection:
        for reference in references:
            notice = Notice(
                kind=NoticeKind.DEFAULT,
                reference=reference,
                sender="clearing",
                record_id="t-1",
                posted_as=SUBJECT.posted_as,
                text=text,
                received_utc=LATER,
            )
            assert outcome_rows.put_notice(connection, notice)


def settled(served: Served, *holes: int) -> None:
    """A whole day came, but for some blocks, and is validated."""
    served.found()
    rows: list[int | None] = list(FULL)
    for hole in holes:
        rows[hole] = None
    served.take_in(stated(served.gateway, 0, rows, registers=REGISTERS))
    validate(served)


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


# outcomes, notices, look-ups


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


async def test_a_look_up_without_a_time_is_about_today(served: Served, console: httpx.AsyncClient) -> None:
    put(served, trade("t-1", Interval(LATER + 3600, LATER + 7200)))
    text = (await console.get("/console/p2p", params={"posted_as": SUBJECT.posted_as})).text
    assert ">t-1<" in text


# days


async def test_a_day_shows_each_block_with_its_quality_its_method_and_its_batch(
    served: Served, console: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    settled(served, 7)
    caplog.set_level(logging.INFO, "sakshi.headend.web")
    text = (await console.get(f"/console/meters/{METER}/days/2026-04-26")).text
    row = re.search(r"<time>2026-04-26 01:45 - 02:00 IST</time>.*?</tr>", text, re.DOTALL)
    assert row is not None
    assert ">ESTIMATED<" in row[0]
    assert re.search(r"<td>E\d</td>", row[0])
    index = served.headend.book.size(0) - 1
    assert text.count(f'<a href="/console/batches/{index}">0.090</a>') == 24
    assert text.count(">VALID<") >= 95
    assert [record.getMessage() for record in caplog.records] == [
        f"disclosed validated day 2026-04-26 of {METER} to asha"
    ]


async def test_every_version_of_a_day_stays_and_the_older_one_says_that_it_is_superseded(
    served: Served, console: httpx.AsyncClient
) -> None:
    settled(served, 7)
    served.take_in(stated(served.gateway, 1, (100, 110, 90, 100)))
    validate(served, LATER)
    path = f"/console/meters/{METER}/days/2026-04-26"
    newest, first = (await console.get(path)).text, (await console.get(f"{path}?revision=0")).text
    assert "Superseded" not in newest
    assert "Superseded" in first
    assert f'href="{path}?revision=0"' in newest
    assert "<td>E" in first
    assert "<td>E" not in newest


async def test_a_missing_block_is_a_dash_and_what_is_looked_for_is_said(
    served: Served, console: httpx.AsyncClient
) -> None:
    served.found()
    served.take_in(stated(served.gateway, 0, FULL[:40]))
    validate(served)
    lacking = Interval(DAY + 10 * 3600, DAY + DAY_S)
    with served.headend.database.transaction() as connection:
        hunt_rows.replace(connection, METER, Interval(DAY, DAY + DAY_S), [(lacking, LATER + 300)])
    text = (await console.get(f"/console/meters/{METER}/days/2026-04-26")).text
    facts = text[text.index("<dl") : text.index("</dl>")]
    assert "a block has no value" in facts
    assert "0.000" not in facts
    assert text.count("<small>no value</small>") >= 56
    assert ist_text(LATER + 300) in text
    assert "Blocks that are looked for" in text


async def test_a_day_before_its_validation_says_so_and_names_its_batches(
    served: Served, console: httpx.AsyncClient
) -> None:
    served.found()
    served.take_in(stated(served.gateway, 0, FULL[:40]))
    text = (await console.get(f"/console/meters/{METER}/days/2026-04-26")).text
    assert "Not validated yet" in text
    assert f'href="/console/batches/{served.headend.book.size(0) - 1}"' in text


async def test_days_are_listed_latest_first_in_pages(
    served: Served, console: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_days, "_PAGE", 1)
    settled(served)
    with served.headend.database.transaction() as connection:
        connection.execute(
            "INSERT INTO days (meter, start_utc, revision, rule_set, quality, content, decided_utc, is_newest) "
            "SELECT meter, start_utc - ?, revision, rule_set, quality, content, decided_utc, 1 FROM days "
            "WHERE start_utc = ?",
            (10 * DAY_S, DAY),
        )
        connection.execute("DELETE FROM days WHERE start_utc NOT IN (?, ?)", (DAY, DAY - 10 * DAY_S))
    path = f"/console/meters/{METER}/days"
    first = (await console.get(path)).text
    assert ("2026-04-26</a>" in first, "2026-04-16</a>" in first, f'{path}?after={DAY}"' in first) == (
        True,
        False,
        True,
    )
    second = (await console.get(f"{path}?after={DAY}")).text
    assert ("2026-04-26</a>" in second, "2026-04-16</a>" in second, "Next page" in second) == (False, True, False)


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
