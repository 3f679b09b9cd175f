"""Refusals: typed, naming the field, with a remedy; nothing hostile is repeated and nothing inside leaks."""

from headend.tokens import Scope
from headend.web.api import StatusName
from signing.statements.window_actual import Status
from tests.headend.web.world import Served, Story

HOSTILE = [
    ("/v1/actuals/{}", ["xyz", "0" * 63, "0" * 65, "0" * 5000, "A" * 64, "..%2f..%2fetc%2fpasswd", "%00", "é"]),
    ("/v1/evidence/{}", ["xyz", "0" * 63, "..%2f..%2ftrust.toml"]),
    ("/v1/meters/{}", ["..", "%2e%2e%2fx", "a" * 65, "-x", "a b", "x'%20OR%20'1'='1", "%00", "x%0a"]),
    ("/v1/batches/{}", ["-1", "1.5", "x", "1" * 30, str(2**40), "%00", "1%0a"]),
]


async def test_a_hostile_identifier_is_refused_in_json_and_not_repeated(served: Served) -> None:
    async with served.client(served.token(*Scope)) as client:
        for template, text in [(path, text) for path, texts in HOSTILE for text in texts]:
            answer = await client.get(template.format(text))
            assert answer.status_code in {404, 422}, (template, text)
            assert set(answer.json()) == {"code", "message", "remedy"}
            assert "Traceback" not in answer.text
            assert len(text) <= 8 or text not in answer.text, (template, text)


WRONG = [
    ("/v1/meters?limit=0", "query.limit"),
    ("/v1/meters?limit=501", "query.limit"),
    ("/v1/windows?status=GREAT", "query.status"),
    ("/v1/windows?after=x", "query.after"),
    ("/v1/windows?after=-1", "query.after"),
    ("/v1/windows?start=2026-04-26T10:00:00Z", "query.end"),
    ("/v1/windows?start=2026-04-26T10:00:00&end=2026-04-27T10:00:00Z", "query.start"),
    ("/v1/windows?start=2026-01-01T00:00:00Z&end=2026-02-01T00:00:01Z", "query.start"),
    ("/v1/actuals?posted_as=x&start=2026-04-26T10:00:00Z", "query.end"),
    ("/v1/actuals?posted_as=&start=a&end=b", "query.posted_as"),
    ("/v1/actuals?posted_as=x&start=2026-04-26T10:00:00+05:30&end=2026-04-26T12:00:00Z", "query.start"),
    ("/v1/evidence/" + "0" * 64 + "?kind=batch", "query.kind"),
    ("/v1/postings?state=LOST", "query.state"),
]


async def test_a_wrong_parameter_is_422_and_named(served: Served) -> None:
    async with served.client(served.token(*Scope)) as client:
        for path, field in WRONG:
            answer = await client.get(path)
            assert answer.status_code == 422, path
            assert answer.json()["code"] == "invalid_request"
            assert field in answer.json()["message"], path
            assert answer.json()["remedy"]


async def test_the_bounds_themselves_are_accepted(served: Served) -> None:
    month = "/v1/windows?start=2026-01-01T00:00:00Z&end=2026-02-01T00:00:00Z"
    async with served.client(served.token(*Scope)) as client:
        for path in ("/v1/meters?limit=1", "/v1/meters?limit=500", month):
            assert (await client.get(path)).status_code == 200, path


async def test_an_unexpected_failure_shows_nothing_of_itself(story: Story) -> None:
    served = story.served
    with served.headend.database.transaction() as connection:
        connection.execute("DROP TABLE alias_dates")
    async with served.client(served.token(*Scope)) as client:
        answer = await client.get("/v1/meters")
        page = await client.get("/console/meters")
    assert answer.status_code == page.status_code == 500
    assert answer.json()["code"] == "internal"
    for text in (answer.text, page.text):
        assert "alias_dates" not in text
        assert "Traceback" not in text


async def test_openapi_describes_every_json_route(served: Served) -> None:
    async with served.client(served.token(Scope.READ_METERS)) as client:
        described = (await client.get("/openapi.json")).json()
    assert {"/v1/meters", "/v1/actuals/{digest}", "/v1/postings", "/v1/health"} <= set(described["paths"])
    assert not any(path.startswith("/console") for path in described["paths"])
    assert "Problem" in described["components"]["schemas"]
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    evidence = described["paths"]["/v1/evidence/{digest}"]["get"]
    assert evidence["security"] == [{"bearer": []}, {"signature": []}]
    assert described["paths"]["/v1/meters"]["get"]["security"] == [{"bearer": []}]
    assert described["paths"]["/bpp/receiver/status"]["post"]["security"] == [{"signature": []}]
    assert {"/v1/changes", "/v1/trades", "/.well-known/did.json"} <= set(described["paths"])
    assert evidence["description"].endswith("Scope: read:evidence.")
    assert described["paths"]["/v1/log/tile/{path}"]["get"]["security"] == []
    assert list(evidence["responses"]["200"]["content"]) == ["application/vnd.sakshi.bundle+cbor;v=1"]
    assert set(described["paths"]["/v1/actuals/{digest}"]["get"]["responses"]["200"]["content"]) == {
        "application/json",
        "application/cose",
    }


def test_the_api_knows_every_status_by_its_own_word() -> None:
    assert [name.value for name in StatusName] == [status.name for status in Status]
