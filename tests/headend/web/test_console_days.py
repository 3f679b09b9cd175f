"""The console's validated days: each block with its quality, method and batch; every version; every look logged."""

import logging
import re

import httpx
import pytest

from headend.store.sqlite import hunt_rows
from headend.web import console_days
from signing.interval import DAY_S, Interval, ist_text
from tests.headend.days.network import DT, OWN, Network, own_row
from tests.headend.discom import LATER, METER, log_rules, stated
from tests.headend.premises import DAY
from tests.headend.sheets import applied, row
from tests.headend.web.settled import FULL, validate, whole_day
from tests.headend.web.world import Served

CONSUMERS = ("SKS00000011", "SKS00000012")


async def test_a_day_shows_each_block_with_its_quality_its_method_and_its_batch(
    served: Served, console: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    whole_day(served, 7)
    caplog.set_level(logging.INFO, "sakshi.headend.web")
    text = (await console.get(f"/console/meters/{METER}/days/2026-04-26")).text
    row = re.search(r"<time>2026-04-26 01:45 - 02:00 IST</time>.*?</tr>", text, re.DOTALL)
    assert row is not None
    assert ">ESTIMATED<" in row[0]
    assert re.search(r"<td>E\d</td>", row[0])
    assert "<strong>V15</strong>" in row[0]
    other = re.search(r"<time>2026-04-26 02:00 - 02:15 IST</time>.*?</tr>", text, re.DOTALL)
    assert other is not None
    assert "<strong>V15</strong>" not in other[0]
    index = served.headend.book.size(0) - 1
    assert text.count(f'<a href="/console/batches/{index}">0.090</a>') == 24
    assert text.count(">VALID<") >= 95
    assert [record.getMessage() for record in caplog.records] == [
        f"disclosed validated day 2026-04-26 of {METER} to asha"
    ]


async def test_every_version_of_a_day_stays_and_the_older_one_says_that_it_is_superseded(
    served: Served, console: httpx.AsyncClient
) -> None:
    whole_day(served, 7)
    served.take_in(stated(served.gateway, 1, (100, 110, 90, 100)))
    validate(served, LATER)
    path = f"/console/meters/{METER}/days/2026-04-26"
    newest, first = (await console.get(path)).text, (await console.get(f"{path}?revision=0")).text
    assert "Superseded" not in newest
    assert "Superseded" in first
    assert f'href="{path}?revision=0"' in newest
    rows = dict(re.findall(r"<time>2026-04-26 (\d\d:\d\d) - [^<]*</time></th>(.*?)</tr>", newest, re.DOTALL))
    assert {clock: row.count(">batch ") for clock, row in rows.items() if clock in {"00:45", "01:00", "02:00"}} == {
        "00:45": 1,
        "01:00": 2,
        "02:00": 1,
    }
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
    day_before = (await console.get(f"/console/meters/{METER}/days/2026-04-25")).text
    assert "Blocks that are looked for" not in day_before


async def test_a_day_before_its_validation_says_so_and_names_its_batches(
    served: Served, console: httpx.AsyncClient
) -> None:
    served.found()
    served.take_in(stated(served.gateway, 0, FULL[:40]))
    text = (await console.get(f"/console/meters/{METER}/days/2026-04-26")).text
    assert "Not validated yet" in text
    checkpoint = served.headend.folder / "checkpoint-0"
    published = checkpoint.read_bytes()
    served.take_in(stated(served.gateway, 10, FULL[40:44]))
    later = served.headend.book.size(0) - 1
    checkpoint.write_bytes(published)
    unpublished = (await console.get(f"/console/meters/{METER}/days/2026-04-26")).text
    assert f"/console/batches/{later}" not in unpublished
    assert f"/console/batches/{later - 1}" in unpublished


async def test_days_are_listed_latest_first_in_pages(
    served: Served, console: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_days, "_PAGE", 1)
    whole_day(served)
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


async def test_a_day_shows_what_v29_noted_of_its_transformer(served: Served, console: httpx.AsyncClient) -> None:
    members = [row(number, dt=DT, period_s="3600") for number in (1, 2)]
    applied(served.headend, *[one | {"meter": meter} for one, meter in zip(members, CONSUMERS, strict=True)], own_row())
    log_rules(served.headend)
    network = Network(served.headend, CONSUMERS)
    network.history()
    network.gave(0, 400)
    network.settle()
    for meter in (*CONSUMERS, OWN):
        text = (await console.get(f"/console/meters/{meter}/days/2026-04-26")).text
        assert "<strong>V29</strong> BALANCE: transformer DT-7 lacks 400 Wh, 1200 Wh in the 12 days before" in text
