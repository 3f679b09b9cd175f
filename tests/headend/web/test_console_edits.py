"""The console's edits: what waits, what was signed, and an edited figure that links to no reading."""

import httpx
import pytest

from headend.duties.holds import HoldKind
from headend.editing.disputes import Refusing
from headend.editing.editing import Hand
from headend.store.sqlite import operator_rows
from headend.web import console_edits
from tests.headend.discom import LATER
from tests.headend.premises import DAY, p256
from tests.headend.two_persons import NIL, RAO, SEN, approved, edited, proposed, register
from tests.headend.web.settled import GATE, hold, put, trade
from tests.headend.web.test_console import Page, every_page, table_headers_have_scope
from tests.headend.web.world import Served, Story

TEN = DAY + 36_000
EVIL = Hand(name='"><script>alert(1)</script>', signer=p256(666))


async def test_an_edited_window_and_its_edit_have_no_dead_link(story: Story, console: httpx.AsyncClient) -> None:
    headend = story.served.headend
    register(headend)
    signed = edited(headend, {TEN: (70, 2), TEN + 900: NIL})
    proposed(headend, {TEN: (80, 3)})
    story.served.attest()
    pages = dict(await every_page(console))
    assert {"/console/edits", "/console/edits/1", "/console/edits/2"} <= pages.keys()
    for path, answer in pages.items():
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            assert Page(answer.text).tags.count("h1") == 1, path
            assert table_headers_have_scope(answer.text), path
    done, waiting = (pages[f"/console/edits/{number}"].text for number in (1, 2))
    for word in ("seal broken", "A. Rao", "B. Sen", signed.digest.hex(), "0.070", "taken away", "MANUAL", "MISSING"):
        assert word in done
    assert "it waits for another person" in waiting
    assert "Approved by" not in waiting
    listed = pages["/console/edits"].text
    assert "approved by B. Sen" in listed
    assert "0.070" not in listed


async def test_an_edited_figure_is_shown_apart_and_links_to_no_reading(
    story: Story, console: httpx.AsyncClient
) -> None:
    headend = story.served.headend
    register(headend)
    edited(headend, {TEN: (70, 2)})
    (signed,) = story.served.attest()
    page = (await console.get(f"/console/windows/{signed.digest.hex()}")).text
    assert "measured by no meter" in page
    assert "up to edit 0" in page
    blocks = (await console.get(f"/console/windows/{signed.digest.hex()}/blocks")).text
    row = blocks[blocks.index("10:00") : blocks.index("</tr>", blocks.index("MANUAL"))]
    assert '<td class="number">0.070</td>' in row


async def test_an_edited_window_stands_among_those_whose_gates_are_coming(
    story: Story, console: httpx.AsyncClient
) -> None:
    served = story.served
    register(served.headend)
    edited(served.headend, {TEN: (70, 2)})
    (signed,) = served.attest()
    put(served, trade("a"))
    served.clock.at = GATE - 60
    assert f"/console/windows/{signed.digest.hex()}" in (await console.get("/console/gates")).text


async def test_edits_have_pages(served: Served, console: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    served.found()
    assert "None." in (await console.get("/console/edits")).text
    register(served.headend)
    for wh in (1, 2):
        approved(served.headend, proposed(served.headend, {TEN: (wh, 1)}).number)
    monkeypatch.setattr(console_edits, "_PAGE", 1)
    first = (await console.get("/console/edits")).text
    assert ("proposal 2" in first, "proposal 1" in first, 'href="/console/edits?after=2"' in first) == (
        True,
        False,
        True,
    )
    assert "proposal 1" in (await console.get("/console/edits?after=2")).text


@pytest.mark.parametrize("path", ["/console/edits/7", "/console/edits/x", "/console/edits?after=-1"])
async def test_what_is_not_there_is_a_page_with_a_remedy(served: Served, console: httpx.AsyncClient, path: str) -> None:
    served.found()
    answer = await console.get(path)
    assert answer.status_code in {404, 422}
    assert "What to do:" in answer.text


async def test_an_operators_name_is_escaped(served: Served, console: httpx.AsyncClient) -> None:
    served.found()
    with served.headend.database.transaction() as connection:
        operator_rows.add_operator(connection, EVIL.name, EVIL.signer.public_key, at_utc=LATER)
    proposed(served.headend, {TEN: (1, 1)}, by=EVIL)
    for path in ("/console/edits", "/console/edits/1"):
        text = (await console.get(path)).text
        assert "<script" not in text
        assert "&lt;script&gt;" in text


async def test_a_dispute_shows_its_refusal_and_who_signed_it(served: Served, console: httpx.AsyncClient) -> None:
    served.found()
    register(served.headend)
    number = hold(served, HoldKind.DISPUTE)
    path = f"/console/holds/{number}"
    assert "Refusal" not in (await console.get(path)).text
    for hand, words in ((RAO, "it waits for another person"), (SEN, "and B. Sen")):
        Refusing(served.headend.database).sign(number, hand, reason="the meter was tested", now_utc=LATER)
        page = (await console.get(path)).text
        assert "the meter was tested" in page
        assert "A. Rao" in page
        assert words in page
