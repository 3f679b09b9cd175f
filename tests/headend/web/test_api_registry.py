"""The registry by API, against a real database and log."""

import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping

import httpx
import pytest

from headend.registry import sheet as sheets
from headend.registry.sheet import parse_csv
from headend.registry.supply import Exchange, RegisterPair
from headend.store.sqlite import supply_rows
from headend.tokens import Scope
from tests.headend.discom import METER
from tests.headend.premises import NOW, gateway
from tests.headend.sheets import importer, row, sheet
from tests.headend.web.world import Served

CSV = {"Content-Type": "text/csv; charset=utf-8"}
APPLY = {"mode": "apply"}


async def sent(
    served: Served,
    content: bytes,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] = CSV,
    number: Iterator[int] = itertools.count(),  # noqa: B008 - every token has its own name
) -> httpx.Response:
    async with served.client(served.token(Scope.WRITE_REGISTRY, name=f"token {next(number)}")) as client:
        return await client.post("/v1/registry", content=content, headers=dict(headers), params=query)


async def test_a_sheet_is_dry_until_it_is_applied_and_again_changes_nothing(served: Served) -> None:
    content = sheet(row(1, feeder="F1"), row(2))
    async with served.client(served.token(Scope.WRITE_REGISTRY, name="mdm")) as client:
        dry = await client.post("/v1/registry", content=content, headers=CSV)
        assert (dry.status_code, dry.json()["applied"], dry.json()["records"]) == (200, False, 2)
        assert served.headend.book.size(0) == 0
        assert {
            "line": 2,
            "meter": METER,
            "from": "2025-12-31T18:30:00Z",
            "column": "feeder",
            "before": "",
            "after": "F1",
        } in (dry.json()["changes"])
        applied = await client.post("/v1/registry", content=content, headers=CSV, params=APPLY)
        assert (applied.status_code, applied.json()["applied"]) == (200, True)
        again = await client.post("/v1/registry", content=content, headers=CSV, params=APPLY)
        assert (again.json()["changes"], again.json()["records"]) == ([], 0)
    served.headend.registry.reload()
    assert served.headend.registry.meters() == (METER, "SKS00000002")
    changes = supply_rows.changes(served.headend.database.connection, METER, 1)
    assert (changes[0].stated_by, changes[0].stated_utc) == ("mdm", served.clock.at)


async def test_json_rows_are_taken_too(served: Served) -> None:
    content = json.dumps({"rows": [row(1, sanctioned_kw="5.5")]}).encode()
    answer = await sent(served, content, APPLY, {"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["applied"]) == (200, True)


async def test_a_rejected_row_refuses_all_or_is_left_out(served: Served) -> None:
    content = sheet(row(1), row(2, ct="x"))
    dry = await sent(served, content)
    assert dry.status_code == 200
    refused = await sent(served, content, APPLY)
    assert (refused.status_code, refused.json()["applied"]) == (422, False)
    assert refused.json()["faults"] == [
        {
            "line": 3,
            "column": "ct",
            "expected": "a ratio such as 100/5 or 2",
            "got": "'x'",
            "remedy": "correct the cell",
        }
    ]
    assert served.headend.book.size(0) == 0
    partial = await sent(served, content, {"mode": "apply", "rejected": "left-out"})
    assert (partial.status_code, partial.json()["applied"], partial.json()["records"]) == (200, True, 1)


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"meter,from\n", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"meter,from\n", {"Content-Type": ""}, 415, "unsupported_media_type"),
        (b"meter;from\n", CSV, 422, "invalid_request"),
        (b"", CSV, 422, "invalid_request"),
        (b"{", {"Content-Type": "application/json"}, 422, "invalid_request"),
    ],
)
async def test_what_is_no_sheet_is_refused(
    served: Served, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await sent(served, content, APPLY, headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["remedy"]


async def test_an_unknown_mode_is_refused(served: Served) -> None:
    answer = await sent(served, sheet(row()), {"mode": "now"})
    assert answer.status_code == 422


async def test_a_sheet_that_is_too_large_is_not_read_to_its_end(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headend.web import api_registry

    monkeypatch.setattr(api_registry, "MAX_BYTES", 20)
    monkeypatch.setattr(sheets, "MAX_BYTES", 20)
    assert (await sent(served, b"meter,from\n" + b"x" * 10)).status_code == 413
    assert (await sent(served, b"meter,from\n" + b"\n" * 9)).status_code == 200


async def test_a_reader_cannot_write_and_a_writer_cannot_read(served: Served) -> None:
    async with served.client(served.token(Scope.READ_REGISTRY)) as client:
        assert (await client.post("/v1/registry", content=sheet(row()), headers=CSV)).status_code == 403
        assert (await client.get("/v1/registry")).status_code == 200
    async with served.client(served.token(Scope.WRITE_REGISTRY)) as client:
        assert (await client.get("/v1/registry")).status_code == 403


async def test_the_whole_registry_is_given_as_the_sheet_that_would_make_it(served: Served) -> None:
    served.found()
    async with served.client(served.token(Scope.READ_REGISTRY)) as client:
        answer = await client.get("/v1/registry")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    (only,) = csv.DictReader(io.StringIO(answer.text))
    assert (only["meter"], only["posted_as"]) == (METER, f"LEDGER-{METER}")
    assert importer(served.headend).preview(parse_csv(answer.content)).plan.changes == ()


async def test_everything_of_one_meter_is_given_with_who_stated_it(served: Served) -> None:
    served.headend.enrol(gateway())
    exchange = Exchange(
        connection_point=f"CP-{METER}",
        at_utc=NOW,
        old_meter=METER,
        new_meter=METER,
        closing=RegisterPair(import_wh=1500, export_wh=None),
        opening=RegisterPair(import_wh=0, export_wh=0),
        stated_by="asha",
        stated_utc=NOW,
    )
    content = sheet({"meter": METER, "from": "2026-04-01", "feeder": "F1", "identity": "NEW"})
    importer(served.headend).apply(parse_csv(content), by="asha", at_utc=NOW, exchange=exchange)
    async with served.client(served.token(Scope.READ_REGISTRY)) as client:
        told = (await client.get(f"/v1/registry/{METER}")).json()
        assert (await client.get("/v1/registry/SKS9")).status_code == 404
    assert [cells["feeder"] for cells in told["rows"]] == ["", "F1"]
    assert told["exchanges"][0]["closing"] == {"import_kwh": "1.500", "export_kwh": None}
    assert told["changes"][0]["stated_by"] == "asha"


async def test_connection_points_are_looked_up_at_a_time(served: Served) -> None:
    content = sheet(row(1, feeder="F1"), row(1, feeder="F2", since="2026-04-01"))
    importer(served.headend).apply(parse_csv(content), by="asha", at_utc=NOW)
    async with served.client(served.token(Scope.READ_REGISTRY)) as client:

        async def found(**query: str) -> object:
            return (await client.get("/v1/connection-points", params=query)).json()

        assert await found(what="feeder", value="F1", at="2026-03-31T00:00:00Z") == ["CP-1"]
        assert await found(what="feeder", value="F1") == []
        assert await found(what="feeder", value="F2") == ["CP-1"]
        assert (
            await client.get("/v1/connection-points", params={"what": "feeder", "value": "F", "at": "x"})
        ).status_code == 422
        assert (await client.get("/v1/connection-points", params={"what": "village", "value": "F"})).status_code == 422


async def test_a_program_without_a_registry_desk_says_what_to_use(served: Served) -> None:
    from dataclasses import replace

    app = served.app()
    app.state.desk = replace(app.state.desk, registry=None)
    async with served.client(served.token(Scope.WRITE_REGISTRY), app) as client:
        answer = await client.post("/v1/registry", content=sheet(row()), headers=CSV)
    assert answer.status_code == 503
    assert "sakshi-headend registry import" in answer.json()["remedy"]


async def test_the_console_finds_meters_by_whatever_belongs_to_them(served: Served) -> None:
    rows = [
        row(1, consumer="K1", feeder="F1", dt="D1", posted_as="TEST_1", gateway="gw-7", sanctioned_kw="5.5"),
        row(2, consumer="K2", feeder="F1"),
    ]
    importer(served.headend).apply(parse_csv(sheet(*rows)), by="asha", at_utc=NOW)
    async with served.client(served.token(Scope.CONSOLE)) as client:

        async def found(search: str) -> list[str]:
            text = (await client.get("/console/registry", params={"search": search})).text
            return [name for name in (METER, "SKS00000002") if f"/console/meters/{name}" in text]

        for search in (METER, "SN000001", "CP-1", "K1", "D1", "TEST_1", " K1 "):
            assert await found(search) == [METER], search
        for search in ("", "F1"):
            assert await found(search) == [METER, "SKS00000002"]
        assert await found("%") == []
        page = (await client.get("/console/registry")).text
        assert "5500" in page
        assert "gw-7" in page
        detail = (await client.get(f"/console/meters/{METER}")).text
    assert "In the registry" in detail
    assert "K1" in detail
    assert "asha" in detail


async def test_the_console_pages_through_the_registry(served: Served) -> None:
    importer(served.headend).apply(parse_csv(sheet(*(row(n) for n in range(60)))), by="asha", at_utc=NOW)
    async with served.client(served.token(Scope.CONSOLE)) as client:
        first = (await client.get("/console/registry")).text
        assert "after=SKS00000049" in first
        assert "SKS00000059" in (await client.get("/console/registry", params={"after": "SKS00000049"})).text
        assert "<b>" not in (await client.get("/console/registry", params={"search": "<b>"})).text
