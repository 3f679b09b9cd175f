"""What operators' programs read: the forecast by gate, alerts, holds, acts; and validated days, each disclosure logged."""

import itertools
import logging
from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest

from headend.duties.holds import HoldKind
from headend.store.sqlite import hold_rows
from headend.tokens import Scope
from signing.interval import DAY_S, Interval, utc_text
from signing.statements.window_actual import Status
from tests.headend.discom import LATER, METER, SUBJECT, stated
from tests.headend.premises import DAY
from tests.headend.web.settled import FULL, GATE, act, alert, hold, put, trade, validate, whole_day
from tests.headend.web.world import PENDING_SUBJECT, Served, Story

NUMBERS = itertools.count()
WHOLE_DAY = {"start": utc_text(DAY), "end": utc_text(DAY + DAY_S)}


async def got(
    served: Served, path: str, query: Mapping[str, object] | None = None, scope: Scope = Scope.READ_OPERATIONS
) -> httpx.Response:
    async with served.client(served.token(scope, name=f"reader {next(NUMBERS)}")) as client:
        return await client.get(path, params=query)  # type: ignore[arg-type]  # numbers and texts


# forecast


def traded(story: Story) -> Served:
    """The story's windows are traded, with one that nobody knows and one that nothing was said of; half an hour before the data gate."""
    served = story.served
    put(
        served,
        trade("provisional"),
        trade("pending", PENDING_SUBJECT.window),
        trade("unsaid", Interval(DAY + 20 * 3600, DAY + 21 * 3600)),
        trade("unknown", seller_id="NOBODY"),
        trade("coming", Interval(GATE - 1800, GATE + 1800)),
        trade("past", Interval(DAY - DAY_S, DAY - DAY_S + 3600)),
    )
    served.clock.at = GATE - 1800
    return served


async def test_the_forecast_counts_by_gate_and_names_each_window_that_is_not_ready_with_its_cause(story: Story) -> None:
    body = (await got(traded(story), "/v1/forecast")).json()
    assert body["gates"] == [
        {"at": utc_text(GATE), "windows": {"READY": 0, "PROVISIONAL": 1, "AT_RISK": 2, "IMPOSSIBLE": 1}}
    ]
    rows = {(row["posted_as"], row["delivery_start"]): row for row in body["windows"]["items"]}
    pending = rows[SUBJECT.posted_as, utc_text(PENDING_SUBJECT.window.start_utc)]
    assert (pending["prospect"], pending["valid"], pending["expected"]) == ("AT_RISK", 4, 8)
    assert (pending["cause"], pending["evidence"]) == ("4 of 8 blocks missing", story.pending.digest.hex())
    unsaid = rows[SUBJECT.posted_as, utc_text(DAY + 20 * 3600)]
    assert (unsaid["prospect"], unsaid["cause"], unsaid["evidence"]) == ("AT_RISK", "nothing was said of it yet", None)
    assert rows["NOBODY", utc_text(SUBJECT.window.start_utc)]["prospect"] == "IMPOSSIBLE"
    assert len(rows) == 4


async def test_a_final_window_is_ready_and_only_counted(story: Story) -> None:
    served = traded(story)
    second = story.second.statement
    served.log(replace(second, status=Status.FINAL, revision=2, supersedes=story.second.digest))
    body = (await got(served, "/v1/forecast")).json()
    assert body["gates"][0]["windows"] == {"READY": 1, "PROVISIONAL": 0, "AT_RISK": 2, "IMPOSSIBLE": 1}
    assert "PROVISIONAL" not in {row["prospect"] for row in body["windows"]["items"]}


async def test_the_forecast_has_pages_and_its_gates_stand_on_each(story: Story) -> None:
    served = traded(story)
    first = (await got(served, "/v1/forecast", {"limit": 3})).json()
    assert (len(first["windows"]["items"]), first["windows"]["next"]) == (3, "3")
    rest = (await got(served, "/v1/forecast", {"limit": 3, "after": 3})).json()
    assert (len(rest["windows"]["items"]), rest["windows"]["next"]) == (1, None)
    assert rest["gates"] == first["gates"]


async def test_a_gate_that_has_passed_is_not_forecast_and_the_next_one_is(story: Story) -> None:
    served = traded(story)
    served.clock.at = GATE
    (gate,) = (await got(served, "/v1/forecast")).json()["gates"]
    assert gate["at"] == utc_text(GATE + 3300)
    served.clock.at = DAY + DAY_S + 11 * 3600 + 3300
    # What was coming has ended by now; its gate is the next day's.
    assert [gate["at"] for gate in (await got(served, "/v1/forecast")).json()["gates"]] == [utc_text(GATE + DAY_S)]


async def test_the_first_window_of_a_day_is_forecast_until_its_last_gate(served: Served) -> None:
    put(served, trade("first", Interval(DAY, DAY + 900)))
    last = DAY + DAY_S + 11 * 3600 + 3300
    served.clock.at = last - 1
    assert [gate["at"] for gate in (await got(served, "/v1/forecast")).json()["gates"]] == [utc_text(last)]
    served.clock.at = last
    assert (await got(served, "/v1/forecast")).json()["gates"] == []


async def test_the_forecast_names_no_actual_that_is_not_published(story: Story) -> None:
    served = traded(story)
    checkpoint = served.headend.folder / "checkpoint-0"
    before = checkpoint.read_bytes()
    final = replace(story.second.statement, status=Status.FINAL, revision=2, supersedes=story.second.digest)
    served.log(final)
    checkpoint.write_bytes(before)
    assert (await got(served, "/v1/forecast")).json()["gates"][0]["windows"]["READY"] == 0


# alerts, holds, acts


async def test_alerts_are_listed_latest_first_with_their_ends(served: Served) -> None:
    first = alert(served, "gw-1", "gw-2")
    alert(served, "gw-3", ended=first[:1])
    body = (await got(served, "/v1/alerts", {"limit": 2})).json()
    assert [(row["about"], row["closed_at"]) for row in body["items"]] == [("gw-3", None), ("gw-2", None)]
    assert body["items"][0] == {
        "alert": 3,
        "kind": "SILENT_GATEWAY",
        "about": "gw-3",
        "text": "nothing since 10:00",
        "opened_at": utc_text(LATER),
        "closed_at": None,
    }
    rest = (await got(served, "/v1/alerts", {"limit": 2, "after": body["next"]})).json()
    assert [(row["about"], row["closed_at"]) for row in rest["items"]] == [("gw-1", utc_text(LATER))]
    assert rest["next"] is None


async def test_holds_say_what_who_why_and_how_they_ended(served: Served) -> None:
    one, two, three = hold(served), hold(served, HoldKind.DISPUTE), hold(served, HoldKind.STAND_DOWN)
    with served.headend.database.transaction() as connection:
        hold_rows.close_hold(connection, two, by="ravi", outcome="kept", at_utc=LATER + 1)
    body = (await got(served, "/v1/holds", {"limit": 2})).json()
    assert [row["hold"] for row in body["items"]] == [three, two]
    assert (body["items"][0]["connection_point"], body["items"][0]["window"]) == (None, None)
    assert body["items"][1] == {
        "hold": two,
        "kind": "DISPUTE",
        "connection_point": SUBJECT.connection_point,
        "window": {"start": utc_text(SUBJECT.window.start_utc), "end": utc_text(SUBJECT.window.end_utc)},
        "party": "TPDDL, case 7",
        "by": "asha",
        "reason": "meter opened",
        "opened_at": utc_text(LATER),
        "closed_at": utc_text(LATER + 1),
        "closed_by": "ravi",
        "outcome": "kept",
    }
    rest = (await got(served, "/v1/holds", {"limit": 2, "after": body["next"]})).json()
    assert ([row["hold"] for row in rest["items"]], rest["next"]) == ([one], None)


async def test_acts_are_listed_latest_first(served: Served) -> None:
    for verb in ("hold", "post", "attest"):
        act(served, verb)
    body = (await got(served, "/v1/acts", {"limit": 2})).json()
    assert [row["verb"] for row in body["items"]] == ["attest", "post"]
    assert body["items"][0] == {
        "act": 3,
        "verb": "attest",
        "about": "CP-1",
        "by": "asha",
        "reason": "meter opened",
        "done_at": utc_text(LATER),
    }
    rest = (await got(served, "/v1/acts", {"limit": 2, "after": body["next"]})).json()
    assert ([row["verb"] for row in rest["items"]], rest["next"]) == (["hold"], None)


@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/holds", "/v1/acts"])
async def test_an_empty_list_is_empty_and_a_wrong_place_is_refused(served: Served, path: str) -> None:
    assert (await got(served, path)).json() == {"items": [], "next": None}
    for query in ({"after": "x"}, {"after": -1}, {"limit": 0}, {"limit": 501}):
        answer = await got(served, path, query)
        assert answer.status_code == 422
        assert f"query.{next(iter(query))}" in answer.json()["message"]


async def test_a_forecast_without_trades_is_empty_and_a_wrong_place_is_refused(served: Served) -> None:
    assert (await got(served, "/v1/forecast")).json()["gates"] == []
    assert (await got(served, "/v1/forecast", {"after": -1})).status_code == 422


# days


async def test_a_day_gives_each_block_with_its_quality_and_method(served: Served) -> None:
    whole_day(served, 7)
    (day,) = (await got(served, f"/v1/days/{METER}", WHOLE_DAY, Scope.READ_EVIDENCE)).json()
    assert (day["day"], day["revision"], day["quality"]) == (WHOLE_DAY, 0, "ESTIMATED")
    assert (day["import_kwh"], len(day["blocks"])) == ("9.600", 96)
    measured, estimated = day["blocks"][6], day["blocks"][7]
    assert (measured["quality"], measured["import_wh"], measured["import_method"]) == ("VALID", 90, None)
    assert (measured["start"], measured["end"]) == (utc_text(DAY + 5400), utc_text(DAY + 6300))
    assert (estimated["quality"], estimated["import_kwh"]) == ("ESTIMATED", "0.100")
    assert estimated["import_method"].startswith("E")
    assert day["rule_set"] != ""


async def test_a_missing_block_is_null_and_never_zero(served: Served) -> None:
    served.found()
    served.take_in(stated(served.gateway, 0, FULL[:40]))
    validate(served)
    (day,) = (await got(served, f"/v1/days/{METER}", WHOLE_DAY, Scope.READ_EVIDENCE)).json()
    last = day["blocks"][-1]
    assert (last["quality"], last["import_wh"], last["import_kwh"]) == ("MISSING", None, None)
    assert (day["import_kwh"], day["quality"]) == (None, "MISSING")


async def test_days_are_those_that_share_an_instant_with_the_span(served: Served) -> None:
    whole_day(served)
    inside = {"start": utc_text(DAY + DAY_S - 1), "end": utc_text(DAY + DAY_S)}
    outside = {"start": utc_text(DAY - DAY_S), "end": utc_text(DAY)}
    assert len((await got(served, f"/v1/days/{METER}", inside, Scope.READ_EVIDENCE)).json()) == 1
    before = (await got(served, f"/v1/days/{METER}", outside, Scope.READ_EVIDENCE)).json()
    assert [day["day"]["start"] for day in before if day["day"]["start"] == utc_text(DAY)] == []


async def test_each_disclosure_of_days_is_logged_and_a_304_discloses_nothing(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    whole_day(served)
    caplog.set_level(logging.INFO, "sakshi.headend.web")
    async with served.client(served.token(Scope.READ_EVIDENCE, name="analyst")) as client:
        first = await client.get(f"/v1/days/{METER}", params=WHOLE_DAY)
        assert [record.getMessage() for record in caplog.records] == [f"disclosed validated days of {METER} to analyst"]
        held = {"If-None-Match": first.headers["etag"]}
        assert (await client.get(f"/v1/days/{METER}", params=WHOLE_DAY, headers=held)).status_code == 304
        assert len(caplog.records) == 1
        served.take_in(stated(served.gateway, 0, (50, *FULL[1:])))
        validate(served, LATER)
        again = await client.get(f"/v1/days/{METER}", params=WHOLE_DAY, headers=held)
    assert (again.status_code, again.json()[0]["revision"]) == (200, 1)


async def test_days_of_an_unknown_meter_or_without_a_span_are_refused(served: Served) -> None:
    served.found()
    path = f"/v1/days/{METER}"
    assert (await got(served, "/v1/days/none", WHOLE_DAY, Scope.READ_EVIDENCE)).status_code == 404
    assert (await got(served, path, WHOLE_DAY, Scope.READ_EVIDENCE)).json() == []
    for query, name in (
        ({"start": WHOLE_DAY["start"]}, "query.end"),
        ({"start": "x", "end": WHOLE_DAY["end"]}, "query.start"),
        ({"start": utc_text(DAY - 31 * DAY_S), "end": WHOLE_DAY["end"]}, "query.end"),
    ):
        answer = await got(served, path, query, Scope.READ_EVIDENCE)
        assert answer.status_code == 422
        assert name in answer.json()["message"]
