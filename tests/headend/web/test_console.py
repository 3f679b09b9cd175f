"""The console: from any number to its signed bytes in three clicks, with causes named, everything escaped."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest

from headend.duties.component import Component
from headend.store.sqlite import postings
from headend.tokens import Scope
from headend.trading.posting import PostingState
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.web import console as console_module
from ledger_client.ledger import TradeType
from signing.interval import Interval
from signing.statements.meter_record import Place
from signing.statements.rule_set import Rule, RuleSet
from tests.headend.discom import LATER, METER, SUBJECT, log_rules, stated
from tests.headend.premises import gateway
from tests.headend.web.settled import traded
from tests.headend.web.world import HOUR, Served, Story

PAGES = ["/console/", "/console/meters", "/console/windows", "/console/postings", "/console/intake"]


class Page(HTMLParser):
    """Links, scripts, sources and headings of a page; complains of what is not well formed."""

    VOID = ("meta", "link", "input", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(values["href"] or "")
        elif tag == "link" or "src" in values:
            self.loads.append(values.get("href") or values.get("src") or "")
        assert not any(name.startswith("on") or name == "style" for name in values), f"script or style in {tag}"

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def table_headers_have_scope(text: str) -> bool:
    return not re.search(r"<th(?![^>]*scope=)[ >]", text)


@pytest.fixture
async def console(story: Story) -> AsyncIterator[httpx.AsyncClient]:
    async with story.served.client(story.served.token(Scope.CONSOLE)) as client:
        yield client


async def every_page(client: httpx.AsyncClient) -> Iterator[tuple[str, httpx.Response]]:
    """Every page that can be reached by links, each once."""
    seen: dict[str, httpx.Response] = {}
    waiting = ["/console/"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith("#"):
            continue
        seen[path] = await client.get(path)
        if seen[path].headers["content-type"].startswith("text/html"):
            waiting += Page(seen[path].text).links
    return iter(seen.items())


async def test_every_link_leads_somewhere_and_every_page_is_well_formed(console: httpx.AsyncClient) -> None:
    pages = dict(await every_page(console))
    assert len(pages) > 20
    for path, answer in pages.items():
        assert path.startswith("/console/"), path
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            page = Page(answer.text)
            assert "script" not in page.tags
            assert set(page.loads) <= {"/console/console.css", "data:,"}
            assert table_headers_have_scope(answer.text), path
            assert page.tags.count("h1") == 1, path


async def test_every_page_shows_the_discom_the_tree_size_and_the_zone(story: Story, console: httpx.AsyncClient) -> None:
    size = story.served.headend.book.tip(0).size
    for path in PAGES:
        text = (await console.get(path)).text
        assert "PaVVNL" in text
        assert f"tree size <strong>{size}</strong>" in text
        assert "times are IST (UTC+05:30)" in text


async def test_a_number_is_three_clicks_from_its_signed_bytes(story: Story, console: httpx.AsyncClient) -> None:
    window, blocks = (
        f"/console/windows/{story.second.digest.hex()}",
        f"/console/windows/{story.second.digest.hex()}/blocks",
    )
    index = story.served.index(story.batches[1].digest)
    overview = await console.get("/console/")
    assert f'<a href="{window}">0.760</a>' in overview.text
    assert f'<a href="{blocks}">0.760</a> kWh' in (await console.get(window)).text
    # The block that came late is carried by the second batch; the first one held no value for it.
    assert f'<a href="/console/batches/{index}">0.060</a>' in (await console.get(blocks)).text
    batch = await console.get(f"/console/batches/{index}")
    message = story.batches[1]
    assert message.envelope.encoded().hex() in batch.text
    assert message.digest.hex() in batch.text
    assert message.batch.previous.hex() in batch.text
    assert "Inclusion path" in batch.text


async def test_downloads_are_the_bytes_as_they_came(story: Story, console: httpx.AsyncClient) -> None:
    message = story.batches[0]
    index = story.served.index(message.digest)
    envelope = await console.get(f"/console/batches/{index}/envelope")
    opening = await console.get(f"/console/batches/{index}/opening")
    statement = await console.get(f"/console/windows/{story.second.digest.hex()}/statement")
    assert envelope.content == message.envelope.encoded()
    assert opening.content == message.opening.encoded()
    assert statement.content == story.second.envelope.encoded()
    assert envelope.headers["content-disposition"] == f'attachment; filename="batch-{index}.cose"'


async def test_the_overview_names_first_what_stands_still_with_its_cause(
    story: Story, console: httpx.AsyncClient
) -> None:
    served = story.served
    served.post(story.pending, PostingState.WAITING, note="404 no such trade")
    served.components = (Component(name="ledger", works=False, note="no answer"),)
    text = (await console.get("/console/")).text
    places = [text.index(f">{word}</span></td><th scope") for word in ("DOWN", "REFUSED", "PENDING", "GAP", "WAITING")]
    assert places == sorted(places)
    for cause in ("no answer", "4 of 8 blocks missing", "1 sequence(s) below 4 not admitted", "404 no such trade"):
        assert cause in text


async def test_a_traded_window_without_an_actual_is_named_once_it_ended_with_what_hinders_it(story: Story) -> None:
    served = story.served
    ended, coming = Interval(LATER - 7200, LATER), Interval(LATER - 3600, LATER + 1)
    with served.headend.database.transaction() as connection:
        rows = [
            traded("has-actual", SUBJECT.window),
            traded("ended", ended),
            traded("ended-again", ended),
            traded("unknown", ended, seller_id="NOBODY"),
            traded("bought", ended, seller_id="x", buyer_id="BOUGHT", discom_id_seller="y", discom_id_buyer="PaVVNL"),
            traded("coming", coming, seller_id="COMING"),
            traded("capacity", ended, seller_id="CAPACITY", trade_type=TradeType.PFR),
            traded("old", Interval(LATER - 8 * 86_400, LATER - 7 * 86_400), seller_id="OLD"),
        ]
        postings.put_trades(connection, rows, LATER)
    async with served.client(served.token(Scope.CONSOLE)) as client:
        text = (await client.get("/console/")).text
    first, rest = text.split("In numbers")
    found = re.findall(r"NO ACTUAL</span></td><th[^>]*><a[^>]*>([^,]*),[^<]*</a></th><td>([^<]*)</td>", first)
    unnamed = "no connection point has this id at the ledger"
    assert found == [("BOUGHT", unnamed), (SUBJECT.posted_as, "nothing decided yet"), ("NOBODY", unnamed)]
    assert "COMING" in rest
    for hidden in ("THEIRS", "CAPACITY", "OLD"):
        assert f">{hidden}<" not in text


async def test_a_calm_head_end_says_so(served: Served) -> None:
    served.found()
    async with served.client(served.token(Scope.CONSOLE)) as client:
        assert "Nothing is stuck, in doubt or missing." in (await client.get("/console/")).text


async def test_a_window_without_totals_shows_a_dash_and_the_reason_and_never_zero(
    story: Story, console: httpx.AsyncClient
) -> None:
    text = (await console.get(f"/console/windows/{story.pending.digest.hex()}")).text
    facts = text[text.index("<dl") : text.index("</dl>")]
    assert "No totals:</strong> 4 of 8 blocks missing" in text
    assert facts.count("—") >= 3
    assert "0.000" not in facts
    blocks = (await console.get(f"/console/windows/{story.pending.digest.hex()}/blocks")).text
    assert "no batch speaks of it" in blocks
    assert blocks.count(">MISSING<") == 4


async def test_a_window_shows_counts_gaps_revisions_and_where_it_was_posted(
    story: Story, console: httpx.AsyncClient
) -> None:
    pending = (await console.get(f"/console/windows/{story.pending.digest.hex()}")).text
    assert '<span class="badge warn">GAP</span> 3' in pending
    second = (await console.get(f"/console/windows/{story.second.digest.hex()}")).text
    assert f'href="/console/windows/{story.first.digest.hex()}"' in second
    assert "nothing to compare" in second
    assert ">REFUSED<" in second
    first = (await console.get(f"/console/windows/{story.first.digest.hex()}")).text
    assert "Superseded: a later revision stands below." in first
    assert ">SUPERSEDED<" in first


async def test_a_revision_shows_its_delta_with_its_sign(served: Served) -> None:
    served.found()
    served.take_in(stated(served.gateway, 0, HOUR * 24, registers=((0, 1000), (24, 10_600))))
    served.attest()
    (fact,) = served.headend.record(METER).facts
    served.headend.registrar.change_facts(METER, [replace(fact, factor=type(fact.factor)(2, 1))], at_utc=1)
    (second,) = served.attest()
    async with served.client(served.token(Scope.CONSOLE)) as client:
        text = (await client.get(f"/console/windows/{second.digest.hex()}")).text
        blocks = (await client.get(f"/console/windows/{second.digest.hex()}/blocks")).text
    assert ">TRUE_UP<" in text
    assert "+0.800" in text
    assert "+0.040" in text
    assert "<strong>V23</strong>" in blocks


async def test_a_fork_is_shown_until_the_record_names_the_good_branch(served: Served) -> None:
    served.found()
    one = served.gateway
    served.take_in(stated(one, 8, HOUR))
    clone = replace(one, chains={METER: list(one.chains[METER])})
    good = stated(one, 10, HOUR * 2)
    served.take_in(good)
    served.take_in(stated(clone, 10, (90,) * 8))
    (forked,) = served.attest()
    async with served.client(served.token(Scope.CONSOLE)) as client:
        before = (await client.get("/console/")).text
        meter = (await client.get(f"/console/meters/{METER}")).text
        blocks = (await client.get(f"/console/windows/{forked.digest.hex()}/blocks")).text
        place = Place(sequence=1, digest=good.digest)
        served.headend.registrar.name_good(METER, one.kid, place, at_utc=1)
        after = (await client.get("/console/")).text
    assert ">FORK</span></td><th scope" in before
    assert "FORK</span> at 1, TWO_DIGESTS" in meter
    assert "its copies differ or were rejected" in blocks
    assert ">FORK</span></td><th scope" not in after


async def test_an_erased_opening_is_said_and_its_header_stays(story: Story, console: httpx.AsyncClient) -> None:
    index = story.served.index(story.batches[0].digest)
    with story.served.headend.database.transaction() as connection:
        connection.execute("UPDATE batches SET opening = NULL WHERE leaf = ?", (index,))
    page = await console.get(f"/console/batches/{index}")
    assert "Erased." in page.text
    assert story.batches[0].envelope.encoded().hex() in page.text
    assert (await console.get(f"/console/batches/{index}/opening")).status_code == 404


async def test_rules_that_this_program_does_not_know_are_said_and_not_a_failure(story: Story) -> None:
    served = story.served
    unknown = (*DEFAULT_RULE_SET.rules, Rule(id="V99", version=1, parameters={}))
    rules = log_rules(served.headend, RuleSet(name="future", version=9, rules=unknown))
    actual = replace(story.pending.statement, rule_set=rules.digest, revision=1, supersedes=story.pending.digest)
    logged = served.log(actual)
    async with served.client(served.token(Scope.CONSOLE)) as client:
        page = await client.get(f"/console/windows/{logged.digest.hex()}/blocks")
    assert page.status_code == 200
    assert "V99" in page.text


async def test_what_strangers_said_is_escaped_everywhere(story: Story, console: httpx.AsyncClient) -> None:
    served = story.served
    evil = '"><script>alert(1)</script>'
    served.headend.transport.deliver(f"sakshi/1/0/{evil}/up", b"x")
    served.headend.step()
    served.headend.transport.take()
    served.headend.registrar.name_alias(evil, SUBJECT.connection_point)
    hostile = replace(SUBJECT, posted_as=evil)
    (actual,) = served.attest(hostile)
    served.post(actual, PostingState.DIFFERS, note=evil)
    pages = await every_page(console)
    shown = 0
    for path, answer in pages:
        if answer.headers["content-type"].startswith("text/html"):
            assert "<script" not in answer.text, path
            shown += "&lt;script&gt;" in answer.text
    assert shown >= 5


async def test_lists_have_pages(served: Served) -> None:
    names = [f"M-{number:03}" for number in range(51)]
    served.headend.enrol(gateway(1, names))
    async with served.client(served.token(Scope.CONSOLE)) as client:
        first = (await client.get("/console/meters")).text
        assert names[49] in first
        assert names[50] not in first
        assert 'href="/console/meters?after=M-049"' in first
        second = (await client.get("/console/meters?after=M-049")).text
    assert names[50] in second
    assert "Next page" not in second


async def test_lists_filter_by_the_enums_own_words(story: Story, console: httpx.AsyncClient) -> None:
    windows = (await console.get("/console/windows?status=PENDING")).text
    assert story.pending.digest.hex() in windows
    assert story.second.digest.hex() not in windows
    postings = (await console.get("/console/postings?state=REFUSED")).text
    assert story.second.digest.hex() in postings
    assert story.first.digest.hex() not in postings


MISSING = [
    "/console/windows/xyz",
    "/console/windows/" + "0" * 64,
    "/console/windows/" + "0" * 64 + "/blocks",
    "/console/windows/" + "0" * 64 + "/bundle",
    "/console/batches/999",
    "/console/batches/0",
    "/console/batches/-1",
    "/console/meters/none",
    "/console/meters/%3Cscript%3E",
    "/console/windows?status=GREAT",
    "/console/nothing",
]


async def test_what_is_not_there_is_a_page_with_a_remedy(console: httpx.AsyncClient) -> None:
    for path in MISSING:
        answer = await console.get(path)
        assert answer.status_code in {404, 422}, path
        assert answer.headers["content-type"].startswith("text/html")
        assert Page(answer.text).tags.count("h1") == 1
        assert "What to do:" in answer.text
        assert "<script" not in answer.text


async def test_pages_are_not_kept_by_browsers(console: httpx.AsyncClient) -> None:
    for path in PAGES:
        assert (await console.get(path)).headers["cache-control"] == "no-store"


async def test_recordings_stand_beside_postings_with_their_round_and_lead_to_their_evidence(
    story: Story, console: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = story.served
    assert "Recordings</h2>" not in (await console.get("/console/postings")).text
    served.say(story.first, PostingState.SUPERSEDED, record_id="t-0")
    served.say(story.second, PostingState.REFUSED, round=3, note="SCH_ROLE <b>not yours</b>")
    link = f'<a href="/console/windows/{story.second.digest.hex()}">'
    postings = (await console.get("/console/postings?state=REFUSED")).text.partition("Recordings</h2>")[2]
    window = (await console.get(f"/console/windows/{story.second.digest.hex()}")).text
    overview = (await console.get("/console/")).text
    for text in (postings, window, overview):
        assert "SELLER 3" in text
        assert "SCH_ROLE &lt;b&gt;" in text
    assert "SUPERSEDED" not in postings
    assert postings.count(f"{link}4.500</a>") == 1
    assert "t-0" not in window
    assert f"{link.removeprefix('<a ').removesuffix('>')}" in overview
    assert "SELLER round 3</a>" in overview
    assert "Recordings REFUSED</a></dt><dd>1</dd>" in overview
    monkeypatch.setattr(console_module, "_PAGE", 1)
    first = (await console.get("/console/postings")).text
    assert 'href="/console/postings?said_after=2#said"' in first
    rest = (await console.get("/console/postings?said_after=2")).text.partition("Recordings</h2>")[2]
    assert "t-0" in rest
    assert "Earlier recordings" not in rest
